//! Back-test, weights, final fit.

use super::{Auto, Bands, Candidate, FittedAuto, Member};
use crate::{
    error::{FitError, check_values},
    model::{Fitted, Forecaster},
};

/// Candidates worse than the best by this factor get no weight.
const CUT: f64 = 1.7;
/// Most candidates that are combined.
const MOST: usize = 12;
/// Exponent of the weights `(best / error)^p`.
const SHARPNESS: f64 = 6.0;

/// Most origins with cheap candidates.
const CHEAP_ORIGINS: usize = 4;
/// Members with less weight are not worth their time.
const LEAST: f64 = 0.01;

/// Most moments that the ensemble selection looks at.
const MOMENTS: usize = 600;
/// Picks of the ensemble selection.
const ROUNDS: u32 = 16;

/// Errors of one candidate or combination: per origin, per step ahead.
pub(crate) type Paths = Vec<Vec<f64>>;

/// Where the back-test starts.
pub(crate) struct Origins {
    pub(crate) starts: Vec<usize>,
    pub(crate) horizon: usize,
}

impl Origins {
    /// Step ahead, index and error of every observed value.
    pub(crate) fn errors<'a>(
        &'a self,
        paths: &'a Paths,
        values: &'a [f64],
    ) -> impl Iterator<Item = (usize, usize, f64)> + 'a {
        paths.iter().zip(&self.starts).flat_map(move |(path, &start)| {
            path.iter()
                .enumerate()
                .map(move |(h, p)| (h, start + h, values[start + h] - p))
                .filter(|e| !e.2.is_nan())
        })
    }
}

impl Auto {
    /// Seasons that have been seen at least once and a half.
    fn usable_seasons(&self, len: usize) -> Vec<usize> {
        let mut seasons: Vec<usize> =
            self.seasons.iter().copied().filter(|&m| m >= 2 && 3 * m <= 2 * len).collect();
        seasons.sort_unstable();
        seasons.dedup();
        seasons
    }

    /// Origins half a horizon apart, newest last, leaving at least half of the data and, if possible, three longest seasons
    /// to learn from.
    fn origins(&self, len: usize, seasons: &[usize]) -> Origins {
        let wanted = self.horizon.unwrap_or_else(|| seasons.first().copied().unwrap_or(12));
        let horizon = wanted.clamp(1, (len / 4).max(1));
        let longest = seasons.last().copied().unwrap_or(1);
        let enough = if 3 * longest + 2 * horizon < len { 3 * longest + 1 } else { 0 };
        let first = enough.max(len / 2).min(len - horizon);
        let step = horizon.div_ceil(2);
        let most = if self.cheap { self.origins.min(CHEAP_ORIGINS) } else { self.origins };
        let mut starts: Vec<usize> = (0..most.max(1))
            .map_while(|k| (len - horizon).checked_sub(k * step))
            .take_while(|&o| o >= first)
            .collect();
        starts.reverse();
        Origins { starts, horizon }
    }
}

impl Forecaster for Auto {
    type Fitted = FittedAuto;

    fn fit(&self, values: &[f64]) -> Result<FittedAuto, FitError> {
        self.fit_backtested(values).map(|b| b.fitted)
    }
}

/// A fit together with the back-test it rests on.
pub(crate) struct Backtested {
    pub(crate) fitted: FittedAuto,
    pub(crate) combined: Paths,
    pub(crate) origins: Origins,
}

impl Auto {
    pub(crate) fn fit_backtested(&self, values: &[f64]) -> Result<Backtested, FitError> {
        check_values(values, 4)?;
        let seasons = self.usable_seasons(values.len());
        let observed = || values.iter().copied().filter(|v| !v.is_nan());
        let (low, high) =
            observed().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let mean = observed().sum::<f64>() / observed().count() as f64;
        let positive = low > 0.02 * mean && mean > 0.0;
        let origins = self.origins(values.len(), &seasons);
        let candidates = Candidate::for_data(values.len(), &seasons, positive, self.cheap);
        let tried = candidates.len();
        let mut judged: Vec<(f64, Candidate, Paths)> = Vec::with_capacity(tried);
        for candidate in candidates {
            if let Some(paths) = forecasts(&candidate, values, &origins, self.cheap) {
                judged.push((mean_error(&paths, values, &origins), candidate, paths));
            }
        }
        judged.retain(|j| j.0.is_finite());
        judged.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some(best) = judged.first().map(|j| j.0) else {
            return Err(FitError::NoCandidate { tried });
        };
        judged.retain(|j| j.0 <= best * CUT);
        judged.truncate(MOST);
        let greedy = greedy_weights(&judged, values, &origins);
        let inverse: Vec<f64> = judged
            .iter()
            .map(|j| if best > 0.0 { (best / j.0).powf(SHARPNESS) } else { f64::from(u8::from(j.0 <= 0.0)) })
            .collect();
        let inverse_total: f64 = inverse.iter().sum();
        let weights: Vec<f64> =
            greedy.iter().zip(&inverse).map(|(g, i)| 0.5 * g + 0.5 * i / inverse_total).collect();
        let mut members = Vec::with_capacity(judged.len());
        let mut total = 0.0;
        let mut kept: Vec<Paths> = Vec::with_capacity(judged.len());
        for ((_, candidate, paths), weight) in judged.into_iter().zip(weights) {
            if weight < LEAST {
                continue;
            }
            let Ok(fitted) = candidate.fit(values) else { continue };
            total += weight;
            kept.push(paths);
            members.push(Member { weight, candidate, fitted });
        }
        if members.is_empty() {
            return Err(FitError::NoCandidate { tried });
        }
        members.iter_mut().for_each(|m| m.weight /= total);
        let weights: Vec<f64> = members.iter().map(|m| m.weight).collect();
        let combined: Paths = (0..origins.starts.len())
            .map(|o| combine(&kept.iter().map(|p| p[o].as_slice()).collect::<Vec<_>>(), &weights))
            .collect();
        let bands = Bands::learn(&combined, values, &origins, &seasons);
        let name = members[0].candidate.to_string();
        let range = high - low;
        let floor = if low >= 0.0 { (low - range).max(0.0) } else { low - range };
        let fitted = FittedAuto { name, members, bands, low: floor, high: high + 2.0 * range };
        Ok(Backtested { fitted, combined, origins })
    }
}

/// Forecasts of a candidate from every origin; `None` when it fails at any.
fn forecasts(candidate: &Candidate, values: &[f64], origins: &Origins, cheap: bool) -> Option<Paths> {
    let refit = candidate.refit(cheap);
    let mut fitted = None;
    let mut known = 0;
    origins
        .starts
        .iter()
        .map(|&start| {
            if refit || fitted.is_none() {
                fitted = Some(candidate.fit(&values[..start]).ok()?);
            } else if let Some(f) = &mut fitted {
                f.update_many(&values[known..start]).ok()?;
            }
            known = start;
            fitted.as_ref()?.predict(origins.horizon, &[]).ok().map(|f| f.point)
        })
        .collect()
}

/// Weighted mean of the members' forecasts; weights sum to one.
pub(super) fn combine(paths: &[&[f64]], weights: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; paths.iter().map(|p| p.len()).min().unwrap_or(0)];
    for (path, weight) in paths.iter().zip(weights) {
        out.iter_mut().zip(*path).for_each(|(o, p)| *o += weight * p);
    }
    out
}

/// Mean absolute error over all origins and steps.
fn mean_error(paths: &Paths, values: &[f64], origins: &Origins) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (path, &start) in paths.iter().zip(&origins.starts) {
        for (p, y) in path.iter().zip(&values[start..]) {
            let error = (y - p).abs();
            let observed = !error.is_nan();
            sum += if observed { error } else { 0.0 };
            count += f64::from(u8::from(observed));
        }
    }
    if count > 0.0 { sum / count } else { f64::INFINITY }
}

/// Ensemble selection: starting from nothing, adds again and again the candidate (with replacement) that makes the mean the
/// best; shares of the picks are the weights. Caruana, Niculescu-Mizil, Crew & Ksikes (2004).
fn greedy_weights(judged: &[(f64, Candidate, Paths)], values: &[f64], origins: &Origins) -> Vec<f64> {
    // Some hundred moments tell as much as thousands that lie side by side.
    // An odd stride does not always meet the same minutes of the hour.
    let every = (origins.starts.len() * origins.horizon).div_ceil(MOMENTS) | 1;
    let moments: Vec<(usize, usize)> = (0..origins.starts.len())
        .flat_map(|o| (0..origins.horizon).map(move |h| (o, h)))
        .step_by(every)
        .filter(|&(o, h)| !values[origins.starts[o] + h].is_nan())
        .collect();
    let actual: Vec<f64> = moments.iter().map(|&(o, h)| values[origins.starts[o] + h]).collect();
    let flat: Vec<Vec<f64>> =
        judged.iter().map(|j| moments.iter().map(|&(o, h)| j.2[o][h]).collect()).collect();
    let mut sum = vec![0.0; actual.len()];
    let mut picks = vec![0.0; judged.len()];
    for round in 0..ROUNDS {
        let share = 1.0 / f64::from(round + 1);
        let best = flat
            .iter()
            .map(|path| distance(&sum, path, &actual, share))
            .enumerate()
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(0, |(k, _)| k);
        picks[best] += 1.0 / f64::from(ROUNDS);
        sum.iter_mut().zip(&flat[best]).for_each(|(s, p)| *s += p);
    }
    picks
}

/// `Σ |(sum + path)·share - actual|` in four lanes (fixed order, so deterministic and vectorised).
fn distance(sum: &[f64], path: &[f64], actual: &[f64], share: f64) -> f64 {
    let mut lanes = [0.0; 4];
    let (sums, sum_rest) = sum.as_chunks::<4>();
    let (paths, path_rest) = path.as_chunks::<4>();
    let (actuals, actual_rest) = actual.as_chunks::<4>();
    for ((s, p), y) in sums.iter().zip(paths).zip(actuals) {
        for k in 0..4 {
            lanes[k] += ((s[k] + p[k]) * share - y[k]).abs();
        }
    }
    let rest = sum_rest.iter().zip(path_rest).zip(actual_rest);
    let rest: f64 = rest.map(|((s, p), y)| ((s + p) * share - y).abs()).sum();
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

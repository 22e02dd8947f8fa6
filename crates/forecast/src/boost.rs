//! One gradient-boosted model for many series.
//!
//! # Model
//! Every series is standardised by its own mean and standard deviation. A row describes one moment of one series: its last
//! lags, the values one and two seasons ago, the mean of the last season, the position within every season (counted from the
//! start of the slice), the columns known in advance that all series share (a calendar, events) and the static features of the
//! series; the target is the value at that moment. [`Boosting`] learns the trees; forecasts are recursive. Without sampling
//! (the default) the fit is deterministic: rows are thinned by an even stride.
//!
//! Bands are conformal: a model without the last steps of every series forecasts them from three origins, and the sizes of
//! its errors, in units of the series' deviation and of their growth over the horizon, give the distance.
//!
//! Cost: twice O(rows · features · depth · rounds) for the fit, O(rounds · depth) per predicted step.
//!
//! # References
//! Friedman (2001), Greedy function approximation: a gradient boosting machine; Ke et al. (2017), LightGBM (histogram splits);
//! Montero-Manso & Hyndman (2021), Principles and algorithms for forecasting groups of time series: locality and globality;
//! Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World.

use crate::{
    auto::Growth,
    conformal::conformal_quantile,
    error::{FitError, MAX_MAGNITUDE, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    gaps::fill_gaps,
    model::Fitted,
    tree::{Boosting, Table, TreeError, TreeModel},
};

/// Settings of the global model.
///
/// # Example
/// ```
/// use ecosystem_forecast::GlobalBoost;
/// let panel: Vec<Vec<f64>> = (1..6)
///     .map(|s| (0..200).map(|t| f64::from(s) * (10.0 + f64::from(t % 10))).collect())
///     .collect();
/// let views: Vec<&[f64]> = panel.iter().map(Vec::as_slice).collect();
/// let fitted = GlobalBoost::new(&[10]).fit(&views, &[])?;
/// let next = fitted.predict(&panel[2], &[], 10, &[0.9])?;
/// assert!((next.point[5] - 45.0).abs() < 2.0, "{next:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GlobalBoost {
    /// Seasons in steps.
    pub seasons: Vec<usize>,
    /// Lags 1 to this many are features (default 6).
    pub lags: usize,
    /// How trees are grown (default: 120 of depth 5, rate 0.1, 64 bins, at least 10 rows in a leaf).
    pub boosting: Boosting,
    /// Most training rows over all series (default 100,000): more are thinned evenly.
    pub rows: usize,
    /// Steps ahead over which the growth of the errors is learned (default: the shortest season, or 12).
    pub horizon: usize,
}

/// The fitted global model; it forecasts any series, also ones it has not seen.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedGlobalBoost {
    settings: GlobalBoost,
    statics: usize,
    shared: usize,
    trees: TreeModel,
    growth: Growth,
    sizes: Vec<f64>, // of held-out errors in units of `growth`, sorted
}

/// One series seen by a [`FittedGlobalBoost`]: predicts and takes new observations, the scale of the series staying as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalSeries<'a> {
    model: &'a FittedGlobalBoost,
    statics: Vec<f64>,
    past: Past,
}

/// Fewest steps of a series beyond its lags, and origins held out for the bands.
const LEAF: usize = 10;
const ORIGINS: usize = 3;
/// Most error sizes that are kept.
const KEPT: usize = 1024;

impl GlobalBoost {
    /// Default sizes.
    pub fn new(seasons: &[usize]) -> Self {
        let seasons: Vec<usize> = seasons.iter().copied().filter(|&m| m >= 2).collect();
        let horizon = seasons.iter().copied().min().unwrap_or(12);
        let mut boosting = Boosting::regressor();
        (boosting.depth, boosting.leaves, boosting.bins) = (5, 32, 64);
        (boosting.least_rows, boosting.ridge) = (LEAF, 1.0);
        Self { seasons, lags: 6, boosting, rows: 100_000, horizon }
    }

    fn check(&self) -> Result<(), FitError> {
        let bad = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if let Some(m) = self.seasons.iter().find(|m| !(2..=1 << 24).contains(*m)) {
            return bad("seasons", *m as f64, "2 to 16777216");
        }
        if !(1..=1000).contains(&self.lags) {
            return bad("lags", self.lags as f64, "1 to 1000");
        }
        if !(1..=crate::MAX_HORIZON).contains(&self.horizon) {
            return bad("horizon", self.horizon as f64, "1 to 50000 steps");
        }
        Ok(())
    }

    /// Steps back that a row looks.
    fn reach(&self) -> usize {
        self.seasons.iter().map(|m| 2 * m).max().unwrap_or(0).max(self.lags)
    }

    /// Learns from many series; `statics` has one row of features per series, or is empty. Series that are too short are left
    /// out; an error when none is left that is as long as its lags and three horizons.
    pub fn fit(&self, panel: &[&[f64]], statics: &[Vec<f64>]) -> Result<FittedGlobalBoost, FitError> {
        self.fit_with(panel, statics, &[])
    }

    /// The same with columns known in advance that all series share, such as
    /// `CalendarColumns`: one value per step, at least as many as the longest series has.
    pub fn fit_with(
        &self,
        panel: &[&[f64]],
        statics: &[Vec<f64>],
        shared: &[Vec<f64>],
    ) -> Result<FittedGlobalBoost, FitError> {
        self.check()?;
        check_columns(panel, statics, shared)?;
        let held = ORIGINS * self.horizon;
        let data = Data { panel, statics, shared };
        let mut fitted = self.learn(&data, held)?;
        let errors = fitted.held_out_errors(&data, held);
        fitted.growth = Growth::learn(errors.iter().copied(), self.horizon);
        let mut sizes: Vec<f64> = errors.iter().map(|&(h, e)| e.abs() / fitted.growth.at(h)).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        if sizes.len() > KEPT {
            sizes = (0..KEPT).map(|k| sizes[k * (sizes.len() - 1) / (KEPT - 1)]).collect();
        }
        let trees = self.learn(&data, 0)?.trees;
        Ok(FittedGlobalBoost { trees, sizes, ..fitted })
    }

    /// Learns from all but the last `held` steps of every series.
    fn learn(&self, data: &Data<'_>, held: usize) -> Result<FittedGlobalBoost, FitError> {
        let reach = self.reach();
        let usable = |values: &[f64]| values.len() > reach + LEAF + held;
        let rows = |values: &[f64]| values.len() - held - reach;
        let total: usize = data.panel.iter().filter(|v| usable(v)).map(|v| rows(v)).sum();
        if total < 4 * LEAF {
            let found = data.panel.iter().map(|v| v.len()).max().unwrap_or(0);
            return Err(FitError::TooShort { needed: 4 * LEAF + reach + held, found });
        }
        let stride = total.div_ceil(self.rows.max(1));
        let (mut columns, mut target): (Vec<Vec<f64>>, Vec<f64>) = (Vec::new(), Vec::new());
        let (mut row, mut now) = (Vec::new(), Vec::new());
        for (s, values) in data.panel.iter().enumerate().filter(|(_, v)| usable(v)) {
            let past = Past::new(&values[..values.len() - held], &self.seasons);
            for t in (reach + s % stride..past.z.len()).step_by(stride) {
                data.shared_at(t, &mut now);
                self.row(&past, t, &now, data.statics_of(s), &mut row);
                columns.resize(row.len(), Vec::new());
                columns.iter_mut().zip(&row).for_each(|(c, v)| c.push(*v));
                target.push(past.z[t]);
            }
        }
        let table = Table::from_columns(columns).map_err(|e| fit_error(&e, target.len()))?;
        let trees = self.boosting.fit(&table, &target).map_err(|e| fit_error(&e, target.len()))?;
        Ok(FittedGlobalBoost {
            settings: self.clone(),
            statics: data.statics.first().map_or(0, Vec::len),
            shared: data.shared.len(),
            trees,
            growth: Growth::learn(std::iter::empty(), self.horizon),
            sizes: Vec::new(),
        })
    }

    /// Features of moment `t` from the standardised values before it.
    fn row(&self, past: &Past, t: usize, shared: &[f64], statics: &[f64], out: &mut Vec<f64>) {
        let z = &past.z;
        out.clear();
        out.extend((1..=self.lags).map(|l| z[t - l]));
        for &m in &self.seasons {
            let mean = (past.sums[t] - past.sums[t - m]) / m as f64;
            let phase = ((t + past.forgotten) % m) as f64 / m as f64;
            out.extend([z[t - m], z[t - 2 * m], mean, phase]);
        }
        out.extend_from_slice(shared);
        out.extend_from_slice(statics);
    }
}

fn check_columns(panel: &[&[f64]], statics: &[Vec<f64>], shared: &[Vec<f64>]) -> Result<(), FitError> {
    let length = |name, needed, found| Err(FitError::Length { name, needed, found });
    let width = statics.first().map_or(0, Vec::len);
    if !statics.is_empty() && statics.len() != panel.len() {
        return length("statics", panel.len(), statics.len());
    }
    if let Some(row) = statics.iter().find(|r| r.len() != width || !all_small(r)) {
        return length("a finite row of statics", width, row.len());
    }
    let longest = panel.iter().map(|v| v.len()).max().unwrap_or(0);
    if let Some(column) = shared.iter().find(|c| c.len() < longest || !all_small(c)) {
        return length("a finite shared column", longest, column.len());
    }
    panel.iter().try_for_each(|values| check_values(values, 0).map(|_| ()))
}

fn all_small(values: &[f64]) -> bool {
    values.iter().all(|v| v.abs() <= MAX_MAGNITUDE)
}

fn fit_error(error: &TreeError, rows: usize) -> FitError {
    match *error {
        TreeError::Setting { name, value, expected } => FitError::Setting { name, value, expected },
        _ => FitError::TooShort { needed: 4 * LEAF, found: rows },
    }
}

/// What a fit learns from.
struct Data<'a> {
    panel: &'a [&'a [f64]],
    statics: &'a [Vec<f64>],
    shared: &'a [Vec<f64>],
}

impl Data<'_> {
    fn statics_of(&self, series: usize) -> &[f64] {
        self.statics.get(series).map_or(&[], Vec::as_slice)
    }

    fn shared_at(&self, step: usize, out: &mut Vec<f64>) {
        out.clear();
        out.extend(self.shared.iter().map(|c| c[step]));
    }
}

/// Standardised values with their running sums.
#[derive(Clone, Debug, PartialEq)]
struct Past {
    z: Vec<f64>,
    sums: Vec<f64>, // sums[i] = z[0] + … + z[i-1]
    forgotten: usize,
    mean: f64,
    sigma: f64,
}

impl Past {
    fn new(values: &[f64], seasons: &[usize]) -> Self {
        let filled = fill_gaps(values, seasons);
        let mean = crate::stats::mean(&filled);
        let sigma = crate::stats::variance(&filled).sqrt().max(1e-9 * mean.abs()).max(1e-100);
        let mut past = Self {
            z: Vec::with_capacity(filled.len()),
            sums: Vec::with_capacity(filled.len() + 1),
            forgotten: 0,
            mean,
            sigma,
        };
        past.sums.push(0.0);
        filled.iter().for_each(|v| past.push((v - mean) / sigma));
        past
    }

    fn push(&mut self, z: f64) {
        self.sums.push(self.sums[self.z.len()] + z);
        self.z.push(z);
    }

    /// Forgets what lies more than `reach` steps back.
    fn forget(&mut self, reach: usize) {
        let gone = self.z.len().saturating_sub(reach);
        self.z.drain(..gone);
        self.forgotten += gone;
        self.sums.clear();
        self.sums.push(0.0);
        for (i, z) in self.z.iter().enumerate() {
            self.sums.push(self.sums[i] + z);
        }
    }
}

impl FittedGlobalBoost {
    /// A series with its static features, ready to forecast. It begins at the same phase of the seasons as the training series.
    pub fn series(&self, values: &[f64], statics: &[f64]) -> Result<GlobalSeries<'_>, PredictError> {
        let reach = self.settings.reach();
        if values.len() < reach || values.iter().any(|v| v.abs() > MAX_MAGNITUDE) {
            return Err(PredictError::Regressors { name: "history", needed: reach, found: values.len() });
        }
        if statics.len() != self.statics || !all_small(statics) {
            let (needed, found) = (self.statics, statics.len());
            return Err(PredictError::Regressors { name: "statics", needed, found });
        }
        let mut past = Past::new(values, &self.settings.seasons);
        past.forget(reach);
        Ok(GlobalSeries { model: self, statics: statics.to_vec(), past })
    }

    /// Forecasts a series with its static features: [`series`](Self::series) and [`Fitted::predict`] in one call.
    pub fn predict(
        &self,
        values: &[f64],
        statics: &[f64],
        horizon: usize,
        levels: &[f64],
    ) -> Result<Forecast, PredictError> {
        self.series(values, statics)?.predict(horizon, levels)
    }

    /// How much each feature contributed, as shares: lags, then per season (one season ago, two, its mean, its phase), shared
    /// columns, statics.
    pub fn importance(&self) -> Vec<f64> {
        self.trees.importance()
    }

    /// Step ahead and error, in deviations of the series, of forecasts from the origins that were held out.
    fn held_out_errors(&self, data: &Data<'_>, held: usize) -> Vec<(usize, f64)> {
        let horizon = self.settings.horizon;
        let shortest = self.settings.reach() + LEAF + held;
        let mut errors = Vec::new();
        for (s, values) in data.panel.iter().enumerate().filter(|(_, v)| v.len() > shortest) {
            for origin in (values.len() - held..values.len()).step_by(horizon) {
                let future: Vec<Vec<f64>> = data.shared.iter().map(|c| c[origin..].to_vec()).collect();
                let Ok(series) = self.series(&values[..origin], data.statics_of(s)) else { continue };
                let Ok(forecast) = series.predict_with(horizon, &[], &future) else { continue };
                let unit = series.past.sigma;
                let pairs = forecast.point.iter().zip(&values[origin..]).enumerate();
                errors.extend(pairs.map(|(h, (p, y))| (h, (y - p) / unit)).filter(|e| e.1.is_finite()));
            }
        }
        errors
    }
}

impl GlobalSeries<'_> {
    /// Predicts with the coming values of the shared columns: one slice per column, at least `horizon` long.
    pub fn predict_with(
        &self,
        horizon: usize,
        levels: &[f64],
        future: &[Vec<f64>],
    ) -> Result<Forecast, PredictError> {
        let mut out = Forecast::default();
        self.write(horizon, levels, future, &mut out)?;
        Ok(out)
    }

    fn write(
        &self,
        horizon: usize,
        levels: &[f64],
        future: &[Vec<f64>],
        out: &mut Forecast,
    ) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        if future.len() != self.model.shared {
            let (needed, found) = (self.model.shared, future.len());
            return Err(PredictError::Regressors { name: "shared columns", needed, found });
        }
        if let Some(short) = future.iter().find(|c| c.len() < horizon || !all_small(&c[..horizon])) {
            let (needed, found) = (horizon, short.len());
            return Err(PredictError::Regressors { name: "shared column", needed, found });
        }
        out.write_points(levels, |out| {
            let (mut past, mut row, mut now) = (self.past.clone(), Vec::new(), Vec::new());
            out.point.clear();
            for h in 0..horizon {
                now.clear();
                now.extend(future.iter().map(|c| c[h]));
                self.model.settings.row(&past, past.z.len(), &now, &self.statics, &mut row);
                past.push(self.model.trees.predict(&row));
                out.point.push(past.z[past.z.len() - 1] * past.sigma + past.mean);
            }
            Ok(())
        })?;
        for band in &mut out.intervals {
            let unit = self.past.sigma * conformal_quantile(self.model.sizes.iter().copied(), band.level);
            for (h, (low, high)) in band.lower.iter_mut().zip(&mut band.upper).enumerate() {
                let reach = unit * self.model.growth.at(h);
                (*low, *high) = (*low - reach, *high + reach);
            }
        }
        Ok(())
    }
}

impl Fitted for GlobalSeries<'_> {
    /// An error when the model has shared columns: use [`predict_with`](GlobalSeries::predict_with).
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        self.write(horizon, levels, &[], out)
    }

    /// A missing value takes that of one season ago.
    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        let ago = self.model.settings.seasons.iter().copied().min().unwrap_or(1);
        let len = self.past.z.len();
        self.past.push(if value.is_nan() {
            self.past.z[len - ago]
        } else {
            (value - self.past.mean) / self.past.sigma
        });
        let reach = self.model.settings.reach();
        if len > 2 * reach + 64 {
            self.past.forget(reach);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(panel: &[Vec<f64>]) -> Vec<&[f64]> {
        panel.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn a_static_feature_separates_two_kinds_of_series() {
        // Same past shape, but only series of kind 1 jump in the second half of each cycle of the weekly pattern.
        let series = |kind: usize, s: usize| -> Vec<f64> {
            (0..300)
                .map(|t| {
                    (t % 6) as f64
                        + if kind == 1 && t % 12 >= 6 { 20.0 } else { 0.0 }
                        + (s * t % 7) as f64 * 0.05
                })
                .collect()
        };
        let panel: Vec<Vec<f64>> = (0..12).map(|s| series(s % 2, s)).collect();
        let statics: Vec<Vec<f64>> = (0..12).map(|s| vec![f64::from(s % 2)]).collect();
        let fitted = GlobalBoost::new(&[6, 12]).fit(&views(&panel), &statics).unwrap();
        let unseen = series(1, 50);
        let point = fitted.predict(&unseen[..288], &[1.0], 12, &[]).unwrap().point;
        let error = crate::metrics::mae(&unseen[288..], &point);
        assert!(error < 1.0, "{error}");
        assert_eq!(fitted, GlobalBoost::new(&[6, 12]).fit(&views(&panel), &statics).unwrap());
    }

    #[test]
    fn a_shared_event_is_learned_from_all_series() {
        // Events come at irregular steps that no lag and no phase tells.
        let event: Vec<f64> = (0..400).map(|t| f64::from(u8::from(t * t % 23 == 1))).collect();
        let series = |s: usize| -> Vec<f64> {
            (0..400).map(|t| (t % 8) as f64 + 30.0 * event[t] + (s * t % 5) as f64 * 0.1).collect()
        };
        let panel: Vec<Vec<f64>> = (0..8).map(|s| series(s)[..380].to_vec()).collect();
        let shared = [event.clone()];
        let fitted = GlobalBoost::new(&[8]).fit_with(&views(&panel), &[], &shared).unwrap();
        let known = fitted.series(&panel[3], &[]).unwrap();
        let point = known.predict_with(20, &[], &[event[380..].to_vec()]).unwrap().point;
        let error = crate::metrics::mae(&series(3)[380..], &point);
        assert!(error < 2.0, "{error}");
        assert!(known.predict(20, &[]).is_err() && known.predict_with(20, &[], &[vec![0.0; 3]]).is_err());
    }

    #[test]
    fn held_out_bands_hold_their_share_and_updates_equal_a_longer_history() {
        let noise = |i: usize| ((i * i * i * 31 + i * i * 17 + 7 * i) % 101) as f64 / 50.0 - 1.0;
        let panel: Vec<Vec<f64>> = (0..20)
            .map(|s| (0..360).map(|t| (t % 12) as f64 + 2.0 * noise(t * 20 + s * 7)).collect())
            .collect();
        let past: Vec<&[f64]> = panel.iter().map(|v| &v[..336]).collect();
        let fitted = GlobalBoost::new(&[12]).fit(&past, &[]).unwrap();
        let (mut inside, mut all) = (0.0, 0.0);
        for values in &panel {
            let forecast = fitted.predict(&values[..336], &[], 24, &[0.8]).unwrap();
            let band = &forecast.intervals[0];
            inside += 24.0 * crate::metrics::coverage(&values[336..], &band.lower, &band.upper);
            all += 24.0;
        }
        assert!((0.74..0.87).contains(&(inside / all)), "{}", inside / all);

        let mut grown = fitted.series(&panel[0][..300], &[]).unwrap();
        grown.update_many(&panel[0][300..336]).unwrap();
        let mut whole = fitted.series(&panel[0][..336], &[]).unwrap();
        (whole.past.mean, whole.past.sigma) = (grown.past.mean, grown.past.sigma);
        whole.past.z.clear();
        let from = 336 - fitted.settings.reach();
        whole.past.z.extend(panel[0][from..336].iter().map(|v| (v - grown.past.mean) / grown.past.sigma));
        whole.past.forget(fitted.settings.reach());
        let (a, b) = (grown.predict(12, &[]).unwrap(), whole.predict(12, &[]).unwrap());
        a.point.iter().zip(&b.point).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{a} {b}"));
    }

    #[test]
    fn bad_shapes_are_errors() {
        let model = GlobalBoost::new(&[4]);
        assert!(matches!(model.fit(&[&[1.0; 5]], &[]), Err(FitError::TooShort { .. })));
        assert!(matches!(model.fit(&[], &[]), Err(FitError::TooShort { .. })));
        let long = vec![1.0; 100];
        assert!(matches!(model.fit(&[&long], &[vec![1.0], vec![2.0]]), Err(FitError::Length { .. })));
        assert!(matches!(model.fit_with(&[&long], &[], &[vec![1.0; 99]]), Err(FitError::Length { .. })));
        let ramp: Vec<f64> = (0..100).map(f64::from).collect();
        let fitted = model.fit(&[&ramp], &[]).unwrap();
        assert!(fitted.predict(&ramp, &[1.0], 3, &[]).is_err());
        assert!(fitted.predict(&ramp[..3], &[], 3, &[]).is_err());
        let mut wrong = GlobalBoost::new(&[4]);
        wrong.boosting.learning_rate = 0.0;
        assert!(matches!(wrong.fit(&[&ramp], &[]), Err(FitError::Setting { .. })));
    }
}

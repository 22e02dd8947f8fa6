//! Many metrics at once: how far a row is from the nearest rows of normal times.

pub(super) mod calibration;
mod heights;
mod reference;

use crate::error::FitError;
use calibration::Calibration;
use heights::{Heights, heights};
use reference::{NEIGHBOURS, Nearest, Reference};

/// Settings of [`NearestRows`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NearestSettings {
    /// Rows per day: alarms compare with the score of the last days.
    pub rows_per_day: usize,
    /// Training rows kept for comparison, 100 to 100,000. Cost and memory grow with it.
    pub references: usize,
    /// False alarms per day that are put up with, above 0, at most 1000: the height of an alarm is the one that the training rows
    /// would have exceeded so often.
    pub alarms_per_day: f64,
}

impl Default for NearestSettings {
    fn default() -> Self {
        // 600 rows did as well as 3,000 on public data at a fifth of the cost. One false alarm in three days, which people still answer.
        Self { rows_per_day: 1440, references: 600, alarms_per_day: 1.0 / 3.0 }
    }
}

impl NearestSettings {
    /// Rows per day, at least 2.
    #[must_use]
    pub fn with_rows_per_day(mut self, rows: usize) -> Self {
        self.rows_per_day = rows;
        self
    }

    /// Training rows kept.
    #[must_use]
    pub fn with_references(mut self, rows: usize) -> Self {
        self.references = rows;
        self
    }

    /// False alarms per day that are put up with.
    #[must_use]
    pub fn with_alarms_per_day(mut self, alarms: f64) -> Self {
        self.alarms_per_day = alarms;
        self
    }
}

/// Verdict on one row.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RowVerdict {
    /// Rarity against the training rows, smoothed; 0 (usual) upwards, comparable between entities.
    pub score: f64,
    /// An incident is going on.
    pub alarm: bool,
    /// Share of each metric in the deviation: distance from its training mean in standard deviations, the largest since the
    /// incident began (or of this row alone outside of one).
    pub contributions: Vec<f64>,
}

impl RowVerdict {
    /// Metrics (0-based) from the largest contribution to the smallest.
    pub fn ranking(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.contributions.len()).collect();
        order.sort_by(|&a, &b| self.contributions[b].total_cmp(&self.contributions[a]));
        order
    }
}

/// Distance to the five nearest normal rows, in the metrics' own range and in standard deviations, as calibrated rarity.
///
/// # Model
/// Two scalings see different faults: the range keeps constant metrics quiet, the standard deviation makes small changes of
/// steady metrics loud. Each distance becomes `−log10` of its tail probability (conformal rank among distances of training
/// rows to the other half of the training rows, exponential beyond), and both are added. Faults last, noise does not:
/// the score is the larger of two exponential means (weights 0.3 and 0.1).
///
/// An alarm compares with fresh normality: rows older than a quarter of an hour's worth of noise (300 rows) join a second,
/// bounded reference set, so a regime that lasts stops alarming. Its height is found without labels: the training rows are
/// scored against the other half of the training, and the height is the one that they exceed `alarms_per_day` times a day. When the 95 %
/// quantile of the last two days is above that of the training, the height rises by the difference. An alarm ends at 40 % of its
/// height, or already where 97.5 % of the training scores are: what is usual is no incident.
///
/// Missing values (NaN) take the training mean; infinite ones are clipped. Fit O(references · rows), of at most 20,000 rows; a row
/// O((references + 250) · metrics) at worst, memory O(references · metrics).
///
/// # References
/// Ramaswamy, Rastogi & Shim (2000), SIGMOD; Laxhammar & Falkman (2011), conformal k-NN; Siffer et al. (2017), KDD.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{NearestRows, NearestSettings};
/// let normal: Vec<Vec<f64>> = (0..2000_u32).map(|i| vec![f64::from(i % 60), f64::from(i % 60) * 2.0 + f64::from(i % 7)]).collect();
/// let mut detector = NearestRows::fit(&normal, &NearestSettings::default().with_rows_per_day(288))?;
/// assert!((0..200).all(|i| !detector.push(&normal[i]).unwrap().alarm));
/// // Either metric alone is usual; together they never were.
/// let verdicts: Vec<_> = (0..5).map(|_| detector.push(&[50.0, 10.0]).unwrap()).collect();
/// assert!(verdicts[4].alarm && verdicts[4].score > 4.0);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NearestRows {
    settings: NearestSettings,
    scaling: Scaling,
    trained: Reference,
    recent: Reference,
    plain: Calibration,
    weighted: Calibration,
    score: Smooth,
    fresh: Smooth,
    /// Rows that wait to become recent references.
    waiting: std::collections::VecDeque<Vec<f32>>,
    row: u64,
    /// Nearest training rows of the last row, in either scaling.
    guesses: [[u32; NEIGHBOURS]; 2],
    usual: Usual,
    heights: Heights,
    /// Height at which the alarm going on ends, and contributions so far.
    incident: Option<(f64, Vec<f64>)>,
}

/// Rows until a row may become a reference.
const DELAY: usize = 300;
/// Every how many rows one becomes a reference, and how many are kept.
const THINNING: u64 = 8;
const RECENT: usize = 250;
/// Share of the height at its beginning at which an incident is over.
const RELEASE: f64 = 0.4;

/// Brings metrics to comparable units.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Scaling {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    range: Vec<f64>,
    /// Metrics from the liveliest to the one that hardly moves: distances add up early and far rows are dropped early.
    order: Vec<usize>,
    /// Square of range over deviation, in that order: turns range units into standard deviations.
    weights: Vec<f32>,
}

/// Bound of a metric in ranges: what lies farther out is as odd as it gets.
const FAR: f64 = 3.0;

impl Scaling {
    fn new(rows: &[Vec<f64>], columns: usize) -> Self {
        let (mut mean, mut deviation, mut range) = (Vec::new(), Vec::new(), Vec::new());
        for j in 0..columns {
            let known = || rows.iter().map(|r| r[j]).filter(|v| v.is_finite());
            let count = known().count().max(1) as f64;
            let center = known().sum::<f64>() / count;
            let variance = known().map(|v| (v - center) * (v - center)).sum::<f64>() / count;
            let low = known().fold(f64::INFINITY, f64::min);
            let high = known().fold(f64::NEG_INFINITY, f64::max);
            // A metric that never moved: its own size, or one, is the unit.
            let width = if high > low { high - low } else { center.abs().max(1.0) };
            mean.push(center);
            range.push(width);
            deviation.push(variance.sqrt().max(1e-3 * width));
        }
        let lively = |j: usize| deviation[j] / range[j];
        let mut order: Vec<usize> = (0..columns).collect();
        order.sort_by(|&a, &b| lively(b).total_cmp(&lively(a)));
        #[expect(clippy::cast_possible_truncation, reason = "distances are in single precision")]
        let weights = order.iter().map(|&j| (1.0 / (lively(j) * lively(j))) as f32).collect();
        Self { mean, deviation, range, order, weights }
    }

    #[expect(clippy::cast_possible_truncation, reason = "distances are in single precision")]
    fn scale(&self, row: &[f64]) -> Vec<f32> {
        let one = |&j: &usize| {
            let scaled = (row[j] - self.mean[j]) / self.range[j];
            if scaled.is_nan() { 0.0 } else { scaled.clamp(-FAR, FAR) as f32 }
        };
        self.order.iter().map(one).collect()
    }
}

/// The larger of a quick and a slow exponential mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Smooth {
    quick: f64,
    slow: f64,
}

impl Smooth {
    fn push(&mut self, value: f64) -> f64 {
        self.quick += 0.3 * (value - self.quick);
        self.slow += 0.1 * (value - self.slow);
        self.quick.max(self.slow)
    }
}

/// Scores of the last two days, one in every few rows, for their upper quantile.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Usual {
    every: u64,
    recent: std::collections::VecDeque<f64>,
    height: f64,
}

/// Scores kept for the quantile.
const KEPT: usize = 256;

impl Usual {
    /// Begins with a day as usual as the training.
    fn new(rows_per_day: usize, height: f64) -> Self {
        let every = ((2 * rows_per_day).div_ceil(KEPT)).max(1) as u64;
        Self { every, recent: std::iter::repeat_n(height, KEPT / 2).collect(), height }
    }

    fn push(&mut self, row: u64, score: f64) {
        if !row.is_multiple_of(self.every) {
            return;
        }
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(score);
        let mut sorted: Vec<f64> = self.recent.iter().copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        self.height = sorted[(sorted.len() - 1) * 95 / 100];
    }
}

impl NearestRows {
    /// Learns from rows that are mostly normal: at least 50, equally long, values within ±1e100 or NaN for missing.
    pub fn fit(rows: &[Vec<f64>], settings: &NearestSettings) -> Result<Self, FitError> {
        let columns = Self::check(rows, settings)?;
        let scaling = Scaling::new(rows, columns);
        let pick = |count: usize| -> Vec<Vec<f32>> {
            let count = count.min(rows.len()).max(2);
            (0..count).map(|i| scaling.scale(&rows[i * (rows.len() - 1) / (count - 1)])).collect()
        };
        let mut trained = Reference::new(columns, settings.references);
        pick(settings.references).iter().for_each(|r| trained.add(r));
        let halves = halves(&pick(2 * settings.references), columns);
        let (plain, weighted) = calibrate(&halves, &scaling.weights);
        let rehearsed = rehearse(rows, &scaling, &halves, (&plain, &weighted));
        let heights = heights(&rehearsed, settings.rows_per_day, settings.alarms_per_day);
        Ok(Self {
            settings: settings.clone(),
            trained,
            recent: Reference::new(columns, RECENT),
            plain,
            weighted,
            score: Smooth::default(),
            fresh: Smooth::default(),
            waiting: std::collections::VecDeque::new(),
            row: 0,
            guesses: [[0; NEIGHBOURS]; 2],
            usual: Usual::new(settings.rows_per_day, heights.usual),
            heights,
            incident: None,
            scaling,
        })
    }

    fn check(rows: &[Vec<f64>], settings: &NearestSettings) -> Result<usize, FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if !(100..=100_000).contains(&settings.references) {
            return refuse("references", settings.references as f64, "100 to 100000 rows");
        }
        if !(2..=100_000).contains(&settings.rows_per_day) {
            return refuse("rows_per_day", settings.rows_per_day as f64, "2 to 100000 rows");
        }
        if !(settings.alarms_per_day > 0.0 && settings.alarms_per_day <= 1000.0) {
            return refuse("alarms_per_day", settings.alarms_per_day, "above 0, at most 1000");
        }
        if rows.len() < 50 {
            return Err(FitError::TooShort { needed: 50, found: rows.len() });
        }
        let columns = rows[0].len();
        if columns == 0 {
            return Err(FitError::Length { name: "row", needed: 1, found: 0 });
        }
        for (index, row) in rows.iter().enumerate() {
            if row.len() != columns {
                return Err(FitError::Length { name: "row", needed: columns, found: row.len() });
            }
            if let Some(&value) = row.iter().find(|v| v.abs() > crate::error::MAX_MAGNITUDE) {
                return Err(FitError::OutOfRange { index, value });
            }
        }
        Ok(columns)
    }

    /// Judges the next row, then remembers it. Refuses a row of another length.
    pub fn push(&mut self, row: &[f64]) -> Result<RowVerdict, FitError> {
        let columns = self.scaling.mean.len();
        if row.len() != columns {
            return Err(FitError::Length { name: "row", needed: columns, found: row.len() });
        }
        let scaled = self.scaling.scale(row);
        let (mut plain, mut weighted) = (Nearest::none(), Nearest::none());
        self.trained.bound(&scaled, &self.scaling.weights, &self.guesses, [&mut plain, &mut weighted]);
        self.trained.search(&scaled, &self.scaling.weights, &mut plain, &mut weighted);
        self.guesses = [plain.rows(), weighted.rows()];
        let score = self.score.push(self.rarity(&plain, &weighted));
        self.recent.search(&scaled, &self.scaling.weights, &mut plain, &mut weighted);
        let fresh = self.fresh.push(self.rarity(&plain, &weighted));
        let alarm = self.alarm(fresh, row);
        self.remember(scaled);
        let contributions = match &self.incident {
            Some((_, largest)) if alarm => largest.clone(),
            _ => self.deviations(row).collect(),
        };
        Ok(RowVerdict { score, alarm, contributions })
    }

    fn rarity(&self, plain: &Nearest, weighted: &Nearest) -> f64 {
        rarity((&self.plain, &self.weighted), plain, weighted)
    }

    /// Distance of each metric from its training mean in standard deviations; missing ones do not deviate.
    fn deviations<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        row.iter().enumerate().map(|(j, v)| {
            let z = ((v - self.scaling.mean[j]) / self.scaling.deviation[j]).abs();
            if z.is_nan() { 0.0 } else { z.min(1e6) }
        })
    }

    fn alarm(&mut self, fresh: f64, row: &[f64]) -> bool {
        let limit = self.heights.begin + (self.usual.height - self.heights.usual).max(0.0);
        self.usual.push(self.row, fresh);
        if self.incident.as_ref().is_some_and(|(end, _)| fresh < *end) {
            self.incident = None;
        }
        let now: Vec<f64> = self.deviations(row).collect();
        match &mut self.incident {
            Some((_, largest)) => largest.iter_mut().zip(now).for_each(|(l, n)| *l = l.max(n)),
            None if fresh >= limit => {
                self.incident = Some(((RELEASE * limit).max(self.heights.calm), now));
            }
            None => {}
        }
        self.incident.is_some()
    }

    fn remember(&mut self, scaled: Vec<f32>) {
        if self.row.is_multiple_of(THINNING) {
            self.waiting.push_back(scaled);
            if self.waiting.len() > DELAY / usize::try_from(THINNING).unwrap_or(1)
                && let Some(old) = self.waiting.pop_front()
            {
                self.recent.add(&old);
            }
        }
        self.row = self.row.saturating_add(1);
    }
}

fn rarity((plain, weighted): (&Calibration, &Calibration), found: &Nearest, found_weighted: &Nearest) -> f64 {
    plain.rarity(found.mean().unwrap_or(0.0)) + weighted.rarity(found_weighted.mean().unwrap_or(0.0))
}

/// Which half of the training a row belongs to: alternating tenths of time.
fn half(index: usize, rows: usize) -> usize {
    (index * 10 / rows) % 2
}

/// Training rows of either half, as references for the other.
struct Halves {
    rows: [Vec<Vec<f32>>; 2],
    references: [Reference; 2],
}

fn halves(rows: &[Vec<f32>], columns: usize) -> Halves {
    let mut of: [Vec<Vec<f32>>; 2] = [Vec::new(), Vec::new()];
    rows.iter().enumerate().for_each(|(i, row)| of[half(i, rows.len())].push(row.clone()));
    let references = [0, 1].map(|side: usize| {
        let mut set = Reference::new(columns, rows.len());
        of[side].iter().for_each(|row| set.add(row));
        set
    });
    Halves { rows: of, references }
}

/// Distances of the rows of either half to the other.
fn calibrate(halves: &Halves, weights: &[f32]) -> (Calibration, Calibration) {
    let (mut plains, mut weighteds) = (Vec::new(), Vec::new());
    for (side, rows) in halves.rows.iter().enumerate() {
        for row in rows {
            let (mut plain, mut weighted) = (Nearest::none(), Nearest::none());
            halves.references[1 - side].search(row, weights, &mut plain, &mut weighted);
            plains.extend(plain.mean());
            weighteds.extend(weighted.mean());
        }
    }
    (Calibration::new(plains), Calibration::new(weighteds))
}

/// Training rows scored of each tenth of time: enough for tails, bounded for long histories.
const REHEARSED: usize = 2000;

/// Smoothed scores of training rows against the half that they do not belong to, in order of time.
fn rehearse(
    rows: &[Vec<f64>],
    scaling: &Scaling,
    halves: &Halves,
    calibrations: (&Calibration, &Calibration),
) -> Vec<f64> {
    let (n, mut smooth, mut scores) = (rows.len(), Smooth::default(), Vec::new());
    let mut guesses = [[[0; NEIGHBOURS]; 2]; 2];
    for (i, row) in rows.iter().enumerate() {
        let tenth = i * 10 / n;
        if i - (tenth * n).div_ceil(10) >= REHEARSED {
            continue;
        }
        let other = 1 - half(i, n);
        let scaled = scaling.scale(row);
        let (mut plain, mut weighted) = (Nearest::none(), Nearest::none());
        let set = &halves.references[other];
        set.bound(&scaled, &scaling.weights, &guesses[other], [&mut plain, &mut weighted]);
        set.search(&scaled, &scaling.weights, &mut plain, &mut weighted);
        guesses[other] = [plain.rows(), weighted.rows()];
        scores.push(smooth.push(rarity(calibrations, &plain, &weighted)));
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    fn rows(seed: u64, count: usize) -> Vec<Vec<f64>> {
        let mut rng = Pcg::new(seed);
        (0..count)
            .map(|i| {
                let load = (i as f64 / 144.0 * core::f64::consts::TAU).sin();
                (0..10).map(|j| load * f64::from(j) + 0.3 * rng.normal()).collect()
            })
            .collect()
    }

    fn fitted() -> NearestRows {
        let settings = NearestSettings::default().with_rows_per_day(144).with_references(500);
        // Ten days without a false one: hardly ever.
        NearestRows::fit(&rows(1, 1440), &settings.with_alarms_per_day(0.01)).unwrap()
    }

    #[test]
    fn an_incident_is_one_alarm_that_names_its_metric_and_normal_days_are_quiet() {
        let mut test = rows(2, 1440);
        test[700..760].iter_mut().for_each(|r| r[3] += 6.0);
        let mut detector = fitted();
        let verdicts: Vec<RowVerdict> = test.iter().map(|r| detector.push(r).unwrap()).collect();
        let alarms: Vec<bool> = verdicts.iter().map(|v| v.alarm).collect();
        let runs = super::super::evaluation::runs(&alarms);
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert!((700..710).contains(&runs[0].0) && (755..800).contains(&runs[0].1), "{runs:?}");
        assert_eq!(verdicts[720].ranking()[0], 3);
    }

    #[test]
    fn a_regime_that_lasts_stops_alarming() {
        let mut test = rows(3, 2880);
        test[700..].iter_mut().for_each(|r| r[3] += 6.0);
        let mut detector = fitted();
        let last = test.iter().map(|r| detector.push(r).unwrap().alarm).collect::<Vec<_>>();
        assert!(last[705..800].iter().all(|a| *a) && !last[2000..].iter().any(|a| *a));
    }

    #[test]
    fn missing_and_infinite_values_and_wrong_lengths_are_answered() {
        let mut detector = fitted();
        let mut row = rows(4, 1).remove(0);
        row[2] = f64::NAN;
        row[5] = f64::INFINITY;
        let verdict = detector.push(&row).unwrap();
        assert!(verdict.score.is_finite() && verdict.contributions[2] == 0.0);
        assert_eq!(verdict.ranking()[0], 5);
        assert!(matches!(detector.push(&[1.0]), Err(FitError::Length { needed: 10, found: 1, .. })));
        assert!(NearestRows::fit(&rows(1, 20), &NearestSettings::default()).is_err());
        let none = NearestSettings::default().with_alarms_per_day(0.0);
        assert!(NearestRows::fit(&rows(1, 100), &none).is_err());
    }
}

//! The univariate detector: many simple views of one series, one calibrated surprise, one alarm per event.

mod profile;
mod scales;
mod stuck;
mod tail;

use super::{Detector, Direction, Judgement, Score};
use crate::error::{FitError, MAX_MAGNITUDE};
use profile::Profile;
use scales::Scales;
use stuck::Stuck;
use tail::TwoTails;

/// What an alarm is about: the view of the series that was surprised most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Shape {
    /// Nothing unusual.
    #[default]
    None,
    /// A value or a few far above what was seen before.
    Spike,
    /// A value or a few far below.
    Dip,
    /// Hours above the usual level, or a step up.
    ShiftUp,
    /// Hours below the usual level, or a step down.
    ShiftDown,
    /// The mean of most of a day drifts up: growth or a leak.
    TrendUp,
    /// The mean of most of a day drifts down.
    TrendDown,
    /// Scatter is unusually large.
    Noisy,
    /// Scatter is unusually small: a stuck sensor, a dead process.
    Flat,
    /// Unusual for this time of the day or of the week only.
    OffSeason,
}

/// Verdict on one value, with the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Verdict {
    /// The value with its expected band; `severity` is the surprise.
    pub score: Score,
    /// Sum of the excesses of all views, 0 (usual) to about 170.
    pub surprise: f64,
    /// `1 − 2^(−surprise / threshold)` at rows that begin an event or make it worse by a third, 0 at all others: one number
    /// per event, ½ at the own threshold. Comparable between series.
    pub calibrated: f64,
    /// An event begins here, by the own threshold.
    pub alarm: bool,
    /// What is unusual.
    pub shape: Shape,
}

/// Settings of an [`Ensemble`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EnsembleSettings {
    /// Rows per day: 288 for five-minute rows. `None` when the series has no daily habit or rows are longer than half a day.
    pub rows_per_day: Option<usize>,
    /// Surprise at which an alarm begins.
    pub threshold: f64,
    /// Rows after an alarm in which only an event [`worse`](Self::worse) times as surprising raises another one.
    pub quiet: u32,
    /// How much worse it must be, at least 1.
    pub worse: f64,
}

impl Default for EnsembleSettings {
    fn default() -> Self {
        Self { rows_per_day: Some(288), threshold: THRESHOLD, quiet: 120, worse: 1.3 }
    }
}

impl EnsembleSettings {
    /// Rows per day, 0 for none.
    #[must_use]
    pub fn with_rows_per_day(mut self, rows: usize) -> Self {
        self.rows_per_day = (rows > 1).then_some(rows);
        self
    }

    /// Surprise at which an alarm begins.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }
}

/// Two views at their bound, or four clearly surprised ones: the best of single thresholds over all public series tried, and
/// flat around it.
const THRESHOLD: f64 = 11.0;
/// What a stuck value says: it alarms alone, as no other view can.
const STUCK: f64 = 12.0;
/// Rows before the ensemble says anything.
const LEARNING: u64 = 150;
/// Widths of the level: a value, half an hour, two hours, a third of a day (of five-minute rows), each with its double.
const LEVELS: [(usize, usize); 4] = [(0, 1), (2, 3), (4, 5), (6, 7)];
/// Widths kept for values: doubles of the level widths beside them, then the three widths of the scatter.
const WIDTHS: [usize; 11] = [1, 2, 6, 12, 24, 48, 96, 192, 12, 48, 144];
/// Width (as index of [`WIDTHS`]) of the scatter.
const SPREADS: [usize; 3] = [8, 9, 10];
/// Widths of the residual from the day and the week.
const RESIDUAL_WIDTHS: [usize; 4] = [1, 6, 24, 96];
const WEEK_WIDTHS: [usize; 2] = [6, 24];
/// Rows over which a profile learns the level.
const SMOOTH: usize = 3;
/// Bins of the weekly profile: hours.
const WEEK_BINS: usize = 168;

/// Sum of what seventeen two-sided views of a series find unusual, each by its own extreme-value tail.
///
/// # Model
/// Views: mean of the last 1, 6, 24, 96 rows; step between neighbouring means of these widths; logarithm of the standard
/// deviation of 12, 48, 144 rows; residual from the daily profile over 1, 6, 24, 96 rows and from the weekly profile over
/// 6 and 24. Each view keeps the eight largest peaks of either side and says by how many mean excesses the present value
/// exceeds the smallest of them (at most 5, damped while the history is short). The sum is the surprise: a single odd view
/// is not enough, a real event shows in several.
///
/// An event raises one alarm; within the quiet time only a third more surprise raises another. The new regime enters the
/// tails within eight events, so a shift does not alarm for weeks. A record becomes rarer the longer the history, so false
/// alarms grow with the logarithm of time.
///
/// NaN is missing: judged as such, time goes on, nothing is learnt. Infinite values and those beyond ±1e100 are anomalies
/// and not learnt. During the first 150 rows the verdict is `Learning`.
///
/// Cost about a microsecond a row, state below 10 KiB whatever the length of the series.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{Ensemble, EnsembleSettings, Shape};
/// let mut detector = Ensemble::new(&EnsembleSettings::default().with_rows_per_day(48))?;
/// let usual = |i: u32| 50.0 + 20.0 * f64::from(i % 48 / 24) + f64::from(i * 7 % 5);
/// let before: Vec<_> = (0..1500).map(|i| detector.judge(usual(i))).collect();
/// assert!(before.iter().all(|v| !v.alarm));
/// let verdict = detector.judge(400.0);
/// assert!(verdict.alarm && verdict.shape == Shape::Spike);
/// assert!(!detector.judge(400.0).alarm, "one event, one alarm");
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
///
/// # References
/// Pickands (1975), Annals of Statistics 3; Siffer et al. (2017), KDD; Ahmad et al. (2017), Neurocomputing 262.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ensemble {
    settings: EnsembleSettings,
    row: u64,
    values: Scales,
    levels: [TwoTails; 4],
    steps: [TwoTails; 4],
    spreads: [TwoTails; 3],
    /// Smallest scatter that matters, per width; learnt in the first rows.
    floors: [f64; 3],
    day: Option<Seasonal>,
    week: Option<Seasonal>,
    smooth: [f64; SMOOTH],
    stuck: Stuck,
    /// Row and surprise of the last emitted event.
    event: Option<(u64, f64)>,
}

/// A profile, the residuals from it and their tails.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Seasonal {
    profile: Profile,
    residuals: Scales,
    tails: Vec<TwoTails>,
}

impl Seasonal {
    fn new(period: usize, bins: usize, widths: &[usize]) -> Self {
        Self {
            profile: Profile::new(period, bins),
            residuals: Scales::new(widths),
            tails: vec![TwoTails::default(); widths.len()],
        }
    }

    /// Signed excess of the residual at every width; zeros in the first round.
    fn push(&mut self, row: u64, value: f64, level: f64, report: &mut impl FnMut(usize, f64)) {
        if let Some(expected) = self.profile.expected(row) {
            self.residuals.push(value - expected);
            for (k, tail) in self.tails.iter_mut().enumerate() {
                report(k, tail.push(self.residuals.mean(k)));
            }
        }
        self.profile.learn(row, level);
    }
}

/// Sum and strongest of what the views say about a row.
#[derive(Default)]
struct Tally {
    surprise: f64,
    strongest: f64,
    shape: Shape,
}

impl Tally {
    fn add(&mut self, excess: f64, high: Shape, low: Shape) {
        self.surprise += excess.abs();
        if excess.abs() > self.strongest {
            self.strongest = excess.abs();
            self.shape = if excess > 0.0 { high } else { low };
        }
    }
}

impl Ensemble {
    /// A detector that has seen nothing. Refuses a threshold that is not positive, `worse` below 1 and days longer than
    /// 100,000 rows.
    pub fn new(settings: &EnsembleSettings) -> Result<Self, FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if !(settings.threshold > 0.0 && settings.threshold.is_finite()) {
            return refuse("threshold", settings.threshold, "a positive number");
        }
        if !(settings.worse >= 1.0 && settings.worse.is_finite()) {
            return refuse("worse", settings.worse, "a number of at least 1");
        }
        if let Some(rows) = settings.rows_per_day
            && !(2..=100_000).contains(&rows)
        {
            return refuse("rows_per_day", rows as f64, "2 to 100000 rows");
        }
        let day = settings.rows_per_day;
        Ok(Self {
            settings: settings.clone(),
            row: 0,
            values: Scales::new(&WIDTHS),
            levels: Default::default(),
            steps: Default::default(),
            spreads: Default::default(),
            floors: [0.0; 3],
            day: day.map(|rows| Seasonal::new(rows, usize::MAX, &RESIDUAL_WIDTHS)),
            week: day.map(|rows| Seasonal::new(rows * 7, WEEK_BINS, &WEEK_WIDTHS)),
            smooth: [0.0; SMOOTH],
            stuck: Stuck::default(),
            event: None,
        })
    }

    /// Judges the next value, then learns from it.
    pub fn judge(&mut self, value: f64) -> Verdict {
        let row = self.row;
        self.row = self.row.saturating_add(1);
        if value.is_nan() {
            return Verdict { score: self.band(value, row, Judgement::Missing), ..Verdict::default() };
        }
        if value.abs() > MAX_MAGNITUDE {
            let shape = if value > 0.0 { Shape::Spike } else { Shape::Dip };
            return self.verdict(value, row, f64::from(u8::MAX), shape);
        }
        let score_before = self.band(value, row, Judgement::Normal);
        let tally = self.views(row, value);
        if row < LEARNING {
            return Verdict {
                score: Score { judgement: Judgement::Learning, ..score_before },
                ..Verdict::default()
            };
        }
        let mut verdict = self.verdict(value, row, tally.surprise, tally.shape);
        verdict.score.expected = score_before.expected;
        (verdict.score.lower, verdict.score.upper) = (score_before.lower, score_before.upper);
        verdict
    }

    /// All views of the row that ends with this value.
    fn views(&mut self, row: u64, value: f64) -> Tally {
        let mut tally = Tally::default();
        self.values.push(value);
        let (values, seen) = (&self.values, self.values.len());
        for (k, &(width, double)) in LEVELS.iter().enumerate() {
            let (high, low) = match k {
                0 | 1 => (Shape::Spike, Shape::Dip),
                2 => (Shape::ShiftUp, Shape::ShiftDown),
                _ => (Shape::TrendUp, Shape::TrendDown),
            };
            if seen >= WIDTHS[width] {
                tally.add(self.levels[k].push(values.mean(width)), high, low);
            }
            let (high, low) = if k < 2 { (high, low) } else { (Shape::ShiftUp, Shape::ShiftDown) };
            if let Some(step) = values.step(width, double) {
                tally.add(self.steps[k].push(step), high, low);
            }
        }
        for (k, &width) in SPREADS.iter().enumerate() {
            if seen < WIDTHS[width] {
                continue;
            }
            let deviation = values.deviation(width);
            if row < LEARNING {
                // A floor of 5 % of the usual scatter, so that silence is not infinitely far from whispering.
                self.floors[k] +=
                    (0.05 * deviation - self.floors[k]) / (row + 2 - WIDTHS[width] as u64).max(1) as f64;
                continue;
            }
            let floor = self.floors[k].max(1e-9 * (1e-3 + values.mean(width).abs()));
            tally.add(self.spreads[k].push((deviation + floor).ln()), Shape::Noisy, Shape::Flat);
        }
        if self.stuck.push(value) && row >= 2 * LEARNING {
            tally.add(-STUCK, Shape::Flat, Shape::Flat);
        }
        self.smooth.rotate_left(1);
        self.smooth[SMOOTH - 1] = value;
        let recent = &self.smooth[SMOOTH - seen.min(SMOOTH)..];
        let level = recent.iter().sum::<f64>() / recent.len() as f64;
        for season in [&mut self.day, &mut self.week].into_iter().flatten() {
            season.push(row, value, level, &mut |_, excess| {
                tally.add(excess, Shape::OffSeason, Shape::OffSeason);
            });
        }
        tally
    }

    fn verdict(&mut self, value: f64, row: u64, surprise: f64, shape: Shape) -> Verdict {
        let limit = self.settings.threshold;
        let open = self.event.filter(|&(at, _)| row - at <= u64::from(self.settings.quiet));
        let emitted = surprise > open.map_or(0.0, |(_, s)| s * self.settings.worse);
        if emitted {
            self.event = Some((row, surprise));
        }
        let alarm = emitted && surprise >= limit;
        let judgement = if surprise >= limit { Judgement::Anomalous } else { Judgement::Normal };
        let mut score = self.band(value, row, judgement);
        score.severity = surprise;
        Verdict {
            score,
            surprise,
            calibrated: if emitted { 1.0 - (-surprise / limit).exp2() } else { 0.0 },
            alarm,
            shape: if surprise > 0.0 { shape } else { Shape::None },
        }
    }

    /// The band in which the residual from the day (or the step from the last value) says nothing at all.
    fn band(&self, value: f64, row: u64, judgement: Judgement) -> Score {
        let last = self.values.back(0);
        let seasonal =
            self.day.as_ref().and_then(|d| Some((d.profile.expected(row)?, d.tails[0].bounds(1.0)?)));
        let (expected, (down, up)) = seasonal
            .or_else(|| Some((last?, self.steps[0].bounds(1.0)?)))
            .unwrap_or_else(|| (last.unwrap_or(value), (f64::NEG_INFINITY, f64::INFINITY)));
        let (lower, upper) = (expected + down, expected + up);
        let direction = match () {
            () if value > upper => Direction::Above,
            () if value < lower => Direction::Below,
            () => Direction::Inside,
        };
        Score { value, expected, lower, upper, severity: 0.0, direction, judgement }
    }
}

impl Detector for Ensemble {
    fn push(&mut self, value: f64) -> Score {
        self.judge(value).score
    }
}

//! STL: one season, trend and remainder by repeated local regression.

use super::loess::{Loess, Operator};
use crate::{
    error::{FitError, check_values},
    gaps::fill_gaps,
    stats::median_in_place,
};

/// Settings of the decomposition; the defaults are those of statsmodels.
///
/// Cleveland, Cleveland, McRae & Terpenning (1990), STL: A seasonal-trend decomposition procedure based on loess, J. Official
/// Statistics 6.
///
/// # Example
/// ```
/// use ecosystem_forecast::Stl;
/// let values: Vec<f64> = (0..60).map(|i| 10.0 + 0.5 * f64::from(i) + f64::from(i % 6)).collect();
/// let parts = Stl::new(6).decompose(&values)?;
/// assert!(parts.remainder.iter().all(|r| r.abs() < 0.05));
/// assert!((parts.season[5] - 2.5).abs() < 0.05);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Stl {
    /// Steps of the season, at least 2.
    pub period: usize,
    /// Cycles over which the seasonal pattern may change, odd, at least 3 (default 7).
    pub season_window: usize,
    /// Steps over which the trend may change, odd; `None` chooses the smallest that leaves no season in the trend.
    pub trend_window: Option<usize>,
    /// Rounds that down-weight outliers (default 0).
    pub robust_rounds: usize,
    /// Rounds of season and trend (default 5, 2 when robust).
    pub inner_rounds: usize,
    /// Local regressions are evaluated at every n-th point (default 1); a tenth of the windows is fast and nearly as good.
    pub fast: bool,
    /// Whether the pattern of a phase may move along lines (default true, as in statsmodels) or is a local mean over the cycles,
    /// as in R's `mstl`: with few cycles lines swing at the ends, which is where forecasts begin.
    pub season_line: bool,
}

/// The parts; they add up to the values exactly up to rounding.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StlDecomposition {
    /// Slow movement.
    pub trend: Vec<f64>,
    /// Repeating pattern.
    pub season: Vec<f64>,
    /// What is left (NaN where the value is missing).
    pub remainder: Vec<f64>,
    /// Robustness weights of the last round, 1 without robust rounds.
    pub weights: Vec<f64>,
}

impl Stl {
    /// The defaults for a season of `period` steps.
    pub const fn new(period: usize) -> Self {
        Self {
            period,
            season_window: 7,
            trend_window: None,
            robust_rounds: 0,
            inner_rounds: 5,
            fast: false,
            season_line: true,
        }
    }

    /// Cycles over which the pattern may change.
    #[must_use]
    pub const fn with_season_window(mut self, window: usize) -> Self {
        self.season_window = window;
        self
    }

    /// Steps over which the trend may change.
    #[must_use]
    pub const fn with_trend_window(mut self, window: usize) -> Self {
        self.trend_window = Some(window);
        self
    }

    /// Down-weights outliers in `rounds` rounds, with two inner rounds each.
    #[must_use]
    pub const fn with_robust_rounds(mut self, rounds: usize) -> Self {
        self.robust_rounds = rounds;
        self.inner_rounds = 2;
        self
    }

    /// Interpolates between local regressions at every tenth of a window.
    #[must_use]
    pub const fn with_fast(mut self) -> Self {
        self.fast = true;
        self
    }

    /// The pattern as local means over the cycles.
    #[must_use]
    pub const fn with_constant_season(mut self) -> Self {
        self.season_line = false;
        self
    }

    /// Decomposes; needs two full seasons. Missing values are filled first.
    pub fn decompose(&self, values: &[f64]) -> Result<StlDecomposition, FitError> {
        if self.period < 2 {
            return Err(FitError::Setting {
                name: "period",
                value: self.period as f64,
                expected: "at least 2 steps",
            });
        }
        if self.season_window < 3 || self.season_window.is_multiple_of(2) {
            let value = self.season_window as f64;
            return Err(FitError::Setting {
                name: "season_window",
                value,
                expected: "an odd number of at least 3",
            });
        }
        check_values(values, self.period + 1)?;
        if values.len() < 2 * self.period {
            return Err(FitError::TooShort { needed: 2 * self.period, found: values.len() });
        }
        let filled = fill_gaps(values, &[self.period]);
        let mut parts = self.run(&filled);
        parts.remainder = (0..values.len()).map(|i| values[i] - parts.trend[i] - parts.season[i]).collect();
        Ok(parts)
    }

    const fn season_loess(&self) -> Loess {
        let jump = if self.fast { self.season_window.div_ceil(10) } else { 1 };
        Loess { window: self.season_window, line: self.season_line, jump }
    }

    fn trend_loess(&self) -> Loess {
        let automatic = 1.5 * self.period as f64 / (1.0 - 1.5 / self.season_window as f64);
        let window = odd(self.trend_window.unwrap_or_else(|| crate::stats::floor_usize(automatic.ceil())));
        self.loess(window)
    }

    const fn loess(&self, window: usize) -> Loess {
        Loess { window, line: true, jump: if self.fast { window.div_ceil(10) } else { 1 } }
    }

    /// The decomposition of checked, complete data.
    pub(super) fn run(&self, y: &[f64]) -> StlDecomposition {
        let n = y.len();
        let mut work = Work::new(self, n);
        let mut parts = StlDecomposition {
            trend: vec![0.0; n],
            season: vec![0.0; n],
            remainder: vec![0.0; n],
            weights: vec![1.0; n],
        };
        for round in 0..=self.robust_rounds {
            let weights = if round == 0 { None } else { Some(parts.weights.clone()) };
            for _ in 0..self.inner_rounds.max(1) {
                self.inner(y, weights.as_deref(), &mut parts, &mut work);
            }
            for i in 0..n {
                parts.remainder[i] = y[i] - parts.trend[i] - parts.season[i];
            }
            if round < self.robust_rounds {
                robustness(&parts.remainder, &mut parts.weights);
            }
        }
        parts
    }

    fn inner(&self, y: &[f64], weights: Option<&[f64]>, parts: &mut StlDecomposition, work: &mut Work) {
        let (n, m) = (y.len(), self.period);
        for i in 0..n {
            work.detrended[i] = y[i] - parts.trend[i];
        }
        self.smooth_cycles(weights, work);
        moving_average(&work.cycle, m, &mut work.average);
        moving_average(&work.average, m, &mut work.second);
        moving_average(&work.second, 3, &mut work.average);
        work.low_pass.smooth(&work.average[..n], &mut work.low);
        for i in 0..n {
            parts.season[i] = work.cycle[m + i] - work.low[i];
            work.detrended[i] = y[i] - parts.season[i];
        }
        match weights {
            Some(weights) => self.trend_loess().smooth(&work.detrended, weights, &mut parts.trend),
            None => work.trend.smooth(&work.detrended, &mut parts.trend),
        }
    }

    /// Smooths the values of each phase over the cycles, one cycle beyond both ends.
    fn smooth_cycles(&self, weights: Option<&[f64]>, work: &mut Work) {
        let (n, m) = (work.detrended.len(), self.period);
        let loess = self.season_loess();
        for phase in 0..m {
            work.sub.clear();
            work.sub.extend(work.detrended[phase..].iter().step_by(m));
            let k = work.sub.len();
            let sub_weights = weights.map(|w| {
                work.sub_weights.clear();
                work.sub_weights.extend(w[phase..].iter().step_by(m));
                &work.sub_weights[..]
            });
            work.smooth.resize(k, 0.0);
            match sub_weights {
                Some(weights) => loess.smooth(&work.sub, weights, &mut work.smooth),
                None => work.cycles[k - n / m].smooth(&work.sub, &mut work.smooth),
            }
            let q = self.season_window.min(k);
            let before = loess.at(&work.sub, sub_weights, -1.0, 0, q).unwrap_or(work.smooth[0]);
            let after = loess.at(&work.sub, sub_weights, k as f64, k - q, k).unwrap_or(work.smooth[k - 1]);
            work.cycle[phase] = before;
            for (c, &v) in work.smooth.iter().enumerate() {
                work.cycle[m + phase + c * m] = v;
            }
            let end = m + phase + k * m;
            if end < n + 2 * m {
                work.cycle[end] = after;
            }
        }
    }
}

/// Smoothers and buffers, kept over all rounds.
struct Work {
    cycles: [Operator; 2], // of phases with n / m and with one more value
    low_pass: Operator,
    trend: Operator,
    detrended: Vec<f64>,
    cycle: Vec<f64>,
    average: Vec<f64>,
    second: Vec<f64>,
    low: Vec<f64>,
    sub: Vec<f64>,
    sub_weights: Vec<f64>,
    smooth: Vec<f64>,
}

impl Work {
    fn new(stl: &Stl, n: usize) -> Self {
        let m = stl.period;
        let cycle = |length| stl.season_loess().operator(length);
        Self {
            cycles: [cycle(n / m), cycle(n / m + 1)],
            low_pass: stl.loess(odd(m + 1)).operator(n),
            trend: stl.trend_loess().operator(n),
            detrended: vec![0.0; n],
            cycle: vec![0.0; n + 2 * m],
            average: Vec::with_capacity(n + 2 * m),
            second: Vec::with_capacity(n + 2 * m),
            low: vec![0.0; n],
            sub: Vec::new(),
            sub_weights: Vec::new(),
            smooth: Vec::new(),
        }
    }
}

fn odd(n: usize) -> usize {
    n.max(3) | 1
}

/// Plain moving average, shorter by `m - 1`.
fn moving_average(x: &[f64], m: usize, out: &mut Vec<f64>) {
    out.clear();
    let mut sum: f64 = x[..m].iter().sum();
    out.push(sum / m as f64);
    for i in m..x.len() {
        sum += x[i] - x[i - m];
        out.push(sum / m as f64);
    }
}

/// Bisquare weights from six times the median absolute remainder.
fn robustness(remainder: &[f64], weights: &mut [f64]) {
    let mut sizes: Vec<f64> = remainder.iter().map(|r| r.abs()).collect();
    let limit = 6.0 * median_in_place(&mut sizes);
    for (w, r) in weights.iter_mut().zip(remainder) {
        let size = r.abs();
        *w = if size <= 0.001 * limit {
            1.0
        } else if size <= 0.999 * limit {
            let u = size / limit;
            (1.0 - u * u).powi(2)
        } else {
            0.0
        };
    }
}

//! One pass over the data: the recursion of all 30 models, compiled once per shape.

use super::{Ets, EtsError, EtsSeason, EtsSpec, EtsState, EtsTrace, EtsTrend, EtsWeights};
use crate::error::{FitError, check_values};

/// Shapes as constants, so that every combination becomes straight-line code.
pub(super) const NONE: u8 = 0;
pub(super) const ADD: u8 = 1;
pub(super) const MUL: u8 = 2;

/// What a pass adds up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    /// Σ (y - μ)²
    pub(super) absolute: f64,
    /// Σ ((y - μ)/μ)²
    pub(super) relative: f64,
    /// Σ ln |μ|
    pub(super) log_means: f64,
    /// Observed values.
    pub(super) count: f64,
}

impl Sums {
    /// -2 log likelihood up to a constant of the data: `n ln Σe² (+ 2 Σ ln|μ|)`.
    pub(super) fn deviance(&self, error: EtsError) -> f64 {
        match error {
            EtsError::Additive => self.count * self.absolute.max(f64::MIN_POSITIVE).ln(),
            EtsError::Multiplicative => {
                self.count * self.relative.max(f64::MIN_POSITIVE).ln() + 2.0 * self.log_means
            }
        }
    }
}

/// Small enough to divide by safely, large enough never to matter.
const TINY: f64 = 1e-10;

/// Moves the states over one value. Returns the one-step mean.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the pass is only fast when the step dissolves into it")]
pub(super) fn step<const T: u8, const S: u8>(
    y: f64,
    w: &EtsWeights,
    level: &mut f64,
    trend: &mut f64,
    season: &mut f64,
) -> f64 {
    let damped = match T {
        NONE => 0.0,
        ADD => w.phi * *trend,
        _ => {
            if w.phi >= 1.0 {
                *trend
            } else {
                trend.powf(w.phi)
            }
        }
    };
    let base = match T {
        NONE => *level,
        ADD => *level + damped,
        _ => *level * damped,
    };
    let mean = match S {
        NONE => base,
        ADD => base + *season,
        _ => base * *season,
    };
    let y = if y.is_nan() { mean } else { y };
    let adjusted = match S {
        NONE => y,
        ADD => y - *season,
        _ => y / away_from_zero(*season),
    };
    let surprise = adjusted - base;
    match T {
        NONE => {}
        ADD => *trend = damped + w.beta * surprise,
        _ => *trend = (damped + w.beta * surprise / away_from_zero(*level)).max(TINY),
    }
    match S {
        NONE => {}
        ADD => *season += w.gamma * (y - base - *season),
        _ => *season += w.gamma * (y / away_from_zero(base) - *season),
    }
    *level = base + w.alpha * surprise;
    mean
}

#[inline]
fn away_from_zero(x: f64) -> f64 {
    if x.abs() < TINY { TINY.copysign(x) } else { x }
}

/// A pass over all values; `season` is a ring that starts with the phase of the first value. `REL` also adds relative errors.
#[inline]
pub(super) fn pass<const T: u8, const S: u8, const REL: bool>(
    values: &[f64],
    w: &EtsWeights,
    state: &mut EtsState,
    mut each: impl FnMut(f64, f64),
) -> Sums {
    let (mut level, mut trend) = (state.level, state.trend);
    let mut sums = Sums { absolute: 0.0, relative: 0.0, log_means: 0.0, count: 0.0 };
    let mut product = 1.0_f64;
    let (mut none, mut phase) = (0.0, 0);
    for &y in values {
        let season = if S == NONE { &mut none } else { &mut state.season[phase] };
        let mean = step::<T, S>(y, w, &mut level, &mut trend, season);
        if S != NONE {
            phase += 1;
            if phase == state.season.len() {
                phase = 0;
            }
        }
        each(mean, level);
        if !y.is_nan() {
            let error = y - mean;
            sums.absolute += error * error;
            sums.count += 1.0;
            if REL {
                let safe = away_from_zero(mean);
                let relative = error / safe;
                sums.relative += relative * relative;
                product *= safe.abs();
                if !(1e-150..1e150).contains(&product) {
                    sums.log_means += product.ln();
                    product = 1.0;
                }
            }
        }
    }
    sums.log_means += product.ln();
    (state.level, state.trend) = (level, trend);
    if S != NONE {
        state.season.rotate_left(phase);
    }
    sums
}

/// Calls `$f::<T, S>` for the shape of a model.
macro_rules! with_shape {
    ($spec:expr, $f:ident :: <_, _ $(, $extra:tt)*> ( $($arg:expr),* $(,)? )) => {{
        use $crate::ets::filter::{ADD, MUL, NONE};
        use $crate::ets::{EtsSeason as Season, EtsTrend as Trend};
        match ($spec.trend, $spec.season) {
            (Trend::None, Season::None) => $f::<NONE, NONE $(, $extra)*>($($arg),*),
            (Trend::None, Season::Additive) => $f::<NONE, ADD $(, $extra)*>($($arg),*),
            (Trend::None, Season::Multiplicative) => $f::<NONE, MUL $(, $extra)*>($($arg),*),
            (Trend::Additive | Trend::AdditiveDamped, Season::None) => $f::<ADD, NONE $(, $extra)*>($($arg),*),
            (Trend::Additive | Trend::AdditiveDamped, Season::Additive) => $f::<ADD, ADD $(, $extra)*>($($arg),*),
            (Trend::Additive | Trend::AdditiveDamped, Season::Multiplicative) => $f::<ADD, MUL $(, $extra)*>($($arg),*),
            (Trend::Multiplicative | Trend::MultiplicativeDamped, Season::None) => $f::<MUL, NONE $(, $extra)*>($($arg),*),
            (Trend::Multiplicative | Trend::MultiplicativeDamped, Season::Additive) => $f::<MUL, ADD $(, $extra)*>($($arg),*),
            (Trend::Multiplicative | Trend::MultiplicativeDamped, Season::Multiplicative) => $f::<MUL, MUL $(, $extra)*>($($arg),*),
        }
    }};
}
pub(super) use with_shape;

/// Log likelihood of normal errors at the maximum likelihood variance.
pub(super) fn log_likelihood(sums: &Sums, error: EtsError) -> f64 {
    let n = sums.count;
    let constant = n * ((2.0 * std::f64::consts::PI / n).ln() + 1.0);
    -0.5 * (sums.deviance(error) + constant)
}

impl Ets {
    /// Runs the model over data with given weights and initial states, without estimating anything.
    ///
    /// Use it to inspect fitted values and states, or to continue with parameters from elsewhere.
    pub fn trace(
        &self,
        values: &[f64],
        weights: &EtsWeights,
        initial: &EtsState,
    ) -> Result<EtsTrace, FitError> {
        self.spec.check()?;
        check_values(values, 1)?;
        let needed = if self.spec.season == EtsSeason::None { 0 } else { self.spec.period };
        if initial.season.len() != needed {
            return Err(FitError::Length { name: "initial.season", needed, found: initial.season.len() });
        }
        let mut last = initial.clone();
        if self.spec.trend == EtsTrend::None {
            last.trend = 0.0;
        }
        let (mut fitted, mut levels) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
        let each = |mean: f64, level: f64| {
            fitted.push(mean);
            levels.push(level);
        };
        let sums = relative_pass(self.spec, values, weights, &mut last, each);
        let squares = if self.spec.error == EtsError::Additive { sums.absolute } else { sums.relative };
        Ok(EtsTrace { fitted, levels, last, squares, log_likelihood: log_likelihood(&sums, self.spec.error) })
    }
}

/// A pass that also adds up relative errors, for any shape.
pub(super) fn relative_pass(
    spec: EtsSpec,
    values: &[f64],
    weights: &EtsWeights,
    state: &mut EtsState,
    each: impl FnMut(f64, f64),
) -> Sums {
    fn run<const T: u8, const S: u8>(
        v: &[f64],
        w: &EtsWeights,
        s: &mut EtsState,
        each: impl FnMut(f64, f64),
    ) -> Sums {
        pass::<T, S, true>(v, w, s, each)
    }
    with_shape!(spec, run::<_, _>(values, weights, state, each))
}

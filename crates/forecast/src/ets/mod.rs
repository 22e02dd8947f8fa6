//! Exponential smoothing in state space form: the 30 models ETS(error, trend, season).
//!
//! # Model
//! With level `l`, trend `b`, season `s` (period `m`) and damping `φ`, the one-step mean is
//! `μ = (l ∘ φb) ∘ s` with `∘` = `+` or `·`, and the observation is `y = μ + ε` (additive error) or `y = μ(1 + ε)`
//! (multiplicative error), `ε ~ N(0, σ²)`. The states follow by error correction with weights `α` (level), `β` (trend)
//! and `γ` (season). All weights are those of the innovations form (so `β ≤ α`, `γ ≤ 1 - α`).
//!
//! # Fit
//! Maximum likelihood. Without season the initial level and trend of additive-error models are concentrated out exactly
//! (the errors are linear in them), so that Nelder–Mead searches one to three dimensions only; all other models search the
//! weights together with initial level and trend, with initial seasonal states from a classical decomposition.
//! Missing values (NaN) carry the states forward and add nothing to the likelihood.
//!
//! # Choice
//! [`AutoEts`] fits the members of the family that the data allow and takes the smallest AICc.
//!
//! # Cost
//! About 150 passes over the data per non-seasonal model, 300 per seasonal one; 5 to 10 ns per value and pass.
//!
//! # References
//! Hyndman, Koehler, Ord & Snyder (2008), Forecasting with Exponential Smoothing, Springer (taxonomy, table 2.2 and 2.3,
//! forecast variances of chapter 6).

mod auto;
mod codec;
mod filter;
mod fit;
mod predict;

pub use auto::AutoEts;

use crate::error::FitError;

/// How the error enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "the taxonomy is closed")]
pub enum EtsError {
    /// `y = μ + ε`
    Additive,
    /// `y = μ(1 + ε)`
    Multiplicative,
}

/// How the trend enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "the taxonomy is closed")]
pub enum EtsTrend {
    /// No trend.
    None,
    /// `l + b`
    Additive,
    /// `l + φb`, flattening out
    AdditiveDamped,
    /// `l · b`
    Multiplicative,
    /// `l · b^φ`, flattening out
    MultiplicativeDamped,
}

/// How the season enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "the taxonomy is closed")]
pub enum EtsSeason {
    /// No season.
    None,
    /// `… + s`
    Additive,
    /// `… · s`
    Multiplicative,
}

/// One member of the family; prints as `ETS(M,Ad,A)`.
///
/// # Example
/// ```
/// use ecosystem_forecast::{EtsError, EtsSeason, EtsSpec, EtsTrend};
/// let holt_winters = EtsSpec::new(EtsError::Additive, EtsTrend::Additive, EtsSeason::Multiplicative, 24);
/// assert_eq!(holt_winters.to_string(), "ETS(A,A,M)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EtsSpec {
    /// Error.
    pub error: EtsError,
    /// Trend.
    pub trend: EtsTrend,
    /// Season.
    pub season: EtsSeason,
    /// Steps of a season; ignored (and 1) without season.
    pub period: usize,
}

impl EtsSpec {
    /// Names a member of the family.
    pub const fn new(error: EtsError, trend: EtsTrend, season: EtsSeason, period: usize) -> Self {
        let period = if matches!(season, EtsSeason::None) { 1 } else { period };
        Self { error, trend, season, period }
    }

    /// Simple exponential smoothing, ETS(A,N,N).
    pub const fn simple() -> Self {
        Self::new(EtsError::Additive, EtsTrend::None, EtsSeason::None, 1)
    }

    /// Holt's linear trend, ETS(A,A,N), or damped, ETS(A,Ad,N).
    pub const fn holt(damped: bool) -> Self {
        let trend = if damped { EtsTrend::AdditiveDamped } else { EtsTrend::Additive };
        Self::new(EtsError::Additive, trend, EtsSeason::None, 1)
    }

    /// Holt–Winters with additive season, ETS(A,A,A).
    pub const fn holt_winters(period: usize) -> Self {
        Self::new(EtsError::Additive, EtsTrend::Additive, EtsSeason::Additive, period)
    }

    /// All 30 members (6 without season when `period` is 0 or 1 … the seasonal ones are left out).
    pub fn family(period: usize) -> Vec<Self> {
        use {EtsError as E, EtsSeason as S, EtsTrend as T};
        let trends = [T::None, T::Additive, T::AdditiveDamped, T::Multiplicative, T::MultiplicativeDamped];
        let mut all = Vec::with_capacity(30);
        for season in [S::None, S::Additive, S::Multiplicative] {
            if season != S::None && period < 2 {
                continue;
            }
            for error in [E::Additive, E::Multiplicative] {
                all.extend(trends.iter().map(|&trend| Self::new(error, trend, season, period)));
            }
        }
        all
    }

    /// True when any part multiplies, so that values must be positive.
    pub fn needs_positive(self) -> bool {
        self.error == EtsError::Multiplicative
            || matches!(self.trend, EtsTrend::Multiplicative | EtsTrend::MultiplicativeDamped)
            || self.season == EtsSeason::Multiplicative
    }

    /// True when the trend flattens out.
    pub const fn damped(self) -> bool {
        matches!(self.trend, EtsTrend::AdditiveDamped | EtsTrend::MultiplicativeDamped)
    }

    /// Smoothing weights and initial states that are estimated.
    pub fn parameters(self) -> usize {
        let trend = if self.trend == EtsTrend::None { 0 } else { 2 };
        let season = if self.season == EtsSeason::None { 0 } else { self.period };
        2 + trend + usize::from(self.damped()) + season
    }

    fn check(self) -> Result<(), FitError> {
        if self.season != EtsSeason::None && self.period < 2 {
            return Err(FitError::Setting {
                name: "period",
                value: self.period as f64,
                expected: "at least 2 steps for a seasonal model",
            });
        }
        Ok(())
    }
}

impl std::fmt::Display for EtsSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let error = if self.error == EtsError::Additive { "A" } else { "M" };
        let trend = match self.trend {
            EtsTrend::None => "N",
            EtsTrend::Additive => "A",
            EtsTrend::AdditiveDamped => "Ad",
            EtsTrend::Multiplicative => "M",
            EtsTrend::MultiplicativeDamped => "Md",
        };
        let season = match self.season {
            EtsSeason::None => "N",
            EtsSeason::Additive => "A",
            EtsSeason::Multiplicative => "M",
        };
        write!(f, "ETS({error},{trend},{season})")
    }
}

/// Smoothing weights in innovations form and the damping factor.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EtsWeights {
    /// Level.
    pub alpha: f64,
    /// Trend (0 without trend).
    pub beta: f64,
    /// Season (0 without season).
    pub gamma: f64,
    /// Damping, 1 when not damped.
    pub phi: f64,
}

/// Level, trend and seasonal states; `season[0]` belongs to the next step.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EtsState {
    /// Level.
    pub level: f64,
    /// Trend: 0 (additive) or 1 (multiplicative) when there is none.
    pub trend: f64,
    /// Seasonal states of the coming `period` steps; empty without season.
    pub season: Vec<f64>,
}

/// One model of the family, to be fitted by maximum likelihood.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Ets, EtsSpec, Fitted, Forecaster};
/// let values: Vec<f64> = (0..48).map(|i| f64::from(i % 6) + 0.1 * f64::from(i)).collect();
/// let fitted = Ets::new(EtsSpec::holt_winters(6)).fit(&values)?;
/// let forecast = fitted.predict(6, &[0.95])?;
/// assert!((forecast.point[0] - 4.8).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ets {
    spec: EtsSpec,
}

impl Ets {
    /// A model with everything else estimated.
    pub const fn new(spec: EtsSpec) -> Self {
        Self { spec }
    }

    /// The member of the family.
    pub const fn spec(&self) -> EtsSpec {
        self.spec
    }
}

/// A fitted member of the family: weights, current states, error variance and likelihood.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedEts {
    spec: EtsSpec,
    weights: EtsWeights,
    state: EtsState,
    initial: EtsState,
    next: usize, // phase of the coming step within `state.season`, which is kept as a ring
    variance: f64,
    log_likelihood: f64,
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unbounded"))]
    aicc: f64,
}

/// One pass of a model over data with given weights: what the model said before each value, and how likely that was.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EtsTrace {
    /// One-step mean before each value was known.
    pub fitted: Vec<f64>,
    /// Level after each value.
    pub levels: Vec<f64>,
    /// States after the last value.
    pub last: EtsState,
    /// Sum of squared errors (relative ones for multiplicative error).
    pub squares: f64,
    /// Gaussian log likelihood with the variance at its maximum likelihood estimate `squares / n`.
    pub log_likelihood: f64,
}

impl FittedEts {
    /// The member of the family.
    pub const fn spec(&self) -> EtsSpec {
        self.spec
    }

    /// The smoothing weights.
    pub const fn weights(&self) -> EtsWeights {
        self.weights
    }

    /// The states before the first value of the training data.
    pub const fn initial(&self) -> &EtsState {
        &self.initial
    }

    /// The current states, season in the order of the coming steps.
    pub fn state(&self) -> EtsState {
        let mut season = self.state.season.clone();
        season.rotate_left(self.next);
        EtsState { season, ..self.state.clone() }
    }

    /// Variance of the one-step errors (relative errors for multiplicative error).
    pub const fn variance(&self) -> f64 {
        self.variance
    }

    /// Log likelihood of the training data.
    pub const fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }

    /// Akaike's criterion corrected for small samples; smaller is better. Infinite when there are too few values.
    pub const fn aicc(&self) -> f64 {
        self.aicc
    }
}

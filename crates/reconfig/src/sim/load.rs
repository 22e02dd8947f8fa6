//! Demand of a component over time.

use ecosystem_core::Timestamp;
use std::time::Duration;

/// How much processor time all replicas of a component together are asked for, in millicores, as a function of time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Load {
    /// Always the same.
    Constant(f64),
    /// From each moment on a new value; before the first moment zero. Moments in order.
    Steps(Vec<(Timestamp, f64)>),
    /// Equally spaced values from a moment on, repeated when they end. NaN = no measurement.
    Series {
        /// Time of the first value.
        start: Timestamp,
        /// Distance between values.
        step: Duration,
        /// The values.
        values: Vec<f64>,
    },
    /// `mean + amplitude · sin(2π · t / period)`, never below zero.
    Wave {
        /// Mean demand.
        mean: f64,
        /// Largest deviation.
        amplitude: f64,
        /// Length of a period.
        period: Duration,
    },
}

impl Load {
    /// Demand at a moment; NaN where nothing was measured.
    pub fn at(&self, moment: Timestamp) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Steps(steps) => {
                steps.iter().rev().find(|(from, _)| *from <= moment).map_or(0.0, |(_, value)| *value)
            }
            Self::Series { start, step, values } => {
                let step = step.as_millis().max(1);
                let index = moment.saturating_since(*start).as_millis() / step;
                let count = values.len() as u128;
                if count == 0 {
                    return f64::NAN;
                }
                usize::try_from(index % count).ok().and_then(|ix| values.get(ix)).copied().unwrap_or(f64::NAN)
            }
            Self::Wave { mean, amplitude, period } => {
                let period = period.as_secs_f64().max(0.001);
                let phase = (moment.as_unix_ms() as f64 / 1_000.0 / period).fract();
                (mean + amplitude * (std::f64::consts::TAU * phase).sin()).max(0.0)
            }
        }
    }
}

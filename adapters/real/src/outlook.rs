//! What the load of a component will be in a moment, from what was measured: a damped trend over the last minutes.

use std::collections::VecDeque;
use std::time::Duration;
use vm_ecosystem::forecast::{Ets, EtsSpec, Fitted, Forecaster};

/// Measurements kept: 48 s at one in two seconds. A longer past is so level that its trend follows nothing any more.
const KEPT: usize = 24;
/// Fewer say nothing about a trend.
const LEAST: usize = 8;
/// The load is expected to stay below this with probability 0.9: the upper end of a central interval of 80 %.
const LEVEL: f64 = 0.8;

/// The load that is expected.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "two numbers and a span")]
pub struct Outlook {
    /// Highest expected value, in thousandths of what was asked for.
    pub peak: u32,
    /// Upper bound of it.
    pub bound: u32,
    /// Within this time.
    pub within: Duration,
}

/// The measurements of one component.
#[derive(Clone, Debug, Default)]
pub struct Load {
    values: VecDeque<f64>,
    newest_ms: u64,
}

impl Load {
    /// Takes in a measurement; those of `step_ms` apart belong together, a longer silence begins anew.
    pub fn push(&mut self, at_unix_ms: u64, permille: u32, step_ms: u64) {
        if at_unix_ms.saturating_sub(self.newest_ms) > 5 * step_ms {
            self.values.clear();
        }
        self.newest_ms = at_unix_ms;
        self.values.push_back(f64::from(permille));
        if self.values.len() > KEPT {
            self.values.pop_front();
        }
    }

    /// What comes in the next `steps` steps of `step_ms`: Holt's damped trend, refitted; `None` as long as too little is
    /// known or nothing can be fitted.
    pub fn outlook(&self, steps: usize, step_ms: u64) -> Option<Outlook> {
        if self.values.len() < LEAST {
            return None;
        }
        let values: Vec<f64> = self.values.iter().copied().collect();
        let fitted = Ets::new(EtsSpec::holt(true)).fit(&values).ok()?;
        let forecast = fitted.predict(steps, &[LEVEL]).ok()?;
        let highest = |values: &[f64]| permille(values.iter().copied().fold(0.0, f64::max));
        Some(Outlook {
            peak: highest(&forecast.point),
            bound: highest(&forecast.intervals.first()?.upper),
            within: Duration::from_millis(step_ms.saturating_mul(steps as u64)),
        })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn permille(value: f64) -> u32 {
    value.max(0.0).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_rises_is_expected_to_rise_further_and_a_level_one_is_not() {
        let (mut rising, mut level) = (Load::default(), Load::default());
        for k in 0..20_u32 {
            rising.push(u64::from(k) * 2_000, 100 + 30 * k, 2_000);
            level.push(u64::from(k) * 2_000, 300 + k % 2, 2_000);
        }
        let peak = rising.outlook(6, 2_000).unwrap().peak;
        assert!((760..=860).contains(&peak), "{peak}");
        let level = level.outlook(6, 2_000).unwrap();
        assert!((295..=306).contains(&level.peak) && level.bound >= level.peak, "{level:?}");
    }

    #[test]
    fn after_a_silence_the_past_counts_no_more() {
        let mut load = Load::default();
        for k in 0..20 {
            load.push(k * 2_000, 500, 2_000);
        }
        load.push(1_000_000, 100, 2_000);
        assert_eq!(load.outlook(6, 2_000), None);
    }
}

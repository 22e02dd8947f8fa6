//! From scores to alerts people keep switched on: rules, error budgets, incidents, feedback.
//!
//! | part | what it decides |
//! |---|---|
//! | [`Effect`] | is the deviation large enough to matter at all (absolute, relative, direction)? |
//! | [`AlertRule`] | when one alert begins and ends: duration, hysteresis, quiet time, missing data, feedback |
//! | [`BurnRate`] | is the error budget being spent too fast, over a long and a short window at once? |
//! | [`AlarmClass`] | which part, whom it concerns, which kind, how bad |
//! | [`Incidents`] | which alerts are one incident, by time and by the edges between components |
//!
//! All of it works on streams with bounded memory, takes time as an argument (milliseconds since 1970), and continues after `serde` bit
//! for bit.
//!
//! # Example
//! ```
//! use ecosystem_forecast::alert::{AlertChange, AlertRule, Incidents, IncidentSettings, RuleSettings, Sample};
//! let mut rule = AlertRule::new(&RuleSettings::default().with_raise_at(10.0).with_hold_ms(120_000))?;
//! let mut incidents = Incidents::new(2, &[(0, 1)], &IncidentSettings::default())?; // 0 calls 1
//! let mut seen = Vec::new();
//! for minute in 0..10_u64 {
//!     let score = if minute >= 3 { 12.0 } else { 1.0 };
//!     if let Some(AlertChange::Raised(alert)) = rule.observe(minute * 60_000, &Sample::scored(score))? {
//!         seen.push((minute, incidents.raised(alert.raised_at_ms, 1, 0)?));
//!     }
//! }
//! assert_eq!(seen.len(), 1, "one event, one alert");
//! assert_eq!(seen[0].0, 5, "two minutes after it began");
//! # Ok::<(), ecosystem_forecast::alert::AlertError>(())
//! ```

mod burn;
mod class;
mod effect;
mod incident;
mod rule;

pub use burn::{Burn, BurnRate, BurnWindow};
pub use class::{AlarmClass, AlarmKind, Modality, Severity, Subsystem};
pub use effect::{Effect, Side};
pub use incident::{CorrelationId, Incident, IncidentSettings, Incidents, Joined};
pub use rule::{Alert, AlertCause, AlertChange, AlertRule, Feedback, RuleSettings, Sample};

/// Why an alert could not be judged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AlertError {
    /// A setting is outside its range, or two settings contradict each other.
    #[error("setting `{name}` is {value}: expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// Time went backwards: samples must come in order.
    #[error("time {at_ms} ms lies before {last_ms} ms: give samples in order of time")]
    Time {
        /// Time given.
        at_ms: u64,
        /// Time of the last sample.
        last_ms: u64,
    },
    /// A component that is not there.
    #[error("component {component} is not there: expected a number below {components}")]
    Component {
        /// Number given.
        component: usize,
        /// How many there are.
        components: usize,
    },
}

/// Time never goes back.
fn check_time(last: &mut Option<u64>, at_ms: u64) -> Result<(), AlertError> {
    if let Some(last_ms) = *last
        && at_ms < last_ms
    {
        return Err(AlertError::Time { at_ms, last_ms });
    }
    *last = Some(at_ms);
    Ok(())
}

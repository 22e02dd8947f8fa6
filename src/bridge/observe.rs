//! Measurements to what the engine wants to know.

use crate::model::{ComponentId, Ecosystem, QueryError, Sample, Timestamp};
use crate::reconfig::Engine;
use std::time::Duration;

/// Samples older than this say nothing about now: four scrapes of 30 s.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(120);

/// Mean use of a component's available replicas in thousandths of what they asked for, from a measurement of the
/// processor use of all of them in millicores; or why that cannot be said.
pub fn utilisation(
    engine: &Engine,
    ecosystem: &Ecosystem,
    component: &ComponentId,
    now: Timestamp,
    sample: Result<Sample, QueryError>,
) -> Result<u32, String> {
    let sample = sample.map_err(|e| e.to_string())?;
    let age = now.saturating_since(sample.at);
    if age > STALE_AFTER {
        return Err(format!("processor use of {component} is {} s old and is not used", age.as_secs()));
    }
    let request = ecosystem.component(component).map_or(0, |c| c.requirements.request.cpu.get());
    let replicas = engine.available_replicas(component);
    let asked = request as f64 * f64::from(replicas);
    if asked <= 0.0 || !sample.value.is_finite() || sample.value < 0.0 {
        return Err(format!(
            "use of {component} cannot be told: {} millicores measured, {replicas} replicas of {request} millicores",
            sample.value
        ));
    }
    let permille = (sample.value * 1_000.0 / asked).round().min(f64::from(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    Ok(permille as u32)
}

//! Settings from what matters.

use crate::settings::Settings;
use std::time::Duration;

/// How much each goal matters, from 0 (as cheap as possible) over 50 to 100 (whatever it costs). What each costs:
/// performance replicas, resilience hosts that stay free, security time until traffic returns.
///
/// | goal | from 0 over 50 to 100 |
/// | --- | --- |
/// | performance | load that is aimed at 800, 600, 400 ‰; more replicas after 60, 30, 5 s |
/// | resilience | hosts in reserve 0, 1, 2; from suspicion to fence 15, 10, 5 s |
/// | security | clean replicas avoid the hosts of compromised ones from 25 on; a verdict from outside is waited for from 75 on; attempts to take a snapshot 1, 2, 3 |
///
/// # Example
/// ```
/// use ecosystem_reconfig::Goals;
///
/// let settings = Goals { performance: 50, resilience: 100, security: 0 }.settings();
/// assert_eq!((settings.scaling.target_permille, settings.limits.reserve_hosts), (600, 2));
/// assert!(settings.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "the three goals of the engine")]
pub struct Goals {
    /// Answers stay fast when load rises.
    pub performance: u8,
    /// Failed hosts cost little time, and their replicas find room.
    pub resilience: u8,
    /// What is compromised stays contained.
    pub security: u8,
}

impl Goals {
    /// Default settings moved towards the goals. Weights above 100 count as 100.
    #[must_use]
    pub fn settings(self) -> Settings {
        let mut settings = Settings::default();
        let weight = |goal: u8| u32::from(goal.min(100));
        let (performance, resilience, security) =
            (weight(self.performance), weight(self.resilience), weight(self.security));
        settings.scaling.target_permille = 800 - 4 * performance;
        settings.scaling.up_after = Duration::from_secs((60 - 6 * performance / 10).max(5).into());
        settings.limits.reserve_hosts = resilience / 50;
        settings.detection.fence_after = Duration::from_secs((15 - resilience / 10).into());
        settings.isolation.avoid_hosts = security >= 25;
        settings.isolation.external_verification = security >= 75;
        settings.isolation.snapshot_attempts = 1 + security / 50;
        settings
    }
}

//! What a host can choose, each default with its reason.

use crate::error::SettingsError;
use crate::state::Reason;
use ecosystem_core::{Capabilities, ComponentId};
use std::collections::BTreeMap;
use std::time::Duration;

/// What makes a host suspect.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Detector {
    /// Silence for [`Detection::suspect_after`].
    #[default]
    Timeout,
    /// Silence that is unlikely by the host's own heartbeat intervals
    /// ([`PhiNormal`](crate::detect::PhiNormal)), at most [`Detection::suspect_after`]. The field is the expected
    /// interval in milliseconds.
    Phi {
        /// Expected time between heartbeats in milliseconds.
        interval_ms: u32,
    },
}

/// How hosts are watched and declared dead.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Detection {
    /// What makes a host suspect.
    pub detector: Detector,
    /// Silence after which a host is suspect. 10 s: two missed heartbeats of 5 s.
    pub suspect_after: Duration,
    /// Further silence after which a suspect host is fenced. 10 s, so that a restarted switch (typically 5 to 8 s)
    /// costs no host.
    pub fence_after: Duration,
    /// Heartbeats in a row after which a dead host is taken back. Three, so that one late message does not.
    pub rejoin_heartbeats: u32,
    /// Suspect hosts, in percent of all (rounded down, at least one), beyond which nothing is fenced without
    /// approval: more than that is rather a broken switch than broken hosts. 30 %.
    pub storm_percent: u32,
    /// Times a host may turn suspect within [`flap_window`](Self::flap_window) before it is closed for new work. Three.
    pub flap_limit: u32,
    /// See [`flap_limit`](Self::flap_limit). One hour.
    pub flap_window: Duration,
}

impl Default for Detection {
    fn default() -> Self {
        Self {
            detector: Detector::Timeout,
            suspect_after: Duration::from_secs(10),
            fence_after: Duration::from_secs(10),
            rejoin_heartbeats: 3,
            storm_percent: 30,
            flap_limit: 3,
            flap_window: Duration::from_secs(3_600),
        }
    }
}

/// How long actions may take and how often they are tried.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Patience {
    /// For a start to report healthy. 2 min: a large virtual machine boots in one.
    pub start: Duration,
    /// For a stop. 1 min: the usual grace period of 30 s twice.
    pub stop: Duration,
    /// For a migration. 15 min: 64 GiB over 1 Gbit/s take nine.
    pub migrate: Duration,
    /// For a snapshot. 5 min.
    pub snapshot: Duration,
    /// For fencing a host. 30 s: a power controller answers within ten.
    pub fence: Duration,
    /// For everything else (network policies, cordon, probes …). 15 s.
    pub quick: Duration,
    /// Probes without an answer before an action is escalated. Three.
    pub probes: u32,
    /// Wait before something that did not work is tried again. 30 s.
    pub retry: Duration,
    /// Failed attempts to fence before an operator is asked to confirm a death. Three.
    pub fence_attempts: u32,
    /// For an answer of the optimizer, before it is asked again. 60 s.
    pub placement: Duration,
    /// How long something without a feasible host may wait before it is escalated. 5 min.
    pub unplaceable: Duration,
    /// How long a replica may be unhealthy before it is stopped and started anew. 1 min.
    pub unhealthy: Duration,
    /// How long a start waits for the components it must start after. 2 min.
    pub dependencies: Duration,
    /// How often the ground is compared with what is believed: a host that lost power and was back before its
    /// silence was noticed says nothing about what it lost. 5 min; zero = only after restarts and doubt.
    pub inventory: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(120),
            stop: Duration::from_secs(60),
            migrate: Duration::from_secs(900),
            snapshot: Duration::from_secs(300),
            fence: Duration::from_secs(30),
            quick: Duration::from_secs(15),
            probes: 3,
            retry: Duration::from_secs(30),
            fence_attempts: 3,
            placement: Duration::from_secs(60),
            unplaceable: Duration::from_secs(300),
            unhealthy: Duration::from_secs(60),
            dependencies: Duration::from_secs(120),
            inventory: Duration::from_secs(300),
        }
    }
}

/// How often a replica is restarted where it is, and moved elsewhere, before an operator is called.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct RestartPolicy {
    /// Attempts on the same host. One, as in Proxmox HA.
    pub max_restart: u32,
    /// Hosts tried after that, each at most once. One, as in Proxmox HA.
    pub max_relocate: u32,
    /// Whether a replica that failed all its attempts is left alone until an operator orders a retry, as in the error
    /// state of Proxmox HA. No: all is tried anew after [`Patience::unplaceable`].
    pub holds: bool,
}

impl RestartPolicy {
    /// So many attempts on the same host, and so many other hosts.
    pub const fn new(max_restart: u32, max_relocate: u32) -> Self {
        Self { max_restart, max_relocate, holds: false }
    }

    /// The same, but what failed all its attempts is left alone until an operator orders a retry.
    #[must_use]
    pub const fn holding(mut self) -> Self {
        self.holds = true;
        self
    }
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self::new(1, 1)
    }
}

/// When components grow and shrink with their load.
///
/// Load is utilisation of what the replicas asked for, in thousandths, averaged over those that serve. The model is
/// that of the Kubernetes horizontal autoscaler: `ceil(replicas · load / target)`, no change within the tolerance,
/// the smallest proposal of [`up_after`](Self::up_after) when growing, the largest of
/// [`down_after`](Self::down_after) when shrinking.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Scaling {
    /// Whether components with a replica range are scaled.
    pub enabled: bool,
    /// Load that is aimed at. 600 ‰: room for the loss of one of three replicas.
    pub target_permille: u32,
    /// Deviation from the target, in thousandths of it, within which nothing happens. 100 ‰, as in Kubernetes.
    pub tolerance_permille: u32,
    /// How long more replicas must be wanted. 30 s: two samples of 15 s.
    pub up_after: Duration,
    /// How long fewer replicas must do. 5 min, as in Kubernetes.
    pub down_after: Duration,
    /// Rest after a change. 60 s: new replicas need that long to show in the mean.
    pub cooldown: Duration,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            enabled: true,
            target_permille: 600,
            tolerance_permille: 100,
            up_after: Duration::from_secs(30),
            down_after: Duration::from_secs(300),
            cooldown: Duration::from_secs(60),
        }
    }
}

/// How a new version is brought in.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Rolling {
    /// Replicas that may run beyond the wanted number while versions change. One.
    pub surge: u32,
    /// Failed starts of the new version after which it is taken back. Two: one may be the host's fault.
    pub failures: u32,
    /// Time without progress after which it is taken back. 10 min, as in Kubernetes.
    pub progress: Duration,
}

impl Default for Rolling {
    fn default() -> Self {
        Self { surge: 1, failures: 2, progress: Duration::from_secs(600) }
    }
}

/// How compromised components are treated.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Isolation {
    /// Attempts to take a snapshot before forensics are given up for containment. Two.
    pub snapshot_attempts: u32,
    /// Whether the host application must send [`Event::Verified`](crate::Event::Verified) before approval is asked;
    /// otherwise it is enough that all clean replicas report healthy. No.
    pub external_verification: bool,
    /// Whether clean replicas must not start on the hosts where compromised ones ran. Yes: an escape to the host
    /// cannot be ruled out.
    pub avoid_hosts: bool,
}

impl Default for Isolation {
    fn default() -> Self {
        Self { snapshot_attempts: 2, external_verification: false, avoid_hosts: true }
    }
}

/// A time of the week in which voluntary disruptions are bound, as in the disruption budgets of Karpenter. The clock is
/// that of the engine (Unix time) with a fixed offset: whoever follows daylight saving time gives two windows.
///
/// # Example
/// ```
/// use ecosystem_reconfig::DisruptionWindow;
///
/// // Nothing on working days from 8 to 18 o'clock, two hours east of Greenwich.
/// let mut office = DisruptionWindow::default();
/// office.days = 0b001_1111;
/// (office.from_minute, office.minutes, office.utc_offset_minutes) = (8 * 60, 10 * 60, 120);
/// assert_eq!(office.at_once, 0);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct DisruptionWindow {
    /// For refusals.
    pub name: String,
    /// What it binds; nothing = every voluntary reason (maintenance, roll-out, scale, rebalance).
    pub reasons: Vec<Reason>,
    /// Days on which it opens: bit 0 Monday … bit 6 Sunday. All.
    pub days: u8,
    /// When it opens, in minutes after midnight.
    pub from_minute: u16,
    /// How long it is open, in minutes; may reach beyond midnight. At most a week.
    pub minutes: u32,
    /// Minutes that its clock is ahead of UTC.
    pub utc_offset_minutes: i16,
    /// Voluntary stops and moves in the whole fleet that may be under way at once while it is open. None.
    pub at_once: u32,
}

impl Default for DisruptionWindow {
    fn default() -> Self {
        Self {
            name: "all day".to_owned(),
            reasons: Vec::new(),
            days: 0b111_1111,
            from_minute: 0,
            minutes: 1_440,
            utc_offset_minutes: 0,
            at_once: 0,
        }
    }
}

/// Bounds on what the engine does of its own will.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Limits {
    /// Migrations at once that leave or reach one host. Two, as in `KubeVirt` per outbound node.
    pub migrations_per_host: u32,
    /// Migrations at once in all. Five, as in `KubeVirt` per cluster.
    pub migrations: u32,
    /// Voluntary disruptions that may be spent at once (size of the token bucket). 100.
    pub disruption_burst: u32,
    /// Time in which one voluntary disruption is earned again. 6 s, so 600 per hour.
    pub disruption_every: Duration,
    /// Hosts whose failure must still fit after a component grew (N + k). None: whoever runs without a reserve would
    /// otherwise not scale at all.
    pub reserve_hosts: u32,
    /// Times of the week in which less is allowed. None.
    pub windows: Vec<DisruptionWindow>,
    /// How long before a maintenance window of a host opens it begins to be emptied. 15 min: the deadline of one
    /// migration.
    pub maintenance_lead: Duration,
    /// What a plan that says what it gains must gain at least, in thousandths of what is now. 100 ‰, as rebalancing in
    /// Proxmox HA asks for. Plans that say nothing of their gain are not measured.
    pub minimum_gain_permille: u32,
    /// What such a plan must gain at least for what it moves: the share it gains divided by the share of all replicas
    /// it moves, in thousandths. 500 ‰, the balanced policy of Karpenter (a half).
    pub gain_per_move_permille: u32,
    /// Rest between two such plans, so that two optimizers, or one that changes its mind, do not move things to and fro.
    /// 10 min.
    pub plan_rest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            migrations_per_host: 2,
            migrations: 5,
            disruption_burst: 100,
            disruption_every: Duration::from_secs(6),
            reserve_hosts: 0,
            windows: Vec::new(),
            maintenance_lead: Duration::from_secs(900),
            minimum_gain_permille: 100,
            gain_per_move_permille: 500,
            plan_rest: Duration::from_secs(600),
        }
    }
}

/// Everything a host can choose.
///
/// # Example
/// ```
/// use ecosystem_reconfig::Settings;
/// use std::time::Duration;
///
/// let mut settings = Settings::default();
/// settings.detection.suspect_after = Duration::from_secs(3);
/// assert!(settings.validate().is_ok());
/// settings.scaling.target_permille = 0;
/// assert!(settings.validate().is_err());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Settings {
    /// How hosts are watched and declared dead.
    pub detection: Detection,
    /// How long actions may take and how often they are tried.
    pub patience: Patience,
    /// Restarts and relocations of components without their own policy.
    pub restart: RestartPolicy,
    /// Restarts and relocations by component.
    pub restart_of: BTreeMap<ComponentId, RestartPolicy>,
    /// When components grow and shrink.
    pub scaling: Scaling,
    /// How a new version is brought in.
    pub rolling: Rolling,
    /// How compromised components are treated.
    pub isolation: Isolation,
    /// Bounds on voluntary changes.
    pub limits: Limits,
    /// What the executor can do; the engine works around what it cannot.
    pub capabilities: Capabilities,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            detection: Detection::default(),
            patience: Patience::default(),
            restart: RestartPolicy::default(),
            restart_of: BTreeMap::new(),
            scaling: Scaling::default(),
            rolling: Rolling::default(),
            isolation: Isolation::default(),
            limits: Limits::default(),
            capabilities: Capabilities::all(),
        }
    }
}

impl Settings {
    /// Checks that the numbers make sense together; called by [`Engine::new`](crate::Engine::new).
    pub fn validate(&self) -> Result<(), SettingsError> {
        let positive = [
            ("scaling.target_permille", u64::from(self.scaling.target_permille)),
            ("detection.rejoin_heartbeats", u64::from(self.detection.rejoin_heartbeats)),
            ("patience.probes", u64::from(self.patience.probes)),
            ("patience.fence_attempts", u64::from(self.patience.fence_attempts)),
            ("limits.migrations_per_host", u64::from(self.limits.migrations_per_host)),
            ("limits.migrations", u64::from(self.limits.migrations)),
            ("rolling.failures", u64::from(self.rolling.failures)),
            ("limits.disruption_every", millis(self.limits.disruption_every)),
            ("patience.retry", millis(self.patience.retry)),
            ("patience.quick", millis(self.patience.quick)),
            ("patience.start", millis(self.patience.start)),
            ("patience.stop", millis(self.patience.stop)),
            ("patience.fence", millis(self.patience.fence)),
            ("patience.migrate", millis(self.patience.migrate)),
            ("patience.snapshot", millis(self.patience.snapshot)),
            ("patience.placement", millis(self.patience.placement)),
            ("detection.suspect_after", millis(self.detection.suspect_after)),
        ];
        match positive.iter().find(|&&(_, value)| value == 0) {
            Some(&(name, _)) => Err(SettingsError::Zero { name }),
            None => Ok(()),
        }
    }

    /// Restarts and relocations of one component.
    pub fn restart_policy(&self, component: &ComponentId) -> RestartPolicy {
        self.restart_of.get(component).copied().unwrap_or(self.restart)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

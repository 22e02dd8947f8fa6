//! Does an executor keep the contract of [`Hypervisor`]? Run it through [`hypervisor`] and see.
//!
//! # Model
//! The suite plays a small controller: it starts, doubles, moves, probes, refuses and stops one replica on the hosts of a
//! [`Scenario`] and compares what the executor says ([`HypervisorEvent::Finished`](crate::HypervisorEvent::Finished)) with what its inventory shows. The
//! executor may be a simulator or a real system: time passes only through the function that is handed in, which waits
//! (or moves a simulated clock) and says what time it is.
//!
//! A check is [`Verdict::Skipped`] only if the executor says that it cannot do the thing
//! ([`Hypervisor::capabilities`]) or the scenario leaves it out. The world must be empty of the scenario's component
//! before, and is empty of it afterwards unless a check failed.
//!
//! # Example
//! ```
//! use ecosystem_core::conformance::{Scenario, hypervisor};
//! # use ecosystem_core::*;
//! # fn show(mut mine: impl Hypervisor) -> Result<(), InvalidId> {
//! let mut now = Timestamp::from_unix_ms(1_000_000);
//! let hosts = vec![HostId::new("h1")?, HostId::new("h2")?];
//! let scenario = Scenario::new(hosts, ComponentId::new("probe")?);
//! let report = hypervisor(&mut mine, &scenario, |wait| {
//!     now = now.saturating_add(wait); // a real host sleeps here
//!     now
//! });
//! assert!(report.passed(), "{report}");
//! # Ok(()) }
//! ```

mod checks;
mod stage;

use crate::id::{ComponentId, Epoch, HostId};
use crate::resources::Resources;
use crate::time::Timestamp;
use crate::units::{Bytes, Millicores};
use crate::{Hypervisor, Version};
use stage::Stage;
use std::fmt;
use std::time::Duration;

/// With what the suite plays.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Scenario {
    /// Hosts that answer and take work; two or more, or nothing can be moved.
    pub hosts: Vec<HostId>,
    /// A component of which nothing runs.
    pub component: ComponentId,
    /// A version that starts.
    pub version: Version,
    /// What one replica gets; every host has room for two.
    pub resources: Resources,
    /// More than any host has.
    pub too_large: Resources,
    /// How long one action may take.
    pub patience: Duration,
    /// How long to wait between two polls.
    pub step: Duration,
    /// Number of the first action; the suite uses the hundred numbers from here, none of which was used before.
    pub first_action: u64,
    /// Fencing token to play with: at least one, and no lower than any the executor has seen. The suite ends at the one
    /// after.
    pub epoch: Epoch,
    /// A host that may be fenced at the end; whatever runs there dies.
    pub fence: Option<HostId>,
}

impl Scenario {
    /// Small replicas (100 millicores, 16 MiB), a minute for each action, a poll every 100 ms, nothing is fenced.
    pub fn new(hosts: Vec<HostId>, component: ComponentId) -> Self {
        Self {
            hosts,
            component,
            version: Version::new("1.0.0"),
            resources: Resources::new(Millicores(100), Bytes::mib(16)),
            too_large: Resources::new(Millicores::cores(1 << 30), Bytes::gib(1 << 30)),
            patience: Duration::from_secs(60),
            step: Duration::from_millis(100),
            first_action: 1,
            epoch: Epoch(1),
            fence: None,
        }
    }
}

/// How a check ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a check passes, fails or is not made")]
pub enum Verdict {
    /// The executor keeps this part of the contract.
    Passed,
    /// The check was not made, with the reason.
    Skipped(String),
    /// The executor breaks this part of the contract: what was seen, and what was expected.
    Failed(String),
}

/// One part of the contract.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Check {
    /// What must hold, as a sentence.
    pub rule: &'static str,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// What the suite found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// All checks in the order they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// True if no check failed.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.failures().next().is_none()
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.verdict, Verdict::Failed(_)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { rule, verdict } in &self.checks {
            match verdict {
                Verdict::Passed => writeln!(f, "passed   {rule}")?,
                Verdict::Skipped(why) => writeln!(f, "left out {rule}: {why}")?,
                Verdict::Failed(why) => writeln!(f, "FAILED   {rule}: {why}")?,
            }
        }
        Ok(())
    }
}

/// Runs an executor through the whole contract. `wait` lets at least the given time pass and says what time it is then.
pub fn hypervisor<H: Hypervisor>(
    executor: &mut H,
    scenario: &Scenario,
    wait: impl FnMut(Duration) -> Timestamp,
) -> Report {
    let mut stage = Stage::new(executor, scenario, wait);
    let mut report = Report::default();
    for (rule, check) in checks::all() {
        let verdict = match check(&mut stage) {
            Ok(()) => Verdict::Passed,
            Err(verdict) => verdict,
        };
        report.checks.push(Check { rule, verdict });
    }
    report
}

//! Hard state: what must survive a crash. It is the fold of the journal's records and nothing else; it holds no
//! floats and no absolute times, so that a model checker can compare states.

use crate::error::JournalError;
use crate::event::DeathEvidence;
use ecosystem_core::{ComponentId, HostId, MigrationMode, Resources, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A replica by dense component index and number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Rid {
    pub(crate) c: u32,
    pub(crate) n: u32,
}

/// Where a replica is in its life.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Phase {
    /// Runs nowhere for certain; wants a host.
    Pending,
    /// A start was decided.
    Starting { host: u32, action: u64 },
    /// Runs, as far as we know.
    Running { host: u32 },
    /// A stop was decided.
    Stopping { host: u32, action: u64 },
    /// A migration was decided; runs on one of the two.
    Migrating { from: u32, to: u32, action: u64 },
    /// Nobody knows whether it runs on `a` or `b` or not at all; `action` is the one in doubt, 0 once it ended.
    Doubt { a: u32, b: Option<u32>, action: u64 },
    /// Its host says that it does not run. May be an old message: restart there, or stop for certain.
    Down { host: u32 },
    /// Must be stopped for certain before anything else.
    Unwinding { host: u32 },
}

impl Phase {
    /// Hosts on which the replica runs, may run or holds a reservation.
    pub(crate) fn holds(self) -> impl Iterator<Item = u32> {
        let (first, second) = match self {
            Self::Pending => (None, None),
            Self::Starting { host, .. }
            | Self::Running { host }
            | Self::Stopping { host, .. }
            | Self::Down { host }
            | Self::Unwinding { host } => (Some(host), None),
            Self::Migrating { from, to, .. } => (Some(from), Some(to)),
            Self::Doubt { a, b, .. } => (Some(a), b),
        };
        first.into_iter().chain(second)
    }

    /// The action under way, if any.
    pub(crate) const fn action(self) -> Option<u64> {
        match self {
            Self::Starting { action, .. }
            | Self::Stopping { action, .. }
            | Self::Migrating { action, .. } => Some(action),
            Self::Doubt { action, .. } if action > 0 => Some(action),
            _ => None,
        }
    }

    /// A word for reports.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Starting { .. } => "starting",
            Self::Running { .. } => "running",
            Self::Stopping { .. } => "stopping",
            Self::Migrating { .. } => "migrating",
            Self::Doubt { .. } => "uncertain",
            Self::Down { .. } => "down",
            Self::Unwinding { .. } => "unwinding",
        }
    }
}

/// One replica.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Replica {
    pub(crate) phase: Phase,
    pub(crate) version: Version,
    pub(crate) size: Arc<Resources>,
    /// Goes away for good once it is stopped.
    pub(crate) retire: bool,
    /// Compromised: never started again.
    pub(crate) tainted: bool,
    /// Its snapshot for forensics is taken or was given up.
    pub(crate) preserved: bool,
    /// Failed attempts on the present host.
    pub(crate) restarts: u32,
    /// Hosts given up since it last ran.
    pub(crate) relocations: u32,
    /// Hosts it must not be started on.
    pub(crate) avoid: BTreeSet<u32>,
}

/// What is believed about a host.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) enum HostStatus {
    #[default]
    Up,
    Suspect,
    /// A fence action is under way.
    Fencing {
        action: u64,
    },
    /// Known to run nothing.
    Dead {
        evidence: DeathEvidence,
    },
}

/// One host.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent marks, as operators set them")]
pub(crate) struct Host {
    pub(crate) status: HostStatus,
    /// Takes nothing new, by order or because it flaps.
    pub(crate) cordoned: bool,
    /// Is being emptied by order.
    pub(crate) draining: bool,
    /// Is expected to fail; is being emptied.
    pub(crate) degraded: bool,
    pub(crate) frozen: bool,
    /// Failed attempts to fence since it was last up.
    pub(crate) fence_failures: u32,
}

/// Where the isolation of a component stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Stage {
    /// Network policy is being applied.
    Cutting,
    /// Credentials are being rotated.
    Rotating,
    /// Compromised replicas are being snapshotted; the number counts failed attempts.
    Preserving { failures: u32 },
    /// Compromised replicas are stopped, clean ones started.
    Rebuilding,
    /// Clean replicas run; waiting for the verdict.
    Verifying,
    /// Waiting for approval to reconnect.
    Waiting { approval: u64 },
    /// Approval was refused; stays cut until an operator says otherwise.
    Held,
    /// Network policy is being lifted.
    Reconnecting,
}

/// A version change under way: pivots are the stops of old replicas.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Rollout {
    pub(crate) from: Version,
    pub(crate) to: Version,
    pub(crate) failures: u32,
    /// Going back to `from`.
    pub(crate) back: bool,
}

/// One component.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Comp {
    pub(crate) desired: u32,
    /// Version that new replicas get.
    pub(crate) version: Version,
    pub(crate) size: Arc<Resources>,
    /// Number of the next replica.
    pub(crate) next: u32,
    pub(crate) frozen: bool,
    pub(crate) isolation: Option<Stage>,
    pub(crate) rollout: Option<Rollout>,
    /// A version that waits for its turn.
    pub(crate) queued: Option<Version>,
    /// Versions that failed or were reported broken.
    pub(crate) blocked: BTreeSet<Arc<str>>,
    /// Hosts on which compromised replicas ran since the isolation began: clean ones do not start there.
    pub(crate) shunned: BTreeSet<u32>,
}

/// What an action is for; the order is the order of importance, most important first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[expect(clippy::exhaustive_enums, reason = "the seven priorities of the design, matched by every driver")]
pub enum Reason {
    /// Contain and rebuild what is compromised.
    Security,
    /// Bring back what failed.
    Recovery,
    /// Leave hosts that are about to fail.
    Evacuation,
    /// Empty hosts by order.
    Maintenance,
    /// Bring in a version.
    Rollout,
    /// Follow the load.
    Scale,
    /// Use resources better.
    Rebalance,
}

impl Reason {
    pub(crate) const ALL: [Self; 7] = [
        Self::Security,
        Self::Recovery,
        Self::Evacuation,
        Self::Maintenance,
        Self::Rollout,
        Self::Scale,
        Self::Rebalance,
    ];

    /// True if the engine could as well not do it: disruption budgets bind it.
    pub const fn is_voluntary(self) -> bool {
        matches!(self, Self::Maintenance | Self::Rollout | Self::Scale | Self::Rebalance)
    }

    /// A word for reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Recovery => "recovery",
            Self::Evacuation => "evacuation",
            Self::Maintenance => "maintenance",
            Self::Rollout => "rollout",
            Self::Scale => "scale",
            Self::Rebalance => "rebalance",
        }
    }
}

/// What an action does, in dense indices.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Task {
    Start {
        r: Rid,
        host: u32,
    },
    Stop {
        r: Rid,
        host: u32,
    },
    /// Stop of something found where it should not be; the replica's phase does not follow it.
    StopStray {
        r: Rid,
        host: u32,
    },
    Migrate {
        r: Rid,
        from: u32,
        to: u32,
        mode: MigrationMode,
    },
    Snapshot {
        r: Rid,
        host: u32,
        name: Arc<str>,
    },
    Probe {
        r: Rid,
        host: u32,
        about: u64,
    },
    Fence {
        host: u32,
    },
    /// Lets a fenced host run again.
    Release {
        host: u32,
    },
    Cordon {
        host: u32,
        closed: bool,
    },
    Cut {
        c: u32,
    },
    Rotate {
        c: u32,
    },
    Reconnect {
        c: u32,
    },
    /// Switches an empty host off.
    PowerDown {
        host: u32,
    },
    /// Divides traffic between versions, in thousandths.
    Shift {
        c: u32,
        shares: Vec<(Arc<str>, u32)>,
    },
    /// Brings a replica back to a snapshot.
    Restore {
        r: Rid,
        host: u32,
        name: Arc<str>,
    },
    /// Gives a running replica another size; the larger of both is reserved until it ends.
    Resize {
        r: Rid,
        host: u32,
        from: Arc<Resources>,
        to: Arc<Resources>,
    },
    Abort {
        action: u64,
    },
}

impl Task {
    /// The hosts it is about.
    pub(crate) const fn hosts(&self) -> [Option<u32>; 2] {
        match self {
            Self::Start { host, .. }
            | Self::Stop { host, .. }
            | Self::StopStray { host, .. }
            | Self::Snapshot { host, .. }
            | Self::Probe { host, .. }
            | Self::Fence { host }
            | Self::Release { host }
            | Self::PowerDown { host }
            | Self::Restore { host, .. }
            | Self::Resize { host, .. }
            | Self::Cordon { host, .. } => [Some(*host), None],
            Self::Migrate { from, to, .. } => [Some(*from), Some(*to)],
            Self::Cut { .. }
            | Self::Rotate { .. }
            | Self::Reconnect { .. }
            | Self::Shift { .. }
            | Self::Abort { .. } => [None, None],
        }
    }

    pub(crate) const fn replica(&self) -> Option<Rid> {
        match self {
            Self::Start { r, .. }
            | Self::Stop { r, .. }
            | Self::StopStray { r, .. }
            | Self::Migrate { r, .. }
            | Self::Snapshot { r, .. }
            | Self::Restore { r, .. }
            | Self::Resize { r, .. }
            | Self::Probe { r, .. } => Some(*r),
            _ => None,
        }
    }
}

/// An action that has not ended.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct InFlight {
    pub(crate) task: Task,
    pub(crate) reason: Reason,
}

/// One move of a plan that the engine carries out.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Planned {
    pub(crate) r: Rid,
    pub(crate) to: u32,
    pub(crate) reason: Reason,
    /// Steps that end before this one begins.
    pub(crate) after: BTreeSet<u32>,
    /// Attempts that failed.
    pub(crate) failures: u32,
}

/// How an action ended, in the engine's book.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[expect(clippy::exhaustive_enums, reason = "the four ends of invariant S5")]
pub enum End {
    /// It had its effect.
    Done,
    /// It had none.
    Failed,
    /// Its possible effect is being undone.
    Compensated,
    /// Nobody could tell; an operator was called, and what it may have done stays reserved.
    Escalated,
}

/// What an approval is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Approving {
    Reconnect {
        c: u32,
    },
    Storm,
    Death {
        host: u32,
    },
    /// Clean replicas may start where compromised ones ran.
    Reuse {
        c: u32,
    },
}

/// One step of the fold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    Names {
        components: Vec<ComponentId>,
        hosts: Vec<HostId>,
    },
    Epoch(u64),
    FrozenAll(bool),
    StormApproved(bool),
    Counters {
        next_action: u64,
        next_approval: u64,
    },
    Comp(u32, Box<Comp>),
    Host(u32, Host),
    Replica(Rid, Box<Replica>),
    Gone(Rid),
    Begun(u64, InFlight),
    Ended(u64, End),
    Asked(u64, Approving),
    Answered(u64, bool),
    /// A step of the plan is there, or is another.
    Step(u32, Box<Planned>),
    /// A step of the plan is over or given up; nothing waits for it any more.
    StepGone(u32),
}

/// The fold of all records.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Hard {
    pub(crate) component_names: Vec<ComponentId>,
    pub(crate) host_names: Vec<HostId>,
    pub(crate) epoch: u64,
    pub(crate) frozen: bool,
    /// Fencing beyond the storm limit was approved, until no host is suspect any more.
    pub(crate) storm_approved: bool,
    pub(crate) next_action: u64,
    pub(crate) next_approval: u64,
    pub(crate) comps: Vec<Comp>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) replicas: BTreeMap<Rid, Replica>,
    pub(crate) actions: BTreeMap<u64, InFlight>,
    pub(crate) approvals: BTreeMap<u64, Approving>,
    /// Steps of the plan that are not over.
    pub(crate) plan: BTreeMap<u32, Planned>,
    // INVARIANT: both follow from `replicas`: what each host runs or has reserved, and which replicas those are.
    pub(crate) used: Vec<Resources>,
    pub(crate) on_host: Vec<BTreeSet<Rid>>,
}

impl Hard {
    /// Applies one change; the same function serves live operation and replay.
    pub(crate) fn apply(&mut self, number: u64, change: &Change) -> Result<(), JournalError> {
        match change {
            Change::Names { components, hosts } => {
                self.component_names.extend(components.iter().cloned());
                self.host_names.extend(hosts.iter().cloned());
                self.comps.resize_with(self.component_names.len(), Comp::absent);
                self.hosts.resize_with(self.host_names.len(), Host::default);
                self.used.resize_with(self.host_names.len(), Resources::default);
                self.on_host.resize_with(self.host_names.len(), BTreeSet::new);
            }
            Change::Epoch(epoch) => self.epoch = *epoch,
            Change::FrozenAll(on) => self.frozen = *on,
            Change::StormApproved(on) => self.storm_approved = *on,
            Change::Counters { next_action, next_approval } => {
                self.next_action = *next_action;
                self.next_approval = *next_approval;
            }
            Change::Comp(c, comp) => {
                if let Some(h) = comp.shunned.iter().find(|&&h| h as usize >= self.hosts.len()) {
                    return Err(dangling(number, "host", *h));
                }
                let slot =
                    self.comps.get_mut(*c as usize).ok_or_else(|| dangling(number, "component", *c))?;
                slot.clone_from(comp);
            }
            Change::Host(h, host) => {
                *self.hosts.get_mut(*h as usize).ok_or_else(|| dangling(number, "host", *h))? = *host;
            }
            Change::Replica(r, replica) => {
                self.check_replica(number, *r, replica)?;
                self.forget(*r);
                self.remember(*r, replica.clone());
            }
            Change::Gone(r) => self.forget(*r),
            Change::Begun(id, action) => {
                self.check_task(number, &action.task)?;
                self.next_action = self.next_action.max(id.saturating_add(1));
                self.actions.insert(*id, action.clone());
            }
            Change::Ended(id, _) => {
                self.actions.remove(id);
            }
            Change::Asked(id, about) => {
                match about {
                    Approving::Reconnect { c } | Approving::Reuse { c }
                        if *c as usize >= self.comps.len() =>
                    {
                        return Err(dangling(number, "component", *c));
                    }
                    Approving::Death { host } if *host as usize >= self.hosts.len() => {
                        return Err(dangling(number, "host", *host));
                    }
                    _ => {}
                }
                self.next_approval = self.next_approval.max(id.saturating_add(1));
                self.approvals.insert(*id, *about);
            }
            Change::Answered(id, _) => {
                self.approvals.remove(id);
            }
            Change::Step(id, step) => return self.insert_step(number, *id, step),
            Change::StepGone(id) => {
                self.plan.remove(id);
                for step in self.plan.values_mut() {
                    step.after.remove(id);
                }
            }
        }
        Ok(())
    }

    fn insert_step(&mut self, number: u64, id: u32, step: &Planned) -> Result<(), JournalError> {
        if step.r.c as usize >= self.comps.len() {
            return Err(dangling(number, "component", step.r.c));
        }
        if step.to as usize >= self.hosts.len() {
            return Err(dangling(number, "host", step.to));
        }
        self.plan.insert(id, step.clone());
        Ok(())
    }

    fn check_task(&self, number: u64, task: &Task) -> Result<(), JournalError> {
        let component = match task {
            Task::Cut { c } | Task::Rotate { c } | Task::Reconnect { c } | Task::Shift { c, .. } => Some(*c),
            other => other.replica().map(|r| r.c),
        };
        if let Some(c) = component.filter(|&c| c as usize >= self.comps.len()) {
            return Err(dangling(number, "component", c));
        }
        match task.hosts().into_iter().flatten().find(|&h| h as usize >= self.hosts.len()) {
            Some(h) => Err(dangling(number, "host", h)),
            None => Ok(()),
        }
    }

    fn check_replica(&self, number: u64, r: Rid, replica: &Replica) -> Result<(), JournalError> {
        if r.c as usize >= self.comps.len() {
            return Err(dangling(number, "component", r.c));
        }
        let known = |h: u32| (h as usize) < self.hosts.len();
        match replica.phase.holds().find(|&h| !known(h)) {
            Some(h) => Err(dangling(number, "host", h)),
            None => Ok(()),
        }
    }

    fn forget(&mut self, r: Rid) {
        if let Some(old) = self.replicas.remove(&r) {
            for h in old.phase.holds() {
                let used = &mut self.used[h as usize];
                *used = used.saturating_sub(&old.size);
                self.on_host[h as usize].remove(&r);
            }
        }
    }

    #[expect(clippy::boxed_local, reason = "the box is taken apart here; its content moves into the map")]
    fn remember(&mut self, r: Rid, replica: Box<Replica>) {
        for h in replica.phase.holds() {
            let used = &mut self.used[h as usize];
            *used = used.saturating_add(&replica.size);
            self.on_host[h as usize].insert(r);
        }
        self.replicas.insert(r, *replica);
    }

    /// Replicas of one component.
    pub(crate) fn of(&self, c: u32) -> impl Iterator<Item = (Rid, &Replica)> {
        self.replicas.range(Rid { c, n: 0 }..=Rid { c, n: u32::MAX }).map(|(r, replica)| (*r, replica))
    }

    /// The changes that, applied to nothing, give this state.
    pub(crate) fn as_changes(&self) -> Vec<Change> {
        let mut changes = vec![
            Change::Names { components: self.component_names.clone(), hosts: self.host_names.clone() },
            Change::Epoch(self.epoch),
            Change::FrozenAll(self.frozen),
            Change::StormApproved(self.storm_approved),
        ];
        let dense = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
        changes.extend(
            self.comps.iter().enumerate().map(|(c, it)| Change::Comp(dense(c), Box::new(it.clone()))),
        );
        changes.extend(self.hosts.iter().enumerate().map(|(h, it)| Change::Host(dense(h), *it)));
        changes.extend(self.replicas.iter().map(|(r, it)| Change::Replica(*r, Box::new(it.clone()))));
        changes.extend(self.actions.iter().map(|(id, it)| Change::Begun(*id, it.clone())));
        changes.extend(self.approvals.iter().map(|(id, it)| Change::Asked(*id, *it)));
        changes.extend(self.plan.iter().map(|(id, it)| Change::Step(*id, Box::new(it.clone()))));
        changes.push(Change::Counters { next_action: self.next_action, next_approval: self.next_approval });
        changes
    }
}

impl Comp {
    /// A component of which nothing is wanted.
    pub(crate) fn absent() -> Self {
        Self {
            desired: 0,
            version: Version::default(),
            size: Arc::new(Resources::default()),
            next: 0,
            frozen: false,
            isolation: None,
            rollout: None,
            queued: None,
            blocked: BTreeSet::new(),
            shunned: BTreeSet::new(),
        }
    }
}

const fn dangling(number: u64, what: &'static str, index: u32) -> JournalError {
    JournalError::Dangling { number, what, index: index as u64 }
}

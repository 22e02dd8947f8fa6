//! A service registry as a pure structure: who is where, for how long, and how healthy. Time is handed in.

use crate::id::{ComponentId, HostId, ReplicaId};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What an instance says about itself.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "the three states that service directories share")]
pub enum Health {
    /// Takes traffic.
    #[default]
    Passing,
    /// Takes traffic, but something is wrong.
    Warning,
    /// Takes none.
    Critical,
}

/// One running replica as clients find it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Instance {
    /// Which replica.
    pub replica: ReplicaId,
    /// Host it runs on.
    pub host: HostId,
    /// Address that clients connect to, as text; not looked into.
    pub address: Arc<str>,
    /// Port; 0 = none.
    pub port: u16,
    /// Free labels, e.g. the version.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// What it said last.
    pub health: Health,
}

impl Instance {
    /// A passing instance without labels.
    pub fn new(replica: ReplicaId, host: HostId, address: impl Into<Arc<str>>, port: u16) -> Self {
        Self {
            replica,
            host,
            address: address.into(),
            port,
            labels: BTreeMap::new(),
            health: Health::Passing,
        }
    }
}

/// What changed in a registry.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RegistryEvent {
    /// Number of the change; rises by one with each.
    pub index: u64,
    /// Whom it is about.
    pub replica: ReplicaId,
    /// The instance as it is now; `None` = it left or its lease ran out.
    pub instance: Option<Instance>,
}

/// Why a request was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No such instance, or its lease ran out: it must register anew.
    #[error("`{0}` is not registered or its lease ran out; register it")]
    Unknown(ReplicaId),
    /// A lease of no time.
    #[error("lease of zero for `{0}`, expected at least a millisecond")]
    ZeroLease(ReplicaId),
    /// Changes since that cursor are no longer kept: read the whole state and go on from its cursor.
    #[error(
        "changes since {cursor} are no longer kept, the oldest is {oldest}; read all instances and go on from there"
    )]
    Expired {
        /// Where the reader stood.
        cursor: u64,
        /// Oldest change that is kept.
        oldest: u64,
    },
}

#[derive(Clone, Debug)]
struct Entry {
    instance: Instance,
    lease: Duration,
    expires: Timestamp,
}

/// Instances with leases, and a bounded list of changes that readers follow by cursor.
///
/// A lease that is not renewed in time runs out at its moment, seen by the first call that hands in that moment or a later
/// one. A clock that steps back stands still. O(log n) for each call plus what runs out.
///
/// # Example
/// ```
/// use ecosystem_core::{Instance, Registry, ReplicaId, Timestamp};
/// use std::time::Duration;
///
/// let mut registry = Registry::new(1_000);
/// let web = ReplicaId::new("web".parse()?, 0);
/// let at = Timestamp::from_unix_ms;
/// registry.register(at(0), Instance::new(web.clone(), "h1".parse()?, "10.0.0.7", 80), Duration::from_secs(10))?;
/// registry.renew(at(8_000), &web)?;
/// assert_eq!(registry.healthy(at(17_999), web.component()).len(), 1);
/// assert_eq!(registry.healthy(at(18_000), web.component()).len(), 0);
/// assert_eq!(registry.watch(at(18_000), 0)?.1.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registry {
    now: Timestamp,
    entries: BTreeMap<ReplicaId, Entry>,
    // INVARIANT: exactly one pair for each entry.
    deadlines: BTreeSet<(Timestamp, ReplicaId)>,
    events: VecDeque<RegistryEvent>,
    events_max: usize,
    index: u64,
}

impl Registry {
    /// An empty registry that keeps the last `events_max` changes (at least one) for readers.
    pub fn new(events_max: usize) -> Self {
        Self {
            now: Timestamp::default(),
            entries: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            events: VecDeque::new(),
            events_max: events_max.max(1),
            index: 0,
        }
    }

    /// Enters an instance, or replaces it, with a lease that must be renewed within `lease`.
    pub fn register(
        &mut self,
        now: Timestamp,
        instance: Instance,
        lease: Duration,
    ) -> Result<(), RegistryError> {
        self.advance(now);
        if lease.as_millis() == 0 {
            return Err(RegistryError::ZeroLease(instance.replica));
        }
        let replica = instance.replica.clone();
        if let Some(known) = self.entries.get(&replica) {
            self.deadlines.remove(&(known.expires, replica.clone()));
        }
        let expires = self.now.saturating_add(lease);
        self.deadlines.insert((expires, replica.clone()));
        let changed = self.entries.get(&replica).is_none_or(|known| known.instance != instance);
        self.entries.insert(replica.clone(), Entry { instance: instance.clone(), lease, expires });
        if changed {
            self.note(replica, Some(instance));
        }
        Ok(())
    }

    /// Extends the lease of an instance by its full time from now.
    pub fn renew(&mut self, now: Timestamp, replica: &ReplicaId) -> Result<(), RegistryError> {
        self.advance(now);
        let entry = self.entries.get_mut(replica).ok_or_else(|| RegistryError::Unknown(replica.clone()))?;
        self.deadlines.remove(&(entry.expires, replica.clone()));
        entry.expires = self.now.saturating_add(entry.lease);
        self.deadlines.insert((entry.expires, replica.clone()));
        Ok(())
    }

    /// Sets what an instance says about itself; the lease stays as it is.
    pub fn set_health(
        &mut self,
        now: Timestamp,
        replica: &ReplicaId,
        health: Health,
    ) -> Result<(), RegistryError> {
        self.advance(now);
        let entry = self.entries.get_mut(replica).ok_or_else(|| RegistryError::Unknown(replica.clone()))?;
        if entry.instance.health != health {
            entry.instance.health = health;
            let instance = entry.instance.clone();
            self.note(replica.clone(), Some(instance));
        }
        Ok(())
    }

    /// Takes an instance out; true if it was there.
    pub fn deregister(&mut self, now: Timestamp, replica: &ReplicaId) -> bool {
        self.advance(now);
        let Some(entry) = self.entries.remove(replica) else { return false };
        self.deadlines.remove(&(entry.expires, replica.clone()));
        self.note(replica.clone(), None);
        true
    }

    /// Lets leases run out; every other call does this first.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        while let Some((expires, replica)) = self.deadlines.first().cloned()
            && expires <= self.now
        {
            self.deadlines.pop_first();
            self.entries.remove(&replica);
            self.note(replica, None);
        }
    }

    /// The moment at which the next lease runs out.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// All instances of a component that take traffic, in order of replica: passing ones, or those with warnings if none
    /// passes.
    pub fn healthy(&mut self, now: Timestamp, component: &ComponentId) -> Vec<&Instance> {
        self.advance(now);
        let (first, last) =
            (ReplicaId::new(component.clone(), 0), ReplicaId::new(component.clone(), u32::MAX));
        let all: Vec<&Instance> = self.entries.range(first..=last).map(|(_, e)| &e.instance).collect();
        let of = |health| -> Vec<&Instance> { all.iter().copied().filter(|i| i.health == health).collect() };
        let passing = of(Health::Passing);
        if passing.is_empty() { of(Health::Warning) } else { passing }
    }

    /// Every instance, in order of replica, and the cursor to watch from.
    pub fn snapshot(&mut self, now: Timestamp) -> (u64, Vec<&Instance>) {
        self.advance(now);
        (self.index, self.entries.values().map(|e| &e.instance).collect())
    }

    /// Changes after a cursor, oldest first, and the new cursor. Cursor 0 stands before all changes.
    pub fn watch(
        &mut self,
        now: Timestamp,
        cursor: u64,
    ) -> Result<(u64, Vec<&RegistryEvent>), RegistryError> {
        self.advance(now);
        let oldest = self.events.front().map_or(self.index + 1, |event| event.index);
        if cursor.saturating_add(1) < oldest {
            return Err(RegistryError::Expired { cursor, oldest });
        }
        Ok((self.index, self.events.iter().filter(|event| event.index > cursor).collect()))
    }

    fn note(&mut self, replica: ReplicaId, instance: Option<Instance>) {
        self.index += 1;
        if self.events.len() == self.events_max {
            self.events.pop_front();
        }
        self.events.push_back(RegistryEvent { index: self.index, replica, instance });
    }
}

impl fmt::Display for Registry {
    /// One line for each instance.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.values().try_for_each(|entry| {
            let i = &entry.instance;
            writeln!(
                f,
                "{} {} {}:{} {:?} until {}",
                i.replica, i.host, i.address, i.port, i.health, entry.expires
            )
        })
    }
}

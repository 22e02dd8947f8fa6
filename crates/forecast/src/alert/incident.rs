//! Which alerts are one incident.

use super::{AlertError, check_time};
use std::collections::{BTreeMap, BTreeSet};

/// Settings of [`Incidents`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct IncidentSettings {
    /// Alerts at most so many edges apart can belong together; 0: only those of one component.
    pub hops: usize,
    /// An incident without a new alert for so long takes no more, and ends once all its alerts are resolved.
    pub window_ms: u64,
}

impl Default for IncidentSettings {
    /// Direct neighbours and theirs, a quarter of an hour.
    fn default() -> Self {
        Self { hops: 2, window_ms: 900_000 }
    }
}

impl IncidentSettings {
    /// Most edges between alerts of one incident.
    #[must_use]
    pub fn with_hops(mut self, hops: usize) -> Self {
        self.hops = hops;
        self
    }

    /// Time without a new alert after which an incident takes no more.
    #[must_use]
    pub fn with_window_ms(mut self, time: u64) -> Self {
        self.window_ms = time;
        self
    }
}

/// Names an incident in every alert, log line and audit entry that belongs to it: when and where it began, and its number.
///
/// The same alerts in the same order give the same ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CorrelationId {
    /// Number of the incident, from 0.
    pub number: u64,
    /// First alert, milliseconds since 1970.
    pub began_at_ms: u64,
    /// Component of the first alert.
    pub component: usize,
}

impl core::fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "inc-{}-{}-{}", self.number, self.began_at_ms, self.component)
    }
}

/// An incident that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Incident {
    /// Its name.
    pub id: CorrelationId,
    /// Last new alert.
    pub last_at_ms: u64,
    /// First alert of every component that has one.
    pub components: BTreeMap<usize, u64>,
    /// Alerts not yet resolved, as (component, rule).
    pub open: BTreeSet<(usize, u64)>,
    /// Alerts so far.
    pub alerts: u64,
}

/// What an alert did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Joined {
    /// Incident the alert belongs to.
    pub id: CorrelationId,
    /// The incident is new: somebody must be told.
    pub opened: bool,
    /// Incidents that turned out to be the same and go on under `id`.
    pub merged: Vec<CorrelationId>,
}

/// Groups alerts into incidents: near in time, near along the edges between components.
///
/// An alert joins every open incident that has a component within `hops` edges, in either direction (faults travel against the calls,
/// load along them); if there are several they become one, under the oldest name. Bounded: at most one open incident
/// per component. A raised alert costs one breadth-first search of `hops` edges and O(open incidents).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Incidents {
    settings: IncidentSettings,
    /// Neighbours of every component: those it calls, those that call it.
    calls: Vec<Vec<usize>>,
    callers: Vec<Vec<usize>>,
    open: Vec<Incident>,
    next: u64,
    last: Option<u64>,
}

impl Incidents {
    /// `components` numbered from 0 and edges from the one that calls to the one that is called.
    pub fn new(
        components: usize,
        edges: &[(usize, usize)],
        settings: &IncidentSettings,
    ) -> Result<Self, AlertError> {
        let (mut calls, mut callers) = (vec![Vec::new(); components], vec![Vec::new(); components]);
        for &(from, to) in edges {
            for component in [from, to] {
                if component >= components {
                    return Err(AlertError::Component { component, components });
                }
            }
            calls[from].push(to);
            callers[to].push(from);
        }
        for list in calls.iter_mut().chain(&mut callers) {
            list.sort_unstable();
            list.dedup();
        }
        Ok(Self { settings: settings.clone(), calls, callers, open: Vec::new(), next: 0, last: None })
    }

    fn check(&self, component: usize) -> Result<(), AlertError> {
        let components = self.calls.len();
        if component < components { Ok(()) } else { Err(AlertError::Component { component, components }) }
    }

    /// Components within `hops` edges, the component itself included.
    fn around(&self, component: usize) -> BTreeSet<usize> {
        let (mut seen, mut edge) = (BTreeSet::from([component]), vec![component]);
        for _ in 0..self.settings.hops {
            let mut next = Vec::new();
            for &at in &edge {
                for &other in self.calls[at].iter().chain(&self.callers[at]) {
                    if seen.insert(other) {
                        next.push(other);
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            edge = next;
        }
        seen
    }

    /// A rule raised an alert on a component. The same alert again while it is open changes nothing but the time.
    pub fn raised(&mut self, at_ms: u64, component: usize, rule: u64) -> Result<Joined, AlertError> {
        self.check(component)?;
        self.advance(at_ms)?;
        let near = self.around(component);
        let window = self.settings.window_ms;
        let joins = |i: &Incident| {
            i.open.contains(&(component, rule))
                || (at_ms - i.last_at_ms <= window && i.components.keys().any(|c| near.contains(c)))
        };
        let (mut same, rest): (Vec<Incident>, Vec<Incident>) =
            std::mem::take(&mut self.open).into_iter().partition(joins);
        self.open = rest;
        let opened = same.is_empty();
        if opened {
            let id = CorrelationId { number: self.next, began_at_ms: at_ms, component };
            self.next = self.next.saturating_add(1);
            same.push(Incident {
                id,
                last_at_ms: at_ms,
                components: BTreeMap::new(),
                open: BTreeSet::new(),
                alerts: 0,
            });
        }
        same.sort_by_key(|i| i.id);
        let mut merged = Vec::new();
        let mut all = same.into_iter();
        let Some(mut incident) = all.next() else { unreachable!("an incident was opened above") };
        for other in all {
            merged.push(other.id);
            for (c, at) in other.components {
                incident.components.entry(c).and_modify(|a| *a = at.min(*a)).or_insert(at);
            }
            incident.open.extend(other.open);
            incident.alerts = incident.alerts.saturating_add(other.alerts);
        }
        incident.components.entry(component).or_insert(at_ms);
        if incident.open.insert((component, rule)) {
            incident.alerts = incident.alerts.saturating_add(1);
        }
        incident.last_at_ms = at_ms;
        let id = incident.id;
        self.open.push(incident);
        self.open.sort_by_key(|i| i.id);
        Ok(Joined { id, opened, merged })
    }

    /// An alert was resolved; incidents that are over are returned.
    pub fn resolved(&mut self, at_ms: u64, component: usize, rule: u64) -> Result<Vec<Incident>, AlertError> {
        self.check(component)?;
        for incident in &mut self.open {
            incident.open.remove(&(component, rule));
        }
        self.advance(at_ms)
    }

    /// Lets time pass; incidents whose alerts are all resolved and whose window is over end and are returned.
    pub fn advance(&mut self, at_ms: u64) -> Result<Vec<Incident>, AlertError> {
        check_time(&mut self.last, at_ms)?;
        let window = self.settings.window_ms;
        let over = |i: &Incident| i.open.is_empty() && at_ms - i.last_at_ms > window;
        let (ended, open) = std::mem::take(&mut self.open).into_iter().partition(over);
        self.open = open;
        Ok(ended)
    }

    /// Incidents that have not ended, oldest first.
    pub fn open(&self) -> &[Incident] {
        &self.open
    }

    /// Components of an incident, the likeliest origin first: fewest alerted components among those it calls (directly or
    /// through others of the incident), then the earliest alert.
    pub fn suspects(&self, incident: &Incident) -> Vec<usize> {
        let below = |component: usize| {
            let (mut seen, mut stack) = (BTreeSet::new(), vec![component]);
            while let Some(at) = stack.pop() {
                let next =
                    self.calls.get(at).into_iter().flatten().filter(|c| incident.components.contains_key(c));
                stack.extend(next.filter(|c| seen.insert(**c)));
            }
            seen.remove(&component);
            seen.len()
        };
        let mut order: Vec<(usize, u64, usize)> =
            incident.components.iter().map(|(&c, &at)| (below(c), at, c)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, _, c)| c).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    /// gateway 0 → shop 1 → database 2, gateway 0 → search 3; mail 4 stands alone.
    fn five() -> Incidents {
        Incidents::new(5, &[(0, 1), (1, 2), (0, 3)], &IncidentSettings::default().with_hops(1)).unwrap()
    }

    #[test]
    fn a_fault_that_travels_up_the_calls_is_one_incident_and_its_origin_comes_first() {
        let mut incidents = five();
        let first = incidents.raised(0, 1, 7).unwrap();
        let rest = [(1, 2), (2, 0), (3, 0)].map(|(m, c)| incidents.raised(m * MINUTE, c, 7).unwrap());
        assert!(first.opened && rest.iter().all(|j| !j.opened && j.id == first.id));
        let alone = incidents.raised(3 * MINUTE, 4, 7).unwrap();
        assert!(alone.opened && alone.id != first.id);
        assert_eq!(incidents.suspects(&incidents.open()[0]), [2, 1, 0]);
    }

    #[test]
    fn two_incidents_become_one_when_an_alert_connects_them() {
        let mut incidents = five();
        let (a, b) = (incidents.raised(0, 2, 1).unwrap(), incidents.raised(1, 3, 1).unwrap());
        assert!(a.id != b.id, "database and search are two edges from the gateway");
        assert!(incidents.raised(2, 1, 1).unwrap().merged.is_empty());
        let joined = incidents.raised(3, 0, 1).unwrap();
        assert_eq!((joined.id, joined.merged), (a.id, vec![b.id]));
        assert_eq!(incidents.open().len(), 1);
        assert_eq!(incidents.open()[0].alerts, 4);
    }

    #[test]
    fn an_incident_ends_when_all_is_resolved_and_quiet_and_a_later_one_is_new() {
        let mut incidents = five();
        let first = incidents.raised(0, 1, 1).unwrap().id;
        assert!(incidents.resolved(MINUTE, 1, 1).unwrap().is_empty(), "the window is not over");
        let ended = incidents.advance(16 * MINUTE).unwrap();
        assert_eq!(ended.iter().map(|i| i.id).collect::<Vec<_>>(), [first]);
        let second = incidents.raised(17 * MINUTE, 1, 1).unwrap();
        assert!(second.opened && second.id != first);
        assert_eq!(second.id.to_string(), "inc-1-1020000-1");
    }

    #[test]
    fn the_same_alert_twice_counts_once() {
        let mut incidents = five();
        let first = incidents.raised(0, 1, 1).unwrap();
        let again = incidents.raised(60 * MINUTE, 1, 1).unwrap();
        assert!(!again.opened && again.id == first.id);
        assert_eq!(incidents.open()[0].alerts, 1);
    }

    #[test]
    fn unknown_components_and_times_are_refused() {
        assert!(Incidents::new(2, &[(0, 2)], &IncidentSettings::default()).is_err());
        let mut incidents = five();
        assert!(incidents.raised(5, 5, 0).is_err());
        incidents.raised(5, 0, 0).unwrap();
        assert!(incidents.advance(4).is_err());
    }
}

//! Drift: what is declared against what is observed.

use crate::dependency::{Dependency, DependencyKind};
use crate::ecosystem::Ecosystem;
use crate::finding::EvidenceKind;
use crate::id::ComponentId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An edge as far as traffic is concerned: who uses whom.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "a pair is complete by definition")]
pub struct Use {
    /// Who uses.
    pub from: ComponentId,
    /// Who is used.
    pub to: ComponentId,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

/// Declared against observed dependencies.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Drift {
    /// Declared and observed.
    pub confirmed: Vec<Use>,
    /// Declared, both ends were observed doing something, but never this: probably unused.
    pub unused: Vec<Use>,
    /// Observed but not declared.
    pub undeclared: Vec<Use>,
    /// Declared, but an end was never observed, so nothing can be said.
    pub unseen: Vec<Use>,
    /// Components of the observation that the declaration does not know.
    pub unknown: Vec<ComponentId>,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            [("unused", &self.unused), ("undeclared", &self.undeclared), ("not observed", &self.unseen)];
        for (what, uses) in list {
            for one in uses {
                writeln!(f, "{what}: {one}")?;
            }
        }
        self.unknown.iter().try_for_each(|id| writeln!(f, "unknown component: {id}"))
    }
}

/// Drift inside one map that holds evidence of both kinds: traces and flows are observations, all else is declared.
///
/// Start-order and volume edges say nothing about traffic and are left out. O(E log E).
pub fn drift(ecosystem: &Ecosystem) -> Drift {
    let is_observation = |kind: EvidenceKind| matches!(kind, EvidenceKind::Trace | EvidenceKind::Flow);
    let observed = uses(ecosystem, |d| d.evidence.iter().any(|e| is_observation(e.kind)));
    let declared =
        uses(ecosystem, |d| d.evidence.is_empty() || d.evidence.iter().any(|e| !is_observation(e.kind)));
    let known: BTreeSet<&ComponentId> = ecosystem.components().map(|c| &c.id).collect();
    compare(&declared, &observed, &known)
}

/// Drift between a declared map and one made from observations alone, e.g. from traces.
pub fn drift_between(declared: &Ecosystem, observed: &Ecosystem) -> Drift {
    let known: BTreeSet<&ComponentId> = declared.components().map(|c| &c.id).collect();
    let mut drift = compare(&uses(declared, |_| true), &uses(observed, |_| true), &known);
    drift.unknown = observed.components().map(|c| &c.id).filter(|id| !known.contains(id)).cloned().collect();
    drift
}

fn uses(ecosystem: &Ecosystem, keep: impl Fn(&Dependency) -> bool) -> BTreeSet<Use> {
    ecosystem
        .dependencies()
        .filter(|d| matches!(d.kind, DependencyKind::Call | DependencyKind::Data) && keep(d))
        .map(|d| Use { from: d.from.clone(), to: d.to.clone() })
        .collect()
}

fn compare(declared: &BTreeSet<Use>, observed: &BTreeSet<Use>, known: &BTreeSet<&ComponentId>) -> Drift {
    // seen calling, seen called
    let mut seen: BTreeMap<&ComponentId, (bool, bool)> = BTreeMap::new();
    for one in observed {
        seen.entry(&one.from).or_default().0 = true;
        seen.entry(&one.to).or_default().1 = true;
    }
    let mut drift = Drift::default();
    for one in declared {
        let list = if observed.contains(one) {
            &mut drift.confirmed
        } else if seen.contains_key(&one.from) && seen.contains_key(&one.to) {
            &mut drift.unused
        } else {
            &mut drift.unseen
        };
        list.push(one.clone());
    }
    let fresh = observed.iter().filter(|one| !declared.contains(*one));
    drift.undeclared.extend(fresh.filter(|o| known.contains(&o.from) && known.contains(&o.to)).cloned());
    drift
}

//! Placement rules as data, each with a plain, slow and obvious check.
//!
//! Solvers and engines lower a rule to their own arrays; [`Rule::check`] is what they are held against.

use crate::ecosystem::Ecosystem;
use crate::id::{ComponentId, HostId, ReplicaId};
use crate::infra::Infrastructure;
use crate::placement::Placement;
use crate::units::{MicroMoney, Micros};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

mod catalogue;
mod hosts;

pub use hosts::{Domain, HostSet};

/// What a rule asks for. Members are components; a rule holds for all their placed replicas.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum RuleKind {
    /// All replicas of all members in one domain (affinity, gather).
    Together {
        /// Whose replicas.
        members: Vec<ComponentId>,
        /// In one of what.
        domain: Domain,
    },
    /// No two replicas of the members in one domain (anti-affinity, conflict).
    Apart {
        /// Whose replicas.
        members: Vec<ComponentId>,
        /// In one of what.
        domain: Domain,
    },
    /// The members' replicas over several domains.
    Spread {
        /// Whose replicas.
        members: Vec<ComponentId>,
        /// Over what.
        domain: Domain,
        /// In at least so many domains (or as many as there are replicas, if fewer).
        min_domains: u32,
        /// Largest difference between the fullest and the emptiest domain; `None` = any.
        max_skew: Option<u32>,
    },
    /// Only on these hosts (fence, among, pin, data residency).
    Fence {
        /// Whose replicas.
        members: Vec<ComponentId>,
        /// Where they may be.
        allowed: HostSet,
    },
    /// Never on these hosts.
    Ban {
        /// Whose replicas.
        members: Vec<ComponentId>,
        /// Where they must not be.
        denied: HostSet,
    },
    /// On hosts where nothing else runs.
    Lonely {
        /// Whose replicas.
        members: Vec<ComponentId>,
    },
    /// At most so many of these hosts in use.
    MaxOnline {
        /// Which hosts.
        hosts: HostSet,
        /// How many.
        max: u32,
    },
    /// At most so many of the members' replicas in each domain.
    AtMost {
        /// Whose replicas.
        members: Vec<ComponentId>,
        /// In each of what.
        domain: Domain,
        /// How many.
        max: u32,
    },
    /// All replicas of the members within one of these sets of hosts, whichever. The sets must not overlap.
    Among {
        /// Whose replicas.
        members: Vec<ComponentId>,
        /// The sets.
        parts: Vec<HostSet>,
    },
    /// These replicas stay where they are (root).
    Stay {
        /// Replicas and their hosts.
        replicas: Vec<(ReplicaId, HostId)>,
    },
    /// No domain holds replicas of two of the groups. A component belongs to one group only.
    Split {
        /// The groups.
        groups: Vec<Vec<ComponentId>>,
        /// No shared what.
        domain: Domain,
    },
    /// Each group within one of these sets of hosts, no two groups in the same. The sets must not overlap.
    SplitAmong {
        /// The groups.
        groups: Vec<Vec<ComponentId>>,
        /// The sets.
        parts: Vec<HostSet>,
    },
    /// The members' replicas on these hosts ask for at most so much in sum (quota of a tenant, running capacity).
    Quota {
        /// Whose replicas.
        members: Vec<ComponentId>,
        /// On which hosts.
        hosts: HostSet,
        /// Name of a dimension of resources, or `replicas` for their number.
        resource: Arc<str>,
        /// How much.
        max: u64,
    },
    /// Replicas on these hosts take at most so many licences.
    Licence {
        /// Name of the licence, as in [`Component::licences`](crate::Component::licences).
        name: Arc<str>,
        /// On which hosts.
        hosts: HostSet,
        /// How many.
        max: u32,
    },
    /// Each replica of a member in a domain with at least one replica of `needs`.
    Neighbour {
        /// Who needs.
        members: Vec<ComponentId>,
        /// Who is needed.
        needs: Vec<ComponentId>,
        /// In the same of what.
        domain: Domain,
    },
    /// One-way latency between every replica of one component and every replica of the other.
    Latency {
        /// One end.
        from: ComponentId,
        /// The other end.
        to: ComponentId,
        /// At most so long.
        budget: Micros,
    },
    /// The longest one-way latency along a chain of calls, each step at its worst pair of replicas.
    PathLatency {
        /// The chain.
        path: Vec<ComponentId>,
        /// At most so long in sum.
        budget: Micros,
    },
    /// Hosts in use cost at most so much per hour.
    MaxPrice {
        /// How much.
        max: MicroMoney,
    },
    /// In each domain as much stays free as its largest hosts offer, so that so many of them may fail (N + 1).
    Reserve {
        /// In each of what.
        domain: Domain,
        /// How many hosts may fail.
        hosts: u32,
    },
}

impl RuleKind {
    /// All components the rule names.
    pub fn components(&self) -> impl Iterator<Item = &ComponentId> {
        let listed: Vec<&ComponentId> = match self {
            Self::Together { members, .. }
            | Self::Apart { members, .. }
            | Self::Spread { members, .. }
            | Self::Fence { members, .. }
            | Self::Ban { members, .. }
            | Self::Lonely { members }
            | Self::AtMost { members, .. }
            | Self::Among { members, .. }
            | Self::Quota { members, .. }
            | Self::PathLatency { path: members, .. } => members.iter().collect(),
            Self::Stay { replicas } => replicas.iter().map(|(replica, _)| replica.component()).collect(),
            Self::Split { groups, .. } | Self::SplitAmong { groups, .. } => groups.iter().flatten().collect(),
            Self::Neighbour { members, needs, .. } => members.iter().chain(needs).collect(),
            Self::Latency { from, to, .. } => vec![from, to],
            Self::MaxOnline { .. } | Self::Licence { .. } | Self::MaxPrice { .. } | Self::Reserve { .. } => {
                Vec::new()
            }
        };
        listed.into_iter()
    }
}

/// Whether a rule must hold or only costs something when it does not.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "a rule binds or it costs")]
pub enum Weight {
    /// Must hold.
    #[default]
    Hard,
    /// Costs this much for each violation.
    Soft(u64),
}

/// When a rule must hold.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[expect(clippy::exhaustive_enums, reason = "BtrPlace's two kinds: discrete and continuous")]
pub enum Span {
    /// When the plan is done.
    #[default]
    EndState,
    /// At every moment of the plan.
    WholePlan,
}

/// A named placement rule.
///
/// # Example
/// ```
/// use ecosystem_core::{Domain, Rule, RuleKind};
///
/// let apart = Rule::hard("db-apart", RuleKind::Apart { members: vec!["db".parse()?], domain: Domain::Rack });
/// assert_eq!(apart.to_string(), "db-apart: replicas of db each in a rack of their own");
/// # Ok::<(), ecosystem_core::InvalidId>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Rule {
    /// Name for reports.
    pub name: Arc<str>,
    /// What it asks for.
    pub kind: RuleKind,
    /// Whether it binds.
    #[cfg_attr(feature = "serde", serde(default))]
    pub weight: Weight,
    /// When it holds.
    #[cfg_attr(feature = "serde", serde(default))]
    pub span: Span,
}

/// One way in which a placement breaks a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Violation {
    /// The rule.
    pub rule: Arc<str>,
    /// The replicas involved.
    pub replicas: Vec<ReplicaId>,
    /// How far from holding; a soft rule costs its penalty times this. See [`Rule::degree`].
    #[cfg_attr(feature = "serde", serde(default))]
    pub amount: u64,
    /// What is wrong, as a sentence.
    pub message: String,
}

impl Rule {
    /// A rule that must hold when the plan is done.
    pub fn hard(name: impl Into<Arc<str>>, kind: RuleKind) -> Self {
        Self { name: name.into(), kind, weight: Weight::Hard, span: Span::EndState }
    }

    /// A rule whose violations cost `penalty` each.
    pub fn soft(name: impl Into<Arc<str>>, kind: RuleKind, penalty: u64) -> Self {
        Self { name: name.into(), kind, weight: Weight::Soft(penalty), span: Span::EndState }
    }

    /// The same rule for every moment of a plan.
    #[must_use]
    pub const fn during_the_plan(mut self) -> Self {
        self.span = Span::WholePlan;
        self
    }

    /// Every way in which `placement` breaks the rule, plain and slow. Replicas that are not placed, or are on hosts
    /// that are not part of the infrastructure, are left out.
    pub fn check(
        &self,
        ecosystem: &Ecosystem,
        infrastructure: &Infrastructure,
        placement: &Placement,
    ) -> Vec<Violation> {
        let located = |members: &[ComponentId]| -> Vec<(ReplicaId, usize)> {
            members
                .iter()
                .filter(|id| ecosystem.component(id).is_some())
                .flat_map(|id| placement.of_component(id))
                .filter_map(|(replica, host)| Some((replica.clone(), infrastructure.host_index(host)?)))
                .collect()
        };
        match &self.kind {
            RuleKind::Together { members, domain } => {
                let by_group = group(&located(members), domain, infrastructure);
                if by_group.len() <= 1 {
                    return Vec::new();
                }
                let amount = by_group.len() - 1;
                let replicas = by_group.into_values().flatten().collect();
                vec![self.violation(replicas, amount, format!("replicas are in more than one {domain}"))]
            }
            RuleKind::Apart { members, domain } => group(&located(members), domain, infrastructure)
                .into_values()
                .filter(|replicas| replicas.len() > 1)
                .map(|replicas| {
                    let message = format!("{} replicas share one {domain}", replicas.len());
                    let amount = replicas.len() - 1;
                    self.violation(replicas, amount, message)
                })
                .collect(),
            RuleKind::Spread { members, domain, min_domains, max_skew } => {
                self.check_spread(&located(members), domain, (*min_domains, *max_skew), infrastructure)
            }
            RuleKind::Fence { members, allowed } => located(members)
                .into_iter()
                .filter(|&(_, host)| !allowed.contains(infrastructure, host))
                .map(|(replica, host)| {
                    self.outside(replica, host, infrastructure, "is not one of the allowed")
                })
                .collect(),
            RuleKind::Ban { members, denied } => located(members)
                .into_iter()
                .filter(|&(_, host)| denied.contains(infrastructure, host))
                .map(|(replica, host)| self.outside(replica, host, infrastructure, "is one of the denied"))
                .collect(),
            RuleKind::Lonely { members } => {
                self.check_lonely(members, &located(members), infrastructure, placement)
            }
            RuleKind::MaxOnline { hosts, max } => {
                let used: BTreeSet<usize> = placement
                    .iter()
                    .filter_map(|(_, host)| infrastructure.host_index(host))
                    .filter(|&host| hosts.contains(infrastructure, host))
                    .collect();
                if used.len() <= *max as usize {
                    return Vec::new();
                }
                vec![self.violation(
                    Vec::new(),
                    used.len() - *max as usize,
                    format!("{} hosts are in use, at most {max} may be", used.len()),
                )]
            }
            _ => self.check_catalogue(ecosystem, infrastructure, placement),
        }
    }

    /// How far the rule is from holding: the sum of the amounts of its violations. Counts are in replicas, domains or
    /// hosts; sums above a limit are in begun percents of the limit, at most 1,000,000.
    pub fn degree(
        &self,
        ecosystem: &Ecosystem,
        infrastructure: &Infrastructure,
        placement: &Placement,
    ) -> u64 {
        self.check(ecosystem, infrastructure, placement).iter().map(|v| v.amount).sum()
    }

    fn check_spread(
        &self,
        located: &[(ReplicaId, usize)],
        domain: &Domain,
        (min_domains, max_skew): (u32, Option<u32>),
        infrastructure: &Infrastructure,
    ) -> Vec<Violation> {
        let by_group = group(located, domain, infrastructure);
        let replicas = || located.iter().map(|(replica, _)| replica.clone()).collect();
        let wanted = (min_domains as usize).min(located.len());
        let mut found = Vec::new();
        if by_group.len() < wanted {
            let message = format!("replicas are in {} {domain}s, expected at least {wanted}", by_group.len());
            found.push(self.violation(replicas(), wanted - by_group.len(), message));
        }
        if let Some(max_skew) = max_skew {
            let (_, domains) = domain.groups(infrastructure);
            let fullest = by_group.values().map(Vec::len).max().unwrap_or(0);
            let emptiest = if by_group.len() < domains as usize {
                0
            } else {
                by_group.values().map(Vec::len).min().unwrap_or(0)
            };
            if fullest - emptiest > max_skew as usize {
                let message = format!(
                    "fullest {domain} has {fullest} replicas, emptiest {emptiest}, expected a difference of at most {max_skew}"
                );
                found.push(self.violation(replicas(), fullest - emptiest - max_skew as usize, message));
            }
        }
        found
    }

    fn check_lonely(
        &self,
        members: &[ComponentId],
        located: &[(ReplicaId, usize)],
        infrastructure: &Infrastructure,
        placement: &Placement,
    ) -> Vec<Violation> {
        let hosts: BTreeSet<usize> = located.iter().map(|&(_, host)| host).collect();
        placement
            .iter()
            .filter(|(replica, _)| !members.contains(replica.component()))
            .filter_map(|(replica, host)| Some((replica, infrastructure.host_index(host)?)))
            .filter(|(_, host)| hosts.contains(host))
            .map(|(replica, _)| {
                self.violation(
                    vec![replica.clone()],
                    1,
                    format!("{replica} shares a host that must be theirs alone"),
                )
            })
            .collect()
    }

    fn outside(
        &self,
        replica: ReplicaId,
        host: usize,
        infrastructure: &Infrastructure,
        what: &str,
    ) -> Violation {
        let host = &infrastructure.hosts()[host].id;
        let message = format!("{replica} is on {host}, which {what} hosts");
        self.violation(vec![replica], 1, message)
    }

    fn violation(&self, replicas: Vec<ReplicaId>, amount: usize, message: String) -> Violation {
        Violation { rule: Arc::clone(&self.name), replicas, amount: amount as u64, message }
    }
}

fn group(
    located: &[(ReplicaId, usize)],
    domain: &Domain,
    infrastructure: &Infrastructure,
) -> BTreeMap<u32, Vec<ReplicaId>> {
    let (groups, _) = domain.groups(infrastructure);
    let mut by_group: BTreeMap<u32, Vec<ReplicaId>> = BTreeMap::new();
    for (replica, host) in located {
        by_group.entry(groups[*host]).or_default().push(replica.clone());
    }
    by_group
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |members: &[ComponentId]| members.iter().map(ComponentId::as_str).collect::<Vec<_>>().join(", ");
        write!(f, "{}: ", self.name)?;
        match &self.kind {
            RuleKind::Together { members, domain } => {
                write!(f, "replicas of {} in one {domain}", list(members))
            }
            RuleKind::Apart { members, domain } => {
                write!(f, "replicas of {} each in a {domain} of their own", list(members))
            }
            RuleKind::Spread { members, domain, min_domains, .. } => {
                write!(f, "replicas of {} over at least {min_domains} {domain}s", list(members))
            }
            RuleKind::Fence { members, .. } => write!(f, "{} only on allowed hosts", list(members)),
            RuleKind::Ban { members, .. } => write!(f, "{} never on denied hosts", list(members)),
            RuleKind::Lonely { members } => write!(f, "{} alone on their hosts", list(members)),
            RuleKind::MaxOnline { max, .. } => write!(f, "at most {max} hosts in use"),
            other => catalogue::describe(other, f),
        }
    }
}

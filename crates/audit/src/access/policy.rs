//! Policies as data, and requests.

use super::condition::Condition;

/// Segments a rule path may have; longer request paths are matched by their first segments.
pub(super) const MAX_PATH_SEGMENTS: usize = 15;
/// Dots an action pattern may have.
pub(super) const MAX_ACTION_DOTS: usize = 6;

/// A role: a name that holds whatever its parents hold, too.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Role {
    /// Unique name.
    pub name: String,
    /// Roles whose rules apply as well.
    pub inherits: Vec<String>,
}

/// What a rule does when it applies.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Effect {
    /// Permits, unless a deny or approval rule applies.
    Allow,
    /// Forbids, whatever else applies.
    Deny,
    /// Whoever is permitted still needs this many approvals by other people (2 = four eyes and two more).
    RequireApprovals {
        /// Distinct approvers, none of them the requester or the person it acts for.
        count: u8,
        /// Role that each approver must hold; `None` = any.
        role: Option<String>,
    },
}

/// Which resources a rule is about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Selector {
    /// Every resource.
    #[default]
    Any,
    /// The resource with this path.
    Exact(String),
    /// The resource with this path, all paths below it, and all resources that name it (or something below
    /// it) as an ancestor.
    Subtree(String),
}

/// One rule of a policy.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Rule {
    /// Unique name, cited by decisions.
    pub id: String,
    /// Allow, deny or require approvals.
    pub effect: Effect,
    /// Role that must be held; `None` = everybody.
    pub role: Option<String>,
    /// `vm.start`, `vm.*` (all actions that start with `vm.`), or `*`.
    pub action: String,
    /// Paths.
    pub selector: Selector,
    /// Labels that the resource must carry, all of them.
    pub labels: Vec<(String, String)>,
    /// Further conditions, all of them.
    pub conditions: Vec<Condition>,
}

impl Rule {
    /// A rule for everybody on every resource; narrow it with the methods below.
    pub fn new(id: impl Into<String>, effect: Effect, action: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            effect,
            role: None,
            action: action.into(),
            selector: Selector::Any,
            labels: Vec::new(),
            conditions: Vec::new(),
        }
    }

    /// Only for holders of the role.
    #[must_use]
    pub fn of_role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// Only on the path and below.
    #[must_use]
    pub fn on_subtree(mut self, path: impl Into<String>) -> Self {
        self.selector = Selector::Subtree(path.into());
        self
    }

    /// Only on the path itself.
    #[must_use]
    pub fn on_exactly(mut self, path: impl Into<String>) -> Self {
        self.selector = Selector::Exact(path.into());
        self
    }

    /// Only on resources with the label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }

    /// Only under the condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }
}

/// Roles and rules, with a name and version that every decision cites.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Policy {
    /// Name.
    pub id: String,
    /// Grows with every change.
    pub version: u64,
    /// Roles in any order.
    pub roles: Vec<Role>,
    /// Rules in any order; the first applicable one of a kind is cited.
    pub rules: Vec<Rule>,
}

impl Policy {
    /// A policy that permits nothing.
    pub fn new(id: impl Into<String>, version: u64) -> Self {
        Self { id: id.into(), version, roles: Vec::new(), rules: Vec::new() }
    }

    /// Adds a role.
    #[must_use]
    pub fn role(mut self, name: impl Into<String>, inherits: &[&str]) -> Self {
        self.roles
            .push(Role { name: name.into(), inherits: inherits.iter().map(|&r| r.to_owned()).collect() });
        self
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}

/// Why a policy cannot be compiled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Two roles with one name.
    #[error("role `{0}` is defined twice")]
    DuplicateRole(String),
    /// A parent or a rule names a role that is not defined.
    #[error("{place} names the role `{role}`, which is not defined")]
    UnknownRole {
        /// `role x` or `rule y`.
        place: String,
        /// The missing name.
        role: String,
    },
    /// Roles that inherit from themselves.
    #[error("roles inherit in a circle: {}", cycle.join(" -> "))]
    RoleCycle {
        /// The names along the circle, first = last.
        cycle: Vec<String>,
    },
    /// Two rules with one id.
    #[error("rule `{0}` is defined twice")]
    DuplicateRule(String),
    /// An action pattern that is neither a name, `name.*` nor `*`.
    #[error(
        "rule `{rule}` has the action `{action}`: expected a name, `name.*` or `*` with at most {MAX_ACTION_DOTS} dots"
    )]
    Action {
        /// The rule.
        rule: String,
        /// The pattern.
        action: String,
    },
    /// A path with empty, `.` or `..` segments, or too deep.
    #[error(
        "rule `{rule}` has the path `{path}`: expected 1 to {MAX_PATH_SEGMENTS} segments joined by `/`, none empty, `.` or `..`"
    )]
    Path {
        /// The rule.
        rule: String,
        /// The path.
        path: String,
    },
    /// More than 2^24 rules or roles.
    #[error("the policy has {0} rules or roles, more than 2^24")]
    TooLarge(usize),
    /// A rule that requires zero approvals.
    #[error("rule `{0}` requires zero approvals: expected at least 1")]
    NoApprovals(String),
}

/// What is acted upon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Resource<'a> {
    /// Path with `/` between segments, such as `prod/shop/db-1`.
    pub path: &'a str,
    /// Labels in any order.
    pub labels: &'a [(&'a str, &'a str)],
    /// Paths of what it belongs to or depends on in the graph (zone, host, ecosystem …), at most 64 are used.
    pub ancestors: &'a [&'a str],
}

/// An approval by another person, as the host has recorded it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Approval {
    /// Who approved.
    pub approver: String,
    /// Roles the approver held at that moment.
    pub roles: Vec<String>,
    /// The action that was approved, exactly.
    pub action: String,
    /// The resource path that was approved, exactly.
    pub path: String,
    /// When.
    pub at_unix_ms: u64,
    /// First moment at which it no longer counts.
    pub expires_at_unix_ms: u64,
}

impl Approval {
    /// An approval of one action on one path, valid in `[at, expires)`.
    pub fn new(
        approver: impl Into<String>,
        action: impl Into<String>,
        path: impl Into<String>,
        at_unix_ms: u64,
        expires_at_unix_ms: u64,
    ) -> Self {
        Self {
            approver: approver.into(),
            roles: Vec::new(),
            action: action.into(),
            path: path.into(),
            at_unix_ms,
            expires_at_unix_ms,
        }
    }

    /// Adds a role that the approver held.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }
}

/// A question to the authorizer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Request<'a> {
    /// Action name with dots, such as `vm.start`.
    pub action: &'a str,
    /// On what.
    pub resource: Resource<'a>,
    /// Now.
    pub at_unix_ms: u64,
    /// Approvals known so far.
    pub approvals: &'a [Approval],
}

impl<'a> Request<'a> {
    /// A request without labels, ancestors and approvals.
    pub const fn new(action: &'a str, path: &'a str, at_unix_ms: u64) -> Self {
        Self { action, resource: Resource { path, labels: &[], ancestors: &[] }, at_unix_ms, approvals: &[] }
    }

    /// With labels of the resource.
    #[must_use]
    pub const fn with_labels(mut self, labels: &'a [(&'a str, &'a str)]) -> Self {
        self.resource.labels = labels;
        self
    }

    /// With the paths the resource belongs to.
    #[must_use]
    pub const fn with_ancestors(mut self, ancestors: &'a [&'a str]) -> Self {
        self.resource.ancestors = ancestors;
        self
    }

    /// With approvals by others.
    #[must_use]
    pub const fn with_approvals(mut self, approvals: &'a [Approval]) -> Self {
        self.approvals = approvals;
        self
    }
}

/// A path without empty, `.` and `..` segments.
pub(super) fn valid_path(path: &str) -> bool {
    path.split('/').all(|s| !matches!(s, "" | "." | ".."))
}

/// An action without empty parts and stars.
pub(super) fn valid_action(action: &str) -> bool {
    !action.contains('*') && action.split('.').all(|s| !s.is_empty())
}

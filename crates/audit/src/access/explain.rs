//! Explanations: a second, plain evaluation that looks at every rule and says why it did or did not apply.
//! It shares no index with [`Authorizer::decide`]; tests hold the two against each other.

use core::fmt;

use super::authorizer::{Authorizer, Decision, Outcome};
use super::policy::{Effect, Request, Rule, Selector, valid_action, valid_path};
use super::principal::Principal;
use crate::class::{Category, Outcome as Ended};
use crate::entry::Draft;

/// Why a rule did or did not apply.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// It applied.
    Applies,
    /// The principal does not hold the role (any more).
    Role,
    /// The action is not covered.
    Action,
    /// The path is not covered.
    Path,
    /// A label is missing or different.
    Label(String),
    /// A condition does not hold.
    Condition(String),
    /// A condition cannot be judged, which fails an allow rule.
    Unknown(String),
    /// An approval rule that is already met.
    Approved,
}

/// One rule in an explanation.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RuleTrace {
    /// Index of the rule.
    pub rule: u32,
    /// Its id.
    pub id: String,
    /// Why it did or did not apply.
    pub why: Why,
}

/// A decision with the reasons rule by rule; its `Display` is text for people.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The decision, computed without indices.
    pub decision: Decision,
    /// What it means, in one sentence that cites policy, version and rule.
    pub summary: String,
    /// Every rule that covers the action and path, and why it did or did not apply. Rules about other actions
    /// and paths are left out.
    pub rules: Vec<RuleTrace>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary)?;
        for trace in &self.rules {
            let why = match &trace.why {
                Why::Applies => "applies".to_owned(),
                Why::Role => "role not held".to_owned(),
                Why::Action => "other action".to_owned(),
                Why::Path => "other path".to_owned(),
                Why::Label(label) => format!("label {label} missing"),
                Why::Condition(c) => format!("does not hold: {c}"),
                Why::Unknown(c) => format!("not known: {c}"),
                Why::Approved => "approvals given".to_owned(),
            };
            writeln!(f, "  {}: {why}", trace.id)?;
        }
        Ok(())
    }
}

impl Authorizer {
    /// Evaluates every rule plainly and says why. O(rules); for people, not for the hot path.
    pub fn explain(&self, principal: &Principal, request: &Request<'_>) -> Explanation {
        let resource = &request.resource;
        let well_formed = valid_action(request.action)
            && valid_path(resource.path)
            && resource.ancestors.iter().take(64).all(|a| valid_path(a));
        let mut rules = Vec::new();
        let (mut allow, mut deny, mut missing) = (None, None, None);
        for (i, rule) in self.policy().rules.iter().enumerate().filter(|_| well_formed) {
            let index = u32::try_from(i).unwrap_or(u32::MAX);
            let mut why = self.why(principal, request, rule);
            if why == Why::Applies {
                match &rule.effect {
                    Effect::Allow => allow = allow.or(Some(index)),
                    Effect::Deny => deny = deny.or(Some(index)),
                    Effect::RequireApprovals { count, role } => {
                        let have = self.approvals(&self.subject(principal), request, role.as_deref());
                        if have >= *count {
                            why = Why::Approved;
                        } else {
                            missing = missing.or(Some((index, have, *count)));
                        }
                    }
                }
            }
            if !matches!(why, Why::Action | Why::Path) {
                rules.push(RuleTrace { rule: index, id: rule.id.clone(), why });
            }
        }
        let outcome = match (deny, allow, missing) {
            _ if !well_formed => Outcome::Malformed,
            (Some(rule), _, _) => Outcome::Denied { rule },
            (None, None, _) => Outcome::NotPermitted,
            (None, Some(_), Some((rule, have, need))) => Outcome::NeedsApproval { rule, have, need },
            (None, Some(rule), None) => Outcome::Allowed { rule },
        };
        let decision = Decision { outcome };
        Explanation { summary: self.record_text(&decision), decision, rules }
    }

    /// One sentence for the audit entry: outcome, rule id, policy id and version.
    ///
    /// ```
    /// use ecosystem_audit::access::{Authorizer, Policy, Principal, Request};
    ///
    /// let authorizer = Authorizer::new(Policy::new("fleet", 7))?;
    /// let ana = authorizer.subject(&Principal::individual("ana"));
    /// let decision = authorizer.decide(&ana, &Request::new("vm.stop", "prod/db", 0));
    /// assert_eq!(authorizer.record_text(&decision), "not permitted: no rule of policy fleet v7 allows it");
    /// # Ok::<(), ecosystem_audit::access::PolicyError>(())
    /// ```
    pub fn record_text(&self, decision: &Decision) -> String {
        let policy = format!("policy {} v{}", self.policy().id, self.policy().version);
        match decision.outcome {
            Outcome::Allowed { rule } => format!("allowed by rule {} of {policy}", self.rule_id(rule)),
            Outcome::Denied { rule } => format!("denied by rule {} of {policy}", self.rule_id(rule)),
            Outcome::NeedsApproval { rule, have, need } => {
                format!(
                    "needs approval: {have} of {need} asked for by rule {} of {policy}",
                    self.rule_id(rule)
                )
            }
            Outcome::NotPermitted => format!("not permitted: no rule of {policy} allows it"),
            Outcome::Malformed => "refused: malformed action or path".to_owned(),
        }
    }

    /// The entry that records a decision: action `access.decide`, outcome success or denied (pending while approvals are
    /// missing), the sentence of [`Authorizer::record_text`] as the reason. Give it the correlation id of the operation, so that
    /// what is done afterwards can be traced back to it.
    ///
    /// ```
    /// use ecosystem_audit::access::{Authorizer, Effect, Policy, Principal, Request, Rule};
    ///
    /// let policy = Policy::new("fleet", 7).rule(Rule::new("all", Effect::Allow, "vm.*"));
    /// let authorizer = Authorizer::new(policy)?;
    /// let (ana, stop) = (Principal::individual("ana"), Request::new("vm.stop", "prod/db", 5));
    /// let decision = authorizer.decide(&authorizer.subject(&ana), &stop);
    /// let draft = authorizer.draft(&ana, &stop, &decision).with_correlation_id("op-1");
    /// assert_eq!((draft.actor.as_str(), draft.subject.as_str()), ("ana", "prod/db"));
    /// assert_eq!(draft.field("rule").and_then(|v| v.as_text()), Some("all"));
    /// # Ok::<(), ecosystem_audit::access::PolicyError>(())
    /// ```
    pub fn draft(&self, principal: &Principal, request: &Request<'_>, decision: &Decision) -> Draft {
        let (outcome, rule) = match decision.outcome {
            Outcome::Allowed { rule } => (Ended::Success, Some(rule)),
            Outcome::NeedsApproval { rule, .. } => (Ended::Pending, Some(rule)),
            Outcome::Denied { rule } => (Ended::Denied, Some(rule)),
            Outcome::NotPermitted | Outcome::Malformed => (Ended::Denied, None),
        };
        let version = i64::try_from(self.policy().version).unwrap_or(i64::MAX);
        let mut draft = Draft::new(request.at_unix_ms, &principal.id, "access.decide", request.resource.path)
            .with_category(Category::AUTHORIZATION)
            .with_outcome(outcome)
            .with_reason(self.record_text(decision))
            .with_field("requested_action", request.action)
            .with_field("policy", self.policy().id.as_str())
            .with_field("policy_version", version);
        draft.on_behalf_of.clone_from(&principal.on_behalf_of);
        if let Some(rule) = rule {
            draft = draft.with_field("rule", self.rule_id(rule));
        }
        if let Some(address) = principal.network {
            draft = draft.with_field("origin", address.to_string());
        }
        draft
    }

    /// Id of the rule that a decision cites.
    pub fn rule_id(&self, rule: u32) -> &str {
        self.policy().rules.get(rule as usize).map_or("", |r| &r.id)
    }

    fn why(&self, principal: &Principal, request: &Request<'_>, rule: &Rule) -> Why {
        if !covers(&rule.action, request.action) {
            return Why::Action;
        }
        let below = |top: &str, path: &str| {
            path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
        };
        let resource = &request.resource;
        let selected = match &rule.selector {
            Selector::Any => true,
            Selector::Exact(path) => path == resource.path,
            Selector::Subtree(top) => {
                below(top, resource.path) || resource.ancestors.iter().take(64).any(|a| below(top, a))
            }
        };
        if !selected {
            return Why::Path;
        }
        let holds_role = |needed: &String| {
            principal.grants.iter().any(|grant| {
                grant.expires_at_unix_ms.is_none_or(|end| end == u64::MAX || end > request.at_unix_ms)
                    && self.included_roles(&grant.role).is_some_and(|all| all.contains(&needed.as_str()))
            })
        };
        if !rule.role.as_ref().is_none_or(holds_role) {
            return Why::Role;
        }
        let carried = |k: &str, v: &str| resource.labels.iter().any(|&(a, b)| a == k && b == v);
        if let Some((k, v)) = rule.labels.iter().find(|(k, v)| !carried(k, v)) {
            return Why::Label(format!("{k}={v}"));
        }
        for condition in &rule.conditions {
            match condition.holds(request.at_unix_ms, principal.mfa_at_unix_ms, principal.network) {
                Some(false) => return Why::Condition(condition.to_string()),
                None if rule.effect == Effect::Allow => return Why::Unknown(condition.to_string()),
                Some(true) | None => {}
            }
        }
        Why::Applies
    }
}

fn covers(pattern: &str, action: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(family) => action.starts_with(family),
        None => pattern == action,
    }
}

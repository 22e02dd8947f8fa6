//! The compiled policy and its decisions.

use core::net::IpAddr;

use super::intern::{FNV_START, Interner, PairTable, Span, fnv_step};
use super::policy::{
    Approval, Effect, MAX_ACTION_DOTS, MAX_PATH_SEGMENTS, Policy, PolicyError, Request, Rule, Selector,
    valid_action, valid_path,
};
use super::principal::Principal;

/// Id of "everybody", of "any action" and of "any path".
const ANY: u32 = 0;
const LIMIT: usize = 1 << 24;

/// Per role what it includes.
type Closure = Vec<Box<[u32]>>;

/// What a decision came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Permitted by this rule.
    Allowed {
        /// Index into the policy's rules.
        rule: u32,
    },
    /// Forbidden by this rule.
    Denied {
        /// Index into the policy's rules.
        rule: u32,
    },
    /// Permitted, but other people have to approve first.
    NeedsApproval {
        /// Index of the rule that asks for it.
        rule: u32,
        /// Valid approvals so far.
        have: u8,
        /// Approvals needed.
        need: u8,
    },
    /// No rule permits it.
    NotPermitted,
    /// The action or path is malformed (empty parts, `*`, `.` or `..`), so nothing can permit it.
    Malformed,
}

/// A decision. Record it with [`Authorizer::draft`], explain it with [`Authorizer::explain`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// What it came to.
    pub outcome: Outcome,
}

impl Decision {
    /// Whether the action may be done now.
    pub const fn is_allowed(&self) -> bool {
        matches!(self.outcome, Outcome::Allowed { .. })
    }
}

/// A principal prepared for many decisions of one authorizer: its roles are resolved through the inheritance.
/// Prepare it anew when the policy or the grants change.
#[derive(Clone, Debug)]
pub struct Subject {
    pub(super) id: String,
    pub(super) on_behalf_of: Option<String>,
    /// Per role the first moment at which it is no longer held; 0 = not held at all.
    pub(super) held_until: Box<[u64]>,
    pub(super) mfa: Option<u64>,
    pub(super) network: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    role: u32,
    rule: u32,
    exact: bool,
    plain: bool,
    kind: Kind,
    /// One past the last entry of the same group and role.
    run: u32,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    Allow,
    Deny,
    Approve,
}

/// A checked and compiled [`Policy`]. See the [module documentation](super) for the meaning of decisions.
#[derive(Clone, Debug)]
pub struct Authorizer {
    policy: Policy,
    roles: Interner,
    // INVARIANT: closure[r] holds r, everything it inherits, and ANY.
    closure: Closure,
    actions: Interner,
    paths: Interner,
    groups: PairTable,
    // INVARIANT: within each group sorted by role.
    entries: Vec<Entry>,
}

impl Authorizer {
    /// Checks and compiles a policy. O(rules · log rules + roles · inherited roles).
    ///
    /// # Errors
    /// The first defect found, see [`PolicyError`].
    pub fn new(policy: Policy) -> Result<Self, PolicyError> {
        let size = policy.rules.len().max(policy.roles.len());
        if size > LIMIT {
            return Err(PolicyError::TooLarge(size));
        }
        let (roles, closure) = compile_roles(&policy)?;
        let (mut actions, mut paths) = (Interner::default(), Interner::default());
        actions.insert(b"");
        paths.insert(b"");
        let mut ids = Interner::default();
        let mut keyed = Vec::with_capacity(policy.rules.len());
        for (i, rule) in policy.rules.iter().enumerate() {
            if (ids.insert(rule.id.as_bytes()) as usize) < i {
                return Err(PolicyError::DuplicateRule(rule.id.clone()));
            }
            let role = match &rule.role {
                None => ANY,
                Some(name) => role_id(&roles, name, || format!("rule `{}`", rule.id))?,
            };
            check_effect(rule, &roles)?;
            let action = action_id(rule, &mut actions)?;
            let (path, exact) = path_id(rule, &mut paths)?;
            let kind = match rule.effect {
                Effect::Allow => Kind::Allow,
                Effect::Deny => Kind::Deny,
                Effect::RequireApprovals { .. } => Kind::Approve,
            };
            let plain = rule.labels.is_empty() && rule.conditions.is_empty();
            let rule = dense(i);
            keyed.push(((action, path), Entry { role, rule, exact, plain, kind, run: 0 }));
        }
        let rank = |e: &Entry| (e.role, !e.plain, e.kind, e.exact, e.rule);
        keyed.sort_by_key(|(key, entry)| (*key, rank(entry)));
        // Of equal rules without further conditions only the first can ever be cited.
        let shape = |e: &Entry| (e.role, e.kind, e.exact);
        keyed.dedup_by(|(k2, b), (k1, a)| {
            k1 == k2 && a.plain && b.plain && a.kind != Kind::Approve && shape(a) == shape(b)
        });
        let mut spans: Vec<Span> = Vec::new();
        for (i, (key, _)) in keyed.iter().enumerate() {
            let i = dense(i);
            match spans.last_mut() {
                Some((last, span)) if last == key => span.1 = i + 1,
                _ => spans.push((*key, (i, i + 1))),
            }
        }
        for (_, (start, end)) in &spans {
            let mut run = *end;
            for i in (*start as usize..*end as usize).rev() {
                if i + 1 < *end as usize && keyed[i + 1].1.role != keyed[i].1.role {
                    run = dense(i + 1);
                }
                keyed[i].1.run = run;
            }
        }
        let entries = keyed.into_iter().map(|(_, entry)| entry).collect();
        Ok(Self { groups: PairTable::build(&spans), policy, roles, closure, actions, paths, entries })
    }

    /// The policy as given.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Every role that a role includes, itself first, then in order of definition; `None` if it is unknown.
    pub fn included_roles(&self, role: &str) -> Option<Vec<&str>> {
        let id = self.roles.get(role)?;
        let name = |r: u32| self.policy.roles[r as usize - 1].name.as_str();
        let others = self.closure[id as usize].iter().filter(|&&r| r != ANY && r != id).map(|&r| name(r));
        Some(core::iter::once(name(id)).chain(others).collect())
    }

    /// Resolves the roles of a principal. Grants of unknown roles give nothing.
    pub fn subject(&self, principal: &Principal) -> Subject {
        let mut held_until = vec![0_u64; self.roles.len()].into_boxed_slice();
        held_until[ANY as usize] = u64::MAX;
        for grant in &principal.grants {
            let until = grant.expires_at_unix_ms.unwrap_or(u64::MAX);
            if let Some(role) = self.roles.get(&grant.role).filter(|&r| r != ANY) {
                for &included in &self.closure[role as usize] {
                    let slot = &mut held_until[included as usize];
                    *slot = (*slot).max(until);
                }
            }
        }
        Subject {
            id: principal.id.clone(),
            on_behalf_of: principal.on_behalf_of.clone(),
            held_until,
            mfa: principal.mfa_at_unix_ms,
            network: principal.network,
        }
    }

    /// Decides. A subject of another authorizer gives no more than `NotPermitted` for the roles it lacks.
    pub fn decide(&self, subject: &Subject, request: &Request<'_>) -> Decision {
        Decision { outcome: self.outcome(subject, request) }
    }

    fn outcome(&self, subject: &Subject, request: &Request<'_>) -> Outcome {
        let Some(actions) = self.action_keys(request.action) else {
            return Outcome::Malformed;
        };
        let Some(paths) = self.path_keys(request.resource.path) else {
            return Outcome::Malformed;
        };
        let mut found = Found::default();
        for &action in actions.as_slice() {
            self.visit(subject, request, (action, ANY, true), &mut found);
            for &path in paths.as_slice() {
                self.visit(subject, request, (action, path, Some(path) == paths.whole), &mut found);
            }
        }
        for ancestor in request.resource.ancestors.iter().take(64) {
            // A malformed ancestor must not widen an allow nor hide a deny: refuse.
            let Some(above) = self.path_keys(ancestor) else {
                return Outcome::Malformed;
            };
            for &action in actions.as_slice() {
                for &path in above.as_slice() {
                    self.visit(subject, request, (action, path, false), &mut found);
                }
            }
        }
        found.outcome()
    }

    #[inline]
    fn visit(&self, subject: &Subject, request: &Request<'_>, key: (u32, u32, bool), found: &mut Found) {
        let Some((start, end)) = self.groups.get(key.0, key.1) else { return };
        let group = &self.entries[start..end];
        // Few rules: look at each. Many rules: look only at those of roles that are held.
        if group.len() <= 32 {
            for entry in group {
                self.consider(subject, request, entry, key.2, found);
            }
            return;
        }
        let mut at = start;
        while at < end {
            let first = &self.entries[at];
            let run = first.run as usize;
            if held(subject, first.role, request.at_unix_ms) {
                for entry in &self.entries[at..run] {
                    self.consider(subject, request, entry, key.2, found);
                }
            }
            at = run;
        }
    }

    #[inline]
    fn consider(
        &self,
        subject: &Subject,
        request: &Request<'_>,
        entry: &Entry,
        whole: bool,
        found: &mut Found,
    ) {
        if !held(subject, entry.role, request.at_unix_ms) || (entry.exact && !whole) {
            return;
        }
        if !entry.plain && !self.conditions_apply(subject, request, entry) {
            return;
        }
        match entry.kind {
            Kind::Allow => found.allow = found.allow.min(entry.rule),
            Kind::Deny => found.deny = found.deny.min(entry.rule),
            Kind::Approve => self.require(subject, request, entry.rule, found),
        }
    }

    fn conditions_apply(&self, subject: &Subject, request: &Request<'_>, entry: &Entry) -> bool {
        let rule = &self.policy.rules[entry.rule as usize];
        let carries = |(key, value): &(String, String)| {
            request.resource.labels.iter().any(|&(k, v)| k == key && v == value)
        };
        if !rule.labels.iter().all(carries) {
            return false;
        }
        // Unknown never helps: it fails an allow and does not stop a deny or approval rule.
        let unknown = entry.kind != Kind::Allow;
        rule.conditions
            .iter()
            .all(|c| c.holds(request.at_unix_ms, subject.mfa, subject.network).unwrap_or(unknown))
    }

    fn require(&self, subject: &Subject, request: &Request<'_>, rule: u32, found: &mut Found) {
        let Effect::RequireApprovals { count, role } = &self.policy.rules[rule as usize].effect else {
            return;
        };
        let have = self.approvals(subject, request, role.as_deref());
        if have < *count && rule < found.missing.0 {
            found.missing = (rule, have, *count);
        }
    }

    /// Valid approvals by distinct other people.
    pub(super) fn approvals(&self, subject: &Subject, request: &Request<'_>, role: Option<&str>) -> u8 {
        let role = role.and_then(|name| self.roles.get(name));
        let counts = |a: &&Approval| {
            a.action == request.action
                && a.path == request.resource.path
                && a.approver != subject.id
                && Some(&a.approver) != subject.on_behalf_of.as_ref()
                && (a.at_unix_ms..a.expires_at_unix_ms).contains(&request.at_unix_ms)
                && role.is_none_or(|needed| {
                    let included = |r| self.closure[r as usize].contains(&needed);
                    a.roles.iter().filter_map(|r| self.roles.get(r)).any(included)
                })
        };
        let mut approvers: Vec<&str> =
            request.approvals.iter().filter(counts).map(|a| a.approver.as_str()).collect();
        approvers.sort_unstable();
        approvers.dedup();
        u8::try_from(approvers.len()).unwrap_or(u8::MAX)
    }

    /// Ids of the patterns that cover an action: `*`, each `family.*`, the name.
    #[inline]
    fn action_keys(&self, action: &str) -> Option<Keys> {
        let bytes = action.as_bytes();
        let mut keys = Keys::default();
        keys.push(ANY);
        let (mut hash, mut dots, mut previous) = (FNV_START, 0, b'.');
        for (i, &byte) in bytes.iter().enumerate() {
            hash = fnv_step(hash, byte);
            if byte == b'*' || (byte == b'.' && previous == b'.') {
                return None;
            }
            if byte == b'.' && dots <= MAX_ACTION_DOTS {
                dots += 1;
                if let Some(id) = self.actions.find(hash, &bytes[..=i]) {
                    keys.push(id);
                }
            }
            previous = byte;
        }
        if previous == b'.' {
            return None;
        }
        if let Some(id) = self.actions.find(hash, bytes) {
            keys.push(id);
        }
        Some(keys)
    }

    /// Ids of the rule paths that are the path or lie above it.
    #[inline]
    fn path_keys(&self, path: &str) -> Option<Keys> {
        let bytes = path.as_bytes();
        let mut keys = Keys::default();
        let (mut hash, mut start) = (FNV_START, 0);
        for (i, &byte) in bytes.iter().enumerate() {
            if byte == b'/' {
                if matches!(bytes[start..i], [] | [b'.'] | [b'.', b'.']) {
                    return None;
                }
                if let Some(id) = self.paths.find(hash, &bytes[..i]) {
                    keys.push(id);
                }
                start = i + 1;
            }
            hash = fnv_step(hash, byte);
        }
        if matches!(bytes[start..], [] | [b'.'] | [b'.', b'.']) {
            return None;
        }
        if let Some(id) = self.paths.find(hash, bytes) {
            keys.push(id);
            keys.whole = Some(id);
        }
        Some(keys)
    }
}

/// A count that was checked against [`LIMIT`].
fn dense(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[inline]
fn held(subject: &Subject, role: u32, at_unix_ms: u64) -> bool {
    subject.held_until.get(role as usize).is_some_and(|&until| until == u64::MAX || until > at_unix_ms)
}

/// At most one key per prefix of a rule path or family; bounded by what rules may contain.
#[derive(Clone, Copy, Default)]
struct Keys {
    ids: [u32; 16],
    len: usize,
    whole: Option<u32>,
}

impl Keys {
    #[inline]
    fn push(&mut self, id: u32) {
        self.ids[self.len] = id;
        self.len += 1;
    }

    #[inline]
    fn as_slice(&self) -> &[u32] {
        &self.ids[..self.len]
    }
}

#[derive(Clone, Copy)]
struct Found {
    allow: u32,
    deny: u32,
    missing: (u32, u8, u8),
}

impl Default for Found {
    fn default() -> Self {
        Self { allow: u32::MAX, deny: u32::MAX, missing: (u32::MAX, 0, 0) }
    }
}

impl Found {
    fn outcome(self) -> Outcome {
        if self.deny != u32::MAX {
            Outcome::Denied { rule: self.deny }
        } else if self.allow == u32::MAX {
            Outcome::NotPermitted
        } else if self.missing.0 != u32::MAX {
            Outcome::NeedsApproval { rule: self.missing.0, have: self.missing.1, need: self.missing.2 }
        } else {
            Outcome::Allowed { rule: self.allow }
        }
    }
}

fn role_id(roles: &Interner, name: &str, place: impl Fn() -> String) -> Result<u32, PolicyError> {
    let unknown = || PolicyError::UnknownRole { place: place(), role: name.to_owned() };
    roles.get(name).filter(|&r| r != ANY).ok_or_else(unknown)
}

fn check_effect(rule: &Rule, roles: &Interner) -> Result<(), PolicyError> {
    if let Effect::RequireApprovals { count, role } = &rule.effect {
        if *count == 0 {
            return Err(PolicyError::NoApprovals(rule.id.clone()));
        }
        if let Some(name) = role {
            role_id(roles, name, || format!("rule `{}`", rule.id))?;
        }
    }
    Ok(())
}

fn action_id(rule: &Rule, actions: &mut Interner) -> Result<u32, PolicyError> {
    let action = rule.action.as_str();
    if action == "*" {
        return Ok(ANY);
    }
    let error = || PolicyError::Action { rule: rule.id.clone(), action: action.to_owned() };
    let name = action.strip_suffix(".*").unwrap_or(action);
    if !valid_action(name) || action.bytes().filter(|&b| b == b'.').count() > MAX_ACTION_DOTS {
        return Err(error());
    }
    let key = action.strip_suffix('*').unwrap_or(action);
    Ok(actions.insert(key.as_bytes()))
}

fn path_id(rule: &Rule, paths: &mut Interner) -> Result<(u32, bool), PolicyError> {
    let (path, exact) = match &rule.selector {
        Selector::Any => return Ok((ANY, false)),
        Selector::Exact(path) => (path, true),
        Selector::Subtree(path) => (path, false),
    };
    if !valid_path(path) || path.split('/').count() > MAX_PATH_SEGMENTS {
        return Err(PolicyError::Path { rule: rule.id.clone(), path: path.clone() });
    }
    Ok((paths.insert(path.as_bytes()), exact))
}

/// Role names to ids (0 = everybody) and what each includes. Cycles are found by depth-first search.
fn compile_roles(policy: &Policy) -> Result<(Interner, Closure), PolicyError> {
    let mut roles = Interner::default();
    roles.insert(b"");
    for role in &policy.roles {
        let before = roles.len();
        roles.insert(role.name.as_bytes());
        if roles.len() == before {
            return Err(PolicyError::DuplicateRole(role.name.clone()));
        }
    }
    let mut parents = vec![Vec::new()];
    for role in &policy.roles {
        let place = || format!("role `{}`", role.name);
        let ids: Result<Vec<u32>, PolicyError> =
            role.inherits.iter().map(|p| role_id(&roles, p, place)).collect();
        parents.push(ids?);
    }
    let order = topological(&parents).map_err(|cycle| PolicyError::RoleCycle {
        cycle: cycle.iter().map(|&r| policy.roles[r as usize - 1].name.clone()).collect(),
    })?;
    let mut closure: Closure = vec![Box::default(); parents.len()];
    for role in order {
        let mut all = vec![ANY, role];
        for &parent in &parents[role as usize] {
            all.extend_from_slice(&closure[parent as usize]);
        }
        all.sort_unstable();
        all.dedup();
        closure[role as usize] = all.into_boxed_slice();
    }
    Ok((roles, closure))
}

/// Parents before children, or the nodes along a cycle (first = last). Iterative, so depth is no danger.
fn topological(parents: &[Vec<u32>]) -> Result<Vec<u32>, Vec<u32>> {
    let mut state = vec![0_u8; parents.len()]; // 0 new, 1 on the stack, 2 done
    let mut order = Vec::with_capacity(parents.len());
    for start in 0..dense(parents.len()) {
        let mut stack = vec![(start, 0)];
        while let Some((node, next)) = stack.pop() {
            if next == 0 && state[node as usize] == 2 {
                continue;
            }
            state[node as usize] = 1;
            let Some(&parent) = parents[node as usize].get(next) else {
                state[node as usize] = 2;
                order.push(node);
                continue;
            };
            stack.push((node, next + 1));
            match state[parent as usize] {
                0 => stack.push((parent, 0)),
                1 => {
                    let from = stack.iter().position(|&(n, _)| n == parent).unwrap_or(0);
                    let mut cycle: Vec<u32> = stack[from..].iter().map(|&(n, _)| n).collect();
                    cycle.push(parent);
                    return Err(cycle);
                }
                _ => {}
            }
        }
    }
    Ok(order)
}

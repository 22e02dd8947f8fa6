//! Entries: what a host hands in ([`Draft`]) and what the log holds ([`Entry`], [`EntryRef`]).

use crate::canonical::FieldsRef;
use crate::class::{Category, Outcome, Severity};
use crate::hash::Hash;
use crate::value::{Value, ValueRef};

/// What a host hands in: who did what to which subject, when, and how it ended.
///
/// Any text is allowed; [`crate::Log::append`] refuses what the canonical form cannot hold (an empty actor or
/// action, a text beyond 65,535 bytes, two free fields of one name …) with an error that names the field.
///
/// ```
/// use ecosystem_audit::{Category, Draft, Severity};
/// let draft = Draft::new(1_767_225_600_000, "alice", "vm.restart", "vm/db-1")
///     .with_category(Category::RECOVERY)
///     .with_severity(Severity::Warning)
///     .with_reason("host-7 stopped answering")
///     .with_field("attempt", 2_i64);
/// assert_eq!(draft.fields.len(), 1);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Draft {
    /// When it happened, in milliseconds since 1970-01-01T00:00:00Z, by the host's clock.
    pub at_unix_ms: u64,
    /// Who acted; not empty.
    pub actor: String,
    /// For whom the actor acted, if not for itself; not empty if given.
    pub on_behalf_of: Option<String>,
    /// What was done, for example `vm.restart`; not empty.
    pub action: String,
    /// What kind of thing happened.
    pub category: Category,
    /// How grave it is.
    pub severity: Severity,
    /// How it ended.
    pub outcome: Outcome,
    /// What it was done to, for example `vm/db-1`; empty if nothing in particular.
    pub subject: String,
    /// Why it was done.
    pub reason: Option<Value>,
    /// What ties entries of one operation together; not empty if given.
    pub correlation_id: Option<String>,
    /// State of the subject before.
    pub before: Option<Value>,
    /// State of the subject afterwards.
    pub after: Option<Value>,
    /// Free fields in the host's order; names are not empty and occur once.
    pub fields: Vec<(String, Value)>,
}

impl Draft {
    /// A successful action of category `system` and severity `info`, to be refined.
    pub fn new(
        at_unix_ms: u64,
        actor: impl Into<String>,
        action: impl Into<String>,
        subject: impl Into<String>,
    ) -> Self {
        Self {
            at_unix_ms,
            actor: actor.into(),
            on_behalf_of: None,
            action: action.into(),
            category: Category::SYSTEM,
            severity: Severity::Info,
            outcome: Outcome::Success,
            subject: subject.into(),
            reason: None,
            correlation_id: None,
            before: None,
            after: None,
            fields: Vec::new(),
        }
    }

    /// Sets the category.
    #[must_use]
    pub fn with_category(mut self, category: Category) -> Self {
        self.category = category;
        self
    }

    /// Sets the severity.
    #[must_use]
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets the outcome.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Says for whom the actor acted.
    #[must_use]
    pub fn with_on_behalf_of(mut self, principal: impl Into<String>) -> Self {
        self.on_behalf_of = Some(principal.into());
        self
    }

    /// Says why.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<Value>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Ties the entry to others of the same operation.
    #[must_use]
    pub fn with_correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// Sets the state before.
    #[must_use]
    pub fn with_before(mut self, state: impl Into<Value>) -> Self {
        self.before = Some(state.into());
        self
    }

    /// Sets the state afterwards.
    #[must_use]
    pub fn with_after(mut self, state: impl Into<Value>) -> Self {
        self.after = Some(state.into());
        self
    }

    /// Adds a free field.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// The free field of this name.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// An entry of a log: the draft, its place, and the hash of the entry before it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    seq: u64,
    prev_hash: Hash,
    draft: Draft,
}

impl Entry {
    /// Puts an entry together from its parts, as an import does. Whether it fits into a log is checked when it
    /// is put there: [`crate::Log::append_entry`] compares place and previous hash.
    pub const fn from_parts(seq: u64, prev_hash: Hash, draft: Draft) -> Self {
        Self { seq, prev_hash, draft }
    }

    /// The draft, the place and the previous hash.
    pub fn into_parts(self) -> (u64, Hash, Draft) {
        (self.seq, self.prev_hash, self.draft)
    }

    /// Place in the log, from 0.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Leaf hash of the entry before; [`Hash::ZERO`] for the first.
    pub const fn prev_hash(&self) -> Hash {
        self.prev_hash
    }

    /// Everything the host handed in.
    pub const fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn at_unix_ms(&self) -> u64 {
        self.draft.at_unix_ms
    }

    /// Who acted.
    pub fn actor(&self) -> &str {
        &self.draft.actor
    }

    /// For whom the actor acted.
    pub fn on_behalf_of(&self) -> Option<&str> {
        self.draft.on_behalf_of.as_deref()
    }

    /// What was done.
    pub fn action(&self) -> &str {
        &self.draft.action
    }

    /// What kind of thing happened.
    pub const fn category(&self) -> &Category {
        &self.draft.category
    }

    /// How grave it is.
    pub const fn severity(&self) -> Severity {
        self.draft.severity
    }

    /// How it ended.
    pub const fn outcome(&self) -> Outcome {
        self.draft.outcome
    }

    /// What it was done to; may be empty.
    pub fn subject(&self) -> &str {
        &self.draft.subject
    }

    /// Why it was done.
    pub const fn reason(&self) -> Option<&Value> {
        self.draft.reason.as_ref()
    }

    /// What ties entries of one operation together.
    pub fn correlation_id(&self) -> Option<&str> {
        self.draft.correlation_id.as_deref()
    }

    /// State of the subject before.
    pub const fn before(&self) -> Option<&Value> {
        self.draft.before.as_ref()
    }

    /// State of the subject afterwards.
    pub const fn after(&self) -> Option<&Value> {
        self.draft.after.as_ref()
    }

    /// Free fields in the host's order.
    pub fn fields(&self) -> &[(String, Value)] {
        &self.draft.fields
    }

    /// The free field of this name.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.draft.field(name)
    }

    /// The canonical bytes: what is hashed, stored and proved. Fails where a draft would be refused.
    pub fn to_canonical(&self) -> Result<Vec<u8>, crate::AppendError> {
        let mut out = Vec::new();
        crate::canonical::encode(&self.draft, self.seq, &self.prev_hash, &mut out)?;
        Ok(out)
    }
}

/// An [`Entry`] that borrows from its canonical bytes: no allocation, for scans over many entries.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EntryRef<'a> {
    /// Place in the log, from 0.
    pub seq: u64,
    /// Leaf hash of the entry before.
    pub prev_hash: Hash,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub at_unix_ms: u64,
    /// Who acted.
    pub actor: &'a str,
    /// For whom the actor acted.
    pub on_behalf_of: Option<&'a str>,
    /// What was done.
    pub action: &'a str,
    /// Name of the category.
    pub category: &'a str,
    /// How grave it is.
    pub severity: Severity,
    /// How it ended.
    pub outcome: Outcome,
    /// What it was done to; may be empty.
    pub subject: &'a str,
    /// Why it was done.
    pub reason: Option<ValueRef<'a>>,
    /// What ties entries of one operation together.
    pub correlation_id: Option<&'a str>,
    /// State of the subject before.
    pub before: Option<ValueRef<'a>>,
    /// State of the subject afterwards.
    pub after: Option<ValueRef<'a>>,
    /// Free fields in the host's order.
    pub fields: FieldsRef<'a>,
    /// The canonical bytes all of this was read from.
    pub canonical: &'a [u8],
}

impl EntryRef<'_> {
    /// The same entry, owned.
    pub fn to_entry(&self) -> Entry {
        let draft = Draft {
            at_unix_ms: self.at_unix_ms,
            actor: self.actor.to_owned(),
            on_behalf_of: self.on_behalf_of.map(str::to_owned),
            action: self.action.to_owned(),
            category: Category::from_checked(self.category),
            severity: self.severity,
            outcome: self.outcome,
            subject: self.subject.to_owned(),
            reason: self.reason.map(ValueRef::to_value),
            correlation_id: self.correlation_id.map(str::to_owned),
            before: self.before.map(ValueRef::to_value),
            after: self.after.map(ValueRef::to_value),
            fields: self.fields.iter().map(|(name, value)| (name.to_owned(), value.to_value())).collect(),
        };
        Entry::from_parts(self.seq, self.prev_hash, draft)
    }

    /// The leaf hash of this entry, computed from its canonical bytes.
    pub fn leaf_hash(&self) -> Hash {
        crate::hash::leaf_hash(self.canonical)
    }
}

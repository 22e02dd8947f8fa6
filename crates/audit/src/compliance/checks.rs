//! The 24 checks.

mod access;
mod change;
mod integrity;
mod operations;
mod records;
mod retention;

use core::fmt;

use super::assess::Evidence;
use super::collect::{Collected, Event};
use super::facts::Facts;
use super::settings::Settings;
use crate::civil;

macro_rules! checks {
    ($($variant:ident $text:literal $run:path, $what:literal;)*) => {
        /// A check that controls rest on.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum CheckId {
            $(#[doc = $what] $variant,)*
        }

        impl CheckId {
            /// All checks.
            pub const ALL: [Self; 24] = [$(Self::$variant),*];

            /// The id, such as `INT-1`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What is computed.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }

            fn compute(self, context: &Context<'_>, limit: Limit) -> CheckResult {
                match self { $(Self::$variant => $run(context, limit),)* }
            }
        }
    };
}

checks! {
    Int1 "INT-1" integrity::content, "Every stored entry re-hashed, chain and tree against the newest signed checkpoint.";
    Int2 "INT-2" integrity::history, "The history agrees with every stored checkpoint.";
    Int3 "INT-3" integrity::checkpoints, "Checkpoints are signed, cosigned and frequent enough.";
    Int4 "INT-4" integrity::truncation, "Nothing is cut off: no externally kept checkpoint is larger than the log.";
    Fld1 "FLD-1" records::fields, "Every record names actor, action, time, outcome, origin and target.";
    Fld2 "FLD-2" records::individuals, "Actors are individuals or named services.";
    Tim1 "TIM-1" records::time, "Times do not step back, lie in the past, and clocks are synchronised.";
    Cov1 "COV-1" records::coverage, "Every component leaves records, heartbeats have no gaps.";
    Cov2 "COV-2" records::logging, "Starts and stops of logging are recorded in pairs, nothing was lost.";
    Acc1 "ACC-1" access::reads, "Reading and exporting the log is itself recorded.";
    Acc2 "ACC-2" access::denials, "Denied attempts are recorded with a reason, bursts are reviewed.";
    Acc3 "ACC-3" access::decisions, "Every privileged action rests on an allow decision.";
    Acc4 "ACC-4" access::grants, "Roles and credentials are granted with approval and used only while granted.";
    Chg1 "CHG-1" change::approval, "Every change has a request, an approval by another person, a difference and a result.";
    Chg2 "CHG-2" change::drift, "The state that the change history gives is the state that is found.";
    Rev1 "REV-1" change::reviews, "The records are reviewed often enough and without gaps.";
    Rev2 "REV-2" change::findings, "Findings are closed in time.";
    Ret1 "RET-1" retention::records, "Records are kept as long as required and deleted only by the rules.";
    Ret2 "RET-2" retention::erasure, "Erasure requests are completed in time and provably.";
    Cry1 "CRY-1" retention::encryption, "Confidential content is sealed, keys are renewed.";
    Inc1 "INC-1" operations::incidents, "Incidents pass through all stages, notices are given in time.";
    Avl1 "AVL-1" operations::recovery, "Recovery is tested and reaches its objectives.";
    Sod1 "SOD-1" operations::duties, "Nobody approves their own request or administers the log of their own changes.";
    Fwd1 "FWD-1" operations::forwarding, "Records are forwarded to another system.";
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a control asks of a check beyond the organisation's own [`Settings`].
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Limit {
    /// As in the settings.
    #[default]
    Policy,
    /// At most so many hours between two reviews.
    Hours(u64),
    /// Records kept for so many days, the latter number of them at hand.
    Days(u64, u64),
    /// Only records of cardholder data.
    Cardholder,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum State {
    /// Ran on enough data without a counter-example.
    Pass,
    /// Found a counter-example.
    Fail,
    /// Lacks data.
    Insufficient,
}

/// A record that a check points at.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// Place in the log; `None` if the finding is about something that is not there.
    pub seq: Option<u64>,
    /// Its time.
    pub at_unix_ms: Option<u64>,
    /// What is wrong with it.
    pub note: String,
    /// Inclusion proof in the log of the size that the assessment names, filled in by [`assess`](super::assess).
    pub proof: Vec<crate::Hash>,
}

/// Result of one check.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CheckResult {
    /// Which.
    pub id: CheckId,
    /// With which limit.
    pub limit: Limit,
    /// How it ended.
    pub state: State,
    /// One sentence with the figures.
    pub summary: String,
    /// Things examined.
    pub examined: u64,
    /// Of them with a defect.
    pub failing: u64,
    /// Earliest thing examined.
    pub first_unix_ms: Option<u64>,
    /// Latest thing examined.
    pub last_unix_ms: Option<u64>,
    /// Counter-examples, the first few.
    pub samples: Vec<Sample>,
    /// Which records were read, in words.
    pub query: String,
}

/// Runs one check.
pub(super) fn run(id: CheckId, limit: Limit, context: &Context<'_>) -> CheckResult {
    id.compute(context, limit)
}

/// What the checks work on.
pub(super) struct Context<'a> {
    pub(super) evidence: &'a Evidence<'a>,
    pub(super) facts: &'a Facts,
    pub(super) settings: &'a Settings,
    pub(super) data: Collected,
}

impl Context<'_> {
    /// The last moment that ages are counted to.
    pub(super) fn end(&self) -> u64 {
        let end = self.evidence.period.to_unix_ms;
        self.evidence.at_unix_ms.map_or(end, |now| end.min(now))
    }

    pub(super) fn tally(&self) -> Tally {
        Tally::new(self.settings.samples)
    }

    /// Events of an action, or of a family with `.` at the end, from the beginning of the log.
    pub(super) fn events<'e>(&'e self, action: &'e str) -> impl Iterator<Item = &'e Event> {
        self.data.events.iter().filter(move |e| {
            if action.ends_with('.') { e.action.starts_with(action) } else { e.action == action }
        })
    }

    /// The same, within the period.
    pub(super) fn within<'e>(&'e self, action: &'e str) -> impl Iterator<Item = &'e Event> {
        self.events(action).filter(|e| self.evidence.period.contains(e.at))
    }
}

/// Counts what is examined and keeps the first counter-examples.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) examined: u64,
    pub(super) failing: u64,
    first: Option<u64>,
    last: Option<u64>,
    samples: Vec<Sample>,
    limit: usize,
}

impl Tally {
    pub(super) const fn new(limit: usize) -> Self {
        Self { examined: 0, failing: 0, first: None, last: None, samples: Vec::new(), limit }
    }

    pub(super) fn see(&mut self, at: u64) {
        self.examined += 1;
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }

    pub(super) fn fail(&mut self, seq: u64, at: u64, note: impl FnOnce() -> String) {
        self.failing += 1;
        if self.samples.len() < self.limit {
            self.samples.push(Sample {
                seq: Some(seq),
                at_unix_ms: Some(at),
                note: note(),
                proof: Vec::new(),
            });
        }
    }

    pub(super) fn fail_event(&mut self, event: &Event, note: impl FnOnce() -> String) {
        self.fail(event.seq, event.at, note);
    }

    /// A defect without a record.
    pub(super) fn lack(&mut self, note: impl FnOnce() -> String) {
        self.failing += 1;
        if self.samples.len() < self.limit {
            self.samples.push(Sample { seq: None, at_unix_ms: None, note: note(), proof: Vec::new() });
        }
    }

    /// Fails with defects, passes without, lacks data if nothing was examined.
    pub(super) fn result(self, id: CheckId, limit: Limit, query: &str, summary: String) -> CheckResult {
        let state = match (self.failing, self.examined) {
            (1.., _) => State::Fail,
            (0, 0) => State::Insufficient,
            (0, _) => State::Pass,
        };
        CheckResult {
            id,
            limit,
            state,
            summary,
            examined: self.examined,
            failing: self.failing,
            first_unix_ms: self.first,
            last_unix_ms: self.last,
            samples: self.samples,
            query: query.to_owned(),
        }
    }
}

/// A span of time for people: `3 d 4 h`, `5 min`.
pub(super) fn span(ms: u64) -> String {
    let (days, hours, minutes) = (ms / civil::DAY_MS, ms / 3_600_000 % 24, ms / 60_000 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", ms / 1000),
        (0, 0, m) => format!("{m} min"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

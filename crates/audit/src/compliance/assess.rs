//! From checks to verdicts.

use std::collections::BTreeMap;

use super::checks::{self, CheckId, CheckResult, Context, Limit, State};
use super::collect::Collected;
use super::facts::Facts;
use super::settings::Settings;
use super::standards::{Basis, Control, Standard};
use crate::civil::{self, DAY_MS};
use crate::class::Category;
use crate::entry::Draft;
use crate::hash::Hash;
use crate::log::Log;
use crate::verify::{Head, Report};

/// A span of time, `[from, to)`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Period {
    /// First moment.
    pub from_unix_ms: u64,
    /// First moment outside.
    pub to_unix_ms: u64,
}

/// Why a text is not a period.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not a period: expected FROM..TO with FROM before TO, dates or RFC 3339 times")]
pub struct PeriodError {
    /// As given.
    pub text: String,
}

impl Period {
    /// A period; `None` if it is empty.
    pub fn new(from_unix_ms: u64, to_unix_ms: u64) -> Option<Self> {
        (from_unix_ms < to_unix_ms).then_some(Self { from_unix_ms, to_unix_ms })
    }

    /// Reads `FROM..TO`. A date as TO is the end of that day.
    ///
    /// # Errors
    /// Not two times, or FROM is not before TO.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        let parse = || {
            let (from, to) = text.split_once("..")?;
            let date = to.len() == 10 && to.contains('-');
            let to = civil::parse_utc(to).ok()?.checked_add(if date { DAY_MS } else { 0 })?;
            Self::new(civil::parse_utc(from).ok()?, to)
        };
        parse().ok_or_else(|| PeriodError { text: text.chars().take(128).collect() })
    }

    /// Whether a moment lies inside.
    pub const fn contains(&self, at_unix_ms: u64) -> bool {
        at_unix_ms >= self.from_unix_ms && at_unix_ms < self.to_unix_ms
    }
}

/// The log, what the verifier says about its stored form, and the period asked about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Evidence<'a> {
    /// The log (after damage: the valid prefix).
    pub log: &'a Log,
    /// What the verifier found in the stored bytes.
    pub report: &'a Report,
    /// The period.
    pub period: Period,
    /// Now, if the host tells: ages are counted to the earlier of it and the end of the period, and entries
    /// after it lie in the future.
    pub at_unix_ms: Option<u64>,
    /// Name of the log, as in its checkpoints.
    pub origin: &'a str,
}

impl<'a> Evidence<'a> {
    /// Evidence of a log called `audit-log`, with ages counted to the end of the period.
    pub const fn new(log: &'a Log, report: &'a Report, period: Period) -> Self {
        Self { log, report, period, at_unix_ms: None, origin: "audit-log" }
    }

    /// Sets the present moment.
    #[must_use]
    pub const fn at(mut self, at_unix_ms: u64) -> Self {
        self.at_unix_ms = Some(at_unix_ms);
        self
    }

    /// Sets the name of the log.
    #[must_use]
    pub const fn named(mut self, origin: &'a str) -> Self {
        self.origin = origin;
        self
    }
}

/// How a control came out.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Verdict {
    /// Every check passed on enough data.
    Satisfied,
    /// A check found a counter-example.
    NotSatisfied,
    /// A check lacks data.
    InsufficientEvidence,
    /// Rests on a statement of the host alone.
    Declared,
    /// Outside of what a log can show.
    NotAssessable,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Self; 5] = [
        Self::Satisfied,
        Self::NotSatisfied,
        Self::InsufficientEvidence,
        Self::Declared,
        Self::NotAssessable,
    ];

    /// The name with hyphens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Satisfied => "satisfied",
            Self::NotSatisfied => "not-satisfied",
            Self::InsufficientEvidence => "insufficient-evidence",
            Self::Declared => "declared",
            Self::NotAssessable => "not-assessable",
        }
    }
}

impl core::fmt::Display for Verdict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A control with its verdict.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ControlResult {
    /// The control.
    pub control: Control,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// Indices of its checks in [`Assessment::checks`].
    pub checks: Vec<usize>,
}

/// What of the period the log holds.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Coverage {
    /// Entries of the period.
    pub entries: u64,
    /// First and last place of them.
    pub places: Option<(u64, u64)>,
    /// Earliest time in the log.
    pub first_unix_ms: Option<u64>,
    /// Latest time in the log.
    pub last_unix_ms: Option<u64>,
    /// Why the period is not covered; empty if it is.
    pub gaps: Vec<String>,
}

/// A report on one standard.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Assessment {
    /// The standard.
    pub standard: Standard,
    /// The period.
    pub period: Period,
    /// When it was made, if the host told.
    pub at_unix_ms: Option<u64>,
    /// Name of the log.
    pub origin: String,
    /// The log it was computed on; proofs of samples lead to this root.
    pub head: Head,
    /// Largest verified checkpoint: size, root, key.
    pub checkpoint: Option<(Head, String)>,
    /// What of the period the log holds.
    pub coverage: Coverage,
    /// The checks that the standard rests on, each once.
    pub checks: Vec<CheckResult>,
    /// Every control.
    pub controls: Vec<ControlResult>,
}

impl Assessment {
    /// Number of controls with a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.controls.iter().filter(|c| c.verdict == verdict).count()
    }

    /// The verdict of a control.
    pub fn verdict(&self, control: &str) -> Option<Verdict> {
        self.controls.iter().find(|c| c.control.id == control).map(|c| c.verdict)
    }

    /// The entry that records that the report was made: action `audit.report`.
    pub fn draft(&self, at_unix_ms: u64, actor: impl Into<String>) -> Draft {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut draft = Draft::new(at_unix_ms, actor, "audit.report", "audit-log")
            .with_category(Category::COMPLIANCE)
            .with_field("standard", self.standard.as_str())
            .with_field("from_unix_ms", number(self.period.from_unix_ms))
            .with_field("to_unix_ms", number(self.period.to_unix_ms))
            .with_field("size", number(self.head.size))
            .with_field("root", self.head.root.to_hex());
        for verdict in Verdict::ALL {
            draft = draft.with_field(verdict.as_str(), number(self.count(verdict) as u64));
        }
        draft
    }
}

/// Assesses a standard. One pass over the log, plus one per resource whose state is compared.
pub fn assess(standard: Standard, evidence: &Evidence<'_>, facts: &Facts, settings: &Settings) -> Assessment {
    let data = Collected::new(evidence, settings);
    let context = Context { evidence, facts, settings, data };
    let coverage = coverage(&context);
    let mut places: BTreeMap<(CheckId, Limit), usize> = BTreeMap::new();
    let mut results = Vec::new();
    for control in standard.controls() {
        let Basis::Checks(needed) = control.basis else { continue };
        for &(id, limit) in needed {
            places.entry((id, limit)).or_insert_with(|| {
                let mut result = checks::run(id, limit, &context);
                temper(&mut result, &context, &coverage);
                prove(&mut result, evidence.log);
                results.push(result);
                results.len() - 1
            });
        }
    }
    let controls =
        standard.controls().iter().map(|control| judge(control, &places, &results, facts)).collect();
    let signed = facts.checkpoints.iter().filter_map(|c| Some((c.head, c.key.clone()?)));
    Assessment {
        standard,
        period: evidence.period,
        at_unix_ms: evidence.at_unix_ms,
        origin: evidence.origin.to_owned(),
        head: evidence.log.head(),
        checkpoint: signed.max_by_key(|(head, _)| head.size),
        coverage,
        checks: results,
        controls,
    }
}

fn coverage(context: &Context<'_>) -> Coverage {
    let (data, period) = (&context.data, context.evidence.period);
    let first = data.oldest.map(|(at, _)| at);
    let tolerance = context.settings.coverage_tolerance_ms;
    let mut gaps = Vec::new();
    match (first, data.newest) {
        (Some(first), Some(last)) => {
            if first > period.from_unix_ms.saturating_add(tolerance) {
                gaps.push(format!(
                    "the log begins {}, after the start of the period",
                    civil::format_utc(first)
                ));
            }
            if last.saturating_add(tolerance) < context.end() {
                gaps.push(format!("the log ends {}, before the end of the period", civil::format_utc(last)));
            }
        }
        _ => gaps.push("the log is empty".to_owned()),
    }
    if data.count == 0 && gaps.is_empty() {
        gaps.push("no entry lies in the period".to_owned());
    }
    Coverage {
        entries: data.count,
        places: data.places,
        first_unix_ms: first,
        last_unix_ms: data.newest,
        gaps,
    }
}

/// A pass on a log whose integrity does not hold, or on a part of the period, is no pass.
fn temper(result: &mut CheckResult, context: &Context<'_>, coverage: &Coverage) {
    if result.state != State::Pass {
        return;
    }
    // RET-1 is itself about how far back the log reaches; its end is judged by the others.
    let about_coverage = result.id == CheckId::Ret1;
    let but = match (&context.evidence.report.problem, coverage.gaps.first()) {
        (Some(problem), _) => format!("the log is not sound: entry {} is {}", problem.seq, problem.kind),
        (None, Some(gap)) if !about_coverage => gap.clone(),
        _ => return,
    };
    result.state = State::Insufficient;
    result.summary = format!("{}; but {but}", result.summary);
}

fn prove(result: &mut CheckResult, log: &Log) {
    let Some(view) = log.tree().view(log.size()).filter(|_| !result.samples.is_empty()) else { return };
    for sample in &mut result.samples {
        sample.proof = sample.seq.and_then(|seq| view.inclusion(seq).ok()).unwrap_or_else(Vec::<Hash>::new);
    }
}

fn judge(
    control: &Control,
    places: &BTreeMap<(CheckId, Limit), usize>,
    results: &[CheckResult],
    facts: &Facts,
) -> ControlResult {
    let statement = facts.declarations.iter().find(|d| d.control == control.id);
    let (verdict, reason, checks) = match control.basis {
        Basis::NotAssessable => {
            (Verdict::NotAssessable, "outside of what a log can show".to_owned(), Vec::new())
        }
        Basis::Declared => match statement {
            Some(d) => (Verdict::Declared, format!("stated by {}: {}", d.by, d.statement), Vec::new()),
            None => (Verdict::InsufficientEvidence, "needs a statement of the host".to_owned(), Vec::new()),
        },
        Basis::Checks(needed) => {
            let checks: Vec<usize> = needed.iter().filter_map(|key| places.get(key).copied()).collect();
            let of = |state: State| {
                let found = checks.iter().map(|&i| &results[i]).filter(move |r| r.state == state);
                found.map(|r| format!("{}: {}", r.id, r.summary)).collect::<Vec<_>>().join("; ")
            };
            let (fail, lack) = (of(State::Fail), of(State::Insufficient));
            if !fail.is_empty() {
                (Verdict::NotSatisfied, fail, checks)
            } else if !lack.is_empty() {
                (Verdict::InsufficientEvidence, lack, checks)
            } else {
                (Verdict::Satisfied, of(State::Pass), checks)
            }
        }
    };
    ControlResult { control: *control, verdict, reason, checks }
}

//! The log with its index.

use crate::canonical::AppendError;
use crate::change::{History, HistoryError};
use crate::compliance::{self, Assessment, Evidence, Facts, Period, Settings, Standard};
use crate::entry::{Draft, EntryRef};
use crate::export::Exporter;
use crate::json::Json;
use crate::log::Log;
use crate::query::{self, Answer, Filter, Index, Page, QueryError};
use crate::summary::Summary;
use crate::verify::{Head, Report};
use crate::writer::Receipt;

/// A log in memory with an index that always covers it.
#[derive(Clone, Debug, Default)]
pub struct AuditManager {
    log: Log,
    index: Index,
}

/// Why a change cannot be recorded.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// What is recorded of the resource so far makes no history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The entry cannot be stored.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Why a question is not answered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The question cannot be asked.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// It cannot be recorded, so it is not answered.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl AuditManager {
    /// Without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens stored segments: the valid prefix, and the verifier's report, which names what is wrong. Trusted heads show
    /// what bytes alone cannot (a rollback, a rewritten tail).
    pub fn open<'a>(segments: impl IntoIterator<Item = &'a [u8]>, heads: &[Head]) -> (Self, Report) {
        let (log, report) = Log::open_against(segments, heads);
        let mut index = Index::default();
        for entry in log.entries() {
            index.push(&entry);
        }
        (Self { log, index }, report)
    }

    /// The log itself: proofs, segments for the host's store.
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// Appends an event.
    ///
    /// # Errors
    /// What the canonical form cannot hold; nothing has changed then.
    pub fn log_event(&mut self, draft: &Draft) -> Result<Receipt, AppendError> {
        let receipt = self.log.append(draft)?;
        if let Some(entry) = self.log.entry(receipt.seq) {
            self.index.push(&entry);
        }
        Ok(receipt)
    }

    /// One page of the matching events.
    ///
    /// # Errors
    /// A cursor of another question.
    pub fn query_events(&self, filter: &Filter) -> Result<Page<'_>, QueryError> {
        query::run(&self.log, Some(&self.index), filter)
    }

    /// The answer to a question somebody asked, itself recorded as an entry; see [`Answer`] for what it is good for.
    ///
    /// # Errors
    /// A cursor of another question, an asker the log refuses.
    pub fn answer(&mut self, filter: &Filter, asker: &str, at_unix_ms: u64) -> Result<Answer, AskError> {
        let page = query::run(&self.log, Some(&self.index), filter)?;
        let answer = Answer::new(filter, self.log.head(), page.hits);
        self.log_event(&answer.draft(at_unix_ms, asker, filter))?;
        Ok(answer)
    }

    /// Records that a resource has another state now: who, why, and the RFC 6902 patch from the state before. `None` if it has
    /// not changed.
    ///
    /// # Errors
    /// A broken history, an entry the log refuses.
    pub fn track_change(
        &mut self,
        resource: &str,
        after: &Json,
        (actor, reason): (&str, Option<&str>),
        at_unix_ms: u64,
    ) -> Result<Option<Receipt>, ChangeError> {
        let mut history = self.history(resource)?;
        let Some(version) = history.record(after, at_unix_ms, actor, reason).cloned() else {
            return Ok(None);
        };
        Ok(Some(self.log_event(&history.draft(&version))?))
    }

    /// All versions of a resource.
    ///
    /// # Errors
    /// A patch in the log that does not apply.
    pub fn history(&self, resource: &str) -> Result<History, HistoryError> {
        History::from_entries(resource, self.matching(&Filter::new().subject(resource)))
    }

    /// Counts, rates and gaps of the matching events.
    pub fn summary(&self, filter: &Filter) -> Summary {
        Summary::of(self.matching(filter))
    }

    /// The matching events as text for other systems.
    pub fn export(&self, exporter: &Exporter, filter: &Filter) -> String {
        exporter.to_text(self.matching(filter))
    }

    /// Verdicts on a standard from the evidence of this log; that the report was made is recorded.
    ///
    /// # Errors
    /// A name for whom it is made that the log refuses.
    pub fn compliance_report(
        &mut self,
        standard: Standard,
        period: Period,
        (facts, settings): (&Facts, &Settings),
        (actor, at_unix_ms): (&str, u64),
    ) -> Result<Assessment, AppendError> {
        let report = self.log.verify();
        let evidence = Evidence::new(&self.log, &report, period).at(at_unix_ms);
        let assessment = compliance::assess(standard, &evidence, facts, settings);
        self.log_event(&assessment.draft(at_unix_ms, actor))?;
        Ok(assessment)
    }

    /// Verifies the stored bytes with the independent verifier.
    pub fn verify_integrity(&self) -> Report {
        self.log.verify()
    }

    /// All matching entries, over all pages.
    fn matching<'a>(&'a self, filter: &Filter) -> impl Iterator<Item = EntryRef<'a>> {
        let mut next = Some(filter.clone());
        core::iter::from_fn(move || {
            let filter = next.take()?;
            let page = query::run(&self.log, Some(&self.index), &filter).ok()?;
            next = page.next.map(|cursor| filter.after(cursor));
            Some(page.hits)
        })
        .flatten()
    }
}

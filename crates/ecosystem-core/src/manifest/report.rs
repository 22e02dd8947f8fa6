//! Collects findings with their places, up to a limit.

use super::ManifestError;
use super::tree::{At, Pos};
use crate::finding::{Confidence, Evidence, EvidenceKind, Finding, FindingLevel, Place};
use std::sync::Arc;

/// Findings of one pass over all inputs.
#[derive(Debug)]
pub(crate) struct Report {
    files: Vec<Arc<str>>,
    findings: Vec<Finding>,
    errors: usize,
    limit: usize,
    left_out: usize,
}

impl Report {
    pub(crate) fn new(limit: usize) -> Self {
        Self { files: Vec::new(), findings: Vec::new(), errors: 0, limit: limit.max(1), left_out: 0 }
    }

    /// Registers an input and returns its number.
    pub(crate) fn file(&mut self, name: &str) -> u32 {
        self.files.push(Arc::from(name));
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn file_name(&self, file: u32) -> Arc<str> {
        self.files.get(file as usize).cloned().unwrap_or_default()
    }

    pub(crate) fn place_of(&self, pos: Pos, path: String) -> Place {
        Place::new(self.file_name(pos.file), pos.line, pos.column, path)
    }

    pub(crate) fn place(&self, at: &At<'_>) -> Place {
        self.place_of(at.node.pos, at.path())
    }

    pub(crate) fn evidence(&self, kind: EvidenceKind, confidence: Confidence, at: &At<'_>) -> Evidence {
        Evidence { kind, confidence, place: self.place(at) }
    }

    /// Adds a finding at a node. The first letter of the code gives the level: `E`, `W` or `I`.
    pub(crate) fn add(
        &mut self,
        code: &'static str,
        at: &At<'_>,
        message: String,
        remedy: impl Into<String>,
    ) {
        let place = self.place(at);
        self.add_at(code, place, message, remedy);
    }

    pub(crate) fn add_at(
        &mut self,
        code: &'static str,
        place: Place,
        message: String,
        remedy: impl Into<String>,
    ) {
        let level = match code.as_bytes().first() {
            Some(b'E') => FindingLevel::Error,
            Some(b'W') => FindingLevel::Warning,
            _ => FindingLevel::Info,
        };
        self.errors += usize::from(level == FindingLevel::Error);
        let full = self.is_full();
        // The first error is always kept: it is why the input is refused.
        if full && !(level == FindingLevel::Error && self.errors == 1) {
            self.left_out += 1;
            return;
        }
        self.findings.push(Finding { code, level, place, message, remedy: remedy.into() });
    }

    pub(crate) const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// "did you mean `x`?" or the given remedy; not looked for once findings are left out anyway.
    pub(crate) fn did_you_mean<'a>(
        &self,
        text: &str,
        candidates: impl IntoIterator<Item = &'a str>,
        otherwise: &str,
    ) -> String {
        let near = if self.is_full() { None } else { nearest(text, candidates) };
        near.map_or_else(|| otherwise.to_owned(), |near| format!("did you mean `{near}`?"))
    }

    /// True if further findings are only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.findings.len() >= self.limit
    }

    pub(crate) const fn error_count(&self) -> usize {
        self.errors
    }

    /// The findings in the order of files and lines; an error if one of them is.
    pub(crate) fn finish(self) -> Result<Vec<Finding>, ManifestError> {
        let failed = self.has_errors();
        let mut keyed: Vec<(usize, Finding)> = self
            .findings
            .into_iter()
            .map(|f| (self.files.iter().position(|name| *name == f.place.file).unwrap_or(usize::MAX), f))
            .collect();
        keyed.sort_by(|(a, x), (b, y)| {
            (a, x.place.line, x.place.column).cmp(&(b, y.place.line, y.place.column))
        });
        let mut findings: Vec<Finding> = keyed.into_iter().map(|(_, f)| f).collect();
        if self.left_out > 0 {
            findings.push(Finding {
                code: "I1090",
                level: FindingLevel::Info,
                place: Place::default(),
                message: format!("{} more findings are left out", self.left_out),
                remedy: "mend those above first, or raise `budgets.findings`".to_owned(),
            });
        }
        if failed { Err(ManifestError { findings }) } else { Ok(findings) }
    }
}

/// The candidate nearest to a text by edit distance, for "did you mean": at most a third of its length away.
pub(crate) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text: Vec<char> = text.chars().take(64).collect();
    let far = text.len().saturating_add(1) / 3;
    candidates
        .into_iter()
        .take(1_000)
        .filter(|c| c.len().abs_diff(text.len()) <= far)
        .map(|c| (distance(&text, c), c))
        .min()
        .filter(|&(d, _)| d <= far)
        .map(|(_, c)| c)
}

/// Edit distance with transposition of neighbours (optimal string alignment).
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().take(128).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("replcias", ["image", "replicas"]), Some("replicas"));
        assert_eq!(nearest("zzz", ["image", "replicas"]), None);
    }

    #[test]
    fn findings_beyond_the_limit_are_counted_but_the_first_error_is_kept() {
        let mut report = Report::new(1);
        for _ in 0..3 {
            report.add_at("W1101", Place::default(), "w".to_owned(), "");
        }
        report.add_at("E1102", Place::default(), "e".to_owned(), "");
        let error = report.finish().unwrap_err();
        assert_eq!(error.findings.len(), 3);
        assert_eq!(error.findings[1].code, "E1102");
        assert!(error.findings[2].message.starts_with("2 more"));
    }
}

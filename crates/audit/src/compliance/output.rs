//! Reports as text.

mod html;
mod json;
mod markdown;
mod oscal;

use core::fmt;
use core::str::FromStr;

use super::assess::Assessment;
use super::checks::{CheckResult, Limit, State};
use crate::civil;

/// A text form of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReportFormat {
    /// Everything, as one JSON object.
    Json,
    /// OSCAL Assessment Results 1.1.2 (JSON).
    Oscal,
    /// Markdown.
    Markdown,
    /// One self-contained HTML page.
    Html,
}

impl ReportFormat {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Json, Self::Oscal, Self::Markdown, Self::Html];

    /// Short name: `json`, `oscal`, `md`, `html`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Oscal => "oscal",
            Self::Markdown => "md",
            Self::Html => "html",
        }
    }
}

impl fmt::Display for ReportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A report format of another name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{name}` is not a report format: expected json, oscal, md or html")]
pub struct UnknownReportFormat {
    /// As given.
    pub name: String,
}

impl FromStr for ReportFormat {
    type Err = UnknownReportFormat;

    fn from_str(name: &str) -> Result<Self, UnknownReportFormat> {
        let wanted = name.to_ascii_lowercase();
        let wanted = if wanted == "markdown" { "md" } else { &wanted };
        let found = Self::ALL.into_iter().find(|f| f.as_str() == wanted);
        found.ok_or_else(|| UnknownReportFormat { name: name.chars().take(64).collect() })
    }
}

impl Assessment {
    /// The report in one format. Same log, period, facts and settings give the same bytes.
    pub fn render(&self, format: ReportFormat) -> String {
        match format {
            ReportFormat::Json => json::render(self),
            ReportFormat::Oscal => oscal::render(self),
            ReportFormat::Markdown => markdown::render(self),
            ReportFormat::Html => html::render(self),
        }
    }
}

const fn state_name(state: State) -> &'static str {
    match state {
        State::Pass => "pass",
        State::Fail => "fail",
        State::Insufficient => "insufficient",
    }
}

/// Id with limit: `REV-1 (24 h)`.
fn check_name(check: &CheckResult) -> String {
    match check.limit {
        Limit::Policy => check.id.to_string(),
        Limit::Hours(hours) => format!("{} ({hours} h)", check.id),
        Limit::Days(days, online) => format!("{} ({days} d, {online} d at hand)", check.id),
        Limit::Cardholder => format!("{} (cardholder data)", check.id),
    }
}

fn period(a: &Assessment) -> String {
    format!("{} to {}", civil::format_utc(a.period.from_unix_ms), civil::format_utc(a.period.to_unix_ms))
}

/// `size N, root HEX` and the signed checkpoint.
fn log_text(a: &Assessment) -> String {
    let signed = match &a.checkpoint {
        Some((head, key)) => format!("signed checkpoint of size {} by {key}", head.size),
        None => "no signed checkpoint".to_owned(),
    };
    format!("{}: size {}, root {}; {signed}", a.origin, a.head.size, a.head.root.to_hex())
}

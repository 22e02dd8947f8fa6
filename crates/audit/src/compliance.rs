//! Reports for auditors whose every verdict comes from evidence.
//!
//! # Model
//! A [`Standard`] is a list of controls as data; a control rests on checks. Each of the 24 [`CheckId`]s is computed over the
//! log (and over facts that only the host can know, [`Facts`]), and either passes on enough data, fails with counter-examples, or lacks data.
//! The verdict of a control follows:
//!
//! | verdict | when |
//! |---|---|
//! | `satisfied` | every check it rests on ran on enough data and passed |
//! | `not-satisfied` | at least one found a counter-example, which is listed with place, time and inclusion proof |
//! | `insufficient-evidence` | none failed, but one lacks data: no such event, a log shorter than the period, a gap |
//! | `declared` | only a statement of the host supports it; never counted as satisfied |
//! | `not-assessable` | outside of what a log can show |
//!
//! So an empty log satisfies nothing. If the integrity of the log does not hold, the controls that rest on `INT-1` are not
//! satisfied and no other check passes, either: evidence from a log that was changed is none. If the log begins after the period
//! (or ends before it) by more than [`Settings::coverage_tolerance_ms`], what would have passed is insufficient.
//!
//! A library gives evidence, it never makes anybody compliant. Which entries the checks read is the vocabulary in
//! `docs/audit-guide.md`; entries that are not recorded that way are simply no evidence.
//!
//! # Example
//! ```
//! use ecosystem_audit::compliance::{Evidence, Facts, Period, Settings, Standard, Verdict, assess};
//! use ecosystem_audit::Log;
//!
//! let log = Log::new();
//! let report = log.verify();
//! let evidence = Evidence::new(&log, &report, Period::parse("2026-01-01..2026-04-01")?);
//! let assessment = assess(Standard::Soc2, &evidence, &Facts::default(), &Settings::default());
//! assert!(assessment.controls.iter().all(|c| c.verdict != Verdict::Satisfied));
//! # Ok::<(), ecosystem_audit::compliance::PeriodError>(())
//! ```

mod assess;
mod checks;
mod collect;
mod facts;
mod output;
mod settings;
mod standards;

pub use assess::{Assessment, ControlResult, Coverage, Evidence, Period, PeriodError, Verdict, assess};
pub use checks::{CheckId, CheckResult, Limit, Sample, State};
pub use facts::{CheckpointFact, Declaration, Facts, FactsError};
pub use output::{ReportFormat, UnknownReportFormat};
pub use settings::Settings;
pub use standards::{Basis, Control, Standard, UnknownStandard};

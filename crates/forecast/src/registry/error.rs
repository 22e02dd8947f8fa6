//! What can go wrong with a registry.

use super::{Measure, Stage};

/// Why a change was refused; the registry is as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A name that is empty, too long or has control characters.
    #[error("model name of {bytes} bytes: expected 1 to {limit} bytes without control characters")]
    Name {
        /// Bytes given.
        bytes: usize,
        /// Most bytes.
        limit: usize,
    },
    /// There is no such model.
    #[error("no model is named `{name}`: register a version first")]
    UnknownModel {
        /// Name asked for.
        name: String,
    },
    /// There is no such version.
    #[error("model `{name}` has no version {version}: it was never registered, or was removed")]
    UnknownVersion {
        /// Name asked for.
        name: String,
        /// Number asked for.
        version: u32,
    },
    /// These bytes are registered under this name already.
    #[error("these bytes are version {version} of the model already: use that one")]
    SameContent {
        /// The version that has them.
        version: u32,
    },
    /// A limit is reached.
    #[error("{found} {what}: at most {limit} are kept; remove archived versions or raise the limit")]
    Limit {
        /// What there would be too many of.
        what: &'static str,
        /// How many there would be.
        found: usize,
        /// Most.
        limit: usize,
    },
    /// A version cannot go from where it stands to where it should.
    #[error("version {version} is {from:?}: expected {expected}")]
    Transition {
        /// The version.
        version: u32,
        /// Where it stands.
        from: Stage,
        /// Where it should stand for this change.
        expected: &'static str,
    },
    /// Nothing was in production before.
    #[error("model `{name}` has no earlier version in production to go back to: promote another one")]
    NoEarlier {
        /// Name of the model.
        name: String,
    },
    /// A score that the rule asks for is not there.
    #[error("version {version} has no score of {measure}: measure it and add the score")]
    NoScore {
        /// The version.
        version: u32,
        /// The measure asked for.
        measure: Measure,
    },
    /// The candidate is worse than the rule allows.
    #[error("version {version} has {found} of {measure}: the rule asks for {needed}")]
    Worse {
        /// The candidate.
        version: u32,
        /// The measure.
        measure: Measure,
        /// Its score.
        found: f64,
        /// What would have been enough.
        needed: f64,
    },
    /// A score that is no number, or a setting out of range.
    #[error("`{name}` is {value}: expected {expected}")]
    Setting {
        /// Name of score or setting.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// An event that is not the next: one was lost, came twice, or two changes were prepared from the same state.
    #[error(
        "event {found} where event {expected} comes next: prepare the change again, or replay what is missing"
    )]
    Sequence {
        /// Number expected.
        expected: u64,
        /// Number found.
        found: u64,
    },
    /// Event or state that this registry cannot have written.
    #[error("{what} does not fit the registry: it was not written by one of these limits and this history")]
    Inconsistent {
        /// What does not fit.
        what: &'static str,
    },
}

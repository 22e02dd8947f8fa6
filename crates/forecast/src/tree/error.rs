//! What can go wrong with trees.

/// Why trees could not be grown or asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// No row or no feature.
    #[error(
        "the table has {rows} rows and {features} features: expected at least {needed} rows and 1 feature"
    )]
    Empty {
        /// Rows given.
        rows: usize,
        /// Features given.
        features: usize,
        /// Fewest rows.
        needed: usize,
    },
    /// A column or row of another length than the first.
    #[error("{name} {index} has {found} values: expected {needed}")]
    Length {
        /// `column`, `row`, `labels` …
        name: &'static str,
        /// Its position.
        index: usize,
        /// Values found.
        found: usize,
        /// Values needed.
        needed: usize,
    },
    /// A feature is infinite or beyond ±1e100. NaN marks a missing value and is fine.
    #[error("feature {feature} of row {row} is {value}: expected a number within ±1e100, or NaN for missing")]
    OutOfRange {
        /// Row.
        row: usize,
        /// Feature.
        feature: usize,
        /// The offending value.
        value: f64,
    },
    /// A label or weight that the loss cannot take.
    #[error("{name} of row {row} is {value}: expected {expected}")]
    Label {
        /// `label` or `weight`.
        name: &'static str,
        /// Row.
        row: usize,
        /// The offending value.
        value: f64,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// All labels are the same, so there is nothing to tell apart.
    #[error("all labels are {label}: expected rows of both classes")]
    OneClass {
        /// The only label.
        label: f64,
    },
    /// A setting is outside its range.
    #[error("setting `{name}` is {value}: expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What would have been accepted.
        expected: &'static str,
    },
}

/// Why bytes are not a model, or nodes not a tree.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The bytes do not begin like a model.
    #[error(
        "not a model of this format: expected `vmtrees` (trees) or `vmforecast` (forecasters) at the start"
    )]
    Magic,
    /// Written by a later version.
    #[error("model version {found} is not known: this library reads up to {known}")]
    Version {
        /// Version of the bytes.
        found: u16,
        /// Newest version this library reads.
        known: u16,
    },
    /// Another kind of model.
    #[error("model kind {found} where kind {expected} was expected")]
    Kind {
        /// Kind of the bytes.
        found: u8,
        /// Kind asked for.
        expected: u8,
    },
    /// The bytes end too early or go on too long.
    #[error("model of {length} bytes breaks off or goes on at byte {at}")]
    Size {
        /// Position where it was noticed.
        at: usize,
        /// Length of the bytes.
        length: usize,
    },
    /// The checksum does not fit.
    #[error("checksum of the model does not fit: the bytes were damaged")]
    Checksum,
    /// A node that no tree can have.
    #[error("node {node} of tree {tree}: {what}")]
    Node {
        /// Tree.
        tree: usize,
        /// Node.
        node: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A field of the head out of range.
    #[error("field `{name}` of the model is out of range")]
    Field {
        /// Name of the field.
        name: &'static str,
    },
}

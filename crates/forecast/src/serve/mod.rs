//! Answers of fitted models: one row, many rows, or values as they come, with the same bits.
//!
//! A [`ModelLoader`] makes a [`Servable`] of bytes and their declared [`ModelFormat`]; [`Inference`] checks what it is asked and
//! limits how much; a [`WorkQueue`] bounds what waits and spreads it over the threads of the host. Nothing changes once it is
//! loaded, so that any number of threads may share it without a lock.

mod forecaster;
mod loader;
mod queue;

pub use forecaster::StoredForecaster;
pub use loader::{ModelFormat, ModelLoader, Servable, StandardLoader};
pub use queue::{Answer, Ask, Batch, Overloaded, Ticket, WorkQueue};

use crate::{
    error::{MAX_MAGNITUDE, PredictError},
    failure::FittedFailureModel,
    tree::{FittedIsolation, ModelError, TreeModel, ordered},
};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// No loader knows bytes that begin like this.
    #[error("unknown model format: expected one of {known}")]
    Format {
        /// Formats the loader reads.
        known: &'static str,
    },
    /// The format is known, the model is damaged or of another version.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model refuses the horizon or a level.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The model answers other questions.
    #[error("this model has to be asked with {needed}")]
    Question {
        /// What it needs.
        needed: &'static str,
    },
    /// More bytes than the loader takes.
    #[error("model of {found} bytes: this loader takes at most {most}")]
    TooLarge {
        /// Bytes given.
        found: usize,
        /// Most that are taken.
        most: usize,
    },
    /// A row of another length than the model's.
    #[error("row {row} has {found} values: the model needs {needed}")]
    Width {
        /// Row.
        row: usize,
        /// Values found.
        found: usize,
        /// Values needed.
        needed: usize,
    },
    /// A value beyond ±1e100.
    #[error(
        "value {value} of feature {feature} in row {row}: expected NaN (missing) or a number within ±1e100"
    )]
    OutOfRange {
        /// Row.
        row: usize,
        /// Feature.
        feature: usize,
        /// Value.
        value: f64,
    },
    /// More rows at once than allowed.
    #[error("{found} rows at once: at most {most}, send them in parts")]
    TooMany {
        /// Rows given.
        found: usize,
        /// Most that are taken.
        most: usize,
    },
}

/// A fitted model that answers rows of a fixed length. Shared between threads, so it never changes.
pub trait Predictor: std::fmt::Debug + Send + Sync {
    /// Values per row, at least 1.
    fn features(&self) -> usize;

    /// The answer to a row of [`features`](Self::features) values, NaN where one is missing. The same row always gives the
    /// same bits.
    fn answer(&self, row: &[f64]) -> f64;
}

/// Probability of class 1, or the value of a regression.
impl Predictor for TreeModel {
    fn features(&self) -> usize {
        self.features()
    }

    fn answer(&self, row: &[f64]) -> f64 {
        self.predict(row)
    }
}

/// How alone the row is, 0 to 1.
impl Predictor for FittedIsolation {
    fn features(&self) -> usize {
        self.features()
    }

    fn answer(&self, row: &[f64]) -> f64 {
        self.score(row)
    }
}

/// Calibrated probability that a failure is near.
impl Predictor for FittedFailureModel {
    fn features(&self) -> usize {
        self.features()
    }

    fn answer(&self, row: &[f64]) -> f64 {
        self.probability(row)
    }
}

/// Work of a row as [`ordered`] counts it: an ensemble of some dozens of trees, so that small batches stay on one thread.
const WORK_OF_ROW: usize = 1 << 10;

/// A model behind checks and limits.
///
/// # Example
/// ```
/// use ecosystem_forecast::{serve::{ModelFormat, ModelLoader, StandardLoader}, tree::{Boosting, Table}};
/// let rows: Vec<[f64; 2]> = (0..100).map(|i| [f64::from(i % 10), f64::from(i % 7)]).collect();
/// let labels: Vec<f64> = rows.iter().map(|r| f64::from(u8::from(r[0] > 5.0))).collect();
/// let bytes = Boosting::classifier().fit(&Table::from_rows(&rows)?, &labels)?.to_bytes();
/// let model = StandardLoader::default().load(ModelFormat::Trees, &bytes)?;
/// let inference = model.into_rows().expect("trees answer rows");
/// let answers = inference.predict_batch(&[[9.0, 1.0], [1.0, f64::NAN]])?;
/// assert!(answers[0] > 0.9 && answers[1] < 0.1 && answers[0] == inference.predict(&[9.0, 1.0])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Inference {
    model: Box<dyn Predictor>,
    most_rows: usize,
}

impl Inference {
    /// At most 65,536 rows at once.
    pub fn new(model: Box<dyn Predictor>) -> Self {
        Self { model, most_rows: 1 << 16 }
    }

    /// Another limit of rows at once.
    #[must_use]
    pub fn with_most_rows(self, most_rows: usize) -> Self {
        Self { most_rows, ..self }
    }

    /// Values per row.
    pub fn features(&self) -> usize {
        self.model.features()
    }

    /// The answer to one row.
    pub fn predict(&self, row: &[f64]) -> Result<f64, ServeError> {
        self.check(0, row)?;
        Ok(self.model.answer(row))
    }

    /// The answers to many rows, in order, on several threads under feature `parallel`: all or, if one row is refused, none.
    pub fn predict_batch<R: AsRef<[f64]> + Sync>(&self, rows: &[R]) -> Result<Vec<f64>, ServeError> {
        self.check_count(rows.len())?;
        rows.iter().enumerate().try_for_each(|(at, row)| self.check(at, row.as_ref()))?;
        Ok(ordered(rows.len(), WORK_OF_ROW, |at| self.model.answer(rows[at].as_ref())))
    }

    /// A reader of values that come in pieces of any length.
    pub fn stream(&self) -> Stream<'_> {
        Stream { inference: self, row: Vec::new(), done: 0 }
    }

    fn check_width(&self, at: usize, row: &[f64]) -> Result<(), ServeError> {
        if row.len() != self.features() {
            return Err(ServeError::Width { row: at, found: row.len(), needed: self.features() });
        }
        Ok(())
    }

    fn check(&self, at: usize, row: &[f64]) -> Result<(), ServeError> {
        self.check_width(at, row)?;
        row.iter().enumerate().try_for_each(|(feature, &value)| check_value(at, feature, value))
    }

    fn check_count(&self, found: usize) -> Result<(), ServeError> {
        if found > self.most_rows {
            return Err(ServeError::TooMany { found, most: self.most_rows });
        }
        Ok(())
    }
}

fn check_value(row: usize, feature: usize, value: f64) -> Result<(), ServeError> {
    if value.abs() > MAX_MAGNITUDE {
        return Err(ServeError::OutOfRange { row, feature, value });
    }
    Ok(())
}

/// Answers row by row while values arrive. Keeps less than one row.
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    inference: &'a Inference,
    /// The row that is not complete yet.
    row: Vec<f64>,
    done: usize,
}

impl Stream<'_> {
    /// Takes the next values and gives the answers to the rows that they complete. A refused piece leaves the stream as it
    /// was; rows in its error count from the start of the stream.
    pub fn push(&mut self, values: &[f64]) -> Result<Vec<f64>, ServeError> {
        let width = self.inference.features().max(1);
        let held = self.row.len();
        self.inference.check_count(values.len() / width)?;
        for (at, &value) in values.iter().enumerate() {
            let place = held + at;
            check_value(self.done + place / width, place % width, value)?;
        }
        let mut answers = Vec::with_capacity((held + values.len()) / width);
        for &value in values {
            self.row.push(value);
            if self.row.len() == width {
                answers.push(self.inference.model.answer(&self.row));
                self.row.clear();
            }
        }
        self.done += answers.len();
        Ok(answers)
    }

    /// Values of the row that is not complete yet.
    pub fn pending(&self) -> usize {
        self.row.len()
    }
}

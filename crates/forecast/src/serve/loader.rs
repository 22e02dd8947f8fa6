//! From bytes and a declared format to a model that can be asked.

use super::{Inference, Predictor, ServeError, StoredForecaster};
use crate::{
    failure::FittedFailureModel,
    tree::{FittedIsolation, ModelError, TreeModel},
};
use std::str::FromStr;

/// What the bytes of a model are said to be.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ModelFormat {
    /// [`TreeModel::to_bytes`]: boosted trees and forests.
    Trees,
    /// [`FittedIsolation::to_bytes`].
    IsolationForest,
    /// [`FittedFailureModel::to_bytes`].
    FailureModel,
    /// [`StoredForecaster::to_bytes`].
    Forecaster,
}

impl ModelFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Trees, Self::IsolationForest, Self::FailureModel, Self::Forecaster];

    /// The names of all, for errors; a test holds it against them.
    const NAMES: &str = "`trees`, `isolation-forest`, `failure-model`, `forecaster`";

    /// Its name in requests and configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::IsolationForest => "isolation-forest",
            Self::FailureModel => "failure-model",
            Self::Forecaster => "forecaster",
        }
    }
}

impl std::fmt::Display for ModelFormat {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for ModelFormat {
    type Err = ServeError;

    fn from_str(text: &str) -> Result<Self, ServeError> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or(ServeError::Format { known: Self::NAMES })
    }
}

/// A model that is ready to answer. Nothing in it changes, so that threads share it without a lock.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a model is asked with a row or with a horizon")]
pub enum Servable {
    /// Answers rows.
    Rows(Inference),
    /// Continues a series.
    Series(StoredForecaster),
}

impl Servable {
    /// The model of rows, if it is one.
    pub fn into_rows(self) -> Option<Inference> {
        match self {
            Self::Rows(inference) => Some(inference),
            Self::Series(_) => None,
        }
    }
}

/// Makes a model of bytes of any origin: never a panic, never more memory than a small multiple of the bytes.
///
/// Hosts implement it for formats of their own; [`StandardLoader`] reads those of this crate.
pub trait ModelLoader: std::fmt::Debug + Send + Sync {
    /// The model, or what is wrong with the bytes.
    fn load(&self, format: ModelFormat, bytes: &[u8]) -> Result<Servable, ServeError>;
}

/// Reads every [`ModelFormat`]. Bytes of another format than the declared one are refused. O(bytes).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct StandardLoader {
    /// Most bytes of a model (default 64 MiB).
    pub most_bytes: usize,
}

impl Default for StandardLoader {
    fn default() -> Self {
        Self { most_bytes: 64 << 20 }
    }
}

impl ModelLoader for StandardLoader {
    fn load(&self, format: ModelFormat, bytes: &[u8]) -> Result<Servable, ServeError> {
        if bytes.len() > self.most_bytes {
            return Err(ServeError::TooLarge { found: bytes.len(), most: self.most_bytes });
        }
        let rows = |model: Box<dyn Predictor>| Servable::Rows(Inference::new(model));
        let read = match format {
            ModelFormat::Trees => TreeModel::from_bytes(bytes).map(|it| rows(Box::new(it))),
            ModelFormat::IsolationForest => FittedIsolation::from_bytes(bytes).map(|it| rows(Box::new(it))),
            ModelFormat::FailureModel => FittedFailureModel::from_bytes(bytes).map(|it| rows(Box::new(it))),
            ModelFormat::Forecaster => StoredForecaster::from_bytes(bytes).map(Servable::Series),
        };
        read.map_err(|error| match (error, format) {
            (ModelError::Magic, ModelFormat::Forecaster) => ServeError::Format { known: "`vmforecast`" },
            (ModelError::Magic, _) => ServeError::Format { known: "`vmtrees`" },
            (other, _) => other.into(),
        })
    }
}

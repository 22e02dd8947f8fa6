//! Features as the input of a model: chosen, filled and selected in training, repeated bit for bit in serving.

use super::extractor::{Extractor, FeatureError};
use super::selection::{Relevance, Selection, SelectionError, Target, relevance};
use super::set::FeatureSet;

/// Why a pipeline could not be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// Features could not be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// Features could not be judged.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A stored pipeline has another number of fill values than features.
    #[error("{fills} fill values for {features} features, expected as many")]
    Stored {
        /// Number of fill values.
        fills: usize,
        /// Number of features.
        features: usize,
    },
}

/// What replaces values that are not finite, per feature, learnt in training.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Fill {
    /// For −∞: the smallest finite value.
    pub low: f64,
    /// For NaN: the median of the finite values.
    pub median: f64,
    /// For ∞: the largest finite value.
    pub high: f64,
}

impl Fill {
    /// All zero if no value is finite.
    fn learn(column: impl Iterator<Item = f64>) -> Self {
        let mut finite: Vec<f64> = column.filter(|v| v.is_finite()).collect();
        finite.sort_unstable_by(f64::total_cmp);
        match (finite.first(), finite.last()) {
            (Some(&low), Some(&high)) => Self { low, median: super::sum::median_sorted(&finite), high },
            _ => Self { low: 0.0, median: 0.0, high: 0.0 },
        }
    }

    fn apply(&self, value: f64) -> f64 {
        match value {
            v if v.is_nan() => self.median,
            v if v == f64::INFINITY => self.high,
            v if v == f64::NEG_INFINITY => self.low,
            v => v,
        }
    }
}

/// A fitted pipeline: features of a series, finite, in fixed order.
///
/// # Example
/// ```
/// use ecosystem_forecast::features::{FeatureSet, Pipeline, Selection, Target};
/// // Forty series; those of the second kind rise.
/// let kinds: Vec<bool> = (0..40).map(|k| k % 2 == 1).collect();
/// let panel: Vec<Vec<f64>> = (0..40)
///     .map(|k| (0..50).map(|i| f64::from((i * 7 + k * 3) % 11) + if k % 2 == 1 { f64::from(i) } else { 0.0 }).collect())
///     .collect();
/// let (mut pipeline, verdicts) =
///     Pipeline::fit_selected(FeatureSet::efficient(), &panel, Target::Binary(&kinds), &Selection::default())?;
/// assert!(pipeline.names().contains(&"linear_trend__attr_\"slope\"".to_owned()));
/// assert_eq!(verdicts.iter().filter(|v| v.relevant).count(), pipeline.names().len());
/// let row = pipeline.transform(&panel[3])?;
/// assert!(row.iter().all(|v| v.is_finite()));
/// # Ok::<(), ecosystem_forecast::features::PipelineError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "Stored", into = "Stored")
)]
pub struct Pipeline {
    extractor: Extractor,
    // INVARIANT: as many as features in the extractor's set.
    fills: Vec<Fill>,
}

/// The stored form; see [`Pipeline`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg(feature = "serde")]
struct Stored {
    features: FeatureSet,
    fills: Vec<Fill>,
}

#[cfg(feature = "serde")]
impl From<Pipeline> for Stored {
    fn from(pipeline: Pipeline) -> Self {
        Self { features: pipeline.extractor.set().clone(), fills: pipeline.fills }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Stored> for Pipeline {
    type Error = PipelineError;

    fn try_from(stored: Stored) -> Result<Self, PipelineError> {
        let (fills, features) = (stored.fills.len(), stored.features.len());
        if fills != features {
            return Err(PipelineError::Stored { fills, features });
        }
        Ok(Self { extractor: Extractor::new(stored.features)?, fills: stored.fills })
    }
}

impl Pipeline {
    /// Learns fill values for all features of the set.
    pub fn fit<S: AsRef<[f64]> + Sync>(set: FeatureSet, panel: &[S]) -> Result<Self, PipelineError> {
        let extractor = Extractor::new(set)?;
        let rows = extractor.extract_panel(panel)?;
        let fills = learn(&rows, extractor.set().len());
        Ok(Self { extractor, fills })
    }

    /// Learns fill values and keeps the features that have to do with the target; the verdicts are on the whole set.
    pub fn fit_selected<S: AsRef<[f64]> + Sync>(
        set: FeatureSet,
        panel: &[S],
        target: Target<'_>,
        selection: &Selection,
    ) -> Result<(Self, Vec<Relevance>), PipelineError> {
        let extractor = Extractor::new(set)?;
        let mut rows = extractor.extract_panel(panel)?;
        let fills = learn(&rows, extractor.set().len());
        for row in &mut rows {
            for (v, fill) in row.iter_mut().zip(&fills) {
                *v = fill.apply(*v);
            }
        }
        let verdicts = relevance(&rows, target, selection)?;
        let kept = |at: usize| verdicts.get(at).is_some_and(|v| v.relevant);
        let features =
            extractor.set().features().iter().enumerate().filter(|(i, _)| kept(*i)).map(|(_, f)| f.clone());
        let chosen = Extractor::new(features.collect())?;
        let fills = fills.into_iter().enumerate().filter(|(i, _)| kept(*i)).map(|(_, f)| f).collect();
        Ok((Self { extractor: chosen, fills }, verdicts))
    }

    /// The names of the features, in the order of the values.
    pub fn names(&self) -> Vec<String> {
        self.extractor.set().names()
    }

    /// The features.
    pub fn set(&self) -> &FeatureSet {
        self.extractor.set()
    }

    /// What replaces values that are not finite, per feature.
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// The features of one series; always finite.
    pub fn transform(&mut self, series: &[f64]) -> Result<Vec<f64>, FeatureError> {
        let mut row = self.extractor.extract(series)?;
        self.fill(&mut row);
        Ok(row)
    }

    /// The features of many series, one row each; the same bits as [`transform`](Self::transform).
    pub fn transform_panel<S: AsRef<[f64]> + Sync>(
        &self,
        panel: &[S],
    ) -> Result<Vec<Vec<f64>>, FeatureError> {
        let mut rows = self.extractor.extract_panel(panel)?;
        rows.iter_mut().for_each(|row| self.fill(row));
        Ok(rows)
    }

    fn fill(&self, row: &mut [f64]) {
        for (v, fill) in row.iter_mut().zip(&self.fills) {
            *v = fill.apply(*v);
        }
    }
}

fn learn(rows: &[Vec<f64>], columns: usize) -> Vec<Fill> {
    (0..columns).map(|j| Fill::learn(rows.iter().map(|r| r[j]))).collect()
}

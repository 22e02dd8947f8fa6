//! From series to rows of features.

use super::evaluate::evaluate;
use super::feature::{Feature, UnknownFeature};
use super::set::FeatureSet;
use super::workspace::Workspace;

/// Why features could not be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// A name is not in the catalogue.
    #[error(transparent)]
    Unknown(#[from] UnknownFeature),
    /// A parameter is outside the range in which the feature is defined and bounded in cost.
    #[error("feature `{feature}`: {reason}")]
    Parameter {
        /// The feature's name.
        feature: String,
        /// What is expected.
        reason: &'static str,
    },
    /// A value of a series is NaN or infinite.
    #[error("series {series}: value {value} at index {index}, expected a finite number")]
    NotFinite {
        /// Index of the series in the panel, 0 for a single series.
        series: usize,
        /// Index of the value in the series.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A series is longer than supported.
    #[error("series {series} has {length} values, expected at most {most}")]
    TooLong {
        /// Index of the series in the panel, 0 for a single series.
        series: usize,
        /// Its length.
        length: usize,
        /// The limit.
        most: usize,
    },
}

/// Longest series: positions are kept in 32 bits.
const LONGEST_SERIES: usize = 1 << 28;

/// Series per task; fixed, so that the work is cut the same way on any number of threads.
#[cfg(feature = "parallel")]
const CHUNK: usize = 16;

/// Computes a set of features for one series after the other.
///
/// Intermediate results (sorted copy, spectrum, autocorrelations, template matches …) are computed once per series and
/// shared by all features of the set; buffers and transform plans are kept from series to series. Values do not depend on
/// what was computed before, nor on which other features are in the set.
///
/// # Example
/// ```
/// use ecosystem_forecast::features::{Extractor, FeatureSet};
/// let set = FeatureSet::from_names(["mean", "number_peaks__n_1", "skewness"])?;
/// let mut extractor = Extractor::new(set)?;
/// let row = extractor.extract(&[1.0, 3.0, 2.0, 6.0, 1.0])?;
/// assert_eq!(row[0], 2.6);
/// assert_eq!(row[1], 2.0);
/// # Ok::<(), ecosystem_forecast::features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Extractor {
    set: FeatureSet,
    workspace: Workspace,
}

impl Extractor {
    /// Checks the parameters of every feature.
    pub fn new(set: FeatureSet) -> Result<Self, FeatureError> {
        for feature in set.features() {
            if let Some(reason) = refusal(feature) {
                return Err(FeatureError::Parameter { feature: feature.to_string(), reason });
            }
        }
        let longest_partial = set.features().iter().filter_map(|f| match f {
            Feature::PartialAutocorrelation { lag } => Some(*lag),
            _ => None,
        });
        let mut workspace = Workspace::default();
        workspace.longest_partial = longest_partial.max().unwrap_or(0);
        Ok(Self { set, workspace })
    }

    /// The features, in the order of the values.
    pub fn set(&self) -> &FeatureSet {
        &self.set
    }

    /// The features of one series, in the order of the set; NaN where a feature is not defined for the series.
    pub fn extract(&mut self, series: &[f64]) -> Result<Vec<f64>, FeatureError> {
        let mut row = Vec::with_capacity(self.set.len());
        self.extract_into(series, &mut row)?;
        Ok(row)
    }

    /// As [`extract`](Self::extract), appending to a buffer of the caller.
    pub fn extract_into(&mut self, series: &[f64], row: &mut Vec<f64>) -> Result<(), FeatureError> {
        check(series, 0)?;
        self.append(series, row);
        Ok(())
    }

    fn append(&mut self, series: &[f64], row: &mut Vec<f64>) {
        self.workspace.load(series);
        for feature in self.set.features() {
            row.push(evaluate(feature, &mut self.workspace));
        }
    }

    /// The features of many series, one row each. With crate feature `parallel` series are spread over threads; the
    /// result is the same, bit for bit.
    pub fn extract_panel<S: AsRef<[f64]> + Sync>(&self, panel: &[S]) -> Result<Vec<Vec<f64>>, FeatureError> {
        for (at, series) in panel.iter().enumerate() {
            check(series.as_ref(), at)?;
        }
        let rows = |part: &[S]| -> Vec<Vec<f64>> {
            let mut worker = self.clone();
            part.iter()
                .map(|series| {
                    let mut row = Vec::with_capacity(worker.set.len());
                    worker.append(series.as_ref(), &mut row);
                    row
                })
                .collect()
        };
        #[cfg(feature = "parallel")]
        {
            use rayon::prelude::*;
            let parts: Vec<Vec<Vec<f64>>> = panel.par_chunks(CHUNK).map(rows).collect();
            Ok(parts.into_iter().flatten().collect())
        }
        #[cfg(not(feature = "parallel"))]
        Ok(rows(panel))
    }
}

fn check(series: &[f64], at: usize) -> Result<(), FeatureError> {
    if series.len() > LONGEST_SERIES {
        return Err(FeatureError::TooLong { series: at, length: series.len(), most: LONGEST_SERIES });
    }
    match series.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => Err(FeatureError::NotFinite { series: at, index, value: series[index] }),
    }
}

/// Why a feature's parameters are refused, if they are.
fn refusal(feature: &Feature) -> Option<&'static str> {
    let (valid, reason) = match *feature {
        Feature::Quantile { q } | Feature::IndexMassQuantile { q } => {
            ((0.0..=1.0).contains(&q), "q must lie between 0 and 1")
        }
        Feature::ChangeQuantiles { qh, ql, .. } => {
            ((0.0..=1.0).contains(&ql) && (0.0..=1.0).contains(&qh), "ql and qh must lie between 0 and 1")
        }
        Feature::BinnedEntropy { max_bins: bins } | Feature::FourierEntropy { bins } => {
            ((1..=1_000_000).contains(&bins), "the number of bins must lie between 1 and 1000000")
        }
        Feature::LempelZivComplexity { bins } => {
            ((1..=1_000).contains(&bins), "the number of bins must lie between 1 and 1000")
        }
        Feature::EnergyRatioByChunks { num_segments, segment_focus } => {
            (segment_focus < num_segments, "segment_focus must be below num_segments")
        }
        Feature::AggLinearTrend { chunk_len, .. } => (chunk_len > 0, "chunk_len must be positive"),
        Feature::AggAutocorrelation { maxlag, .. } => (maxlag > 0, "maxlag must be positive"),
        Feature::PartialAutocorrelation { lag } => (lag <= 1_000, "lag must be at most 1000"),
        Feature::ArCoefficient { k, .. } => ((1..=100).contains(&k), "k must lie between 1 and 100"),
        Feature::FriedrichCoefficients { m, r, .. } | Feature::MaxLangevinFixedPoint { m, r } => {
            (m <= 10 && (1..=10_000).contains(&r), "m must be at most 10 and r between 1 and 10000")
        }
        Feature::ApproximateEntropy { m, r } => (
            (1..=super::calculators::templates::LONGEST_TEMPLATE).contains(&m) && r >= 0.0 && r.is_finite(),
            "m must lie between 1 and 62 and r must not be negative",
        ),
        Feature::PermutationEntropy { dimension, tau } => (
            (2..=20).contains(&dimension) && tau > 0,
            "dimension must lie between 2 and 20 and tau be positive",
        ),
        Feature::CwtCoefficients { w, .. } => ((1..=10_000).contains(&w), "w must lie between 1 and 10000"),
        Feature::NumberCwtPeaks { n } => ((1..=200).contains(&n), "n must lie between 1 and 200"),
        Feature::MatrixProfile { threshold, windows, .. } => (
            (-1.0..=1.0).contains(&threshold) && windows.is_none_or(|w| w >= 2),
            "threshold must lie between -1 and 1 and windows be at least 2",
        ),
        Feature::QuerySimilarityCount { threshold, .. } => {
            (threshold >= 0.0, "threshold must not be negative")
        }
        Feature::NumberPeaks { n } => (n > 0, "n must be positive"),
        Feature::SymmetryLooking { r } | Feature::LargeStandardDeviation { r } => {
            (r.is_finite(), "r must be finite")
        }
        _ => (true, ""),
    };
    let widths_hold = match feature {
        Feature::CwtCoefficients { w, widths, .. } => widths.contains(w),
        _ => true,
    };
    match (valid, widths_hold) {
        (true, true) => None,
        (true, false) => Some("w must be one of widths"),
        (false, _) => Some(reason),
    }
}

//! Named collections of features.

use super::feature::{Feature, UnknownFeature};
use super::parameter::{
    Aggregate, AutoLag, DickeyFullerAttribute, FourierPart, Number, Query, SpectrumMoment, TrendAttribute,
};

/// An ordered list of features; the order of the values that an extractor returns.
///
/// # Example
/// ```
/// use ecosystem_forecast::features::FeatureSet;
/// assert_eq!(FeatureSet::minimal().len(), 10);
/// assert_eq!(FeatureSet::comprehensive().len(), 788);
/// assert_eq!(FeatureSet::from_names(["mean", "c3__lag_1"])?.len(), 2);
/// # Ok::<(), ecosystem_forecast::features::UnknownFeature>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct FeatureSet {
    features: Vec<Feature>,
}

impl FeatureSet {
    /// The ten basic statistics of tsfresh's `MinimalFCParameters`.
    pub fn minimal() -> Self {
        Self {
            features: vec![
                Feature::SumValues,
                Feature::Median,
                Feature::Mean,
                Feature::Length,
                Feature::StandardDeviation,
                Feature::Variance,
                Feature::RootMeanSquare,
                Feature::Maximum,
                Feature::AbsoluteMaximum,
                Feature::Minimum,
            ],
        }
    }

    /// The 788 features of tsfresh's `ComprehensiveFCParameters`.
    pub fn comprehensive() -> Self {
        let mut f = plain();
        shape_and_distribution(&mut f);
        dependence(&mut f);
        spectrum(&mut f);
        entropy(&mut f);
        trend(&mut f);
        counts(&mut f);
        Self { features: f }
    }

    /// The 782 features of tsfresh's `EfficientFCParameters`: all but approximate and sample entropy.
    pub fn efficient() -> Self {
        let mut set = Self::comprehensive();
        set.features.retain(|f| !matches!(f, Feature::ApproximateEntropy { .. } | Feature::SampleEntropy));
        set
    }

    /// The 22 canonical features of Lubba et al. (2019).
    pub fn catch22() -> Self {
        let start = Feature::CALCULATORS.iter().position(|&n| n == "DN_HistogramMode_5").unwrap_or(0);
        Self {
            features: Feature::CALCULATORS[start..start + 22].iter().filter_map(|n| n.parse().ok()).collect(),
        }
    }

    /// catch22 with mean and standard deviation.
    pub fn catch24() -> Self {
        let mut set = Self::catch22();
        set.features.extend([Feature::Catch24Mean, Feature::Catch24Std]);
        set
    }

    /// A set by names, in the given order.
    pub fn from_names<I: IntoIterator<Item: AsRef<str>>>(names: I) -> Result<Self, UnknownFeature> {
        let features = names.into_iter().map(|n| n.as_ref().parse()).collect::<Result<_, _>>()?;
        Ok(Self { features })
    }

    /// The features, in order.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The names, in order.
    pub fn names(&self) -> Vec<String> {
        self.features.iter().map(ToString::to_string).collect()
    }

    /// Number of features.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Whether there is no feature.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }
}

impl FromIterator<Feature> for FeatureSet {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        Self { features: features.into_iter().collect() }
    }
}

impl Extend<Feature> for FeatureSet {
    fn extend<I: IntoIterator<Item = Feature>>(&mut self, features: I) {
        self.features.extend(features);
    }
}

/// Tenths 0.1 to 0.9 without the median, which has its own feature.
const TENTHS: [f64; 8] = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9];

/// The features without parameters (the catalogue's head).
fn plain() -> Vec<Feature> {
    let end = Feature::CALCULATORS
        .iter()
        .position(|&n| n == "time_reversal_asymmetry_statistic")
        .unwrap_or(Feature::CALCULATORS.len());
    Feature::CALCULATORS[..end].iter().filter_map(|n| n.parse().ok()).collect()
}

fn shape_and_distribution(f: &mut Vec<Feature>) {
    f.extend((1..=3).map(|lag| Feature::TimeReversalAsymmetryStatistic { lag }));
    f.extend((1..=3).map(|lag| Feature::C3 { lag }));
    f.extend([true, false].map(|normalize| Feature::CidCe { normalize }));
    // Products, not decimal literals: 3 · 0.05 is spelled 0.15000000000000002 in the established names.
    f.extend((0..20).map(|i| Feature::SymmetryLooking { r: f64::from(i) * 0.05 }));
    f.extend((1..20).map(|i| Feature::LargeStandardDeviation { r: f64::from(i) * 0.05 }));
    f.extend(TENTHS.map(|q| Feature::Quantile { q }));
}

fn dependence(f: &mut Vec<Feature>) {
    f.extend((0..10).map(|lag| Feature::Autocorrelation { lag }));
    let aggregates = [Aggregate::Mean, Aggregate::Median, Aggregate::Var];
    f.extend(aggregates.map(|f_agg| Feature::AggAutocorrelation { f_agg, maxlag: 40 }));
    f.extend((0..10).map(|lag| Feature::PartialAutocorrelation { lag }));
    f.extend([1, 5].map(|n| Feature::NumberCwtPeaks { n }));
    f.extend([1, 3, 5, 10, 50].map(|n| Feature::NumberPeaks { n }));
    f.push(Feature::BinnedEntropy { max_bins: 10 });
    f.extend(TENTHS.map(|q| Feature::IndexMassQuantile { q }));
}

fn spectrum(f: &mut Vec<Feature>) {
    let widths = [2, 5, 10, 20];
    for coeff in 0..15 {
        f.extend(widths.map(|w| Feature::CwtCoefficients { coeff, w, widths: widths.to_vec() }));
    }
    f.extend([2, 5, 8].map(|coeff| Feature::SpktWelchDensity { coeff }));
    f.extend((0..=10).map(|coeff| Feature::ArCoefficient { coeff, k: 10 }));
    let corners = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
    for ql in corners {
        for qh in corners.into_iter().filter(|&qh| ql < qh) {
            for isabs in [false, true] {
                f.extend([Aggregate::Mean, Aggregate::Var].map(|f_agg| Feature::ChangeQuantiles {
                    f_agg,
                    isabs,
                    qh,
                    ql,
                }));
            }
        }
    }
    for attr in [FourierPart::Real, FourierPart::Imag, FourierPart::Abs, FourierPart::Angle] {
        f.extend((0..100).map(|coeff| Feature::FftCoefficient { attr, coeff }));
    }
    let moments =
        [SpectrumMoment::Centroid, SpectrumMoment::Variance, SpectrumMoment::Skew, SpectrumMoment::Kurtosis];
    f.extend(moments.map(|aggtype| Feature::FftAggregated { aggtype }));
}

fn entropy(f: &mut Vec<Feature>) {
    f.extend([0.1, 0.3, 0.5, 0.7, 0.9].map(|r| Feature::ApproximateEntropy { m: 2, r }));
    f.extend((0..4).map(|coeff| Feature::FriedrichCoefficients { coeff, m: 3, r: 30 }));
    f.push(Feature::MaxLangevinFixedPoint { m: 3, r: 30 });
    f.extend([2, 3, 5, 10, 100].map(|bins| Feature::LempelZivComplexity { bins }));
    f.extend([2, 3, 5, 10, 100].map(|bins| Feature::FourierEntropy { bins }));
    f.extend((3..=7).map(|dimension| Feature::PermutationEntropy { dimension, tau: 1 }));
}

fn trend(f: &mut Vec<Feature>) {
    use DickeyFullerAttribute::{PValue as P, TestStat, UsedLag};
    use TrendAttribute::{Intercept, PValue, RValue, Slope, StdErr};
    let all = [PValue, RValue, Intercept, Slope, StdErr];
    f.extend(all.map(|attr| Feature::LinearTrend { attr }));
    f.extend(all.map(|attr| Feature::LinearTrendTimewise { attr }));
    for attr in [RValue, Intercept, Slope, StdErr] {
        for chunk_len in [5, 10, 50] {
            f.extend(
                [Aggregate::Max, Aggregate::Min, Aggregate::Mean, Aggregate::Var]
                    .map(|f_agg| Feature::AggLinearTrend { attr, chunk_len, f_agg }),
            );
        }
    }
    f.extend(
        [TestStat, P, UsedLag].map(|attr| Feature::AugmentedDickeyFuller { attr, autolag: AutoLag::Aic }),
    );
}

fn counts(f: &mut Vec<Feature>) {
    f.extend([0, 1, -1].map(|v| Feature::ValueCount { value: Number::Int(v) }));
    f.extend([
        Feature::RangeCount { max: Number::Int(1), min: Number::Int(-1) },
        Feature::RangeCount { max: Number::Int(0), min: Number::Float(-1e12) },
        Feature::RangeCount { max: Number::Float(1e12), min: Number::Int(0) },
    ]);
    f.extend([0, -1, 1].map(|m| Feature::NumberCrossingM { m: Number::Int(m) }));
    f.extend((0..10).map(|segment_focus| Feature::EnergyRatioByChunks { num_segments: 10, segment_focus }));
    let sigmas = [
        Number::Float(0.5),
        Number::Int(1),
        Number::Float(1.5),
        Number::Int(2),
        Number::Float(2.5),
        Number::Int(3),
        Number::Int(5),
        Number::Int(6),
        Number::Int(7),
        Number::Int(10),
    ];
    f.extend(sigmas.map(|r| Feature::RatioBeyondRSigma { r }));
    f.push(Feature::CountAbove { t: Number::Int(0) });
    f.push(Feature::CountBelow { t: Number::Int(0) });
    f.push(Feature::QuerySimilarityCount { query: Query::None, threshold: 0.0 });
    f.push(Feature::MeanNAbsoluteMax { number_of_maxima: 7 });
}

//! The catalogue: every feature with its typed parameters and its name.

use super::parameter::{
    Aggregate, AutoLag, DickeyFullerAttribute, FourierPart, Number, Parameter, ProfileFigure, Query,
    SpectrumMoment, TrendAttribute,
};
use core::fmt;
use core::str::FromStr;

/// What kind of number a feature is; decides how it is written to JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ValueKind {
    /// A real number.
    Real,
    /// 1.0 for true, 0.0 for false.
    Boolean,
}

/// A name that is no feature of the catalogue, or has parameters that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{name}` is not a feature name: {reason}")]
#[non_exhaustive]
pub struct UnknownFeature {
    /// The name as given.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

macro_rules! features {
    ($($(#[$doc:meta])* $variant:ident $name:literal $({ $($field:ident : $ty:ty),+ })? ;)+) => {
        /// One feature of a time series: a calculator with its parameters.
        ///
        /// `Display` gives the name (`c3__lag_2`), `FromStr` reads it back.
        ///
        /// # Example
        /// ```
        /// use ecosystem_forecast::features::Feature;
        /// let feature: Feature = "c3__lag_2".parse()?;
        /// assert_eq!(feature, Feature::C3 { lag: 2 });
        /// assert_eq!(feature.to_string(), "c3__lag_2");
        /// # Ok::<(), ecosystem_forecast::features::UnknownFeature>(())
        /// ```
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Feature {
            $($(#[$doc])* $variant $({ $(#[doc = concat!("Parameter `", stringify!($field), "` of the name.")] $field: $ty),+ })?,)+
        }

        impl Feature {
            /// The calculator's name, without parameters.
            pub fn calculator(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name,)+ }
            }

            /// The names of all calculators, in catalogue order.
            pub const CALCULATORS: &'static [&'static str] = &[$($name),+];
        }

        impl fmt::Display for Feature {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.calculator())?;
                match self {
                    $(Self::$variant $({ $($field),+ })? => {
                        $(let mut text = String::new();
                        $(if !$field.is_absent() {
                            text.push_str(concat!("__", stringify!($field), "_"));
                            $field.write(&mut text);
                        })+
                        f.write_str(&text)?;)?
                    })+
                }
                Ok(())
            }
        }

        impl FromStr for Feature {
            type Err = UnknownFeature;

            fn from_str(name: &str) -> Result<Self, UnknownFeature> {
                let mut parts = name.split("__");
                let calculator = parts.next().unwrap_or_default();
                let mut tokens: Vec<&str> = parts.collect();
                let feature = match calculator {
                    $($name => Self::$variant $({ $($field: take(name, &mut tokens, concat!(stringify!($field), "_"))?),+ })?,)+
                    _ => return Err(unknown(name, "no such calculator")),
                };
                match tokens.first() {
                    None => Ok(feature),
                    Some(extra) => Err(unknown(name, &format!("unexpected parameter `{extra}`"))),
                }
            }
        }
    };
}

features! {
    /// Is the variance larger than the standard deviation, that is larger than one?
    VarianceLargerThanStandardDeviation "variance_larger_than_standard_deviation";
    /// Does the largest value occur more than once?
    HasDuplicateMax "has_duplicate_max";
    /// Does the smallest value occur more than once?
    HasDuplicateMin "has_duplicate_min";
    /// Does any value occur more than once?
    HasDuplicate "has_duplicate";
    /// Sum of the values.
    SumValues "sum_values";
    /// Sum of the squares.
    AbsEnergy "abs_energy";
    /// Mean of `|x[i+1] − x[i]|`.
    MeanAbsChange "mean_abs_change";
    /// Mean of `x[i+1] − x[i]`.
    MeanChange "mean_change";
    /// Mean central second difference, halved.
    MeanSecondDerivativeCentral "mean_second_derivative_central";
    /// Median.
    Median "median";
    /// Arithmetic mean.
    Mean "mean";
    /// Number of values.
    Length "length";
    /// Population standard deviation.
    StandardDeviation "standard_deviation";
    /// Standard deviation divided by the mean.
    VariationCoefficient "variation_coefficient";
    /// Population variance.
    Variance "variance";
    /// Adjusted Fisher–Pearson skewness G1.
    Skewness "skewness";
    /// Adjusted Fisher–Pearson excess kurtosis G2.
    Kurtosis "kurtosis";
    /// Root of the mean square.
    RootMeanSquare "root_mean_square";
    /// Sum of `|x[i+1] − x[i]|`.
    AbsoluteSumOfChanges "absolute_sum_of_changes";
    /// Longest run of values below the mean.
    LongestStrikeBelowMean "longest_strike_below_mean";
    /// Longest run of values above the mean.
    LongestStrikeAboveMean "longest_strike_above_mean";
    /// Number of values above the mean.
    CountAboveMean "count_above_mean";
    /// Number of values below the mean.
    CountBelowMean "count_below_mean";
    /// Position just behind the last maximum, as share of the length.
    LastLocationOfMaximum "last_location_of_maximum";
    /// Position of the first maximum, as share of the length.
    FirstLocationOfMaximum "first_location_of_maximum";
    /// Position just behind the last minimum, as share of the length.
    LastLocationOfMinimum "last_location_of_minimum";
    /// Position of the first minimum, as share of the length.
    FirstLocationOfMinimum "first_location_of_minimum";
    /// Distinct values that occur more than once ÷ distinct values.
    PercentageOfReoccurringValuesToAllValues "percentage_of_reoccurring_values_to_all_values";
    /// Points whose value occurs more than once ÷ points.
    PercentageOfReoccurringDatapointsToAllDatapoints "percentage_of_reoccurring_datapoints_to_all_datapoints";
    /// Sum of the distinct values that occur more than once.
    SumOfReoccurringValues "sum_of_reoccurring_values";
    /// Sum of all points whose value occurs more than once.
    SumOfReoccurringDataPoints "sum_of_reoccurring_data_points";
    /// Distinct values ÷ points.
    RatioValueNumberToTimeSeriesLength "ratio_value_number_to_time_series_length";
    /// Sample entropy with m = 2 and tolerance 0.2 standard deviations (Richman and Moorman 2000).
    SampleEntropy "sample_entropy";
    /// Largest value.
    Maximum "maximum";
    /// Largest absolute value.
    AbsoluteMaximum "absolute_maximum";
    /// Smallest value.
    Minimum "minimum";
    /// Correlation of the leading digits' frequencies with Benford's law.
    BenfordCorrelation "benford_correlation";
    /// Time reversal asymmetry statistic (Fulcher and Jones 2014).
    TimeReversalAsymmetryStatistic "time_reversal_asymmetry_statistic" { lag: usize };
    /// Mean of `x[i+2·lag]·x[i+lag]·x[i]` (Schreiber and Schmitz 1997).
    C3 "c3" { lag: usize };
    /// Complexity estimate, the length of the difference vector (Batista 2014), optionally of the z-scored series.
    CidCe "cid_ce" { normalize: bool };
    /// Is |mean − median| < r · (max − min)?
    SymmetryLooking "symmetry_looking" { r: f64 };
    /// Is the standard deviation larger than r · (max − min)?
    LargeStandardDeviation "large_standard_deviation" { r: f64 };
    /// Quantile q, linearly interpolated.
    Quantile "quantile" { q: f64 };
    /// Autocorrelation at a lag, divisor n − lag; NaN for a variance of practically zero.
    Autocorrelation "autocorrelation" { lag: usize };
    /// Statistic of the autocorrelations at lags 1 to `maxlag`.
    AggAutocorrelation "agg_autocorrelation" { f_agg: Aggregate, maxlag: usize };
    /// Partial autocorrelation by the Levinson–Durbin recursion on the adjusted autocovariance.
    PartialAutocorrelation "partial_autocorrelation" { lag: usize };
    /// Number of ridge lines of the Ricker transform with widths 1 to n (Du, Kibbe and Lin 2006).
    NumberCwtPeaks "number_cwt_peaks" { n: usize };
    /// Number of values larger than their n neighbours on both sides.
    NumberPeaks "number_peaks" { n: usize };
    /// Entropy of the histogram with `max_bins` equal bins.
    BinnedEntropy "binned_entropy" { max_bins: usize };
    /// First position where the share q of the absolute mass is reached.
    IndexMassQuantile "index_mass_quantile" { q: f64 };
    /// Coefficient of the continuous wavelet transform with the Mexican hat; `w` is one of `widths`.
    CwtCoefficients "cwt_coefficients" { coeff: usize, w: usize, widths: Vec<usize> };
    /// Welch power spectral density at a frequency index (Hann windows of up to 256 points, half overlapping).
    SpktWelchDensity "spkt_welch_density" { coeff: usize };
    /// Coefficient of an autoregression of order `k` with constant (coefficient 0), by least squares.
    ArCoefficient "ar_coefficient" { coeff: usize, k: usize };
    /// Statistic of the changes whose both ends lie between the quantiles `ql` and `qh`.
    ChangeQuantiles "change_quantiles" { f_agg: Aggregate, isabs: bool, qh: f64, ql: f64 };
    /// Part of a Fourier coefficient; NaN beyond n / 2.
    FftCoefficient "fft_coefficient" { attr: FourierPart, coeff: usize };
    /// Moment of the absolute Fourier spectrum.
    FftAggregated "fft_aggregated" { aggtype: SpectrumMoment };
    /// Number of values equal to `value`.
    ValueCount "value_count" { value: Number };
    /// Number of values in the half-open range.
    RangeCount "range_count" { max: Number, min: Number };
    /// Approximate entropy (Pincus 1991) with templates of m points and tolerance r standard deviations.
    ApproximateEntropy "approximate_entropy" { m: usize, r: f64 };
    /// Coefficient of the polynomial of degree m fitted to the drift in r quantile bins (Friedrich 2000).
    FriedrichCoefficients "friedrich_coefficients" { coeff: usize, m: usize, r: usize };
    /// Largest real part of the roots of that polynomial.
    MaxLangevinFixedPoint "max_langevin_fixed_point" { m: usize, r: usize };
    /// Figure of the regression of the values on 0, 1, 2 ….
    LinearTrend "linear_trend" { attr: TrendAttribute };
    /// Figure of the regression of aggregated chunks on 0, 1, 2 ….
    AggLinearTrend "agg_linear_trend" { attr: TrendAttribute, chunk_len: usize, f_agg: Aggregate };
    /// Figure of the augmented Dickey–Fuller test with a constant.
    AugmentedDickeyFuller "augmented_dickey_fuller" { attr: DickeyFullerAttribute, autolag: AutoLag };
    /// Number of crossings of the level m.
    NumberCrossingM "number_crossing_m" { m: Number };
    /// Share of the energy in one of `num_segments` segments.
    EnergyRatioByChunks "energy_ratio_by_chunks" { num_segments: usize, segment_focus: usize };
    /// Share of values more than r standard deviations from the mean.
    RatioBeyondRSigma "ratio_beyond_r_sigma" { r: Number };
    /// As [`Feature::LinearTrend`] with time in hours; on this crate's regular series one step is one hour, so both are equal.
    LinearTrendTimewise "linear_trend_timewise" { attr: TrendAttribute };
    /// Share of values at or above t.
    CountAbove "count_above" { t: Number };
    /// Share of values at or below t.
    CountBelow "count_below" { t: Number };
    /// Number of phrases of the Lempel–Ziv (1978) parsing of the binned series ÷ length.
    LempelZivComplexity "lempel_ziv_complexity" { bins: usize };
    /// Entropy of the histogram of the normalised Welch spectrum.
    FourierEntropy "fourier_entropy" { bins: usize };
    /// Entropy of ordinal patterns (Bandt and Pompe 2002); windows start every `tau` points.
    PermutationEntropy "permutation_entropy" { dimension: usize, tau: usize };
    /// Number of stretches within a z-normalised Euclidean distance of a query; NaN without a query.
    QuerySimilarityCount "query_similarity_count" { query: Query, threshold: f64 };
    /// Figure of the matrix profile (distances of every stretch to its nearest other one) for `windows` values, or without
    /// `windows` for the longest useful window at the correlation `threshold`. In no default set; O(n²) per window.
    MatrixProfile "matrix_profile" { feature: ProfileFigure, threshold: f64, windows: Option<usize> };
    /// Mean of the `number_of_maxima` largest absolute values; NaN when there are not more values than that.
    MeanNAbsoluteMax "mean_n_absolute_max" { number_of_maxima: usize };
    /// catch22: mode of the histogram with 5 bins.
    HistogramMode5 "DN_HistogramMode_5";
    /// catch22: mode of the histogram with 10 bins.
    HistogramMode10 "DN_HistogramMode_10";
    /// catch22: median position of values above a rising threshold.
    OutlierIncludePositive "DN_OutlierInclude_p_001_mdrmd";
    /// catch22: median position of values below a falling threshold.
    OutlierIncludeNegative "DN_OutlierInclude_n_001_mdrmd";
    /// catch22: lag at which the autocorrelation falls below 1/e, interpolated.
    FirstCrossingAcf "CO_FirstCrossing_acf_1e_pointOfCrossing";
    /// catch22: first minimum of the autocorrelation.
    FirstMinAcf "CO_FirstMin_ac";
    /// catch22: power in the lowest fifth of frequencies.
    WelchArea5 "SP_Summaries_fft_area_5_1";
    /// catch22: frequency below which half of the power lies.
    WelchCentroid "SP_Summaries_fft_wq_50";
    /// catch22: standard deviation of the errors of a rolling three-point mean forecast.
    ForecastMean3Error "FC_LocalSimple_mean3_stde";
    /// catch22: change of the correlation length by differencing.
    ForecastMean1TauRatio "FC_LocalSimple_mean1_taurat";
    /// catch22: share of differences larger than 0.04 standard deviations.
    Pnn40 "MD_pNN_pnn40";
    /// catch22: longest run above the mean.
    LongStretchAboveMean "SB_BinaryStats_mean_longstretch1";
    /// catch22: longest run without a rise.
    LongStretchDecreasing "SB_BinaryStats_diff_longstretch0";
    /// catch22: entropy of pairs of letters in a three-letter alphabet of equal shares, with Miller's correction.
    MotifThreeEntropy "SB_MotifThree_quantile_hh";
    /// catch22: automutual information at lag 2 with five equal bins, with Miller's correction.
    HistogramAmi2 "CO_HistogramAMI_even_5bin_ami2";
    /// catch22: mean of cubed differences.
    TimeReversibility "CO_trev_1_num";
    /// catch22: first minimum of the Gaussian automutual information.
    AmiFirstMinimum "IN_AutoMutualInfoStats_40_gaussian_fmmi";
    /// catch22: trace of the covariance of the transition matrix of a three-letter alphabet.
    TransitionMatrixTrace "SB_TransitionMatrix_quantile_3_ac_sumdiagcov";
    /// catch22: period by the method of Wang, Smith and Hyndman (2007).
    PeriodicityWang "PD_PeriodicityWang_th0_01";
    /// catch22: misfit of an exponential to the distances in a two-dimensional embedding.
    EmbeddingDistanceFit "CO_Embed2_Dist_tau_d_expfit_meandiff";
    /// catch22: share of slow time scales by rescaled range fluctuation.
    FluctuationRange "SC_FluctAnal_2_rsrangefit_50_1_logi_prop_r1";
    /// catch22: share of slow time scales by detrended fluctuation analysis.
    FluctuationDfa "SC_FluctAnal_2_dfa_50_1_2_logi_prop_r1";
    /// Mean, as listed with catch22's 22 features.
    Catch24Mean "DN_mean";
    /// Sample standard deviation (divisor n − 1), as listed with catch22's 22 features.
    Catch24Std "DN_Spread_std";
}

impl Feature {
    /// Whether the value is a truth value or a number.
    pub fn kind(&self) -> ValueKind {
        match self {
            Self::VarianceLargerThanStandardDeviation
            | Self::HasDuplicateMax
            | Self::HasDuplicateMin
            | Self::HasDuplicate
            | Self::SymmetryLooking { .. }
            | Self::LargeStandardDeviation { .. } => ValueKind::Boolean,
            _ => ValueKind::Real,
        }
    }
}

fn unknown(name: &str, reason: &str) -> UnknownFeature {
    UnknownFeature { name: name.to_owned(), reason: reason.to_owned() }
}

/// Removes the token that starts with `prefix` and reads the rest of it.
fn take<T: Parameter>(name: &str, tokens: &mut Vec<&str>, prefix: &str) -> Result<T, UnknownFeature> {
    for i in 0..tokens.len() {
        if let Some(text) = tokens[i].strip_prefix(prefix)
            && let Some(value) = T::read(text)
        {
            tokens.remove(i);
            return Ok(value);
        }
    }
    let parameter = prefix.strip_suffix('_').unwrap_or(prefix);
    T::absent().ok_or_else(|| unknown(name, &format!("parameter `{parameter}` is missing or cannot be read")))
}

#[cfg(feature = "serde")]
impl serde::Serialize for Feature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Feature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_wrong_parameters_are_refused_with_a_reason() {
        for (name, reason) in [
            ("no_such_thing", "no such calculator"),
            ("c3", "parameter `lag` is missing or cannot be read"),
            ("c3__lag_x", "parameter `lag` is missing or cannot be read"),
            ("mean__lag_1", "unexpected parameter `lag_1`"),
            ("", "no such calculator"),
        ] {
            let error = name.parse::<Feature>().expect_err("must be refused");
            assert_eq!(error.reason, reason, "{name}");
        }
    }
}

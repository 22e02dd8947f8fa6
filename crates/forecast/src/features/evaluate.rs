//! From a feature to its value.

use super::calculators::{
    change, counts, dependence, histogram, langevin, location, patterns, shape, similar, spectrum, templates,
    trend, wavelet,
};
use super::feature::Feature;
use super::parameter::{Aggregate, DickeyFullerAttribute, ProfileFigure, Query, TrendAttribute};
use super::sum::{dot, quantile_sorted};
use super::workspace::{CorridorKey, Workspace};

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// The value of a feature of the loaded series. NaN where the feature is not defined.
pub(super) fn evaluate(f: &Feature, w: &mut Workspace) -> f64 {
    statistic(f, w)
        .or_else(|| count(f, w))
        .or_else(|| order(f, w))
        .or_else(|| dependence_of(f, w))
        .or_else(|| spectral(f, w))
        .or_else(|| complexity(f, w))
        .or_else(|| w.canonical().value(f))
        .unwrap_or(f64::NAN)
}

/// Moments and differences.
fn statistic(f: &Feature, w: &mut Workspace) -> Option<f64> {
    let b = w.basics;
    let x = &w.x;
    let n = x.len() as f64;
    Some(match *f {
        Feature::VarianceLargerThanStandardDeviation => truth(b.variance > b.deviation),
        Feature::SumValues => b.sum,
        Feature::AbsEnergy => dot(x, x),
        Feature::MeanAbsChange if x.len() < 2 => f64::NAN,
        Feature::MeanAbsChange => shape::absolute_sum_of_changes(x) / (n - 1.0),
        Feature::MeanChange => shape::mean_change(x),
        Feature::MeanSecondDerivativeCentral => shape::mean_second_derivative_central(x),
        Feature::Mean | Feature::Catch24Mean => b.mean,
        Feature::Length => n,
        Feature::StandardDeviation => b.deviation,
        Feature::VariationCoefficient if b.mean == 0.0 => f64::NAN,
        Feature::VariationCoefficient => b.deviation / b.mean,
        Feature::Variance => b.variance,
        Feature::Skewness => shape::skewness(x, b.mean),
        Feature::Kurtosis => shape::kurtosis(x, b.mean),
        Feature::RootMeanSquare => (dot(x, x) / n).sqrt(),
        Feature::AbsoluteSumOfChanges => shape::absolute_sum_of_changes(x),
        Feature::Maximum => b.max,
        Feature::Minimum => b.min,
        Feature::AbsoluteMaximum => b.max.abs().max(b.min.abs()),
        Feature::TimeReversalAsymmetryStatistic { lag } => shape::time_reversal_asymmetry(x, lag),
        Feature::C3 { lag } => shape::c3(x, lag),
        Feature::CidCe { normalize } => shape::cid_ce(x, normalize, &b),
        Feature::LargeStandardDeviation { r } => truth(b.deviation > r * (b.max - b.min)),
        Feature::EnergyRatioByChunks { num_segments, segment_focus } => {
            shape::energy_ratio(x, num_segments, segment_focus)
        }
        _ => return None,
    })
}

/// Counts, runs and places.
fn count(f: &Feature, w: &mut Workspace) -> Option<f64> {
    let b = w.basics;
    let x = &w.x;
    let n = x.len() as f64;
    Some(match *f {
        Feature::LongestStrikeBelowMean => counts::longest_run(x, |v| v < b.mean),
        Feature::LongestStrikeAboveMean => counts::longest_run(x, |v| v > b.mean),
        Feature::CountAboveMean => counts::count(x, |v| v > b.mean),
        Feature::CountBelowMean => counts::count(x, |v| v < b.mean),
        Feature::LastLocationOfMaximum => location::last_share(x, b.max),
        Feature::FirstLocationOfMaximum => location::first_share(x, b.max),
        Feature::LastLocationOfMinimum => location::last_share(x, b.min),
        Feature::FirstLocationOfMinimum => location::first_share(x, b.min),
        Feature::ValueCount { value } => counts::count(x, |v| v == value.value()),
        Feature::RangeCount { max, min } => counts::count(x, |v| v >= min.value() && v < max.value()),
        Feature::NumberCrossingM { m } => counts::crossings(x, m.value()),
        Feature::RatioBeyondRSigma { r } => {
            let limit = r.value() * b.deviation;
            counts::count(x, |v| (v - b.mean).abs() > limit) / n
        }
        Feature::CountAbove { t } => counts::count(x, |v| v >= t.value()) / n,
        Feature::CountBelow { t } => counts::count(x, |v| v <= t.value()) / n,
        Feature::BenfordCorrelation => w.benford(),
        Feature::NumberPeaks { n } => w.support().peaks(n),
        _ => return None,
    })
}

/// What rests on the sorted series.
fn order(f: &Feature, w: &mut Workspace) -> Option<f64> {
    let b = w.basics;
    let n = w.x.len() as f64;
    Some(match *f {
        Feature::HasDuplicateMax => truth(w.reoccurrence().repeated_max),
        Feature::HasDuplicateMin => truth(w.reoccurrence().repeated_min),
        Feature::HasDuplicate => truth(w.reoccurrence().repeated > 0),
        Feature::Median => super::sum::median_sorted(w.sorted()),
        Feature::Quantile { q } => quantile_sorted(w.sorted(), q),
        Feature::SymmetryLooking { r } => {
            let median = super::sum::median_sorted(w.sorted());
            truth((b.mean - median).abs() < r * (b.max - b.min))
        }
        Feature::PercentageOfReoccurringValuesToAllValues => {
            let r = w.reoccurrence();
            r.repeated as f64 / r.distinct as f64
        }
        Feature::PercentageOfReoccurringDatapointsToAllDatapoints => {
            w.reoccurrence().repeated_points as f64 / n
        }
        Feature::SumOfReoccurringValues => w.reoccurrence().sum_values,
        Feature::SumOfReoccurringDataPoints => w.reoccurrence().sum_points,
        Feature::RatioValueNumberToTimeSeriesLength => w.reoccurrence().distinct as f64 / n,
        Feature::MeanNAbsoluteMax { number_of_maxima } => {
            shape::mean_n_absolute_max(w.sorted(), number_of_maxima)
        }
        Feature::IndexMassQuantile { q } => {
            let (mass, total) = w.mass();
            location::index_mass_quantile(mass, total, q)
        }
        Feature::ChangeQuantiles { f_agg, isabs, qh, ql } => {
            change_quantiles(w, CorridorKey { ql, qh, isabs }, f_agg)
        }
        _ => return None,
    })
}

/// Regressions and autocorrelations.
fn dependence_of(f: &Feature, w: &mut Workspace) -> Option<f64> {
    let variance = w.basics.variance;
    Some(match *f {
        Feature::Autocorrelation { lag } => dependence::autocorrelation(w.lag_sums(), lag, variance),
        Feature::AggAutocorrelation { f_agg, maxlag } => {
            if w.x.is_empty() {
                return Some(f64::NAN);
            }
            w.autocorrelations(maxlag);
            change::aggregate(&w.autocorrelations.1, f_agg, &mut w.scratch)
        }
        Feature::PartialAutocorrelation { lag } => partial_autocorrelation(w, lag),
        Feature::ArCoefficient { coeff, k } => ar_coefficient(w, coeff, k),
        Feature::LinearTrend { attr } | Feature::LinearTrendTimewise { attr } => w.trend().attribute(attr),
        Feature::AggLinearTrend { attr, chunk_len, f_agg } => chunk_trend(w, attr, chunk_len, f_agg),
        Feature::AugmentedDickeyFuller { attr, autolag } => {
            let test = w.unit_root(autolag);
            match attr {
                DickeyFullerAttribute::TestStat => test.statistic,
                DickeyFullerAttribute::PValue => test.pvalue,
                DickeyFullerAttribute::UsedLag => test.lags,
            }
        }
        Feature::FriedrichCoefficients { coeff, m, r } => {
            w.drift(m, r).and_then(|c| c.get(coeff).copied()).unwrap_or(f64::NAN)
        }
        Feature::MaxLangevinFixedPoint { m, r } => w.drift(m, r).map_or(f64::NAN, langevin::largest_root),
        _ => return None,
    })
}

/// Fourier and wavelet transforms.
fn spectral(f: &Feature, w: &mut Workspace) -> Option<f64> {
    Some(match *f {
        Feature::FftCoefficient { attr, coeff } => {
            let (re, im) = w.spectrum();
            spectrum::fourier_part(re, im, coeff, attr)
        }
        Feature::FftAggregated { aggtype } => w.spectrum_moments().moment(aggtype),
        Feature::SpktWelchDensity { coeff } => w.density().get(coeff).copied().unwrap_or(f64::NAN),
        Feature::FourierEntropy { bins } => {
            let (density, counts) = w.density_and_counts();
            spectrum::fourier_entropy(density, bins, counts)
        }
        Feature::CwtCoefficients { coeff, w: width, .. } => w.wavelet_coefficient(width, coeff),
        Feature::NumberCwtPeaks { n } => wavelet::ridge_peaks(&w.x, n, &mut w.ridges),
        _ => return None,
    })
}

/// Entropies and complexities.
fn complexity(f: &Feature, w: &mut Workspace) -> Option<f64> {
    let b = w.basics;
    let n = w.x.len();
    Some(match *f {
        Feature::BinnedEntropy { max_bins } => {
            if n == 0 {
                return Some(f64::NAN);
            }
            histogram::equal_bins(w.x.iter().copied(), b.min, b.max, max_bins, &mut w.counts);
            histogram::entropy(&w.counts, n)
        }
        Feature::SampleEntropy if n < 4 => f64::NAN,
        Feature::SampleEntropy => templates::sample_entropy(n, 2, &w.matches(2, 0.2 * b.deviation)),
        Feature::ApproximateEntropy { m, .. } if n <= m + 1 => 0.0,
        Feature::ApproximateEntropy { m, r } => {
            templates::approximate_entropy(n, m, &w.matches(m, r * b.deviation))
        }
        Feature::LempelZivComplexity { bins } => {
            patterns::lempel_ziv(&w.x, b.min, b.max, bins, &mut w.patterns)
        }
        Feature::PermutationEntropy { dimension, tau } => {
            patterns::permutation_entropy(&w.x, dimension, tau, &mut w.patterns)
        }
        Feature::QuerySimilarityCount { query: Query::None, .. } => f64::NAN,
        Feature::QuerySimilarityCount { query: Query::Values(ref query), threshold } => {
            similar::query_count(&w.x, query, threshold)
        }
        Feature::MatrixProfile { feature, threshold, windows } => {
            profile_figure(w.profile(windows, threshold), feature)
        }
        _ => return None,
    })
}

fn profile_figure(sorted: &[f64], figure: ProfileFigure) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    match figure {
        ProfileFigure::Min => sorted[0],
        ProfileFigure::Max => sorted[sorted.len() - 1],
        ProfileFigure::Mean => sorted.iter().sum::<f64>() / sorted.len() as f64,
        ProfileFigure::Median => quantile_sorted(sorted, 0.5),
        ProfileFigure::Quarter => quantile_sorted(sorted, 0.25),
        ProfileFigure::ThreeQuarters => quantile_sorted(sorted, 0.75),
    }
}

fn change_quantiles(w: &mut Workspace, key: CorridorKey, f_agg: Aggregate) -> f64 {
    let slot = match f_agg {
        Aggregate::Mean => Some(0),
        Aggregate::Var => Some(1),
        _ => None,
    };
    let same = |k: &CorridorKey| k.ql == key.ql && k.qh == key.qh && k.isabs == key.isabs;
    if let (Some(slot), Some((_, found))) = (slot, w.corridors.iter().find(|c| same(&c.0))) {
        return found[slot];
    }
    w.sorted();
    let mut values = core::mem::take(&mut w.values);
    let (x, sorted) = w.series_and_sorted();
    change::corridor(x, sorted, key.ql, key.qh, &mut values);
    let mut asked = 0.0;
    for isabs in [false, true] {
        if isabs {
            values.iter_mut().for_each(|v| *v = v.abs());
        }
        let figures = if values.is_empty() {
            [0.0; 2]
        } else {
            [Aggregate::Mean, Aggregate::Var].map(|f| change::aggregate(&values, f, &mut w.scratch))
        };
        if isabs == key.isabs && !values.is_empty() {
            asked = slot.map_or_else(|| change::aggregate(&values, f_agg, &mut w.scratch), |s| figures[s]);
        }
        w.corridors.push((CorridorKey { isabs, ..key }, figures));
    }
    w.values = values;
    asked
}

fn partial_autocorrelation(w: &mut Workspace, lag: usize) -> f64 {
    // All lags of the set at once; the recursion is the same for shorter ones.
    let lags = lag.max(w.longest_partial).max(1);
    if w.partials.len() != lags + 1 {
        let mut out = core::mem::take(&mut w.partials);
        dependence::partial_autocorrelations(w.lag_sums(), lags, &mut out);
        w.partials = out;
    }
    w.partials[lag]
}

fn ar_coefficient(w: &mut Workspace, coeff: usize, k: usize) -> f64 {
    let known = w.autoregressions.iter().position(|a| a.0 == k);
    let at = known.unwrap_or_else(|| {
        w.autoregressions.push((k, super::linear::autoregression(&w.x, k)));
        w.autoregressions.len() - 1
    });
    match &w.autoregressions[at].1 {
        Some(c) => c.get(coeff).copied().unwrap_or(0.0),
        None if w.x.is_empty() || coeff < k => f64::NAN,
        // By definition of the feature a coefficient beyond the list is zero, and a failed fit lists k of them.
        None => 0.0,
    }
}

fn chunk_trend(w: &mut Workspace, attr: TrendAttribute, chunk_len: usize, f_agg: Aggregate) -> f64 {
    let key = (chunk_len, f_agg);
    if let Some((_, found)) = w.chunk_trends.iter().find(|t| t.0 == key) {
        return found.attribute(attr);
    }
    w.values.clear();
    for chunk in w.x.chunks(chunk_len) {
        w.values.push(change::aggregate(chunk, f_agg, &mut w.scratch));
    }
    let trend = trend::Trend::new(&w.values);
    w.chunk_trends.push((key, trend));
    trend.attribute(attr)
}

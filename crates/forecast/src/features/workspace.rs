//! One series with the intermediate results that features share; buffers live on from series to series.

use super::calculators::counts::DigitTable;
use super::calculators::dependence::LagSums;
use super::calculators::dickey_fuller::DickeyFuller;
use super::calculators::patterns::PatternScratch;
use super::calculators::peaks::Support;
use super::calculators::reoccurrence::Reoccurrence;
use super::calculators::shape::Basics;
use super::calculators::similar::sorted_profile;
use super::calculators::spectrum::{SpectrumMoments, Welch};
use super::calculators::templates::{Matches, TemplateScratch, count_matches};
use super::calculators::trend::Trend;
use super::calculators::wavelet::{Filter, RidgeScratch};
use super::catch22::Canonical;
use super::fft::FftPlans;
use super::parameter::{Aggregate, AutoLag};

/// Results that are computed on first use.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one flag per result, all reset together")]
struct Ready {
    sorted: bool,
    order: bool,
    reoccurrence: bool,
    mass: bool,
    spectrum: bool,
    moments: bool,
    density: bool,
    support: bool,
    trend: bool,
    centred: bool,
    canonical: bool,
}

/// Statistics of the changes within one corridor of quantiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct CorridorKey {
    pub(super) ql: f64,
    pub(super) qh: f64,
    pub(super) isabs: bool,
}

/// Window of a matrix profile, and the bits of its threshold.
type ProfileKey = (Option<usize>, u64);

/// Degree, bins and polynomial of a drift.
type Drift = ((usize, usize), Option<Vec<f64>>);

#[derive(Clone, Debug, Default)]
pub(super) struct Workspace {
    ready: Ready,
    pub(super) x: Vec<f64>,
    pub(super) basics: Basics,
    sorted: Vec<f64>,
    order: Vec<u32>,
    keys: Vec<(u64, u32)>,
    reoccurrence: Reoccurrence,
    mass: Vec<f64>,
    re: Vec<f64>,
    im: Vec<f64>,
    moments: SpectrumMoments,
    density: Vec<f64>,
    support: Support,
    trend: Option<Trend>,
    lag_sums: LagSums,
    canonical: Canonical,
    // Results by parameter; short lists, searched linearly.
    pub(super) chunk_trends: Vec<((usize, Aggregate), Trend)>,
    pub(super) corridors: Vec<(CorridorKey, [f64; 2])>,
    pub(super) autoregressions: Vec<(usize, Option<Vec<f64>>)>,
    pub(super) partials: Vec<f64>,
    /// Longest lag in the set.
    pub(super) longest_partial: usize,
    pub(super) autocorrelations: (Option<usize>, Vec<f64>),
    drifts: Vec<Drift>,
    unit_roots: Vec<(AutoLag, DickeyFuller)>,
    matches: Vec<((usize, u64), Matches)>,
    profiles: Vec<(ProfileKey, Vec<f64>)>,
    // Kept from series to series.
    pub(super) plans: FftPlans,
    welch: Welch,
    pub(super) patterns: PatternScratch,
    templates: TemplateScratch,
    pub(super) ridges: RidgeScratch,
    filters: Vec<Filter>,
    digits: Option<DigitTable>,
    pub(super) counts: Vec<u32>,
    pub(super) values: Vec<f64>,
    pub(super) scratch: Vec<f64>,
}

impl Workspace {
    /// Starts a new series.
    pub(super) fn load(&mut self, x: &[f64]) {
        self.ready = Ready::default();
        self.x.clear();
        self.x.extend_from_slice(x);
        self.basics = Basics::new(x);
        self.chunk_trends.clear();
        self.corridors.clear();
        self.autoregressions.clear();
        self.partials.clear();
        self.autocorrelations.0 = None;
        self.drifts.clear();
        self.unit_roots.clear();
        self.matches.clear();
        self.profiles.clear();
        self.ridges.reset();
    }

    /// The sorted matrix profile.
    pub(super) fn profile(&mut self, window: Option<usize>, threshold: f64) -> &[f64] {
        let key = (window, threshold.to_bits());
        let at = self.profiles.iter().position(|p| p.0 == key).unwrap_or_else(|| {
            self.profiles.push((key, sorted_profile(&self.x, window, threshold)));
            self.profiles.len() - 1
        });
        &self.profiles[at].1
    }

    pub(super) fn sorted(&mut self) -> &[f64] {
        if !self.ready.sorted {
            self.ready.sorted = true;
            self.sort();
            self.sorted.clear();
            let x = &self.x;
            self.sorted.extend(self.order.iter().map(|&i| x[i as usize]));
        }
        &self.sorted
    }

    /// Finds the places of the values in ascending order, once for everything that needs order.
    fn sort(&mut self) {
        if self.ready.order {
            return;
        }
        self.ready.order = true;
        self.keys.clear();
        // Bits of a double sort as integers once the negative ones are turned round.
        let key = |v: f64| {
            let bits = (v + 0.0).to_bits();
            if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
        };
        self.keys.extend(self.x.iter().enumerate().map(|(i, &v)| (key(v), i as u32)));
        self.keys.sort_unstable();
        self.order.clear();
        self.order.extend(self.keys.iter().map(|k| k.1));
    }

    /// The series and its sorted copy.
    pub(super) fn series_and_sorted(&mut self) -> (&[f64], &[f64]) {
        self.sorted();
        (&self.x, &self.sorted)
    }

    pub(super) fn reoccurrence(&mut self) -> Reoccurrence {
        if !self.ready.reoccurrence {
            self.ready.reoccurrence = true;
            self.reoccurrence = Reoccurrence::new(self.sorted());
        }
        self.reoccurrence
    }

    /// Running sum of absolute values, and their pairwise total.
    pub(super) fn mass(&mut self) -> (&[f64], f64) {
        if !self.ready.mass {
            self.ready.mass = true;
            self.mass.clear();
            let mut total = 0.0;
            self.mass.extend(self.x.iter().map(|v| {
                total += v.abs();
                total
            }));
        }
        let total = super::sum::sum_by(&self.x, f64::abs);
        (&self.mass, total)
    }

    /// Real and imaginary parts of the spectrum.
    pub(super) fn spectrum(&mut self) -> (&[f64], &[f64]) {
        if !self.ready.spectrum {
            self.ready.spectrum = true;
            let x = &self.x;
            if x.is_empty() {
                self.re.clear();
                self.im.clear();
            } else {
                self.plans.plan(x.len()).forward(|i| x[i], &mut self.re, &mut self.im);
            }
        }
        (&self.re, &self.im)
    }

    pub(super) fn spectrum_moments(&mut self) -> SpectrumMoments {
        if !self.ready.moments {
            self.ready.moments = true;
            let (re, im) = self.spectrum();
            self.moments = SpectrumMoments::new(re, im);
        }
        self.moments
    }

    /// Welch's power spectral density.
    pub(super) fn density(&mut self) -> &[f64] {
        if !self.ready.density {
            self.ready.density = true;
            self.welch.density(&self.x, &mut self.plans, &mut self.density);
        }
        &self.density
    }

    pub(super) fn density_and_counts(&mut self) -> (&[f64], &mut Vec<u32>) {
        self.density();
        (&self.density, &mut self.counts)
    }

    pub(super) fn support(&mut self) -> &Support {
        if !self.ready.support {
            self.ready.support = true;
            self.support.load(&self.x);
        }
        &self.support
    }

    pub(super) fn trend(&mut self) -> Trend {
        if let Some(trend) = self.trend.filter(|_| self.ready.trend) {
            return trend;
        }
        self.ready.trend = true;
        *self.trend.insert(Trend::new(&self.x))
    }

    pub(super) fn lag_sums(&mut self) -> &mut LagSums {
        if !self.ready.centred {
            self.ready.centred = true;
            self.lag_sums.load(&self.x, self.basics.mean);
        }
        &mut self.lag_sums
    }

    /// Adjusted autocorrelations at lags 1 … `maxlag`.
    pub(super) fn autocorrelations(&mut self, maxlag: usize) -> &[f64] {
        if self.autocorrelations.0 != Some(maxlag) {
            let variance = self.basics.variance;
            let mut out = core::mem::take(&mut self.autocorrelations.1);
            super::calculators::dependence::autocorrelations(self.lag_sums(), maxlag, variance, &mut out);
            self.autocorrelations = (Some(maxlag), out);
        }
        &self.autocorrelations.1
    }

    pub(super) fn drift(&mut self, m: usize, r: usize) -> Option<&[f64]> {
        let at = self.drifts.iter().position(|d| d.0 == (m, r)).unwrap_or_else(|| {
            self.drifts.push(((m, r), super::calculators::langevin::drift_polynomial(&self.x, m, r)));
            self.drifts.len() - 1
        });
        self.drifts[at].1.as_deref()
    }

    pub(super) fn unit_root(&mut self, autolag: AutoLag) -> DickeyFuller {
        if let Some((_, found)) = self.unit_roots.iter().find(|u| u.0 == autolag) {
            return *found;
        }
        let result = DickeyFuller::new(&self.x, autolag);
        self.unit_roots.push((autolag, result));
        result
    }

    /// Template matches of length m and m + 1 within `tolerance`; expects m + 1 < n.
    pub(super) fn matches(&mut self, m: usize, tolerance: f64) -> Matches {
        let key = (m, tolerance.to_bits());
        if let Some((_, found)) = self.matches.iter().find(|f| f.0 == key) {
            return *found;
        }
        self.sort();
        let result = count_matches(&self.x, &self.order, m, tolerance, &mut self.templates);
        self.matches.push((key, result));
        result
    }

    /// Coefficient of the continuous wavelet transform.
    pub(super) fn wavelet_coefficient(&mut self, width: usize, at: usize) -> f64 {
        let filter = self.filters.iter().position(|f| f.width == width).unwrap_or_else(|| {
            self.filters.push(Filter::new(width));
            self.filters.len() - 1
        });
        self.filters[filter].coefficient(&self.x, at)
    }

    pub(super) fn benford(&mut self) -> f64 {
        let table = self.digits.get_or_insert_with(DigitTable::new);
        super::calculators::counts::benford_correlation(&self.x, table)
    }

    /// The z-scored series with its own shared results, for catch22.
    pub(super) fn canonical(&mut self) -> &mut Canonical {
        if !self.ready.canonical {
            self.ready.canonical = true;
            self.sort();
            self.canonical.load(&self.x, &self.order);
        }
        &mut self.canonical
    }
}

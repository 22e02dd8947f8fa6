//! Finding seasons: periodogram proposes, autocorrelation decides.

use crate::{
    gaps::fill_gaps,
    stats::{autocorrelations, mean, variance},
};

/// A season found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Season {
    /// Length in steps.
    pub period: usize,
    /// Autocorrelation at that lag, after the shorter seasons found before have been removed: 0 to 1.
    pub strength: f64,
}

/// Finds up to `most` seasons, shortest first.
///
/// The linear trend is removed; peaks of the periodogram (power at least ten times the mean) propose periods, strongest
/// first; each is refined to the best autocorrelation peak within the resolution of its frequency and accepted when that lies above both
/// 0.2 and twice the standard error `1.96/√n`. A season found is removed as phase means before the next one is looked for.
/// Periods longer than a third of the data cannot be found.
///
/// Cost: O(n·√n + n·candidates) – powers are computed for all n/2 frequencies up to 4,096 values, above that on
/// averages of neighbouring values.
///
/// Vlachos, Yu & Castelli (2005), On periodicity detection and structural periodic similarity (AUTOPERIOD).
///
/// # Example
/// ```
/// let load: Vec<f64> = (0..24 * 28)
///     .map(|h| f64::from(h % 24) + if h / 24 % 7 > 4 { -12.0 } else { 0.0 } + f64::from(h * 7919 % 101) / 50.0)
///     .collect();
/// let periods: Vec<usize> = ecosystem_forecast::find_seasons(&load, 2).iter().map(|s| s.period).collect();
/// assert_eq!(periods, [24, 168]);
/// ```
pub fn find_seasons(values: &[f64], most: usize) -> Vec<Season> {
    let n = values.len();
    if n < 12 || values.iter().any(|v| v.is_infinite()) {
        return Vec::new();
    }
    let mut rest = detrended(&fill_gaps(values, &[]));
    let total = variance(&rest);
    let mut found: Vec<Season> = Vec::new();
    while found.len() < most.min(8) && variance(&rest) > 1e-6 * total {
        let Some(season) = strongest(&rest) else { break };
        if found.iter().any(|s| s.period == season.period) {
            break;
        }
        remove_phase_means(&mut rest, season.period);
        found.push(season);
    }
    found.sort_by_key(|s| s.period);
    found
}

fn detrended(values: &[f64]) -> Vec<f64> {
    let n = values.len() as f64;
    let center = (n - 1.0) / 2.0;
    let m = mean(values);
    let (mut sxy, mut sxx) = (0.0, 0.0);
    for (i, v) in values.iter().enumerate() {
        let x = i as f64 - center;
        sxy += x * (v - m);
        sxx += x * x;
    }
    let slope = sxy / sxx;
    values.iter().enumerate().map(|(i, v)| v - m - slope * (i as f64 - center)).collect()
}

fn strongest(rest: &[f64]) -> Option<Season> {
    let n = rest.len();
    let factor = n.div_ceil(4096);
    let coarse: Vec<f64> = rest.chunks_exact(factor).map(mean).collect();
    let powers = periodogram(&coarse);
    let average = mean(&powers[1..]);
    let mut peaks: Vec<usize> = (3..powers.len()).filter(|&k| powers[k] > 10.0 * average).collect();
    peaks.sort_by(|&a, &b| powers[b].total_cmp(&powers[a]));
    peaks.truncate(6);
    let longest = n / 3;
    let acf = autocorrelations(rest, longest);
    let bound = (2.0 * 1.96 / (n as f64).sqrt()).max(0.2);
    peaks.into_iter().find_map(|k| {
        let length = coarse.len() as f64;
        let (short, long) = (length / (k as f64 + 1.0), length / (k as f64 - 1.0));
        let from = crate::stats::floor_usize(short * factor as f64).max(2);
        let to = crate::stats::floor_usize((long * factor as f64).ceil()).min(longest.saturating_sub(1));
        let peak = |l: &usize| acf[*l] >= acf[l - 1] && acf[*l] >= acf[l + 1];
        let lag = (from..=to).filter(peak).max_by(|&a, &b| acf[a].total_cmp(&acf[b]))?;
        let strength = acf[lag] * n as f64 / (n - lag) as f64; // the biased estimate shrinks with the lag
        (strength > bound).then_some(Season { period: lag, strength: strength.min(1.0) })
    })
}

/// Power at frequencies `0..=n/2` (Goertzel's recursion, exact for any length).
fn periodogram(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    (0..=n / 2)
        .map(|k| {
            let w = 2.0 * std::f64::consts::PI * k as f64 / n as f64;
            let c = 2.0 * w.cos();
            let (mut a, mut b) = (0.0, 0.0);
            for v in values {
                let next = v + c * a - b;
                b = a;
                a = next;
            }
            (a * a + b * b - c * a * b) / n as f64
        })
        .collect()
}

fn remove_phase_means(rest: &mut [f64], period: usize) {
    for phase in 0..period {
        let same: Vec<f64> = rest[phase..].iter().step_by(period).copied().collect();
        let m = mean(&same);
        rest[phase..].iter_mut().step_by(period).for_each(|v| *v -= m);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn white_noise_has_no_season() {
        let mut rng = Pcg::new(3);
        for _ in 0..20 {
            let noise: Vec<f64> = (0..500).map(|_| rng.normal()).collect();
            assert_eq!(find_seasons(&noise, 3), []);
        }
    }

    #[test]
    fn a_noisy_sine_with_trend_and_gaps_is_found() {
        let mut rng = Pcg::new(4);
        let mut values: Vec<f64> = (0..600)
            .map(|i| {
                0.05 * f64::from(i) + 3.0 * (f64::from(i) / 37.0 * std::f64::consts::TAU).sin() + rng.normal()
            })
            .collect();
        values[100..110].fill(f64::NAN);
        let found = find_seasons(&values, 1);
        assert!((36..=38).contains(&found[0].period), "{found:?}");
    }
}

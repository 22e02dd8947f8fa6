//! What could be found at most: a judge that knows the kind of the event, its scale, and what was usual before and after.
//!
//! Per kind the statistics that fit it best (a matched filter and its neighbours), computed from the usual values of the whole untouched
//! series; the threshold of a series is the largest value the untouched series itself reaches outside of the event, known
//! afterwards. An event counts as found when it rises above it. No detector that sees the past only and has one threshold can
//! be expected to do better without false alarms.

use super::inject::{Base, Kind};

/// Mean of the last `width` values.
fn rolling(values: &[f64], width: usize) -> Vec<f64> {
    let (mut sum, width) = (0.0, width.max(1));
    (0..values.len())
        .map(|i| {
            sum += values[i];
            if i >= width {
                sum -= values[i - width];
            }
            sum / width.min(i + 1) as f64
        })
        .collect()
}

fn map(values: &[f64], change: impl Fn(f64) -> f64) -> Vec<f64> {
    values.iter().map(|&v| change(v)).collect()
}

/// How often an untouched series does by itself from `first` on what the events do: single rows 6 σ from the usual (an hour apart at
/// least), and means of a quarter of a day 4 σ from it (a day apart). Whoever finds such events alarms here as well.
pub(crate) fn natural(base: &Base, first: usize) -> (usize, usize) {
    let rest: Vec<f64> = (0..base.values.len())
        .map(|i| (base.values[i] - base.usual[i]) / base.sigma)
        .map(|r| if r.is_nan() { 0.0 } else { r })
        .collect();
    let count = |sizes: &[f64], limit: f64, apart: usize| {
        let (mut count, mut last) = (0, None::<usize>);
        for i in (first..sizes.len()).filter(|&i| sizes[i].abs() >= limit && !base.labelled[i]) {
            count += usize::from(last.is_none_or(|l| i - l > apart));
            last = Some(i);
        }
        count
    };
    (count(&rest, 6.0, base.day / 24), count(&rolling(&rest, base.day / 4), 4.0, base.day))
}

/// Statistics for a kind, each a value per row.
pub(crate) fn statistics(base: &Base, values: &[f64], kind: Kind) -> Vec<Vec<f64>> {
    let day = base.day;
    let rest: Vec<f64> = values
        .iter()
        .zip(&base.usual)
        .map(|(v, u)| (v - u) / base.sigma)
        .map(|r| if r.is_nan() { 0.0 } else { r })
        .collect();
    let sizes = map(&rest, f64::abs);
    let step = |level: &[f64], width: usize| -> Vec<f64> {
        (0..level.len())
            .map(|i| if i >= 2 * width { (level[i] - level[i - width]).abs() } else { 0.0 })
            .collect()
    };
    match kind {
        Kind::Spike => vec![step(&rest, 1), sizes],
        Kind::Shift => [day / 4, day / 2, day]
            .into_iter()
            .flat_map(|w| {
                let level = rolling(&rest, w);
                [step(&level, w.max(1)), map(&level, f64::abs)]
            })
            .collect(),
        Kind::Leak => {
            let weights: f64 = (1..=day).map(|j| (j * j) as f64).sum::<f64>() / day as f64;
            let ramp = |i: usize| (1..=day).map(|j| j as f64 * rest[i + j - day]).sum::<f64>() / weights;
            let ramps = (0..rest.len()).map(|i| if i >= day { ramp(i) } else { 0.0 }).collect();
            vec![rolling(&rest, day / 4), rolling(&rest, day / 2), rolling(&rest, day), ramps]
        }
        Kind::Variance => {
            let (squares, logs) = (map(&rest, |r| r * r), map(&sizes, |r| (r + 0.05).ln()));
            let all = [&sizes, &squares, &logs];
            [day / 4, day / 2, day].into_iter().flat_map(|w| all.map(|v| rolling(v, w))).collect()
        }
        Kind::Flat => {
            let mut run = vec![0.0; values.len()];
            let same = |i: usize| values[i].total_cmp(&values[i - 1]).is_eq();
            (1..values.len()).filter(|&i| same(i)).for_each(|i| run[i] = run[i - 1] + 1.0);
            vec![run]
        }
        Kind::Season => {
            let change = |i: usize| base.habit[(i + day / 2) % day] - base.habit[i % day];
            let matched: Vec<f64> = (0..rest.len()).map(|i| rest[i] * change(i)).collect();
            [day / 4, day / 2, day]
                .into_iter()
                .flat_map(|w| [rolling(&sizes, w), rolling(&matched, w)])
                .collect()
        }
    }
}

/// For every statistic: does it rise in `start..=end` above all that the untouched series reaches elsewhere from `first` on?
pub(crate) fn finds(
    base: &Base,
    values: &[f64],
    kind: Kind,
    first: usize,
    (start, end): (usize, usize),
) -> Vec<bool> {
    let largest = |rows: &mut dyn Iterator<Item = f64>| rows.fold(f64::NEG_INFINITY, f64::max);
    let (with, without) = (statistics(base, values, kind), statistics(base, &base.values, kind));
    let n = values.len();
    with.iter()
        .zip(&without)
        .map(|(with, without)| {
            let outside = |i: &usize| !(start..=end).contains(i) && !base.labelled[*i];
            let event = largest(&mut (start..=end.min(n - 1)).map(|i| with[i]));
            event > largest(&mut (first..n).filter(outside).map(|i| without[i]))
        })
        .collect()
}

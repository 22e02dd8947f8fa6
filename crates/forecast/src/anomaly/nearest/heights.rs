//! At which height of the score an alarm begins and ends: from what the training rows themselves would have scored.

/// Heights of the smoothed score.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Heights {
    /// An alarm begins here, as long as the score is as usual as it was in training.
    pub(super) begin: f64,
    /// Usual upper end (95 %) in training.
    pub(super) usual: f64,
    /// What is lower is nothing special (97.5 %): no alarm goes on down there.
    pub(super) calm: f64,
}

/// Share of the scores below [`Heights::usual`] and below [`Heights::calm`].
const USUAL: f64 = 0.95;
const CALM: f64 = 0.975;
/// Events needed to read a height off directly, and those a tail is laid through when fewer are wanted.
const DIRECT: usize = 5;
const TAIL: usize = 20;
/// Above the usual when the training is too short to tell: one row in a thousand of the usual.
const UNTOLD: f64 = 3.0;

/// Heights for a number of false alarms per day, from the smoothed scores of normal rows in order of time.
///
/// Rows above a height that are less than half an hour apart are one event. With five events or more wanted in the sample, the height is
/// the one that so many events exceed; else the largest scores of the twenty highest events are taken as exponential above
/// the height they share (peaks over threshold, declustered: Davison & Smith 1990), which is continued. A sample
/// without twenty events tells nothing: three decades above the usual.
pub(super) fn heights(scores: &[f64], rows_per_day: usize, per_day: f64) -> Heights {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| at_share(&sorted, share);
    let (usual, calm) = (quantile(USUAL), quantile(CALM));
    let gap = (rows_per_day / 48).max(1);
    let wanted = per_day * scores.len() as f64 / rows_per_day as f64;
    let level = |count: usize| level(scores, &sorted, gap, count);
    let begin = if wanted >= DIRECT as f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the rows")]
        level(wanted.min(scores.len() as f64) as usize)
    } else {
        level(TAIL).map(|base| {
            let peaks = peaks(scores, gap, base);
            let excess = peaks.iter().map(|p| p - base).sum::<f64>() / peaks.len().max(1) as f64;
            base + excess * (peaks.len().max(1) as f64 / wanted).ln().max(0.0)
        })
    };
    Heights { begin: begin.unwrap_or(usual + UNTOLD).max(calm), usual, calm }
}

fn at_share(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the length")]
    let at = ((sorted.len().saturating_sub(1)) as f64 * share) as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

/// Largest score of each event at or above `height`.
fn peaks(scores: &[f64], gap: usize, height: f64) -> Vec<f64> {
    let (mut found, mut last): (Vec<f64>, Option<usize>) = (Vec::new(), None);
    for (i, &score) in scores.iter().enumerate().filter(|(_, s)| **s >= height) {
        match (last, found.last_mut()) {
            (Some(before), Some(peak)) if i - before <= gap => *peak = peak.max(score),
            _ => found.push(score),
        }
        last = Some(i);
    }
    found
}

/// The lowest score that no more than `count` events reach; `None` when the upper half of the scores has no more.
fn level(scores: &[f64], sorted: &[f64], gap: usize, count: usize) -> Option<f64> {
    let n = sorted.len();
    let more = |rows: usize| peaks(scores, gap, sorted[n - 1 - rows]).len() > count;
    // Down from the top, as events merge into one another when the height falls far: `low + 1` rows are not too many.
    let (mut low, mut high) = (0, count.max(1));
    while high < n / 2 && !more(high) {
        (low, high) = (high, 2 * high);
    }
    if high >= n / 2 {
        return None;
    }
    while low + 1 < high {
        let middle = low.midpoint(high);
        if more(middle) { high = middle } else { low = middle }
    }
    Some(sorted[n - 1 - low])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    /// Exponential scores, one a minute, independent: an event is a row.
    fn scores(days: usize, seed: u64) -> Vec<f64> {
        let mut rng = Pcg::new(seed);
        (0..days * 1440).map(|_| -(1.0 - rng.uniform()).ln()).collect()
    }

    #[test]
    fn as_many_events_exceed_the_height_as_were_asked_for() {
        let known = scores(60, 1);
        for per_day in [0.02, 0.1, 0.3, 1.0, 3.0] {
            let found = heights(&known, 1440, per_day);
            // The rate that the distribution has at this height. From six events in sixty days it is known to a factor of two.
            let rate = 1440.0 * (-found.begin).exp();
            assert!((rate / per_day).ln().abs() < 2.0_f64.ln(), "{per_day}: {rate} at {found:?}");
            assert!((found.usual - 20.0_f64.ln()).abs() < 0.05 && (found.calm - 40.0_f64.ln()).abs() < 0.05);
        }
    }

    #[test]
    fn a_short_sample_or_none_gives_a_wide_margin() {
        let few = heights(&[0.5; 60], 1440, 0.3);
        assert!((few.begin - 3.5).abs() < 1e-12, "{few:?}");
        assert!((heights(&[], 288, 0.3).begin - 3.0).abs() < 1e-12);
    }

    #[test]
    fn exceedances_close_together_are_one_event() {
        assert_eq!(peaks(&[0.0, 5.0, 0.0, 6.0, 0.0, 0.0, 0.0, 0.0, 7.0], 2, 4.0), [6.0, 7.0]);
    }
}

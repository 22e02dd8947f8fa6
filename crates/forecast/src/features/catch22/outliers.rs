//! Where extreme values lie in time: median position of the values above a rising threshold.

/// Step of the threshold, in standard deviations.
const STEP: f64 = 0.01;
/// Thresholds are used as long as more than this share of the values on their side remains.
const LEAST_SHARE: f64 = 0.02;

/// Buffers.
#[derive(Clone, Debug, Default)]
pub(super) struct Outliers {
    /// Values on the side in question with their places, largest first.
    chosen: Vec<(f64, u32)>,
    /// Places taken so far, one bit each.
    taken: Vec<u64>,
    medians: Vec<f64>,
}

impl Outliers {
    /// Median over thresholds of the median place (−1 start, 1 end) of the values of `sign`·z at or above the threshold.
    /// `places` lists the places by falling `sign`·z.
    pub(super) fn median_position<'a>(
        &mut self,
        z: &[f64],
        places: impl Iterator<Item = &'a u32>,
        sign: f64,
    ) -> f64 {
        let n = z.len();
        self.chosen.clear();
        self.chosen.extend(places.map(|&i| (sign * z[i as usize], i)).take_while(|c| c.0 >= 0.0));
        let Some(&(largest, _)) = self.chosen.first() else { return 0.0 };
        if largest < STEP {
            return 0.0;
        }
        let thresholds = (largest / STEP) as usize + 1;
        let total = self.chosen.len() as f64;
        self.taken.clear();
        self.taken.resize(n.div_ceil(64), 0);
        self.medians.clear();
        // From the highest threshold down, values only come in.
        let (mut taken, mut median) = (0, f64::NAN);
        let mut by_threshold = Vec::with_capacity(thresholds);
        for j in (0..thresholds).rev() {
            let level = j as f64 * STEP;
            let before = taken;
            while let Some(&(v, place)) = self.chosen.get(taken)
                && v >= level
            {
                self.taken[place as usize / 64] |= 1 << (place % 64);
                taken += 1;
            }
            if taken > before {
                median = median_place(&self.taken, taken) / (n as f64 / 2.0) - 1.0;
            }
            by_threshold.push((taken, median));
        }
        by_threshold.reverse();
        // Up to the last threshold with enough values, or the first with a single one.
        let enough = by_threshold.iter().rposition(|t| (t.0 as f64 - 1.0) / total > LEAST_SHARE).unwrap_or(0);
        let single = by_threshold.iter().position(|t| t.0 < 2).unwrap_or(thresholds - 1);
        self.medians.extend(by_threshold[..=enough.min(single)].iter().map(|t| t.1));
        self.medians.sort_unstable_by(f64::total_cmp);
        crate::features::sum::median_sorted(&self.medians)
    }
}

/// Median of the places (from 1) whose bit is set.
fn median_place(bits: &[u64], count: usize) -> f64 {
    let (low, high) = ((count - 1) / 2, count / 2);
    let mut seen = 0;
    let mut first = None;
    for (word, &w) in bits.iter().enumerate() {
        let ones = w.count_ones() as usize;
        if first.is_none() && low < seen + ones {
            first = Some(word * 64 + nth_one(w, low - seen) + 1);
        }
        if high < seen + ones {
            let second = word * 64 + nth_one(w, high - seen) + 1;
            return (first.unwrap_or(second) + second) as f64 / 2.0;
        }
        seen += ones;
    }
    f64::NAN
}

fn nth_one(mut w: u64, n: usize) -> usize {
    for _ in 0..n {
        w &= w - 1;
    }
    w.trailing_zeros() as usize
}

//! The best way to part the rows of a node, from its histogram.

use super::bins::Binned;

/// Sums of one bin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    pub(super) gradient: f64,
    pub(super) hessian: f64,
    pub(super) count: u32,
}

impl Slot {
    pub(super) fn add(&mut self, other: &Self) {
        self.gradient += other.gradient;
        self.hessian += other.hessian;
        self.count += other.count;
    }

    pub(super) fn less(&self, other: &Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            hessian: (self.hessian - other.hessian).max(0.0),
            count: self.count.saturating_sub(other.count),
        }
    }
}

/// What limits splits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) least_rows: u32,
    pub(super) least_hessian: f64,
    pub(super) ridge: f64,
    pub(super) least_gain: f64,
}

/// A split of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) feature: usize,
    /// Last bin that goes left.
    pub(super) bin: usize,
    pub(super) missing_left: bool,
    pub(super) gain: f64,
    pub(super) left: Slot,
}

/// The node whose rows are parted: sums, limits, the range its value may take, what it says.
pub(super) struct Parent<'a> {
    pub(super) total: Slot,
    pub(super) limits: &'a Limits,
    pub(super) bounds: (f64, f64),
    /// −1, 0 or 1 by feature; empty without constraints.
    pub(super) monotone: &'a [i8],
}

impl Parent<'_> {
    /// Newton step of a group of rows, within the bounds.
    pub(super) fn value(&self, s: &Slot) -> f64 {
        let h = s.hessian + self.limits.ridge;
        if h > 0.0 { (-s.gradient / h).clamp(self.bounds.0, self.bounds.1) } else { 0.0 }
    }

    /// Twice the loss that a group of rows saves when it has a value of its own.
    fn saved(&self, s: &Slot) -> f64 {
        let h = s.hessian + self.limits.ridge;
        if self.monotone.is_empty() {
            return if h > 0.0 { s.gradient * s.gradient / h } else { 0.0 };
        }
        let v = self.value(s);
        -(2.0 * s.gradient * v + h * v * v)
    }

    fn gain(&self, feature: usize, left: &Slot, base: f64) -> Option<f64> {
        let right = self.total.less(left);
        let l = self.limits;
        let small = left.count.min(right.count) < l.least_rows.max(1)
            || left.hessian.min(right.hessian) < l.least_hessian;
        if small {
            return None;
        }
        let direction = self.monotone.get(feature).copied().unwrap_or(0);
        if direction != 0 && f64::from(direction) * (self.value(&right) - self.value(left)) < 0.0 {
            return None;
        }
        let gain = self.saved(left) + self.saved(&right) - base;
        (gain > l.least_gain).then_some(gain)
    }

    /// Best split by a feature.
    pub(super) fn best(&self, feature: usize, slots: &[Slot]) -> Option<Split> {
        let (observed, missing) = slots.split_at(slots.len() - 1);
        let missing = missing[0];
        // A gain below the rounding of its own terms is no gain.
        let base = self.saved(&self.total) * (1.0 + 1e-12) + 1e-300;
        let mut best: Option<Split> = None;
        let mut offer = |bin: usize, missing_left: bool, left: Slot| {
            if let Some(gain) = self.gain(feature, &left, base)
                && best.is_none_or(|b| gain > b.gain)
            {
                best = Some(Split { feature, bin, missing_left, gain, left });
            }
        };
        let mut left = Slot::default();
        // Parting observed from missing rows is a split too: the last bin with the missing rows on the right.
        let last = if missing.count > 0 { observed.len() } else { observed.len() - 1 };
        for (bin, slot) in observed.iter().enumerate().take(last) {
            if slot.count == 0 {
                continue; // the same rows as at the bin before
            }
            left.add(slot);
            // Without missing rows in training they later follow the larger side.
            let larger = 2 * left.count > self.total.count;
            offer(bin, missing.count == 0 && larger, left);
            if missing.count > 0 && bin + 1 < observed.len() {
                let mut with = left;
                with.add(&missing);
                offer(bin, true, with);
            }
        }
        best
    }

    /// Split by a feature at a threshold drawn evenly between the smallest and the largest value.
    pub(super) fn random(&self, feature: usize, slots: &[Slot], data: &Binned, share: f64) -> Option<Split> {
        let (observed, missing) = slots.split_at(slots.len() - 1);
        let first = observed.iter().position(|s| s.count > 0)?;
        let last = observed.iter().rposition(|s| s.count > 0)?;
        if first == last {
            return None;
        }
        let edges = &data.edges[feature];
        let (low, high) = (edges[first], edges[last - 1]);
        let bin = edges.partition_point(|&e| e < low + share * (high - low)).clamp(first, last - 1);
        let mut left = Slot::default();
        observed[..=bin].iter().for_each(|s| left.add(s));
        let missing_left = 2 * left.count > self.total.count - missing[0].count;
        if missing_left {
            left.add(&missing[0]);
        }
        let base = self.saved(&self.total) * (1.0 + 1e-12) + 1e-300;
        self.gain(feature, &left, base).map(|gain| Split { feature, bin, missing_left, gain, left })
    }
}

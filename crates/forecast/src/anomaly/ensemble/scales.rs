//! Means and deviations of the last rows at several widths, each O(1) per row.

/// The last `capacity` values with running sums over several widths.
///
/// Sums are of `value − anchor` and are formed anew from the kept values once per round of the ring (so rounding errors
/// cannot pile up), with the mean as the new anchor (so a far-away level costs no digits).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Scales {
    ring: Vec<f64>,
    capacity: usize,
    next: usize,
    anchor: f64,
    widths: Vec<usize>,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Scales {
    /// Widths in rows, each at least 1; the widest sets the memory.
    pub(super) fn new(widths: &[usize]) -> Self {
        let capacity = widths.iter().copied().max().unwrap_or(1).max(1);
        Self {
            ring: Vec::with_capacity(capacity),
            capacity,
            next: 0,
            anchor: 0.0,
            widths: widths.to_vec(),
            sums: vec![0.0; widths.len()],
            squares: vec![0.0; widths.len()],
        }
    }

    /// Takes in the next value (finite).
    pub(super) fn push(&mut self, value: f64) {
        if self.ring.is_empty() {
            self.anchor = value;
        }
        for k in 0..self.widths.len() {
            let fresh = value - self.anchor;
            self.sums[k] += fresh;
            self.squares[k] += fresh * fresh;
            if let Some(old) = self.back(self.widths[k] - 1) {
                let old = old - self.anchor;
                self.sums[k] -= old;
                self.squares[k] -= old * old;
            }
        }
        if self.ring.len() < self.capacity {
            self.ring.push(value);
        } else {
            self.ring[self.next] = value;
        }
        self.next += 1;
        if self.next == self.capacity {
            self.next = 0;
            self.renew();
        }
    }

    /// Value `lag` rows before the newest one.
    pub(super) fn back(&self, lag: usize) -> Option<f64> {
        if lag >= self.ring.len() {
            return None;
        }
        let newest = if self.next == 0 { self.ring.len() - 1 } else { self.next - 1 };
        Some(self.ring[(newest + self.ring.len() - lag) % self.ring.len()])
    }

    /// Forms all sums anew; called when the ring starts at index 0, so the newest value is the last.
    fn renew(&mut self) {
        self.anchor = self.ring.iter().sum::<f64>() / self.ring.len() as f64;
        for (k, &width) in self.widths.iter().enumerate() {
            let last = &self.ring[self.ring.len() - width..];
            self.sums[k] = last.iter().map(|v| v - self.anchor).sum();
            self.squares[k] = last.iter().map(|v| (v - self.anchor) * (v - self.anchor)).sum();
        }
    }

    /// Rows at hand, at most the widest width.
    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Sum of the last `widths[k]` values above the anchor, and how many there are.
    fn sum(&self, k: usize) -> (f64, f64) {
        (self.sums[k], self.widths[k].min(self.ring.len()) as f64)
    }

    /// Mean of the last `widths[k]` values.
    pub(super) fn mean(&self, k: usize) -> f64 {
        let (sum, count) = self.sum(k);
        self.anchor + sum / count
    }

    /// Population standard deviation of the last `widths[k]` values.
    pub(super) fn deviation(&self, k: usize) -> f64 {
        let (sum, count) = self.sum(k);
        let mean = sum / count;
        (self.squares[k] / count - mean * mean).max(0.0).sqrt()
    }

    /// Mean of the last w values minus mean of the w before, where `widths[double] == 2 * widths[k]`; needs 2w rows.
    pub(super) fn step(&self, k: usize, double: usize) -> Option<f64> {
        let width = self.widths[k];
        debug_assert_eq!(self.widths[double], 2 * width, "the second width is twice the first");
        (self.ring.len() >= 2 * width)
            .then(|| (self.sums[k] - (self.sums[double] - self.sums[k])) / width as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn running_figures_equal_the_direct_ones(values in prop::collection::vec(-50.0..50.0_f64, 1..300), level in -1e6..1e6_f64) {
            let mut scales = Scales::new(&[1, 2, 6, 12, 24]);
            let values: Vec<f64> = values.iter().map(|v| v + level).collect();
            for i in 0..values.len() {
                scales.push(values[i]);
                for (k, &w) in [1, 2, 6, 12, 24].iter().enumerate() {
                    let last = &values[(i + 1).saturating_sub(w)..=i];
                    let mean = last.iter().sum::<f64>() / last.len() as f64;
                    let variance = last.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / last.len() as f64;
                    prop_assert!((scales.mean(k) - mean).abs() < 1e-7);
                    prop_assert!((scales.deviation(k).powi(2) - variance).abs() < 1e-5);
                    prop_assert!(scales.back(i + 1).is_none() || i + 1 < 24);
                }
                if let Some(step) = scales.step(2, 3) {
                    let mean = |a: &[f64]| a.iter().sum::<f64>() / a.len() as f64;
                    let direct = mean(&values[i - 5..=i]) - mean(&values[i - 11..=i - 6]);
                    prop_assert!((step - direct).abs() < 1e-7);
                }
            }
        }
    }
}

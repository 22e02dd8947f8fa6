//! Peaks by support.

/// For every point, how many neighbours on each side are smaller before the first one that is not, and whether the
/// series ends there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Support {
    /// Smaller neighbours on the worse side, per point.
    reach: Vec<u32>,
    stack: Vec<u32>,
}

impl Support {
    /// Monotone stacks from both sides: O(n) for all supports together.
    pub(crate) fn load(&mut self, x: &[f64]) {
        self.reach.clear();
        self.stack.clear();
        for (i, &v) in x.iter().enumerate() {
            while self.stack.last().is_some_and(|&j| x[j as usize] < v) {
                self.stack.pop();
            }
            self.reach.push(self.stack.last().map_or(i as u32, |&j| i as u32 - j - 1));
            self.stack.push(i as u32);
        }
        self.stack.clear();
        for (i, &v) in x.iter().enumerate().rev() {
            while self.stack.last().is_some_and(|&j| x[j as usize] < v) {
                self.stack.pop();
            }
            let end = self.stack.last().map_or(x.len() as u32, |&j| j);
            self.reach[i] = self.reach[i].min(end - i as u32 - 1);
            self.stack.push(i as u32);
        }
    }

    /// Number of points larger than their `n` neighbours on both sides.
    pub(crate) fn peaks(&self, n: usize) -> f64 {
        self.reach.iter().map(|&r| u64::from(r as usize >= n)).sum::<u64>() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn support_ends_at_equal_values_and_at_the_borders() {
        let mut s = Support::default();
        s.load(&[3.0, 0.0, 0.0, 4.0, 0.0, 0.0, 13.0]);
        assert_eq!((s.peaks(1), s.peaks(2), s.peaks(3)), (1.0, 1.0, 0.0));
        s.load(&[0.0, 2.0, 2.0, 0.0]);
        assert_eq!(s.peaks(1), 0.0);
    }
}

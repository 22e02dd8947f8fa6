//! What is usual at this time of the day or of the week.

/// A repeating pattern of `period` rows in at most [`BINS`] bins, smoothed exponentially from round to round.
///
/// The residual of a value is unknown (`None`) until its bin has been seen in an earlier round.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Profile {
    period: usize,
    weight: f64,
    bins: Vec<Bin>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Bin {
    value: f32, // single precision: a profile is known to a few percent
    round: u16, // round (modulo 65536) in which it was first seen, plus one; 0 while empty
}

/// Most bins of a profile: every five minutes of a day.
const BINS: usize = 288;
/// Weight of a round: half of the memory is the last two rounds, so a new habit is normal after two or three.
const WEIGHT: f64 = 0.3;

impl Profile {
    /// `period` in rows, at least 2; `most_bins` bounds the memory.
    pub(super) fn new(period: usize, most_bins: usize) -> Self {
        let bins = period.min(most_bins).clamp(1, BINS);
        let per_bin = period as f64 / bins as f64;
        Self { period, weight: WEIGHT / per_bin, bins: vec![Bin { value: 0.0, round: 0 }; bins] }
    }

    fn at(&self, row: u64) -> (usize, u16) {
        let period = self.period as u64;
        let bin = usize::try_from(row % period).unwrap_or(0) * self.bins.len() / self.period;
        let round = u16::try_from((row / period) % 65_534).unwrap_or(0) + 1;
        (bin, round)
    }

    /// What is usual at this row; `None` in the first round.
    pub(super) fn expected(&self, row: u64) -> Option<f64> {
        let (at, round) = self.at(row);
        let bin = self.bins[at];
        (bin.round != 0 && bin.round != round).then_some(f64::from(bin.value))
    }

    /// Learns what the level was at this row (finite).
    pub(super) fn learn(&mut self, row: u64, level: f64) {
        let (at, round) = self.at(row);
        let weight = self.weight;
        let bin = &mut self.bins[at];
        #[expect(clippy::cast_possible_truncation, reason = "a profile in single precision is the point")]
        let fresh = level.clamp(-1e37, 1e37) as f32;
        if bin.round == 0 {
            *bin = Bin { value: fresh, round };
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a profile in single precision is the point")]
        let moved = (f64::from(bin.value) + weight * (f64::from(fresh) - f64::from(bin.value))) as f32;
        bin.value = moved;
        // After the first round the mark stays behind, whatever the round.
        if bin.round != round {
            bin.round = u16::MAX;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_expects_nothing_and_later_ones_the_habit() {
        let mut profile = Profile::new(24, 288);
        for row in 0..240_u64 {
            let value = (row % 24) as f64;
            assert_eq!(profile.expected(row).is_some(), row >= 24);
            assert!(profile.expected(row).is_none_or(|e| (e - value).abs() < 1e-6));
            profile.learn(row, value);
        }
    }

    #[test]
    fn long_periods_share_bins_and_a_new_habit_is_learnt() {
        let mut profile = Profile::new(1440, 288);
        for row in 0..1440 * 8_u64 {
            profile.learn(row, if row < 1440 * 2 { 10.0 } else { 20.0 });
        }
        assert!((profile.expected(1440 * 8).unwrap() - 20.0).abs() < 2.0);
        assert_eq!(profile.bins.len(), 288);
    }
}

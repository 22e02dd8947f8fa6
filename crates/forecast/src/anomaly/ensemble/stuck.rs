//! The same value again and again: a stuck sensor, a dead exporter.

/// Length of the present run of equal values against the longest finished one.
///
/// A live signal with noise never repeats a value for long, so a run is unusual when it is six times as long as every
/// run before; a coarse signal (an idle machine, a counter of few events) has long runs and raises its own bar. Scatter
/// does not see this: the deviation of a window is small long before it is zero, and its smallest peaks are those of quiet
/// nights. One comparison a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Stuck {
    last: Option<f64>,
    run: u32,
    longest: u32,
}

/// Shortest run that can be unusual: an hour and a half of five-minute rows.
const LEAST: u32 = 18;
/// How many times the longest run so far: half as long again finds no more of the injected flat lines, and more in series
/// that only hold a value now and then.
const LONGER: u32 = 6;

impl Stuck {
    /// True in the one row in which the run becomes unusual; then learns.
    pub(super) fn push(&mut self, value: f64) -> bool {
        if self.last == Some(value) {
            self.run = self.run.saturating_add(1);
            return self.run == self.longest.saturating_mul(LONGER).max(LEAST);
        }
        self.longest = self.longest.max(self.run);
        self.last = Some(value);
        self.run = 0;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_unusual_once_and_must_beat_every_run_before() {
        let mut stuck = Stuck::default();
        let hits = |stuck: &mut Stuck, rows: u32, value: f64| (0..rows).filter(|_| stuck.push(value)).count();
        assert!((0..500).all(|i| !stuck.push(f64::from(i % 9))));
        assert_eq!(hits(&mut stuck, 60, 4.5), 1, "one event, one hit");
        assert!(!stuck.push(1.0));
        assert_eq!(hits(&mut stuck, 300, 4.5), 0, "runs of 59 are known now");
        assert!(!stuck.push(1.0));
        assert_eq!(hits(&mut stuck, 2000, 4.5), 1);
    }
}

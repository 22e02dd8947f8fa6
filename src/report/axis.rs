//! Scales and round tick marks.

/// Maps a range of values to a range of pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Scale {
    pub(crate) fn at(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        let share = if span > 0.0 { (value - self.low) / span } else { 0.5 };
        self.from + share * (self.to - self.from)
    }
}

/// Pixels or counts as a whole number; negative and not finite become zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is wanted"
)]
pub(crate) fn whole(value: f64) -> usize {
    value as usize
}

/// Round values (1, 2 or 5 times a power of ten) that divide a range into about `count` parts.
pub(crate) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return vec![low];
    }
    let rough = span / count.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|&s| s >= rough).unwrap_or(rough);
    let first = (low / step).ceil();
    let mut found = Vec::new();
    let mut k = 0.0;
    while (first + k) * step <= high + step * 1e-9 && found.len() < 100 {
        found.push((first + k) * step);
        k += 1.0;
    }
    found
}

/// Moments in unix milliseconds at round steps (minutes to weeks) of UTC, about `count` of them.
pub(crate) fn time_ticks(start_ms: u64, end_ms: u64, count: usize) -> (Vec<u64>, bool) {
    const MINUTE: u64 = 60_000;
    const DAY: u64 = 1_440 * MINUTE;
    const STEPS: [u64; 14] = [
        MINUTE / 6,
        MINUTE / 2,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        30 * MINUTE,
        60 * MINUTE,
        180 * MINUTE,
        360 * MINUTE,
        720 * MINUTE,
        DAY,
        2 * DAY,
        7 * DAY,
    ];
    let rough = (end_ms.saturating_sub(start_ms) / count.max(1) as u64).max(1);
    let step = STEPS.into_iter().find(|&s| s >= rough).unwrap_or_else(|| rough.next_multiple_of(7 * DAY));
    let first = start_ms.next_multiple_of(step);
    ((first..=end_ms).step_by(usize::try_from(step).unwrap_or(usize::MAX)).collect(), step >= DAY)
}

/// A number with as many digits as its size calls for: `12 500`, `42`, `3.5`, `0.02`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e6 {
        format!("{:.1}M", value / 1e6)
    } else if size >= 1e4 {
        format!("{:.0}k", value / 1e3)
    } else if size >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside_the_range() {
        assert_eq!(ticks(0.0, 97.0, 5), vec![0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(ticks(3.0, 3.0, 5), vec![3.0]);
        assert!(ticks(f64::NEG_INFINITY, 1.0, 5).len() == 1);
    }

    #[test]
    fn time_ticks_fall_on_midnights_when_days_are_shown() {
        let day = 86_400_000;
        let (at, days) = time_ticks(day / 2, 15 * day, 14);
        assert!(days);
        assert!(at.iter().all(|t| t % day == 0));
        assert_eq!(at.len(), 7, "every second day");
    }
}

//! Is the error budget being spent too fast?

use super::{AlertError, check_time};

/// A pair of windows and the rate at which they alert together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "plain input")]
pub struct BurnWindow {
    /// Long window: enough of the budget is gone to matter.
    pub long_ms: u64,
    /// Short window: it is still going on.
    pub short_ms: u64,
    /// Multiple of the rate that spends the whole budget within its period.
    pub factor: f64,
}

/// State of the budget after an observation.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Burn {
    /// Burn rate over the long and the short window of every pair.
    pub rates: Vec<(f64, f64)>,
    /// First pair whose both windows are at its factor or above.
    pub firing: Option<usize>,
}

/// Parts of a window: a window is exact to a sixtieth of its length.
const PARTS: u64 = 60;

/// Counts of one window, in parts.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Counts {
    part_ms: u64,
    /// Part of the newest counts, and (bad, all) of the last parts, newest at `part % len`.
    part: u64,
    ring: Vec<(u64, u64)>,
}

impl Counts {
    fn new(window_ms: u64) -> Self {
        let parts = PARTS.min(window_ms);
        Self {
            part_ms: window_ms.div_ceil(parts),
            part: 0,
            ring: vec![(0, 0); usize::try_from(parts).unwrap_or(1)],
        }
    }

    fn add(&mut self, at_ms: u64, bad: u64, all: u64) {
        let (part, len) = (at_ms / self.part_ms, self.ring.len() as u64);
        for fresh in self.part + 1..=part.min(self.part.saturating_add(len)) {
            let at = self.index(fresh);
            self.ring[at] = (0, 0);
        }
        if part > self.part.saturating_add(len) {
            self.ring.fill((0, 0));
        }
        self.part = part;
        let at = self.index(part);
        let counts = &mut self.ring[at];
        *counts = (counts.0.saturating_add(bad), counts.1.saturating_add(all));
    }

    fn index(&self, part: u64) -> usize {
        usize::try_from(part % self.ring.len() as u64).unwrap_or(0)
    }

    /// Share of bad ones; 0 where nothing happened.
    fn share(&self) -> f64 {
        let sum = |pick: fn(&(u64, u64)) -> u64| self.ring.iter().map(pick).fold(0, u64::saturating_add);
        let (bad, all) = (sum(|c| c.0), sum(|c| c.1));
        if all == 0 { 0.0 } else { bad as f64 / all as f64 }
    }
}

/// Multi-window, multi-burn-rate alert on a service level objective.
///
/// The burn rate is the share of bad events over `1 − objective`: 1 spends exactly the budget. A pair fires while both its windows
/// are at its factor: the long one for significance, the short one so that the alert ends soon after the trouble.
/// Low traffic: `least` bad events in the long window are needed, or one failed request in the night is an outage.
/// Cost O(pairs · 60) per observation, memory 2 kB per pair.
///
/// # References
/// Beyer, Murphy, Rensin, Kawahara & Thorne (2018), The Site Reliability Workbook, chapter 5.
///
/// # Example
/// ```
/// use ecosystem_forecast::alert::BurnRate;
/// let mut budget = BurnRate::new(0.999, &BurnRate::WORKBOOK, 10)?;
/// let minute = |m: u64, bad| (m * 60_000, bad, 1000);
/// let quiet = (0..120).map(|m| budget.observe(m * 60_000, 1, 1000)).last().unwrap()?;
/// assert!(quiet.firing.is_none());
/// let (at, bad, all) = minute(120, 900);
/// assert_eq!(budget.observe(at, bad, all)?.firing, Some(0));
/// # Ok::<(), ecosystem_forecast::alert::AlertError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BurnRate {
    budget: f64,
    least: u64,
    pairs: Vec<(BurnWindow, Counts, Counts)>,
    last: Option<u64>,
}

impl BurnRate {
    /// The pairs of the workbook for a budget of 30 days: 2 % in an hour, 5 % in six hours, 10 % in three days.
    pub const WORKBOOK: [BurnWindow; 3] = [
        BurnWindow { long_ms: 3_600_000, short_ms: 300_000, factor: 14.4 },
        BurnWindow { long_ms: 21_600_000, short_ms: 1_800_000, factor: 6.0 },
        BurnWindow { long_ms: 259_200_000, short_ms: 21_600_000, factor: 1.0 },
    ];

    /// `objective`: share of good events, strictly between 0 and 1; `least` bad events in the long window are needed.
    pub fn new(objective: f64, pairs: &[BurnWindow], least: u64) -> Result<Self, AlertError> {
        let refuse = |name, value, expected| Err(AlertError::Setting { name, value, expected });
        if !(objective > 0.0 && objective < 1.0) {
            return refuse("objective", objective, "a number strictly between 0 and 1");
        }
        if pairs.is_empty() || pairs.len() > 100 {
            return refuse("pairs", pairs.len() as f64, "1 to 100 pairs of windows");
        }
        for pair in pairs {
            if pair.short_ms == 0 || pair.short_ms > pair.long_ms {
                return refuse("short_ms", pair.short_ms as f64, "1 ms to the length of the long window");
            }
            if !(pair.factor > 0.0 && pair.factor.is_finite()) {
                return refuse("factor", pair.factor, "a positive number");
            }
        }
        let pairs = pairs.iter().map(|p| (*p, Counts::new(p.long_ms), Counts::new(p.short_ms))).collect();
        Ok(Self { budget: 1.0 - objective, least, pairs, last: None })
    }

    /// Counts what happened since the last observation: `bad` of `all` events (bad ones beyond `all` count as all).
    pub fn observe(&mut self, at_ms: u64, bad: u64, all: u64) -> Result<Burn, AlertError> {
        check_time(&mut self.last, at_ms)?;
        let bad = bad.min(all);
        let mut burn = Burn { rates: Vec::with_capacity(self.pairs.len()), firing: None };
        for (k, (pair, long, short)) in self.pairs.iter_mut().enumerate() {
            long.add(at_ms, bad, all);
            short.add(at_ms, bad, all);
            let rates = (long.share() / self.budget, short.share() / self.budget);
            let enough = long.ring.iter().map(|c| c.0).fold(0, u64::saturating_add) >= self.least;
            if burn.firing.is_none() && enough && rates.0 >= pair.factor && rates.1 >= pair.factor {
                burn.firing = Some(k);
            }
            burn.rates.push(rates);
        }
        Ok(burn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn the_fast_pair_ends_soon_after_the_outage_and_the_slow_one_sees_a_drizzle() {
        let mut budget = BurnRate::new(0.999, &BurnRate::WORKBOOK, 1).unwrap();
        let mut firing = |m: u64, bad| budget.observe(m * MINUTE, bad, 1000).unwrap().firing;
        assert!((0..600).all(|m| firing(m, 0).is_none()));
        // A tenth of all requests fails for twenty minutes: 100 times the budget.
        let first = (600..620).find(|&m| firing(m, 100) == Some(0)).unwrap();
        assert!((605..=612).contains(&first), "{first}");
        let end = (620..700).find(|&m| firing(m, 0) != Some(0)).unwrap();
        assert!(end <= 626, "{end}");
        // Twice the budget for days: only the slowest pair may say so.
        let mut budget = BurnRate::new(0.999, &BurnRate::WORKBOOK, 1).unwrap();
        let seen: Vec<_> = (0..4320).map(|m| budget.observe(m * MINUTE, 2, 1000).unwrap().firing).collect();
        assert!(seen[4319] == Some(2) && seen.iter().all(|f| matches!(f, None | Some(2))));
    }

    #[test]
    fn one_failed_request_in_a_quiet_night_is_no_outage() {
        let mut budget = BurnRate::new(0.999, &BurnRate::WORKBOOK, 10).unwrap();
        assert!(
            (0..300).all(|m| budget.observe(m * MINUTE, u64::from(m == 200), 1).unwrap().firing.is_none())
        );
    }

    proptest! {
        #[test]
        fn windows_equal_a_direct_count(events in prop::collection::vec((0_u64..90, 0_u64..5, 1_u64..9), 1..80)) {
            let pair = BurnWindow { long_ms: 120 * MINUTE, short_ms: 60 * MINUTE, factor: 1.0 };
            let mut budget = BurnRate::new(0.9, &[pair], 0).unwrap();
            let (mut now, mut log): (u64, Vec<(u64, u64, u64)>) = (0, Vec::new());
            for (wait, bad, all) in events {
                now += wait * MINUTE;
                let bad = bad.min(all);
                log.push((now, bad, all));
                let burn = budget.observe(now, bad, all).unwrap();
                // Parts are two minutes and one minute long.
                for (window, part, found) in [(120, 2, burn.rates[0].0), (60, 1, burn.rates[0].1)] {
                    let first = (now / MINUTE / part * part + part).saturating_sub(window);
                    let inside = || log.iter().filter(|e| e.0 / MINUTE >= first);
                    let share = inside().map(|e| e.1).sum::<u64>() as f64 / inside().map(|e| e.2).sum::<u64>() as f64;
                    prop_assert!((found - share / (1.0 - 0.9)).abs() < 1e-9, "{found} {share}");
                }
            }
        }
    }

    #[test]
    fn impossible_windows_are_refused() {
        assert!(BurnRate::new(1.0, &BurnRate::WORKBOOK, 0).is_err());
        assert!(BurnRate::new(0.9, &[], 0).is_err());
        assert!(BurnRate::new(0.9, &[BurnWindow { long_ms: 1, short_ms: 2, factor: 1.0 }], 0).is_err());
        assert!(BurnRate::new(0.9, &[BurnWindow { long_ms: 1, short_ms: 1, factor: f64::NAN }], 0).is_err());
        let mut tiny = BurnRate::new(0.9, &[BurnWindow { long_ms: 1, short_ms: 1, factor: 1.0 }], 0).unwrap();
        assert!(tiny.observe(u64::MAX, u64::MAX, u64::MAX).unwrap().firing == Some(0));
        assert!(tiny.observe(0, 0, 0).is_err());
    }
}

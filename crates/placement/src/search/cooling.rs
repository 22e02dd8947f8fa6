//! The temperature, steered by how many of the uphill moves are taken.
//!
//! A schedule in degrees would have to know the scale of the costs, which differs by orders of magnitude from one
//! problem to the next and from the start of a search to its end. The share of uphill moves that are taken has no
//! scale: it falls geometrically with progress, and the temperature follows it (after Lam and Delosme 1988, with the
//! target of the uphill moves alone, so that moves without a change of cost do not count).
//!
//! Where rises are of two kinds, some a million times as large as others, the share of the small ones hides the large
//! ones: the temperature would fall from one kind to the other within moments. A floor that falls evenly in powers of ten
//! keeps it among the large ones for their part of the time; where all rises are of one kind it is never touched.

use crate::rng::Pcg;
use crate::state::Verdict;

/// Share of the uphill moves taken at the start and at the end.
const HOT: f64 = 0.85;
const COLD: f64 = 0.000_2;
/// Taken moves, expected or seen, after which the temperature is corrected.
const WINDOW: f64 = 8.0;
/// The temperature falls by at most so many powers of ten from start to end, at an even pace.
const DECADES: f64 = 8.0;
/// Entries of the table of waiting times.
const TABLE: usize = 2_048;

#[derive(Debug)]
pub(super) struct Cooling {
    pub(super) temperature: f64,
    /// Where it began.
    start: f64,
    /// It is not to be lower yet.
    floor: f64,
    /// Share of uphill moves that should be taken now.
    target: f64,
    uphill: f64,
    taken: f64,
    /// `−ln(u)` for evenly spaced `u`: a rise below temperature times a random entry is taken.
    waiting: Vec<f64>,
}

impl Cooling {
    pub(super) fn new() -> Self {
        let waiting = (0..TABLE).map(|k| -((k as f64 + 0.5) / TABLE as f64).ln()).collect();
        Self { temperature: 1.0, start: 0.0, floor: 0.0, target: HOT, uphill: 0.0, taken: 0.0, waiting }
    }

    /// Sets the share for a progress from 0 to 1.
    pub(super) fn at(&mut self, progress: f64) {
        self.between(HOT, COLD, progress);
    }

    /// Sets the share for a progress from 0 to 1 on the way from one share to another.
    pub(super) fn between(&mut self, hot: f64, cold: f64, progress: f64) {
        self.target = hot * (cold / hot).powf(progress);
        self.floor = self.start * 10.0_f64.powf(-DECADES * progress);
    }

    /// Starts at the temperature at which the target share of these rises would be taken.
    pub(super) fn calibrate(&mut self, rises: &[f64]) {
        let most = rises.iter().copied().fold(0.0, f64::max);
        if most <= 0.0 {
            return;
        }
        let (mut low, mut high) = (1e-3_f64, most * 10.0);
        for _ in 0..60 {
            let middle = (low * high).sqrt();
            let share = rises.iter().map(|rise| (-rise / middle).exp()).sum::<f64>() / rises.len() as f64;
            if share > self.target { high = middle } else { low = middle }
        }
        (self.temperature, self.start, self.floor) = (low, low, low);
    }

    /// A random limit: Metropolis' criterion, drawn before the move is evaluated.
    #[inline]
    pub(super) fn limit(&self, rng: &mut Pcg) -> f64 {
        self.temperature * self.waiting[rng.below(TABLE)]
    }

    /// Learns from a move; `gain` is what was added to its limit.
    #[inline]
    pub(super) fn saw(&mut self, verdict: Verdict, gain: f64) {
        match verdict {
            Verdict::Breaks => return,
            Verdict::Above => self.uphill += 1.0,
            Verdict::Within(cost) => {
                if cost as f64 - gain <= 0.0 {
                    return;
                }
                self.uphill += 1.0;
                self.taken += 1.0;
            }
        }
        let expected = self.uphill * self.target;
        if expected.max(self.taken) >= WINDOW {
            let correction = ((expected + 1.0) / (self.taken + 1.0)).clamp(0.25, 4.0).powf(0.4);
            self.temperature = (self.temperature * correction).clamp(self.floor.max(1e-3), 1e17);
            (self.uphill, self.taken) = (0.0, 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_rises_that_are_all_taken_do_not_pull_the_temperature_past_the_large_ones() {
        let mut cooling = Cooling::new();
        cooling.at(0.0);
        cooling.calibrate(&[1e6; 100]);
        let start = cooling.temperature;
        for (progress, least) in [(0.125, 0.1), (0.25, 0.01)] {
            cooling.at(progress);
            for _ in 0..10_000 {
                cooling.saw(Verdict::Within(10), 0.0);
            }
            let share = cooling.temperature / start;
            assert!((0.99 * least..1.01 * least).contains(&share), "at {progress}: {share} of the start");
        }
        // Rises that are refused at that temperature bring it up again.
        for _ in 0..100_000 {
            cooling.saw(Verdict::Above, 0.0);
        }
        assert!(cooling.temperature > start, "{}", cooling.temperature);
    }
}

//! Forecasts plus quantiles of their own past errors, weighted by how well they bounded demand.

use crate::stats::floor_usize;
use std::collections::VecDeque;

/// Exponent of the weights `(best / loss)^p`.
const SHARPNESS: i32 = 6;
/// Share by which one violation moves the level of a line.
const PACE: f64 = 0.005;
/// Weight of a new error in the recent size of errors.
const QUICK: f64 = 0.1;

/// Unit of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Unit {
    /// That of the demand.
    Plain,
    /// The forecast itself.
    Relative,
    /// The recent size of the member's errors.
    Recent,
}

const UNITS: [Unit; 3] = [Unit::Plain, Unit::Relative, Unit::Recent];

/// The last errors in units of one line, in order of age and of size.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Errors {
    ring: VecDeque<f64>,
    sorted: Vec<f64>,
}

impl Errors {
    fn push(&mut self, error: f64, memory: usize) {
        if self.ring.len() >= memory
            && let Some(old) = self.ring.pop_front()
        {
            let at = self.sorted.partition_point(|e| e.total_cmp(&old).is_lt());
            self.sorted.remove(at);
        }
        self.ring.push_back(error);
        let at = self.sorted.partition_point(|e| e.total_cmp(&error).is_lt());
        self.sorted.insert(at, error);
    }

    /// The `⌈level·(k+1)⌉`-th smallest, the largest when there are too few, 0 without any.
    fn quantile(&self, level: f64) -> f64 {
        let k = self.sorted.len();
        let rank = floor_usize((level * (k + 1) as f64).ceil()).clamp(1, k.max(1));
        self.sorted.get(rank - 1).copied().unwrap_or(0.0)
    }
}

/// How often demand may lie above a bound, and what has been learned for it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Risk {
    rate: f64,
    level: f64,       // of the quantiles now
    losses: Vec<f64>, // per line, decayed pinball losses
}

/// A bound that waits for what comes.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Waiting {
    seen: usize,
    peak: Option<f64>,
    forecasts: Vec<f64>,
    units: Vec<f64>,  // per line
    lines: Vec<f64>,  // per risk, per line
    bounds: Vec<f64>, // per risk
}

/// All lines of all members.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Lines {
    lead: usize,
    memory: usize,
    floor: f64, // smallest unit of relative errors
    errors: Vec<Errors>,
    sizes: Vec<f64>, // recent size of errors per member
    risks: Vec<Risk>,
    waiting: VecDeque<Waiting>,
}

impl Lines {
    pub(super) fn new(members: usize, lead: usize, memory: usize, rates: &[f64], floor: f64) -> Self {
        let count = members * UNITS.len();
        let risk = |rate: &f64| Risk { rate: *rate, level: *rate, losses: vec![0.0; count] };
        Self {
            lead,
            memory,
            floor: floor.max(f64::MIN_POSITIVE.sqrt()),
            errors: vec![Errors::default(); count],
            sizes: vec![0.0; members],
            risks: rates.iter().map(risk).collect(),
            waiting: VecDeque::with_capacity(lead + 1),
        }
    }

    /// Takes the newest expectation back: the members were fitted anew.
    pub(super) fn withdraw(&mut self) {
        self.waiting.pop_back();
    }

    /// What each member thinks that demand will be at most.
    pub(super) fn expect(&mut self, forecasts: Vec<f64>) {
        let units: Vec<f64> = (0..self.errors.len()).map(|line| self.unit(line, &forecasts)).collect();
        let mut lines = Vec::with_capacity(self.risks.len() * units.len());
        let mut bounds = Vec::with_capacity(self.risks.len());
        for risk in &self.risks {
            let from = lines.len();
            for (line, errors) in self.errors.iter().enumerate() {
                lines.push(forecasts[line / UNITS.len()] + errors.quantile(risk.level) * units[line]);
            }
            bounds.push(risk.combine(&lines[from..]));
        }
        self.waiting.push_back(Waiting { seen: 0, peak: None, forecasts, units, lines, bounds });
        while self.waiting.len() > self.lead {
            self.waiting.pop_front();
        }
    }

    /// Bounds of the newest expectation, one per risk.
    pub(super) fn bounds(&self) -> &[f64] {
        self.waiting.back().map_or(&[], |w| &w.bounds)
    }

    fn unit(&self, line: usize, forecasts: &[f64]) -> f64 {
        let member = line / UNITS.len();
        match UNITS[line % UNITS.len()] {
            Unit::Plain => 1.0,
            Unit::Relative => forecasts[member].abs().max(self.floor),
            Unit::Recent => self.sizes[member].max(self.floor * 0.1),
        }
    }

    /// Demand of a step; NaN where it is not known.
    pub(super) fn observe(&mut self, value: f64) {
        for w in &mut self.waiting {
            w.seen += 1;
            if !value.is_nan() {
                w.peak = Some(w.peak.map_or(value, |peak| peak.max(value)));
            }
        }
        while self.waiting.front().is_some_and(|w| w.seen >= self.lead) {
            if let Some(ripe) = self.waiting.pop_front()
                && let Some(peak) = ripe.peak
            {
                self.learn(&ripe, peak);
            }
        }
    }

    fn learn(&mut self, ripe: &Waiting, peak: f64) {
        let count = self.errors.len();
        for (line, errors) in self.errors.iter_mut().enumerate() {
            let error = (peak - ripe.forecasts[line / UNITS.len()]) / ripe.units[line];
            errors.push(error.clamp(-1e100, 1e100), self.memory);
        }
        for (size, forecast) in self.sizes.iter_mut().zip(&ripe.forecasts) {
            *size += QUICK * ((peak - forecast).abs() - *size);
        }
        let keep = 1.0 - 1.0 / self.memory.max(1) as f64;
        for (r, risk) in self.risks.iter_mut().enumerate() {
            for (loss, line) in risk.losses.iter_mut().zip(&ripe.lines[r * count..]) {
                let above = peak - line;
                *loss = keep * *loss + (risk.rate * above).max((risk.rate - 1.0) * above);
            }
            let missed = f64::from(u8::from(peak > ripe.bounds[r]));
            let highest = 1.0 - 0.25 * (1.0 - risk.rate);
            let lowest = 1.0 - (4.0 * (1.0 - risk.rate)).min(0.75);
            risk.level = (risk.level + PACE * (missed - (1.0 - risk.rate))).clamp(lowest, highest);
        }
    }
}

impl Risk {
    /// Mean of the lines, weighted by their losses.
    fn combine(&self, lines: &[f64]) -> f64 {
        let best = self.losses.iter().copied().fold(f64::INFINITY, f64::min).max(1e-300);
        let (mut sum, mut total) = (0.0, 0.0);
        for (line, loss) in lines.iter().zip(&self.losses) {
            let weight = (best / loss.max(best)).powi(SHARPNESS);
            sum += weight * line;
            total += weight;
        }
        sum / total
    }
}

//! Cooling of a machine: temperature by inlet and load.

use super::{HardwareSample, HardwareSettings};
use nalgebra::{Matrix4, Vector4};

/// Least standard deviation of a temperature, °C: sensors give whole degrees.
const SENSOR: f64 = 0.5;
/// Residual in standard deviations that is not summed up.
const SLACK: f64 = 1.0;
/// Sum of residuals beyond the slack at which the cooling fails, in standard deviations: twelve, as residuals are correlated in time.
const HOT: f64 = 12.0;

/// Temperature by inlet and load.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Cooling {
    /// Sums of products of (1, inlet, load, load before) and with the temperature.
    products: [[f64; 4]; 4],
    with: [f64; 4],
    squares: f64,
    seen: usize,
    before: Option<f64>,
    /// Smallest and largest inlet and load while learning.
    range: Option<[(f64, f64); 2]>,
    /// Coefficients and standard deviation, once learnt.
    model: Option<([f64; 4], f64)>,
    sum: f64,
    failing: bool,
}

impl Cooling {
    pub(super) fn push(
        &mut self,
        sample: &HardwareSample,
        settings: &HardwareSettings,
    ) -> Option<(f64, f64)> {
        let known = |v: f64| v.abs() <= 1e6;
        if !(known(sample.temperature) && known(sample.load) && known(sample.inlet)) {
            self.before = None;
            return None;
        }
        let before = self.before.replace(sample.load)?;
        let row = [1.0, sample.inlet, sample.load, before];
        if self.model.is_none() {
            self.learn(&row, sample.temperature, settings.learn);
            return None;
        }
        let (model, sigma) = self.model.filter(|_| !self.failing && self.knows(&row))?;
        let expected: f64 = model.iter().zip(row).map(|(m, x)| m * x).sum();
        self.sum = (self.sum + (sample.temperature - expected) / sigma - SLACK).max(0.0);
        self.failing = self.sum >= HOT;
        self.failing.then_some((sample.temperature, expected))
    }

    /// Whether a row is near enough to those that were learnt: within their range and half its width to each side.
    fn knows(&self, &[_, inlet, load, before]: &[f64; 4]) -> bool {
        let near = |(low, high): (f64, f64), least: f64, value: f64| {
            let more = (0.5 * (high - low)).max(least);
            (low - more..=high + more).contains(&value)
        };
        // An inlet that never changed has a coefficient from 0 to 1: up to `SENSOR` it cannot be off by more than the slack.
        let all = |[air, used]: [(f64, f64); 2]| {
            near(air, SENSOR, inlet) && near(used, 0.0, load) && near(used, 0.0, before)
        };
        self.range.is_some_and(all)
    }

    fn learn(&mut self, row: &[f64; 4], temperature: f64, learn: usize) {
        let wider = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
        let [air, load] = self.range.unwrap_or([(row[1], row[1]), (row[2], row[2])]);
        self.range = Some([wider(air, row[1]), wider(wider(load, row[2]), row[3])]);
        for (sums, x) in self.products.iter_mut().zip(row) {
            sums.iter_mut().zip(row).for_each(|(s, y)| *s += x * y);
        }
        self.with.iter_mut().zip(row).for_each(|(s, x)| *s += x * temperature);
        self.squares += temperature * temperature;
        self.seen += 1;
        if self.seen < learn {
            return;
        }
        // A millionth of each column keeps a load or an inlet that never changes from being divided by.
        let n = self.seen as f64;
        let mut left = Matrix4::from_fn(|i, j| self.products[i][j]);
        (0..4).for_each(|i| left[(i, i)] += 1e-6 * left[(i, i)].max(1.0));
        let right = Vector4::from_fn(|i, _| self.with[i]);
        let Some(solved) = left.cholesky().map(|c| c.solve(&right)) else { return };
        let model = [solved[0], solved[1], solved[2], solved[3]];
        let fitted: f64 = model.iter().zip(self.with).map(|(m, w)| m * w).sum();
        let twice: f64 = (0..4)
            .flat_map(|i| (0..4).map(move |j| (i, j)))
            .map(|(i, j)| model[i] * model[j] * self.products[i][j])
            .sum();
        let variance = (self.squares - 2.0 * fitted + twice) / (n - 4.0).max(1.0);
        self.model = Some((model, variance.max(0.0).sqrt().max(SENSOR)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hardware::{HardwareMonitor, Part, tests::warm},
        rng::Pcg,
    };

    #[test]
    fn a_weak_fan_is_found_and_a_busy_day_is_not() {
        let mut rng = Pcg::new(3);
        let mut monitor = HardwareMonitor::new(HardwareSettings::default()).unwrap();
        for hour in 0..2000 {
            assert_eq!(monitor.push(&warm(&mut rng, hour, 1.0)), [], "{hour}");
        }
        let hot = HardwareSample { load: 1.0, temperature: 62.0, inlet: 22.0, ..HardwareSample::default() };
        let mut busy = monitor.clone();
        assert!((0..48).all(|_| busy.push(&hot).is_empty()), "full load explains it");
        let found = (0..48).find_map(|h| monitor.push(&warm(&mut rng, h, 1.4)).first().copied());
        assert_eq!(found.unwrap().part, Part::Cooling);
        assert!((0..99).all(|h| monitor.push(&warm(&mut rng, h, 1.4)).is_empty()), "told once");
        monitor.replaced(Part::Cooling);
        assert!((0..900).all(|h| monitor.push(&warm(&mut rng, h, 1.4)).is_empty()), "usual for the new one");
    }

    /// A machine of which `load` was learnt.
    fn learnt(load: impl Fn(usize) -> f64) -> HardwareMonitor {
        let mut monitor = HardwareMonitor::new(HardwareSettings::default()).unwrap();
        assert!((0..400).all(|hour| monitor.push(&settled(load(hour), 22.0, 1.0)).is_empty()));
        monitor
    }

    /// Temperature that 40 °C at full load settle at.
    fn settled(load: f64, inlet: f64, resistance: f64) -> HardwareSample {
        let temperature = inlet + 40.0 * resistance * load;
        HardwareSample { temperature, load, inlet, ..HardwareSample::default() }
    }

    #[test]
    fn loads_and_inlets_far_from_those_learnt_are_not_judged() {
        let mut idle = learnt(|_| 0.0);
        assert!((0..500).all(|_| idle.push(&settled(0.9, 22.0, 1.0)).is_empty()), "work is no broken fan");
        let mut steady = learnt(|_| 0.2);
        assert!((0..500).all(|_| steady.push(&settled(0.9, 22.0, 1.0)).is_empty()));
        assert!((0..500).all(|_| steady.push(&settled(0.2, 32.0, 1.0)).is_empty()), "a warm room");
        assert!((0..500).any(|_| !steady.push(&settled(0.2, 22.0, 1.5)).is_empty()), "known, and hot");
        // Learnt from 0.2 to 0.5, so known up to 0.65.
        let varied = learnt(|hour| 0.2 + 0.1 * (hour * 7 % 4) as f64);
        let found = |load: f64| {
            let mut monitor = varied.clone();
            (0..500).any(|_| !monitor.push(&settled(load, 22.0, 1.5)).is_empty())
        };
        assert!(found(0.6) && !found(0.7));
    }
}

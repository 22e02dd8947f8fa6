//! Hardware anomalies: parts of a machine that wear out, from their error counters and temperature.
//!
//! # Model
//! Errors of disks (growth of SMART 5, 187, 197, 198), corrected memory errors (ECC) and corrected machine checks of the processor come
//! in bursts, and few machines own most of them: a count says little, the number of samples with errors a lot. Its odds are
//! those of the machine's own past under a Gamma prior of small shape (most machines have none, some have always had many), and a
//! [`BernoulliCusum`] asks whether they have risen. The past ends `lag` samples ago, so that a fault does not make itself usual.
//! Link errors are a rate per frame at any level: a [`PoissonCusum`] on counts divided by their dispersion. Cooling: in a first-order
//! thermal model the temperature settles at inlet + load × resistance, so it is regressed on inlet and load (and the load before)
//! while learning; a CUSUM of the residuals in standard deviations sees a resistance that rises with a failing fan. A regression knows nothing
//! of loads that it has not seen: samples whose load, load before or inlet lies outside of the range while learning, widened by half its
//! width to each side (the inlet by half a degree at least), are not judged. A machine that idled while it was learnt is learnt
//! anew with [`HardwareMonitor::replaced`].
//!
//! One finding for each part; [`HardwareMonitor::replaced`] begins anew with it. Many failing disks and
//! memory modules show nothing before. For such failures see the studies, whose figures are assumed here and were not verified:
//! Pinheiro, Weber & Barroso (2007), Failure trends in a large disk drive population, FAST; Schroeder, Pinheiro & Weber (2009), DRAM
//! errors in the wild, SIGMETRICS; Nightingale, Douceur & Orgovan (2011), Cycles, cells and platters, EuroSys.

mod cooling;

use crate::{
    anomaly::{BernoulliCusum, CountTail, PoissonCusum, height_for},
    error::{FitError, MAX_MAGNITUDE},
};
use cooling::Cooling;
use std::collections::VecDeque;

/// A part of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Part {
    /// A disk.
    Disk,
    /// Memory modules.
    Memory,
    /// The processor and its caches.
    Processor,
    /// A network link: card, cable, transceiver.
    Link,
    /// Fans and air flow.
    Cooling,
}

/// What was counted and measured since the last sample; samples are equally spaced.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "plain input")]
pub struct HardwareSample {
    /// New disk errors (reallocated, reported uncorrectable, pending, offline uncorrectable sectors); `None` when not read.
    pub disk: Option<u64>,
    /// New corrected memory errors.
    pub memory: Option<u64>,
    /// New corrected machine checks.
    pub processor: Option<u64>,
    /// New frames with errors.
    pub link: Option<u64>,
    /// Frames that went over the link, NaN when not known.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unknown"))]
    pub frames: f64,
    /// Temperature of the part that heats up, °C, NaN when not known (as the next two).
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unknown"))]
    pub temperature: f64,
    /// Load that heats it: processor use or power, any unit.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unknown"))]
    pub load: f64,
    /// Temperature of the air that comes in, °C.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unknown"))]
    pub inlet: f64,
}

impl Default for HardwareSample {
    /// Nothing read.
    fn default() -> Self {
        let unknown = f64::NAN;
        let (frames, temperature, load, inlet) = (unknown, unknown, unknown, unknown);
        Self { disk: None, memory: None, processor: None, link: None, frames, temperature, load, inlet }
    }
}

/// A part that is failing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HardwareFinding {
    /// The part.
    pub part: Part,
    /// What was found in the last sample: a count, or a temperature.
    pub found: f64,
    /// What was usual for it: probability of a sample with errors, count, or temperature.
    pub expected: f64,
}

/// How parts are judged; the defaults are meant for hourly samples.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HardwareSettings {
    /// Samples between false alarms of one part of one machine that are aimed at, at least 2 (default 720,000: one in a thousand months of hours).
    pub false_every: f64,
    /// Factor by which the odds of errors rise in a failing part, above 1 (default 30, chosen on simulated machines after 10 found too
    /// few; the assumption behind it, not verified, is that memory errors recur 13 to 228 times as often as they appear, and crashes from
    /// a processor up to two orders of magnitude as often).
    pub ratio: f64,
    /// Samples that a part is only learnt, 24 to 100,000 (default 336: two weeks).
    pub learn: usize,
    /// Samples that are too young to be usual, up to 10,000 (default 168: a week).
    pub lag: usize,
}

impl Default for HardwareSettings {
    fn default() -> Self {
        Self { false_every: 720_000.0, ratio: 30.0, learn: 336, lag: 168 }
    }
}

/// Samples with errors among those of a machine: 0.05 in 500, which is one in about fourteen months, with a shape that gives way to the first
/// error of the machine itself.
const PRIOR: (f64, f64) = (0.05, 500.0);
/// Prior of link errors: half of one in a hundred million frames, far below what IEEE 802.3 allows.
const LINK_PRIOR: (f64, f64) = (0.5, 1e8);

/// Samples with errors, old enough to be usual.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Errors {
    usual: CountTail,
    young: VecDeque<bool>,
    seen: usize,
    chart: BernoulliCusum,
    failing: bool,
}

impl Errors {
    fn new(settings: &HardwareSettings) -> Result<Self, FitError> {
        Ok(Self {
            usual: CountTail::new(PRIOR.0, PRIOR.1)?,
            young: VecDeque::new(),
            seen: 0,
            chart: BernoulliCusum::new(settings.ratio, height_for(settings.false_every))?,
            failing: false,
        })
    }

    fn push(&mut self, count: u64, settings: &HardwareSettings) -> Option<(f64, f64)> {
        let event = count > 0;
        let usual = self.usual.rate().min(0.99);
        self.seen = self.seen.saturating_add(1);
        // While learning the charts rest, and all that was seen counts at once.
        let lag = if self.seen <= settings.learn { 0 } else { settings.lag };
        self.young.push_back(event);
        while self.young.len() > lag
            && let Some(old) = self.young.pop_front()
        {
            self.usual.learn(u64::from(old), 1.0);
        }
        if self.seen <= settings.learn || self.failing {
            return None;
        }
        self.failing = self.chart.push(event, usual);
        self.failing.then_some((count as f64, usual))
    }
}

/// Errors of a link per frame.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Link {
    usual: CountTail,
    young: VecDeque<(u64, f64)>,
    /// Sum of squared Pearson residuals while learning.
    squares: f64,
    seen: usize,
    chart: PoissonCusum,
    failing: bool,
}

impl Link {
    fn push(&mut self, count: u64, frames: f64, settings: &HardwareSettings) -> Option<(f64, f64)> {
        if !(frames > 0.0 && frames <= MAX_MAGNITUDE) {
            return None;
        }
        let expected = self.usual.rate() * frames;
        let dispersion = (self.squares / self.seen.min(settings.learn).max(1) as f64).max(1.0);
        self.seen = self.seen.saturating_add(1);
        let lag = if self.seen <= settings.learn { 0 } else { settings.lag };
        self.young.push_back((count, frames));
        while self.young.len() > lag
            && let Some((count, frames)) = self.young.pop_front()
        {
            self.usual.learn(count, frames);
        }
        if self.seen <= settings.learn || self.failing {
            let residual = count as f64 - expected;
            // A rate that is not known yet is no dispersion.
            self.squares +=
                (residual * residual / expected.max(1.0)).min(if self.seen < 24 { 1.0 } else { 1e6 });
            return None;
        }
        self.failing = self.chart.push_weighted(count as f64 / dispersion, expected / dispersion);
        self.failing.then_some((count as f64, expected))
    }
}

/// Watches the parts of one machine. About 5.5 KiB with the default lag, O(1) per sample.
///
/// # Example
/// ```
/// use ecosystem_forecast::hardware::{HardwareMonitor, HardwareSample, HardwareSettings, Part};
/// let mut monitor = HardwareMonitor::new(HardwareSettings::default())?;
/// let quiet = HardwareSample { disk: Some(0), memory: Some(0), ..HardwareSample::default() };
/// for _ in 0..1000 {
///     assert_eq!(monitor.push(&quiet), []);
/// }
/// // One bad hour with many errors is no failing disk; errors again and again are.
/// assert_eq!(monitor.push(&HardwareSample { disk: Some(40), ..quiet }), []);
/// let again = (0..100).find_map(|h| {
///     let errors = u64::from(h % 12 == 0);
///     monitor.push(&HardwareSample { disk: Some(errors), ..quiet }).first().copied()
/// });
/// assert_eq!(again.expect("hours with errors within three days").part, Part::Disk);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HardwareMonitor {
    settings: HardwareSettings,
    errors: [Errors; 3],
    link: Link,
    cooling: Cooling,
}

const COUNTED: [Part; 3] = [Part::Disk, Part::Memory, Part::Processor];

impl HardwareMonitor {
    /// A monitor of a machine.
    pub fn new(settings: HardwareSettings) -> Result<Self, FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if !(settings.false_every >= 2.0 && settings.false_every <= MAX_MAGNITUDE) {
            return refuse("false_every", settings.false_every, "2 to 1e100 samples");
        }
        if !(24..=100_000).contains(&settings.learn) {
            return refuse("learn", settings.learn as f64, "24 to 100000 samples");
        }
        if settings.lag > 10_000 {
            return refuse("lag", settings.lag as f64, "0 to 10000 samples");
        }
        let errors = Errors::new(&settings)?;
        Ok(Self {
            settings,
            errors: [errors.clone(), errors.clone(), errors],
            link: Self::link(&settings)?,
            cooling: Cooling::default(),
        })
    }

    fn link(settings: &HardwareSettings) -> Result<Link, FitError> {
        Ok(Link {
            usual: CountTail::new(LINK_PRIOR.0, LINK_PRIOR.1)?,
            young: VecDeque::new(),
            squares: 0.0,
            seen: 0,
            chart: PoissonCusum::new(settings.ratio, height_for(settings.false_every))?,
            failing: false,
        })
    }

    /// Takes a sample: parts that are found to be failing, each once.
    pub fn push(&mut self, sample: &HardwareSample) -> Vec<HardwareFinding> {
        let settings = self.settings;
        let mut findings = Vec::new();
        let mut told = |part, off: Option<(f64, f64)>| {
            findings.extend(off.map(|(found, expected)| HardwareFinding { part, found, expected }));
        };
        let counts = [sample.disk, sample.memory, sample.processor];
        for ((part, errors), count) in COUNTED.into_iter().zip(&mut self.errors).zip(counts) {
            told(part, count.and_then(|count| errors.push(count, &settings)));
        }
        told(Part::Link, sample.link.and_then(|count| self.link.push(count, sample.frames, &settings)));
        told(Part::Cooling, self.cooling.push(sample, &settings));
        findings
    }

    /// A part was replaced or repaired: it is learnt anew.
    pub fn replaced(&mut self, part: Part) {
        // Settings that were taken once are taken again.
        match part {
            Part::Cooling => self.cooling = Cooling::default(),
            Part::Link => {
                if let Ok(link) = Self::link(&self.settings) {
                    self.link = link;
                }
            }
            counted => {
                let at = COUNTED.iter().position(|p| *p == counted);
                if let (Some(at), Ok(errors)) = (at, Errors::new(&self.settings)) {
                    self.errors[at] = errors;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    pub(super) fn warm(rng: &mut Pcg, hour: usize, resistance: f64) -> HardwareSample {
        let day = (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
        let load = (0.5 + 0.3 * day + 0.1 * rng.normal()).clamp(0.0, 1.0);
        let inlet = 22.0 + 2.0 * day;
        let temperature = (inlet + 40.0 * resistance * load + rng.normal()).round();
        HardwareSample { temperature, load, inlet, ..HardwareSample::default() }
    }

    #[test]
    fn links_are_judged_by_errors_per_frame_and_bursts_of_others_are_no_trend() {
        let mut monitor = HardwareMonitor::new(HardwareSettings::default()).unwrap();
        let sample = |link: u64, frames: f64, memory: u64| HardwareSample {
            link: Some(link),
            frames,
            memory: Some(memory),
            ..HardwareSample::default()
        };
        for hour in 0..1500_u64 {
            let burst = if hour % 700 == 699 { 50_000 } else { 0 };
            assert_eq!(monitor.push(&sample(hour % 3, 1e8, burst)), [], "{hour}");
        }
        let mut more = monitor.clone();
        assert!(
            (0..200).all(|h| more.push(&sample(10 * (h % 3), 1e9, 0)).is_empty()),
            "ten times the traffic"
        );
        let found = (0..200).find_map(|h| monitor.push(&sample(10 * (h % 3), 1e8, 0)).first().copied());
        assert_eq!(found.unwrap().part, Part::Link);
    }

    #[test]
    fn a_link_with_a_burst_every_hundred_hours_stays_as_dispersed_as_it_was_learnt() {
        let mut monitor = HardwareMonitor::new(HardwareSettings::default()).unwrap();
        for hour in 0..5000 {
            let link = Some(if hour % 100 == 99 { 100 } else { 0 });
            let sample = HardwareSample { link, frames: 1e8, ..HardwareSample::default() };
            assert_eq!(monitor.push(&sample), [], "{hour}");
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn samples_with_what_was_not_read_are_stored() {
        let part = HardwareSample { disk: Some(2), load: 0.5, ..HardwareSample::default() };
        let text = serde_json::to_string(&part).unwrap();
        let back: HardwareSample = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{back:?}"), format!("{part:?}"), "NaN is not equal to itself");
    }

    #[test]
    fn a_saved_monitor_goes_on_with_the_same_bits_and_memory_is_bounded() {
        let mut rng = Pcg::new(9);
        let mut whole = HardwareMonitor::new(HardwareSettings::default()).unwrap();
        let mut next = |hour: usize, more: f64| HardwareSample {
            disk: Some(u64::from(rng.uniform() < 0.01 * more)),
            link: Some(u64::from(rng.uniform() < 0.1 * more)),
            frames: 1e7,
            ..warm(&mut rng.clone(), hour, more)
        };
        (0..800).for_each(|hour| drop(whole.push(&next(hour, 1.0))));
        #[cfg(feature = "serde")]
        let mut part: HardwareMonitor =
            serde_json::from_str(&serde_json::to_string(&whole).unwrap()).unwrap();
        #[cfg(not(feature = "serde"))]
        let mut part = whole.clone();
        for hour in 0..800 {
            let sample = next(hour, 4.0);
            assert_eq!(whole.push(&sample), part.push(&sample));
        }
        assert_eq!(whole, part);
        assert_eq!((whole.errors[0].young.len(), whole.link.young.len()), (168, 168));
    }

    #[test]
    fn wrong_settings_are_refused_and_nothing_read_is_nothing_found() {
        let with = |false_every, learn, lag| {
            HardwareMonitor::new(HardwareSettings { false_every, learn, lag, ..HardwareSettings::default() })
        };
        assert!(
            with(f64::NAN, 336, 168).is_err()
                && with(1e6, 3, 168).is_err()
                && with(1e6, 336, 20_000).is_err()
        );
        let mut monitor = with(1e6, 336, 168).unwrap();
        let before = monitor.clone();
        assert_eq!(monitor.push(&HardwareSample::default()), []);
        assert_eq!(monitor, before);
    }
}

//! How far a metric has moved.

use crate::stats::{mad_sigma, median_in_place, variance};

/// What a deviation of a metric says about its component.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Role {
    /// Processor time and its throttling.
    Processor,
    /// Memory.
    Memory,
    /// Disk and file system.
    Storage,
    /// Time that the component takes to answer.
    ServiceTime,
    /// What others cause too: traffic, load, errors, waiting for others, the host's metrics.
    Echo,
}

impl Role {
    /// A guess from a metric's name.
    ///
    /// # Example
    /// ```
    /// use ecosystem_forecast::cause::Role;
    /// assert_eq!(Role::of_name("container_memory_usage_bytes"), Role::Memory);
    /// assert_eq!(Role::of_name("PodServerLatencyP95(s)"), Role::ServiceTime);
    /// assert_eq!(Role::of_name("NodeCpuUsageRate(%)"), Role::Echo);
    /// ```
    pub fn of_name(name: &str) -> Self {
        let name = name.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
        if has(&["node", "client", "network", "upstream"]) {
            Self::Echo
        } else if has(&["cpu", "processor", "throttl"]) {
            Self::Processor
        } else if has(&["memory", "mem_", "heap", "rss"]) {
            Self::Memory
        } else if has(&["disk", "iowait", "fs_", "storage"]) {
            Self::Storage
        } else if has(&["latency", "duration", "response_time"]) {
            Self::ServiceTime
        } else {
            Self::Echo
        }
    }
}

/// One metric of a component.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain input")]
pub struct Metric<'a> {
    /// Values, equally spaced, the same moments for all; NaN where missing.
    pub values: &'a [f64],
    /// What its deviation says.
    pub role: Role,
}

/// Deviation after the onset: size in spreads (at most 1000) and first step at which it exceeded 3.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deviation {
    pub(super) size: f64,
    pub(super) first: Option<usize>,
}

/// Largest deviation of `values[onset..]` from `values[past..onset]`.
pub(super) fn deviation(values: &[f64], past: usize, onset: usize, floor: f64) -> Deviation {
    let onset = onset.min(values.len());
    let observed = |r: &[f64]| -> Vec<f64> { r.iter().copied().filter(|v| v.is_finite()).collect() };
    let mut before = observed(&values[past.min(onset)..onset]);
    if before.len() < 5 {
        return Deviation::default();
    }
    let center = median_in_place(&mut before);
    let plain = variance(&before).sqrt();
    // The spread of a metric that mostly stands still is not nothing: some of its plain spread, some of its size.
    let spread = mad_sigma(&mut before).max(0.3 * plain).max(floor * center.abs());
    if spread <= 0.0 {
        return Deviation::default();
    }
    let mut out = Deviation::default();
    for (step, v) in values[onset..].iter().enumerate().filter(|(_, v)| v.is_finite()) {
        let z = ((v - center) / spread).abs().min(1000.0);
        out.size = out.size.max(z);
        if z > 3.0 && out.first.is_none() {
            out.first = Some(step);
        }
    }
    out
}

//! What an alarm is about: which part of the system, which kind of trouble, how bad.

use crate::{
    anomaly::{Judgement, Shape, Verdict},
    security::{SecurityFinding, Sign},
    stats::{autocorrelations, mad_sigma, mean, median_in_place, variance},
};

/// Rows from which an event is more than a few values.
const SHORT: usize = 6;

/// Part of a machine or service that a metric describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Subsystem {
    /// Processor time, load, threads.
    Processor,
    /// Memory, swap, heap.
    Memory,
    /// Disks and file systems: space, throughput, latency.
    Disk,
    /// Interfaces, sockets, packets, loss.
    Network,
    /// Temperatures, fans, power.
    Thermal,
    /// Parts that wear out: SMART attributes, ECC errors, reallocated sectors.
    Wear,
    /// Answers to callers: latency, error rates, throughput.
    Service,
    /// Logins, permissions, secrets, actors.
    Access,
    /// The name says nothing.
    Other,
}

/// Whom an alarm concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Modality {
    /// Slow, overloaded, leaking.
    Performance,
    /// Somebody behaves unlike himself.
    Security,
    /// Loss, latency, throughput between machines.
    Network,
    /// A part fails or overheats.
    Hardware,
}

/// Kind of an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AlarmKind {
    /// A few values far above.
    Spike,
    /// A few values far below.
    Dip,
    /// Another level, up or down.
    LevelShift,
    /// Drifting up or down: growth, a leak.
    Trend,
    /// Unusual scatter.
    Variance,
    /// No movement where there was some.
    FlatLine,
    /// Unusual for the time of day or week only.
    SeasonBreak,
    /// No data.
    Missing,
    /// Behaviour of an actor.
    Behaviour,
}

/// How bad, in four steps that people can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "four steps")]
pub enum Severity {
    /// Worth a line in a report.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Worth waking somebody.
    Critical,
}

impl Severity {
    /// From a score in units of its alarm threshold: below 1.5, 2.5, 4 and above. The ensemble's surprise adds logarithms of
    /// probabilities, so each step is rarer by orders of magnitude.
    pub fn of_ratio(ratio: f64) -> Self {
        match ratio {
            r if r >= 4.0 => Self::Critical,
            r if r >= 2.5 => Self::High,
            r if r >= 1.5 => Self::Medium,
            _ => Self::Low,
        }
    }
}

/// The class of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AlarmClass {
    /// Part of the system.
    pub subsystem: Subsystem,
    /// Whom it concerns.
    pub modality: Modality,
    /// Kind of trouble.
    pub kind: AlarmKind,
    /// How bad.
    pub severity: Severity,
}

/// Words of metric names by subsystem; the first subsystem that has one of the words wins, so narrow words come first.
const WORDS: [(Subsystem, &[&str]); 8] = [
    (Subsystem::Access, &["login", "auth", "sudo", "permission", "secret", "credential", "denied", "audit"]),
    (
        Subsystem::Wear,
        &["smart", "ecc", "realloc", "sector", "wear", "uncorrect", "pending_sect", "media_error"],
    ),
    (Subsystem::Thermal, &["temp_", "temperature", "thermal", "celsius", "fan", "watt", "voltage", "power"]),
    (
        Subsystem::Service,
        &["latency", "duration", "response", "request", "success", "error_rate", "http", "qps", "rps"],
    ),
    (
        Subsystem::Network,
        &["network", "net", "socket", "packet", "tcp", "udp", "rx_", "tx_", "bandwidth", "loss", "retrans"],
    ),
    (Subsystem::Memory, &["memory", "mem", "heap", "rss", "swap", "hugepage", "page_fault", "gc_"]),
    (
        Subsystem::Disk,
        &["disk", "fs", "filesystem", "fsstat", "iowait", "iops", "inode", "storage", "volume", "blk"],
    ),
    (Subsystem::Processor, &["cpu", "processor", "core", "load", "throttl", "thread", "process", "runqueue"]),
];

impl Subsystem {
    /// A guess from a metric's name. Words count from a beginning of a part of the name (parts end at anything but letters and
    /// digits, and where capitals begin), so `filesystem_files` is a disk and `profanity` no fan.
    ///
    /// # Example
    /// ```
    /// use ecosystem_forecast::alert::Subsystem;
    /// assert_eq!(Subsystem::of_name("system.network.in.dropped"), Subsystem::Network);
    /// assert_eq!(Subsystem::of_name("node_hwmon_temp_celsius"), Subsystem::Thermal);
    /// assert_eq!(Subsystem::of_name("PodServerLatencyP95(s)"), Subsystem::Service);
    /// assert_eq!(Subsystem::of_name("m17"), Subsystem::Other);
    /// ```
    pub fn of_name(name: &str) -> Self {
        let parts = parts(name);
        let found = |words: &[&str]| words.iter().any(|w| holds(&parts, w));
        WORDS.iter().find(|(_, words)| found(words)).map_or(Self::Other, |(s, _)| *s)
    }

    /// Whom trouble of this part concerns.
    pub fn modality(self) -> Modality {
        match self {
            Self::Network => Modality::Network,
            Self::Thermal | Self::Wear => Modality::Hardware,
            Self::Access => Modality::Security,
            _ => Modality::Performance,
        }
    }

    /// The part that most of the deviation is in: the largest mean of `|deviation|` over the metrics of a part, given as (name,
    /// deviation). `None` without a metric whose name says something.
    pub fn of_deviations<'a>(metrics: impl IntoIterator<Item = (&'a str, f64)>) -> Option<Self> {
        let mut sums: Vec<(Self, f64, f64)> = Vec::new();
        for (name, deviation) in metrics {
            let part = Self::of_name(name);
            if part == Self::Other || deviation.is_nan() {
                continue;
            }
            match sums.iter_mut().find(|s| s.0 == part) {
                Some(sum) => (sum.1, sum.2) = (sum.1 + deviation.abs(), sum.2 + 1.0),
                None => sums.push((part, deviation.abs(), 1.0)),
            }
        }
        sums.sort_by_key(|s| s.0);
        let mean = |s: &(Self, f64, f64)| s.1 / s.2;
        sums.into_iter().reduce(|a, b| if mean(&b) > mean(&a) { b } else { a }).map(|s| s.0)
    }
}

/// Lower-case parts of a name.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins = c.is_uppercase() && !before.is_uppercase();
        if !c.is_alphanumeric() || begins {
            parts.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(part) = parts.last_mut()
        {
            part.extend(c.to_lowercase());
        }
        before = c;
    }
    parts.retain(|p| !p.is_empty());
    parts
}

/// Whether a word, perhaps of several parts joined by `_`, begins somewhere.
fn holds(parts: &[String], word: &str) -> bool {
    let wanted: Vec<&str> = word.split('_').filter(|w| !w.is_empty()).collect();
    // A word that ends with `_` is a whole part.
    let whole = word.ends_with('_') || word.len() <= 3;
    parts.windows(wanted.len()).any(|window| {
        window.iter().zip(&wanted).all(|(part, w)| if whole { part == w } else { part.starts_with(w) })
    })
}

impl AlarmKind {
    /// From the view of the ensemble that was surprised most.
    fn of_shape(shape: Shape) -> Option<Self> {
        Some(match shape {
            Shape::Spike => Self::Spike,
            Shape::Dip => Self::Dip,
            Shape::ShiftUp | Shape::ShiftDown => Self::LevelShift,
            Shape::TrendUp | Shape::TrendDown => Self::Trend,
            Shape::Noisy => Self::Variance,
            Shape::Flat => Self::FlatLine,
            Shape::OffSeason => Self::SeasonBreak,
            Shape::None => return None,
        })
    }
}

/// Robust deviation of usual values around what was expected of them.
fn usual_deviation(before: &[f64], season: Option<usize>) -> f64 {
    let lag = season.filter(|p| before.len() > *p);
    let mut distances: Vec<f64> = match lag {
        Some(p) => {
            (p..before.len()).map(|j| (before[j] - before[j - p]) / std::f64::consts::SQRT_2).collect()
        }
        None => before.to_vec(),
    };
    distances.retain(|v| v.is_finite());
    if distances.is_empty() { 0.0 } else { mad_sigma(&mut distances) }
}

/// What was usual `i` rows after the last of `before`: the mean of the last three seasons there, or the median.
fn usual_value(before: &[f64], season: Option<usize>, middle: f64, i: usize) -> f64 {
    let Some(p) = season.filter(|p| *p > 0 && before.len() >= *p) else { return middle };
    let (mut sum, mut n) = (0.0, 0.0);
    for k in 1..=(before.len() / p).min(3) {
        let v = before[before.len() - k * p + i % p];
        if v.is_finite() {
            (sum, n) = (sum + v, n + 1.0);
        }
    }
    if n > 0.0 { sum / n } else { middle }
}

/// Sum of squared errors and slope of the least-squares line of y over x.
fn line(x: &[f64], y: &[f64]) -> (f64, f64) {
    let (mx, my) = (mean(x), mean(y));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mx, b - my);
        (xx, xy, yy) = (xx + a * a, xy + a * b, yy + b * b);
    }
    if xx > 0.0 { ((yy - xy * xy / xx).max(0.0), xy / xx) } else { (yy, 0.0) }
}

impl AlarmKind {
    /// The kind of an event from the values since it began, beside those before: settles what the first row of an alarm cannot
    /// know (every level shift begins like a spike). `season`: rows of a season, if there is one; at least two of them before help.
    /// Half a day of rows tells all kinds apart. `None` when nothing is unusual. O(n log n).
    ///
    /// Fits a level, a line and a multiple of the season to the residual from the last seasons, and compares their errors.
    ///
    /// # Example
    /// ```
    /// use ecosystem_forecast::alert::AlarmKind;
    /// let before: Vec<f64> = (0..200_u32).map(|i| 20.0 + f64::from(i * 7919 % 13)).collect();
    /// let leak: Vec<f64> = (0..60_u32).map(|i| 20.0 + f64::from(i * 7919 % 13) + 2.0 * f64::from(i)).collect();
    /// assert_eq!(AlarmKind::of_event(&before, &leak, None), Some(AlarmKind::Trend));
    /// assert_eq!(AlarmKind::of_event(&before, &[90.0, 91.0, 24.0, 22.0, 27.0, 30.0, 21.0], None), Some(AlarmKind::Spike));
    /// ```
    pub fn of_event(before: &[f64], event: &[f64], season: Option<usize>) -> Option<Self> {
        let mut known: Vec<f64> = before.iter().copied().filter(|v| v.is_finite()).collect();
        let seen: Vec<usize> = (0..event.len()).filter(|i| event[*i].is_finite()).collect();
        if known.is_empty() || event.is_empty() {
            return None;
        }
        if 2 * seen.len() < event.len() {
            return Some(Self::Missing);
        }
        let middle = median_in_place(&mut known);
        let sigma = usual_deviation(before, season).max(1e-9 * middle.abs()).max(1e-12);
        let usual: Vec<f64> = seen.iter().map(|i| usual_value(before, season, middle, *i)).collect();
        let rest: Vec<f64> = seen.iter().zip(&usual).map(|(i, u)| event[*i] - u).collect();
        let tip = rest.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        let brief = if tip > 0.0 { Self::Spike } else { Self::Dip };
        let first = event[seen[0]];
        if seen.len() >= SHORT && seen.iter().all(|i| (event[*i] - first).abs() <= 1e-9 * first.abs()) {
            // A series that always stood still is not stuck: it has moved, or nothing has happened.
            if sigma > 2e-9 * middle.abs() {
                return Some(Self::FlatLine);
            }
            return ((first - middle).abs() > 3.0 * sigma).then_some(Self::LevelShift);
        }
        let far =
            |r: &[f64]| r.iter().filter(|v| v.abs() > 3.0 * sigma).count() as f64 / r.len().max(1) as f64;
        if tip.abs() <= 3.0 * sigma {
            return None;
        }
        if seen.len() < SHORT || (far(&rest) < 0.5 && far(&rest[2 * rest.len() / 3..]) < 0.1) {
            return Some(brief);
        }
        let turns = autocorrelations(&rest, 1).get(1).copied().unwrap_or(0.0);
        if turns < 0.3 && mean(&rest).abs() < 0.5 * variance(&rest).sqrt() {
            return Some(Self::Variance);
        }
        let time: Vec<f64> = seen.iter().map(|i| *i as f64).collect();
        let level = variance(&rest) * rest.len() as f64;
        let ((by_line, slope), (by_season, multiple)) = (line(&time, &rest), line(&usual, &rest));
        if multiple.abs() > 0.5 && by_season < 0.5 * by_line && variance(&usual).sqrt() > 3.0 * sigma {
            return Some(Self::SeasonBreak);
        }
        if by_line < 0.5 * level && slope.abs() * rest.len() as f64 > 4.0 * sigma {
            return Some(Self::Trend);
        }
        Some(if far(&rest) >= 0.5 { Self::LevelShift } else { brief })
    }
}

impl AlarmClass {
    /// The class of an ensemble's verdict on a metric, `None` when there is nothing to tell. `threshold` is the ensemble's. Missing
    /// values are low by themselves: how long they last is a matter of the alert rule. O(length of the name).
    ///
    /// # Example
    /// ```
    /// use ecosystem_forecast::alert::{AlarmClass, AlarmKind, Modality, Severity};
    /// use ecosystem_forecast::anomaly::{Ensemble, EnsembleSettings};
    /// let settings = EnsembleSettings::default().with_rows_per_day(0);
    /// let mut ensemble = Ensemble::new(&settings)?;
    /// for i in 0..1500_u32 {
    ///     ensemble.judge(50.0 + f64::from(i * 7 % 5));
    /// }
    /// let verdict = ensemble.judge(900.0);
    /// let class = AlarmClass::of_verdict("disk_temperature_celsius", &verdict, settings.threshold).expect("an alarm");
    /// assert_eq!((class.modality, class.kind), (Modality::Hardware, AlarmKind::Spike));
    /// assert!(class.severity >= Severity::Medium);
    /// # Ok::<(), ecosystem_forecast::FitError>(())
    /// ```
    pub fn of_verdict(metric: &str, verdict: &Verdict, threshold: f64) -> Option<Self> {
        let subsystem = Subsystem::of_name(metric);
        let modality = subsystem.modality();
        if verdict.score.judgement == Judgement::Missing {
            let (kind, severity) = (AlarmKind::Missing, Severity::Low);
            return Some(Self { subsystem, modality, kind, severity });
        }
        if verdict.surprise < threshold {
            return None;
        }
        let kind = AlarmKind::of_shape(verdict.shape)?;
        let severity = Severity::of_ratio(verdict.surprise / threshold);
        Some(Self { subsystem, modality, kind, severity })
    }

    /// The same with a kind that is known better, as from [`AlarmKind::of_event`].
    #[must_use]
    pub fn with_kind(mut self, kind: AlarmKind) -> Self {
        self.kind = kind;
        self
    }

    /// The class of a finding about an actor. `limit` is the rarity at which findings begin; new peers concern the network too but
    /// stay with security, where somebody knows the actors.
    pub fn of_finding(finding: &SecurityFinding, limit: f64) -> Self {
        let kind = match finding.sign {
            Sign::Rate { .. } => AlarmKind::Spike,
            _ => AlarmKind::Behaviour,
        };
        Self {
            subsystem: Subsystem::Access,
            modality: Modality::Security,
            kind,
            severity: Severity::of_ratio(finding.rarity / limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        anomaly::{Ensemble, EnsembleSettings},
        rng::Pcg,
    };

    #[test]
    fn names_of_common_exporters_are_told_apart() {
        for (name, wanted) in [
            ("node_cpu_seconds_total", Subsystem::Processor),
            ("system.core.iowait.pct", Subsystem::Disk),
            ("container_memory_usage_bytes", Subsystem::Memory),
            ("system.memory.swap.used.pct", Subsystem::Memory),
            ("node_filesystem_files_free", Subsystem::Disk),
            ("system.fsstat.total_size.free", Subsystem::Disk),
            ("node_network_receive_packets_total", Subsystem::Network),
            ("system.socket.summary.tcp.all.close_wait", Subsystem::Network),
            ("smartctl_device_attribute_reallocated_sector_ct", Subsystem::Wear),
            ("edac_ecc_correctable_errors", Subsystem::Wear),
            ("ipmi_fan_speed_rpm", Subsystem::Thermal),
            ("http_request_duration_seconds", Subsystem::Service),
            ("PodClientLatencyP99(s)", Subsystem::Service),
            ("sshd_login_failures", Subsystem::Access),
            ("profanity_count", Subsystem::Other),
            ("", Subsystem::Other),
        ] {
            assert_eq!(Subsystem::of_name(name), wanted, "{name}");
        }
        assert_eq!(Subsystem::Wear.modality(), Modality::Hardware);
    }

    #[test]
    fn the_part_with_the_largest_mean_deviation_is_blamed() {
        let metrics = [
            ("cpu.user", 4.0),
            ("cpu.system", 1.0),
            ("memory.used", -3.0),
            ("m7", 99.0),
            ("net.in", f64::NAN),
        ];
        assert_eq!(Subsystem::of_deviations(metrics), Some(Subsystem::Memory));
        assert_eq!(Subsystem::of_deviations([("m7", 9.0)]), None);
    }

    /// A noisy day of 288 rows over ten days with an event from row 2,400 on.
    fn series(kind: AlarmKind, seed: u64) -> Vec<f64> {
        let mut rng = Pcg::new(seed);
        (0..2880)
            .map(|t| {
                let wave = 40.0 * (f64::from(t) / 288.0 * std::f64::consts::TAU).sin();
                let noise = 2.0 * rng.normal();
                let since = f64::from((t - 2400).max(0));
                if t < 2400 {
                    return 100.0 + wave + noise;
                }
                match kind {
                    AlarmKind::Spike if t < 2403 => 100.0 + wave + noise + 150.0,
                    AlarmKind::Dip if t < 2403 => 100.0 + wave + noise - 150.0,
                    AlarmKind::LevelShift => 100.0 + wave + noise + 90.0,
                    AlarmKind::Trend => 100.0 + wave + noise + 0.4 * since,
                    AlarmKind::Variance => 100.0 + wave + 15.0 * noise,
                    AlarmKind::FlatLine => 100.0 + 40.0 * (2400.0_f64 / 288.0 * std::f64::consts::TAU).sin(),
                    AlarmKind::SeasonBreak => 100.0 - wave + noise,
                    _ => 100.0 + wave + noise,
                }
            })
            .collect()
    }

    const KINDS: [AlarmKind; 7] = [
        AlarmKind::Spike,
        AlarmKind::Dip,
        AlarmKind::LevelShift,
        AlarmKind::Trend,
        AlarmKind::Variance,
        AlarmKind::FlatLine,
        AlarmKind::SeasonBreak,
    ];

    #[test]
    fn events_of_every_kind_are_alarms_and_named_as_what_they_are_half_a_day_later() {
        let settings = EnsembleSettings::default();
        let (mut seen, mut wrong) = (0, Vec::new());
        for kind in KINDS {
            for seed in 0..6 {
                let values = series(kind, seed);
                let mut ensemble = Ensemble::new(&settings).unwrap();
                let verdicts: Vec<Verdict> = values.iter().map(|v| ensemble.judge(*v)).collect();
                let Some(first) = (2400..2880).find(|i| verdicts[*i].alarm) else { continue };
                let class = AlarmClass::of_verdict("cpu", &verdicts[first], settings.threshold).unwrap();
                seen += 1;
                // What lies between a leak's begin and its alarm teaches the past a little of it.
                let settled = AlarmKind::of_event(&values[..first], &values[first..first + 144], Some(288));
                if settled.is_none_or(|k| class.with_kind(k).kind != kind) {
                    wrong.push((kind, class.kind, settled));
                }
            }
        }
        assert!(seen >= 36 && 10 * wrong.len() <= seen, "{seen} alarms, wrong: {wrong:?}");
    }

    #[test]
    fn ordinary_values_gaps_and_nothing_have_their_own_answers() {
        let values = series(AlarmKind::Missing, 3);
        assert_eq!(AlarmKind::of_event(&values[..2400], &values[2400..2500], Some(288)), None);
        assert_eq!(AlarmKind::of_event(&values, &[f64::NAN; 9], None), Some(AlarmKind::Missing));
        assert_eq!(AlarmKind::of_event(&[], &[1.0], None), None);
        assert_eq!(AlarmKind::of_event(&[5.0; 50], &[5.0; 50], Some(7)), None, "always flat");
        let event = [6.0; 50];
        assert_eq!(AlarmKind::of_event(&[5.0; 50], &event, Some(1000)), Some(AlarmKind::LevelShift));
    }

    #[test]
    fn missing_values_have_a_class_and_usual_ones_have_none() {
        let mut ensemble = Ensemble::new(&EnsembleSettings::default()).unwrap();
        for i in 0..500 {
            ensemble.judge(f64::from(i % 7));
        }
        assert_eq!(AlarmClass::of_verdict("rps", &ensemble.judge(3.0), 11.0), None);
        let class = AlarmClass::of_verdict("rps", &ensemble.judge(f64::NAN), 11.0).unwrap();
        assert_eq!((class.kind, class.severity), (AlarmKind::Missing, Severity::Low));
    }

    #[test]
    fn severities_are_ordered_steps_of_the_ratio() {
        let steps = [1.0, 1.5, 2.5, 4.0].map(Severity::of_ratio);
        assert_eq!(steps, [Severity::Low, Severity::Medium, Severity::High, Severity::Critical]);
        assert!(steps.is_sorted());
    }
}

//! From the daemon's counters to figures: what was used between two readings.

use crate::stats::Stats;
use ecosystem_core::MetricKind;
use std::collections::BTreeMap;

/// What is measured of a machine. All but two are rates over the time between two looks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Figure {
    /// [`MetricKind::CpuMillicores`]: processor use of the machine and its emulator.
    Processor,
    /// [`MetricKind::MemoryBytes`]: bytes of the host's memory that it takes.
    Memory,
    /// `balloon_bytes`: memory that the guest has been left by its balloon.
    Balloon,
    /// `busiest_vcpu_millicores`: use of its busiest virtual processor; of several machines, of the busiest.
    BusiestVcpu,
    /// `vcpu_delay_millicores`: how long its virtual processors waited for one of the host (stolen time).
    VcpuDelay,
    /// `net_received_bytes_per_second`, over all interfaces.
    NetReceived,
    /// `net_sent_bytes_per_second`, over all interfaces.
    NetSent,
    /// `disk_read_bytes_per_second`, over all disks.
    DiskRead,
    /// `disk_written_bytes_per_second`, over all disks.
    DiskWritten,
    /// `disk_reads_per_second`, requests over all disks.
    DiskReads,
    /// `disk_writes_per_second`, requests over all disks.
    DiskWrites,
}

/// Where a figure comes from.
enum From {
    /// A counter of the machine, and how many units of the figure one of it in a millisecond is.
    Counter(&'static str, f64),
    /// A counter of each device of a group.
    Devices(&'static str, &'static str, f64),
    /// Sizes in KiB, of which the first that is told counts.
    Size(&'static [&'static str]),
}

/// Nanoseconds in a millisecond, as millicores.
const BUSY: f64 = 1e-3;
/// Things in a millisecond, as things in a second.
const EACH: f64 = 1e3;

impl Figure {
    /// All.
    pub const ALL: [Self; 11] = [
        Self::Processor,
        Self::Memory,
        Self::Balloon,
        Self::BusiestVcpu,
        Self::VcpuDelay,
        Self::NetReceived,
        Self::NetSent,
        Self::DiskRead,
        Self::DiskWritten,
        Self::DiskReads,
        Self::DiskWrites,
    ];

    /// What it is asked for by.
    pub fn metric(self) -> MetricKind {
        let name = match self {
            Self::Processor => return MetricKind::CpuMillicores,
            Self::Memory => return MetricKind::MemoryBytes,
            Self::Balloon => "balloon_bytes",
            Self::BusiestVcpu => "busiest_vcpu_millicores",
            Self::VcpuDelay => "vcpu_delay_millicores",
            Self::NetReceived => "net_received_bytes_per_second",
            Self::NetSent => "net_sent_bytes_per_second",
            Self::DiskRead => "disk_read_bytes_per_second",
            Self::DiskWritten => "disk_written_bytes_per_second",
            Self::DiskReads => "disk_reads_per_second",
            Self::DiskWrites => "disk_writes_per_second",
        };
        MetricKind::Named(name.into())
    }

    /// The figure that a metric asks for.
    pub fn of(metric: &MetricKind) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.metric() == *metric)
    }

    /// Of several machines, or of several devices, together.
    pub(crate) fn together(self, all: impl Iterator<Item = f64>) -> Option<f64> {
        let larger = |a: f64, b: f64| if self == Self::BusiestVcpu { a.max(b) } else { a + b };
        all.reduce(larger)
    }

    const fn source(self) -> From {
        match self {
            Self::Processor => From::Counter("cpu.time", BUSY),
            Self::Memory => From::Size(&["balloon.rss", "balloon.current"]),
            Self::Balloon => From::Size(&["balloon.current"]),
            Self::BusiestVcpu => From::Devices("vcpu", "time", BUSY),
            Self::VcpuDelay => From::Devices("vcpu", "delay", BUSY),
            Self::NetReceived => From::Devices("net", "rx.bytes", EACH),
            Self::NetSent => From::Devices("net", "tx.bytes", EACH),
            Self::DiskRead => From::Devices("block", "rd.bytes", EACH),
            Self::DiskWritten => From::Devices("block", "wr.bytes", EACH),
            Self::DiskReads => From::Devices("block", "rd.reqs", EACH),
            Self::DiskWrites => From::Devices("block", "wr.reqs", EACH),
        }
    }
}

/// The counter of each device of a group, by what the device is called: places in the list move when one is unplugged.
fn devices(stats: &Stats, group: &str, counter: &str) -> BTreeMap<String, u64> {
    let one = |(key, value): (&String, &u64)| {
        let (place, rest) = key.strip_prefix(group)?.strip_prefix('.')?.split_once('.')?;
        if rest != counter || !place.bytes().all(|it| it.is_ascii_digit()) {
            return None;
        }
        let name = stats.names.get(&format!("{group}.{place}.name")).cloned();
        Some((name.unwrap_or_else(|| place.to_owned()), *value))
    };
    stats.numbers.iter().filter_map(one).collect()
}

/// What a counter grew by. One that fell began anew, so what it says now came since.
const fn growth(before: u64, after: u64) -> u64 {
    if after >= before { after - before } else { after }
}

/// What a machine used between two readings of its counters that are so many milliseconds apart, and its sizes now. Without
/// an earlier reading of the same life there are sizes only; a device that has just been plugged in counts from the next
/// reading on.
pub(crate) fn figures(before: Option<(&Stats, u64)>, now: &Stats) -> BTreeMap<Figure, f64> {
    let same = |it: &(&Stats, u64)| it.1 > 0 && it.0.life == now.life && it.0.uuid == now.uuid;
    let before = before.filter(same);
    let value = |figure: Figure| {
        let rate = |was: u64, is: u64, unit: f64, ms: u64| growth(was, is) as f64 / ms as f64 * unit;
        match figure.source() {
            From::Size(keys) => {
                keys.iter().find_map(|it| now.numbers.get(*it)).map(|it| *it as f64 * 1_024.0)
            }
            From::Counter(key, unit) => {
                let (was, ms) = before?;
                Some(rate(*was.numbers.get(key)?, *now.numbers.get(key)?, unit, ms))
            }
            From::Devices(group, key, unit) => {
                let (was, ms) = before?;
                let (was, is) = (devices(was, group, key), devices(now, group, key));
                figure.together(is.iter().filter_map(|(name, it)| Some(rate(*was.get(name)?, *it, unit, ms))))
            }
        }
    };
    Figure::ALL.into_iter().filter_map(|it| Some((it, value(it)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the names and units of libvirt 9.0's `virsh domstats`.
    fn stats(life: u32, numbers: &[(&str, u64)], names: &[(&str, &str)]) -> Stats {
        let numbers = numbers.iter().map(|it| (it.0.to_owned(), it.1)).collect();
        let names = names.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect();
        Stats { uuid: "u".into(), life, numbers, names }
    }

    #[track_caller]
    fn near(figures: &BTreeMap<Figure, f64>, figure: Figure, wanted: f64) {
        let found = figures[&figure];
        assert!((found - wanted).abs() < 1e-9 * wanted.max(1.0), "{figure:?}: {found}, not {wanted}");
    }

    #[test]
    fn counters_become_rates_and_sizes_stay() {
        let before = stats(
            7,
            &[("cpu.time", 1_000_000_000), ("vcpu.0.time", 0), ("vcpu.1.time", 500), ("block.0.rd.bytes", 0)],
            &[("block.0.name", "vda")],
        );
        let after = stats(
            7,
            &[
                ("cpu.time", 2_000_000_000),
                ("balloon.current", 65_536),
                ("balloon.rss", 1_024),
                ("vcpu.current", 2),
                ("vcpu.0.time", 1_500_000_000),
                ("vcpu.1.time", 500),
                ("block.0.rd.bytes", 8_192),
                ("block.0.allocation", 9_999),
            ],
            &[("block.0.name", "vda")],
        );
        let figures = figures(Some((&before, 2_000)), &after);
        near(&figures, Figure::Processor, 500.0);
        near(&figures, Figure::BusiestVcpu, 750.0);
        near(&figures, Figure::DiskRead, 4_096.0);
        near(&figures, Figure::Memory, 1_024.0 * 1_024.0);
        near(&figures, Figure::Balloon, 64.0 * 1_048_576.0);
        assert!(!figures.contains_key(&Figure::NetSent), "no interface, no figure");
    }

    #[test]
    fn a_machine_that_started_again_has_no_rate_yet_even_if_its_counters_are_higher() {
        let before = stats(7, &[("cpu.time", 1_000), ("balloon.current", 1)], &[]);
        let after = stats(8, &[("cpu.time", 9_000_000), ("balloon.current", 1)], &[]);
        let all = figures(Some((&before, 1_000)), &after);
        assert!(!all.contains_key(&Figure::Processor));
        near(&all, Figure::Balloon, 1_024.0);
        assert!(!figures(None, &after).contains_key(&Figure::Processor));
        assert!(!figures(Some((&after, 0)), &after).contains_key(&Figure::Processor), "no time between");
    }

    #[test]
    fn devices_are_followed_by_name_when_one_is_unplugged_and_a_counter_that_fell_counts_from_zero() {
        let before = stats(
            7,
            &[("net.count", 2), ("net.0.rx.bytes", 5_000), ("net.1.rx.bytes", 70_000)],
            &[("net.0.name", "tap0"), ("net.1.name", "tap1")],
        );
        // tap0 is gone, tap1 has moved up and was reset, tap2 is new.
        let after = stats(
            7,
            &[("net.count", 2), ("net.0.rx.bytes", 300), ("net.1.rx.bytes", 1_000_000)],
            &[("net.0.name", "tap1"), ("net.1.name", "tap2")],
        );
        near(&figures(Some((&before, 1_000)), &after), Figure::NetReceived, 300.0);
    }

    #[test]
    fn every_figure_is_found_by_its_metric_and_no_other_is() {
        for figure in Figure::ALL {
            assert_eq!(Figure::of(&figure.metric()), Some(figure));
        }
        assert_eq!(Figure::of(&MetricKind::LatencyMs), None);
        assert_eq!(Figure::of(&MetricKind::Named("net".into())), None);
    }
}

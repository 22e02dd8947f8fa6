//! Which part fails, by the order in which metrics began to deviate.

use crate::alert::Subsystem;

/// Names of parts of metrics by what a fault does to them.
const FALLS: [&str; 5] = ["idle", "free", "available", "avail", "remaining"];
const TRAFFIC: [&str; 4] = ["bytes", "packets", "throughput", "bandwidth"];
const ERRORS: [&str; 8] = ["dropped", "drop", "errors", "error", "loss", "lost", "retrans", "retransmits"];
/// What stands in names of a part without being its exhaustion: counts of things, sizes that are given.
const SILENT: [&str; 12] = [
    "process",
    "processes",
    "thread",
    "threads",
    "cores",
    "id",
    "steal",
    "socket",
    "sockets",
    "hugepages",
    "limit",
    "cached",
];
/// Space fills up by itself, for weeks, in health: its deviation from half an hour ago has no place in an order of symptoms. When
/// it will be full is what [`crossing_time`](super::crossing_time) tells.
const SPACE: [&str; 6] = ["size", "files", "space", "inode", "inodes", "capacity"];

/// The direction in which a metric moves when its part is what fails; `None` for a metric that tells nothing.
fn bad_direction(part: Subsystem, name: &str) -> Option<f64> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let has = |list: &[&str]| words.iter().any(|w| list.contains(w));
    if has(&SILENT) {
        return None;
    }
    match part {
        Subsystem::Network if has(&ERRORS) => Some(1.0),
        Subsystem::Network if has(&TRAFFIC) => Some(-1.0),
        Subsystem::Disk if has(&SPACE) => None,
        Subsystem::Processor | Subsystem::Memory | Subsystem::Disk | Subsystem::Thermal | Subsystem::Wear => {
            Some(if has(&FALLS) { -1.0 } else { 1.0 })
        }
        _ => None,
    }
}

/// The part of a failing node whose exhaustion came first: a hog shows in processor time before its memory fills, a leak in memory while
/// the processor is calm, lost packets in traffic that falls. All of them end with everything deviating, so sizes do not tell.
///
/// Takes name, signed deviation now and the steps for which the metric has deviated clearly, as
/// [`PeerScores`](super::PeerScores) has them. Only movements towards exhaustion count (processor and memory use that rises, traffic that
/// falls, errors that rise); a part is as old as the second oldest of its metrics, if it has two. Equally old parts: the one more metrics
/// speak for. `None` when nothing that tells deviates. O(metrics).
///
/// # Example
/// ```
/// use ecosystem_forecast::{alert::Subsystem, failure::first_symptom};
/// let now = [
///     ("system.cpu.user.pct", 6.0, Some(20)),
///     ("system.load.1", 9.0, Some(18)),
///     ("system.memory.used.pct", 20.0, Some(9)), // by far the largest, but later
///     ("system.network.in.bytes", 0.4, None),
/// ];
/// assert_eq!(first_symptom(now), Some(Subsystem::Processor));
/// ```
pub fn first_symptom<'a>(
    metrics: impl IntoIterator<Item = (&'a str, f64, Option<usize>)>,
) -> Option<Subsystem> {
    let mut ages: Vec<(Subsystem, Vec<usize>)> = Vec::new();
    for (name, deviation, since) in metrics {
        let part = Subsystem::of_name(name);
        let (Some(age), Some(direction)) = (since, bad_direction(part, name)) else { continue };
        if deviation.is_nan() || deviation * direction <= 0.0 {
            continue;
        }
        match ages.iter_mut().find(|(p, _)| *p == part) {
            Some((_, known)) => known.push(age),
            None => ages.push((part, vec![age])),
        }
    }
    ages.sort_by_key(|(part, _)| *part);
    let rank = |ages: &mut Vec<usize>| {
        ages.sort_unstable_by(|a, b| b.cmp(a));
        (ages[1.min(ages.len() - 1)], ages.len())
    };
    let mut best: Option<((usize, usize), Subsystem)> = None;
    for (part, mut known) in ages {
        let rank = rank(&mut known);
        if best.is_none_or(|b| rank > b.0) {
            best = Some((rank, part));
        }
    }
    best.map(|b| b.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_that_waits_for_lost_packets_is_no_hog() {
        let now = [
            ("system.cpu.user.pct", -9.0, Some(30)),
            ("system.cpu.idle.pct", 6.0, Some(30)),
            ("system.network.in.bytes", -8.0, Some(29)),
            ("system.network.in.packets", -7.0, Some(29)),
            ("system.memory.used.pct", 20.0, Some(8)),
        ];
        assert_eq!(first_symptom(now), Some(Subsystem::Network));
    }

    #[test]
    fn space_and_counts_of_things_have_no_place_in_the_order() {
        let now = [
            ("system.fsstat.total_size.used", 20.0, Some(90)),
            ("system.process.summary.sleeping", 20.0, Some(40)),
            ("system.memory.actual.free", -5.0, Some(5)),
            ("disk.iowait.pct", 5.0, None),
        ];
        assert_eq!(first_symptom(now), Some(Subsystem::Memory));
        assert_eq!(first_symptom([("m1", 9.0, Some(5)), ("system.load.1", f64::NAN, Some(9))]), None);
        assert_eq!(first_symptom([("node_hwmon_temp_celsius", 9.0, Some(5))]), Some(Subsystem::Thermal));
    }
}

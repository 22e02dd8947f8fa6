//! At the end: is everything there that must be?

use crate::director::{Director, MemorySample};
use crate::keep::Keep;
use crate::lease::Lock;
use crate::{stack, unix_ms};
use ecosystem_store::{Durability, Store};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;
use vm_ecosystem::prelude::*;

/// Lives shorter than this say nothing about growth.
const LIFE_MS: u64 = 180_000;
/// What a controller takes in its first minute is its own size: maps, buffers, the journal it read.
const YOUTH_MS: u64 = 60_000;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a list of figures")]
pub struct Verdict {
    /// Entries of the audit log.
    pub audit_entries: u64,
    /// Records of the journal.
    pub journal_records: usize,
    /// Journal records and audit entries that controllers said were durable.
    pub acknowledged: usize,
    /// Those of them that are not there.
    pub lost: u64,
    /// Actions that have not ended.
    pub unfinished: usize,
    /// What is wrong with the audit log.
    pub audit_problem: Option<String>,
    /// Memory of controllers.
    pub memory: Memory,
}

/// Memory of controllers, in MiB: what is their own ([`MemorySample`]).
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a list of figures")]
pub struct Memory {
    /// Most that any had.
    pub most_mib: f64,
    /// Largest growth per minute of a life of three minutes or more, its first minute left out; `None` = none lived as long.
    pub growth_mib_per_min: Option<f64>,
    /// The longest life in minutes.
    pub longest_life_min: f64,
    /// The longest life.
    pub longest: Option<Life>,
    /// All lives, in the order of their beginnings.
    #[serde(skip)]
    pub lives: Vec<Life>,
}

/// Memory of its own in one life of a controller, in MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a list of figures")]
pub struct Life {
    /// How long it lasted, in minutes.
    pub minutes: f64,
    /// When it was first seen.
    pub start_mib: f64,
    /// After its first minute, in which everything is read and filled for the first time; `None` = it was shorter.
    pub minute_mib: Option<f64>,
    /// In the middle of it.
    pub middle_mib: f64,
    /// When it was last seen.
    pub end_mib: f64,
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "life of {:.1} min: {:.1} MiB at its start, ", self.minutes, self.start_mib)?;
        if let Some(mib) = self.minute_mib {
            write!(f, "{mib:.1} after a minute, ")?;
        }
        write!(f, "{:.1} in the middle, {:.1} at its end", self.middle_mib, self.end_mib)
    }
}

/// Waits until nothing is under way, kills the controller, and looks into the store.
pub fn verdict(stage: &mut Director) -> Result<Verdict, Box<dyn Error>> {
    let since = unix_ms();
    // What has not ended by then is counted below.
    drop(stage.wait("rest at the end", Duration::from_secs(90), |stage| stage.is_settled(since)));
    stage.kill_controller()?;
    // The last lines of a controller may still be in the pipe.
    std::thread::sleep(Duration::from_millis(300));
    let store = match stage.lock() {
        Lock::File => Keep::File(Store::open(stage.dir.join("store.db"), Durability::OnSync)?),
        Lock::Etcd { store, .. } => {
            Keep::Server(ecosystem_postgres::Store::open(store, ecosystem_postgres::Settings::default())?)
        }
    };
    let audit = store.audit()?;
    let checked = audit.verify()?;
    let records = store.journal().read_all()?;
    let now = Timestamp::from_unix_ms(unix_ms());
    let (shop, hosts) = (stack::ecosystem()?, stack::infrastructure()?);
    let engine = Engine::replay(EngineSettings::default(), &shop, &hosts, &records, Epoch(1), now)?;
    let acknowledged = stage.acknowledged();
    let (journal, entries) = acknowledged.counts();
    Ok(Verdict {
        audit_entries: audit.size(),
        journal_records: records.len(),
        acknowledged: journal + entries,
        lost: acknowledged.missing(&store)?,
        unfinished: engine.unfinished().count(),
        audit_problem: (!checked.ok()).then(|| format!("{:?}", checked.problem)),
        memory: memory(&stage.memory()),
    })
}

/// Anonymous resident memory in bytes, from `/proc/PID/status`.
pub(crate) fn own_memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
}

fn memory(samples: &[MemorySample]) -> Memory {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut lives: BTreeMap<u32, Vec<(u64, f64)>> = BTreeMap::new();
    for it in samples {
        lives.entry(it.pid).or_default().push((it.at_unix_ms, mib(it.own)));
    }
    // Numbers of processes begin anew some day.
    let mut lives: Vec<Vec<(u64, f64)>> = lives.into_values().collect();
    lives.sort_by_key(|it| it.first().map(|it| it.0));
    let mut found = Memory { lives: lives.iter().filter_map(|it| life(it)).collect(), ..Memory::default() };
    found.longest = found.lives.iter().copied().max_by(|a, b| a.minutes.total_cmp(&b.minutes));
    for life in &lives {
        let (Some(first), Some(last)) = (life.first(), life.last()) else { continue };
        let span = last.0 - first.0;
        found.most_mib = life.iter().map(|it| it.1).fold(found.most_mib, f64::max);
        found.longest_life_min = found.longest_life_min.max(span as f64 / 60e3);
        let grown: Vec<(f64, f64)> = life
            .iter()
            .filter(|it| it.0 - first.0 >= YOUTH_MS)
            .map(|it| ((it.0 - first.0) as f64 / 60e3, it.1))
            .collect();
        if span >= LIFE_MS {
            let slope = slope(&grown);
            found.growth_mib_per_min = Some(found.growth_mib_per_min.map_or(slope, |it: f64| it.max(slope)));
        }
    }
    found
}

/// The samples of a life, oldest first.
fn life(samples: &[(u64, f64)]) -> Option<Life> {
    let (first, last) = (samples.first()?, samples.last()?);
    let span = last.0 - first.0;
    let at = |ms: u64| samples.iter().find(|it| it.0 - first.0 >= ms).map(|it| it.1);
    Some(Life {
        minutes: span as f64 / 60e3,
        start_mib: first.1,
        minute_mib: at(YOUTH_MS),
        middle_mib: at(span / 2)?,
        end_mib: last.1,
    })
}

/// By least squares; 0 if all lie at one time.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count.max(1.0);
    let (x, y) = (mean(|it| it.0), mean(|it| it.1));
    let over: f64 = points.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
    let under: f64 = points.iter().map(|it| (it.0 - x).powi(2)).sum();
    if under > 0.0 { over / under } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_its_own_is_read_and_that_of_the_program_is_not() {
        let status = "Name:\tx\nVmRSS:\t   12644 kB\nRssAnon:\t    1172 kB\nRssFile:\t   11472 kB\n";
        assert_eq!(own_memory(status), Some(1_172 << 10));
        assert_eq!(own_memory(""), None);
        #[cfg(target_os = "linux")]
        {
            let read = || own_memory(&std::fs::read_to_string("/proc/self/status").unwrap()).unwrap();
            let before = read();
            let filled = std::hint::black_box(vec![1_u8; 32 << 20]);
            assert!(read() > before + (24 << 20), "{before} before {} bytes", filled.len());
        }
    }

    #[test]
    fn growth_is_that_of_long_lives_after_their_first_minute() {
        let sample = |pid, second: u64, own: u64| MemorySample { at_unix_ms: second * 1_000, pid, own };
        // One grows by 1 MiB a minute for five minutes, one jumps at its beginning and then stays, one dies young.
        let mut samples: Vec<MemorySample> =
            (0..300).map(|s| sample(1, s, (20 << 20) + s * (1 << 20) / 60)).collect();
        samples.extend((300..600).map(|s| sample(2, s, if s < 320 { 1 << 20 } else { 30 << 20 })));
        samples.extend((600..660).map(|s| sample(3, s, s << 20)));
        let found = memory(&samples);
        let growth = found.growth_mib_per_min.unwrap();
        assert!((growth - 1.0).abs() < 0.01, "{growth}");
        assert!(
            (found.most_mib - 659.0).abs() < 1e-9 && (found.longest_life_min - 299.0 / 60.0).abs() < 1e-9
        );
        assert_eq!(memory(&samples[600..]).growth_mib_per_min, None);
        let expected = [Some(21.0), Some(30.0), None];
        assert_eq!(found.lives.iter().map(|it| it.minute_mib).collect::<Vec<_>>(), expected);
        assert_eq!(
            found.lives[2],
            Life {
                minutes: 59.0 / 60.0,
                start_mib: 600.0,
                minute_mib: None,
                middle_mib: 630.0,
                end_mib: 659.0
            }
        );
        assert_eq!(found.longest, Some(found.lives[1]), "the later one of two that lasted as long");
        assert!(
            found.lives[2]
                .to_string()
                .ends_with("600.0 MiB at its start, 630.0 in the middle, 659.0 at its end")
        );
    }
}

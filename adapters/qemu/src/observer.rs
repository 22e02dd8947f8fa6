//! Counts running instances straight from QEMU's sockets: believes neither controller nor supervisors.

use crate::guest;
use crate::qmp::Qmp;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For one machine's answer; one that stands still does not run.
const ANSWER: Duration = Duration::from_millis(1_500);

/// A machine whose QEMU says that it runs.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record of what was seen")]
pub struct Sighting {
    /// Which replica it is.
    pub replica: String,
    /// The directory of its host.
    pub host: String,
    /// The machine's own name there: another process has another.
    pub machine: String,
    /// The counter in the guest's memory, if it could be read.
    pub rounds: Option<u64>,
}

/// Looks at all machines below a directory of hosts.
#[derive(Clone, Debug)]
pub struct Observer {
    root: PathBuf,
}

impl Observer {
    /// Of the hosts below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Every machine whose QEMU says `running`, hosts side by side, so that a slow one does not hold up the others. A
    /// machine that is hung (SIGSTOP) does not run.
    pub fn look(&self) -> Vec<Sighting> {
        let hosts = entries(&self.root);
        std::thread::scope(|scope| {
            let looks: Vec<_> = hosts.iter().map(|host| scope.spawn(|| look_at(host))).collect();
            looks.into_iter().flat_map(|it| it.join().unwrap_or_default()).collect()
        })
    }

    /// For every replica the host directories of machines that run, as [`look`](Self::look) sees them.
    pub fn running(&self) -> BTreeMap<String, Vec<String>> {
        places(&self.look())
    }

    /// Replicas that run more than once. Looks twice, because a machine that moved between two questions is seen on both
    /// sides by a single round: only the same two processes seen both times did run at once.
    pub fn doubles(&self) -> Vec<String> {
        self.confirm(&self.look()).into_iter().map(|it| it.replica).collect()
    }

    /// Of what a look saw twice, what another look sees twice as well, one sighting for each.
    pub fn confirm(&self, first: &[Sighting]) -> Vec<Sighting> {
        let suspects: Vec<&Sighting> = twice(first).collect();
        if suspects.is_empty() {
            return Vec::new();
        }
        let again = self.look();
        let still = |it: &Sighting| suspects.iter().any(|s| s.host == it.host && s.machine == it.machine);
        let mut found: Vec<Sighting> = twice(&again).filter(|it| still(it)).cloned().collect();
        // One of the two is enough if both are still there.
        found.sort_by(|a, b| a.replica.cmp(&b.replica));
        let count =
            |it: &Sighting, all: &[Sighting]| all.iter().filter(|other| other.replica == it.replica).count();
        let all = found.clone();
        found.retain(|it| count(it, &all) > 1);
        found.dedup_by(|a, b| a.replica == b.replica);
        found
    }
}

/// The sightings as replica to hosts.
pub fn places(seen: &[Sighting]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for it in seen {
        all.entry(it.replica.clone()).or_default().push(it.host.clone());
    }
    all
}

fn twice(seen: &[Sighting]) -> impl Iterator<Item = &Sighting> {
    seen.iter().filter(|it| seen.iter().filter(|other| other.replica == it.replica).count() > 1)
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|it| it.path()).collect();
    all.sort();
    all
}

fn look_at(host: &Path) -> Vec<Sighting> {
    let name = host.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let descriptions = entries(host).into_iter().filter(|it| it.extension().is_some_and(|e| e == "json"));
    descriptions.filter_map(|file| sight(&name, &file)).collect()
}

/// The machine of a description, if it runs.
fn sight(host: &str, file: &Path) -> Option<Sighting> {
    let about: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let (replica, pid) = (about["replica"].as_str()?, about["pid"].as_u64()?);
    if !moves(pid) {
        return None;
    }
    let mut qmp = Qmp::connect(&file.with_extension("obs"), ANSWER).ok()?;
    let status = qmp.execute("query-status", &json!({})).ok()?;
    if status["status"] != "running" {
        return None;
    }
    let line = format!("xp /1xw {:#x}", guest::TICKS);
    let memory = qmp.execute("human-monitor-command", &json!({"command-line": line})).ok();
    let word = memory.as_ref().and_then(|it| it.as_str()?.split("0x").nth(1).map(str::trim));
    let rounds = word.and_then(|it| u64::from_str_radix(it, 16).ok());
    let machine = file.file_stem()?.to_string_lossy().into_owned();
    Some(Sighting { replica: replica.to_owned(), host: host.to_owned(), machine, rounds })
}

/// False for a process that is gone, dead or stopped: asking one that is stopped would fill its socket's queue.
fn moves(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['T', 't', 'Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(replica: &str, host: &str) -> Sighting {
        Sighting { replica: replica.into(), host: host.into(), machine: "v1".into(), rounds: Some(1) }
    }

    #[test]
    fn a_replica_on_two_hosts_is_seen_twice_and_others_are_not() {
        let seen = [sighting("web#0", "a1"), sighting("web#1", "a1"), sighting("web#0", "b1")];
        let found: Vec<&str> = twice(&seen).map(|it| it.host.as_str()).collect();
        assert_eq!(found, ["a1", "b1"]);
        assert_eq!(places(&seen)["web#0"], ["a1", "b1"]);
    }

    #[test]
    fn a_process_that_does_not_exist_does_not_move_and_this_one_does() {
        assert!(!moves(u64::MAX));
        assert!(moves(u64::from(std::process::id())));
    }
}

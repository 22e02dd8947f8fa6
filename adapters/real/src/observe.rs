//! A process of its own that counts instances straight from QEMU's sockets, without a pause, whoever else lives or dies.

use crate::{say, unix_ms};
use ecosystem_qemu::{Observer, Sighting, places};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(150);
/// For a fresh round; one takes a tenth of a second, with a machine that falls silent two.
const PATIENCE: Duration = Duration::from_secs(20);
/// A guest that says `running` and counts nothing for so long stands.
const STANDS_MS: u64 = 10_000;

/// Looks until the input ends.
pub fn run(dir: &Path) {
    std::thread::spawn(|| {
        std::io::stdin().lines().for_each(drop);
        std::process::exit(0);
    });
    let observer = Observer::new(dir.join("h"));
    let mut counters: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    loop {
        let began = unix_ms();
        let seen = observer.look();
        let doubles: Vec<String> = observer.confirm(&seen).into_iter().map(|it| it.replica).collect();
        let standing = standing(&mut counters, &seen, began);
        say(
            &json!({"began": began, "at": unix_ms(), "running": places(&seen), "doubles": doubles, "standing": standing}),
        );
        std::thread::sleep(PAUSE);
    }
}

/// Replicas whose guests have not counted on for long.
fn standing(
    counters: &mut BTreeMap<(String, String), (u64, u64)>,
    seen: &[Sighting],
    now_ms: u64,
) -> Vec<String> {
    let key = |it: &Sighting| (it.host.clone(), it.machine.clone());
    let there: BTreeSet<(String, String)> = seen.iter().map(key).collect();
    counters.retain(|it, _| there.contains(it));
    let mut standing = Vec::new();
    for it in seen {
        let Some(rounds) = it.rounds else { continue };
        let last = counters.entry(key(it)).or_insert((rounds, now_ms));
        if last.0 != rounds {
            *last = (rounds, now_ms);
        } else if now_ms.saturating_sub(last.1) > STANDS_MS {
            standing.push(it.replica.clone());
        }
    }
    standing
}

/// What has been seen.
#[derive(Clone, Debug, Default)]
struct Seen {
    began: u64,
    running: BTreeMap<String, Vec<String>>,
    rounds: u64,
    doubles: BTreeSet<(u64, String)>,
    standing: BTreeSet<String>,
}

/// The observing process, from the director's side. It ends with this value.
#[derive(Debug)]
pub struct Watch {
    child: Child,
    // Its input: it ends when this is closed.
    _input: ChildStdin,
    seen: Arc<Mutex<Seen>>,
}

impl Watch {
    /// Starts the process.
    pub fn start(dir: &Path) -> std::io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("observe")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let missing = || std::io::Error::other("no pipe to the observer");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let into = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line) {
                    take_in(&mut into.lock().unwrap_or_else(PoisonError::into_inner), &value);
                }
            }
        });
        Ok(Self { child, _input: input, seen })
    }

    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What runs by a round that began after this call: replica to hosts. Empty if the observer says nothing any more.
    pub fn running(&self) -> BTreeMap<String, Vec<String>> {
        let (now, begin) = (unix_ms(), Instant::now());
        while begin.elapsed() < PATIENCE {
            let seen = self.seen();
            if seen.began >= now {
                return seen.running;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        BTreeMap::new()
    }

    /// Every replica that was ever seen running twice at once.
    pub fn doubles(&self) -> Vec<String> {
        self.seen().doubles.into_iter().map(|(at, replica)| format!("{replica} at {at}")).collect()
    }

    /// Replicas whose guests stood still for long though QEMU said that they run.
    pub fn standing(&self) -> Vec<String> {
        self.seen().standing.into_iter().collect()
    }

    /// Rounds so far.
    pub fn rounds(&self) -> u64 {
        self.seen().rounds
    }
}

fn take_in(seen: &mut Seen, line: &Value) {
    let at = line["at"].as_u64().unwrap_or(0);
    let names = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect()
    };
    let running = line["running"].as_object().into_iter().flatten();
    seen.running = running.map(|(replica, hosts)| (replica.clone(), names(hosts))).collect();
    seen.began = line["began"].as_u64().unwrap_or(0);
    seen.rounds += 1;
    seen.doubles.extend(names(&line["doubles"]).into_iter().map(|replica| (at, replica)));
    seen.standing.extend(names(&line["standing"]));
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_double_once_seen_is_never_forgotten() {
        let mut seen = Seen::default();
        take_in(
            &mut seen,
            &json!({"began": 1, "at": 2, "running": {"web#0": ["a1", "b1"]}, "doubles": ["web#0"], "standing": []}),
        );
        take_in(
            &mut seen,
            &json!({"began": 3, "at": 4, "running": {"web#0": ["b1"]}, "doubles": [], "standing": []}),
        );
        assert_eq!((seen.rounds, seen.began), (2, 3));
        assert_eq!(seen.running["web#0"], ["b1"]);
        assert_eq!(seen.doubles.into_iter().collect::<Vec<_>>(), [(2, "web#0".to_owned())]);
    }

    #[test]
    fn a_guest_that_counts_nothing_for_long_stands() {
        let sighting = |rounds| Sighting {
            replica: "web#0".into(),
            host: "a1".into(),
            machine: "v1".into(),
            rounds: Some(rounds),
        };
        let mut counters = BTreeMap::new();
        assert!(standing(&mut counters, &[sighting(5)], 0).is_empty());
        assert!(standing(&mut counters, &[sighting(6)], 9_000).is_empty());
        assert!(standing(&mut counters, &[sighting(6)], 19_000).is_empty());
        assert_eq!(standing(&mut counters, &[sighting(6)], 19_001), ["web#0"]);
        assert!(standing(&mut counters, &[], 20_000).is_empty() && counters.is_empty(), "gone, forgotten");
    }
}

//! Counts running instances straight from QEMU's sockets: believes neither controller nor supervisors.

use crate::qmp::Qmp;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For one machine's answer; one that stands still does not run.
const ANSWER: Duration = Duration::from_millis(1_500);

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

    /// For every replica the description files of machines whose QEMU says `running`, by host directory. A machine that
    /// is hung (SIGSTOP) cannot answer and does not run.
    pub fn running(&self) -> BTreeMap<String, Vec<String>> {
        let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for host in entries(&self.root) {
            for file in entries(&host).into_iter().filter(|it| it.extension().is_some_and(|e| e == "json")) {
                if let Some(replica) = runs(&file) {
                    let place =
                        host.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
                    seen.entry(replica).or_default().push(place);
                }
            }
        }
        seen
    }

    /// Replicas that run more than once. Looks twice, because a machine that moved between two questions is seen on both
    /// sides by a single round.
    pub fn doubles(&self) -> Vec<String> {
        let twice = |seen: BTreeMap<String, Vec<String>>| -> Vec<String> {
            seen.into_iter().filter(|(_, places)| places.len() > 1).map(|(replica, _)| replica).collect()
        };
        let first = twice(self.running());
        if first.is_empty() {
            return first;
        }
        let second = twice(self.running());
        first.into_iter().filter(|replica| second.contains(replica)).collect()
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|it| it.path()).collect();
    all.sort();
    all
}

/// The replica of a description, if its machine runs.
fn runs(file: &Path) -> Option<String> {
    let about: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let mut qmp = Qmp::connect(&file.with_extension("obs"), ANSWER).ok()?;
    let status = qmp.execute("query-status", &json!({})).ok()?;
    (status["status"] == "running").then(|| about["replica"].as_str().unwrap_or_default().to_owned())
}

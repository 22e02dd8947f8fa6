//! What a host remembers over its own death: the highest epoch and how actions ended.

use crate::error::HostError;
use ecosystem_core::{ActionId, ActionOutcome, ComponentId, Epoch, NetworkPolicy};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Ends of actions kept; the lowest numbers go first. A controller has at most some hundred under way.
const ENDS_MAX: usize = 20_000;

#[derive(Debug)]
pub(super) struct Memory {
    epoch_file: PathBuf,
    epoch: Epoch,
    ends: BTreeMap<ActionId, ActionOutcome>,
    log: File,
    policy_file: PathBuf,
    policies: BTreeMap<ComponentId, NetworkPolicy>,
}

impl Memory {
    pub(super) fn open(dir: &Path) -> Result<Self, HostError> {
        let (epoch_file, path) = (dir.join("epoch"), dir.join("ends.jsonl"));
        let epoch =
            std::fs::read_to_string(&epoch_file).ok().and_then(|it| it.trim().parse().ok()).unwrap_or(0);
        // A last line cut short by a crash belongs to an end that nobody was told of.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let ends = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let mut log = log.map_err(HostError::system(format!("file {}", path.display())))?;
        if !text.is_empty() && !text.ends_with('\n') {
            log.write_all(b"\n").map_err(HostError::system("ends of actions"))?;
        }
        let policy_file = dir.join("policies.json");
        // Written whole and renamed, so it is whole or absent.
        let policies = std::fs::read(&policy_file)
            .ok()
            .and_then(|it| serde_json::from_slice(&it).ok())
            .unwrap_or_default();
        Ok(Self { epoch_file, epoch: Epoch(epoch), ends, log, policy_file, policies })
    }

    /// Lets an order in by its epoch: a lower one than the highest seen is refused.
    pub(super) fn admit(&mut self, epoch: Epoch) -> Result<(), String> {
        if epoch < self.epoch {
            return Err(format!("epoch {epoch} is over, {} rules", self.epoch));
        }
        if epoch > self.epoch {
            let part = self.epoch_file.with_extension("part");
            let written = std::fs::write(&part, epoch.to_string())
                .and_then(|()| std::fs::rename(&part, &self.epoch_file));
            written.map_err(|e| format!("epoch {epoch} cannot be kept: {e}"))?;
            self.epoch = epoch;
        }
        Ok(())
    }

    pub(super) const fn policies(&self) -> &BTreeMap<ComponentId, NetworkPolicy> {
        &self.policies
    }

    /// Restricts a component's machines, or not any more, from now on.
    pub(super) fn restrict(
        &mut self,
        component: &ComponentId,
        policy: Option<NetworkPolicy>,
    ) -> Result<(), HostError> {
        match policy {
            Some(policy) => drop(self.policies.insert(component.clone(), policy)),
            None => drop(self.policies.remove(component)),
        }
        let bytes = serde_json::to_vec(&self.policies).map_err(|e| HostError::failed(e.to_string()))?;
        write_whole(&self.policy_file, &bytes).map_err(HostError::system("network policies"))
    }

    pub(super) fn outcome(&self, id: ActionId) -> Option<&ActionOutcome> {
        self.ends.get(&id)
    }

    pub(super) fn end(&mut self, id: ActionId, outcome: &ActionOutcome) {
        if let Ok(mut line) = serde_json::to_vec(&(id, outcome)) {
            line.push(b'\n');
            // Lost only together with the disk; then the action is known as long as the supervisor lives.
            drop(self.log.write_all(&line));
        }
        self.ends.insert(id, outcome.clone());
        if self.ends.len() > ENDS_MAX {
            self.ends.pop_first();
        }
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("part");
    std::fs::write(&part, bytes)?;
    std::fs::rename(&part, path)
}

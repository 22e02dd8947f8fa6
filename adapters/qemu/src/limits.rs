//! What the processes of a host may use: control groups of the kernel (version 1), where they can be made.
//!
//! One group per host with its processor quota and memory, one below it per machine with the machine's quota. Where
//! groups cannot be made (not root, version 2 only), only admission limits a host: what does not fit is not started.

use ecosystem_core::{Millicores, Resources};
use std::fs;
use std::path::{Path, PathBuf};

const CPU: &str = "/sys/fs/cgroup/cpu";
const MEMORY: &str = "/sys/fs/cgroup/memory";
/// The kernel's usual period in microseconds.
const PERIOD_US: u64 = 100_000;
/// What a QEMU process needs beside the memory of its guest.
const OVERHEAD: u64 = 96 << 20;

/// The groups of a host or a machine; empty where none could be made.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    cpu: Option<PathBuf>,
    memory: Option<PathBuf>,
}

impl Limits {
    /// Groups for a host that may hold `machines` machines.
    pub(crate) fn of_host(name: &str, capacity: &Resources, machines: u64) -> Self {
        let memory = group(Path::new(MEMORY), name);
        if let Some(group) = &memory {
            let bytes = capacity.memory.get().saturating_add(OVERHEAD.saturating_mul(machines));
            set(group, "memory.limit_in_bytes", bytes);
        }
        let limits = Self { cpu: group(Path::new(CPU), name), memory };
        limits.quota(capacity.cpu);
        limits
    }

    /// A group for one machine inside this host.
    pub(crate) fn of_machine(&self, name: &str) -> Self {
        Self { cpu: self.cpu.as_ref().and_then(|host| group(host, name)), memory: self.memory.clone() }
    }

    /// Puts a process in.
    pub(crate) fn take_in(&self, pid: u32, cpu: Millicores) {
        self.quota(cpu);
        for group in [&self.cpu, &self.memory].into_iter().flatten() {
            set(group, "cgroup.procs", u64::from(pid));
        }
    }

    /// Sets the share of processors: 1,000 millicores are one of them.
    pub(crate) fn quota(&self, cpu: Millicores) {
        if let Some(group) = &self.cpu {
            // The kernel refuses less than a millisecond.
            set(group, "cpu.cfs_quota_us", (cpu.get().saturating_mul(PERIOD_US) / 1_000).max(1_000));
        }
    }

    /// Removes the processor group, once nothing is in it.
    pub(crate) fn remove(&self) {
        if let Some(group) = &self.cpu {
            drop(fs::remove_dir(group));
        }
    }
}

/// Name of a host's groups: that of its process group and its own.
pub(crate) fn name_of(group: u32, host: &str) -> String {
    format!("eco-{group}-{}", host.replace('/', "_"))
}

/// Removes what a dead host has left.
pub(crate) fn clear(name: &str) {
    for parent in [CPU, MEMORY] {
        let group = Path::new(parent).join(name);
        for inner in fs::read_dir(&group).into_iter().flatten().flatten() {
            // Only directories are groups; files of the kernel cannot be removed.
            drop(fs::remove_dir(inner.path()));
        }
        drop(fs::remove_dir(group));
    }
}

fn group(parent: &Path, name: &str) -> Option<PathBuf> {
    let path = parent.join(name);
    (path.is_dir() || fs::create_dir(&path).is_ok()).then_some(path)
}

fn set(group: &Path, file: &str, value: u64) {
    // Refused where a parent allows less: then the parent's limit holds.
    drop(fs::write(group.join(file), value.to_string()));
}

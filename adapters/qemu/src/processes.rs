//! Processes of a host, found in `/proc` by process group *and* by the host's directory on their command line, so that
//! nobody else's process is ever hit.

use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::{Duration, Instant};

/// Every process of the group `group` whose command line speaks of `dir`.
pub(crate) fn of_host(group: u32, dir: &Path) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| belongs(pid, group, dir).unwrap_or(false)).collect()
}

fn belongs(pid: u32, group: u32, dir: &Path) -> Option<bool> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    // State, parent, group: proc(5), fields 3 to 5. A zombie has died.
    let (state, pgrp) = (fields.next()?, fields.nth(1)?.parse::<u32>().ok()?);
    if pgrp != group || state == "Z" {
        return Some(false);
    }
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let (name, root) = (dir.file_name()?.to_str()?, dir.parent()?.to_str()?);
    let words: Vec<&str> =
        command.split(|&byte| byte == 0).filter_map(|word| std::str::from_utf8(word).ok()).collect();
    let supervisor = words.windows(2).any(|pair| pair == [root, name]);
    let inside = format!("{}/", dir.display());
    Some(supervisor || words.iter().any(|word| word.contains(&inside)))
}

/// Sends a signal to one process; false if it is gone.
pub(crate) fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Kills every process of the host; true once none is left.
pub(crate) fn kill_all(group: u32, dir: &Path, patience: Duration) -> bool {
    let begin = Instant::now();
    loop {
        let left = of_host(group, dir);
        if left.is_empty() {
            return true;
        }
        for pid in left {
            signal(pid, Signal::KILL);
        }
        if begin.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

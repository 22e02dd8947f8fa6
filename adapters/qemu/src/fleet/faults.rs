//! Power, fences and faults: what is done to a host from outside, whatever it says.

use super::{Fleet, FleetError};
use crate::error::HostError;
use crate::guest::Guest;
use crate::host::SOCKET;
use crate::processes;
use crate::wire::Ask;
use ecosystem_core::{ActionId, ActionKind, ActionOutcome, ActionRequest, Epoch, HostId};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For every process of a host to be gone.
const DEATH: Duration = Duration::from_secs(10);
/// For a new supervisor to answer.
const BIRTH: Duration = Duration::from_secs(20);

/// How fences and power orders ended, from before this controller.
pub(super) fn read_ends(root: &Path) -> BTreeMap<ActionId, ActionOutcome> {
    let text = std::fs::read_to_string(root.join("power.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

impl Fleet {
    /// Carries out a fence or a power order; `Err` = refused at the door.
    pub(super) fn power(&mut self, request: &ActionRequest) -> Result<(), String> {
        self.raise_epoch(request.epoch)?;
        if self.ended.contains_key(&request.id) {
            self.repeat(request.id);
            return Ok(());
        }
        let result = match &request.kind {
            ActionKind::Fence { host } | ActionKind::Power { host, on: false } => self.fence(host),
            ActionKind::Power { host, .. } => self.power_on(host),
            other => return Err(format!("{} is not about power", other.verb())),
        };
        let failed = |e: FleetError| ActionOutcome::Failed { reason: Arc::from(e.to_string()) };
        self.keep_end(request.id, &result.map_or_else(failed, |()| ActionOutcome::DONE));
        self.repeat(request.id);
        Ok(())
    }

    /// Fences are not carried out by supervisors, so the highest epoch is kept beside them too.
    pub(super) fn raise_epoch(&self, epoch: Epoch) -> Result<(), String> {
        let path = self.settings.root.join("epoch");
        let seen = std::fs::read_to_string(&path).ok().and_then(|it| it.trim().parse().ok()).unwrap_or(0);
        if epoch.0 < seen {
            return Err(format!("epoch {epoch} is over, {seen} rules"));
        }
        std::fs::write(&path, epoch.to_string()).map_err(|e| format!("epoch {epoch} cannot be kept: {e}"))
    }

    pub(super) fn keep_end(&mut self, id: ActionId, outcome: &ActionOutcome) {
        self.ended.insert(id, outcome.clone());
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.settings.root.join("power.jsonl"));
        if let (Ok(mut file), Ok(line)) = (file, serde_json::to_string(&(id, outcome))) {
            // Without it the end is known as long as this controller lives.
            drop(writeln!(file, "{line}"));
        }
    }

    fn group(&self, host: &HostId) -> Result<Option<u32>, FleetError> {
        self.known(host)?;
        let text = std::fs::read_to_string(self.dir(host).join("group")).unwrap_or_default();
        Ok(text.trim().parse().ok())
    }

    /// Starts the supervisor of a host and waits until it answers; lifts a fence. Does nothing for a host that lives.
    pub fn power_on(&mut self, host: &HostId) -> Result<(), FleetError> {
        let capacity = self.known(host)?.clone();
        let dir = self.dir(host);
        if self.ask(host, &Ask::Inventory).is_ok() {
            return Ok(());
        }
        // What an earlier life has left running, and its files.
        self.kill(host)?;
        std::fs::create_dir_all(&dir).map_err(HostError::system("directory of a host"))?;
        for name in ["fenced", "cut"] {
            drop(std::fs::remove_file(dir.join(name)));
        }
        let log = std::fs::File::create(dir.join("host.log")).map_err(HostError::system("log of a host"))?;
        let mut command = Command::new(&self.settings.program);
        command.args(&self.settings.arguments).arg(&self.settings.root).arg(host.as_str());
        command.arg(capacity.cpu.get().to_string()).arg(capacity.memory.get().to_string());
        if let Guest::Linux { kernel, initrd } = &self.settings.guest {
            command.arg(kernel).arg(initrd);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        let mut child = command
            .spawn()
            .map_err(HostError::system(format!("start of {}", self.settings.program.display())))?;
        std::fs::write(dir.join("group"), child.id().to_string())
            .map_err(HostError::system("group of a host"))?;
        // Somebody has to take note of its death.
        std::thread::spawn(move || child.wait());
        let begin = Instant::now();
        while begin.elapsed() < BIRTH {
            if self.ask(host, &Ask::Inventory).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(dir.join("host.log")).unwrap_or_default();
        Err(HostError::failed(format!("supervisor of {host} does not answer: {}", log.trim())).into())
    }

    /// Makes sure that nothing runs on a host and nothing will until it is switched on again.
    pub fn fence(&mut self, host: &HostId) -> Result<(), FleetError> {
        let dir = self.dir(host);
        self.known(host)?;
        std::fs::create_dir_all(&dir).map_err(HostError::system("directory of a host"))?;
        std::fs::write(dir.join("fenced"), "").map_err(HostError::system("mark of a fenced host"))?;
        self.kill(host)
    }

    /// The host loses power: all its processes die.
    pub fn kill(&self, host: &HostId) -> Result<(), FleetError> {
        let dir = self.dir(host);
        let Some(group) = self.group(host)? else { return Ok(()) };
        if !processes::kill_all(group, &dir, DEATH) {
            return Err(HostError::failed(format!("processes of {host} do not die")).into());
        }
        crate::limits::clear(&crate::limits::name_of(group, host.as_str()));
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == SOCKET || (name.starts_with('v') && name.contains('.')) {
                drop(std::fs::remove_file(entry.path()));
            }
        }
        Ok(())
    }

    /// The host stands still: nothing on it runs or answers, until [`wake`](Self::wake).
    pub fn hang(&self, host: &HostId) -> Result<(), FleetError> {
        self.signal_all(host, Signal::STOP)
    }

    /// The host goes on where it stood still.
    pub fn wake(&self, host: &HostId) -> Result<(), FleetError> {
        self.signal_all(host, Signal::CONT)
    }

    /// The host cannot be reached any more and reaches nobody; what runs on it goes on.
    pub fn cut(&self, host: &HostId) -> Result<(), FleetError> {
        self.known(host)?;
        Ok(std::fs::write(self.dir(host).join("cut"), "").map_err(HostError::system("cut"))?)
    }

    /// The host can be reached again.
    pub fn mend(&self, host: &HostId) -> Result<(), FleetError> {
        self.known(host)?;
        Ok(std::fs::remove_file(self.dir(host).join("cut")).map_err(HostError::system("mend"))?)
    }

    fn signal_all(&self, host: &HostId, signal: Signal) -> Result<(), FleetError> {
        if let Some(group) = self.group(host)? {
            for pid in processes::of_host(group, &self.dir(host)) {
                processes::signal(pid, signal);
            }
        }
        Ok(())
    }
}

//! What a machine is built of, and what is plugged in and out while it runs.
//!
//! Memory grows by modules (pc-dimm) that the guest puts online, and is fitted exactly by the balloon; processors are sockets
//! of their own. The guest decides: it may refuse to give back, and then nothing has changed. The other side of a migration
//! must be built of the same parts, so they are remembered ([`Plugged`]) and travel with it. Order of sockets, names and
//! waiting as QEMU's `docs/cpu-hotplug.rst` and `docs/memory-hotplug.txt` describe.

use super::{Machine, file, lock};
use crate::error::HostError;
use crate::guest::{self, Guest};
use ecosystem_core::Millicores;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A block of memory that Linux puts online as a whole on x86-64.
const MODULE_MIB: u64 = 128;
const MODULES_MAX: usize = 8;
const PROCESSORS_MAX: u64 = 4;
/// For a guest to follow: seconds on an idle machine.
const FOLLOW: Duration = Duration::from_secs(20);
const BALLOON: &str = "/machine/peripheral/balloon0";

/// The parts of a machine.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "travels between hosts")]
pub struct Plugged {
    /// MiB that it was made with.
    pub boot_mib: u64,
    /// Memory modules of 128 MiB each, plugged in since.
    pub modules: u32,
    /// Sockets that hold a processor beside the first.
    pub sockets: Vec<u64>,
}

impl Plugged {
    pub(super) fn new(boot_mib: u64) -> Self {
        Self { boot_mib: boot_mib.max(2), modules: 0, sockets: Vec::new() }
    }

    fn mib(&self) -> u64 {
        self.boot_mib + u64::from(self.modules) * MODULE_MIB
    }
}

/// Board, memory, processors and what is booted.
pub(super) fn hardware(
    command: &mut Command,
    files: &Path,
    guest: &Guest,
    plugged: &Plugged,
) -> Result<(), HostError> {
    match guest {
        Guest::Sector => {
            let boot = file(files, "boot");
            std::fs::write(&boot, guest::boot_sector()).map_err(HostError::system("boot sector"))?;
            command.args(["-M", "pc", "-m", &plugged.boot_mib.to_string(), "-boot", "a"]);
            command.args(["-drive", &format!("file={},format=raw,if=floppy,readonly=on", boot.display())]);
        }
        Guest::Linux { kernel, initrd } => {
            let most = plugged.boot_mib + MODULES_MAX as u64 * MODULE_MIB;
            let memory = format!("{},slots={MODULES_MAX},maxmem={most}M", plugged.boot_mib);
            command.args(["-M", "q35", "-cpu", "qemu64", "-m", &memory]);
            command.args(["-smp", "1,maxcpus=4,sockets=4,cores=1,threads=1", "-no-reboot"]);
            command.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
            command.args(["-append", "console=ttyS0 quiet panic=-1"]);
            command.args(["-device", "virtio-balloon-pci,id=balloon0"]);
            for number in 1..=plugged.modules {
                command.args(["-object", &format!("memory-backend-ram,id=m{number},size={MODULE_MIB}M")]);
                command.args(["-device", &format!("pc-dimm,id=d{number},memdev=m{number}")]);
            }
            for socket in &plugged.sockets {
                let processor = "qemu64-x86_64-cpu,core-id=0,thread-id=0";
                command.args(["-device", &format!("{processor},socket-id={socket},id=cpu{socket}")]);
            }
        }
    }
    Ok(())
}

impl Machine {
    /// Lets the balloon driver tell of itself every second.
    pub(super) fn listen_to_balloon(&self) -> Result<(), HostError> {
        let interval = json!({"path": BALLOON, "property": "guest-stats-polling-interval", "value": 1});
        Ok(self.execute("qom-set", &interval).map(drop)?)
    }

    /// When the guest last told of itself, in seconds since the Unix epoch; 0 = never.
    pub(super) fn last_word(&self) -> Result<u64, HostError> {
        let answer = self.execute("qom-get", &json!({"path": BALLOON, "property": "guest-stats"}))?;
        Ok(answer["last-update"].as_u64().unwrap_or(0))
    }

    /// Gives the guest exactly so much memory: modules for what was never there, the balloon for the rest.
    pub(crate) fn set_memory(&self, bytes: u64) -> Result<(), HostError> {
        if self.elastic {
            let wanted_mib = bytes.div_ceil(1 << 20);
            while lock(&self.plugged).mib() < wanted_mib {
                self.plug_module()?;
            }
        }
        self.balloon(bytes)
    }

    fn plug_module(&self) -> Result<(), HostError> {
        let mut plugged = lock(&self.plugged);
        let number = plugged.modules + 1;
        if number as usize > MODULES_MAX {
            return Err(HostError::failed(format!(
                "all {MODULES_MAX} memory slots are taken: {} MiB is the most this machine can have",
                plugged.mib()
            )));
        }
        let (memory, module) = (format!("m{number}"), format!("d{number}"));
        let size = MODULE_MIB << 20;
        self.execute("object-add", &json!({"qom-type": "memory-backend-ram", "id": memory, "size": size}))?;
        let device = json!({"driver": "pc-dimm", "id": module, "memdev": memory});
        if let Err(e) = self.execute("device_add", &device) {
            drop(self.execute("object-del", &json!({"id": memory})));
            return Err(e.into());
        }
        plugged.modules = number;
        Ok(())
    }

    /// Asks the guest to give memory back or take it, and waits a little; a guest without a balloon driver does not.
    fn balloon(&self, bytes: u64) -> Result<(), HostError> {
        self.execute("balloon", &json!({"value": bytes}))?;
        self.wait_for("a balloon of the asked size", FOLLOW, |it| {
            Ok(it.execute("query-balloon", &json!({}))?["actual"].as_u64() == Some(bytes))
        })
    }

    /// As many processors as are needed for so much of their time; a guest that cannot change them keeps its one.
    pub(crate) fn set_processors(&self, cpu: Millicores) -> Result<(), HostError> {
        if !self.elastic {
            return Ok(());
        }
        let wanted = cpu.get().div_ceil(1_000).clamp(1, PROCESSORS_MAX) - 1;
        // The lowest socket first: Linux does not give up others willingly.
        for socket in 1..=wanted {
            if !lock(&self.plugged).sockets.contains(&socket) {
                let id = format!("cpu{socket}");
                let processor = json!({"driver": "qemu64-x86_64-cpu", "id": id, "socket-id": socket, "core-id": 0, "thread-id": 0});
                self.execute("device_add", &processor)?;
                lock(&self.plugged).sockets.push(socket);
            }
        }
        let surplus: Vec<u64> =
            lock(&self.plugged).sockets.iter().copied().filter(|&it| it > wanted).collect();
        for socket in surplus.into_iter().rev() {
            self.execute("device_del", &json!({"id": format!("cpu{socket}")}))?;
            self.wait_for("a processor that is given back", FOLLOW, |it| Ok(!it.holds(socket)?))?;
            lock(&self.plugged).sockets.retain(|&it| it != socket);
        }
        Ok(())
    }

    fn holds(&self, socket: u64) -> Result<bool, HostError> {
        let slots = self.execute("query-hotpluggable-cpus", &json!({}))?;
        let slot = slots.as_array().into_iter().flatten().find(|it| it["props"]["socket-id"] == socket);
        Ok(slot.is_some_and(|it| it.get("qom-path").is_some()))
    }
}

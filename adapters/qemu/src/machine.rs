//! One QEMU process: a virtual machine with the 512-byte guest, or with a Linux kernel.

mod plug;
mod writes;

use crate::error::HostError;
use crate::guest::{self, Guest};
use crate::limits::Limits;
use crate::qmp::{Qmp, QmpError};
use ecosystem_core::{ReplicaId, ReplicaState, Resources, Version};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use plug::Plugged;
pub use writes::Writing;

/// For one command to a machine that is well: answers come within milliseconds, on a crowded machine within a second.
pub(crate) const COMMAND: Duration = Duration::from_secs(4);
/// For a process to open its socket.
const OPEN: Duration = Duration::from_secs(20);
/// For a guest to count its first rounds.
const BOOT: Duration = Duration::from_secs(30);

/// What a machine is made of.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub(crate) struct Shape {
    pub(crate) replica: ReplicaId,
    pub(crate) version: Version,
    pub(crate) resources: Resources,
}

/// How a machine begins.
#[derive(Clone, Debug)]
pub(crate) enum Begin {
    /// From its boot sector.
    Boot,
    /// With what another QEMU sends to the machine's own socket ([`Machine::address`]).
    Listen { post_copy: bool, plugged: Plugged },
    /// With what this address of QEMU gives.
    Load { uri: String, plugged: Plugged },
}

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) shape: Mutex<Shape>,
    pub(crate) files: PathBuf,
    child: Mutex<Child>,
    pid: u32,
    born: Instant,
    qmp: Mutex<Option<Qmp>>,
    pub(crate) limits: Limits,
    // Changes while it runs, if the guest can follow.
    elastic: bool,
    pub(crate) plugged: Mutex<Plugged>,
    seen: Mutex<Seen>,
}

/// What was seen last, the guest's counter then, and when that had moved.
#[derive(Clone, Copy, Debug)]
struct Seen {
    state: ReplicaState,
    rounds: u64,
    moved: Instant,
}

/// A Linux guest tells of itself once a second; after so long without a word it is not well.
const WORDLESS: Duration = Duration::from_secs(10);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked left nothing half done that matters here.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    /// Starts the process; `files` is the path all its files begin with.
    pub(crate) fn spawn(
        files: &Path,
        shape: Shape,
        guest: &Guest,
        begin: &Begin,
        limits: Limits,
    ) -> Result<Self, HostError> {
        let plugged = match begin {
            Begin::Boot => Plugged::new(shape.resources.memory.get() >> 20),
            Begin::Listen { plugged, .. } | Begin::Load { plugged, .. } => plugged.clone(),
        };
        let name = format!("guest={},debug-threads=on", shape.replica).replace('#', "-");
        let mut command = Command::new("qemu-system-x86_64");
        // Never by the presence of /dev/kvm: where it only pretends, guests crawl.
        command.args([
            "-accel",
            if *guest == Guest::Sector { "tcg,tb-size=16" } else { "tcg,tb-size=64" },
            "-nodefaults",
            "-display",
            "none",
            "-no-user-config",
            "-name",
            &name,
        ]);
        plug::hardware(&mut command, files, guest, &plugged)?;
        let socket = |kind: &str| format!("{},server=on,wait=off", file(files, kind).display());
        // A network card on a network without a way out, so that there is a link to cut; no boot from it.
        command.args(["-netdev", "user,id=n0,restrict=on", "-device", "e1000,id=net0,netdev=n0,romfile="]);
        let console = match guest {
            Guest::Sector => String::new(),
            Guest::Linux { .. } => format!(",logfile={}", file(files, "con").display()),
        };
        command.args(["-chardev", &format!("socket,id=c0,path={}{console}", socket("ser"))]);
        command.args(["-serial", "chardev:c0"]);
        command.args([
            "-qmp",
            &format!("unix:{}", socket("qmp")),
            "-qmp",
            &format!("unix:{}", socket("obs")),
        ]);
        if !matches!(begin, Begin::Boot) {
            command.args(["-incoming", "defer"]);
        }
        let log = std::fs::File::create(file(files, "log")).map_err(HostError::system("machine log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(HostError::system("start of qemu-system-x86_64"))?;
        limits.take_in(child.id(), shape.resources.cpu);
        let about = json!({"replica": shape.replica.to_string(), "version": shape.version.as_str(), "pid": child.id()});
        let machine = Self {
            shape: Mutex::new(shape),
            files: files.to_owned(),
            pid: child.id(),
            born: Instant::now(),
            child: Mutex::new(child),
            qmp: Mutex::new(None),
            limits,
            elastic: *guest != Guest::Sector,
            plugged: Mutex::new(plugged),
            seen: Mutex::new(Seen { state: ReplicaState::Starting, rounds: 0, moved: Instant::now() }),
        };
        machine.wait_for("an answer of the new process", OPEN, |it| Ok(it.status().is_ok()))?;
        std::fs::write(file(files, "json"), about.to_string())
            .map_err(HostError::system("machine description"))?;
        if machine.elastic {
            machine.listen_to_balloon()?;
        }
        let uri = match begin {
            Begin::Boot => return Ok(machine),
            Begin::Listen { post_copy, .. } => {
                machine.capability("postcopy-ram", *post_copy)?;
                machine.address()
            }
            Begin::Load { uri, .. } => uri.clone(),
        };
        machine.execute("migrate-incoming", &json!({"uri": uri}))?;
        Ok(machine)
    }

    /// Where it listens for memory.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", file(&self.files, "mig").display())
    }

    /// Waits until the guest counts.
    pub(crate) fn wait_for_guest(&self) -> Result<(), HostError> {
        self.wait_for("the guest's first round", BOOT, |it| Ok(it.look() == ReplicaState::Running))
    }

    pub(crate) fn wait_for(
        &self,
        what: &'static str,
        patience: Duration,
        mut holds: impl FnMut(&Self) -> Result<bool, HostError>,
    ) -> Result<(), HostError> {
        let begin = Instant::now();
        while begin.elapsed() < patience {
            if holds(self)? {
                return Ok(());
            }
            if !self.alive() {
                let log = std::fs::read_to_string(file(&self.files, "log")).unwrap_or_default();
                return Err(HostError::failed(format!("QEMU ended before {what}: {}", log.trim())));
            }
            std::thread::sleep(Duration::from_millis(15));
        }
        Err(HostError::Late { what, millis: patience.as_millis() })
    }

    /// One QMP command, over a connection that is made anew if it broke.
    pub(crate) fn execute(&self, command: &str, arguments: &Value) -> Result<Value, QmpError> {
        let mut qmp = lock(&self.qmp);
        if qmp.is_none() {
            *qmp = Some(Qmp::connect(&file(&self.files, "qmp"), COMMAND)?);
        }
        let Some(open) = qmp.as_mut() else { return Err(QmpError::Garbage { what: "no connection".into() }) };
        let answer = open.execute(command, arguments);
        if matches!(answer, Err(ref e) if !matches!(e, QmpError::Refused { .. })) {
            // A late answer to this command must not be taken for the answer to the next.
            *qmp = None;
        }
        answer
    }

    /// QEMU's word for how the machine is: `running`, `paused`, `inmigrate`, `postmigrate` …
    pub(crate) fn status(&self) -> Result<String, QmpError> {
        let answer = self.execute("query-status", &json!({}))?;
        Ok(answer["status"].as_str().unwrap_or("unknown").to_owned())
    }

    fn capability(&self, name: &str, on: bool) -> Result<(), QmpError> {
        let list = json!({"capabilities": [{"capability": name, "state": on}]});
        self.execute("migrate-set-capabilities", &list).map(drop)
    }

    /// Looks at the machine: what it says and whether its guest counts.
    pub(crate) fn look(&self) -> ReplicaState {
        let state = match self.status().as_deref() {
            Ok("running") => {
                let rounds = self.rounds().unwrap_or(0);
                let mut seen = lock(&self.seen);
                let moved = std::mem::replace(&mut seen.rounds, rounds) != rounds;
                if moved {
                    seen.moved = Instant::now();
                }
                let patient = self.elastic && seen.moved.elapsed() < WORDLESS;
                match (moved, seen.state) {
                    (true, _) => ReplicaState::Running,
                    (false, ReplicaState::Starting) => ReplicaState::Starting,
                    (false, ReplicaState::Running) if patient => ReplicaState::Running,
                    _ => ReplicaState::Unhealthy,
                }
            }
            Ok("inmigrate" | "postmigrate" | "finish-migrate" | "shutdown") => ReplicaState::Stopped,
            Ok("prelaunch") => ReplicaState::Starting,
            Ok(_) | Err(QmpError::Silent { .. }) => ReplicaState::Unhealthy,
            Err(_) => ReplicaState::Stopped,
        };
        lock(&self.seen).state = state;
        state
    }

    /// Looks until the guest has counted on since the first look, three timer ticks at most.
    pub(crate) fn look_twice(&self) -> ReplicaState {
        for _ in 0..4 {
            if self.look() == ReplicaState::Running {
                break;
            }
            std::thread::sleep(Duration::from_millis(60));
        }
        self.state()
    }

    /// How it was when somebody last looked.
    pub(crate) fn state(&self) -> ReplicaState {
        lock(&self.seen).state
    }

    pub(crate) fn set_state(&self, state: ReplicaState) {
        let mut seen = lock(&self.seen);
        (seen.state, seen.moved) = (state, Instant::now());
    }

    /// The guest's counter of rounds; of a Linux guest, when it last told of itself.
    fn rounds(&self) -> Result<u64, HostError> {
        if self.elastic {
            return self.last_word();
        }
        let line = format!("xp /1xw {:#x}", guest::TICKS);
        let text = self.execute("human-monitor-command", &json!({"command-line": line}))?;
        let word = text.as_str().and_then(|it| it.split("0x").nth(1)).map(str::trim);
        let bad = || HostError::failed(format!("guest memory reads {text}"));
        u64::from_str_radix(word.ok_or_else(bad)?, 16).map_err(|_| bad())
    }

    /// Begins to send the machine away.
    pub(crate) fn begin_migration(
        &self,
        uri: &str,
        post_copy: bool,
        limits: (u64, u64),
    ) -> Result<(), QmpError> {
        self.capability("postcopy-ram", post_copy)?;
        let (bandwidth, downtime) = limits;
        self.execute(
            "migrate-set-parameters",
            &json!({"max-bandwidth": bandwidth, "downtime-limit": downtime}),
        )?;
        self.execute("migrate", &json!({"uri": uri})).map(drop)
    }

    pub(crate) fn migration(&self) -> Result<Value, QmpError> {
        self.execute("query-migrate", &json!({}))
    }

    /// Keeps the memory in a file; the guest stands still meanwhile and goes on afterwards.
    pub(crate) fn save(&self, to: &Path) -> Result<(), HostError> {
        let part = to.with_extension("part");
        self.execute("stop", &json!({}))?;
        let written = self
            .begin_migration(&format!("exec:cat > '{}'", part.display()), false, (1 << 40, 300))
            .map_err(HostError::from)
            .and_then(|()| {
                self.wait_for("a written snapshot", Duration::from_secs(60), |it| {
                    match it.migration()?["status"].as_str() {
                        Some("completed") => Ok(true),
                        Some(bad @ ("failed" | "cancelled")) => {
                            Err(HostError::failed(format!("snapshot {bad}")))
                        }
                        _ => Ok(false),
                    }
                })
            });
        self.execute("cont", &json!({}))?;
        written?;
        std::fs::rename(&part, to).map_err(HostError::system("snapshot file"))
    }

    /// Plugs the network cable in or out.
    pub(crate) fn link(&self, up: bool) -> Result<(), QmpError> {
        self.execute("set_link", &json!({"name": "net0", "up": up})).map(drop)
    }

    /// Sends a byte to the guest's serial port.
    pub(crate) fn dial(&self, byte: u8) -> Result<(), HostError> {
        let path = file(&self.files, "ser");
        let mut stream = UnixStream::connect(&path).map_err(HostError::system("serial port"))?;
        stream.write_all(&[byte]).map_err(HostError::system("serial port"))?;
        // QEMU forgets what it has not read when the other side hangs up: give the guest a tick or two.
        std::thread::sleep(Duration::from_millis(120));
        Ok(())
    }

    /// Processor time in milliseconds and resident bytes of the process.
    pub(crate) fn usage(&self) -> Option<(u64, u64)> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        // Fields 14, 15 and 24 of proc(5), counted from the state, field 3; a tick is 10 ms, a page 4 KiB.
        Some(((number(11)? + number(12)?) * 10, number(21)? * 4096))
    }

    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    pub(crate) fn alive(&self) -> bool {
        matches!(lock(&self.child).try_wait(), Ok(None))
    }

    /// Ends the process for certain and removes its files.
    pub(crate) fn end(&self) {
        let mut child = lock(&self.child);
        // Both fail only for a process that has ended.
        drop(child.kill());
        drop(child.wait());
        for kind in ["qmp", "obs", "ser", "json", "boot", "log", "mig", "con"] {
            drop(std::fs::remove_file(file(&self.files, kind)));
        }
        self.limits.remove();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn file(files: &Path, kind: &str) -> PathBuf {
    files.with_extension(kind)
}

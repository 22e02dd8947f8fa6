//! The supervisor of one host: takes orders over a unix socket and looks after its machines.
//!
//! It is a process of its own with its machines as children in one process group, so that a host can be killed (SIGKILL
//! to the group), hung (SIGSTOP) or cut off (a file named `cut` in its directory: its sockets fall silent, its machines go
//! on). What must survive it is in its directory: the highest epoch, the ends of actions, cordon and snapshots.

mod act;
mod memory;
mod migrate;

use crate::error::HostError;
use crate::guest::Guest;
use crate::limits::{self, Limits};
use crate::machine::{Machine, file, lock};
use crate::wire::{self, Answer, Ask, Migration, Usage};
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Bytes, Epoch, HostHealth, HostId, HypervisorEvent,
    Millicores, ReplicaId, ReplicaReport, ReplicaState, Resources,
};
use memory::Memory;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Answers kept for controllers that poll late.
const EVENTS_MAX: usize = 10_000;
/// Between two looks at every machine.
const LOOK: Duration = Duration::from_millis(700);
/// For one conversation.
const TALK: Duration = Duration::from_secs(5);

/// Name of the socket in a host's directory.
pub(crate) const SOCKET: &str = "host.sock";

/// How a host is set up.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made by the supervisor's program and by the fleet")]
pub struct HostSettings {
    /// Its name.
    pub id: HostId,
    /// What it has.
    pub capacity: Resources,
    /// The directory of all hosts; this one's is below it under its name.
    pub root: PathBuf,
    /// What its machines boot.
    pub guest: Guest,
}

impl HostSettings {
    /// From the arguments of a supervisor's program: `ROOT NAME MILLICORES MEMORY_BYTES [KERNEL INITRD]`.
    pub fn from_arguments(words: &[String]) -> Result<Self, String> {
        let (root, name, cpu, memory, guest) = match words {
            [root, name, cpu, memory] => (root, name, cpu, memory, Guest::Sector),
            [root, name, cpu, memory, kernel, initrd] => {
                let guest = Guest::Linux { kernel: kernel.into(), initrd: initrd.into() };
                (root, name, cpu, memory, guest)
            }
            _ => return Err("expected ROOT NAME MILLICORES MEMORY_BYTES [KERNEL INITRD]".into()),
        };
        let number = |text: &String| text.parse::<u64>().map_err(|e| format!("`{text}`: {e}"));
        let capacity = Resources::new(Millicores(number(cpu)?), Bytes(number(memory)?));
        let id = HostId::new(name).map_err(|e| e.to_string())?;
        Ok(Self { id, capacity, root: root.into(), guest })
    }

    /// The host's own directory.
    pub fn dir(&self) -> PathBuf {
        self.root.join(self.id.as_str())
    }
}

pub(crate) struct Host {
    settings: HostSettings,
    dir: PathBuf,
    limits: Limits,
    state: Mutex<State>,
    stop: AtomicBool,
}

struct State {
    memory: Memory,
    machines: BTreeMap<ReplicaId, Arc<Machine>>,
    // Machines that wait for memory from another host.
    incoming: BTreeMap<ReplicaId, Arc<Machine>>,
    // Replica of every action that is under way.
    busy: BTreeMap<ReplicaId, ActionId>,
    aborts: BTreeSet<ActionId>,
    // INVARIANT: the event numbers are `first ..first + events.len()`.
    events: VecDeque<HypervisorEvent>,
    first: u64,
    machine_number: u64,
    migrations: VecDeque<Migration>,
    migration_limits: (u64, u64),
    // Number of the newest stop of each replica: starts that were asked for before it are over, even those that the
    // listener reads only now because this host stood still.
    stops: BTreeMap<ReplicaId, ActionId>,
}

/// Replicas whose newest stop is remembered; the oldest stops go first.
const STOPS_MAX: usize = 4_096;

/// Runs a host until its process is killed. Returns only on an error.
pub fn serve(settings: HostSettings) -> Result<(), HostError> {
    let dir = settings.dir();
    std::fs::create_dir_all(&dir).map_err(HostError::system(format!("directory {}", dir.display())))?;
    if dir.join("fenced").exists() {
        return Err(HostError::failed(format!("{} is fenced; it must be released first", settings.id)));
    }
    let socket = dir.join(SOCKET);
    drop(std::fs::remove_file(&socket));
    let listener =
        UnixListener::bind(&socket).map_err(HostError::system(format!("socket {}", socket.display())))?;
    let name = limits::name_of(std::process::id(), settings.id.as_str());
    let limits = Limits::of_host(&name, &settings.capacity, 16);
    let state = State {
        memory: Memory::open(&dir)?,
        machines: BTreeMap::new(),
        incoming: BTreeMap::new(),
        busy: BTreeMap::new(),
        aborts: BTreeSet::new(),
        events: VecDeque::new(),
        first: 0,
        machine_number: 0,
        migrations: VecDeque::new(),
        migration_limits: (1 << 30, 300),
        stops: BTreeMap::new(),
    };
    let host =
        Arc::new(Host { settings, dir, limits, state: Mutex::new(state), stop: AtomicBool::new(false) });
    let watcher = Arc::clone(&host);
    std::thread::spawn(move || watcher.watch());
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if host.is_cut_off() {
            continue; // the caller sees a broken connection
        }
        let host = Arc::clone(&host);
        std::thread::spawn(move || host.talk(stream));
    }
    host.stop.store(true, Ordering::Relaxed);
    Ok(())
}

pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Host {
    fn is_cut_off(&self) -> bool {
        self.dir.join("cut").exists()
    }

    fn socket_of(&self, host: &HostId) -> PathBuf {
        self.settings.root.join(host.as_str()).join(SOCKET)
    }

    fn talk(self: Arc<Self>, mut stream: UnixStream) {
        let (reads, writes) = (stream.set_read_timeout(Some(TALK)), stream.set_write_timeout(Some(TALK)));
        let question = reads.and(writes).and_then(|()| wire::read_line::<Ask>(&stream));
        let answer = match question {
            Ok(question) => self.answer(question),
            Err(e) => Answer::Rejected { reason: format!("question cannot be read: {e}") },
        };
        if !self.is_cut_off() {
            // A caller that has gone asks again.
            drop(wire::write_line(&mut stream, &answer));
        }
    }

    fn answer(self: &Arc<Self>, question: Ask) -> Answer {
        let done = |result: Result<(), HostError>| match result {
            Ok(()) => Answer::Accepted,
            Err(e) => Answer::Rejected { reason: e.to_string() },
        };
        let unknown = |replica: &ReplicaId| HostError::failed(format!("{replica} does not run here"));
        match question {
            Ask::Submit { request } => self.submit(request),
            Ask::Poll { since, epoch } => {
                // An older controller may look, too.
                drop(self.admit(epoch));
                self.news(since)
            }
            Ask::Inventory => self.news(u64::MAX),
            Ask::Prepare { .. } => match self.prepare(question) {
                Ok(uri) => Answer::Listening { uri },
                Err(e) => Answer::Rejected { reason: e.to_string() },
            },
            Ask::Arrived { replica } => match self.arrived(&replica) {
                Ok(yes) => Answer::Says { yes },
                Err(e) => Answer::Rejected { reason: e.to_string() },
            },
            Ask::Discard { replica } => {
                drop(lock(&self.state).incoming.remove(&replica));
                Answer::Accepted
            }
            Ask::Abort { epoch, action } => done(self.admit(epoch).and_then(|()| self.abort(action))),
            Ask::Policy { epoch, component, policy } => {
                done(self.admit(epoch).and_then(|()| self.restrict(&component, policy)))
            }
            Ask::Dial { replica, byte } => {
                done(self.machine(&replica).ok_or_else(|| unknown(&replica)).and_then(|it| it.dial(byte)))
            }
            Ask::Measure { replica, looks } => {
                let machine = self.machine(&replica).ok_or_else(|| unknown(&replica));
                match machine.and_then(|it| it.writing(&looks)) {
                    Ok(writing) => Answer::Writes { writing },
                    Err(e) => Answer::Rejected { reason: e.to_string() },
                }
            }
            Ask::Limits { bandwidth, downtime_ms } => {
                lock(&self.state).migration_limits = (bandwidth, downtime_ms);
                Answer::Accepted
            }
            Ask::Pause { replica, paused } => {
                let command = if paused { "stop" } else { "cont" };
                let machine = self.machine(&replica).ok_or_else(|| unknown(&replica));
                done(machine.and_then(|it| Ok(it.execute(command, &serde_json::json!({})).map(drop)?)))
            }
        }
    }

    fn admit(&self, epoch: Epoch) -> Result<(), HostError> {
        lock(&self.state).memory.admit(epoch).map_err(HostError::failed)
    }

    fn machine(&self, replica: &ReplicaId) -> Option<Arc<Machine>> {
        lock(&self.state).machines.get(replica).cloned()
    }

    fn news(&self, since: u64) -> Answer {
        let (machines, events, next, migrations, policies) = {
            let state = lock(&self.state);
            let skip = usize::try_from(since.saturating_sub(state.first)).unwrap_or(usize::MAX);
            let events: Vec<HypervisorEvent> = state.events.iter().skip(skip).cloned().collect();
            let machines: Vec<Arc<Machine>> = state.machines.values().cloned().collect();
            let policies = state.memory.policies().iter().map(|(id, policy)| (id.clone(), *policy)).collect();
            let next = state.first + state.events.len() as u64;
            (machines, events, next, state.migrations.iter().cloned().collect(), policies)
        };
        let mut replicas = Vec::new();
        let mut usage = Vec::new();
        for machine in machines {
            let shape = lock(&machine.shape).clone();
            if let Some((cpu_ms, rss)) = machine.usage() {
                usage.push(Usage { replica: shape.replica.clone(), cpu_ms, rss, at_unix_ms: unix_ms() });
            }
            if machine.state() != ReplicaState::Stopped {
                replicas.push(ReplicaReport {
                    replica: shape.replica,
                    host: self.settings.id.clone(),
                    state: machine.state(),
                    version: shape.version,
                    resources: shape.resources,
                });
            }
        }
        Answer::News { next, events, health: HostHealth::Alive, replicas, policies, usage, migrations }
    }

    /// Takes an order, or says why not. Everything that takes time goes on in a thread.
    fn submit(self: &Arc<Self>, request: ActionRequest) -> Answer {
        let rejected = |reason: String| Answer::Rejected { reason };
        {
            let mut state = lock(&self.state);
            if let Err(reason) = state.memory.admit(request.epoch) {
                return rejected(reason);
            }
            if let Some(outcome) = state.memory.outcome(request.id).cloned() {
                state.tell(HypervisorEvent::Finished { action: request.id, outcome });
                return Answer::Accepted;
            }
            if state.busy.values().any(|&id| id == request.id) {
                return Answer::Accepted;
            }
            if let Some(reason) = state.objection(&request) {
                return rejected(reason);
            }
            if let ActionKind::Stop { replica, .. } = &request.kind {
                state.remember_stop(replica, request.id);
            }
            if let Some(replica) = request.kind.replica()
                && !matches!(request.kind, ActionKind::Probe { .. })
            {
                state.busy.insert(replica.clone(), request.id);
            }
        }
        let host = Arc::clone(self);
        std::thread::spawn(move || {
            let outcome = host.carry_out(&request);
            host.finish(&request, outcome);
        });
        Answer::Accepted
    }

    fn finish(&self, request: &ActionRequest, outcome: ActionOutcome) {
        let mut state = lock(&self.state);
        state.busy.retain(|_, id| *id != request.id);
        state.aborts.remove(&request.id);
        state.memory.end(request.id, &outcome);
        state.tell(HypervisorEvent::Finished { action: request.id, outcome });
    }

    /// Looks at every machine again and again, and clears away the ended ones.
    fn watch(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let machines: Vec<(ReplicaId, Arc<Machine>)> = {
                let state = lock(&self.state);
                state.machines.iter().map(|(id, it)| (id.clone(), Arc::clone(it))).collect()
            };
            self.look_at_incoming();
            for (replica, machine) in machines {
                if lock(&self.state).busy.contains_key(&replica) {
                    continue; // whoever is at work on it says how it is
                }
                if machine.alive() {
                    machine.look();
                } else {
                    let mut state = lock(&self.state);
                    let same = state.machines.get(&replica).is_some_and(|it| Arc::ptr_eq(it, &machine));
                    if same && !state.busy.contains_key(&replica) {
                        state.machines.remove(&replica);
                        let version = lock(&machine.shape).version.clone();
                        let (host, stopped) = (self.settings.id.clone(), ReplicaState::Stopped);
                        state.tell(HypervisorEvent::Replica { replica, host, state: stopped, version });
                    }
                }
            }
            if !self.is_cut_off() {
                // For people and scripts: a host that lives touches this file.
                drop(std::fs::write(self.dir.join("heartbeat"), unix_ms().to_string()));
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl State {
    fn tell(&mut self, event: HypervisorEvent) {
        self.events.push_back(event);
        if self.events.len() > EVENTS_MAX {
            self.events.pop_front();
            self.first += 1;
        }
    }

    fn used(&self) -> Resources {
        let all = self.machines.values().chain(self.incoming.values());
        all.fold(Resources::default(), |sum, it| sum.saturating_add(&lock(&it.shape).resources))
    }

    fn remember_stop(&mut self, replica: &ReplicaId, stop: ActionId) {
        let newest = self.stops.entry(replica.clone()).or_insert(stop);
        *newest = (*newest).max(stop);
        if self.stops.len() > STOPS_MAX {
            let oldest = self.stops.iter().min_by_key(|it| it.1).map(|it| it.0.clone());
            oldest.map(|it| self.stops.remove(&it));
        }
    }

    /// Why an order cannot be begun.
    fn objection(&self, request: &ActionRequest) -> Option<String> {
        let replica = request.kind.replica()?;
        if let Some(other) = self.busy.get(replica)
            && !matches!(request.kind, ActionKind::Probe { .. })
        {
            return Some(format!("{replica} is busy with action {other}"));
        }
        if let ActionKind::Start { .. } = request.kind
            && let Some(stop) = self.stops.get(replica).filter(|stop| request.id < **stop)
        {
            return Some(format!("{replica} was to be stopped by the later action {stop}"));
        }
        let state = self.machines.get(replica).map_or(ReplicaState::Stopped, |it| it.state());
        let expected = request.expected?;
        (state != expected).then(|| format!("{replica} is {state:?}, expected {expected:?}"))
    }
}

/// The path that the files of machine `number` begin with.
fn machine_files(dir: &Path, number: u64) -> PathBuf {
    file(&dir.join(format!("v{number}")), "qmp")
}

//! Starts everything, does the faults, and measures from outside.

use crate::controller::{Command as Order, Surroundings, Told};
use crate::lease::Lock;
use crate::observe::Watch;
use crate::services::{Services, signal};
use crate::witness::Acknowledged;
use crate::{stack, unix_ms};
use ecosystem_qemu::Fleet;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vm_ecosystem::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One line of the story.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a row of the report")]
pub struct Step {
    /// What it was about.
    pub name: String,
    /// When it began.
    pub from_unix_ms: u64,
    /// When it was over.
    pub until_unix_ms: u64,
    /// What was seen.
    pub detail: String,
}

/// A controller process.
#[derive(Debug)]
struct Controller {
    child: Child,
    input: ChildStdin,
}

/// A controller that competes with the others; killed when it is dropped.
#[derive(Debug)]
pub struct Rival {
    child: Child,
    input: ChildStdin,
}

impl Rival {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives it an order of its own, which it reads when it can.
    pub fn order(&mut self, command: Order) -> Result<()> {
        serde_json::to_writer(&mut self.input, &Told { number: 0, command })?;
        Ok(self.input.write_all(b"\n")?)
    }

    /// It stands still, or goes on.
    pub fn hang(&self, hang: bool) -> Result<()> {
        signal(self.child.id(), if hang { "STOP" } else { "CONT" })
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What controllers said.
#[derive(Debug, Default)]
struct Said {
    lines: Vec<Value>,
    acknowledged: Acknowledged,
}

/// Memory of a controller at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "one sample")]
pub struct MemorySample {
    /// When.
    pub at_unix_ms: u64,
    /// Of which process.
    pub pid: u32,
    /// Resident bytes of its own: heap and stacks. Pages of the program and of libraries are not among them: they are read in when
    /// they are first needed, some of them late, can be dropped at any time, and belong to the file.
    pub own: u64,
}

/// A host that was lost, as it went.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a point of the report")]
pub struct Loss {
    /// When.
    pub at_unix_ms: u64,
    /// Seconds until it was noticed.
    pub detection_s: f64,
    /// Seconds from then until everything ran again.
    pub recovery_s: f64,
}

/// The controller is going to die at one moment and to come back at another.
#[derive(Clone, Copy, Debug)]
struct Appointment {
    death: Instant,
    rebirth: Instant,
}

/// Everything that runs.
#[derive(Debug)]
pub struct Director {
    /// Directory of this run.
    pub dir: PathBuf,
    /// For faults; the controller has its own.
    pub fleet: Fleet,
    /// The hosts.
    pub hosts: Vec<HostId>,
    /// The process that looks on.
    pub watch: Watch,
    controller: Option<Controller>,
    appointment: Option<Appointment>,
    // When controllers died by appointment.
    deaths: Vec<u64>,
    // Process id of the controller that lives; 0 = none. Shared with the thread that samples its memory.
    pid: Arc<AtomicU32>,
    memory: Arc<Mutex<Vec<MemorySample>>>,
    prometheus: Child,
    services: Option<Services>,
    said: Arc<Mutex<Said>>,
    orders: u64,
    /// The story so far.
    pub steps: Vec<Step>,
    /// Hosts that were lost.
    pub losses: Vec<Loss>,
    print: bool,
}

/// For the controller to say that what it was told is durable.
const HEARD: Duration = Duration::from_secs(8);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the director's process is named, for its hosts.
const DIRECTOR: &str = "director";

/// A host outlives controllers, but not the director, so that an interrupted program leaves no machines behind.
pub(crate) fn end_with_the_director(root: &Path) {
    let named = root.parent().map(|dir| std::fs::read_to_string(dir.join(DIRECTOR)));
    let Some(Ok(pid)) = named else { return };
    let director = Path::new("/proc").join(pid);
    std::thread::spawn(move || {
        while director.exists() {
            std::thread::sleep(Duration::from_millis(500));
        }
        // The machines are in the process group of their host.
        drop(Command::new("kill").args(["-KILL", "--", &format!("-{}", std::process::id())]).status());
    });
}

pub(crate) fn free_address() -> Result<String> {
    Ok(format!("127.0.0.1:{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()))
}

impl Director {
    /// Brings up Prometheus and four hosts; controllers compete for a lock file.
    pub fn start(dir: &Path, print: bool) -> Result<Self> {
        Self::start_with(dir, print, false)
    }

    /// As [`start`](Self::start); with `etcd`, that and a database are brought up, and controllers compete for a lease.
    pub fn start_with(dir: &Path, print: bool, etcd: bool) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        let services = if etcd { Some(Services::start(&dir)?) } else { None };
        let lock = services.as_ref().map_or(Lock::File, |it| it.lock().clone());
        let surroundings = Surroundings { prometheus: free_address()?, lock };
        std::fs::write(dir.join("surroundings.json"), serde_json::to_vec(&surroundings)?)?;
        std::fs::write(dir.join(DIRECTOR), std::process::id().to_string())?;
        let prometheus = prometheus(&dir, &surroundings.prometheus)?;
        let settings = stack::fleet(&dir)?;
        let hosts: Vec<HostId> = settings.hosts.iter().map(|(id, _)| id.clone()).collect();
        let fleet = Fleet::connect(settings)?;
        let mut director = Self {
            watch: Watch::start(&dir)?,
            dir,
            fleet,
            hosts,
            controller: None,
            appointment: None,
            deaths: Vec::new(),
            pid: Arc::default(),
            memory: Arc::default(),
            prometheus,
            services,
            said: Arc::default(),
            orders: 0,
            steps: Vec::new(),
            losses: Vec::new(),
            print,
        };
        director.sample_memory();
        for host in director.hosts.clone() {
            director.fleet.power_on(&host)?;
        }
        Ok(director)
    }

    /// Starts the controller that faults are done to.
    pub fn start_controller(&mut self) -> Result<()> {
        let (child, input) = self.spawn_controller(Arc::clone(&self.said), false)?;
        self.pid.store(child.id(), Ordering::Relaxed);
        self.controller = Some(Controller { child, input });
        Ok(())
    }

    /// What controllers compete for.
    pub fn lock(&self) -> &Lock {
        self.services.as_ref().map_or(&Lock::File, Services::lock)
    }

    /// etcd and the database, if they were asked for.
    pub const fn services(&self) -> Option<&Services> {
        self.services.as_ref()
    }

    /// Starts another controller; what all of them say is heard together.
    pub fn another_controller(&self, heedless: bool) -> Result<Rival> {
        let (child, input) = self.spawn_controller(Arc::clone(&self.said), heedless)?;
        Ok(Rival { child, input })
    }

    fn spawn_controller(&self, said: Arc<Mutex<Said>>, heedless: bool) -> Result<(Child, ChildStdin)> {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("controller.log"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("control")
            .arg(&self.dir)
            .args(heedless.then_some("heedless"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = child.stdout.take().ok_or("no output")?;
        let from = child.id();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                if let Ok(mut value) = serde_json::from_str::<Value>(&line) {
                    if let Some(fields) = value.as_object_mut() {
                        fields.insert("from".into(), from.into());
                    }
                    let mut said = lock(&said);
                    if !said.acknowledged.take_in(&value) {
                        said.lines.push(value);
                    }
                }
            }
        });
        Ok((child, input))
    }

    /// Once a second, until this value is gone.
    fn sample_memory(&self) {
        let (pid, samples) = (Arc::clone(&self.pid), Arc::downgrade(&self.memory));
        std::thread::spawn(move || {
            while let Some(samples) = samples.upgrade() {
                let pid = pid.load(Ordering::Relaxed);
                let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                if let Some(own) = crate::verdict::own_memory(&status) {
                    lock(&samples).push(MemorySample { at_unix_ms: unix_ms(), pid, own });
                }
                drop(samples);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
    }

    /// Memory of controllers, one sample a second.
    pub fn memory(&self) -> Vec<MemorySample> {
        lock(&self.memory).clone()
    }

    /// SIGKILL to the controller.
    pub fn kill_controller(&mut self) -> Result<()> {
        self.pid.store(0, Ordering::Relaxed);
        if let Some(mut controller) = self.controller.take() {
            controller.child.kill()?;
            controller.child.wait()?;
        }
        Ok(())
    }

    /// The controller gets SIGKILL after a time, whatever it does then, and comes back some time later. Kept while
    /// somebody [`wait`](Self::wait)s.
    pub fn appoint_death(&mut self, after: Duration, absence: Duration) {
        let death = Instant::now() + after;
        self.appointment = Some(Appointment { death, rebirth: death + absence });
    }

    /// True if a death is still to come or the controller is away.
    pub const fn is_death_due(&self) -> bool {
        self.appointment.is_some()
    }

    /// How often the controller died by appointment.
    pub const fn deaths(&self) -> usize {
        self.deaths.len()
    }

    /// True if the controller died by appointment since a moment.
    pub fn died_since(&self, unix_ms: u64) -> bool {
        self.deaths.iter().any(|&at| at >= unix_ms)
    }

    fn keep_appointment(&mut self) -> Result<()> {
        let Some(appointment) = self.appointment else { return Ok(()) };
        let now = Instant::now();
        if now >= appointment.death && self.controller.is_some() {
            self.kill_controller()?;
            self.deaths.push(unix_ms());
        }
        if now >= appointment.rebirth {
            self.appointment = None;
            self.start_controller()?;
        }
        Ok(())
    }

    /// Starts a second controller, waits, and says whether it stayed passive.
    pub fn second_controller(&self, span: Duration) -> Result<bool> {
        let said: Arc<Mutex<Said>> = Arc::default();
        let (mut child, input) = self.spawn_controller(Arc::clone(&said), false)?;
        std::thread::sleep(span);
        child.kill()?;
        child.wait()?;
        drop(input);
        let lines = lock(&said).lines.clone();
        Ok(lines.iter().any(|it| it["passive"] == true) && lines.iter().all(|it| it.get("active").is_none()))
    }

    /// Tells the controller something, again if it dies before it has heard; returns once what follows from it is durable.
    pub fn tell(&mut self, what: &Order) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < 5 * HEARD {
            self.orders += 1;
            let (number, since) = (self.orders, unix_ms());
            let line = serde_json::to_string(&Told { number, command: what.clone() })?;
            let deaths = self.deaths.len();
            if let Some(controller) = self.controller.as_mut() {
                // A pipe that broke belongs to a controller that has died: the next one is told.
                drop(writeln!(controller.input, "{line}").and_then(|()| controller.input.flush()));
            }
            let sent = Instant::now();
            while sent.elapsed() < HEARD && self.deaths.len() == deaths {
                if self.find(since, |it| it["told"] == number).is_some() {
                    return Ok(());
                }
                self.keep_appointment()?;
                std::thread::sleep(Duration::from_millis(30));
            }
        }
        Err(format!("no controller heard {what:?}; see {}", self.dir.join("controller.log").display()).into())
    }

    /// What controllers said since a moment, journal and audit log left out.
    pub fn heard(&self, since_unix_ms: u64) -> Vec<Value> {
        let said = lock(&self.said);
        let after = said.lines.iter().filter(|it| it["at"].as_u64().is_some_and(|at| at >= since_unix_ms));
        after.cloned().collect()
    }

    /// The first line since a moment that is of this kind.
    pub fn find(&self, since_unix_ms: u64, mut is: impl FnMut(&Value) -> bool) -> Option<Value> {
        let said = lock(&self.said);
        let late = |it: &&Value| it["at"].as_u64().is_some_and(|at| at >= since_unix_ms);
        // What is new is at the end.
        let first = said.lines.iter().rposition(|it| !late(&it)).map_or(0, |it| it + 1);
        said.lines[first..].iter().filter(late).find(|it| is(it)).cloned()
    }

    /// The newest line of this kind.
    pub fn newest(&self, mut is: impl FnMut(&Value) -> bool) -> Option<Value> {
        lock(&self.said).lines.iter().rev().find(|it| is(it)).cloned()
    }

    /// When a note with this code that speaks of `about` was first heard since a moment.
    pub fn first_note(&self, since_unix_ms: u64, code: &str, about: &str) -> Option<u64> {
        let is =
            |it: &Value| it["code"] == code && it["note"].as_str().is_some_and(|words| words.contains(about));
        self.find(since_unix_ms, is)?["at"].as_u64()
    }

    /// True if the controller has said since a moment that nothing is under way or waits.
    pub fn is_settled(&self, since_unix_ms: u64) -> bool {
        let state = self.newest(|it| it.get("settled").is_some());
        state.is_some_and(|it| {
            it["at"].as_u64().is_some_and(|at| at >= since_unix_ms) && it["settled"] == true
        })
    }

    /// Everything that controllers said was durable.
    pub fn acknowledged(&self) -> Acknowledged {
        lock(&self.said).acknowledged.clone()
    }

    /// What runs by the observer: replica to hosts.
    pub fn running(&self) -> BTreeMap<String, Vec<String>> {
        self.watch.running()
    }

    /// How many machines are missing or run twice, by the numbers that the controller wants.
    pub fn missing(&self) -> usize {
        let running = self.running();
        let state = self.newest(|it| it.get("desired").is_some()).unwrap_or_default();
        let wanted = |(name, least): &(&str, usize)| {
            let desired = state["desired"][*name].as_u64().and_then(|it| usize::try_from(it).ok());
            let prefix = format!("{name}#");
            let there = running.iter().filter(|(id, places)| id.starts_with(&prefix) && places.len() == 1);
            desired.unwrap_or(*least).max(*least).saturating_sub(there.count())
        };
        stack::LEAST.iter().map(wanted).sum()
    }

    /// True if everything that is wanted runs, once.
    pub fn is_well(&self) -> bool {
        self.missing() == 0
    }

    /// Waits until something holds; says after how many seconds.
    pub fn wait(
        &mut self,
        what: &str,
        patience: Duration,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> Result<f64> {
        let begin = Instant::now();
        loop {
            self.keep_appointment()?;
            if holds(self) {
                return Ok(begin.elapsed().as_secs_f64());
            }
            if begin.elapsed() > patience {
                let last: Vec<String> = self.heard(0).iter().rev().take(12).map(Value::to_string).collect();
                return Err(format!(
                    "{what} did not happen within {} s; running: {:?}; last words:\n{}",
                    patience.as_secs(),
                    self.running(),
                    last.join("\n")
                )
                .into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Adds to the story.
    pub fn note(&mut self, name: &str, from_unix_ms: u64, detail: String) {
        let until_unix_ms = unix_ms();
        if self.print {
            let first = self.steps.first().map_or(from_unix_ms, |it| it.from_unix_ms);
            let at = (from_unix_ms - first) as f64 / 1e3;
            println!("{at:7.1} s  {name:32} {:6.1} s  {detail}", (until_unix_ms - from_unix_ms) as f64 / 1e3);
        }
        self.steps.push(Step { name: name.to_owned(), from_unix_ms, until_unix_ms, detail });
    }

    /// A replica and the host it runs on, by the observer; numbers beyond the last begin anew.
    pub fn some_replica(&self, of: &str, which: usize) -> Option<(ReplicaId, HostId)> {
        let running = self.running();
        let prefix = format!("{of}#");
        let ours: Vec<_> =
            running.iter().filter(|(id, places)| id.starts_with(&prefix) && places.len() == 1).collect();
        let (id, places) = ours.get(which % ours.len().max(1))?;
        let (component, index) = id.split_once('#')?;
        Some((
            ReplicaId::new(component.parse().ok()?, index.parse().ok()?),
            HostId::new(places.first()?).ok()?,
        ))
    }

    /// Hosts with the number of machines that run on them.
    pub fn crowds(&self) -> Vec<(HostId, usize)> {
        let running = self.running();
        let count = |host: &HostId| {
            running.values().filter(|places| places.iter().any(|it| it == host.as_str())).count()
        };
        self.hosts.iter().map(|host| (host.clone(), count(host))).collect()
    }

    /// The host on which most machines run.
    pub fn fullest(&self) -> Option<HostId> {
        self.crowds().into_iter().max_by_key(|(_, count)| *count).map(|(host, _)| host)
    }

    /// The host other than this one on which fewest run.
    pub fn emptiest_but(&self, host: &HostId) -> Option<HostId> {
        let others = self.crowds().into_iter().filter(|(it, _)| it != host);
        others.min_by_key(|(_, count)| *count).map(|(host, _)| host)
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        // Everything that was started here ends here, by its own process id.
        drop(self.kill_controller());
        for host in self.hosts.clone() {
            drop(self.fleet.wake(&host));
            drop(self.fleet.kill(&host));
        }
        drop(self.prometheus.kill());
        drop(self.prometheus.wait());
    }
}

fn prometheus(dir: &Path, address: &str) -> Result<Child> {
    // Whoever leads writes where it is scraped.
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: controller, file_sd_configs: [{{files: ['{}'], refresh_interval: 1s}}]}}]\n",
        dir.join("targets.json").display()
    );
    std::fs::write(dir.join("prometheus.yml"), config)?;
    let log = std::fs::File::create(dir.join("prometheus.log"))?;
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("prometheus").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|e| format!("prometheus (Debian package prometheus) cannot be started: {e}"))?;
    Ok(child)
}

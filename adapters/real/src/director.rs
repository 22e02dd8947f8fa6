//! Starts everything, does the faults, and measures from outside.

use crate::controller::{Command as Told, Ports};
use crate::{stack, unix_ms};
use ecosystem_qemu::{Fleet, Observer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
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

/// Everything that runs.
#[derive(Debug)]
pub struct Director {
    /// Directory of this run.
    pub dir: PathBuf,
    /// For faults; the controller has its own.
    pub fleet: Fleet,
    /// The hosts.
    pub hosts: Vec<HostId>,
    observer: Observer,
    controller: Option<Controller>,
    prometheus: Child,
    // What controllers said, in order.
    lines: Arc<Mutex<Vec<Value>>>,
    /// The story so far.
    pub steps: Vec<Step>,
    print: bool,
}

fn free_address() -> Result<String> {
    Ok(format!("127.0.0.1:{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()))
}

impl Director {
    /// Brings up Prometheus, four hosts and a controller.
    pub fn start(dir: &Path, print: bool) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        let ports = Ports { prometheus: free_address()?, exporter: free_address()? };
        std::fs::write(dir.join("ports.json"), serde_json::to_vec(&ports)?)?;
        let prometheus = prometheus(&dir, &ports)?;
        let settings = stack::fleet(&dir)?;
        let hosts: Vec<HostId> = settings.hosts.iter().map(|(id, _)| id.clone()).collect();
        let root = settings.root.clone();
        let fleet = Fleet::connect(settings)?;
        let mut director = Self {
            observer: Observer::new(root),
            dir,
            fleet,
            hosts,
            controller: None,
            prometheus,
            lines: Arc::default(),
            steps: Vec::new(),
            print,
        };
        for host in director.hosts.clone() {
            director.fleet.power_on(&host)?;
        }
        Ok(director)
    }

    /// Starts the controller that faults are done to.
    pub fn start_controller(&mut self) -> Result<()> {
        let (child, input) = self.spawn_controller(Arc::clone(&self.lines))?;
        self.controller = Some(Controller { child, input });
        Ok(())
    }

    fn spawn_controller(&self, lines: Arc<Mutex<Vec<Value>>>) -> Result<(Child, ChildStdin)> {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("controller.log"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("control")
            .arg(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = child.stdout.take().ok_or("no output")?;
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                if let Ok(value) = serde_json::from_str(&line) {
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(value);
                }
            }
        });
        Ok((child, input))
    }

    /// SIGKILL to the controller.
    pub fn kill_controller(&mut self) -> Result<()> {
        if let Some(mut controller) = self.controller.take() {
            controller.child.kill()?;
            controller.child.wait()?;
        }
        Ok(())
    }

    /// Process id of the controller.
    pub fn controller_pid(&self) -> Option<u32> {
        self.controller.as_ref().map(|it| it.child.id())
    }

    /// Starts a second controller, waits, and says whether it stayed passive.
    pub fn second_controller(&self, span: Duration) -> Result<bool> {
        let lines = Arc::default();
        let (mut child, input) = self.spawn_controller(Arc::clone(&lines))?;
        std::thread::sleep(span);
        child.kill()?;
        child.wait()?;
        drop(input);
        let said = lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(said.iter().any(|it| it["passive"] == true) && said.iter().all(|it| it.get("active").is_none()))
    }

    /// Tells the controller something.
    pub fn tell(&mut self, what: &Told) -> Result<()> {
        let controller = self.controller.as_mut().ok_or("no controller runs")?;
        writeln!(controller.input, "{}", serde_json::to_string(what)?)?;
        Ok(controller.input.flush()?)
    }

    /// What controllers said since a moment.
    pub fn heard(&self, since_unix_ms: u64) -> Vec<Value> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|it| it["at"].as_u64().is_some_and(|at| at >= since_unix_ms)).cloned().collect()
    }

    /// When a note of one of these codes was first heard since a moment.
    pub fn first_note(&self, since_unix_ms: u64, codes: &[&str]) -> Option<u64> {
        let heard = self.heard(since_unix_ms);
        heard.iter().find(|it| it["code"].as_str().is_some_and(|code| codes.contains(&code)))?["at"].as_u64()
    }

    /// What runs by the observer: replica to hosts.
    pub fn running(&self) -> BTreeMap<String, Vec<String>> {
        self.observer.running()
    }

    /// Replicas that the observer sees more than once.
    pub fn doubles(&self) -> Vec<String> {
        self.observer.doubles()
    }

    /// True if at least the wanted number runs, everything once.
    pub fn is_well(&self) -> bool {
        let running = self.running();
        running.len() >= stack::MACHINES && running.values().all(|places| places.len() == 1)
    }

    /// Waits until something holds; says after how many seconds.
    pub fn wait(&self, what: &str, patience: Duration, mut holds: impl FnMut(&Self) -> bool) -> Result<f64> {
        let begin = Instant::now();
        while !holds(self) {
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
            std::thread::sleep(Duration::from_millis(150));
        }
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Adds to the story.
    pub fn note(&mut self, name: &str, from_unix_ms: u64, detail: String) {
        let until_unix_ms = unix_ms();
        if self.print {
            let first = self.steps.first().map_or(from_unix_ms, |it| it.from_unix_ms);
            let at = (from_unix_ms - first) as f64 / 1e3;
            println!("{at:7.1} s  {name:34} {:6.1} s  {detail}", (until_unix_ms - from_unix_ms) as f64 / 1e3);
        }
        self.steps.push(Step { name: name.to_owned(), from_unix_ms, until_unix_ms, detail });
    }

    /// A replica and the host it runs on, by the observer.
    pub fn some_replica(&self, of: &str, which: usize) -> Option<(ReplicaId, HostId)> {
        let running = self.running();
        let mut ours = running.iter().filter(|(id, places)| id.starts_with(of) && places.len() == 1);
        let (id, places) = ours.nth(which)?;
        let (component, index) = id.split_once('#')?;
        Some((
            ReplicaId::new(component.parse().ok()?, index.parse().ok()?),
            HostId::new(places.first()?).ok()?,
        ))
    }

    /// The host on which most machines run.
    pub fn fullest(&self) -> Option<HostId> {
        let running = self.running();
        let count = |host: &HostId| {
            running.values().filter(|places| places.iter().any(|it| it == host.as_str())).count()
        };
        self.hosts.iter().max_by_key(|host| count(host)).cloned()
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

fn prometheus(dir: &Path, ports: &Ports) -> Result<Child> {
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: controller, static_configs: [{{targets: ['{}']}}]}}]\n",
        ports.exporter
    );
    std::fs::write(dir.join("prometheus.yml"), config)?;
    let log = std::fs::File::create(dir.join("prometheus.log"))?;
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("prometheus").display()))
        .arg(format!("--web.listen-address={}", ports.prometheus))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|e| format!("prometheus (Debian package prometheus) cannot be started: {e}"))?;
    Ok(child)
}

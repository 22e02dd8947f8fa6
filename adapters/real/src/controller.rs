//! The controller: the façade's driver over QEMU hosts, a durable store and Prometheus. Made to be killed.
//!
//! Orders come as JSON lines on standard input, what happens goes as JSON lines to standard output. A controller that finds
//! somebody else at work stays passive until it is its turn ([`lease`](crate::lease)), and each life has a higher epoch than the
//! one before. One whose lease is over stops, and takes part in the next election.

use crate::keep::{Keep, KeepError};
use crate::lease::{Lease, Led, Lock, lead};
use crate::outlook::Load;
use crate::witness::{WitnessedAudit, WitnessedJournal};
use crate::{say, stack, unix_ms};
use ecosystem_prometheus::{
    Exporter, LastKnown, Naming, Prometheus, REPLICA_CPU, REPLICA_MEMORY, Settings as MetricsSettings,
    engine_families, replica_family,
};
use ecosystem_qemu::Fleet;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use vm_ecosystem::prelude::*;
use vm_ecosystem::reconfig::{Order, Severity};

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(100);
/// Between two looks at the metrics.
const METRICS_MS: u64 = 2_000;
/// How far ahead the load is forecast: a machine that is wanted serves well within it.
const AHEAD: usize = 6;

/// What a controller is told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Command {
    /// Move a replica.
    Move {
        /// Which.
        replica: ReplicaId,
        /// Where to.
        to: HostId,
    },
    /// A component is in an attacker's hands.
    Alert {
        /// Which.
        component: ComponentId,
    },
    /// Bring in a version.
    Version {
        /// Of which component.
        component: ComponentId,
        /// Which.
        version: String,
    },
    /// A version is bad.
    Bug {
        /// Of which component.
        component: ComponentId,
        /// Which.
        version: String,
    },
    /// Take a host back.
    Restore {
        /// Which.
        host: HostId,
    },
}

/// A command with a number, which is said once everything that it leads to is durable.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a line between two processes of ours")]
pub struct Told {
    /// Its number.
    pub number: u64,
    /// What to do.
    #[serde(flatten)]
    pub command: Command,
}

/// What the director tells controllers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a file between two processes of ours")]
pub struct Surroundings {
    /// Where Prometheus listens.
    pub prometheus: String,
    /// What they compete for.
    pub lock: Lock,
}

type Planned = Box<dyn FnMut(&PlacementAsk) -> Option<Event>>;
type Loop = Driver<Led<Fleet>, WitnessedJournal, WitnessedAudit, Planned>;

/// Detection within two seconds, retries within five: hosts here boot in one.
fn settings(capabilities: Capabilities) -> EngineSettings {
    let mut settings = EngineSettings::default();
    settings.capabilities = capabilities;
    settings.detection.suspect_after = Duration::from_secs(3);
    settings.detection.fence_after = Duration::from_secs(1);
    settings.detection.flap_limit = 1_000;
    settings.patience.retry = Duration::from_secs(3);
    settings.patience.inventory = Duration::from_secs(20);
    settings.patience.start = Duration::from_secs(60);
    settings.patience.migrate = Duration::from_secs(60);
    settings.patience.dependencies = Duration::from_secs(20);
    settings.scaling.up_after = Duration::from_secs(4);
    settings.scaling.cooldown = Duration::from_secs(20);
    settings.scaling.down_after = Duration::from_secs(45);
    settings
}

fn commands() -> Receiver<Told> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(command) => {
                    if sender.send(command).is_err() {
                        return;
                    }
                }
                Err(e) => say(&json!({"at": unix_ms(), "trouble": format!("command cannot be read: {e}")})),
            }
        }
    });
    receiver
}

fn event_of(command: Command) -> Event {
    let by = "director".into();
    match command {
        Command::Move { replica, to } => Event::Order { order: Order::Move(replica, to), by },
        Command::Restore { host } => Event::Order { order: Order::Restore(host), by },
        Command::Alert { component } => {
            Event::SecurityAlert { component, why: "reported by the director".into() }
        }
        Command::Version { component, version } => {
            Event::NewVersion { component, version: Version::new(version) }
        }
        Command::Bug { component, version } => Event::BugReport {
            component,
            version: Version::new(version),
            severity: Severity::Critical,
            why: "reported by the director".into(),
        },
    }
}

fn tell(tick: &Tick) {
    for note in &tick.notes {
        say(&json!({"at": unix_ms(), "code": note.code, "note": note.sentence}));
    }
    for order in &tick.submitted {
        say(&json!({"at": unix_ms(), "action": order.id.0, "order": order.kind.to_string()}));
    }
    for trouble in &tick.troubles {
        say(&json!({"at": unix_ms(), "trouble": trouble}));
    }
}

/// What the hosts measured, and the engine's own counters, for Prometheus to scrape.
fn publish(exporter: &Exporter, driver: &mut Loop) {
    let mut families = engine_families(driver.engine());
    let replicas: Vec<ReplicaId> = driver.engine().replicas().map(|it| it.replica).collect();
    for (metric, name) in
        [(MetricKind::CpuMillicores, REPLICA_CPU), (MetricKind::MemoryBytes, REPLICA_MEMORY)]
    {
        let query =
            |id: &ReplicaId| MetricQuery { subject: Subject::Replica(id.clone()), metric: metric.clone() };
        let queries: Vec<MetricQuery> = replicas.iter().map(query).collect();
        let samples = driver.hypervisor.inner.latest(&queries).unwrap_or_default();
        let values = replicas.iter().zip(samples).filter_map(|(id, it)| Some((id.clone(), it.ok()?.value)));
        families.push(replica_family(name, values));
    }
    exporter.publish(&families);
}

/// What is known about the load of the components that can be scaled.
struct Watching {
    metrics: LastKnown<Prometheus>,
    loads: BTreeMap<ComponentId, Load>,
}

impl Watching {
    /// Measures, forecasts, and gives both as events.
    fn look(&mut self, driver: &mut Loop, shop: &Ecosystem) -> Vec<Event> {
        let now = Timestamp::from_unix_ms(unix_ms());
        let scalable: Vec<ComponentId> =
            shop.components().filter(|it| it.replica_range.is_some()).map(|it| it.id.clone()).collect();
        let query = |id: &ComponentId| MetricQuery {
            subject: Subject::Component(id.clone()),
            metric: MetricKind::CpuMillicores,
        };
        let queries: Vec<MetricQuery> = scalable.iter().map(query).collect();
        let samples = self.metrics.latest(&queries).unwrap_or_default();
        if let Some(trouble) = self.metrics.trouble() {
            say(&json!({"at": unix_ms(), "trouble": format!("last known load is used: {trouble}")}));
        }
        let mut events = Vec::new();
        for (component, sample) in scalable.into_iter().zip(samples) {
            match bridge::utilisation(driver.engine(), shop, &component, now, sample) {
                Ok(permille) => events.extend(self.judge(component, permille)),
                Err(trouble) => say(&json!({"at": unix_ms(), "trouble": trouble})),
            }
        }
        events
    }

    /// A measured load, and the one that is expected from it.
    fn judge(&mut self, component: ComponentId, permille: u32) -> Vec<Event> {
        let load = self.loads.entry(component.clone()).or_default();
        load.push(unix_ms(), permille, METRICS_MS);
        let outlook = load.outlook(AHEAD, METRICS_MS);
        let mut line = json!({"at": unix_ms(), "load": permille, "component": component.as_str()});
        let mut events = Vec::new();
        if let Some(outlook) = outlook {
            line["expected"] = outlook.peak.into();
            line["bound"] = outlook.bound.into();
            // The point, not the bound: here load is noisy, and a machine too few for seconds is no harm.
            let (permille, within) = (outlook.peak, outlook.within);
            events.push(Event::Forecast { component: component.clone(), permille, within });
        }
        say(&line);
        events.push(Event::Utilisation { component, permille });
        events
    }
}

/// Says now and then how far everything is, for whoever waits for it.
fn tell_state(driver: &Loop, shop: &Ecosystem) {
    let engine = driver.engine();
    let open = engine.unsettled();
    let desired: BTreeMap<String, u32> =
        shop.components().map(|it| (it.id.to_string(), engine.desired(&it.id))).collect();
    say(
        &json!({"at": unix_ms(), "settled": open.is_empty(), "open": open, "unfinished": engine.unfinished().count(), "desired": desired}),
    );
}

/// Lives until it is killed. A heedless one goes on when its lease is over, until something else stops it.
pub fn run(dir: &Path, heedless: bool) -> Result<(), Box<dyn std::error::Error>> {
    let commands = commands();
    let surroundings: Surroundings = serde_json::from_slice(&std::fs::read(dir.join("surroundings.json"))?)?;
    loop {
        let (keep, lease) = lead(dir, &surroundings.lock)?;
        let lease = if heedless { lease.heedless() } else { lease };
        let token = lease.token().0;
        match act(dir, &surroundings, &commands, &keep, &lease) {
            Ok(()) => {}
            Err(Failure::Store(error)) if error.is_of_another() => {
                say(&json!({"at": unix_ms(), "refused": token, "why": error.to_string()}));
            }
            Err(Failure::Store(error)) => return Err(error.into()),
            Err(Failure::Other(error)) => return Err(error),
        }
    }
}

/// Why a leader ended.
enum Failure {
    Store(KeepError),
    Other(Box<dyn std::error::Error>),
}

impl From<KeepError> for Failure {
    fn from(error: KeepError) -> Self {
        Self::Store(error)
    }
}

impl From<DriverError<KeepError, KeepError>> for Failure {
    fn from(error: DriverError<KeepError, KeepError>) -> Self {
        match error {
            DriverError::Journal(error) | DriverError::Audit(error) => Self::Store(error),
            other => Self::Other(other.into()),
        }
    }
}

fn other(error: impl Into<Box<dyn std::error::Error>>) -> Failure {
    Failure::Other(error.into())
}

/// The leader's work; returns when its lease is over.
fn act(
    dir: &Path,
    surroundings: &Surroundings,
    commands: &Receiver<Told>,
    keep: &Keep,
    lease: &Lease,
) -> Result<(), Failure> {
    let (shop, hosts) = (stack::ecosystem().map_err(other)?, stack::infrastructure().map_err(other)?);
    let mut fleet = Fleet::connect(stack::fleet(dir).map_err(other)?).map_err(other)?;
    let mut journal = keep.journal();
    let records = journal.read_all()?;
    let now = || Timestamp::from_unix_ms(unix_ms());
    let (settings, token) = (settings(fleet.capabilities()), lease.token());
    let engine = if records.is_empty() {
        Engine::new(settings, &shop, &hosts, &Placement::new(), token, now()).map_err(other)?
    } else {
        Engine::replay(settings, &shop, &hosts, &records, token, now()).map_err(other)?
    };
    // Before anything is looked at or ordered: nothing of an older controller happens after this.
    let told = fleet.reign(engine.epoch()).map_err(other)?;
    say(&json!({
        "at": unix_ms(), "active": true, "epoch": engine.epoch().0, "token": token.0, "records": records.len(),
        "hosts": told.len(),
    }));
    let (map, ground, search) = (shop.clone(), hosts, placement::Settings::default().with_work(20_000));
    let planner: Planned = Box::new(move |ask| Some(bridge::answer(ask, &map, &ground, &search)));
    let (journal, audit) =
        (WitnessedJournal::new(journal, records.len() as u64), WitnessedAudit(keep.audit()?));
    let mut driver = Driver::new(engine, Led::new(fleet, lease.clone()), journal, audit, planner);
    let exporter = Exporter::bind("127.0.0.1:0").map_err(other)?;
    target(dir, &exporter).map_err(other)?;
    let mut watching = watching(surroundings);
    let mut metrics_due = unix_ms() + METRICS_MS;
    while lease.is_ours() {
        let mut ticks = vec![driver.tick(now())?];
        for told in commands.try_iter() {
            ticks.push(driver.handle(now(), event_of(told.command))?);
            say(&json!({"at": unix_ms(), "told": told.number}));
        }
        if unix_ms() >= metrics_due {
            metrics_due = unix_ms() + METRICS_MS;
            publish(&exporter, &mut driver);
            for event in watching.look(&mut driver, &shop) {
                ticks.push(driver.handle(now(), event)?);
            }
            tell_state(&driver, &shop);
        }
        let asks: Vec<_> = ticks.iter().flat_map(|tick| tick.approvals.clone()).collect();
        for ask in asks {
            ticks.push(
                driver.handle(now(), Event::Approval { id: ask.id, granted: true, by: "director".into() })?,
            );
        }
        ticks.iter().for_each(tell);
        std::thread::sleep(ROUND);
    }
    // Before anything is given back, which may take a while.
    say(&json!({"at": unix_ms(), "stopped": token.0}));
    Ok(())
}

/// Tells Prometheus where whoever leads is scraped; a file is replaced whole, so that it reads the old or the new one.
fn target(dir: &Path, exporter: &Exporter) -> std::io::Result<()> {
    let part = dir.join(format!("targets-{}.part", std::process::id()));
    std::fs::write(&part, json!([{"targets": [exporter.address().to_string()]}]).to_string())?;
    std::fs::rename(part, dir.join("targets.json"))
}

fn watching(surroundings: &Surroundings) -> Watching {
    let naming = Naming::default().gauge(MetricKind::CpuMillicores, REPLICA_CPU, 1.0);
    let mut asked = MetricsSettings::new(format!("http://{}", surroundings.prometheus));
    asked.scrape_interval = Duration::from_secs(1);
    asked.latest_within = Duration::from_millis(500);
    Watching { metrics: LastKnown::new(Prometheus::new(asked, naming)), loads: BTreeMap::new() }
}

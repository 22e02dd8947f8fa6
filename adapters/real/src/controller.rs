//! The controller: the façade's driver over QEMU hosts, a durable store and Prometheus. Made to be killed.
//!
//! Orders come as JSON lines on standard input, what happens goes as JSON lines to standard output. A controller that finds
//! the store in use stays passive until it is free: whoever holds the lock is the one that acts, and each life has a higher
//! epoch than the one before.

use crate::outlook::Load;
use crate::witness::{WitnessedAudit, WitnessedJournal};
use crate::{say, stack, unix_ms};
use ecosystem_prometheus::{
    Exporter, LastKnown, Naming, Prometheus, Settings as MetricsSettings, engine_families,
};
use ecosystem_qemu::Fleet;
use ecosystem_store::{Durability, Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use vm_ecosystem::model::prometheus::{FamilyKind, MetricFamily, MetricSample};
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

/// Where Prometheus and the exporter listen; written by the director.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a file between two processes of ours")]
pub struct Ports {
    /// Of Prometheus.
    pub prometheus: String,
    /// Of the controller's exporter.
    pub exporter: String,
}

type Planned = Box<dyn FnMut(&PlacementAsk) -> Option<Event>>;
type Loop = Driver<Fleet, WitnessedJournal, WitnessedAudit, Planned>;

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

fn open_store(dir: &Path) -> Result<Store, StoreError> {
    let mut told = false;
    loop {
        match Store::open(dir.join("store.db"), Durability::OnSync) {
            Err(StoreError::InUse { .. }) => {
                if !told {
                    say(&json!({"at": unix_ms(), "passive": true}));
                    told = true;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            other => return other,
        }
    }
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
        [(MetricKind::CpuMillicores, "vm_cpu_millicores"), (MetricKind::MemoryBytes, "vm_memory_bytes")]
    {
        let query =
            |id: &ReplicaId| MetricQuery { subject: Subject::Replica(id.clone()), metric: metric.clone() };
        let queries: Vec<MetricQuery> = replicas.iter().map(query).collect();
        let mut family = MetricFamily::new(name, FamilyKind::Gauge, "as measured on the host");
        for (id, sample) in replicas.iter().zip(driver.hypervisor.latest(&queries).unwrap_or_default()) {
            if let Ok(sample) = sample {
                let labelled =
                    MetricSample::new(name, sample.value).with("component", id.component().as_str());
                family.samples.push(labelled.with("replica", &id.to_string()));
            }
        }
        families.push(family);
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

/// Lives until it is killed.
pub fn run(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let commands = commands();
    let store = open_store(dir)?;
    let (shop, hosts) = (stack::ecosystem()?, stack::infrastructure()?);
    let fleet = Fleet::connect(stack::fleet(dir)?)?;
    let mut journal = store.journal();
    let records = journal.read_all()?;
    let now = || Timestamp::from_unix_ms(unix_ms());
    let settings = settings(fleet.capabilities());
    let engine = if records.is_empty() {
        Engine::new(settings, &shop, &hosts, &Placement::new(), Epoch(1), now())?
    } else {
        Engine::replay(settings, &shop, &hosts, &records, Epoch(1), now())?
    };
    say(&json!({"at": unix_ms(), "active": true, "epoch": engine.epoch().0, "records": records.len()}));
    let (map, ground, search) = (shop.clone(), hosts, placement::Settings::default().with_work(20_000));
    let planner: Planned = Box::new(move |ask| Some(bridge::answer(ask, &map, &ground, &search)));
    let (journal, audit) =
        (WitnessedJournal::new(journal, records.len() as u64), WitnessedAudit(store.audit()?));
    let mut driver = Driver::new(engine, fleet, journal, audit, planner);
    let ports: Ports = serde_json::from_slice(&std::fs::read(dir.join("ports.json"))?)?;
    let exporter = Exporter::bind(&ports.exporter)?;
    let naming = Naming::default().gauge(MetricKind::CpuMillicores, "vm_cpu_millicores", 1.0);
    let mut asked = MetricsSettings::new(format!("http://{}", ports.prometheus));
    asked.scrape_interval = Duration::from_secs(1);
    asked.latest_within = Duration::from_millis(500);
    let metrics = LastKnown::new(Prometheus::new(asked, naming));
    let mut watching = Watching { metrics, loads: BTreeMap::new() };
    let mut metrics_due = unix_ms() + METRICS_MS;
    loop {
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
}

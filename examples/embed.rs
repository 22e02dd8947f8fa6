//! A host application in a hundred lines: its own hypervisor and metrics, driven by the library.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;
use vm_ecosystem::prelude::*;

/// Two machines that start and stop things at once and know when a plug is pulled.
#[derive(Default)]
struct Lab {
    running: BTreeMap<ReplicaId, HostId>,
    unplugged: Vec<HostId>,
    events: Vec<HypervisorEvent>,
}

impl Hypervisor for Lab {
    type Error = Infallible;

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<Infallible>> {
        println!("  lab: {}", request.kind);
        match &request.kind {
            ActionKind::Start { replica, host, .. } => {
                drop(self.running.insert(replica.clone(), host.clone()));
            }
            ActionKind::Stop { replica, .. } => drop(self.running.remove(replica)),
            ActionKind::Fence { host } => self.running.retain(|_, on| on != host),
            other => {
                return Err(SubmitError::Rejected { reason: format!("the lab cannot {}", other.verb()) });
            }
        }
        self.events.push(HypervisorEvent::Finished { action: request.id, outcome: ActionOutcome::DONE });
        Ok(())
    }

    fn poll(&mut self, _: Timestamp) -> Result<Vec<HypervisorEvent>, Infallible> {
        for host in ["h1", "h2", "h3", "h4"].map(|name| HostId::new(name).expect("a name")) {
            if !self.unplugged.contains(&host) {
                self.events.push(HypervisorEvent::Host { host, health: HostHealth::Alive });
            }
        }
        Ok(std::mem::take(&mut self.events))
    }

    fn inventory(&mut self) -> Result<Inventory, Infallible> {
        Ok(Inventory::default())
    }
}

/// Everything is always half busy.
struct HalfBusy;

impl MetricsSource for HalfBusy {
    type Error = Infallible;

    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, Infallible> {
        let (values, labels) = (vec![0.5], BTreeMap::new());
        let flat = Series { start: Timestamp::default(), step: Duration::from_secs(60), values, labels };
        Ok(queries.iter().map(|q| Ok(Series { start: q.start, step: q.step, ..flat.clone() })).collect())
    }

    fn latest(&mut self, queries: &[MetricQuery]) -> Result<Vec<Result<Sample, QueryError>>, Infallible> {
        Ok(queries.iter().map(|_| Ok(Sample { at: Timestamp::default(), value: 0.5 })).collect())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shop = "version: 1\nname: shop\ncomponents: {web: {resources: {request: {cpu: 1, memory: 1Gi}}}}";
    let fleet = "version: 1\nregions: {eu: {zones: {a: {racks: {r: {hosts: {'h{n}': {count: 4, capacity: {cpu: 4, memory: 8Gi}}}}}}}}}";
    let options = ParseOptions::default();
    let shop = manifest::parse(&[Source::new("shop.yaml", shop)], &options)?.ecosystem;
    let fleet = manifest::parse_infrastructure(&[Source::new("fleet.yaml", fleet)], &options)?.infrastructure;

    let clock = |second: u64| Timestamp::from_unix_ms(second * 1_000);
    let engine =
        Engine::new(EngineSettings::default(), &shop, &fleet, &Placement::new(), Epoch(1), clock(0))?;
    let search = placement::Settings::default();
    let planner = |ask: &PlacementAsk| Some(bridge::answer(ask, &shop, &fleet, &search));
    let mut driver = Driver::new(engine, Lab::default(), MemoryJournal::new(), Log::new(), planner);

    let mut first = None;
    for second in 0..120 {
        if second == 30 {
            first = driver.hypervisor.running.values().next().cloned();
            println!("{second:3} s  somebody pulls the plug of {}", first.as_ref().ok_or("web runs")?);
            driver.hypervisor.unplugged.extend(first.clone());
        }
        for note in driver.tick_with_metrics(clock(second), &mut HalfBusy, &shop)?.notes {
            println!("{second:3} s  {}", note.sentence);
        }
    }
    let now = driver.hypervisor.running.values().next().cloned().ok_or("web runs")?;
    println!("web runs on {now}; {} audit entries", driver.audit().size());
    assert_ne!(first, Some(now));
    assert!(driver.audit().verify().ok());
    Ok(())
}

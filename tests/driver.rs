//! The driver between an engine and a host application that fails in every way it may.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt;
use vm_ecosystem::model::{
    Bytes, Component, Host, MetricsSource, Millicores, QueryError, Rack, RangeQuery, Region, Series, Zone,
};
use vm_ecosystem::prelude::*;
use vm_ecosystem::reconfig::sim::{SimSettings, Simulator};

#[derive(Clone, Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

/// A journal whose disk can be full, in append or only in sync.
#[derive(Default)]
struct Disk {
    records: Vec<Vec<u8>>,
    full: bool,
    sync_fails: bool,
}

impl Journal for Disk {
    type Error = Broken;

    fn append(&mut self, record: &[u8]) -> Result<(), Broken> {
        if self.full {
            return Err(Broken);
        }
        self.records.push(record.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Broken> {
        if self.sync_fails { Err(Broken) } else { Ok(()) }
    }

    fn read_all(&mut self) -> Result<Vec<Vec<u8>>, Broken> {
        Ok(self.records.clone())
    }
}

/// A journal that is shared with the test.
#[derive(Clone, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Disk>>);

impl Journal for Shared {
    type Error = Broken;

    fn append(&mut self, record: &[u8]) -> Result<(), Broken> {
        self.0.borrow_mut().append(record)
    }

    fn sync(&mut self) -> Result<(), Broken> {
        self.0.borrow_mut().sync()
    }

    fn read_all(&mut self) -> Result<Vec<Vec<u8>>, Broken> {
        self.0.borrow_mut().read_all()
    }
}

struct NoMetrics;

impl MetricsSource for NoMetrics {
    type Error = Broken;

    fn range(&mut self, _: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, Broken> {
        Err(Broken)
    }

    fn latest(&mut self, _: &[MetricQuery]) -> Result<Vec<Result<Sample, QueryError>>, Broken> {
        Err(Broken)
    }
}

fn shop() -> Ecosystem {
    let mut web = Component::new("web".parse().unwrap(), Kind::Container);
    web.replicas = 2;
    web.replica_range = Some((1, 4));
    web.requirements.request = Resources::new(Millicores::cores(1), Bytes::gib(1));
    Ecosystem::builder("shop").component(web).build().unwrap()
}

fn fleet() -> Infrastructure {
    let mut fleet = Infrastructure::builder()
        .region(Region::new("eu".parse().unwrap()))
        .zone(Zone::new("a".parse().unwrap(), "eu".parse().unwrap()))
        .rack(Rack::new("r".parse().unwrap(), "a".parse().unwrap()));
    for n in 0..4 {
        let size = Resources::new(Millicores::cores(4), Bytes::gib(8));
        fleet = fleet.host(Host::new(format!("h{n}").parse().unwrap(), "r".parse().unwrap(), size));
    }
    fleet.build().unwrap()
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_ms(second * 1_000)
}

fn planner(shop: Ecosystem, fleet: Infrastructure) -> impl FnMut(&PlacementAsk) -> Option<Event> {
    let settings = placement::Settings::default();
    move |ask| Some(bridge::answer(ask, &shop, &fleet, &settings))
}

#[test]
fn nothing_is_done_before_the_journal_is_durable_and_nothing_is_lost_afterwards() {
    let (shop, fleet) = (shop(), fleet());
    let sim = Simulator::new(&shop, &fleet, &Placement::new(), SimSettings::default());
    let engine =
        Engine::new(EngineSettings::default(), &shop, &fleet, &Placement::new(), Epoch(1), at(0)).unwrap();
    let disk = Shared::default();
    let mut driver = Driver::new(engine, sim, disk.clone(), Log::new(), planner(shop.clone(), fleet.clone()));

    disk.0.borrow_mut().full = true;
    for second in 0..3 {
        assert!(matches!(driver.tick(at(second)), Err(DriverError::Journal(_))));
    }
    assert_eq!(driver.audit().size(), 0, "no order, no entry");
    disk.0.borrow_mut().full = false;
    disk.0.borrow_mut().sync_fails = true;
    assert!(matches!(driver.tick(at(3)), Err(DriverError::Journal(_))));
    let appended = disk.0.borrow().records.len();
    assert!(appended > 0);
    assert!(matches!(driver.tick(at(4)), Err(DriverError::Journal(_))));
    assert_eq!(driver.hypervisor.instances().count(), 0);

    disk.0.borrow_mut().sync_fails = false;
    for second in 5..40 {
        driver.tick(at(second)).unwrap();
    }
    assert_eq!(driver.engine().available_replicas(&"web".parse().unwrap()), 2);
    assert_eq!(driver.hypervisor.instances().count(), 2);

    // What is on the disk is what happened: an engine that is replayed from it knows the same.
    let frames = disk.0.borrow().records.clone();
    let replayed =
        Engine::replay(EngineSettings::default(), &shop, &fleet, &frames, Epoch(2), at(40)).unwrap();
    assert!(replayed.same_hard_state_but_epoch(driver.engine()));
}

#[test]
fn an_audit_log_that_fails_stops_orders_until_it_works_again() {
    struct Full {
        log: Log,
        full: std::rc::Rc<std::cell::Cell<bool>>,
    }
    impl AuditSink for Full {
        type Error = Broken;
        fn append(&mut self, draft: &Draft) -> Result<vm_ecosystem::audit::Receipt, Broken> {
            if self.full.get() { Err(Broken) } else { self.log.append(draft).map_err(|_| Broken) }
        }
    }
    let (shop, fleet) = (shop(), fleet());
    let sim = Simulator::new(&shop, &fleet, &Placement::new(), SimSettings::default());
    let engine =
        Engine::new(EngineSettings::default(), &shop, &fleet, &Placement::new(), Epoch(1), at(0)).unwrap();
    let full = std::rc::Rc::new(std::cell::Cell::new(true));
    let sink = Full { log: Log::new(), full: full.clone() };
    let mut driver = Driver::new(engine, sim, MemoryJournal::new(), sink, planner(shop, fleet));
    for second in 0..20 {
        let _ = driver.tick(at(second));
    }
    assert_eq!(driver.hypervisor.instances().count(), 0);
    full.set(false);
    for second in 20..60 {
        driver.tick(at(second)).unwrap();
    }
    assert_eq!(driver.hypervisor.instances().count(), 2);
}

#[test]
fn metrics_that_cannot_be_read_are_reported_and_the_loop_goes_on() {
    let (shop, fleet) = (shop(), fleet());
    let sim = Simulator::new(&shop, &fleet, &Placement::new(), SimSettings::default());
    let engine =
        Engine::new(EngineSettings::default(), &shop, &fleet, &Placement::new(), Epoch(1), at(0)).unwrap();
    let mut driver = Driver::new(engine, sim, MemoryJournal::new(), Log::new(), planner(shop.clone(), fleet));
    let mut troubles = Vec::new();
    for second in 0..40 {
        troubles.extend(driver.tick_with_metrics(at(second), &mut NoMetrics, &shop).unwrap().troubles);
    }
    assert!((2..=4).contains(&troubles.len()), "once every 15 s: {troubles:?}");
    assert!(troubles[0].contains("metrics could not be read: broken"));
    assert_eq!(driver.engine().available_replicas(&"web".parse().unwrap()), 2);
}

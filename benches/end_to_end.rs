//! The whole way, from a manifest to an audit root, on the quickstart's shop and fleet.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use vm_ecosystem::forecast::Series;
use vm_ecosystem::prelude::*;
use vm_ecosystem::reconfig::sim::{Fault, SimSettings, Simulator};

const SHOP: &str = include_str!("../examples/data/shop.yaml");
const FLEET: &str = include_str!("../examples/data/infrastructure.yaml");

fn read() -> (Ecosystem, Infrastructure) {
    let options = ParseOptions::default();
    let shop = manifest::parse(&[Source::new("shop.yaml", SHOP)], &options).expect("it is valid").ecosystem;
    let fleet = manifest::parse_infrastructure(&[Source::new("fleet.yaml", FLEET)], &options);
    (shop, fleet.expect("it is valid").infrastructure)
}

fn two_weeks() -> Series {
    let load = (0..4_032_u32)
        .map(|t| {
            let day = (f64::from(t % 288) / 288.0 * std::f64::consts::TAU).sin();
            50.0 + 20.0 * day + f64::from(t.wrapping_mul(2_654_435_761) >> 24) / 64.0
        })
        .collect();
    Series::new(0, 300_000, load).expect("it is finite")
}

fn hour_with_a_host_failure(shop: &Ecosystem, fleet: &Infrastructure, placed: &Placement) -> String {
    let clock = |second: u64| Timestamp::from_unix_ms(second * 1_000);
    let sim = Simulator::new(shop, fleet, placed, SimSettings::default());
    let engine =
        Engine::new(EngineSettings::default(), shop, fleet, placed, Epoch(1), clock(0)).expect("it is valid");
    let search = placement::Settings::default().with_work(50_000);
    let planner = |ask: &PlacementAsk| Some(bridge::answer(ask, shop, fleet, &search));
    let mut driver = Driver::new(engine, sim, MemoryJournal::new(), Log::new(), planner);
    for second in 0..3_600 {
        if second == 60 {
            let (_, host) = placed.iter().next().expect("something runs");
            driver.hypervisor.fault(&Fault::HostCrash(host.clone()));
        }
        driver.tick(clock(second)).expect("memory does not fail");
    }
    driver.audit().root().to_hex()
}

fn benches(c: &mut Criterion) {
    let (shop, fleet) = read();
    let problem = Problem::builder(&shop, &fleet).build().expect("it is valid");
    let settings = placement::Settings::default();
    let placed = solve(&problem, &settings).placement;
    let week = two_weeks();
    let mut group = c.benchmark_group("end_to_end");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("read/15_components_20_hosts", |b| b.iter(|| black_box(read())));
    group.bench_function("forecast/4032_points_288_ahead", |b| {
        b.iter(|| bridge::demand(black_box(&week), &[288, 2_016], 288, 0.9, 6.0).expect("it fits"));
    });
    group.bench_function("place/36_replicas_20_hosts", |b| b.iter(|| solve(black_box(&problem), &settings)));
    group.bench_function("drive/3600_ticks_host_failure", |b| {
        b.iter(|| hour_with_a_host_failure(&shop, &fleet, &placed));
    });
    group.finish();
}

criterion_group!(end_to_end, benches);
criterion_main!(end_to_end);

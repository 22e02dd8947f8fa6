//! `cargo run --release --example predicted_failures -- [SEEDS]`: unplanned downtime with and without failure
//! prediction, in the simulator.
//!
//! Each seed is two days of a fleet of twelve hosts of which ten fail at random moments. Of the failures three in four
//! are predicted 10 to 30 minutes ahead, and there are as many false alarms. Without prediction a failed host is
//! noticed, fenced, and its replicas start elsewhere; with it the host is emptied by live migration first. Downtime is
//! the time in which replicas that are wanted do not serve on the ground, in replica seconds. Prints one line per
//! seed on standard error and, as last line, means and the reduction with its 95 % interval over the seeds as JSON.

use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use vm_ecosystem::model::{
    Bytes, Component, Ecosystem, Host, HostId, Infrastructure, Kind, Millicores, Placement, Rack, Region,
    ReplicaId, Resources, Zone,
};
use vm_ecosystem::reconfig::sim::{Drill, Fault, Input, Running, SimRng, SimSettings};
use vm_ecosystem::reconfig::{Event, Order, Settings};

type Failure = Box<dyn std::error::Error>;
const HOSTS: u64 = 12;
const FAILURES: u64 = 10;
const SPAN_S: u64 = 2 * 86_400;
/// After a failure the ground is looked at every second for so long.
const WATCHED_S: u64 = 900;

fn host(h: u64) -> Result<HostId, Failure> {
    Ok(format!("h{h:02}").parse()?)
}

fn world() -> Result<(Ecosystem, Infrastructure, Placement), Failure> {
    let mut fleet = Infrastructure::builder()
        .region(Region::new("eu".parse()?))
        .zone(Zone::new("a".parse()?, "eu".parse()?))
        .rack(Rack::new("r".parse()?, "a".parse()?));
    for h in 0..HOSTS {
        let size = Resources::new(Millicores::cores(16), Bytes::gib(64));
        fleet = fleet.host(Host::new(host(h)?, "r".parse()?, size));
    }
    let (mut apps, mut placement) = (Ecosystem::builder("fleet"), Placement::new());
    for c in 0..HOSTS * 4 {
        let mut it = Component::new(format!("app{c:02}").parse()?, Kind::Vm);
        it.requirements.request = Resources::new(Millicores::cores(2), Bytes::gib(8));
        placement.set(ReplicaId::new(it.id.clone(), 0), host(c % HOSTS)?);
        apps = apps.component(it);
    }
    Ok((apps.build()?, fleet.build()?, placement))
}

/// Replicas that do not serve on the ground.
fn down(drill: &Drill) -> u64 {
    let serving =
        drill.simulator().instances().filter(|(_, _, state)| *state == Running::Serving).count() as u64;
    (HOSTS * 4).saturating_sub(serving)
}

/// Two days; the downtime in replica seconds.
fn play(seed: u64, predicts: bool) -> Result<u64, Failure> {
    let (apps, fleet, placement) = world()?;
    let mut world = SimSettings::default();
    world.seed = seed;
    // Half as often as by default, and a silent host is suspect after two missed heartbeats as always.
    (world.heartbeat, world.report) = (Duration::from_secs(10), Duration::from_secs(60));
    let mut settings = Settings::default();
    settings.detection.suspect_after = Duration::from_secs(20);
    let mut drill = Drill::new(settings, &apps, &fleet, &placement, world)?;
    let mut random = SimRng::new(seed, 3);
    let order = |order| Input::Event(Event::Order { order, by: Arc::from("operator") });
    let predicted =
        |host| Event::PredictedFailure { host, within: Duration::from_secs(1_800), permille: 800 };
    let mut failures = Vec::new();
    for k in 0..FAILURES {
        // Failures are spread over the time so that each is over before the next.
        let at = SPAN_S / FAILURES * k + 7_200 + random.below(SPAN_S / FAILURES - 14_400);
        let (h, other) = (host(random.below(HOSTS))?, host(random.below(HOSTS))?);
        let (lead, is_predicted) = (600 + random.below(1_200), random.below(4) < 3);
        if predicts && is_predicted {
            drill.event_at(Duration::from_secs(at - lead), predicted(h.clone()));
        }
        drill.fault_at(Duration::from_secs(at), Fault::HostCrash(h.clone()));
        drill.fault_at(Duration::from_secs(at + 3_600), Fault::HostRepaired(h.clone()));
        drill.at(Duration::from_secs(at + 3_660), order(Order::Restore(h)));
        if predicts {
            // A false alarm, an hour before.
            drill.event_at(Duration::from_secs(at - 6_000), predicted(other.clone()));
            drill.at(Duration::from_secs(at - 3_000), order(Order::Restore(other)));
        }
        failures.push(at);
    }
    let mut lost = 0;
    for at in failures {
        drill.run_for(Duration::from_secs(at).saturating_sub(Duration::from_millis(drill.elapsed_ms())));
        for _ in 0..WATCHED_S {
            drill.run_for(Duration::from_secs(1));
            lost += down(&drill);
        }
    }
    if !drill.violations().is_empty() {
        return Err(format!("seed {seed}: {}", drill.violations()[0]).into());
    }
    Ok(lost)
}

fn measure(seeds: u64) -> Result<(), Failure> {
    let (mut before, mut after, mut shares) = (0, 0, Vec::new());
    for seed in 1..=seeds {
        let (without, with) = (play(seed, false)?, play(seed, true)?);
        eprintln!("seed {seed}: {without} s without, {with} s with prediction");
        before += without;
        after += with;
        shares.push(100.0 * (1.0 - with as f64 / without.max(1) as f64));
    }
    let n = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / n;
    let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let half = 1.96 * (variance / n).sqrt();
    let round = |value: f64| (value * 10.0).round() / 10.0;
    println!(
        "unplanned downtime falls by {:.1} % (95 % interval {:.1} to {:.1})",
        mean,
        mean - half,
        mean + half
    );
    let figures = json!({
        "seeds": seeds,
        "downtime_s_without": before / seeds,
        "downtime_s_with": after / seeds,
        "reduction_percent": round(mean),
        "interval_percent": [round(mean - half), round(mean + half)],
    });
    println!("{figures}");
    Ok(())
}

fn main() -> ExitCode {
    let seeds = match std::env::args().nth(1).map(|text| text.parse::<u64>()) {
        None => 10,
        Some(Ok(seeds)) if (2..=10_000).contains(&seeds) => seeds,
        Some(_) => {
            eprintln!("predicted_failures: expected a number of seeds from 2 to 10000");
            return ExitCode::from(2);
        }
    };
    match measure(seeds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("predicted_failures: {error}");
            ExitCode::from(1)
        }
    }
}

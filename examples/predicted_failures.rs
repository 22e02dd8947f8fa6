//! `cargo run --release --example predicted_failures -- [SEEDS]`: unplanned downtime with and without failure
//! prediction, in the simulator.
//!
//! Each seed is two days of a fleet of twelve hosts of which ten fail at random moments. Every host counts corrected memory
//! errors by the minute. Three in four failures announce themselves: 20 to 120 minutes ahead the count begins to rise; the
//! others come out of the blue, so no detector can avoid more than about three quarters of the downtime. Whether and when a
//! warning is given is decided by a CUSUM chart over each host's counts ([`Cusum`]), trained on a healthy day, with the
//! false alarms it has. Without prediction a failed host is noticed, fenced, and its replicas start elsewhere; with it the
//! engine empties the host by live migration first. Downtime is the time in which replicas that are wanted do not serve on
//! the ground, in replica seconds. Prints one line per seed on standard error and, as last line, means, the quality of the
//! warnings and the reduction with its 95 % interval over the seeds (Student's t) as JSON.

use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use vm_ecosystem::forecast::anomaly::{Cusum, Detector, Direction};
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
/// From a failure to its repair.
const REPAIR_S: u64 = 3_600;
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

/// A host that fails, when, and how long before its errors begin to rise if they do.
struct Crash {
    host: u64,
    at_s: u64,
    rises_s: Option<u64>,
}

/// Failures are spread over the time so that each is over before the next.
fn crashes(random: &mut SimRng) -> Vec<Crash> {
    let crash = |k| Crash {
        at_s: SPAN_S / FAILURES * k + 7_200 + random.below(SPAN_S / FAILURES - 14_400),
        host: random.below(HOSTS),
        rises_s: Some(1_200 + random.below(6_000)).filter(|_| random.below(4) < 3),
    };
    (0..FAILURES).map(crash).collect()
}

/// Corrected errors in a minute: Poisson by Knuth's product of uniform numbers.
fn errors(random: &mut SimRng, mean: f64) -> f64 {
    let (limit, mut product, mut count) = ((-mean).exp(), 1.0, 0.0);
    loop {
        product *= (random.below(1 << 30) as f64 + 0.5) / f64::from(1 << 30);
        if product <= limit {
            return count;
        }
        count += 1.0;
    }
}

/// Mean errors a minute of a healthy host, and how many more just before a failure that announces itself.
const HEALTHY: f64 = 3.0;
const AT_WORST: f64 = 12.0;

/// Mean errors a minute of a host: they rise evenly until it fails. `None` while it is down.
fn mean_at(crashes: &[Crash], host: u64, second: u64) -> Option<f64> {
    let mut mean = HEALTHY;
    for crash in crashes.iter().filter(|crash| crash.host == host) {
        if (crash.at_s..crash.at_s + REPAIR_S).contains(&second) {
            return None;
        }
        let rises = crash.rises_s.filter(|&rises| second < crash.at_s && second + rises > crash.at_s);
        if let Some(rises) = rises {
            mean += AT_WORST * (1.0 - (crash.at_s - second) as f64 / rises as f64);
        }
    }
    Some(mean)
}

/// A warning: which host, when, and whether trouble is really coming.
struct Warning {
    host: u64,
    at_s: u64,
    is_true: bool,
}

/// What the charts of all hosts say, minute by minute. A host that was warned about is looked after for an hour.
fn warnings(crashes: &[Crash], random: &mut SimRng) -> Result<Vec<Warning>, Failure> {
    let mut found = Vec::new();
    for host in 0..HOSTS {
        let mut chart = Cusum::new(1_440, 0.5, 12.0)?;
        for _ in 0..1_440 {
            chart.push(errors(random, HEALTHY));
        }
        let mut quiet_until = 0;
        for second in (60..SPAN_S).step_by(60) {
            let Some(mean) = mean_at(crashes, host, second) else { continue };
            let score = chart.push(errors(random, mean));
            if score.is_anomaly() && score.direction == Direction::Above && second >= quiet_until {
                found.push(Warning { host, at_s: second, is_true: mean > HEALTHY });
                quiet_until = second + 3_600;
            }
        }
    }
    Ok(found)
}

/// What one seed gave.
#[derive(Clone, Copy, Default)]
struct Outcome {
    lost_s: u64,
    warned: u64,
    false_alarms: u64,
}

/// Two days.
fn play(seed: u64, predicts: bool) -> Result<Outcome, Failure> {
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
    let crashes = crashes(&mut random);
    let mut outcome = Outcome::default();
    for crash in &crashes {
        let h = host(crash.host)?;
        drill.fault_at(Duration::from_secs(crash.at_s), Fault::HostCrash(h.clone()));
        drill.fault_at(Duration::from_secs(crash.at_s + REPAIR_S), Fault::HostRepaired(h.clone()));
        drill.at(Duration::from_secs(crash.at_s + REPAIR_S + 60), order(Order::Restore(h)));
    }
    let found = if predicts { warnings(&crashes, &mut random)? } else { Vec::new() };
    for warning in &found {
        let (h, within) = (host(warning.host)?, Duration::from_secs(1_800));
        let event = Event::PredictedFailure { host: h.clone(), within, permille: 800 };
        drill.event_at(Duration::from_secs(warning.at_s), event);
        if !warning.is_true {
            // A technician looks at it and finds nothing.
            outcome.false_alarms += 1;
            drill.at(Duration::from_secs(warning.at_s + 3_000), order(Order::Restore(h)));
        }
    }
    let is_warned = |crash: &&Crash| {
        found
            .iter()
            .any(|it| it.is_true && it.host == crash.host && (it.at_s..it.at_s + 7_200).contains(&crash.at_s))
    };
    outcome.warned = crashes.iter().filter(is_warned).count() as u64;
    for crash in &crashes {
        let until = Duration::from_secs(crash.at_s);
        drill.run_for(until.saturating_sub(Duration::from_millis(drill.elapsed_ms())));
        for _ in 0..WATCHED_S {
            drill.run_for(Duration::from_secs(1));
            outcome.lost_s += down(&drill);
        }
    }
    if !drill.violations().is_empty() {
        return Err(format!("seed {seed}: {}", drill.violations()[0]).into());
    }
    Ok(outcome)
}

/// Half of the 95 % interval of a mean by Student's t: quantiles of Abramowitz and Stegun, table 26.10, above 30 degrees of
/// freedom the normal one.
fn half_width(values: &[f64]) -> f64 {
    const T: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    T.get(values.len().saturating_sub(2)).copied().unwrap_or(1.96) * (variance / n).sqrt()
}

fn measure(seeds: u64) -> Result<(), Failure> {
    let (mut before, mut after, mut shares) = (0, 0, Vec::new());
    let mut all = Outcome::default();
    for seed in 1..=seeds {
        let (without, with) = (play(seed, false)?, play(seed, true)?);
        eprintln!(
            "seed {seed}: {} s without, {} s with prediction; {} of {FAILURES} failures warned of, {} false alarms",
            without.lost_s, with.lost_s, with.warned, with.false_alarms
        );
        before += without.lost_s;
        after += with.lost_s;
        all.warned += with.warned;
        all.false_alarms += with.false_alarms;
        shares.push(100.0 * (1.0 - with.lost_s as f64 / without.lost_s.max(1) as f64));
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    let half = half_width(&shares);
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
        "warned_percent": round(100.0 * all.warned as f64 / (seeds * FAILURES) as f64),
        "false_alarms_per_seed": round(all.false_alarms as f64 / seeds as f64),
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

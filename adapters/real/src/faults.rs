//! Faults, each with what must become of it. They return what was seen, or an error if something did not come right in time.

use crate::controller::Command;
use crate::director::{Director, Loss};
use crate::draw::Draw;
use crate::unix_ms;
use ecosystem_qemu::guest;
use std::error::Error;
use std::time::Duration;
use vm_ecosystem::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// For everything to be well again.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// What came of a fault.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a row of the report")]
pub struct Seen {
    /// Seconds until it was noticed, where somebody has to notice.
    pub detection_s: Option<f64>,
    /// Seconds from then until everything ran again.
    pub recovery_s: Option<f64>,
    /// In words.
    pub detail: String,
}

impl Seen {
    fn words(detail: String) -> Self {
        Self { detail, ..Self::default() }
    }
}

fn seconds(from: u64, until: u64) -> f64 {
    until.saturating_sub(from) as f64 / 1e3
}

/// Waits until everything that is wanted runs; an error if something ever ran twice.
pub fn recovered(stage: &mut Director, what: &str) -> Result<f64> {
    let seconds = stage.wait(what, PATIENCE, Director::is_well)?;
    let doubles = stage.watch.doubles();
    if doubles.is_empty() { Ok(seconds) } else { Err(format!("{what}: ran twice: {doubles:?}").into()) }
}

/// Waits until the controller says that nothing is under way or waits.
pub fn settled(stage: &mut Director, what: &str) -> Result<f64> {
    let since = unix_ms();
    stage.wait(what, PATIENCE, |stage| stage.is_settled(since) && stage.is_well())
}

/// Every host that does not answer or is fenced is switched on and taken back into use.
pub fn repair_hosts(stage: &mut Director) -> Result<usize> {
    let mut repaired = 0;
    for host in stage.hosts.clone() {
        stage.fleet.wake(&host)?;
        if stage.fleet.dir(&host).join("cut").exists() {
            stage.fleet.mend(&host)?;
        }
        let fenced = stage.fleet.dir(&host).join("fenced").exists();
        if fenced || !stage.fleet.answers(&host) {
            stage.fleet.power_on(&host)?;
            stage.tell(&Command::Restore { host })?;
            repaired += 1;
        }
    }
    Ok(repaired)
}

/// A host comes back, empty.
pub fn back(stage: &mut Director, host: &HostId) -> Result<()> {
    let begin = unix_ms();
    // The fence may still be at work: nothing is switched on under its hands.
    let is_fenced = |stage: &Director| stage.fleet.dir(host).join("fenced").exists();
    stage.wait("the end of a fence", PATIENCE, |stage| {
        stage.first_note(begin.saturating_sub(120_000), "host-dead", host.as_str()).is_some()
            || (is_fenced(stage) && stage.is_settled(begin + 2_500))
    })?;
    stage.fleet.power_on(host)?;
    stage.tell(&Command::Restore { host: host.clone() })?;
    stage.wait("a host that takes part again", PATIENCE, |stage| {
        stage.first_note(begin, "host-returned", host.as_str()).is_some()
            || stage.first_note(begin, "host-answers", host.as_str()).is_some()
            || stage.is_settled(begin + 2_000)
    })?;
    recovered(stage, "rest after a host came back")?;
    stage.note("host back", begin, host.to_string());
    Ok(())
}

/// When the loss of a host was first noticed; a controller that died may have decided so without having said it.
fn noticed(stage: &Director, begin: u64, host: &HostId) -> Option<u64> {
    let note = |code| stage.first_note(begin, code, host.as_str());
    let fenced = || stage.fleet.dir(host).join("fenced").exists().then(unix_ms);
    note("host-suspect").or_else(|| note("host-fencing")).or_else(|| note("host-dead")).or_else(fenced)
}

/// Times of a host's loss: noticed when, well again when.
fn loss(stage: &mut Director, begin: u64, host: &HostId, detail: &str) -> Result<Seen> {
    stage.wait("notice of a lost host", PATIENCE, |stage| noticed(stage, begin, host).is_some())?;
    let noticed = noticed(stage, begin, host).ok_or("nobody noticed the lost host")?;
    recovered(stage, "recovery of a lost host's machines")?;
    let over = unix_ms();
    let (detection_s, recovery_s) = (seconds(begin, noticed), seconds(noticed, over));
    let detail =
        format!("{host}{detail}; noticed after {detection_s:.1} s, all back {recovery_s:.1} s later");
    stage.losses.push(Loss { at_unix_ms: begin, detection_s, recovery_s });
    Ok(Seen { detection_s: Some(detection_s), recovery_s: Some(recovery_s), detail })
}

fn machines(count: usize) -> String {
    if count == 1 { "one machine".to_owned() } else { format!("{count} machines") }
}

/// A host that runs at least one machine.
fn busy_host(stage: &Director, draw: &mut Draw) -> Result<(HostId, usize)> {
    let busy: Vec<(HostId, usize)> = stage.crowds().into_iter().filter(|(_, count)| *count > 0).collect();
    Ok(draw.one_of(&busy).ok_or("nothing runs anywhere")?.clone())
}

/// SIGKILL to all processes of a host.
pub fn host_killed(stage: &mut Director, draw: &mut Draw) -> Result<Seen> {
    let (host, count) = busy_host(stage, draw)?;
    let begin = unix_ms();
    stage.fleet.kill(&host)?;
    let seen = loss(stage, begin, &host, &format!(" with {}", machines(count)))?;
    stage.note("fault: host killed", begin, seen.detail.clone());
    back(stage, &host)?;
    Ok(seen)
}

/// A host stands still for some seconds, and goes on: before anybody has noticed, while it is judged, or after its fence.
pub fn host_hangs(stage: &mut Director, draw: &mut Draw) -> Result<Seen> {
    let (host, count) = busy_host(stage, draw)?;
    let (begin, span) = (unix_ms(), draw.between(1_500, 12_000));
    stage.fleet.hang(&host)?;
    stage
        .wait("time", Duration::from_secs(60), |_| unix_ms() >= begin + span)
        .inspect_err(|_| drop(stage.fleet.wake(&host)))?;
    stage.fleet.wake(&host)?;
    let fenced = aftermath(stage, &host, begin)?;
    let seen = Seen::words(format!(
        "{host} with {} stood still for {:.1} s, {}; nothing ran twice",
        machines(count),
        span as f64 / 1e3,
        if fenced { "was fenced meanwhile" } else { "and went on" }
    ));
    stage.note("fault: host hangs and wakes", begin, seen.detail.clone());
    if fenced {
        back(stage, &host)?;
    }
    Ok(seen)
}

/// A host cannot be reached for some seconds; its machines go on.
pub fn host_cut_off(stage: &mut Director, draw: &mut Draw) -> Result<Seen> {
    let (host, count) = busy_host(stage, draw)?;
    let (begin, span) = (unix_ms(), draw.between(1_500, 12_000));
    stage.fleet.cut(&host)?;
    stage
        .wait("time", Duration::from_secs(60), |_| unix_ms() >= begin + span)
        .inspect_err(|_| drop(stage.fleet.mend(&host)))?;
    if stage.fleet.dir(&host).join("cut").exists() {
        stage.fleet.mend(&host)?;
    }
    let fenced = aftermath(stage, &host, begin)?;
    let seen = Seen::words(format!(
        "{host} with {} was cut off for {:.1} s, {}; nothing ran twice",
        machines(count),
        span as f64 / 1e3,
        if fenced { "was fenced meanwhile" } else { "and went on" }
    ));
    stage.note("fault: host cut off", begin, seen.detail.clone());
    if fenced {
        back(stage, &host)?;
    }
    Ok(seen)
}

/// Waits until a host that was silent for a while is either in use or fenced, and all is well; says which.
fn aftermath(stage: &mut Director, host: &HostId, begin: u64) -> Result<bool> {
    let fenced = |stage: &Director| stage.fleet.dir(host).join("fenced").exists();
    let clear = unix_ms() + 2_500;
    stage.wait("a verdict on a silent host", PATIENCE, |stage| {
        let dead = stage.first_note(begin, "host-dead", host.as_str()).is_some();
        unix_ms() >= clear && (dead || (!fenced(stage) && stage.fleet.answers(host)))
    })?;
    recovered(stage, "recovery after a host was silent")?;
    Ok(fenced(stage))
}

/// A migration is begun that would take long, and one of its two hosts is killed in the middle.
fn migration_fails(stage: &mut Director, draw: &mut Draw, kill_target: bool) -> Result<Seen> {
    let which = usize::try_from(draw.below(4))?;
    let (replica, from) = stage.some_replica("web", which).ok_or("no replica to move")?;
    let to = stage.emptiest_but(&from).ok_or("no other host")?;
    let begin = unix_ms();
    for byte in [guest::window(12), guest::dirty(9)] {
        // A machine that has just gone cannot be moved either: what follows says so.
        drop(stage.fleet.dial(&from, &replica, byte));
    }
    stage.fleet.limit_migrations(&from, 1 << 20, Duration::from_millis(10))?;
    stage.tell(&Command::Move { replica: replica.clone(), to: to.clone() })?;
    let order = format!("migrate {replica} ");
    let begun = |stage: &Director| {
        stage.find(begin, |it| it["order"].as_str().is_some_and(|words| words.starts_with(&order))).is_some()
    };
    let moves = stage.wait("the order to move", Duration::from_secs(8), begun).is_ok();
    std::thread::sleep(Duration::from_millis(draw.between(500, 2_500)));
    let victim = if kill_target { &to } else { &from };
    let killed = unix_ms();
    stage.fleet.kill(victim)?;
    let what = match (moves, kill_target) {
        (true, true) => format!(", the target of {replica}'s move"),
        (true, false) => format!(", the source of {replica}'s move"),
        (false, _) => format!(" (no move: {replica} could not be moved)"),
    };
    if kill_target {
        drop(stage.fleet.dial(&from, &replica, guest::dirty(0)));
    }
    let mut seen = loss(stage, killed, victim, &what)?;
    if kill_target {
        drop(stage.fleet.limit_migrations(&from, 1 << 30, Duration::from_millis(300)));
    }
    let places = stage.running().get(&replica.to_string()).cloned().unwrap_or_default();
    seen.detail = format!("{}; {replica} runs on {}", seen.detail, places.join(" and "));
    let name =
        if kill_target { "fault: migration's target killed" } else { "fault: migration's source killed" };
    stage.note(name, begin, seen.detail.clone());
    back(stage, victim)?;
    Ok(seen)
}

/// The target of a migration is killed in the middle of it.
pub fn target_killed(stage: &mut Director, draw: &mut Draw) -> Result<Seen> {
    migration_fails(stage, draw, true)
}

/// The source of a migration is killed in the middle of it.
pub fn source_killed(stage: &mut Director, draw: &mut Draw) -> Result<Seen> {
    migration_fails(stage, draw, false)
}

/// The controller gets SIGKILL at a moment that is drawn, in the middle of a host's loss.
pub fn controller_dies(stage: &mut Director, draw: &mut Draw) -> Result<Seen> {
    let begin = unix_ms();
    let (after, absence) = (draw.between(200, 7_000), draw.between(300, 2_500));
    stage.appoint_death(Duration::from_millis(after), Duration::from_millis(absence));
    let (host, _) = busy_host(stage, draw)?;
    stage.fleet.kill(&host)?;
    stage.wait("the controller's next life", PATIENCE, |stage| {
        stage.find(begin, |it| it.get("active").is_some()).is_some()
    })?;
    stage.wait("the loss of the host", PATIENCE, |stage| noticed(stage, begin, &host).is_some())?;
    recovered(stage, "recovery by a controller that went on from its journal")?;
    let active = stage.newest(|it| it.get("active").is_some()).ok_or("no new life")?;
    let seen = Seen::words(format!(
        "{:.1} s after {host} died, for {:.1} s; epoch {}, {} records read, all back {:.1} s after the host died",
        after as f64 / 1e3,
        absence as f64 / 1e3,
        active["epoch"],
        active["records"],
        seconds(begin, unix_ms())
    ));
    stage.note("fault: controller killed", begin, seen.detail.clone());
    back(stage, &host)?;
    Ok(seen)
}

/// A new version of a component is brought in.
pub fn new_version(stage: &mut Director, component: &str, version: &str) -> Result<Seen> {
    let begin = unix_ms();
    let id: ComponentId = component.parse()?;
    stage.tell(&Command::Version { component: id, version: version.into() })?;
    let mut least = usize::MAX;
    let prefix = format!("{component}#");
    stage.wait("the end of a version change", PATIENCE, |stage| {
        least = least.min(stage.running().keys().filter(|it| it.starts_with(&prefix)).count());
        let over = |it: &serde_json::Value| {
            it["code"].as_str().is_some_and(|code| code.starts_with("rollout-") && code != "rollout-started")
                && it["note"].as_str().is_some_and(|words| words.contains(component))
        };
        stage.find(begin, over).is_some() || stage.is_settled(begin + 4_000)
    })?;
    recovered(stage, "rest after a new version")?;
    let seen = Seen::words(format!("{component} to {version}; never fewer than {least} ran"));
    stage.note("rolling version change", begin, seen.detail.clone());
    Ok(seen)
}

/// A load in thousandths that must lead to more machines: the target, the tolerance, and some noise.
const ENOUGH: u64 = 750;

/// The load of the web machines rises by steps until there are more of them, or as many as may be; then it falls.
pub fn load_rises(stage: &mut Director) -> Result<Seen> {
    let begin = unix_ms();
    let web = |stage: &Director| stage.running().keys().filter(|id| id.starts_with("web#")).count();
    let before = web(stage);
    let dial_all = |stage: &Director, sixteenths: u8| {
        for (id, places) in stage.running().into_iter().filter(|(id, _)| id.starts_with("web#")) {
            let Some(index) = id.strip_prefix("web#").and_then(|it| it.parse().ok()) else { continue };
            let Ok(component) = "web".parse::<ComponentId>() else { continue };
            if let Some(host) = places.first().and_then(|it| HostId::new(it).ok()) {
                // A machine that has just gone has no load.
                drop(stage.fleet.dial(&host, &ReplicaId::new(component, index), guest::load(sixteenths)));
            }
        }
    };
    let full = before >= 6;
    for step in [2, 4, 6, 8, 10, 12, 14, 16] {
        dial_all(stage, step);
        let next = unix_ms() + 4_000;
        let grown = stage.wait("time", PATIENCE, |stage| unix_ms() >= next || web(stage) > before);
        grown.inspect_err(|_| dial_all(stage, 0))?;
        if web(stage) > before {
            break;
        }
    }
    let more =
        if full { Ok(0.0) } else { stage.wait("more web machines", PATIENCE, |stage| web(stage) > before) };
    let after = web(stage);
    dial_all(stage, 0);
    let loads = stage.heard(begin).into_iter().filter(|it| it["component"] == "web");
    let highest = loads.filter_map(|it| it["load"].as_u64()).max().unwrap_or(0);
    if highest >= ENOUGH {
        more?;
    }
    let ahead = stage.first_note(begin, "scale-out-ahead", "web");
    let at = ahead.or_else(|| stage.first_note(begin, "scale-out", "web"));
    let how = match (ahead.is_some(), at) {
        (true, Some(at)) => format!("ordered by the forecast after {:.1} s", seconds(begin, at)),
        (false, Some(at)) => format!("ordered by the measured load after {:.1} s", seconds(begin, at)),
        _ if full => "no more were allowed".into(),
        _ => format!("the machine is too busy to load them: {} % at most", highest / 10),
    };
    let seen = Seen::words(format!("{before} web machines became {after}, {how}"));
    stage.note("load rises", begin, seen.detail.clone());
    Ok(seen)
}

/// A component is reported to be in an attacker's hands: all its machines are cut off and built anew.
pub fn compromised(stage: &mut Director, component: &str) -> Result<Seen> {
    let begin = unix_ms();
    let id: ComponentId = component.parse()?;
    let prefix = format!("{component}#");
    let ours = |stage: &Director| -> Vec<String> {
        stage.running().into_keys().filter(|id| id.starts_with(&prefix)).collect()
    };
    let before = ours(stage);
    stage.tell(&Command::Alert { component: id })?;
    stage.wait("rebuilt machines", PATIENCE, |stage| {
        let now = ours(stage);
        now.len() >= before.len() && now.iter().all(|id| !before.contains(id))
    })?;
    recovered(stage, "rest after an isolation")?;
    let seen =
        Seen::words(format!("{} cut off; {} in their place", before.join(", "), ours(stage).join(", ")));
    stage.note("fault: compromised component", begin, seen.detail.clone());
    Ok(seen)
}

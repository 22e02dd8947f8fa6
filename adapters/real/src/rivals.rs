//! Several controllers and one lease: whatever happens to the leader or to etcd, two never act.

use crate::controller::Command;
use crate::director::{Director, Rival};
use crate::faults::{recovered, settled};
use crate::lease::TIME_TO_LIVE;
use crate::{stack, unix_ms};
use ecosystem_qemu::Fleet;
use serde_json::Value;
use std::error::Error;
use std::time::Duration;
use vm_ecosystem::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// For a lease to run out, an election, and a database to be opened on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A controller that leads.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Leader {
    pid: u64,
    epoch: u64,
    token: u64,
    since: u64,
}

fn leader_of(line: &Value) -> Option<Leader> {
    let number = |name: &str| line[name].as_u64();
    line["active"].as_bool().filter(|&it| it)?;
    Some(Leader {
        pid: number("from")?,
        epoch: number("epoch")?,
        token: number("token")?,
        since: number("at")?,
    })
}

/// Waits for a leader whose token is higher than another's.
fn next_leader(stage: &mut Director, than: Option<Leader>) -> Result<Leader> {
    let least = than.map_or(0, |it| it.token);
    let later = |stage: &Director| {
        let line = stage.newest(|it| leader_of(it).is_some_and(|it| it.token > least))?;
        leader_of(&line)
    };
    stage.wait("the next leader", PATIENCE, |stage| later(stage).is_some())?;
    let next = later(stage).ok_or("no leader")?;
    match than {
        Some(old) if next.epoch <= old.epoch => {
            Err(format!("epoch {} after {}", next.epoch, old.epoch).into())
        }
        _ => Ok(next),
    }
}

fn passive(stage: &mut Director, rival: &Rival) -> Result<()> {
    let pid = u64::from(rival.pid());
    stage.wait("a candidate", PATIENCE, |stage| {
        stage.newest(|it| it["from"] == pid && it["passive"] == true).is_some()
    })?;
    Ok(())
}

/// What a controller said of itself since a moment: that it stopped by its own clock (`stopped`), or that the store refused it
/// (`refused`).
fn ended(stage: &mut Director, since: u64, pid: u64, how: &[&str]) -> Result<Value> {
    let is = |it: &Value| it["from"] == pid && how.iter().any(|how| it.get(how).is_some());
    stage.wait("the end of an old leader", PATIENCE, |stage| stage.find(since, is).is_some())?;
    stage.find(since, is).ok_or_else(|| "the old leader did not end".into())
}

/// An error if a controller ordered anything since a moment.
fn quiet(stage: &Director, since: u64, pid: u64) -> Result<()> {
    match stage.find(since, |it| it["from"] == pid && it.get("action").is_some()) {
        Some(line) => Err(format!("an old leader ordered {line}").into()),
        None => Ok(()),
    }
}

/// Every host refuses what an old leader would order.
fn hosts_refuse(stage: &Director, old: Leader) -> Result<usize> {
    let mut fleet = Fleet::connect(stack::fleet(&stage.dir)?)?;
    let running = stage.running();
    let mut refused = 0;
    for (id, places) in &running {
        let (component, index) = id.split_once('#').ok_or("no replica")?;
        let replica = ReplicaId::new(component.parse()?, index.parse()?);
        let host = HostId::new(places.first().ok_or("no place")?)?;
        let request = ActionRequest {
            id: ActionId(u64::MAX - refused as u64),
            epoch: Epoch(old.epoch),
            kind: ActionKind::Stop { replica, host },
            deadline: Timestamp::from_unix_ms(unix_ms() + 60_000),
            expected: None,
        };
        match fleet.submit(&request) {
            Err(SubmitError::Rejected { reason }) if reason.contains("rules") => refused += 1,
            other => return Err(format!("an order of an old leader to stop {id}: {other:?}").into()),
        }
    }
    Ok(refused)
}

/// A move that could be carried out.
fn some_move(stage: &Director) -> Result<(ReplicaId, HostId)> {
    let running = stage.running();
    let (id, places) = running.first_key_value().ok_or("nothing runs")?;
    let (component, index) = id.split_once('#').ok_or("no replica")?;
    let from = places.first().ok_or("no place")?;
    let to = stage.hosts.iter().find(|it| it.as_str() != from.as_str()).ok_or("one host")?;
    Ok((ReplicaId::new(component.parse()?, index.parse()?), to.clone()))
}

fn seconds(from: u64, until: u64) -> f64 {
    until.saturating_sub(from) as f64 / 1e3
}

/// The whole story; the director's own controller takes part first and leads at the end.
pub fn story(stage: &mut Director) -> Result<()> {
    let first = next_leader(stage, None)?;
    let ann = stage.another_controller(false)?;
    passive(stage, &ann)?;
    let second = leader_killed(stage, first)?;
    let mut bob = stage.another_controller(true)?;
    passive(stage, &bob)?;
    let third = leader_stands_still(stage, &ann, second)?;
    let fourth = heedless_leader(stage, &mut bob, third, u64::from(ann.pid()))?;
    drop(bob);
    etcd_hangs(stage, fourth)?;
    stage.start_controller()?;
    drop(ann);
    settled(stage, "rest after an election")?;
    Ok(())
}

fn leader_killed(stage: &mut Director, old: Leader) -> Result<Leader> {
    let begin = unix_ms();
    stage.kill_controller()?;
    let next = next_leader(stage, Some(old))?;
    let after = seconds(begin, next.since);
    stage.note(
        "leader killed",
        begin,
        format!("the next led after {after:.1} s, token {} after {}", next.token, old.token),
    );
    Ok(next)
}

/// A leader stands still past its lease: another one takes over, and the old one stops by its own clock when it wakes.
fn leader_stands_still(stage: &mut Director, rival: &Rival, old: Leader) -> Result<Leader> {
    let begin = unix_ms();
    rival.hang(true)?;
    let next = next_leader(stage, Some(old)).inspect_err(|_| drop(rival.hang(false)))?;
    let refused = hosts_refuse(stage, old).inspect_err(|_| drop(rival.hang(false)))?;
    let woken = unix_ms();
    rival.hang(false)?;
    // It may have been in the middle of a write.
    let line = ended(stage, woken, old.pid, &["stopped", "refused"])?;
    let how =
        if line.get("stopped").is_some() { "stopped by its own clock" } else { "was refused by the store" };
    quiet(stage, woken, old.pid)?;
    recovered(stage, "rest after a leader stood still")?;
    let detail = format!(
        "the next led after {:.1} s; woken, the old one {how}; {refused} orders with its token refused",
        seconds(begin, next.since)
    );
    stage.note("leader stands still", begin, detail);
    Ok(next)
}

/// The same with a leader that does not look at its lease and wants to act: the store refuses it before anything is ordered.
fn heedless_leader(stage: &mut Director, rival: &mut Rival, old: Leader, heir: u64) -> Result<Leader> {
    if old.pid != u64::from(rival.pid()) {
        return Err("the heedless controller does not lead".into());
    }
    let begin = unix_ms();
    rival.hang(true)?;
    let next = next_leader(stage, Some(old)).inspect_err(|_| drop(rival.hang(false)))?;
    let woken = unix_ms();
    let (replica, to) = some_move(stage)?;
    rival.order(Command::Move { replica, to }).inspect_err(|_| drop(rival.hang(false)))?;
    rival.hang(false)?;
    let line = ended(stage, woken, old.pid, &["refused"])?;
    quiet(stage, woken, old.pid)?;
    if next.pid != heir {
        return Err("somebody else leads than was to be expected".into());
    }
    recovered(stage, "rest after a heedless leader")?;
    stage.note(
        "heedless leader",
        begin,
        format!("refused by the store: {}", line["why"].as_str().unwrap_or("?")),
    );
    Ok(next)
}

/// etcd answers nobody: the leader stops before its lease is over, nobody leads, everything goes on running.
fn etcd_hangs(stage: &mut Director, old: Leader) -> Result<()> {
    let begin = unix_ms();
    let hang = |stage: &Director, hang: bool| -> Result<()> {
        stage.services().ok_or("there is no etcd")?.hang_etcd(hang)
    };
    hang(stage, true)?;
    let line = ended(stage, begin, old.pid, &["stopped"]).inspect_err(|_| drop(hang(stage, false)))?;
    let stopped = seconds(begin, line["at"].as_u64().unwrap_or(u64::MAX));
    std::thread::sleep(Duration::from_secs(2));
    let woken = unix_ms();
    hang(stage, false)?;
    if stage.find(begin, |it| leader_of(it).is_some_and(|it| it.since < woken)).is_some() {
        return Err("somebody led without etcd".into());
    }
    quiet(stage, begin + u64::try_from(TIME_TO_LIVE.as_millis())?, old.pid)?;
    stage.wait("a leader when etcd is back", PATIENCE, |stage| {
        stage.find(woken, |it| leader_of(it).is_some()).is_some()
    })?;
    recovered(stage, "rest after etcd was away")?;
    stage.note(
        "etcd hangs",
        begin,
        format!("the leader stopped after {stopped:.1} s; one led again when it was back"),
    );
    Ok(())
}

//! Faults drawn at random, one after the other and some at once, between calm migrations.

use crate::director::Director;
use crate::draw::Draw;
use crate::faults::{self, Seen};
use crate::moves::Moves;
use crate::unix_ms;
use crate::verdict::{Verdict, verdict};
use serde_json::{Value, json};
use std::error::Error;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What can be done to the system.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    HostKilled,
    HostHangs,
    HostCutOff,
    TargetKilled,
    SourceKilled,
    Compromised,
    NewVersion,
    ControllerDies,
    LoadRises,
}

const ALL: [Fault; 9] = [
    Fault::HostKilled,
    Fault::HostHangs,
    Fault::HostCutOff,
    Fault::TargetKilled,
    Fault::SourceKilled,
    Fault::Compromised,
    Fault::NewVersion,
    Fault::ControllerDies,
    Fault::LoadRises,
];

const COMPONENTS: [&str; 4] = ["web", "api", "db", "cache"];

/// What happened so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Faults that were done.
    pub faults: u64,
    /// Seconds from the notice of a host's loss until everything ran again, the controller alive.
    pub recoveries: Vec<f64>,
    /// The same where the controller died as well.
    pub recoveries_after_death: Vec<f64>,
    /// Seconds until a loss was noticed, the controller alive.
    pub detections: Vec<f64>,
    /// Machines that did not come back in time.
    pub lost_vms: usize,
    /// Live migrations.
    pub moves: Moves,
    /// What did not go as it must, in words.
    pub troubles: Vec<String>,
}

/// Runs faults until the time is over, then waits for rest and judges. In the last part of the time, `spared`, the controller is not
/// killed, so that one life of it is long enough to see whether its memory grows.
pub fn run(stage: &mut Director, span: Duration, spared: Duration, seed: u64) -> Result<(Tally, Verdict)> {
    let (mut draw, mut tally, begin) = (Draw::new(seed), Tally::default(), Instant::now());
    let mut order: Vec<Fault> = Vec::new();
    while begin.elapsed() < span {
        // Every fault once in each round, so that a short run has seen most and a long one all of them often.
        if order.is_empty() {
            order = shuffled(&mut draw);
        }
        let Some(fault) = order.pop() else { break };
        let deadly = begin.elapsed() + spared < span;
        if deadly || fault != Fault::ControllerDies {
            one(stage, fault, deadly, &mut draw, &mut tally);
        }
        rest(stage, &mut tally);
        for _ in 0..2 {
            if begin.elapsed() < span {
                calm_move(stage, &mut draw, &mut tally);
            }
        }
    }
    rest(stage, &mut tally);
    let found = verdict(stage)?;
    Ok((tally, found))
}

fn shuffled(draw: &mut Draw) -> Vec<Fault> {
    let mut all = ALL.to_vec();
    for last in (1..all.len()).rev() {
        let other = usize::try_from(draw.below(last as u64 + 1)).unwrap_or(0);
        all.swap(last, other);
    }
    all
}

fn one(stage: &mut Director, fault: Fault, deadly: bool, draw: &mut Draw, tally: &mut Tally) {
    tally.faults += 1;
    let begin = unix_ms();
    // One in four finds the controller dying as well, at any moment of it.
    if fault != Fault::ControllerDies && draw.below(4) == 0 && deadly {
        let (after, absence) = (draw.between(0, 8_000), draw.between(300, 2_500));
        stage.appoint_death(Duration::from_millis(after), Duration::from_millis(absence));
        tally.faults += 1;
    }
    match act(stage, fault, draw) {
        Ok(seen) => {
            let died = stage.died_since(begin);
            tally.detections.extend(seen.detection_s.filter(|_| !died));
            let into = if died { &mut tally.recoveries_after_death } else { &mut tally.recoveries };
            into.extend(seen.recovery_s);
        }
        Err(e) => tally.troubles.push(format!("{fault:?}: {e}")),
    }
}

fn act(stage: &mut Director, fault: Fault, draw: &mut Draw) -> Result<Seen> {
    match fault {
        Fault::HostKilled => faults::host_killed(stage, draw),
        Fault::HostHangs => faults::host_hangs(stage, draw),
        Fault::HostCutOff => faults::host_cut_off(stage, draw),
        Fault::TargetKilled => faults::target_killed(stage, draw),
        Fault::SourceKilled => faults::source_killed(stage, draw),
        Fault::Compromised => {
            let component = draw.one_of(&COMPONENTS).copied().unwrap_or("db");
            faults::compromised(stage, component)
        }
        Fault::NewVersion => {
            let component = draw.one_of(&COMPONENTS).copied().unwrap_or("cache");
            let version = format!("1.{}", unix_ms() / 1_000 % 1_000_000);
            faults::new_version(stage, component, &version)
        }
        Fault::ControllerDies => faults::controller_dies(stage, draw),
        Fault::LoadRises => faults::load_rises(stage),
    }
}

/// Everything is repaired, and everything comes to rest; what does not come back is lost.
fn rest(stage: &mut Director, tally: &mut Tally) {
    let mut result = stage.wait("the controller's next life", faults::PATIENCE, |it| !it.is_death_due());
    if result.is_ok() {
        // Twice: what is switched on while its fence is still at work may have to be switched on again.
        for _ in 0..2 {
            result =
                faults::repair_hosts(stage).and_then(|_| faults::settled(stage, "rest between two faults"));
            if result.is_ok() {
                break;
            }
        }
    }
    if let Err(e) = result {
        tally.lost_vms += stage.missing();
        tally.troubles.push(format!("rest: {e}"));
    }
}

fn calm_move(stage: &mut Director, draw: &mut Draw, tally: &mut Tally) {
    let begin = unix_ms();
    match tally.moves.one(stage, draw) {
        Ok(Some(words)) => stage.note("live migration", begin, words),
        Ok(None) => {}
        Err(e) => tally.troubles.push(format!("move: {e}")),
    }
}

/// The value below which a share of them lies, by the nearest rank; `None` of nothing.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// The last line of the program.
pub fn figures(stage: &Director, tally: &Tally, found: &Verdict, span: Duration) -> Value {
    let round = |value: Option<f64>| value.map(|it| (it * 100.0).round() / 100.0);
    json!({
        "minutes": round(Some(span.as_secs_f64() / 60.0)),
        "faults": tally.faults,
        "double_active": stage.watch.doubles().len(),
        "lost_vms": tally.lost_vms,
        "lost_records": found.lost,
        "recovery_p50_s": round(quantile(&tally.recoveries, 0.5)),
        "recovery_max_s": round(quantile(&tally.recoveries, 1.0)),
        "migrations": tally.moves.done.len(),
        "predicted_within_30": round(Some(tally.moves.share_near())),
        "detection_p50_s": round(quantile(&tally.detections, 0.5)),
        "recoveries": tally.recoveries.len(),
        "recovery_max_s_controller_killed_too": round(quantile(&tally.recoveries_after_death, 1.0)),
        "controller_kills": stage.deaths(),
        "unfinished_actions": found.unfinished,
        "acknowledged": found.acknowledged,
        "audit_entries": found.audit_entries,
        "journal_records": found.journal_records,
        "controller_memory": found.memory,
        "observer_rounds": stage.watch.rounds(),
        "guests_that_stood": stage.watch.standing(),
        "troubles": tally.troubles.len(),
    })
}

/// What is wrong with a run; nothing = it went as it must.
pub fn complaints(stage: &Director, tally: &Tally, found: &Verdict) -> Vec<String> {
    let mut all = tally.troubles.clone();
    all.extend(stage.watch.doubles().into_iter().map(|it| format!("ran twice: {it}")));
    if tally.lost_vms > 0 {
        all.push(format!("{} machines did not come back", tally.lost_vms));
    }
    if found.lost > 0 {
        all.push(format!("{} acknowledged records or entries are not in the store", found.lost));
    }
    if found.unfinished > 0 {
        all.push(format!("{} actions have not ended", found.unfinished));
    }
    all.extend(found.audit_problem.iter().map(|it| format!("the audit log does not verify: {it}")));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_every_fault_once_in_an_order_of_its_own() {
        let mut draw = Draw::new(3);
        let (first, second) = (shuffled(&mut draw), shuffled(&mut draw));
        for fault in ALL {
            assert!(first.contains(&fault) && second.contains(&fault));
        }
        assert_ne!(first, second);
        assert_eq!(first, shuffled(&mut Draw::new(3)));
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[3.0, 1.0], 1.0), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}

//! Live migrations of real machines whose time is predicted before they begin.

use crate::controller::Command;
use crate::director::Director;
use crate::draw::Draw;
use crate::predict::{Learned, Plan, copy_seconds};
use crate::unix_ms;
use ecosystem_qemu::guest;
use serde_json::{Value, json};
use std::error::Error;
use std::time::Duration;
use vm_ecosystem::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Longest accepted stand-still.
const DOWNTIME: Duration = Duration::from_millis(50);
/// For a migration to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// For the figures of a migration to be fetched from its host.
const GRACE_MS: u64 = 2_500;
/// When a machine's memory is looked at before it is moved.
const LOOKS: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
/// Ticks of the guest's clock in a second.
const TICKS_PER_S: f64 = 18.2;
/// What the firmware and the guest itself have written beside the window.
const FIRMWARE_MIB: f64 = 0.6;
const MIB: f64 = 1_048_576.0;

/// Components that are moved, with the largest window that their memory has room for, in MiB.
const MOVED: [(&str, u64); 4] = [("api", 12), ("web", 12), ("cache", 12), ("db", 24)];

/// What a machine does while it is moved, and how fast it may be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "three dials")]
pub struct Case {
    /// Written window in MiB.
    pub window_mib: u8,
    /// Two to the power of this many pages are written per tick; 0 = none.
    pub exponent: u8,
    /// MiB per second.
    pub bandwidth_mib: u64,
}

impl Case {
    /// What the formula wants to know, as the dials say. Only to draw cases that converge: what a machine really does is measured.
    fn plan(&self) -> Plan {
        let pages = if self.exponent == 0 { 0.0 } else { f64::from(1_u32 << self.exponent) };
        let window = f64::from(self.window_mib) * MIB;
        Plan {
            filled: window + FIRMWARE_MIB * MIB,
            window,
            dirty_per_s: pages * 4_096.0 * TICKS_PER_S,
            bandwidth: self.bandwidth(),
            downtime: DOWNTIME.as_secs_f64(),
        }
    }

    fn bandwidth(&self) -> f64 {
        self.bandwidth_mib as f64 * MIB
    }

    /// One that converges within eight seconds, by the formula alone, in a machine with room for a window of `most`.
    pub fn draw(draw: &mut Draw, most: u64) -> Self {
        loop {
            let case = Self {
                window_mib: u8::try_from(draw.between(4, most)).unwrap_or(4),
                exponent: *draw.one_of(&[0, 3, 4, 5, 6, 7]).unwrap_or(&0),
                bandwidth_mib: *draw.one_of(&[4, 6, 8, 12, 16, 24, 32]).unwrap_or(&8),
            };
            if copy_seconds(&case.plan()).is_some_and(|it| it < 8.0) {
                return case;
            }
        }
    }
}

/// How a migration went.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a row of the report")]
pub struct Move {
    /// Seconds that were predicted.
    pub predicted_s: f64,
    /// Seconds from the order to the switch-over.
    pub total_s: f64,
    /// How long the guest stood still, in milliseconds.
    pub downtime_ms: u64,
    /// Bytes that were sent.
    pub sent: u64,
}

impl Move {
    /// Whether the prediction was at most 30 % of the real time away from it.
    pub fn is_near(&self) -> bool {
        (self.predicted_s - self.total_s).abs() <= 0.3 * self.total_s
    }
}

/// The migrations so far and what was learned from them.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    /// All that ended well, in order.
    pub done: Vec<Move>,
    learned: Learned,
}

impl Moves {
    /// How many were predicted within 30 %.
    pub fn near(&self) -> usize {
        self.done.iter().filter(|it| it.is_near()).count()
    }

    /// Share of them; 1 if there were none.
    pub fn share_near(&self) -> f64 {
        if self.done.is_empty() { 1.0 } else { self.near() as f64 / self.done.len() as f64 }
    }

    /// Moves a machine that is drawn, under conditions that are drawn; says what happened, `None` = the controller had
    /// reasons not to.
    pub fn one(&mut self, stage: &mut Director, draw: &mut Draw) -> Result<Option<String>> {
        let &(component, most) = draw.one_of(&MOVED).ok_or("nothing to move")?;
        let which = usize::try_from(draw.below(8))?;
        let Some((replica, from)) = stage.some_replica(component, which) else { return Ok(None) };
        let to = stage.emptiest_but(&from).ok_or("no other host")?;
        let case = Case::draw(draw, most);
        if dials(stage, &from, &replica, case).is_err() {
            return Ok(None); // it has just gone
        }
        let plan = measure(stage, &from, &replica, case);
        let predicted = plan.map(|it| self.learned.predict(&it, &from, &to));
        let measured = match predicted {
            Some(Some(_)) => carry_out(stage, &replica, &to),
            // It has just gone, or does not converge between these two hosts, as slow as they are now.
            _ => Ok(None),
        };
        // Whatever happened, other migrations are not slowed down and the machine rests.
        drop(stage.fleet.limit_migrations(&from, 1 << 30, Duration::from_millis(300)));
        for host in [&from, &to] {
            drop(stage.fleet.dial(host, &replica, guest::dirty(0)));
        }
        let (Some(plan), Some(Some(predicted_s)), Some(measured)) = (plan, predicted, measured?) else {
            return Ok(None);
        };
        let (total_ms, downtime_ms, sent) = measured;
        let done = Move { predicted_s, total_s: total_ms as f64 / 1e3, downtime_ms, sent };
        self.learned.learn(&plan, &from, &to, done.total_s);
        let words = format!(
            "{replica} {from} to {to}, {:.1} MB filled, {:.1} MB written at {:.1} MB/s, {} MiB/s: predicted {predicted_s:.2} s, took {:.2} s, stood still {downtime_ms} ms",
            plan.filled / 1e6,
            plan.window.min(plan.filled) / 1e6,
            plan.dirty_per_s / 1e6,
            case.bandwidth_mib,
            done.total_s
        );
        self.done.push(done);
        Ok(Some(words))
    }
}

/// Fills the window once, then writes as fast as the case says.
fn dials(stage: &Director, from: &HostId, replica: &ReplicaId, case: Case) -> Result<()> {
    for byte in [guest::load(0), guest::window(case.window_mib), guest::dirty(9)] {
        stage.fleet.dial(from, replica, byte)?;
    }
    std::thread::sleep(Duration::from_millis(1_200));
    // Twice: on a crowded machine the guest may be late to take a byte from its port.
    for _ in 0..2 {
        stage.fleet.dial(from, replica, guest::dirty(case.exponent))?;
    }
    Ok(stage.fleet.limit_migrations(from, case.bandwidth_mib << 20, DOWNTIME)?)
}

/// What the formula wants to know, measured; `None` if the machine or its host does not answer.
fn measure(stage: &Director, from: &HostId, replica: &ReplicaId, case: Case) -> Option<Plan> {
    let writing = stage.fleet.writing(from, replica, &LOOKS).ok()?;
    let written: Vec<(f64, f64)> =
        writing.written.iter().map(|(ms, bytes)| (*ms as f64 / 1e3, *bytes as f64)).collect();
    Some(Plan::measured(writing.filled as f64, &written, case.bandwidth(), DOWNTIME.as_secs_f64()))
}

/// Milliseconds in all, of stand-still, and bytes sent; `None` if it was not begun or did not end well.
fn carry_out(stage: &mut Director, replica: &ReplicaId, to: &HostId) -> Result<Option<(u64, u64, u64)>> {
    let begin = unix_ms();
    stage.tell(&Command::Move { replica: replica.clone(), to: to.clone() })?;
    let order = format!("migrate {replica} ");
    let is_begun = |line: &Value| line["order"].as_str().is_some_and(|it| it.starts_with(&order));
    let begun = |stage: &Director| stage.find(begin, is_begun);
    if stage.wait("an order to move", Duration::from_secs(3), |it| begun(it).is_some()).is_err() {
        return Ok(None);
    }
    let line = begun(stage).ok_or("an order that was unsaid")?;
    let (action, ordered) = (line["action"].as_u64().ok_or("an order without a number")?, unix_ms());
    let figures = |stage: &Director| stage.fleet.migrations().into_iter().find(|it| it.action.0 == action);
    // A migration that fails leaves no figures; then the controller comes to rest without them.
    let mut rest_at = None;
    stage.wait("the end of a move", PATIENCE, |stage| {
        if rest_at.is_none() && stage.is_settled(ordered) {
            rest_at = Some(unix_ms());
        }
        figures(stage).is_some() || rest_at.is_some_and(|at| unix_ms() > at + GRACE_MS)
    })?;
    let Some(it) = figures(stage).filter(|it| it.arrived) else { return Ok(None) };
    // It may have been taken away since, because fewer are wanted; whether it ran twice is for the observer to say.
    drop(stage.wait("a machine where it was moved to", Duration::from_secs(5), |stage| {
        stage.running().get(&replica.to_string()).is_some_and(|places| *places == [to.to_string()])
    }));
    Ok(Some((it.total_ms, it.downtime_ms, it.sent)))
}

/// For the last line of a program.
pub fn figures(moves: &Moves) -> Value {
    json!({"count": moves.done.len(), "within_30_percent": moves.near(), "each": moves.done})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_that_is_drawn_converges_and_fits_into_its_machine() {
        let mut draw = Draw::new(7);
        for _ in 0..500 {
            let case = Case::draw(&mut draw, 12);
            assert!((4..=12).contains(&case.window_mib), "{case:?}");
            assert!(copy_seconds(&case.plan()).is_some_and(|it| it < 8.0), "{case:?}");
        }
    }

    #[test]
    fn near_is_within_thirty_percent_of_the_real_time() {
        let it = |predicted_s| Move { predicted_s, total_s: 2.0, downtime_ms: 0, sent: 0 };
        assert!(it(1.41).is_near() && it(2.59).is_near());
        assert!(!it(1.39).is_near() && !it(2.61).is_near());
    }
}

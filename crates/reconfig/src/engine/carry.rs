//! Carrying out a plan: moves in a partial order, each under all guards; what fails is planned anew from where things
//! stand.
//!
//! The steps come from [`plan`](crate::plan::plan): feasible in capacity at every moment, circles broken over a pivot
//! host. A step waits for every earlier step that touches its target or its replica, so the room the plan counted on
//! is there and nothing else of the plan takes it.

use super::Engine;
use super::guard::Refusal;
use super::soft::Timer;
use crate::event::Gain;
use crate::plan::{PlanHost, PlanItem, PlanProblem, PlanRule, PlanSettings, Spot, StepKind, plan};
use crate::state::{Change, HostStatus, Phase, Planned, Reason, Rid};
use crate::world::Lowered;
use ecosystem_core::{Capability, HostId, MigrationMode, ReplicaId, Resources};
use std::collections::{BTreeMap, BTreeSet};

/// Failed attempts of a step after which its replica stays where it is.
const STEP_ATTEMPTS: u32 = 3;

/// What became of a step whose turn it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    /// It began, is under way, or is over.
    Went,
    /// It waits for a window by calendar or for a maintenance window.
    Closed,
    /// It waits for something else outside of the plan.
    Waits,
}

impl Engine {
    /// The host application wants replicas elsewhere.
    pub(super) fn order_plan(&mut self, moves: &[(ReplicaId, HostId)], gain: Option<Gain>, why: &str) {
        let mut goals = BTreeMap::new();
        for (replica, host) in moves {
            match (self.world.component(replica.component()), self.world.host(host)) {
                (Some(c), Some(h)) => {
                    goals.insert(Rid { c, n: replica.index() }, h);
                }
                (None, _) => self.unknown("replica", &replica.to_string()),
                (_, None) => self.unknown("host", host.as_str()),
            }
        }
        if let Some(gain) = gain
            && let Err(sentence) = self.is_worth(&goals, gain)
        {
            let facts = vec![
                ("before", gain.before.to_string()),
                ("after", gain.after.to_string()),
                ("gain-permille", gain.permille().to_string()),
                ("moves", goals.len().to_string()),
            ];
            self.counters.refused += 1;
            let sentence = format!("{why}: nothing is moved, {sentence}");
            return self.audit("no-action", crate::action::NoteSubject::Engine, facts, sentence);
        }
        self.set_goals(&goals, Reason::Rebalance, why);
    }

    /// Whether a plan gains enough: by itself, for the replicas it moves, and after a rest since the last one.
    fn is_worth(&mut self, goals: &BTreeMap<Rid, u32>, gain: Gain) -> Result<(), String> {
        let limits = &self.settings.limits;
        let gained = gain.permille();
        if gained < limits.minimum_gain_permille.max(1) {
            return Err(format!(
                "it would gain {gained} permille, at least {} are wanted",
                limits.minimum_gain_permille.max(1)
            ));
        }
        let moves = |(r, to): &(&Rid, &u32)| matches!(self.hard.replicas.get(r).map(|it| it.phase), Some(Phase::Running { host }) if host != **to);
        let (moved, all) =
            (goals.iter().filter(moves).count() as u64, self.hard.replicas.len().max(1) as u64);
        if u64::from(gained) * all < u64::from(limits.gain_per_move_permille) * moved {
            return Err(format!(
                "{gained} permille are too little for moving {moved} of {all} replicas, {} would be enough",
                (u64::from(limits.gain_per_move_permille) * moved).div_ceil(all)
            ));
        }
        let now = self.soft.now;
        if let Some(last) = self.soft.plan_gained.filter(|&at| now.saturating_since(at) < limits.plan_rest) {
            let left = limits.plan_rest.saturating_sub(now.saturating_since(last));
            return Err(format!(
                "the last such plan is too recent, it rests for {} s",
                left.as_secs().max(1)
            ));
        }
        self.soft.plan_gained = Some(now);
        Ok(())
    }

    /// Where each replica of the plan goes in the end, why, and how often it failed to.
    fn goals(&self) -> BTreeMap<Rid, (u32, Reason, u32)> {
        // Later steps of a replica have higher numbers.
        self.hard.plan.values().map(|step| (step.r, (step.to, step.reason, step.failures))).collect()
    }

    /// The end of a replica's way through the plan.
    pub(super) fn goal_of(&self, r: Rid) -> Option<u32> {
        self.hard.plan.values().rev().find(|step| step.r == r).map(|step| step.to)
    }

    /// Adds goals to those there are and makes one plan for all.
    pub(super) fn set_goals(&mut self, goals: &BTreeMap<Rid, u32>, reason: Reason, why: &str) {
        self.soft.plan_again = false;
        let mut all = self.goals();
        all.extend(goals.iter().map(|(r, h)| (*r, (*h, reason, 0))));
        self.plan_for(&all, why);
    }

    /// Plans anew from where things stand.
    fn replan(&mut self, why: &str) {
        let goals = self.goals();
        self.plan_for(&goals, why);
    }

    fn plan_for(&mut self, goals: &BTreeMap<Rid, (u32, Reason, u32)>, why: &str) {
        let mut changes: Vec<Change> = self.hard.plan.keys().map(|id| Change::StepGone(*id)).collect();
        let useful: BTreeMap<Rid, (u32, Reason, u32)> = goals
            .iter()
            .filter(|(r, (to, _, failures))| {
                let runs = matches!(self.hard.replicas.get(r).map(|it| it.phase), Some(Phase::Running { host }) if host != *to);
                let moving = matches!(
                    self.hard.replicas.get(r).map(|it| it.phase),
                    Some(Phase::Migrating { to: now, .. } | Phase::Doubt { a: now, .. }) if now != *to
                );
                (runs || moving) && *failures < STEP_ATTEMPTS && !self.is_lost(*to)
            })
            .map(|(r, goal)| (*r, *goal))
            .collect();
        let dropped: Vec<Rid> = goals.keys().filter(|r| !useful.contains_key(r)).copied().collect();
        let steps = if useful.is_empty() { Ok(Vec::new()) } else { self.steps_for(&useful) };
        let found = match steps {
            Ok(found) => found,
            Err(error) => {
                if !changes.is_empty() {
                    self.write(&changes);
                }
                let sentence =
                    format!("{why}: there is no plan for {}: {error}", super::issue::replicas(useful.len()));
                let facts = vec![("because", error)];
                return self.notify("plan-impossible", crate::action::NoteSubject::Engine, facts, sentence);
            }
        };
        let count = found.len();
        changes.extend((0..).zip(found).map(|(id, step)| Change::Step(id, Box::new(step))));
        if changes.is_empty() {
            return;
        }
        self.write(&changes);
        self.soft.plan_dirty = true;
        self.soft.plan_progress = self.soft.now;
        for r in dropped.into_iter().filter(|r| goals[r].2 >= STEP_ATTEMPTS) {
            let sentence =
                format!("{} could not be moved {STEP_ATTEMPTS} times and stays", self.replica_id(r));
            self.notify("plan-step-given-up", self.about_replica(r), Vec::new(), sentence);
        }
        if count > 0 {
            let moves = if count == 1 { "1 move".to_owned() } else { format!("{count} moves") };
            let detours = match count.saturating_sub(useful.len()) {
                0 => String::new(),
                1 => " with a detour".to_owned(),
                more => format!(" with {more} detours"),
            };
            let of = super::issue::replicas(useful.len());
            let sentence = format!("{why}: {moves} of {of}{detours} are planned");
            let sentence =
                if count == 1 { sentence.replace(" are planned", " is planned") } else { sentence };
            let facts = vec![("steps", count.to_string()), ("because", why.to_owned())];
            self.audit("plan-made", crate::action::NoteSubject::Engine, facts, sentence);
        }
    }

    /// Nothing will arrive there: dead, being emptied, closed or gone; a silent host may come back.
    fn is_lost(&self, h: u32) -> bool {
        !matches!(self.hard.hosts[h as usize].status, HostStatus::Suspect | HostStatus::Fencing { .. })
            && !self.is_host_frozen(h)
            && self.host_takes(h).is_err()
    }

    /// The plan as steps of the engine, or why there is none.
    fn steps_for(&self, goals: &BTreeMap<Rid, (u32, Reason, u32)>) -> Result<Vec<Planned>, String> {
        let (problem, items) = self.plan_problem(goals);
        let mut settings = PlanSettings::default();
        settings.per_direction = self.settings.limits.migrations_per_host;
        settings.attempts = 4;
        let found = plan(&problem, &settings).map_err(|error| error.to_string())?;
        let mut steps: Vec<Planned> = Vec::new();
        // When each step ends, and which steps touch a host.
        let (mut ends, mut touching) = (Vec::new(), BTreeMap::<usize, Vec<u32>>::new());
        for step in &found.steps {
            let StepKind::Migrate(from, to) = step.kind else { continue };
            let r = items[step.item];
            let number = super::dense(steps.len());
            let mut after = BTreeSet::new();
            for &before in touching.get(&to).into_iter().chain(touching.get(&from)).flatten() {
                let earlier: &Planned = &steps[before as usize];
                if ends[before as usize] <= step.start_ms || earlier.r == r {
                    after.insert(before);
                }
            }
            let (_, reason, failures) = goals.get(&r).copied().unwrap_or((0, Reason::Rebalance, 0));
            steps.push(Planned { r, to: super::dense(to), reason, after, failures });
            ends.push(step.end_ms);
            touching.entry(from).or_default().push(number);
            touching.entry(to).or_default().push(number);
        }
        Ok(steps)
    }

    fn plan_problem(&self, goals: &BTreeMap<Rid, (u32, Reason, u32)>) -> (PlanProblem, Vec<Rid>) {
        let rooms = self.world.hosts.iter().map(|info| &info.room);
        let names: BTreeSet<String> = rooms
            .chain(self.hard.replicas.values().map(|it| it.size.as_ref()))
            .flat_map(dimensions)
            .collect();
        let vector = |of: &Resources| names.iter().map(|name| of.get(name)).collect::<Vec<u64>>();
        let mut problem = PlanProblem::new();
        for (h, info) in (0..).zip(&self.world.hosts) {
            let link = match info.room.network.get() {
                0 => 125_000_000,
                bits => (bits / 8).max(1),
            };
            let mut room = vector(&info.room);
            // What is there already is there, even where a host shrank.
            for (room, used) in room.iter_mut().zip(vector(&self.hard.used[h as usize])) {
                *room = (*room).max(used);
            }
            problem.hosts.push(PlanHost::new(self.world.host_id(h).to_string(), room, link));
        }
        let mut items = Vec::new();
        let mut moved = Vec::new();
        for (r, replica) in &self.hard.replicas {
            let at = match replica.phase {
                Phase::Migrating { to, .. } => to,
                phase => match phase.holds().next() {
                    Some(h) => h,
                    None => continue,
                },
            };
            let goal = goals.get(r).map_or(at, |(to, _, _)| *to);
            if goal != at {
                moved.push(items.len());
            }
            let mut item = PlanItem::new(
                self.replica_id(*r).to_string(),
                vector(&replica.size),
                replica.size.memory.get(),
                Spot::On(at as usize),
                Spot::On(goal as usize),
            );
            let component = self.world.ecosystem.component(self.world.component_id(r.c));
            item.dirty_bytes_per_s = component.map_or(0, |component| component.dirty_bytes_per_second);
            problem.items.push(item);
            items.push(*r);
        }
        problem.rules = self.plan_rules(&items, &moved);
        (problem, items)
    }

    /// Hard rules that hold on the way, and the hosts that take nothing.
    fn plan_rules(&self, items: &[Rid], moved: &[usize]) -> Vec<PlanRule> {
        let hosts = 0..super::dense(self.hard.hosts.len());
        let allowed: Vec<bool> = hosts.clone().map(|h| self.host_takes(h).is_ok()).collect();
        let mut rules = vec![PlanRule::Fence { members: moved.to_vec(), allowed }];
        let concerned: BTreeSet<u32> = moved.iter().map(|&i| items[i].c).collect();
        let of = |members: &BTreeSet<u32>| -> Vec<usize> {
            (0..items.len()).filter(|&i| members.contains(&items[i].c)).collect()
        };
        for &c in &concerned {
            let allowed: Vec<bool> = hosts.clone().map(|h| self.suits(c, h).is_ok()).collect();
            let members: Vec<usize> = moved.iter().copied().filter(|&i| items[i].c == c).collect();
            rules.push(PlanRule::Fence { members: members.clone(), allowed });
            for &position in &self.world.comps[c as usize].rules {
                let members = members.clone();
                match &self.world.rules[position as usize].kind {
                    Lowered::Fence { allowed } => {
                        rules.push(PlanRule::Fence { members, allowed: allowed.clone() });
                    }
                    Lowered::Ban { denied } => {
                        let allowed = denied.iter().map(|denied| !denied).collect();
                        rules.push(PlanRule::Fence { members, allowed });
                    }
                    Lowered::Apart { members, group } => {
                        rules.push(PlanRule::Apart { members: of(members), group: group.clone() });
                    }
                    Lowered::Spread { members, group, min_domains } => rules.push(PlanRule::Spread {
                        members: of(members),
                        group: group.clone(),
                        min_domains: *min_domains as usize,
                    }),
                    // Members travel one after the other; the guard looks at where they are bound for.
                    Lowered::Together { .. } | Lowered::Lonely { .. } => {}
                }
            }
        }
        rules
    }

    /// Begins the steps whose turn it is.
    pub(super) fn settle_plan(&mut self) {
        if !std::mem::take(&mut self.soft.plan_dirty) || self.hard.plan.is_empty() || !self.soft.trusted {
            return;
        }
        if let Some(lost) = self.hard.plan.values().map(|step| step.to).find(|&h| self.is_lost(h)) {
            let name = self.world.host_id(lost).clone();
            return self.replan(&format!("{name} takes nothing any more"));
        }
        let turn: Vec<u32> =
            self.hard.plan.iter().filter(|(_, step)| step.after.is_empty()).map(|(id, _)| *id).collect();
        let (mut waits, mut closed) = (false, !turn.is_empty());
        for id in turn {
            let turn = self.take_step(id);
            waits |= turn == Turn::Waits;
            closed &= turn == Turn::Closed;
        }
        if self.hard.plan.is_empty() {
            let sentence = "every move of the plan is done or was given up".to_owned();
            return self.audit("plan-done", crate::action::NoteSubject::Engine, Vec::new(), sentence);
        }
        let now = self.soft.now;
        if waits && now.saturating_since(self.soft.plan_progress) >= self.settings.patience.unplaceable {
            return self.give_up_plan();
        }
        if closed {
            // The window that opens has a timer of its own; waiting for it is no failure of the plan.
            self.soft.plan_progress = now;
            return;
        }
        self.soft.timers.ensure(Timer::Plan, now.saturating_add(self.settings.patience.quick));
    }

    /// Begins a step, or finds that it is over.
    fn take_step(&mut self, id: u32) -> Turn {
        let Some(step) = self.hard.plan.get(&id).cloned() else { return Turn::Went };
        let from = match self.hard.replicas.get(&step.r).map(|it| (it.phase, it.retire || it.tainted)) {
            Some((Phase::Running { host }, false)) if host != step.to => host,
            Some((Phase::Migrating { .. } | Phase::Doubt { .. }, false)) => return Turn::Went,
            _ => {
                // Arrived, gone, or lost with its host: recovery finds another place.
                self.write(&[Change::StepGone(id)]);
                self.soft.plan_progress = self.soft.now;
                self.soft.plan_dirty = true;
                self.capacity_changed();
                return Turn::Went;
            }
        };
        let resting = self.soft.backoff.get(&step.r).is_some_and(|&until| until > self.soft.now);
        let frozen = self.is_frozen(step.r.c) || self.is_host_frozen(from);
        if resting || frozen {
            return Turn::Waits;
        }
        match self.may_move(step.r, from, step.to, step.reason) {
            Ok(mode) => {
                self.soft.plan_progress = self.soft.now;
                self.migrate(step.r, from, step.to, step.reason, mode);
                Turn::Went
            }
            Err(refusal) => {
                let code = refusal.code;
                let sentence = format!(
                    "{} waits to move to {}: {}",
                    self.replica_id(step.r),
                    self.world.host_id(step.to),
                    refusal.sentence
                );
                self.refuse((step.r.c, step.r.n), code, self.about_replica(step.r), sentence);
                let closed = matches!(code, "refused-maintenance" | "refused-window");
                if closed && !(code == "refused-maintenance" && self.is_shut(step.r.c)) {
                    Turn::Closed
                } else {
                    Turn::Waits
                }
            }
        }
    }

    /// Other things than the plan stand in its way for too long: once it is planned anew, then it is given up.
    fn give_up_plan(&mut self) {
        if !std::mem::replace(&mut self.soft.plan_again, true) {
            return self.replan("its next steps had no room for too long");
        }
        self.soft.plan_again = false;
        let left = self.goals().len();
        let changes: Vec<Change> = self.hard.plan.keys().map(|id| Change::StepGone(*id)).collect();
        self.write(&changes);
        let sentence = format!("the plan is given up: {} cannot be moved now", super::issue::replicas(left));
        let why = vec![("replicas", left.to_string())];
        self.notify("plan-given-up", crate::action::NoteSubject::Engine, why, sentence);
    }

    /// A move failed; if it was of the plan it counts, and the rest is planned from where things stand.
    pub(super) fn plan_step_failed(&mut self, r: Rid, why: &str) {
        let steps: Vec<(u32, Planned)> = self
            .hard
            .plan
            .iter()
            .filter(|(_, step)| step.r == r)
            .map(|(id, step)| (*id, step.clone()))
            .collect();
        if steps.is_empty() {
            return;
        }
        let counted: Vec<Change> = steps
            .into_iter()
            .map(|(id, step)| {
                let failures = step.failures.saturating_add(1);
                Change::Step(id, Box::new(Planned { failures, ..step }))
            })
            .collect();
        self.write(&counted);
        let name = self.replica_id(r);
        self.replan(&format!("moving {name} failed: {why}"));
    }

    /// Every guard that a move of a running replica must pass, and how it is copied.
    pub(super) fn may_move(
        &mut self,
        r: Rid,
        from: u32,
        to: u32,
        reason: Reason,
    ) -> Result<MigrationMode, Refusal> {
        self.admit(r, to)?;
        if self.is_resizing(r) {
            let sentence = format!("{} is just being resized", self.replica_id(r));
            return Err(Refusal::new("refused-resizing", sentence));
        }
        self.may_migrate(from, to)?;
        if reason.is_voluntary() {
            self.planned_work(r.c, reason)?;
            self.in_window(reason)?;
        }
        let mode = self.copy_mode(r, from, to);
        let serves = self.hard.replicas.get(&r).is_some_and(|it| self.is_available(r, it));
        if mode == MigrationMode::Cold && serves && reason.is_voluntary() {
            // It does not serve on the way. What leaves a host that fails is better moved than lost.
            self.may_disrupt(r.c, reason)?;
        }
        Ok(mode)
    }

    /// True if a replica that runs can be moved at all, live or stopped.
    pub(super) fn can_move(&self) -> bool {
        self.moves_live() || self.settings.capabilities.has(Capability::ColdMigration)
    }
}

fn dimensions(of: &Resources) -> Vec<String> {
    of.iter().map(|(name, _)| name.to_owned()).collect()
}

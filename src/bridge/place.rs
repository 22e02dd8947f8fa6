//! The engine's questions for a place, answered by the optimizer.

use crate::model::{
    Component, Ecosystem, Host, HostId, HostSet, Infrastructure, Placement, ReplicaId, Rule, Weight,
};
use crate::placement::{Problem, ProblemBuilder, ProblemError, Settings, Status, solve};
use crate::reconfig::{Event, Need, PlacementAsk};
use std::sync::Arc;

/// Penalty per degree, in micro-units of money an hour, for a hard rule that what runs already breaks: far above any
/// price, so that nothing makes it worse without need.
const BROKEN_ALREADY: u64 = 1_000_000_000;

/// Moves of the search for a single replica: with one replica free the exact search needs one node per host.
const WORK_FOR_ONE: u64 = 20_000;

/// Needs of one question for which others are moved aside.
const ROOM_MADE_MAX: usize = 4;

/// Answers a question of the engine: everything that runs stays where it is, what needs a host gets the cheapest
/// place that breaks no hard rule.
///
/// A rule that the running replicas already break cannot be kept; it is not made worse. If the needs cannot all be
/// placed together, they are placed one by one, the most important first, and those that find no host are reported
/// with the conflict that was found. Where one of those was lost, is compromised or in danger, and would fit on a host
/// that others left, the answer holds the moves of these others: the engine carries them out and asks again. Deterministic
/// for a question and settings. Cost: one search of `settings.work` moves, a small one for each need where not all fit, and
/// at most eight for each of the first four of those that fit nowhere.
pub fn answer(
    ask: &PlacementAsk,
    ecosystem: &Ecosystem,
    infrastructure: &Infrastructure,
    settings: &Settings,
) -> Event {
    let ecosystem = &ecosystem.on_hosts(infrastructure);
    let mut settings = *settings;
    settings.explain_max = 0; // nobody reads it here
    let rules = bearable_rules(ecosystem, infrastructure, &ask.occupied);
    let mut question =
        Question { ask, ecosystem, infrastructure, rules, taken: ask.occupied.as_ref().clone() };
    let mut unplaceable: Vec<(ReplicaId, Arc<str>)> = Vec::new();
    let mut aside: Vec<(ReplicaId, HostId)> = Vec::new();
    let mut made = 0;
    let all: Vec<&Need> = ask.needs.iter().collect();
    if question.place(&all, &settings).is_err() {
        let alone = settings.with_work(WORK_FOR_ONE);
        for need in &ask.needs {
            let Err(mut why) = question.place(&[need], &alone) else { continue };
            if made < ROOM_MADE_MAX
                && let Some(moves) = question.make_room(need, &alone)
            {
                made += 1;
                let names: Vec<String> =
                    moves.iter().map(|(replica, to)| format!("{replica} to {to}")).collect();
                why = format!("room is made by moving {}", names.join(" and "));
                aside.extend(moves);
            }
            unplaceable.push((need.replica.clone(), Arc::from(why)));
        }
    }
    let assigned = |need: &Need| {
        let host = question.taken.host_of(&need.replica).filter(|host| need.from.as_ref() != Some(host))?;
        let left_out = unplaceable.iter().any(|(replica, _)| *replica == need.replica);
        (!left_out).then(|| (need.replica.clone(), host.clone()))
    };
    let assignments = ask.needs.iter().filter_map(assigned).chain(aside).collect();
    Event::Placement { id: ask.id, assignments, unplaceable }
}

fn bearable_rules(ecosystem: &Ecosystem, infrastructure: &Infrastructure, running: &Placement) -> Vec<Rule> {
    let bearable = |rule: &Rule| {
        let mut rule = rule.clone();
        if rule.weight == Weight::Hard && !rule.check(ecosystem, infrastructure, running).is_empty() {
            rule.weight = Weight::Soft(BROKEN_ALREADY);
        }
        rule
    };
    ecosystem.rules().iter().map(bearable).collect()
}

pub(super) struct Question<'a> {
    pub(super) ask: &'a PlacementAsk,
    pub(super) ecosystem: &'a Ecosystem,
    pub(super) infrastructure: &'a Infrastructure,
    rules: Vec<Rule>,
    /// What runs, and what was given a place so far.
    pub(super) taken: Placement,
}

impl Question<'_> {
    /// Gives all of `needs` a place, or none and says why.
    fn place(&mut self, needs: &[&Need], settings: &Settings) -> Result<(), String> {
        let problem = self.builder(needs, &[]).build().map_err(|error: ProblemError| error.to_string())?;
        let solution = solve(&problem, settings);
        if let Status::Infeasible { conflict } = &solution.status {
            return Err(conflict.message.clone());
        }
        if !solution.is_feasible() {
            return Err("no place was found within the work that was allowed".to_owned());
        }
        for need in needs {
            if let Some(host) = solution.placement.host_of(&need.replica) {
                self.taken.set(need.replica.clone(), host.clone());
            }
        }
        Ok(())
    }

    /// Everything that runs stays where it is but for `free`, and needs go wherever they may and fit.
    pub(super) fn builder(&self, needs: &[&Need], free: &[ReplicaId]) -> ProblemBuilder<'_> {
        let known = |replica: &ReplicaId| {
            self.ecosystem.component(replica.component()).is_some_and(Component::is_placed)
        };
        let stays: Placement = self
            .taken
            .iter()
            .filter(|(replica, host)| {
                known(replica)
                    && self.infrastructure.host_index(host).is_some()
                    && needs.iter().all(|need| need.replica != **replica)
            })
            .map(|(replica, host)| (replica.clone(), host.clone()))
            .collect();
        let there = || stays.iter().map(|(replica, _)| replica.clone());
        let staying = || there().filter(|replica| !free.contains(replica));
        let mut problem = Problem::builder(self.ecosystem, self.infrastructure)
            .only_rules(self.rules.iter().cloned())
            .only_replicas(there().chain(needs.iter().map(|need| need.replica.clone())))
            .fixed(staying())
            .without_hosts(HostSet::of_hosts(self.ask.excluded.iter().cloned()));
        for need in needs {
            let avoided = need.avoid.iter().chain(&need.from).cloned().chain(self.too_small(need));
            problem = problem.avoid(need.replica.clone(), avoided);
            // A replica that moves holds its source until the move is over.
            if let Some(from) = &need.from {
                problem = problem.reserve(from.clone(), &need.holds);
            }
        }
        for (host, amount) in &self.ask.reserved {
            problem = problem.reserve(host.clone(), amount);
        }
        problem.current(stays)
    }

    /// Hosts without room for a need that wants more than the map says its component asks for.
    fn too_small(&self, need: &Need) -> Vec<HostId> {
        let component = self.ecosystem.component(need.replica.component());
        if component.is_none_or(|it| need.resources.fits_in(&it.requirements.request)) {
            return Vec::new();
        }
        let mut used = self.taken.usage(self.ecosystem);
        for (host, amount) in &self.ask.reserved {
            let sum = used.entry(host.clone()).or_default();
            *sum = sum.saturating_add(amount);
        }
        let lacks = |host: &&Host| {
            let sum = used.get(&host.id).cloned().unwrap_or_default().saturating_add(&need.resources);
            !sum.fits_in(&host.allocatable())
        };
        self.infrastructure.hosts().iter().filter(lacks).map(|host| host.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bytes, Domain, Kind, Millicores, Rack, Region, Resources, RuleKind, Zone};
    use crate::reconfig::{Action, Ask, Engine, Output};

    fn fleet(hosts: u32) -> Infrastructure {
        let mut builder = Infrastructure::builder()
            .region(Region::new("eu".parse().unwrap()))
            .zone(Zone::new("a".parse().unwrap(), "eu".parse().unwrap()))
            .rack(Rack::new("r".parse().unwrap(), "a".parse().unwrap()));
        for n in 0..hosts {
            let size = Resources::new(Millicores::cores(4), Bytes::gib(8));
            builder = builder.host(Host::new(host(n), "r".parse().unwrap(), size));
        }
        builder.build().unwrap()
    }

    fn host(n: u32) -> HostId {
        HostId::new(format!("h{n}")).unwrap()
    }

    /// The first question of an engine that has to start everything.
    fn first_ask(ecosystem: &Ecosystem, fleet: &Infrastructure) -> PlacementAsk {
        let now = crate::model::Timestamp::from_unix_ms(0);
        let settings = crate::reconfig::Settings::default();
        let epoch = crate::model::Epoch(1);
        let mut engine = Engine::new(settings, ecosystem, fleet, &Placement::new(), epoch, now).unwrap();
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Persist(record) => engine.persisted(record.number()),
                Output::Act(Action::Ask(Ask::Placement(ask))) => return ask,
                Output::Act(_) => {}
            }
        }
        panic!("an engine with nothing placed asks for hosts");
    }

    fn apart(replicas: u32) -> Ecosystem {
        let mut web = Component::new("web".parse().unwrap(), Kind::Container);
        web.replicas = replicas;
        web.requirements.request = Resources::new(Millicores::cores(2), Bytes::gib(2));
        let rule = RuleKind::Apart { members: vec!["web".parse().unwrap()], domain: Domain::Host };
        Ecosystem::builder("shop").component(web).rule(Rule::hard("apart", rule)).build().unwrap()
    }

    #[test]
    fn what_fits_is_placed_and_the_rest_is_reported_with_the_conflict() {
        let (shop, fleet) = (apart(3), fleet(2));
        let answer = answer(&first_ask(&shop, &fleet), &shop, &fleet, &Settings::default());
        let Event::Placement { assignments, unplaceable, .. } = answer else { panic!("not an answer") };
        assert_eq!(assignments.len(), 2);
        assert_ne!(assignments[0].1, assignments[1].1);
        assert_eq!(unplaceable.len(), 1);
        assert!(unplaceable[0].1.contains("apart"), "{}", unplaceable[0].1);
    }

    #[test]
    fn a_rule_that_is_broken_already_does_not_stop_recovery() {
        let (shop, fleet) = (apart(3), fleet(2));
        let mut ask = first_ask(&shop, &fleet);
        for n in 0..2 {
            let replica = ask.needs.remove(0).replica;
            assert_eq!(replica.index(), n);
            Arc::make_mut(&mut ask.occupied).set(replica, host(0));
        }
        let Event::Placement { assignments, .. } = answer(&ask, &shop, &fleet, &Settings::default()) else {
            panic!("not an answer")
        };
        assert_eq!(assignments[0].1, host(1));
    }

    /// Components of one replica each with so many cores.
    fn singles(sizes: &[(&str, u64)]) -> Ecosystem {
        let single = |builder: crate::model::EcosystemBuilder, &(name, cores): &(&str, u64)| {
            let mut it = Component::new(name.parse().unwrap(), Kind::Vm);
            it.requirements.request = Resources::new(Millicores::cores(cores), Bytes::gib(1));
            builder.component(it)
        };
        sizes.iter().fold(Ecosystem::builder("singles"), single).build().unwrap()
    }

    #[test]
    fn what_was_lost_gets_room_by_moving_as_little_as_possible_aside() {
        // Of three hosts of four cores each, two have one core free and one has two; four cores are needed.
        let sizes = [("lost", 4), ("a", 2), ("b", 1), ("c", 2), ("d", 1), ("e", 1), ("f", 1)];
        let (apps, fleet) = (singles(&sizes), fleet(3));
        let mut ask = first_ask(&apps, &fleet);
        ask.needs.retain(|need| need.replica.component().as_str() == "lost");
        let occupied = Arc::make_mut(&mut ask.occupied);
        for (name, on) in [("a", 0), ("b", 0), ("c", 1), ("d", 1), ("e", 2), ("f", 2)] {
            occupied.set(ReplicaId::new(name.parse().unwrap(), 0), host(on));
        }
        let Event::Placement { assignments, unplaceable, .. } =
            answer(&ask, &apps, &fleet, &Settings::default())
        else {
            panic!("not an answer")
        };
        // Only h2 can be emptied: its two go to the free cores of the others.
        let moved: Vec<String> = assignments.iter().map(|(replica, to)| format!("{replica} {to}")).collect();
        assert_eq!(moved.len(), 2, "{moved:?}");
        assert!(moved.iter().all(|text| !text.ends_with("h2")), "{moved:?}");
        assert!(moved.iter().any(|text| text.starts_with("e#0")), "{moved:?}");
        assert!(unplaceable[0].1.contains("room is made by moving"), "{}", unplaceable[0].1);
        // Nothing is moved for what only grows with the load.
        ask.needs[0].reason = crate::reconfig::Reason::Scale;
        let Event::Placement { assignments, .. } = answer(&ask, &apps, &fleet, &Settings::default()) else {
            panic!("not an answer")
        };
        assert!(assignments.is_empty(), "{assignments:?}");
    }
}

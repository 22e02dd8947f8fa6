//! Plans: circles, rules, orders, quality; everything judged by the independent checker.
#![allow(clippy::unwrap_used, reason = "tests")]

use ecosystem_reconfig::plan::{
    Plan, PlanError, PlanHost, PlanItem, PlanOrder, PlanProblem, PlanRule, PlanSettings, Spot, StepKind,
    check_plan, gantt_svg, plan,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

const GIB: u64 = 1 << 30;

fn hosts(capacities: &[u64]) -> PlanProblem {
    let mut problem = PlanProblem::new();
    for (h, &capacity) in capacities.iter().enumerate() {
        problem.hosts.push(PlanHost::new(format!("h{h}"), vec![capacity], 125_000_000));
    }
    problem
}

fn add(problem: &mut PlanProblem, demand: u64, from: Spot, to: Spot) -> usize {
    let name = format!("v{}", problem.items.len());
    problem.items.push(PlanItem::new(name, vec![demand], GIB, from, to));
    problem.items.len() - 1
}

fn solve(problem: &PlanProblem) -> Plan {
    let settings = PlanSettings::default();
    let plan = plan(problem, &settings).unwrap();
    assert_eq!(check_plan(problem, &settings, &plan), Vec::<String>::new());
    assert!(plan.makespan_ms >= plan.lower_bound_ms);
    plan
}

#[test]
fn a_swap_of_full_hosts_goes_over_a_pivot() {
    let mut problem = hosts(&[4, 4, 4]);
    add(&mut problem, 4, Spot::On(0), Spot::On(1));
    add(&mut problem, 4, Spot::On(1), Spot::On(0));
    let plan = solve(&problem);
    assert_eq!((plan.pivots.len(), plan.steps.len()), (1, 3));
}

#[test]
fn a_long_circle_needs_one_pivot_only() {
    let mut problem = hosts(&[4; 9]);
    for k in 0..8 {
        add(&mut problem, 4, Spot::On(k), Spot::On((k + 1) % 8));
    }
    assert_eq!(solve(&problem).pivots.len(), 1);
}

#[test]
fn a_swap_without_any_room_names_the_circle() {
    let mut problem = hosts(&[4, 4]);
    add(&mut problem, 4, Spot::On(0), Spot::On(1));
    add(&mut problem, 4, Spot::On(1), Spot::On(0));
    let error = plan(&problem, &PlanSettings::default()).unwrap_err();
    assert_eq!(error, PlanError::Blocked { cycle: vec!["v0".to_owned(), "v1".to_owned()] });
    let mut settings = PlanSettings::default();
    settings.suspend = true;
    let found = plan(&problem, &settings).unwrap();
    assert_eq!(check_plan(&problem, &settings, &found), Vec::<String>::new());
    assert_eq!(found.suspended.len(), 1);
}

#[test]
fn an_end_that_does_not_fit_is_refused() {
    let mut problem = hosts(&[4, 4]);
    add(&mut problem, 3, Spot::On(0), Spot::On(1));
    add(&mut problem, 3, Spot::On(1), Spot::On(1));
    let error = plan(&problem, &PlanSettings::default()).unwrap_err();
    assert_eq!(error.to_string(), "host `h1` would have 6 of dimension 0 in the end and has 4");
}

#[test]
fn every_plan_constraint_is_kept() {
    let mut problem = hosts(&[8, 8, 8, 8]);
    let a = add(&mut problem, 2, Spot::On(0), Spot::On(1));
    let b = add(&mut problem, 2, Spot::On(2), Spot::On(3));
    let c = add(&mut problem, 2, Spot::Nowhere, Spot::On(0));
    let d = add(&mut problem, 2, Spot::On(3), Spot::Nowhere);
    let e = add(&mut problem, 2, Spot::On(3), Spot::Asleep(3));
    let f = add(&mut problem, 2, Spot::Asleep(1), Spot::On(1));
    problem.orders = vec![
        PlanOrder::Precedence(a, b),
        PlanOrder::Sequence(vec![b, c, d]),
        PlanOrder::Serialize(vec![e, f]),
        PlanOrder::NoDelay(a),
        PlanOrder::Deadline(d, 600_000),
    ];
    let plan = solve(&problem);
    assert_eq!(plan.steps.len(), 6);
}

#[test]
fn steps_that_begin_together_do() {
    let mut problem = hosts(&[8, 8, 8, 8]);
    let a = add(&mut problem, 2, Spot::On(0), Spot::On(1));
    let b = add(&mut problem, 2, Spot::On(2), Spot::On(3));
    let first = add(&mut problem, 2, Spot::On(0), Spot::On(3));
    problem.orders = vec![PlanOrder::Sync(vec![a, b]), PlanOrder::Precedence(first, b)];
    let plan = solve(&problem);
    let starts: BTreeSet<u64> =
        plan.steps.iter().filter(|step| step.item != first).map(|step| step.start_ms).collect();
    assert_eq!(starts.len(), 1);
}

#[test]
fn a_deadline_that_cannot_be_met_is_refused() {
    let mut problem = hosts(&[8, 8]);
    let a = add(&mut problem, 2, Spot::On(0), Spot::On(1));
    problem.orders = vec![PlanOrder::Deadline(a, 100)];
    assert!(matches!(plan(&problem, &PlanSettings::default()), Err(PlanError::Late { limit_ms: 100, .. })));
}

#[test]
fn members_stay_apart_during_the_plan() {
    let mut problem = hosts(&[8, 8, 8]);
    let a = add(&mut problem, 1, Spot::On(0), Spot::On(1));
    let b = add(&mut problem, 1, Spot::On(1), Spot::On(2));
    problem.rules = vec![PlanRule::Apart { members: vec![a, b], group: vec![0, 1, 2] }];
    let plan = solve(&problem);
    assert_eq!(plan.steps[0].item, b, "v0 waits until v1 has left");
}

#[test]
fn a_budget_bounds_what_is_under_way_at_once() {
    let problem = |rules: Vec<PlanRule>| {
        let mut problem = hosts(&[8; 8]);
        for k in 0..4 {
            add(&mut problem, 1, Spot::On(k), Spot::On(k + 4));
        }
        problem.rules = rules;
        problem
    };
    let free = solve(&problem(Vec::new()));
    let bound = |at_once| vec![PlanRule::Budget { members: vec![0, 1, 2, 3], at_once }];
    assert_eq!(solve(&problem(bound(2))).makespan_ms, 2 * free.makespan_ms);
    assert_eq!(solve(&problem(bound(1))).makespan_ms, 4 * free.makespan_ms);
    // The judge sees what the scheduler would not do.
    let found = check_plan(&problem(bound(3)), &PlanSettings::default(), &free);
    assert!(found.iter().any(|it| it.contains("at most 3")), "{found:?}");
}

#[test]
fn a_host_is_switched_on_before_and_off_after() {
    let mut problem = hosts(&[8, 8]);
    problem.hosts[0].stays = false;
    problem.hosts[1].online = false;
    add(&mut problem, 4, Spot::On(0), Spot::On(1));
    let plan = solve(&problem);
    let kinds: Vec<StepKind> = plan.steps.iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [StepKind::BootHost(1), StepKind::Migrate(0, 1), StepKind::ShutdownHost(0)]);
}

#[test]
fn after_a_failure_the_rest_is_planned_from_where_things_stand() {
    let mut problem = hosts(&[4; 5]);
    for k in 0..4 {
        add(&mut problem, 4, Spot::On(k), Spot::On((k + 1) % 4));
    }
    let first = solve(&problem);
    let failed: BTreeSet<usize> = [2].into();
    let at = first.steps[2].end_ms;
    let rest = first.rest(&problem, at, &failed);
    let second = solve(&rest);
    assert!(!second.steps.is_empty());
}

#[test]
fn the_picture_has_a_bar_for_every_side_of_every_step() {
    let mut problem = hosts(&[8, 8]);
    problem.items.push(PlanItem::new("<x>".to_owned(), vec![1], GIB, Spot::On(0), Spot::On(1)));
    let svg = gantt_svg(&problem, &solve(&problem));
    assert_eq!(svg.matches("<rect").count(), 2);
    assert!(svg.contains("&lt;x&gt;"));
}

/// 1,000 moves on 1,000 hosts in 8 dimensions: within a tenth of the lower bound.
#[test]
fn a_large_plan_is_close_to_its_bound() {
    let mut problem = PlanProblem::new();
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for h in 0..1_000 {
        problem.hosts.push(PlanHost::new(format!("h{h}"), vec![100; 8], 1_250_000_000));
    }
    for k in 0..1_000 {
        let demand: Vec<u64> = (0..8).map(|_| 1 + random(20)).collect();
        let (from, to) = (usize::try_from(random(1_000)).unwrap(), usize::try_from(random(1_000)).unwrap());
        let memory = GIB * (1 + random(32));
        let to = if from == to { (to + 1) % 1_000 } else { to };
        problem.items.push(PlanItem::new(format!("v{k}"), demand, memory, Spot::On(from), Spot::On(to)));
    }
    let settings = PlanSettings::default();
    let Ok(found) = plan(&problem, &settings) else { panic!("the instance has room") };
    assert_eq!(check_plan(&problem, &settings, &found), Vec::<String>::new());
    assert!(
        found.makespan_ms * 10 <= found.lower_bound_ms * 11,
        "{} against {}",
        found.makespan_ms,
        found.lower_bound_ms
    );
}

proptest! {
    #[test]
    fn plans_keep_everything_or_say_why_there_is_none(
        capacities in prop::collection::vec(4_u64..12, 2..7),
        moves in prop::collection::vec((1_u64..6, 0_usize..7, 0_usize..7), 0..14),
        apart in any::<bool>(),
        suspend in any::<bool>(),
    ) {
        let mut problem = hosts(&capacities);
        let count = capacities.len();
        let (mut start, mut end) = (capacities.clone(), capacities);
        for (demand, from, to) in moves {
            let (from, to) = (from % count, to % count);
            if start[from] >= demand && end[to] >= demand {
                start[from] -= demand;
                end[to] -= demand;
                add(&mut problem, demand, Spot::On(from), Spot::On(to));
            }
        }
        let members: Vec<usize> = (0..problem.items.len().min(2)).collect();
        let distinct = |spot: fn(&PlanItem) -> Spot| {
            members.iter().map(|&m| spot(&problem.items[m])).collect::<BTreeSet<_>>().len() == members.len()
        };
        if apart && distinct(|item| item.from) && distinct(|item| item.to) {
            let group = (0..u32::try_from(count).unwrap()).collect();
            problem.rules.push(PlanRule::Apart { members, group });
        }
        let mut settings = PlanSettings::default();
        settings.suspend = suspend;
        match plan(&problem, &settings) {
            Ok(found) => {
                prop_assert_eq!(check_plan(&problem, &settings, &found), Vec::<String>::new());
                prop_assert!(found.makespan_ms >= found.lower_bound_ms);
            }
            Err(error) => prop_assert!(matches!(error, PlanError::Blocked { .. }), "{}", error),
        }
    }
}

#[test]
fn members_stay_spread_while_each_of_them_changes_its_domain() {
    let mut problem = hosts(&[4; 6]);
    let members: Vec<usize> = (0..3).map(|k| add(&mut problem, 2, Spot::On(k), Spot::On(k + 3))).collect();
    // Zones a, b, c at the beginning, b, c, a in the end: one at a time, and never fewer than two zones.
    problem.rules = vec![PlanRule::Spread { members, group: vec![0, 1, 2, 1, 2, 0], min_domains: 2 }];
    assert_eq!(solve(&problem).steps.len(), 3);
}

#[test]
fn a_detour_keeps_to_the_allowed_hosts() {
    let mut problem = hosts(&[4, 4, 4, 4]);
    let x = add(&mut problem, 4, Spot::On(0), Spot::On(1));
    let y = add(&mut problem, 4, Spot::On(1), Spot::On(0));
    let fence = |members, allowed| PlanRule::Fence { members, allowed };
    problem.rules = vec![fence(vec![x, y], vec![true, true, false, true])];
    let plan = solve(&problem);
    assert!(plan.steps.iter().any(|step| matches!(step.kind, StepKind::Migrate(_, 3))));
    problem.rules = vec![fence(vec![x, y], vec![true, true, false, false])];
    assert!(matches!(made(&problem), Err(PlanError::Blocked { .. })));
}

fn made(problem: &PlanProblem) -> Result<Plan, PlanError> {
    plan(problem, &PlanSettings::default())
}

#[test]
fn a_beginning_that_does_not_fit_is_refused() {
    let mut problem = hosts(&[4, 8]);
    add(&mut problem, 3, Spot::On(0), Spot::On(1));
    add(&mut problem, 3, Spot::On(0), Spot::On(1));
    let error = made(&problem).unwrap_err();
    assert_eq!(error.to_string(), "host `h0` has 6 of dimension 0 in use at the beginning and has 4");
}

#[test]
fn several_circles_share_one_pivot_one_after_the_other() {
    let mut problem = hosts(&[4; 7]);
    for k in 0..3 {
        add(&mut problem, 4, Spot::On(2 * k), Spot::On(2 * k + 1));
        add(&mut problem, 4, Spot::On(2 * k + 1), Spot::On(2 * k));
    }
    let plan = solve(&problem);
    assert_eq!((plan.pivots.len(), plan.steps.len()), (3, 9));
}

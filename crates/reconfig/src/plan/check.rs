//! An independent judge of plans: replays the steps and looks at every moment. Slow and obvious.

use super::precopy::{CopyModel, estimate};
use super::problem::{Order, PlanProblem, PlanRule, PlanSettings, Spot};
use super::steps::{Plan, Step, StepKind};
use std::collections::BTreeSet;

/// Every way in which a plan breaks its problem; empty = sound. O(moments × (items + hosts × dimensions)).
pub fn check_plan(problem: &PlanProblem, settings: &PlanSettings, plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    check_ways(problem, settings, plan, &mut found);
    let moments: BTreeSet<u64> =
        plan.steps.iter().flat_map(|step| [step.start_ms, step.end_ms]).chain([0]).collect();
    for &moment in &moments {
        check_moment(problem, settings, plan, moment, &mut found);
        if found.len() > 100 {
            break;
        }
    }
    check_budgets(problem, plan, &mut found);
    check_orders(problem, plan, &mut found);
    found
}

/// Steps of a budget's members that are under way at the beginning of any of them.
fn check_budgets(problem: &PlanProblem, plan: &Plan, found: &mut Vec<String>) {
    for rule in &problem.rules {
        let PlanRule::Budget { members, at_once } = rule else { continue };
        let own: Vec<&Step> = plan.steps.iter().filter(|step| members.contains(&step.item)).collect();
        for step in &own {
            let moment = step.start_ms;
            let busy = own.iter().filter(|it| it.start_ms <= moment && moment < it.end_ms).count();
            if busy > *at_once {
                found.push(format!("at {moment} ms {busy} members are under way, at most {at_once} may be"));
            }
        }
    }
}

/// Each item's steps lead from its place to its goal, one after the other, with the right duration.
fn check_ways(problem: &PlanProblem, settings: &PlanSettings, plan: &Plan, found: &mut Vec<String>) {
    let mut of_item: Vec<Vec<&Step>> = vec![Vec::new(); problem.items.len()];
    for step in &plan.steps {
        match step.kind {
            StepKind::BootHost(_) | StepKind::ShutdownHost(_) => {}
            _ if step.item < of_item.len() => of_item[step.item].push(step),
            _ => found.push(format!("a step names item {}, which does not exist", step.item)),
        }
    }
    for (item, steps) in problem.items.iter().zip(&mut of_item) {
        steps.sort_by_key(|step| step.start_ms);
        let (mut place, mut free_at) = (item.from, 0);
        for step in steps.iter() {
            if step.start_ms < free_at {
                found.push(format!("steps of {} overlap at {} ms", item.name, step.start_ms));
            }
            free_at = step.end_ms;
            place = match (step.kind, place) {
                (StepKind::Migrate(a, b), Spot::On(h)) if a == h && a != b => Spot::On(b),
                (StepKind::Start(b), Spot::Nowhere) | (StepKind::Resume(b), Spot::Asleep(_)) => Spot::On(b),
                (StepKind::Stop(a), Spot::On(h)) if a == h => Spot::Nowhere,
                (StepKind::Suspend(a), Spot::On(h)) if a == h => Spot::Asleep(a),
                (StepKind::Stop(_), Spot::Asleep(_)) => item.to,
                (StepKind::Stop(_), Spot::Nowhere) if matches!(item.to, Spot::Asleep(_)) => item.to,
                (kind, place) => {
                    found.push(format!("{} cannot do {kind:?} from {place:?}", item.name));
                    place
                }
            };
            if let StepKind::Migrate(a, b) = step.kind {
                let link = problem.hosts[a].link_bytes_per_s.min(problem.hosts[b].link_bytes_per_s) as f64;
                let model = CopyModel::at(link / f64::from(settings.per_direction.max(1)));
                let seconds =
                    estimate(item.memory_bytes as f64, item.dirty_bytes_per_s as f64, &model).total_s;
                if ((step.end_ms - step.start_ms) as f64) < seconds * 1_000.0 - 1e-6 {
                    found.push(format!("{} is given less than the {seconds} s its copy takes", item.name));
                }
            }
        }
        if place != item.to {
            found.push(format!("{} ends at {place:?}, expected {:?}", item.name, item.to));
        }
    }
}

/// Capacity, links and continuous rules at one moment; a step holds both sides from its first to its last moment.
fn check_moment(
    problem: &PlanProblem,
    settings: &PlanSettings,
    plan: &Plan,
    moment: u64,
    found: &mut Vec<String>,
) {
    let mut places: Vec<Spot> = problem.items.iter().map(|item| item.from).collect();
    let mut second: Vec<Option<usize>> = vec![None; problem.items.len()];
    let mut online: Vec<bool> = problem.hosts.iter().map(|host| host.online).collect();
    let (mut out, mut into) = (vec![0_u32; problem.hosts.len()], vec![0_u32; problem.hosts.len()]);
    let mut ordered: Vec<&Step> = plan.steps.iter().filter(|step| step.start_ms <= moment).collect();
    ordered.sort_by_key(|step| step.end_ms);
    for step in ordered {
        let over = step.end_ms <= moment;
        match step.kind {
            StepKind::BootHost(h) => online[h] |= over,
            StepKind::ShutdownHost(h) => online[h] = false,
            StepKind::Migrate(_, b) | StepKind::Start(b) | StepKind::Resume(b) if over => {
                places[step.item] = Spot::On(b);
            }
            StepKind::Stop(_) if over => places[step.item] = problem.items[step.item].to,
            StepKind::Suspend(a) if over => places[step.item] = Spot::Asleep(a),
            StepKind::Migrate(a, b) => {
                second[step.item] = Some(b);
                out[a] += 1;
                into[b] += 1;
            }
            StepKind::Start(b) | StepKind::Resume(b) => second[step.item] = Some(b),
            StepKind::Stop(_) | StepKind::Suspend(_) => {}
        }
    }
    let dims = problem.hosts.first().map_or(0, |host| host.capacity.len());
    let mut used = vec![vec![0_u64; dims]; problem.hosts.len()];
    for (i, item) in problem.items.iter().enumerate() {
        for h in places[i].host().into_iter().chain(second[i]) {
            if !online[h] {
                found.push(format!(
                    "at {moment} ms {} uses host {}, which is off",
                    item.name, problem.hosts[h].name
                ));
            }
            for (sum, need) in used[h].iter_mut().zip(&item.demand) {
                *sum = sum.saturating_add(*need);
            }
        }
    }
    for (h, host) in problem.hosts.iter().enumerate() {
        for (d, (sum, room)) in used[h].iter().zip(&host.capacity).enumerate() {
            if sum > room {
                found.push(format!(
                    "at {moment} ms host {} has {sum} of dimension {d}, room {room}",
                    host.name
                ));
            }
        }
        if out[h] > settings.per_direction.max(1) || into[h] > settings.per_direction.max(1) {
            found.push(format!("at {moment} ms too many migrations leave or reach host {}", host.name));
        }
    }
    check_rules(problem, moment, &places, &second, found);
}

fn check_rules(
    problem: &PlanProblem,
    moment: u64,
    places: &[Spot],
    second: &[Option<usize>],
    found: &mut Vec<String>,
) {
    for rule in &problem.rules {
        match rule {
            PlanRule::Fence { members, allowed } => {
                for &m in members {
                    let begins = |h: usize| problem.items[m].from == Spot::On(h);
                    let outside =
                        places[m].host().into_iter().chain(second[m]).find(|&h| !allowed[h] && !begins(h));
                    if let Some(h) = outside {
                        let (item, host) = (&problem.items[m].name, &problem.hosts[h].name);
                        found.push(format!("at {moment} ms {item} is on {host}, where it must not be"));
                    }
                }
            }
            PlanRule::Apart { members, group } => {
                let mut taken: Vec<(u32, usize)> = Vec::new();
                for &m in members {
                    let mut domains: Vec<u32> =
                        places[m].host().into_iter().chain(second[m]).map(|h| group[h]).collect();
                    domains.dedup();
                    taken.extend(domains.into_iter().map(|domain| (domain, m)));
                }
                taken.sort_unstable();
                taken.dedup();
                if taken.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                    found.push(format!("at {moment} ms members that must be apart share a domain"));
                }
            }
            // Judged over the steps as a whole.
            PlanRule::Budget { .. } => {}
            PlanRule::Spread { members, group, min_domains } => {
                let count = |spots: &dyn Fn(usize) -> Option<usize>| {
                    members
                        .iter()
                        .filter_map(|&m| spots(m).map(|h| group[h]))
                        .collect::<BTreeSet<u32>>()
                        .len()
                };
                let first = count(&|m| problem.items[m].from.host());
                let last = count(&|m| problem.items[m].to.host());
                // Whoever is between two domains is in one of them: the fewest domains over all possibilities, one
                // mover at a time.
                let crosses = |m: usize| match (places[m].host(), second[m]) {
                    (Some(a), Some(b)) if group[a] != group[b] => Some((a, b)),
                    _ => None,
                };
                let still = |m: usize| if crosses(m).is_some() { None } else { places[m].host() };
                let with =
                    |mover: usize, side: usize| count(&|m| if m == mover { Some(side) } else { still(m) });
                let sides =
                    members.iter().filter_map(|&m| crosses(m).map(|(a, b)| with(m, a).min(with(m, b))));
                let now = sides.max().unwrap_or_else(|| count(&still));
                if now < (*min_domains).min(first).min(last) {
                    found.push(format!(
                        "at {moment} ms members are in {now} domains, fewer than {min_domains}"
                    ));
                }
            }
        }
    }
}

fn check_orders(problem: &PlanProblem, plan: &Plan, found: &mut Vec<String>) {
    let span = |i: usize| {
        let own = plan.steps.iter().filter(|step| step.item == i);
        let start = own.clone().map(|step| step.start_ms).min()?;
        Some((start, own.map(|step| step.end_ms).max()?))
    };
    let name = |i: usize| &problem.items[i].name;
    let before = |a: usize, b: usize, found: &mut Vec<String>| {
        if let (Some((_, end)), Some((start, _))) = (span(a), span(b))
            && start < end
        {
            found.push(format!("{} begins before {} has ended", name(b), name(a)));
        }
    };
    for order in &problem.orders {
        match order {
            Order::Precedence(a, b) => before(*a, *b, found),
            Order::Sequence(list) => list.windows(2).for_each(|pair| before(pair[0], pair[1], found)),
            Order::Serialize(list) => {
                let mut spans: Vec<(u64, u64)> = plan
                    .steps
                    .iter()
                    .filter(|step| list.contains(&step.item))
                    .map(|step| (step.start_ms, step.end_ms))
                    .collect();
                spans.sort_unstable();
                if spans.windows(2).any(|pair| pair[1].0 < pair[0].1) {
                    found.push("two steps of a serialised set overlap".to_owned());
                }
            }
            Order::Sync(list) => {
                let starts: BTreeSet<u64> = list.iter().filter_map(|&i| Some(span(i)?.0)).collect();
                if starts.len() > 1 {
                    found.push("steps that must begin together do not".to_owned());
                }
            }
            Order::NoDelay(i) => {
                if span(*i).is_some_and(|(start, _)| start > 0) {
                    found.push(format!("{} does not begin at once", name(*i)));
                }
            }
            Order::Deadline(i, limit) => {
                if span(*i).is_some_and(|(_, end)| end > *limit) {
                    found.push(format!("{} misses its deadline", name(*i)));
                }
            }
        }
    }
}

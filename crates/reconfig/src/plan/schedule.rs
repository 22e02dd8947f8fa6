//! The list scheduler: what can begin begins, circles are broken by pivots.

use super::precopy::{CopyModel, estimate};
use super::problem::{Order, PlanError, PlanProblem, PlanRule, PlanSettings, Spot};
use std::collections::{BTreeMap, BTreeSet};

/// What a step does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "the steps of the model, matched by every executor")]
pub enum StepKind {
    /// An item starts on a host.
    Start(usize),
    /// An item stops on a host.
    Stop(usize),
    /// An item moves from one host to another.
    Migrate(usize, usize),
    /// An item is written to storage.
    Suspend(usize),
    /// An item is brought back from storage.
    Resume(usize),
    /// A host is switched on; the step's item is meaningless.
    BootHost(usize),
    /// A host is switched off; the step's item is meaningless.
    ShutdownHost(usize),
}

/// One step with its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Which item.
    pub item: usize,
    /// What.
    pub kind: StepKind,
    /// When it begins, in milliseconds from the beginning.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
}

/// A schedule.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// Steps in order of their beginning.
    pub steps: Vec<Step>,
    /// When the last step ends.
    pub makespan_ms: u64,
    /// No plan ends earlier: the busiest link direction, the longest step and the longest chain of precedences.
    pub lower_bound_ms: u64,
    /// Items that made a detour.
    pub pivots: Vec<usize>,
    /// Items that were suspended and resumed.
    pub suspended: Vec<usize>,
    /// Indices of steps, each of which begins when the one before ends; the last one ends the plan.
    pub critical_path: Vec<usize>,
}

impl Plan {
    /// Where everything is at a moment if the steps in `failed` had no effect: the problem that is left. Steps under
    /// way count as not done. The new plan starts from where things stand.
    #[must_use]
    pub fn rest(&self, problem: &PlanProblem, at_ms: u64, failed: &BTreeSet<usize>) -> PlanProblem {
        let mut rest = problem.clone();
        for (position, step) in self.steps.iter().enumerate() {
            if step.end_ms > at_ms || failed.contains(&position) {
                continue;
            }
            match step.kind {
                StepKind::Start(h) | StepKind::Migrate(_, h) | StepKind::Resume(h) => {
                    rest.items[step.item].from = Spot::On(h);
                }
                StepKind::Stop(_) => rest.items[step.item].from = Spot::Nowhere,
                StepKind::Suspend(h) => rest.items[step.item].from = Spot::Asleep(h),
                StepKind::BootHost(h) => rest.hosts[h].online = true,
                StepKind::ShutdownHost(h) => rest.hosts[h].online = false,
            }
        }
        rest
    }
}

/// Makes a plan.
///
/// # Example
/// ```
/// use ecosystem_reconfig::plan::{PlanHost, PlanItem, PlanProblem, PlanSettings, Spot, check_plan, plan};
///
/// // Two full hosts swap their items over a third.
/// let mut problem = PlanProblem::new();
/// for name in ["a", "b", "pivot"] {
///     problem.hosts.push(PlanHost::new(name.to_owned(), vec![4], 125_000_000));
/// }
/// let item = |name: &str, from, to| {
///     PlanItem::new(name.to_owned(), vec![4], 1_000_000_000, Spot::On(from), Spot::On(to))
/// };
/// problem.items.extend([item("x", 0, 1), item("y", 1, 0)]);
/// let settings = PlanSettings::default();
/// let plan = plan(&problem, &settings)?;
/// assert_eq!((plan.steps.len(), plan.pivots.len()), (3, 1));
/// assert!(check_plan(&problem, &settings, &plan).is_empty());
/// # Ok::<(), ecosystem_reconfig::plan::PlanError>(())
/// ```
pub fn plan(problem: &PlanProblem, settings: &PlanSettings) -> Result<Plan, PlanError> {
    problem.validate()?;
    let mut best: Option<Plan> = None;
    let mut refused = None;
    for attempt in 0..settings.attempts.max(1) {
        match attempt_plan(problem, settings, attempt) {
            Ok(found) => {
                let close = found.makespan_ms.saturating_mul(100) <= found.lower_bound_ms.saturating_mul(102);
                if best.as_ref().is_none_or(|known| found.makespan_ms < known.makespan_ms) {
                    best = Some(found);
                }
                if close {
                    break;
                }
            }
            Err(error) => {
                // A circle without a way out, or a missed deadline: another order may still do, the first error is told.
                refused.get_or_insert(error);
            }
        }
    }
    match (best, refused) {
        (Some(found), _) => Ok(found),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Plan::default()),
    }
}

fn attempt_plan(problem: &PlanProblem, settings: &PlanSettings, attempt: u32) -> Result<Plan, PlanError> {
    let mut scheduler = Scheduler::new(problem, settings, attempt);
    let lower_bound_ms = scheduler.lower_bound();
    scheduler.run()?;
    let mut plan = Plan {
        lower_bound_ms,
        pivots: scheduler.pivots.iter().copied().collect(),
        suspended: scheduler.suspended.iter().copied().collect(),
        ..Plan::default()
    };
    plan.steps = std::mem::take(&mut scheduler.steps);
    plan.steps.sort_by_key(|step| (step.start_ms, step.end_ms, step.item));
    plan.makespan_ms = plan.steps.iter().map(|step| step.end_ms).max().unwrap_or(0);
    plan.critical_path = critical_path(&plan.steps);
    check_times(problem, &plan)?;
    Ok(plan)
}

fn check_times(problem: &PlanProblem, plan: &Plan) -> Result<(), PlanError> {
    for order in &problem.orders {
        let (item, limit_ms, found_ms) = match *order {
            Order::Deadline(item, limit) => {
                (item, limit, plan.steps.iter().filter(|s| s.item == item).map(|s| s.end_ms).max())
            }
            Order::NoDelay(item) => {
                (item, 0, plan.steps.iter().filter(|s| s.item == item).map(|s| s.start_ms).min())
            }
            _ => continue,
        };
        if let Some(found_ms) = found_ms.filter(|&found| found > limit_ms) {
            return Err(PlanError::Late { item: problem.items[item].name.clone(), found_ms, limit_ms });
        }
    }
    Ok(())
}

/// From the last step back to one that began at once, always to a step that ended when this one began.
fn critical_path(steps: &[Step]) -> Vec<usize> {
    let mut by_end: BTreeMap<u64, usize> = BTreeMap::new();
    for (position, step) in steps.iter().enumerate() {
        by_end.entry(step.end_ms).or_insert(position);
    }
    let mut path: Vec<usize> = by_end.values().next_back().copied().into_iter().collect();
    while let Some(&first) = path.last() {
        match by_end.get(&steps[first].start_ms) {
            Some(&before) if steps[first].start_ms > 0 && steps[before].start_ms < steps[first].start_ms => {
                path.push(before);
            }
            _ => break,
        }
    }
    path.reverse();
    path
}

/// How long a migration takes in milliseconds.
pub(super) fn migration_ms(
    problem: &PlanProblem,
    settings: &PlanSettings,
    item: usize,
    from: usize,
    to: usize,
) -> u64 {
    let it = &problem.items[item];
    let link = problem.hosts[from].link_bytes_per_s.min(problem.hosts[to].link_bytes_per_s);
    let share = link as f64 / f64::from(settings.per_direction.max(1));
    let seconds =
        estimate(it.memory_bytes as f64, it.dirty_bytes_per_s as f64, &CopyModel::at(share)).total_s;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what is exact")]
    let ms = (seconds * 1_000.0).ceil().clamp(1.0, 1e15) as u64;
    ms
}

/// How long it takes to write an item to storage, or to read it, in milliseconds.
pub(super) fn storage_ms(problem: &PlanProblem, item: usize, host: usize) -> u64 {
    let link = u128::from(problem.hosts[host].link_bytes_per_s.max(1));
    let ms = u128::from(problem.items[item].memory_bytes) * 1_000 / link;
    u64::try_from(ms).unwrap_or(u64::MAX).max(1)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    Waiting,
    Moving,
    There,
}

struct Scheduler<'a> {
    problem: &'a PlanProblem,
    settings: &'a PlanSettings,
    free: Vec<Vec<u64>>,
    outgoing: Vec<u32>,
    incoming: Vec<u32>,
    /// Where each item is, and where its next step leads.
    place: Vec<Spot>,
    next: Vec<Spot>,
    progress: Vec<Progress>,
    rank: Vec<(u32, u64)>,
    waiting_in: Vec<BTreeSet<(u32, u64, usize)>>,
    waiting_out: Vec<BTreeSet<(u32, u64, usize)>>,
    /// Waits for something that is not capacity.
    after: Vec<BTreeSet<usize>>,
    before: Vec<Vec<usize>>,
    exclusive: Vec<Vec<usize>>,
    sync: Vec<Option<usize>>,
    groups: Vec<Vec<usize>>,
    rules_of: Vec<Vec<usize>>,
    running: BTreeMap<(u64, usize), Step>,
    online: Vec<bool>,
    booting: BTreeSet<usize>,
    closing: BTreeSet<usize>,
    steps: Vec<Step>,
    now: u64,
    pivots: BTreeSet<usize>,
    suspended: BTreeSet<usize>,
    left: usize,
}

impl<'a> Scheduler<'a> {
    fn new(problem: &'a PlanProblem, settings: &'a PlanSettings, attempt: u32) -> Self {
        let (hosts, items) = (problem.hosts.len(), problem.items.len());
        let mut free: Vec<Vec<u64>> = problem.hosts.iter().map(|host| host.capacity.clone()).collect();
        for item in &problem.items {
            if let Some(h) = item.from.host() {
                for (room, demand) in free[h].iter_mut().zip(&item.demand) {
                    *room = room.saturating_sub(*demand);
                }
            }
        }
        let done = |it: &super::problem::PlanItem| it.from == it.to;
        let progress: Vec<Progress> = problem
            .items
            .iter()
            .map(|it| if done(it) { Progress::There } else { Progress::Waiting })
            .collect();
        let mut this = Self {
            problem,
            settings,
            free,
            outgoing: vec![0; hosts],
            incoming: vec![0; hosts],
            place: problem.items.iter().map(|it| it.from).collect(),
            next: problem.items.iter().map(|it| it.to).collect(),
            left: progress.iter().filter(|it| **it == Progress::Waiting).count(),
            progress,
            rank: vec![(0, 0); items],
            waiting_in: vec![BTreeSet::new(); hosts],
            waiting_out: vec![BTreeSet::new(); hosts],
            after: vec![BTreeSet::new(); items],
            before: vec![Vec::new(); items],
            exclusive: vec![Vec::new(); items],
            sync: vec![None; items],
            groups: Vec::new(),
            rules_of: vec![Vec::new(); items],
            running: BTreeMap::new(),
            online: problem.hosts.iter().map(|host| host.online).collect(),
            booting: BTreeSet::new(),
            closing: BTreeSet::new(),
            steps: Vec::new(),
            now: 0,
            pivots: BTreeSet::new(),
            suspended: BTreeSet::new(),
        };
        this.read_orders();
        for (position, rule) in problem.rules.iter().enumerate() {
            let (PlanRule::Apart { members, .. } | PlanRule::Spread { members, .. }) = rule;
            for &member in members {
                this.rules_of[member].push(position);
            }
        }
        this.rank_items(attempt);
        this
    }

    fn read_orders(&mut self) {
        for order in &self.problem.orders {
            match order {
                Order::Precedence(a, b) => self.precede(*a, *b),
                Order::Sequence(list) => {
                    for pair in list.windows(2) {
                        self.precede(pair[0], pair[1]);
                    }
                }
                Order::Serialize(list) => {
                    for &item in list {
                        self.exclusive[item].extend(list.iter().copied().filter(|&other| other != item));
                    }
                }
                Order::Sync(list) => {
                    let group = self.groups.len();
                    for &item in list {
                        self.sync[item] = Some(group);
                    }
                    self.groups.push(list.clone());
                }
                Order::NoDelay(_) | Order::Deadline(..) => {}
            }
        }
    }

    fn precede(&mut self, first: usize, second: usize) {
        if self.progress[first] == Progress::Waiting && first != second {
            self.after[second].insert(first);
            self.before[first].push(second);
        }
    }

    /// Rank: urgency, then the work that hangs on an item: its own time, the rest of its busiest link direction, and
    /// the longest step that waits for its room.
    fn rank_items(&mut self, attempt: u32) {
        let hosts = self.problem.hosts.len();
        let (mut out, mut into) = (vec![0_u64; hosts], vec![0_u64; hosts]);
        let times: Vec<u64> = (0..self.problem.items.len()).map(|i| self.time_of(i)).collect();
        let mut arrivals: Vec<Vec<usize>> = vec![Vec::new(); hosts];
        for (i, &time) in times.iter().enumerate() {
            if self.progress[i] != Progress::Waiting {
                continue;
            }
            if let (Spot::On(a), Spot::On(b)) = (self.place[i], self.next[i]) {
                out[a] += time;
                into[b] += time;
            }
            if let Some(b) = self.next[i].host() {
                arrivals[b].push(i);
            }
        }
        let own: Vec<u64> = (0..times.len())
            .map(|i| match (self.place[i], self.next[i]) {
                (Spot::On(a), Spot::On(b)) => out[a].max(into[b]),
                _ => times[i],
            })
            .collect();
        let deadlines: BTreeMap<usize, u32> = self
            .problem
            .orders
            .iter()
            .filter_map(|order| match order {
                Order::NoDelay(item) => Some((*item, u32::MAX)),
                Order::Deadline(item, ms) => {
                    Some((*item, u32::MAX - 1 - u32::try_from(*ms / 1_000).unwrap_or(u32::MAX).min(1 << 30)))
                }
                _ => None,
            })
            .collect();
        // What waits for the room an item leaves counts on top, two levels deep.
        let mut tail = own.clone();
        for _ in 0..2 {
            let before = tail.clone();
            for (i, value) in tail.iter_mut().enumerate() {
                if let Some(a) = self.place[i].host().filter(|_| self.progress[i] == Progress::Waiting) {
                    let blocked = arrivals[a]
                        .iter()
                        .filter(|&&j| !fits(&self.free[a], &self.problem.items[j].demand))
                        .map(|&j| before[j])
                        .max();
                    *value = own[i].max(times[i] + blocked.unwrap_or(0));
                }
            }
        }
        for (i, work) in tail.into_iter().enumerate() {
            let priority = self.problem.items[i].priority.min(1 << 30);
            let urgency = deadlines.get(&i).copied().unwrap_or(priority);
            let shaken = work / 100 * (100 + shake(attempt, i) % (1 + 3 * u64::from(attempt)));
            self.rank[i] = (u32::MAX - urgency, u64::MAX - shaken.max(u64::from(attempt == 0) * work));
            if self.progress[i] == Progress::Waiting {
                self.enqueue(i);
            }
        }
    }

    fn enqueue(&mut self, i: usize) {
        let key = (self.rank[i].0, self.rank[i].1, i);
        if let Some(a) = self.place[i].host() {
            self.waiting_out[a].insert(key);
        }
        if let Some(b) = self.next[i].host() {
            self.waiting_in[b].insert(key);
        }
    }

    fn dequeue(&mut self, i: usize) {
        let key = (self.rank[i].0, self.rank[i].1, i);
        if let Some(a) = self.place[i].host() {
            self.waiting_out[a].remove(&key);
        }
        if let Some(b) = self.next[i].host() {
            self.waiting_in[b].remove(&key);
        }
    }

    fn kind_of(&self, i: usize) -> StepKind {
        match (self.place[i], self.next[i]) {
            (Spot::On(a), Spot::On(b)) => StepKind::Migrate(a, b),
            (Spot::On(a), Spot::Asleep(_)) => StepKind::Suspend(a),
            (Spot::On(a), Spot::Nowhere) => StepKind::Stop(a),
            (Spot::Asleep(_), Spot::On(b)) => StepKind::Resume(b),
            (_, Spot::On(b)) => StepKind::Start(b),
            // Forgetting what sleeps, or putting to sleep what does not run, takes a stop's time.
            (Spot::Asleep(h), _) | (Spot::Nowhere, Spot::Asleep(h)) => StepKind::Stop(h),
            (Spot::Nowhere, Spot::Nowhere) => StepKind::Stop(0),
        }
    }

    fn time_of(&self, i: usize) -> u64 {
        match self.kind_of(i) {
            StepKind::Start(_) => self.settings.start_ms.max(1),
            StepKind::Stop(_) => self.settings.stop_ms.max(1),
            StepKind::Migrate(a, b) => migration_ms(self.problem, self.settings, i, a, b),
            StepKind::Suspend(h) | StepKind::Resume(h) => storage_ms(self.problem, i, h),
            StepKind::BootHost(_) => self.settings.boot_ms.max(1),
            StepKind::ShutdownHost(_) => self.settings.shutdown_ms.max(1),
        }
    }

    /// The busiest link direction, the longest step, the longest chain of precedences.
    fn lower_bound(&self) -> u64 {
        let hosts = self.problem.hosts.len();
        let (mut out, mut into) = (vec![0_u64; hosts], vec![0_u64; hosts]);
        let mut longest = 0;
        for i in (0..self.problem.items.len()).filter(|&i| self.progress[i] == Progress::Waiting) {
            let time = self.time_of(i);
            longest = longest.max(time);
            if let StepKind::Migrate(a, b) = self.kind_of(i) {
                out[a] += time;
                into[b] += time;
            }
        }
        let busiest =
            out.iter().chain(&into).map(|sum| sum / u64::from(self.settings.per_direction.max(1))).max();
        busiest.unwrap_or(0).max(longest).max(self.longest_chain())
    }

    fn longest_chain(&self) -> u64 {
        let mut finish: BTreeMap<usize, u64> = BTreeMap::new();
        let mut open: BTreeMap<usize, usize> = (0..self.after.len())
            .filter(|&i| !self.after[i].is_empty())
            .map(|i| (i, self.after[i].len()))
            .collect();
        let mut ready: Vec<usize> = (0..self.after.len())
            .filter(|&i| self.after[i].is_empty() && !self.before[i].is_empty())
            .collect();
        let mut longest = 0;
        while let Some(i) = ready.pop() {
            let end = finish.get(&i).copied().unwrap_or(0) + self.time_of(i);
            longest = longest.max(end);
            for &j in &self.before[i] {
                let start = finish.entry(j).or_insert(0);
                *start = (*start).max(end);
                if let Some(count) = open.get_mut(&j) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        open.remove(&j);
                        ready.push(j);
                    }
                }
            }
        }
        longest
    }

    fn run(&mut self) -> Result<(), PlanError> {
        let mut order: Vec<usize> =
            (0..self.problem.items.len()).filter(|&i| self.progress[i] == Progress::Waiting).collect();
        order.sort_unstable_by_key(|&i| (self.rank[i], i));
        for i in order {
            self.try_begin(i);
        }
        self.close_hosts();
        loop {
            while let Some((&(end, key), _)) = self.running.first_key_value() {
                if let Some(step) = self.running.remove(&(end, key)) {
                    self.now = end;
                    self.finish(step);
                }
            }
            if self.left == 0 {
                return Ok(());
            }
            self.break_circle()?;
        }
    }

    /// Why the next step of an item cannot begin now is not told; that it can, is.
    fn can_begin(&self, i: usize) -> bool {
        if self.progress[i] != Progress::Waiting
            || !self.after[i].is_empty()
            || self.exclusive[i].iter().any(|&j| self.progress[j] == Progress::Moving)
        {
            return false;
        }
        let kind = self.kind_of(i);
        if let StepKind::Migrate(a, b) = kind {
            let limit = self.settings.per_direction.max(1);
            if self.outgoing[a] >= limit || self.incoming[b] >= limit {
                return false;
            }
        }
        if let Some(b) = self.next[i].host()
            && (!self.online[b] || !fits(&self.free[b], &self.problem.items[i].demand))
        {
            return false;
        }
        self.rules_of[i].iter().all(|&rule| self.keeps(rule, i))
    }

    /// True if a continuous rule holds with the next step of an item under way.
    fn keeps(&self, rule: usize, i: usize) -> bool {
        match &self.problem.rules[rule] {
            PlanRule::Apart { members, group } => {
                let Some(b) = self.next[i].host() else { return true };
                members
                    .iter()
                    .filter(|&&m| m != i)
                    .flat_map(|&m| self.hosts_of(m))
                    .all(|h| group[h] != group[b])
            }
            PlanRule::Spread { members, group, min_domains } => {
                let now: BTreeSet<u32> =
                    members.iter().filter_map(|&m| self.settled_domain(m, group)).collect();
                let then: BTreeSet<u32> = members
                    .iter()
                    .filter_map(|&m| {
                        if m == i { self.moving_domain(m, group) } else { self.settled_domain(m, group) }
                    })
                    .collect();
                then.len() >= (*min_domains).min(now.len())
            }
        }
    }

    fn hosts_of(&self, m: usize) -> impl Iterator<Item = usize> {
        let target = if self.progress[m] == Progress::Moving { self.next[m].host() } else { None };
        self.place[m].host().into_iter().chain(target)
    }

    fn settled_domain(&self, m: usize, group: &[u32]) -> Option<u32> {
        if self.progress[m] == Progress::Moving {
            return self.moving_domain(m, group);
        }
        self.place[m].host().map(|h| group[h])
    }

    fn moving_domain(&self, m: usize, group: &[u32]) -> Option<u32> {
        match (self.place[m].host(), self.next[m].host()) {
            (Some(a), Some(b)) if group[a] == group[b] => Some(group[a]),
            _ => None,
        }
    }

    fn try_begin(&mut self, i: usize) {
        let together: Vec<usize> = match self.sync[i] {
            Some(group) => self.groups[group]
                .iter()
                .copied()
                .filter(|&m| self.progress[m] == Progress::Waiting)
                .collect(),
            None => vec![i],
        };
        if let Some(b) = self.next[i].host()
            && !self.online[b]
        {
            self.boot(b);
        }
        // Members that begin together must fit together: begin one after the other and take all back if one cannot.
        let mut begun = Vec::new();
        for &m in &together {
            if !self.can_begin(m) {
                for &undone in begun.iter().rev() {
                    self.take_back(undone);
                }
                return;
            }
            self.reserve(m);
            begun.push(m);
        }
        for m in together {
            let step = Step {
                item: m,
                kind: self.kind_of(m),
                start_ms: self.now,
                end_ms: self.now + self.time_of(m),
            };
            self.running.insert((step.end_ms, m), step);
        }
    }

    fn boot(&mut self, h: usize) {
        if self.booting.insert(h) {
            let step = Step {
                item: usize::MAX,
                kind: StepKind::BootHost(h),
                start_ms: self.now,
                end_ms: self.now + self.settings.boot_ms.max(1),
            };
            self.running.insert((step.end_ms, usize::MAX - h), step);
        }
    }

    fn reserve(&mut self, i: usize) {
        self.dequeue(i);
        if let Some(b) = self.next[i].host() {
            for (room, demand) in self.free[b].iter_mut().zip(&self.problem.items[i].demand) {
                *room -= demand;
            }
        }
        if let StepKind::Migrate(a, b) = self.kind_of(i) {
            self.outgoing[a] += 1;
            self.incoming[b] += 1;
        }
        self.progress[i] = Progress::Moving;
    }

    fn take_back(&mut self, i: usize) {
        if let Some(b) = self.next[i].host() {
            for (room, demand) in self.free[b].iter_mut().zip(&self.problem.items[i].demand) {
                *room += demand;
            }
        }
        if let StepKind::Migrate(a, b) = self.kind_of(i) {
            self.outgoing[a] -= 1;
            self.incoming[b] -= 1;
        }
        self.progress[i] = Progress::Waiting;
        self.enqueue(i);
    }

    fn finish(&mut self, step: Step) {
        self.steps.push(step);
        match step.kind {
            StepKind::BootHost(h) => {
                self.online[h] = true;
                return self.wake(&[h]);
            }
            StepKind::ShutdownHost(h) => {
                self.online[h] = false;
                return;
            }
            _ => {}
        }
        let i = step.item;
        let (from, to) = (self.place[i].host(), self.next[i].host());
        if let Some(a) = from {
            for (room, demand) in self.free[a].iter_mut().zip(&self.problem.items[i].demand) {
                *room += demand;
            }
        }
        if let StepKind::Migrate(a, b) = step.kind {
            self.outgoing[a] -= 1;
            self.incoming[b] -= 1;
        }
        self.place[i] = self.next[i];
        let mut touched: Vec<usize> = from.into_iter().chain(to).collect();
        let mut others: Vec<usize> = self.exclusive[i].clone();
        for &rule in &self.rules_of[i] {
            let (PlanRule::Apart { members, .. } | PlanRule::Spread { members, .. }) =
                &self.problem.rules[rule];
            others.extend(members);
        }
        if self.place[i] == self.problem.items[i].to {
            self.progress[i] = Progress::There;
            self.left -= 1;
            for j in self.before[i].clone() {
                self.after[j].remove(&i);
                others.push(j);
            }
        } else {
            self.progress[i] = Progress::Waiting;
            self.next[i] = self.problem.items[i].to;
            self.enqueue(i);
            others.push(i);
        }
        touched.dedup();
        self.wake(&touched);
        others.sort_unstable_by_key(|&j| (self.rank[j], j));
        others.dedup();
        for j in others {
            self.try_begin(j);
        }
        self.close_hosts();
    }

    /// Tries what may have become possible: what leaves and what arrives.
    fn wake(&mut self, hosts: &[usize]) {
        let mut ready: BTreeSet<(u32, u64, usize)> = BTreeSet::new();
        for &h in hosts {
            ready.extend(self.waiting_in[h].iter().chain(&self.waiting_out[h]));
        }
        for (_, _, i) in ready {
            self.try_begin(i);
        }
    }

    /// Hosts that shall go off do so when the last item has left.
    fn close_hosts(&mut self) {
        for h in 0..self.problem.hosts.len() {
            let host = &self.problem.hosts[h];
            if host.stays || !self.online[h] || self.closing.contains(&h) || self.incoming[h] > 0 {
                continue;
            }
            if self.free[h] == host.capacity && self.waiting_in[h].is_empty() {
                self.closing.insert(h);
                let step = Step {
                    item: usize::MAX,
                    kind: StepKind::ShutdownHost(h),
                    start_ms: self.now,
                    end_ms: self.now + self.settings.shutdown_ms.max(1),
                };
                self.running.insert((step.end_ms, usize::MAX - h), step);
            }
        }
    }

    /// Nothing is under way and something waits: one item gives way, the cheapest whose leaving lets another in.
    fn break_circle(&mut self) -> Result<(), PlanError> {
        let waiting: Vec<usize> =
            (0..self.problem.items.len()).filter(|&i| self.progress[i] == Progress::Waiting).collect();
        let movable = |this: &Self, i: usize| {
            this.after[i].is_empty() && matches!((this.place[i], this.next[i]), (Spot::On(_), Spot::On(_)))
        };
        let mut best: Option<(bool, u64, usize, usize)> = None;
        if self.settings.pivots {
            for &i in waiting.iter().filter(|&&i| movable(self, i) && !self.pivots.contains(&i)) {
                let Spot::On(a) = self.place[i] else { continue };
                let helps = self.frees_someone(i, a);
                if let Some(h) = self.pivot_for(i) {
                    let key = (!helps, migration_ms(self.problem, self.settings, i, a, h), i, h);
                    if best.is_none_or(|found| key < found) {
                        best = Some(key);
                    }
                }
            }
        }
        if let Some((_, _, i, h)) = best {
            self.pivots.insert(i);
            self.redirect(i, Spot::On(h));
            return Ok(());
        }
        if self.settings.suspend {
            let candidate = waiting
                .iter()
                .copied()
                .filter(|&i| movable(self, i) && !self.suspended.contains(&i))
                .min_by_key(|&i| {
                    let a = self.place[i].host().unwrap_or(0);
                    (!self.frees_someone(i, a), self.problem.items[i].memory_bytes, i)
                });
            if let Some(i) = candidate {
                self.suspended.insert(i);
                let a = self.place[i].host().unwrap_or(0);
                self.redirect(i, Spot::Asleep(a));
                return Ok(());
            }
        }
        Err(PlanError::Blocked { cycle: self.circle(&waiting) })
    }

    fn redirect(&mut self, i: usize, to: Spot) {
        self.dequeue(i);
        self.next[i] = to;
        self.enqueue(i);
        self.try_begin(i);
        if self.progress[i] == Progress::Waiting {
            // A rule forbids it after all: leave it as it was.
            self.dequeue(i);
            self.next[i] = self.problem.items[i].to;
            self.enqueue(i);
        }
    }

    fn frees_someone(&self, i: usize, a: usize) -> bool {
        let own = &self.problem.items[i].demand;
        self.waiting_in[a].iter().any(|&(_, _, j)| {
            let wanted = &self.problem.items[j].demand;
            self.free[a].iter().zip(own).zip(wanted).all(|((room, back), need)| room + back >= *need)
        })
    }

    /// The host with room that nobody waits for, if there is one, else any with room.
    fn pivot_for(&self, i: usize) -> Option<usize> {
        let demand = &self.problem.items[i].demand;
        (0..self.problem.hosts.len())
            .filter(|&h| self.online[h] && self.problem.hosts[h].stays)
            .filter(|&h| Some(h) != self.place[i].host() && Some(h) != self.problem.items[i].to.host())
            .filter(|&h| fits(&self.free[h], demand))
            .filter(|&h| self.keeps_on(i, h))
            .min_by_key(|&h| (self.waiting_in[h].len(), h))
    }

    fn keeps_on(&self, i: usize, h: usize) -> bool {
        self.rules_of[i].iter().all(|&rule| match &self.problem.rules[rule] {
            PlanRule::Apart { members, group } => members
                .iter()
                .filter(|&&m| m != i)
                .flat_map(|&m| self.hosts_of(m))
                .all(|o| group[o] != group[h]),
            PlanRule::Spread { .. } => true,
        })
    }

    /// Items that wait for each other: from each to one that must leave its target first.
    fn circle(&self, waiting: &[usize]) -> Vec<String> {
        let leaves: BTreeMap<usize, usize> =
            waiting.iter().rev().filter_map(|&i| Some((self.place[i].host()?, i))).collect();
        let blocker =
            |i: usize| self.after[i].first().copied().or_else(|| leaves.get(&self.next[i].host()?).copied());
        let Some(&start) = waiting.first() else { return Vec::new() };
        let mut path = vec![start];
        while let Some(next) = path.last().and_then(|&i| blocker(i)) {
            if let Some(position) = path.iter().position(|&i| i == next) {
                path.drain(..position);
                break;
            }
            path.push(next);
        }
        path.into_iter().map(|i| self.problem.items[i].name.clone()).collect()
    }
}

/// A fixed number for an attempt and an item (`SplitMix64`).
fn shake(attempt: u32, item: usize) -> u64 {
    let mut z = (u64::from(attempt) << 32 | item as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn fits(free: &[u64], demand: &[u64]) -> bool {
    free.iter().zip(demand).all(|(room, need)| room >= need)
}

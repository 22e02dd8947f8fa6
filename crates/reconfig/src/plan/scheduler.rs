//! The list scheduler: what can begin begins.

use super::problem::{Order, PlanError, PlanItem, PlanProblem, PlanSettings, Spot};
use super::steps::{Step, StepKind};
use super::times::{migration_ms, storage_ms};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    Waiting,
    Moving,
    There,
}

pub(super) struct Scheduler<'a> {
    pub(super) problem: &'a PlanProblem,
    pub(super) settings: &'a PlanSettings,
    pub(super) free: Vec<Vec<u64>>,
    pub(super) outgoing: Vec<u32>,
    pub(super) incoming: Vec<u32>,
    /// Where each item is, and where its next step leads.
    pub(super) place: Vec<Spot>,
    pub(super) next: Vec<Spot>,
    pub(super) progress: Vec<Progress>,
    pub(super) rank: Vec<(u32, u64)>,
    pub(super) waiting_in: Vec<BTreeSet<(u32, u64, usize)>>,
    pub(super) waiting_out: Vec<BTreeSet<(u32, u64, usize)>>,
    /// Waits for something that is not capacity.
    pub(super) after: Vec<BTreeSet<usize>>,
    pub(super) before: Vec<Vec<usize>>,
    pub(super) exclusive: Vec<Vec<usize>>,
    pub(super) sync: Vec<Option<usize>>,
    pub(super) groups: Vec<Vec<usize>>,
    pub(super) rules_of: Vec<Vec<usize>>,
    pub(super) running: BTreeMap<(u64, usize), Step>,
    pub(super) online: Vec<bool>,
    pub(super) booting: BTreeSet<usize>,
    pub(super) closing: BTreeSet<usize>,
    pub(super) steps: Vec<Step>,
    pub(super) now: u64,
    pub(super) pivots: BTreeSet<usize>,
    pub(super) suspended: BTreeSet<usize>,
    pub(super) left: usize,
}

impl<'a> Scheduler<'a> {
    pub(super) fn new(problem: &'a PlanProblem, settings: &'a PlanSettings, attempt: u32) -> Self {
        let (hosts, items) = (problem.hosts.len(), problem.items.len());
        let mut free: Vec<Vec<u64>> = problem.hosts.iter().map(|host| host.capacity.clone()).collect();
        for item in &problem.items {
            if let Some(h) = item.from.host() {
                for (room, demand) in free[h].iter_mut().zip(&item.demand) {
                    *room = room.saturating_sub(*demand);
                }
            }
        }
        let done = |it: &PlanItem| it.from == it.to;
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
            for &member in rule.members() {
                this.rules_of[member].push(position);
            }
        }
        this.rank_items(attempt);
        this
    }

    pub(super) fn read_orders(&mut self) {
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

    pub(super) fn precede(&mut self, first: usize, second: usize) {
        if self.progress[first] == Progress::Waiting && first != second {
            self.after[second].insert(first);
            self.before[first].push(second);
        }
    }

    pub(super) fn enqueue(&mut self, i: usize) {
        let key = (self.rank[i].0, self.rank[i].1, i);
        if let Some(a) = self.place[i].host() {
            self.waiting_out[a].insert(key);
        }
        if let Some(b) = self.next[i].host() {
            self.waiting_in[b].insert(key);
        }
    }

    pub(super) fn dequeue(&mut self, i: usize) {
        let key = (self.rank[i].0, self.rank[i].1, i);
        if let Some(a) = self.place[i].host() {
            self.waiting_out[a].remove(&key);
        }
        if let Some(b) = self.next[i].host() {
            self.waiting_in[b].remove(&key);
        }
    }

    pub(super) fn kind_of(&self, i: usize) -> StepKind {
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

    pub(super) fn time_of(&self, i: usize) -> u64 {
        match self.kind_of(i) {
            StepKind::Start(_) => self.settings.start_ms.max(1),
            StepKind::Stop(_) => self.settings.stop_ms.max(1),
            StepKind::Migrate(a, b) => migration_ms(self.problem, self.settings, i, a, b),
            StepKind::Suspend(h) | StepKind::Resume(h) => storage_ms(self.problem, i, h),
            StepKind::BootHost(_) => self.settings.boot_ms.max(1),
            StepKind::ShutdownHost(_) => self.settings.shutdown_ms.max(1),
        }
    }

    pub(super) fn run(&mut self) -> Result<(), PlanError> {
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
    pub(super) fn can_begin(&self, i: usize) -> bool {
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
        self.keeps_all(i, self.next[i].host())
    }

    pub(super) fn try_begin(&mut self, i: usize) {
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

    pub(super) fn boot(&mut self, h: usize) {
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

    pub(super) fn reserve(&mut self, i: usize) {
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

    pub(super) fn take_back(&mut self, i: usize) {
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

    pub(super) fn finish(&mut self, step: Step) {
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
            others.extend(self.problem.rules[rule].members());
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
    pub(super) fn wake(&mut self, hosts: &[usize]) {
        let mut ready: BTreeSet<(u32, u64, usize)> = BTreeSet::new();
        for &h in hosts {
            ready.extend(self.waiting_in[h].iter().chain(&self.waiting_out[h]));
        }
        for (_, _, i) in ready {
            self.try_begin(i);
        }
    }

    /// Hosts that shall go off do so when the last item has left.
    pub(super) fn close_hosts(&mut self) {
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
}

pub(super) fn fits(free: &[u64], demand: &[u64]) -> bool {
    free.iter().zip(demand).all(|(room, need)| room >= need)
}

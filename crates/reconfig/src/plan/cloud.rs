//! Moving a whole application to another site: five phases, in waves that follow its dependencies.
//!
//! # Model
//! - **Prepare** the new site, once.
//! - **Copy** the data of every component over the link between the sites, one after the other in the order of the waves,
//!   while everything serves where it is.
//! - **Cut over** wave by wave: what changed since the copy is sent over the share of the link that is kept for it, the
//!   component starts on the new site, traffic is switched; only in that time it is down.
//! - **Verify** the wave for a while before the next one begins.
//! - **Release** what it left behind, once nobody wants to go back any more.
//!
//! A wave holds only components whose needs moved in earlier waves (start-order edges, and calls and data without which the
//! caller fails); what needs each other in a circle moves together. Data changes at a stated rate, at most once as a whole.
//! Every task begins as soon as those it waits for are over, so the whole takes as long as its critical path. Until its
//! wave is released a component can be brought back; every task says how and how long that takes.
//!
//! Cost: O(components + dependencies).

use ecosystem_core::analysis::upgrade_order;
use ecosystem_core::{Bytes, ComponentId, Criticality, Ecosystem};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is known about the move.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CloudSettings {
    /// Region or zone that is moved to: components whose data may not live there stay. Empty = nothing has to stay.
    pub target: String,
    /// Throughput of the link between the sites in bytes per second. 125 MB/s: 1 Gbit/s.
    pub link_bytes_per_s: u64,
    /// Share of the link, in thousandths, that is kept for what changed since the copy. 250.
    pub sync_permille: u32,
    /// Data of a component, all replicas together; others have the local storage their replicas ask for, and at least
    /// [`image`](Self::image).
    pub data: BTreeMap<ComponentId, Bytes>,
    /// What of every component is copied at least: its image. 1 GiB.
    pub image: Bytes,
    /// Data that changes per hour, in thousandths of all. 20.
    pub change_permille_per_hour: u32,
    /// Components in one wave at most; larger levels are divided, the less critical first. 20.
    pub per_wave: usize,
    /// Time to prepare the new site: networks, accounts, policies. 8 h.
    pub prepare_ms: u64,
    /// Time to start a component there and switch its traffic. 2 min.
    pub switch_ms: u64,
    /// Time a wave is watched before the next one. 30 min.
    pub verify_ms: u64,
    /// How long after it was verified what a wave left behind is kept, so that it can go back. 24 h.
    pub keep_ms: u64,
}

impl Default for CloudSettings {
    fn default() -> Self {
        Self {
            target: String::new(),
            link_bytes_per_s: 125_000_000,
            sync_permille: 250,
            data: BTreeMap::new(),
            image: Bytes::gib(1),
            change_permille_per_hour: 20,
            per_wave: 20,
            prepare_ms: 8 * HOUR_MS,
            switch_ms: 120_000,
            verify_ms: HOUR_MS / 2,
            keep_ms: 24 * HOUR_MS,
        }
    }
}

const HOUR_MS: u64 = 3_600_000;

/// The five phases.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "the phases of the method")]
pub enum CloudPhase {
    /// The new site is made ready.
    Prepare,
    /// Data is copied while everything serves where it is.
    Copy,
    /// The last changes are sent, the component starts there, traffic is switched.
    CutOver,
    /// The wave is watched.
    Verify,
    /// What it left behind is given up.
    Release,
}

impl CloudPhase {
    /// A word for reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Copy => "copy",
            Self::CutOver => "cut over",
            Self::Verify => "verify",
            Self::Release => "release",
        }
    }

    /// How it is undone.
    pub const fn rollback(self) -> &'static str {
        match self {
            Self::Prepare => "delete what was made ready; nothing moved yet",
            Self::Copy => "discard the copy; the component serves where it is",
            Self::CutOver => "switch traffic back and start the old replicas, whose data is as it was",
            Self::Verify => {
                "send back what changed on the new site, switch traffic back, start the old replicas"
            }
            Self::Release => "none: from here on only a move of its own leads back",
        }
    }
}

/// One task.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CloudTask {
    /// What is done.
    pub phase: CloudPhase,
    /// For which wave, from 0; `None` for the preparation.
    pub wave: Option<usize>,
    /// For which component; `None` = for the whole wave or everything.
    pub component: Option<ComponentId>,
    /// When it begins, in milliseconds.
    pub start_ms: u64,
    /// When it is over.
    pub end_ms: u64,
    /// Positions of the tasks that must be over before.
    pub after: Vec<usize>,
    /// Bytes that are sent.
    pub bytes: u64,
    /// How long it takes to undo it once it is over; `None` = it cannot be undone.
    pub undo_ms: Option<u64>,
}

/// The whole move.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CloudPlan {
    /// Components by wave.
    pub waves: Vec<Vec<ComponentId>>,
    /// Everything that is done, each after those it waits for.
    pub tasks: Vec<CloudTask>,
    /// When the last task is over, in milliseconds.
    pub total_ms: u64,
    /// Tasks that decide how long the whole takes, first to last: each begins when the one before ends.
    pub critical_path: Vec<usize>,
    /// Time each component is down.
    pub downtime_ms: BTreeMap<ComponentId, u64>,
    /// Components that do not move, because their data must not live there.
    pub stays: BTreeSet<ComponentId>,
    /// Dependencies between the two sites after each wave.
    pub crossing: Vec<usize>,
}

/// Why there is no plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CloudPlanError {
    /// A setting makes no sense.
    #[error("{name} is {value}, expected {expected}")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it is.
        value: u64,
        /// What was expected.
        expected: &'static str,
    },
    /// Nothing may move.
    #[error("no component can move: none runs on hosts, or the data of all must stay where it is")]
    Nothing,
}

/// A plan to move an application to another site.
///
/// # Errors
/// A link without throughput, a share of the link of nothing or everything, waves without room, or nothing to move.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Dependency, DependencyKind, Ecosystem, Kind};
/// use ecosystem_reconfig::plan::{CloudSettings, cloud_plan};
///
/// let shop = Ecosystem::builder("shop")
///     .component(Component::new("web".parse()?, Kind::Gateway))
///     .component(Component::new("db".parse()?, Kind::Database))
///     .dependency(Dependency::new("web".parse()?, "db".parse()?, DependencyKind::StartOrder))
///     .build()?;
/// let plan = cloud_plan(&shop, &CloudSettings::default())?;
/// assert_eq!(plan.waves.len(), 2);
/// assert_eq!(plan.waves[0][0].as_str(), "db");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cloud_plan(ecosystem: &Ecosystem, settings: &CloudSettings) -> Result<CloudPlan, CloudPlanError> {
    check(settings)?;
    let (moves, stays) = divide(ecosystem, &settings.target);
    if moves.is_empty() {
        return Err(CloudPlanError::Nothing);
    }
    let waves = waves(ecosystem, &moves, settings.per_wave);
    let mut schedule = Schedule { settings, ecosystem, tasks: Vec::new(), downtime: BTreeMap::new() };
    schedule.run(&waves);
    let Schedule { tasks, downtime, .. } = schedule;
    Ok(CloudPlan {
        total_ms: tasks.iter().map(|task| task.end_ms).max().unwrap_or(0),
        critical_path: critical_path(&tasks),
        crossing: crossing(ecosystem, &waves),
        downtime_ms: downtime,
        waves,
        tasks,
        stays,
    })
}

fn check(settings: &CloudSettings) -> Result<(), CloudPlanError> {
    let wrong = |name, value, expected| Err(CloudPlanError::Setting { name, value, expected });
    match () {
        () if settings.link_bytes_per_s == 0 => wrong("link_bytes_per_s", 0, "more than nothing"),
        () if !(1..1_000).contains(&settings.sync_permille) => {
            wrong("sync_permille", settings.sync_permille.into(), "1 to 999")
        }
        () if settings.per_wave == 0 => wrong("per_wave", 0, "at least one"),
        () => Ok(()),
    }
}

/// What moves and what must stay.
fn divide(ecosystem: &Ecosystem, target: &str) -> (Vec<ComponentId>, BTreeSet<ComponentId>) {
    let (mut moves, mut stays) = (Vec::new(), BTreeSet::new());
    for it in ecosystem.components().filter(|it| it.is_placed()) {
        if target.is_empty() || it.residency.is_empty() || it.residency.contains(target) {
            moves.push(it.id.clone());
        } else {
            stays.insert(it.id.clone());
        }
    }
    (moves, stays)
}

/// Levels of the dependency graph, large ones divided: the less critical go first, so that what is learnt from them costs
/// little.
fn waves(ecosystem: &Ecosystem, moves: &[ComponentId], per_wave: usize) -> Vec<Vec<ComponentId>> {
    let critical =
        |id: &ComponentId| ecosystem.component(id).map_or_else(Criticality::default, |it| it.criticality);
    let mut found = Vec::new();
    for mut level in upgrade_order(ecosystem, moves) {
        if level.len() > per_wave {
            level.sort_by_key(|id| (critical(id), id.clone()));
        }
        found.extend(level.chunks(per_wave).map(<[ComponentId]>::to_vec));
    }
    found
}

struct Schedule<'a> {
    settings: &'a CloudSettings,
    ecosystem: &'a Ecosystem,
    tasks: Vec<CloudTask>,
    downtime: BTreeMap<ComponentId, u64>,
}

impl Schedule<'_> {
    fn run(&mut self, waves: &[Vec<ComponentId>]) {
        let prepared = self.add(CloudPhase::Prepare, None, None, &[], self.settings.prepare_ms, 0, Some(0));
        let mut copies: Vec<Vec<usize>> = Vec::new();
        let mut last = prepared;
        for (wave, members) in waves.iter().enumerate() {
            let mut here = Vec::new();
            for id in members {
                let bytes = self.data_of(id);
                let took = sending(bytes, self.copy_rate());
                last = self.add(CloudPhase::Copy, Some(wave), Some(id), &[last], took, bytes, Some(0));
                here.push(last);
            }
            copies.push(here);
        }
        let mut verified = prepared;
        for (wave, members) in waves.iter().enumerate() {
            let cuts = self.cut_over(wave, members, &copies[wave], verified);
            let back = self.settings.switch_ms.saturating_add(self.undo_of(members));
            verified =
                self.add(CloudPhase::Verify, Some(wave), None, &cuts, self.settings.verify_ms, 0, Some(back));
            self.add(CloudPhase::Release, Some(wave), None, &[verified], self.settings.keep_ms, 0, None);
        }
    }

    /// All of a wave goes down together, the changes are sent one after the other, and each is up again on its own.
    fn cut_over(
        &mut self,
        wave: usize,
        members: &[ComponentId],
        copies: &[usize],
        verified: usize,
    ) -> Vec<usize> {
        let mut all: Vec<usize> = copies.to_vec();
        all.push(verified);
        let begins = self.end_of(&all);
        let (mut cuts, mut sent) = (Vec::new(), 0_u64);
        for (id, &copy) in members.iter().zip(copies) {
            let bytes = self.changed(id, begins.saturating_sub(self.tasks[copy].end_ms));
            let took = sending(bytes, self.sync_rate());
            sent = sent.saturating_add(took);
            let down = sent.saturating_add(self.settings.switch_ms);
            // Its changes are sent after those of the members before it; their switches do not hold it up.
            let undo = Some(self.settings.switch_ms);
            let cut = self.add(CloudPhase::CutOver, Some(wave), Some(id), &all, down, bytes, undo);
            self.downtime.insert(id.clone(), down);
            cuts.push(cut);
        }
        cuts
    }

    /// Sending back what changed while the wave was watched.
    fn undo_of(&self, members: &[ComponentId]) -> u64 {
        let bytes = members
            .iter()
            .fold(0_u64, |sum, id| sum.saturating_add(self.changed(id, self.settings.verify_ms)));
        sending(bytes, self.sync_rate())
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a task")]
    fn add(
        &mut self,
        phase: CloudPhase,
        wave: Option<usize>,
        component: Option<&ComponentId>,
        after: &[usize],
        took_ms: u64,
        bytes: u64,
        undo_ms: Option<u64>,
    ) -> usize {
        let start_ms = self.end_of(after);
        let end_ms = start_ms.saturating_add(took_ms);
        let (after, component) = (after.to_vec(), component.cloned());
        self.tasks.push(CloudTask { phase, wave, component, start_ms, end_ms, after, bytes, undo_ms });
        self.tasks.len() - 1
    }

    fn end_of(&self, tasks: &[usize]) -> u64 {
        tasks.iter().map(|&task| self.tasks[task].end_ms).max().unwrap_or(0)
    }

    fn data_of(&self, id: &ComponentId) -> u64 {
        let stated = self.settings.data.get(id).map(|data| data.get());
        let component = self.ecosystem.component(id);
        let asked = component
            .map_or(0, |it| it.requirements.request.disk.get().saturating_mul(u64::from(it.replicas)));
        stated.unwrap_or(asked).max(self.settings.image.get())
    }

    /// Data that changed within a time, at most all of it. An image does not change.
    fn changed(&self, id: &ComponentId, within_ms: u64) -> u64 {
        let data = self.data_of(id);
        if data <= self.settings.image.get() {
            return 0;
        }
        let rate = u128::from(data) * u128::from(self.settings.change_permille_per_hour);
        let changed = rate * u128::from(within_ms) / (1_000 * u128::from(HOUR_MS));
        u64::try_from(changed).unwrap_or(u64::MAX).min(data)
    }

    fn sync_rate(&self) -> u64 {
        share(self.settings.link_bytes_per_s, self.settings.sync_permille)
    }

    fn copy_rate(&self) -> u64 {
        share(self.settings.link_bytes_per_s, 1_000 - self.settings.sync_permille)
    }
}

fn share(rate: u64, permille: u32) -> u64 {
    let part = u128::from(rate) * u128::from(permille) / 1_000;
    u64::try_from(part).unwrap_or(u64::MAX).max(1)
}

/// Milliseconds to send so many bytes, rounded up.
fn sending(bytes: u64, per_s: u64) -> u64 {
    u64::try_from((u128::from(bytes) * 1_000).div_ceil(u128::from(per_s.max(1)))).unwrap_or(u64::MAX)
}

/// Back from the task that ends last, always to one that ended when the next began.
fn critical_path(tasks: &[CloudTask]) -> Vec<usize> {
    let mut path = Vec::new();
    let mut at = (0..tasks.len()).max_by_key(|&task| (tasks[task].end_ms, std::cmp::Reverse(task)));
    while let Some(task) = at {
        path.push(task);
        at = tasks[task].after.iter().copied().find(|&before| tasks[before].end_ms == tasks[task].start_ms);
    }
    path.reverse();
    path
}

fn crossing(ecosystem: &Ecosystem, waves: &[Vec<ComponentId>]) -> Vec<usize> {
    let mut moved: BTreeSet<&ComponentId> = BTreeSet::new();
    let placed = |id: &ComponentId| ecosystem.component(id).is_some_and(ecosystem_core::Component::is_placed);
    waves
        .iter()
        .map(|wave| {
            moved.extend(wave);
            let across = |edge: &&ecosystem_core::Dependency| {
                placed(&edge.from)
                    && placed(&edge.to)
                    && moved.contains(&edge.from) != moved.contains(&edge.to)
            };
            ecosystem.dependencies().filter(across).count()
        })
        .collect()
}

impl fmt::Display for CloudPlan {
    /// One line for each task, with its rollback, then the critical path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = |ms: u64| ms as f64 / HOUR_MS as f64;
        let name = |task: &CloudTask| {
            let wave = task.wave.map_or_else(String::new, |wave| format!(" wave {}", wave + 1));
            let of = task.component.as_ref().map_or_else(String::new, |id| format!(" {id}"));
            format!("{}{wave}{of}", task.phase.word())
        };
        for task in &self.tasks {
            let (start, end) = (hours(task.start_ms), hours(task.end_ms));
            writeln!(f, "{start:>8.2} h {end:>8.2} h  {} (back: {})", name(task), task.phase.rollback())?;
        }
        let path: Vec<String> = self.critical_path.iter().map(|&task| name(&self.tasks[task])).collect();
        writeln!(f, "{:.2} h in all; critical path: {}", hours(self.total_ms), path.join(" -> "))
    }
}

//! The shards of a placement as work items.

use crate::{Board, Done, Item, NatsError, Outcome};
use serde_json::{from_slice, to_vec};
use std::cell::OnceCell;
use std::time::Duration;
use vm_ecosystem::placement::{
    Problem, Settings, ShardAnswer, ShardRound, ShardTask, ShardedSearch, Solution, solve_sharded,
};

/// What coordinator and workers must have in common.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "arguments by name")]
pub struct Input<'a> {
    /// Names problem, settings and shard size, best with a digest of what they were made from: work of another name is refused.
    pub name: &'a str,
    /// The problem.
    pub problem: &'a Problem,
    /// How it is searched.
    pub settings: &'a Settings,
    /// Items of a shard; zero = the library's choice.
    pub items_per_shard: usize,
}

// As they travel: without names, so that they need no more of the library than its public fields.
type Task = (String, usize, usize, Option<Vec<u32>>);
type Answer = (Vec<u32>, u64);

/// Solves a problem in shards by whoever works at the board: the solution is that of
/// [`solve_sharded`](vm_ecosystem::placement::solve_sharded). `patience` is for each round; a problem too small for two shards is
/// solved here.
pub fn place(board: &Board, input: &Input<'_>, patience: Duration) -> Result<Solution, NatsError> {
    let Some(search) = ShardedSearch::new(input.problem, input.settings, input.items_per_shard) else {
        return Ok(solve_sharded(input.problem, input.settings, input.items_per_shard));
    };
    let (mut assignment, mut work) = (search.start(), 0);
    for round in (0..search.rounds()).filter_map(|number| search.round(number)) {
        let tasks = round.tasks(&assignment);
        let mut keys = Vec::with_capacity(tasks.len());
        for task in &tasks {
            keys.push(board.submit(&item(input.name, task)?)?);
        }
        let outcomes = board.collect(&keys, patience)?;
        for (task, key) in tasks.iter().zip(&keys) {
            let answer = match outcomes.get(key) {
                Some(Outcome::Done(bytes)) => answer(input.name, task, bytes)?,
                Some(Outcome::Dead(letter)) => {
                    return Err(NatsError::GivenUp {
                        id: letter.item.id.clone(),
                        deliveries: letter.deliveries,
                        reason: letter.reason.clone(),
                    });
                }
                None => return Err(NatsError::Late { missing: 1, of: keys.len(), waited: patience }),
            };
            let id = || id(input.name, task);
            round
                .merge(&answer, &mut assignment)
                .map_err(|e| NatsError::Answer { id: id(), reason: e.to_string() })?;
            work += answer.work;
        }
    }
    Ok(search.finish(assignment, work))
}

/// Searches shards of one problem as they come until `enough` says so, which is asked after each item and each second without
/// one. Errors of the connection are told to `enough`, too, and work goes on.
pub fn serve(board: &Board, input: &Input<'_>, enough: impl FnMut(Result<Option<Done>, NatsError>) -> bool) {
    serve_watched(board, input, |_| {}, enough);
}

/// As [`serve`], with `begins` told of each item before it is searched.
pub fn serve_watched(
    board: &Board,
    input: &Input<'_>,
    mut begins: impl FnMut(&Item),
    mut enough: impl FnMut(Result<Option<Done>, NatsError>) -> bool,
) {
    let search = ShardedSearch::new(input.problem, input.settings, input.items_per_shard);
    // A round costs a pass over the problem: each is made once.
    let count = search.as_ref().map_or(0, ShardedSearch::rounds);
    let rounds: Vec<OnceCell<Option<ShardRound<'_>>>> = (0..count).map(|_| OnceCell::new()).collect();
    let work = |item: &Item| {
        let (name, round, shard, start): Task = from_slice(&item.body).map_err(|e| e.to_string())?;
        if name != input.name {
            return Err(format!("work for `{name}` came to a worker for `{}`", input.name));
        }
        let made = rounds.get(round).map(|it| it.get_or_init(|| search.as_ref()?.round(round)));
        let found = made.and_then(Option::as_ref).ok_or_else(|| format!("there is no round {round}"))?;
        let answer = found.search(&ShardTask { round, shard, start }).map_err(|e| e.to_string())?;
        to_vec(&(answer.hosts, answer.work)).map_err(|e| e.to_string())
    };
    let mut next = || {
        board.work_one(Duration::from_secs(1), |item| {
            begins(item);
            work(item)
        })
    };
    while !enough(next()) {}
}

fn id(name: &str, task: &ShardTask) -> String {
    format!("{name}: shard {} of round {}", task.shard, task.round)
}

fn item(name: &str, task: &ShardTask) -> Result<Item, NatsError> {
    let body = to_vec(&(name, task.round, task.shard, &task.start));
    let bad =
        |e: serde_json::Error| NatsError::Failed { what: "a task cannot be written", reason: e.to_string() };
    Ok(Item::new(id(name, task), body.map_err(bad)?))
}

fn answer(name: &str, task: &ShardTask, bytes: &[u8]) -> Result<ShardAnswer, NatsError> {
    let (hosts, work): Answer =
        from_slice(bytes).map_err(|e| NatsError::Answer { id: id(name, task), reason: e.to_string() })?;
    Ok(ShardAnswer { round: task.round, shard: task.shard, hosts, work })
}

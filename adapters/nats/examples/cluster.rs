//! A placement by several processes: `cargo run --manifest-path adapters/Cargo.toml -p ecosystem-nats --example cluster`.
//!
//! Starts a `nats-server` of its own on the loopback and worker processes (this program again), gives the shards of a placement to
//! whoever is free, kills a worker that holds one, and tells who did what, how long it took, and whether the result is the one that a
//! single process finds. The last line is JSON; the program ends with 1 if the results differ, with 2 if it cannot be run.
//!
//! ```text
//! cluster [--items N] [--workers N]        items of the placement (600), workers that survive (2)
//! ```
#![allow(clippy::unwrap_used, reason = "an example; what may fail is said before")]

#[path = "../tests/server/mod.rs"]
mod server;

use ecosystem_nats::{Board, Done, Input, NatsError, Settings, place, serve_watched};
use server::Nats;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use vm_ecosystem::placement::{
    DenseBuilder, DenseHost, DenseItem, Dimension, Problem, Settings as Search, Solution, check_assignment,
    solve_sharded,
};

/// Items of a shard.
const SHARD: usize = 60;
/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Services that talk to earlier ones, on hosts of different prices. Every process makes the same from the same number.
fn problem(items: u32) -> Problem {
    let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
    for host in 0..items / 3 {
        let open_cost = 50 + i64::from(host * 13 % 29);
        raw.host(DenseHost { capacity: vec![16], open_cost, ..DenseHost::default() });
    }
    for item in 0..items {
        raw.item(DenseItem { demand: vec![1 + i64::from(item * 7 % 5)], ..DenseItem::default() });
        if item > 2 {
            raw.edge(item * 5 % (item - 1), item, 1 + i64::from(item % 9));
        }
    }
    raw.build().unwrap()
}

fn search() -> Search {
    Search::default().with_work(60_000).with_seed(3)
}

fn board(url: &str) -> Result<Board, NatsError> {
    let mut settings = Settings::new(url, "shards");
    // A worker that is silent for a second has lost its shard.
    settings.patience = Duration::from_secs(1);
    Board::open(settings)
}

/// A worker: takes shards until it is killed, and says on standard output what it does. One that `stalls` stands still in the
/// first shard that it gets, as with a disk that hangs.
fn work(url: &str, items: u32, stalls: bool) -> Result<(), NatsError> {
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        // Nobody listens any more: it ends with the others.
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    };
    let (problem, search, board) = (problem(items), search(), board(url)?);
    let input = Input { name: "cluster", problem: &problem, settings: &search, items_per_shard: SHARD };
    say("ready".into());
    let begins = |item: &ecosystem_nats::Item| {
        say(format!("began {}", item.id));
        if stalls {
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    };
    serve_watched(&board, &input, begins, |done| {
        match done {
            Ok(Some(Done::Answered(_))) => say("answered".into()),
            Ok(Some(other)) => say(format!("did not answer: {other:?}")),
            Ok(None) => say("idle".into()),
            Err(e) => say(format!("trouble: {e}")),
        }
        false
    });
    Ok(())
}

/// A worker process, which dies with this one.
struct Worker {
    name: &'static str,
    child: Child,
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

type Word = (&'static str, String);

impl Worker {
    fn start(name: &'static str, url: &str, items: u32, stalls: bool, words: Sender<Word>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["worker", url, &items.to_string(), if stalls { "stalls" } else { "works" }]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| words.send((name, line))));
        Self { name, child }
    }
}

/// What was told, in the order of its arrival.
struct Account {
    begin: Instant,
    words: Receiver<Word>,
    // Shard that each one has.
    at: BTreeMap<&'static str, String>,
    answered: BTreeMap<&'static str, Vec<String>>,
}

impl Account {
    fn say(&self, what: &str) {
        println!("{:7.2} s  {what}", self.begin.elapsed().as_secs_f64());
    }

    /// Listens until `enough`; who said it last and what, or `None` if nobody says anything for too long.
    fn until(&mut self, mut enough: impl FnMut(&str, &str) -> bool) -> Option<Word> {
        loop {
            let (name, line) = self.words.recv_timeout(PATIENCE).ok()?;
            self.note(name, &line);
            if enough(name, &line) {
                return Some((name, line));
            }
        }
    }

    fn note(&mut self, name: &'static str, line: &str) {
        if let Some(shard) = line.strip_prefix("began cluster: ") {
            self.at.insert(name, shard.to_owned());
        } else if line == "answered" {
            let shard = self.at.remove(name).unwrap_or_default();
            self.answered.entry(name).or_default().push(shard);
        } else if line != "idle" && line != "ready" {
            self.say(&format!("{name}: {line}"));
        }
    }

    /// What was told and is not read yet.
    fn rest(&mut self, answers: u64) {
        let count = |it: &Self| it.answered.values().map(Vec::len).sum::<usize>() as u64;
        while count(self) < answers {
            match self.words.recv_timeout(PATIENCE) {
                Ok((name, line)) => self.note(name, &line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// `round 0: 1 2 5, round 1: 0` of `shard 1 of round 0`, …
fn by_round(shards: &[String]) -> String {
    let mut rounds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for shard in shards {
        let (number, round) = shard.trim_start_matches("shard ").split_once(" of ").unwrap_or((shard, "?"));
        rounds.entry(round).or_default().push(number);
    }
    let text = rounds.into_iter().map(|(round, shards)| format!("{round}: {}", shards.join(" ")));
    text.collect::<Vec<_>>().join(", ")
}

fn cluster(items: u32, workers: usize) -> Result<bool, String> {
    const NAMES: [&str; 8] = ["bob", "cid", "dan", "eve", "fay", "gil", "hal", "ida"];
    let (problem, settings) = (problem(items), search());
    let input = Input { name: "cluster", problem: &problem, settings: &settings, items_per_shard: SHARD };
    let begin = Instant::now();
    let alone: Solution = solve_sharded(&problem, &settings, SHARD);
    let alone_s = begin.elapsed().as_secs_f64();
    println!("one process places {items} items on {} hosts in {alone_s:.2} s", items / 3);

    let (words, heard) = channel();
    let mut account =
        Account { begin: Instant::now(), words: heard, at: BTreeMap::new(), answered: BTreeMap::new() };
    let nats = Nats::start("cluster");
    account.say(&format!("nats-server listens on {}", nats.url));
    let board = board(&nats.url).map_err(|e| e.to_string())?;
    let mut ann = Worker::start("ann", &nats.url, items, true, words.clone());
    account.until(|_, line| line == "ready").ok_or("the first worker does not start")?;
    let asked = Instant::now();
    let (placed, mut team) = std::thread::scope(|scope| {
        let placing = scope.spawn(|| place(&board, &input, PATIENCE));
        // She alone is there, so she gets a shard, however fast or slow the machine is.
        let held =
            account.until(|name, line| name == "ann" && line.starts_with("began")).ok_or("no shard came")?;
        let rest = NAMES[..workers].iter();
        let team: Vec<Worker> =
            rest.map(|name| Worker::start(name, &nats.url, items, false, words.clone())).collect();
        ann.child.kill().map_err(|e| e.to_string())?;
        account.say(&format!("{} is killed with {}", ann.name, held.1.trim_start_matches("began cluster: ")));
        let placed = placing.join().map_err(|_| "the placement panicked")?.map_err(|e| e.to_string())?;
        Ok::<_, String>((placed, team))
    })?;
    let took = asked.elapsed().as_secs_f64();
    let answers = board.answered().map_err(|e| e.to_string())?;
    account.rest(answers);
    account.say(&format!("{answers} shards are answered, {took:.2} s after the first was given out"));
    for worker in &mut team {
        let done = account.answered.remove(worker.name).unwrap_or_default();
        println!("           {} {:3} shards   {}", worker.name, done.len(), by_round(&done));
    }
    println!("           {}   0 shards   what she held was done by another", ann.name);
    let sound = check_assignment(&problem, &placed.assignment).is_ok();
    let equal = placed == alone && sound;
    println!(
        "cost {} on {} hosts, {} the placement of one process, {} by the independent check",
        placed.cost.total(),
        placed.assignment.iter().collect::<std::collections::BTreeSet<_>>().len(),
        if placed == alone { "equal to" } else { "NOT equal to" },
        if sound { "sound" } else { "NOT sound" },
    );
    println!(
        "{{\"items\":{items},\"workers\":{},\"killed\":1,\"shards\":{answers},\"equal\":{equal},\"alone_s\":{alone_s:.3},\"cluster_s\":{took:.3}}}",
        workers + 1
    );
    Ok(equal)
}

fn arguments(words: &[String]) -> Result<(u32, usize), String> {
    let (mut items, mut workers) = (600, 2);
    for pair in words.chunks(2) {
        let number = pair.get(1).and_then(|it| it.parse::<u32>().ok());
        match (pair[0].as_str(), number) {
            ("--items", Some(it @ 120..=100_000)) => items = it,
            ("--workers", Some(it @ 1..=8)) => workers = it as usize,
            _ => {
                return Err(format!("`{}`: expected --items 120..100000 and --workers 1..8", pair.join(" ")));
            }
        }
    }
    Ok((items, workers))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let ended = match words.first().map(String::as_str) {
        Some("worker") if words.len() == 4 => {
            let items = words[2].parse().unwrap_or(0);
            work(&words[1], items, words[3] == "stalls").map_err(|e| e.to_string()).map(|()| true)
        }
        _ => arguments(&words).and_then(|(items, workers)| match Nats::program() {
            Some(_) => cluster(items, workers),
            None => Err("nats-server is not installed (Debian package nats-server)".into()),
        }),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("cluster: {e}");
            ExitCode::from(2)
        }
    }
}

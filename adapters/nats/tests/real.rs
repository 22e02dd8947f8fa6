//! Against a real `nats-server` with `ECO_REAL=1`: workers are killed, stand still and fail, and every item has one outcome.
#![allow(clippy::unwrap_used, reason = "tests")]

mod server;

use ecosystem_nats::{Board, Done, Input, Item, NatsError, Outcome, Settings, place, serve};
use server::Nats;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use vm_ecosystem::placement::{
    DenseBuilder, DenseHost, DenseItem, Dimension, Problem, Settings as Search, ShardedSearch,
    check_assignment, solve_sharded,
};

const ROLE: &str = "ECO_NATS_ROLE";
const URL: &str = "ECO_NATS_URL";
const SHARD: usize = 30;

/// `None`, and why, where no real systems are to be started.
fn nats(name: &str) -> Option<Nats> {
    if std::env::var_os("ECO_REAL").is_some_and(|it| it == "1") {
        return Some(Nats::start(name));
    }
    println!("skipped: a real nats-server is started only with ECO_REAL=1 (Debian package nats-server)");
    None
}

fn settings(url: &str, name: &str) -> Settings {
    let mut settings = Settings::new(url, name);
    settings.patience = Duration::from_secs(1);
    settings.deliveries = 3;
    settings
}

/// Pairs that talk, on hosts of two prices: what one shard finds depends on all of its items.
fn problem() -> Problem {
    let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
    for host in 0..60 {
        raw.host(DenseHost { capacity: vec![16], open_cost: 50 + host % 7, ..DenseHost::default() });
    }
    for item in 0..180 {
        raw.item(DenseItem { demand: vec![1 + i64::from(item * 7 % 5)], ..DenseItem::default() });
        if item > 2 {
            raw.edge(item * 5 % (item - 1), item, 1 + i64::from(item % 9));
        }
    }
    raw.build().unwrap()
}

fn search() -> Search {
    Search::default().with_work(20_000).with_seed(3)
}

fn input<'a>(problem: &'a Problem, settings: &'a Search) -> Input<'a> {
    Input { name: "test-1", problem, settings, items_per_shard: SHARD }
}

/// Not a test by itself: the other process of the tests below.
#[test]
fn child_that_works_until_it_is_killed() {
    let (Ok(role), Ok(url)) = (std::env::var(ROLE), std::env::var(URL)) else { return };
    let say = |line: &str| {
        let mut out = std::io::stderr().lock();
        writeln!(out, "{line}").unwrap();
    };
    let name = if role == "serves" || role == "stuck" { "shards" } else { "items" };
    let board = Board::open(settings(&url, name)).unwrap();
    loop {
        match role.as_str() {
            "serves" => {
                let (problem, settings) = (problem(), search());
                serve(&board, &input(&problem, &settings), |done| {
                    if let Ok(Some(done)) = done {
                        say(&format!("{done:?}"));
                    }
                    false
                });
            }
            "aborts" => {
                drop(board.work_one(Duration::from_secs(1), |item| {
                    if item.id == "deadly" {
                        std::process::abort();
                    }
                    Ok(b"alive".to_vec())
                }));
            }
            // Takes an item and does not come to an end with it soon.
            _ => {
                let span = Duration::from_millis(if role == "stuck" { 60_000 } else { 700 });
                let done = board.work_one(Duration::from_secs(1), |_| {
                    say("began");
                    std::thread::sleep(span);
                    Ok(b"late".to_vec())
                });
                say(&format!("{done:?}"));
            }
        }
    }
}

struct Worker {
    child: Child,
    lines: BufReader<std::process::ChildStderr>,
    // Kept open, so that the child's harness can write.
    _out: ChildStdout,
}

impl Worker {
    fn start(url: &str, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_works_until_it_is_killed", "--nocapture", "--test-threads", "1"])
            .env(ROLE, role)
            .env(URL, url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let out = child.stdout.take().unwrap();
        Self { child, lines, _out: out }
    }

    fn hears(&mut self, word: &str) -> String {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "a worker ended before `{word}`");
        }
        line
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(format!("-{name}")).arg(id).status().unwrap().success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn shards_are_placed_by_several_processes_as_by_one_though_workers_are_killed_in_the_middle() {
    let Some(nats) = nats("shards") else { return };
    let (problem, settings_of_search) = (problem(), search());
    let input = input(&problem, &settings_of_search);
    let here = solve_sharded(&problem, &settings_of_search, SHARD);
    let board = Board::open(settings(&nats.url, "shards")).unwrap();
    let placed = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut stuck = Worker::start(&nats.url, "stuck");
            stuck.hears("began");
            // It has an item for sure, and will never answer it.
            stuck.signal("KILL");
            let (mut ann, mut bob) = (Worker::start(&nats.url, "serves"), Worker::start(&nats.url, "serves"));
            ann.hears("Answered");
            ann.signal("KILL");
            bob.hears("Answered");
            (ann, bob)
        });
        let placed = place(&board, &input, Duration::from_secs(60)).unwrap();
        drop(killer.join().unwrap());
        placed
    });
    assert_eq!(placed, here);
    check_assignment(&problem, &placed.assignment).unwrap();
    let search = ShardedSearch::new(&problem, &settings_of_search, SHARD).unwrap();
    let shards: usize =
        (0..search.rounds()).map(|it| search.round(it).unwrap().tasks(&search.start()).len()).sum();
    assert!(shards >= 12, "{shards}");
    assert_eq!(board.answered().unwrap(), shards as u64, "each shard has one answer");
    assert_eq!(board.waiting().unwrap(), (0, 0));
    // Again: everything is known, nobody has to work.
    assert_eq!(place(&board, &input, Duration::from_secs(5)).unwrap(), here);
    // A worker with another input refuses what is not its own.
    let other = Input { name: "test-2", ..input };
    let waits = Duration::from_millis(300);
    let late = place(&board, &other, waits).unwrap_err();
    assert!(matches!(late, NatsError::Late { .. }), "{late}");
    let mut seen = None;
    serve(&board, &input, |done| {
        seen = done.unwrap();
        true
    });
    assert!(matches!(&seen, Some(Done::Failed(_, reason)) if reason.contains("test-2")), "{seen:?}");
}

#[test]
fn an_item_that_fails_again_and_again_is_given_up_with_its_reason_and_the_others_are_done() {
    let Some(nats) = nats("poison") else { return };
    let board = Board::open(settings(&nats.url, "items")).unwrap();
    let items = ["good", "bad", "wild", "deadly", "fine"].map(|id| Item::new(id, format!("input of {id}")));
    let keys: Vec<_> = items.iter().map(|it| board.submit(it).unwrap()).collect();
    // One of them kills every process that takes it: each time another worker is started.
    let mut worker = Worker::start(&nats.url, "aborts");
    let begin = Instant::now();
    while board.collect(&keys, Duration::ZERO).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", board.waiting());
        if worker.child.try_wait().unwrap().is_some() {
            worker = Worker::start(&nats.url, "aborts");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let found = board.collect(&keys, Duration::from_secs(1)).unwrap();
    let Outcome::Dead(letter) = &found[&keys[3]] else { panic!("{found:?}") };
    assert_eq!((letter.item.clone(), letter.deliveries), (items[3].clone(), 3));
    assert!(letter.reason.contains("died"), "{}", letter.reason);
    assert!(keys.iter().enumerate().all(|(at, key)| at == 3 || matches!(found[key], Outcome::Done(_))));
    drop(worker);
    // Errors and panics of the work are failures of the item.
    let items = ["bad", "wild", "good"].map(|id| Item::new(id, "other input"));
    let keys: Vec<_> = items.iter().map(|it| board.submit(it).unwrap()).collect();
    let mut counts = BTreeMap::<String, u32>::new();
    while board.collect(&keys, Duration::ZERO).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(120));
        let done = board.work_one(Duration::from_millis(500), |item| {
            *counts.entry(item.id.clone()).or_insert(0) += 1;
            match item.id.as_str() {
                "bad" => Err("no such host\r\nat all".into()),
                "wild" => panic!("beyond the end"),
                _ => Ok(item.body.clone()),
            }
        });
        done.unwrap();
    }
    let found = board.collect(&keys, Duration::from_secs(1)).unwrap();
    let dead = |at: usize| match &found[&keys[at]] {
        Outcome::Dead(letter) => (letter.deliveries, letter.reason.clone()),
        other @ Outcome::Done(_) => panic!("{other:?}"),
    };
    assert_eq!(dead(0), (3, "no such host  at all".into()));
    assert_eq!(dead(1), (3, "panic: beyond the end".into()));
    assert_eq!(found[&keys[2]], Outcome::Done(b"other input".to_vec()));
    assert_eq!((counts["bad"], counts["good"], counts["wild"]), (3, 1, 3));
    assert_eq!(board.waiting().unwrap(), (0, 0));
}

#[test]
fn twice_submitted_and_twice_done_is_answered_once_and_what_waits_is_bounded() {
    let Some(nats) = nats("once") else { return };
    let mut few = settings(&nats.url, "items");
    (few.waiting, few.in_flight) = (3, 1);
    let board = Board::open(few).unwrap();
    let item = |number: u32| Item::new("item", number.to_le_bytes());
    let key = board.submit(&item(0)).unwrap();
    assert_eq!(board.submit(&item(0)).unwrap(), key);
    assert_eq!(board.waiting().unwrap(), (1, 0));
    // A worker stands still in the middle for longer than it is waited for; another one does the work.
    let mut slow = Worker::start(&nats.url, "slow");
    slow.hears("began");
    slow.signal("STOP");
    // No more than one may be with workers, and one is.
    board.submit(&item(1)).unwrap();
    assert_eq!(board.work_one(Duration::from_millis(100), |_| Ok(Vec::new())).unwrap(), None);
    let begin = Instant::now();
    let first = loop {
        let done = board.work_one(Duration::from_secs(1), |_| Ok(b"first".to_vec())).unwrap();
        if board.outcome(&key).unwrap().is_some() {
            break done;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "given out again");
    };
    assert_eq!(first, Some(Done::Answered(key.clone())));
    slow.signal("CONT");
    assert!(slow.hears("Known").contains(&key.to_string()));
    drop(slow);
    assert_eq!(board.outcome(&key).unwrap(), Some(Outcome::Done(b"first".to_vec())));
    // What is answered is not done again.
    board.submit(&item(0)).unwrap();
    board
        .collect(&[item(1).key()], Duration::ZERO)
        .map_or_else(|_| drop(board.work_one(Duration::from_secs(3), |_| Ok(Vec::new()))), drop);
    assert_eq!(board.waiting().unwrap(), (0, 0));
    for number in 10..13 {
        board.submit(&item(number)).unwrap();
    }
    assert_eq!(board.submit(&item(13)), Err(NatsError::Full { waiting: 3 }));
    let large = board.submit(&Item::new("large", vec![0; 2 << 20]));
    assert!(matches!(large, Err(NatsError::TooLarge { what: "item", .. })), "{large:?}");
    let missing = board.collect(&[item(10).key()], Duration::from_millis(50));
    assert!(matches!(missing, Err(NatsError::Late { missing: 1, of: 1, .. })), "{missing:?}");
}

#[test]
fn items_go_to_workers_of_their_board_alone_and_there_to_whoever_is_free() {
    let Some(nats) = nats("routes") else { return };
    let open = |name: &str| {
        let mut settings = settings(&nats.url, name);
        // Nothing is given out twice here, however slow the machine is.
        settings.patience = Duration::from_secs(60);
        Board::open(settings).unwrap()
    };
    let (plain, slow, gpu) = (open("plain"), open("plain"), open("gpu"));
    let submit = |board: &Board, number: u32| board.submit(&Item::new("item", number.to_le_bytes())).unwrap();
    let plains: Vec<_> = (0..9).map(|it| submit(&plain, it)).collect();
    let gpus: Vec<_> = (0..3).map(|it| submit(&gpu, it)).collect();
    let work = |board: &Board, who: &str| {
        let begin = Instant::now();
        while board.work_one(Duration::from_secs(1), |_| Ok(who.into())).unwrap().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(60), "{who} finds nothing to do");
        }
    };
    std::thread::scope(|scope| {
        let ((began, wait), (go_on, gate)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let busy = scope.spawn(move || {
            slow.work_one(Duration::from_secs(60), |_| {
                began.send(()).unwrap();
                gate.recv().map_err(|e| e.to_string())?;
                Ok(b"slow".to_vec())
            })
        });
        wait.recv_timeout(Duration::from_secs(60)).unwrap();
        // One has an item for as long as the other needs for all the rest.
        (0..8).for_each(|_| work(&plain, "fast"));
        go_on.send(()).unwrap();
        assert!(matches!(busy.join().unwrap(), Ok(Some(Done::Answered(_)))));
    });
    let of = |board: &Board, keys: &[ecosystem_nats::Key], who: &str| {
        let done = Outcome::Done(who.into());
        keys.iter().filter(|it| board.outcome(it).unwrap().as_ref() == Some(&done)).count()
    };
    assert_eq!((of(&plain, &plains, "slow"), of(&plain, &plains, "fast")), (1, 8));
    // Idle workers of the other board have taken nothing of this one.
    assert_eq!(gpu.waiting().unwrap(), (3, 0));
    assert_eq!(plain.work_one(Duration::from_millis(100), |_| Ok(Vec::new())).unwrap(), None);
    (0..3).for_each(|_| work(&gpu, "gpu"));
    assert_eq!(of(&gpu, &gpus, "gpu"), 3);
}

#[test]
fn a_server_that_is_not_there_is_an_error_with_its_address() {
    let error = Board::open(settings("nats://127.0.0.1:9", "items")).unwrap_err();
    assert!(matches!(&error, NatsError::Unreachable { url, .. } if url.contains(":9")), "{error}");
}

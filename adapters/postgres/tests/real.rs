//! Against a real `PostgreSQL` with `ECO_REAL=1`: what was acknowledged is there afterwards, whatever happens to the process
//! that writes or to the server.
#![allow(clippy::unwrap_used, reason = "tests")]

mod server;

use ecosystem_audit::Draft;
use ecosystem_core::{Component, Ecosystem, History, Journal, Kind, Timestamp};
use ecosystem_postgres::{Durability, Flush, Settings, Store, StoreError};
use server::Server;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use vm_ecosystem::driver::AuditSink;

const CHILD: &str = "ECO_POSTGRES_CHILD";
/// Kills of the process that writes, unless `STORE_KILLS` says another number.
const KILLS: u64 = 40;
/// Kills of the server while it is written to, unless `STORE_OUTAGES` says another number.
const OUTAGES: u64 = 6;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |it| it.parse().unwrap())
}

/// One server for all tests that leave it alone; it ends with the last of them.
static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

fn shared() -> Option<Arc<Server>> {
    if !is_real() {
        return None;
    }
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let server = shared.upgrade().unwrap_or_else(|| Arc::new(Server::start("shared")));
    *shared = Arc::downgrade(&server);
    drop(shared);
    Some(server)
}

fn is_real() -> bool {
    let real = std::env::var_os("ECO_REAL").is_some_and(|it| it == "1");
    if !real {
        println!("skipped: a real PostgreSQL is started only with ECO_REAL=1 (Debian package postgresql)");
    }
    real
}

fn settings(schema: &str) -> Settings {
    let mut settings = Settings::default();
    settings.schema = schema.into();
    settings
}

fn record(number: u64) -> Vec<u8> {
    // Different lengths, contents that depend on the number.
    number.to_le_bytes().repeat(1 + usize::try_from(number % 40).unwrap())
}

fn draft(number: u64) -> Draft {
    Draft::new(number, "test", "written", format!("record/{number}"))
}

/// A connection of the test's own, to look and to interfere.
fn onlooker(server: &Server) -> postgres::Client {
    postgres::Client::connect(&server.address(), postgres::NoTls).unwrap()
}

fn assert_whole(store: &Store, journal_acknowledged: u64, audit_acknowledged: u64) {
    let records = store.journal().read_all().unwrap();
    assert!(
        records.len() as u64 >= journal_acknowledged,
        "{} of {journal_acknowledged} records",
        records.len()
    );
    let whole = records.iter().zip(0..).all(|(bytes, number)| *bytes == record(number));
    assert!(whole, "a record is missing, doubled or out of order");
    let audit = store.audit().unwrap();
    assert!(audit.size() >= audit_acknowledged, "{} of {audit_acknowledged} entries", audit.size());
    let report = audit.verify().unwrap();
    assert!(report.ok(), "{:?}", report.problem);
}

/// The process that is killed: writes and says what is durable.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(address) = std::env::var(CHILD) else { return };
    let store = Store::open(&address, settings("killed")).unwrap();
    let (mut journal, mut audit) = (store.journal(), store.audit().unwrap());
    for number in journal.len().unwrap().. {
        journal.append(&record(number)).unwrap();
        if number % 3 == 0 {
            journal.sync().unwrap();
            println!("durable journal {}", number + 1);
        }
        if number % 4 == 0 {
            audit.append(&draft(audit.size())).unwrap();
            println!("durable audit {}", audit.size());
        }
    }
}

fn killed_after(address: &str, lines: u64) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, address)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut journal, mut audit, mut heard) = (0, 0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness's own words may stand before ours on the line.
        let words: Vec<&str> = line.split("durable ").nth(1).unwrap_or_default().split(' ').collect();
        match words.as_slice() {
            ["journal", count] => journal = count.parse().unwrap(),
            ["audit", count] => audit = count.parse().unwrap(),
            _ => continue,
        }
        heard += 1;
        if heard > lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(heard > lines, "the process ended before it was killed");
    (journal, audit)
}

#[test]
fn nothing_acknowledged_is_lost_when_the_writing_process_is_killed() {
    let Some(server) = shared() else { return };
    let mut luck = 0x2545_F491_4F6C_DD1D_u64;
    let kills = number("STORE_KILLS", KILLS);
    for _ in 0..kills {
        luck ^= luck << 13;
        luck ^= luck >> 7;
        luck ^= luck << 17;
        let (journal, audit) = killed_after(&server.address(), luck % 9);
        // Opening waits until the server has noticed that the lock's owner is gone.
        assert_whole(&Store::open(&server.address(), settings("killed")).unwrap(), journal, audit);
    }
    println!("killed {kills} times, nothing lost");
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed() {
    if !is_real() {
        return;
    }
    let mut server = Server::start("outages");
    let mut settings = settings("outages");
    settings.patience = Duration::from_secs(40);
    let store = Store::open(&server.address(), settings.clone()).unwrap();
    let (acknowledged, entries, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut journal, mut audit) = (store.journal(), store.audit().unwrap());
            for number in 0.. {
                journal.append(&record(number)).unwrap();
                if number % 3 == 2 {
                    journal.sync().unwrap();
                    acknowledged.store(number + 1, Ordering::SeqCst);
                    audit.append(&draft(number)).unwrap();
                    entries.store(audit.size(), Ordering::SeqCst);
                }
                if over.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        for outage in 0..number("STORE_OUTAGES", OUTAGES) {
            let before = acknowledged.load(Ordering::SeqCst);
            let begin = Instant::now();
            while acknowledged.load(Ordering::SeqCst) < before + 30 + 17 * (outage % OUTAGES) {
                assert!(
                    !writer.is_finished() && begin.elapsed() < Duration::from_secs(60),
                    "{}",
                    server.log()
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            if outage % 2 == 0 {
                server.kill();
                server.launch();
            } else {
                server.kill_one_backend();
            }
        }
        over.store(true, Ordering::SeqCst);
    });
    drop(store);
    let store = Store::open(&server.address(), settings).unwrap();
    assert_whole(&store, acknowledged.into_inner(), entries.into_inner());
    // Each was written once, although answers were lost on the way.
    assert_eq!(store.audit().unwrap().size() * 3, store.journal().len().unwrap() / 3 * 3);
}

#[test]
fn a_server_that_stays_away_is_an_error_in_time_and_work_goes_on_when_it_is_back() {
    if !is_real() {
        return;
    }
    let mut server = Server::start("away");
    let mut short = settings("away");
    short.patience = Duration::from_millis(500);
    let store = Store::open(&server.address(), short.clone()).unwrap();
    let (mut journal, mut audit) = (store.journal(), store.audit().unwrap());
    journal.append(&record(0)).unwrap();
    journal.sync().unwrap();
    server.kill();
    let begin = Instant::now();
    journal.append(&record(1)).unwrap();
    assert!(matches!(journal.sync(), Err(StoreError::Unreachable { .. })));
    assert!(matches!(audit.append(&draft(0)), Err(StoreError::Unreachable { .. })));
    assert!(matches!(journal.replace(&[record(7)]), Err(StoreError::Unreachable { .. })));
    assert!(matches!(Store::open(&server.address(), short), Err(StoreError::Unreachable { .. })));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    server.launch();
    // What was not acknowledged is still there to be written; what failed did not happen.
    journal.append(&record(2)).unwrap();
    journal.sync().unwrap();
    audit.append(&draft(0)).unwrap();
    assert_whole(&store, 3, 1);
    assert_eq!((journal.len().unwrap(), audit.size()), (3, 1));
    drop((journal, audit, store));
    a_server_whose_pages_may_be_torn_is_refused(&server);
}

fn a_server_whose_pages_may_be_torn_is_refused(server: &Server) {
    let mut client = onlooker(server);
    client.batch_execute("ALTER SYSTEM SET full_page_writes = off").unwrap();
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
    let begin = Instant::now();
    let setting = |client: &mut postgres::Client| -> String {
        client.query_one("SELECT current_setting('full_page_writes')", &[]).unwrap().get(0)
    };
    while setting(&mut client) == "on" && begin.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let refused = Store::open(&server.address(), settings("away"));
    assert!(matches!(refused, Err(StoreError::NotDurable { setting: "full_page_writes", .. })));
    let mut bold = settings("away");
    bold.allow_fragile_server = true;
    Store::open(&server.address(), bold).unwrap();
}

/// `STORE_RECORDS` says how many, else 20,000.
#[test]
fn a_store_with_many_records_opens_and_goes_on_where_it_was() {
    let Some(server) = shared() else { return };
    let open = || {
        let begin = Instant::now();
        let store = Store::open(&server.address(), settings("many")).unwrap();
        (store, begin.elapsed())
    };
    drop(open());
    let count = number("STORE_RECORDS", 20_000);
    let fill = "INSERT INTO many.journal SELECT seq, decode(repeat('2a', 120), 'hex') FROM generate_series(1, $1::bigint) seq";
    onlooker(&server).execute(fill, &[&i64::try_from(count).unwrap()]).unwrap();
    let (store, took) = open();
    println!("{count} records: opened in {took:?}");
    let mut journal = store.journal();
    assert_eq!(journal.len().unwrap(), count);
    journal.append(&record(7)).unwrap();
    journal.sync().unwrap();
    drop((journal, store));
    let (store, took) = open();
    println!("{count} records: opened again in {took:?}");
    assert_eq!(store.journal().len().unwrap(), count + 1);
    onlooker(&server).batch_execute("DROP SCHEMA many CASCADE").unwrap();
}

#[test]
fn every_way_to_be_durable_keeps_the_order() {
    let Some(server) = shared() else { return };
    let group = Durability::Group(std::num::NonZeroU32::new(3).unwrap());
    let modes =
        [("each", Durability::EachRecord, 8), ("group", group, 6), ("on_sync", Durability::OnSync, 0)];
    for (schema, durability, kept) in modes {
        let mut settings = settings(schema);
        settings.durability = durability;
        settings.flush = if schema == "each" { Flush::Replicas } else { Flush::Disk };
        let store = Store::open(&server.address(), settings).unwrap();
        let mut journal = store.journal();
        for number in 0..8 {
            journal.append(&record(number)).unwrap();
        }
        // What others see is what a crash now would leave.
        let row =
            onlooker(&server).query_one(&format!("SELECT count(*) FROM \"{schema}\".journal"), &[]).unwrap();
        assert_eq!(row.get::<_, i64>(0), kept, "{durability:?}");
        assert_eq!(journal.len().unwrap(), 8);
        journal.sync().unwrap();
        assert_eq!(journal.read_all().unwrap().len(), 8);
    }
}

#[test]
fn records_that_nobody_syncs_do_not_pile_up() {
    let Some(server) = shared() else { return };
    let store = Store::open(&server.address(), settings("piled")).unwrap();
    let mut journal = store.journal();
    for number in 0..3_000 {
        journal.append(&record(number)).unwrap();
    }
    let row = onlooker(&server).query_one("SELECT count(*) FROM piled.journal", &[]).unwrap();
    assert_eq!(row.get::<_, i64>(0), 2_048);
    drop((journal, store));
}

#[test]
fn one_process_at_a_time() {
    let Some(server) = shared() else { return };
    let store = Store::open(&server.address(), settings("locked")).unwrap();
    let mut hasty = settings("locked");
    hasty.patience = Duration::from_millis(100);
    assert!(matches!(Store::open(&server.address(), hasty), Err(StoreError::InUse { .. })));
    // Another schema is another store.
    Store::open(&server.address(), settings("locked_not")).unwrap();
    drop(store);
    Store::open(&server.address(), settings("locked")).unwrap();
}

#[test]
fn a_store_that_another_process_took_over_writes_nothing_more() {
    let Some(server) = shared() else { return };
    let store = Store::open(&server.address(), settings("taken")).unwrap();
    let mut journal = store.journal();
    journal.append(&record(0)).unwrap();
    journal.sync().unwrap();
    // The connection breaks, and somebody else is faster.
    end_session(&server, "taken");
    let other = Store::open(&server.address(), settings("taken")).unwrap();
    journal.append(&record(1)).unwrap();
    let mut late = other.journal();
    late.append(&record(1)).unwrap();
    late.sync().unwrap();
    drop((late, other));
    assert!(matches!(journal.sync(), Err(StoreError::TakenOver { ours: 1, found: 2, .. })));
}

/// Ends the session that holds the lock of a schema; the key is FNV-1a of its name.
#[test]
fn a_new_leader_takes_the_store_and_an_older_token_gets_it_no_more() {
    let Some(server) = shared() else { return };
    let led = |token| {
        let mut settings = settings("led");
        settings.token = Some(token);
        Store::open(&server.address(), settings)
    };
    let old = led(5).unwrap();
    let mut journal = old.journal();
    journal.append(b"of the old leader").unwrap();
    journal.sync().unwrap();
    // Not acknowledged yet when the next one comes.
    journal.append(b"too late").unwrap();
    assert!(matches!(Store::open(&server.address(), settings("led")), Err(StoreError::InUse { .. })));
    let new = led(7).unwrap();
    let begin = Instant::now();
    assert!(matches!(journal.sync(), Err(StoreError::TakenOver { .. })));
    let entry = old.audit().and_then(|mut it| it.append(&draft(1)));
    assert!(matches!(entry, Err(StoreError::TakenOver { .. })), "{entry:?}");
    assert!(matches!(led(5), Err(StoreError::Fenced { found: 7, ours: 5 })));
    // At once, not after the patience for a server that is away.
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let mut journal = new.journal();
    journal.append(b"of the new leader").unwrap();
    journal.sync().unwrap();
    assert_eq!(journal.read_all().unwrap(), [b"of the old leader", b"of the new leader"]);
    // The leader itself comes back after a crash with the token it had, or a higher one.
    drop((old, new, journal));
    drop(led(7).unwrap());
    drop(led(8).unwrap());
}

fn end_session(server: &Server, schema: &str) {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let key = i64::from_ne_bytes(schema.bytes().fold(0xcbf2_9ce4_8422_2325, step).to_ne_bytes());
    let end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
               AND (classid::bigint << 32 | objid::bigint) = $1";
    assert_eq!(onlooker(server).execute(end, &[&key]).unwrap(), 1, "nobody holds the lock of {schema}");
}

#[test]
fn a_broken_connection_is_made_anew_unnoticed() {
    let Some(server) = shared() else { return };
    let store = Store::open(&server.address(), settings("broken")).unwrap();
    let (mut journal, mut audit) = (store.journal(), store.audit().unwrap());
    for number in 0..20 {
        end_session(&server, "broken");
        journal.append(&record(number)).unwrap();
        journal.sync().unwrap();
        audit.append(&draft(number)).unwrap();
    }
    assert_whole(&store, 20, 20);
    assert_eq!(journal.len().unwrap(), 20);
}

#[test]
fn a_replaced_journal_begins_with_the_snapshot() {
    let Some(server) = shared() else { return };
    let store = Store::open(&server.address(), settings("replaced")).unwrap();
    let mut journal = store.journal();
    for number in 0..100 {
        journal.append(&record(number)).unwrap();
    }
    journal.replace(&[b"snapshot"]).unwrap();
    journal.append(b"next").unwrap();
    journal.sync().unwrap();
    drop((journal, store));
    let store = Store::open(&server.address(), settings("replaced")).unwrap();
    assert_eq!(store.journal().read_all().unwrap(), [b"snapshot".to_vec(), b"next".to_vec()]);
}

#[test]
fn tables_of_the_first_version_get_the_new_ones_and_newer_ones_are_refused() {
    let Some(server) = shared() else { return };
    drop(Store::open(&server.address(), settings("versions")).unwrap());
    // As the first version left it.
    let mut client = onlooker(&server);
    let first = "DROP TABLE versions.revisions; ALTER TABLE versions.store DROP COLUMN token; UPDATE versions.store SET version = 1;
                 INSERT INTO versions.journal VALUES (1, '\\x0102')";
    client.batch_execute(first).unwrap();
    let store = Store::open(&server.address(), settings("versions")).unwrap();
    assert_eq!(store.journal().read_all().unwrap(), [vec![1, 2]]);
    assert!(store.history().unwrap().is_none());
    drop(store);
    client.batch_execute("UPDATE versions.store SET version = 9").unwrap();
    let error = Store::open(&server.address(), settings("versions")).unwrap_err().to_string();
    assert!(error.contains("version 9, expected at most 3"), "{error}");
}

#[test]
fn damage_is_found() {
    let Some(server) = shared() else { return };
    let store = Store::open(&server.address(), settings("damaged")).unwrap();
    let mut audit = store.audit().unwrap();
    for number in 0..10 {
        audit.append(&draft(number)).unwrap();
    }
    assert!(audit.verify().unwrap().ok());
    let mut client = onlooker(&server);
    client.batch_execute("UPDATE damaged.audit SET bytes = set_byte(bytes, 20, 77) WHERE seq = 4").unwrap();
    assert!(!audit.verify().unwrap().ok());
    drop((audit, store));
    client.batch_execute("UPDATE damaged.audit_state SET state = '\\x00'").unwrap();
    let store = Store::open(&server.address(), settings("damaged")).unwrap();
    assert!(matches!(store.audit(), Err(StoreError::Damaged { .. })));
}

#[test]
fn revisions_come_back_as_they_were() {
    let Some(server) = shared() else { return };
    let map = |names: &[&str]| {
        let component = |name: &&str| Component::new(name.parse().unwrap(), Kind::Container);
        names.iter().fold(Ecosystem::builder("shop"), |b, n| b.component(component(n))).build().unwrap()
    };
    let mut history = History::new(map(&["web"]), Timestamp::from_unix_ms(5), "ann");
    history.record(map(&["web", "db"]), Timestamp::from_unix_ms(9), "bob", "a database").unwrap();
    let store = Store::open(&server.address(), settings("revisions")).unwrap();
    assert!(store.history().unwrap().is_none());
    for revision in history.iter() {
        store.record_revision(revision).unwrap();
        store.record_revision(revision).unwrap();
    }
    drop(store);
    let again = Store::open(&server.address(), settings("revisions")).unwrap().history().unwrap().unwrap();
    let parts = |h: &History| {
        h.iter()
            .map(|r| (r.number, r.at, r.author.clone(), r.message.clone(), r.ecosystem.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(parts(&again), parts(&history));
}

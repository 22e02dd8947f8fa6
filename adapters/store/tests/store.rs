//! What was acknowledged is there afterwards, whatever happens to the process.
#![allow(clippy::unwrap_used, reason = "tests")]

use ecosystem_audit::Draft;
use ecosystem_core::{Component, Ecosystem, History, Journal, Kind, Timestamp};
use ecosystem_store::{Durability, Store, StoreError};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vm_ecosystem::driver::AuditSink;

const CHILD: &str = "ECO_STORE_CHILD";
const LONG_CHILD: &str = "ECO_STORE_LONG_CHILD";
const ROUNDS: u64 = 200;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("eco-store-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn record(number: u64) -> Vec<u8> {
    // Different lengths, contents that depend on the number.
    number.to_le_bytes().repeat(1 + usize::try_from(number % 40).unwrap())
}

fn draft(number: u64) -> Draft {
    Draft::new(number, "test", "written", format!("record/{number}"))
}

/// The process that is killed: writes and says what is durable.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let store = Store::open(path, Durability::OnSync).unwrap();
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

/// The process whose memory is measured, which should have nothing else in it.
#[test]
fn child_that_writes_for_long() {
    let Ok(path) = std::env::var(LONG_CHILD) else { return };
    let store = Store::open(path, Durability::OnSync).unwrap();
    let (mut journal, mut audit) = (store.journal(), store.audit().unwrap());
    for number in 1..=60_000 {
        journal.append(&record(number)).unwrap();
        if number % 200 == 0 {
            journal.sync().unwrap();
            audit.append(&draft(number)).unwrap();
        }
        if number % 10_000 == 0 {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            println!("resident {}", resident.trim().trim_end_matches(" kB"));
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_what_is_written() {
    let folder = Folder::new("long");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_for_long", "--nocapture"])
        .env(LONG_CHILD, folder.file())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let resident: Vec<u64> =
        text.lines().filter_map(|l| l.split("resident ").nth(1)?.trim().parse().ok()).collect();
    let written = std::fs::metadata(folder.file()).unwrap().len() / 1_024;
    assert_eq!(resident.len(), 6, "{text}");
    // The first measurement has caches and buffers full; the file grows by several megabytes after it.
    assert!(written > 8_000, "{written} KiB written");
    assert!(resident[5] <= resident[0] + 512, "resident KiB: {resident:?}, with {written} KiB written");
}

fn killed_after(path: &Path, lines: u64) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, path)
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
    (journal, audit)
}

#[test]
fn nothing_acknowledged_is_lost_in_two_hundred_kills() {
    let folder = Folder::new("kill");
    let mut luck = 0x2545_F491_4F6C_DD1D_u64;
    for round in 0..ROUNDS {
        luck ^= luck << 13;
        luck ^= luck >> 7;
        luck ^= luck << 17;
        let (journal_acknowledged, audit_acknowledged) = killed_after(&folder.file(), luck % 7);
        let store = Store::open(folder.file(), Durability::OnSync).unwrap();
        let records = store.journal().read_all().unwrap();
        assert!(records.len() as u64 >= journal_acknowledged, "round {round}: {} records", records.len());
        let whole = records.iter().zip(0..).all(|(bytes, number)| *bytes == record(number));
        assert!(whole, "round {round}: a record is torn or out of order");
        let audit = store.audit().unwrap();
        assert!(audit.size() >= audit_acknowledged, "round {round}: {} entries", audit.size());
        let report = audit.verify().unwrap();
        assert!(report.ok(), "round {round}: {:?}", report.problem);
    }
}

#[test]
fn every_way_to_be_durable_keeps_the_order() {
    let group = Durability::Group(std::num::NonZeroU32::new(3).unwrap());
    for (durability, kept) in [(Durability::EachRecord, 8), (group, 6), (Durability::OnSync, 0)] {
        let folder = Folder::new("modes");
        let store = Store::open(folder.file(), durability).unwrap();
        let mut journal = store.journal();
        for number in 0..8 {
            journal.append(&record(number)).unwrap();
        }
        // What a crash now would leave.
        let copy = folder.0.join("copy.db");
        std::fs::copy(folder.file(), &copy).unwrap();
        std::fs::copy(folder.0.join("store.db-wal"), folder.0.join("copy.db-wal")).unwrap();
        let left = Store::open(&copy, durability).unwrap().journal().len().unwrap();
        assert_eq!(left, kept, "{durability:?}");
        journal.sync().unwrap();
        assert_eq!(journal.read_all().unwrap().len(), 8);
    }
}

#[test]
fn one_process_at_a_time() {
    let folder = Folder::new("lock");
    let store = Store::open(folder.file(), Durability::OnSync).unwrap();
    assert!(matches!(Store::open(folder.file(), Durability::OnSync), Err(StoreError::InUse { .. })));
    drop(store);
    Store::open(folder.file(), Durability::OnSync).unwrap();
}

#[test]
fn a_torn_end_of_the_write_ahead_log_costs_only_what_was_not_acknowledged() {
    let folder = Folder::new("torn");
    let store = Store::open(folder.file(), Durability::EachRecord).unwrap();
    let mut journal = store.journal();
    for number in 0..20 {
        journal.append(&record(number)).unwrap();
    }
    let wal = std::fs::read(folder.0.join("store.db-wal")).unwrap();
    let main = std::fs::read(folder.file()).unwrap();
    let mut before = 0;
    for cut in (0..=wal.len()).step_by(wal.len() / 40) {
        // A name of its own each time: children that other tests start at this moment may hold a lock for an instant.
        let copy = folder.0.join(format!("copy-{cut}.db"));
        std::fs::write(&copy, &main).unwrap();
        std::fs::write(folder.0.join(format!("copy-{cut}.db-wal")), &wal[..cut]).unwrap();
        let records = Store::open(&copy, Durability::OnSync).unwrap().journal().read_all().unwrap();
        assert!(records.len() >= before, "a longer log holds less");
        assert!(records.iter().zip(0..).all(|(bytes, number)| *bytes == record(number)));
        before = records.len();
    }
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let folder = Folder::new("garbage");
    std::fs::write(folder.file(), vec![0x41; 10_000]).unwrap();
    assert!(matches!(Store::open(folder.file(), Durability::OnSync), Err(StoreError::Database(_))));
}

#[test]
fn a_replaced_journal_begins_with_the_snapshot() {
    let folder = Folder::new("replace");
    let store = Store::open(folder.file(), Durability::OnSync).unwrap();
    let mut journal = store.journal();
    for number in 0..100 {
        journal.append(&record(number)).unwrap();
    }
    journal.replace(&[b"snapshot"]).unwrap();
    journal.append(b"next").unwrap();
    journal.sync().unwrap();
    drop((journal, store));
    let store = Store::open(folder.file(), Durability::OnSync).unwrap();
    assert_eq!(store.journal().read_all().unwrap(), [b"snapshot".to_vec(), b"next".to_vec()]);
}

#[test]
fn revisions_come_back_as_they_were() {
    let folder = Folder::new("revisions");
    let map = |names: &[&str]| {
        let component = |name: &&str| Component::new(name.parse().unwrap(), Kind::Container);
        names.iter().fold(Ecosystem::builder("shop"), |b, n| b.component(component(n))).build().unwrap()
    };
    let mut history = History::new(map(&["web"]), Timestamp::from_unix_ms(5), "ann");
    history.record(map(&["web", "db"]), Timestamp::from_unix_ms(9), "bob", "a database").unwrap();
    let store = Store::open(folder.file(), Durability::OnSync).unwrap();
    assert!(store.history().unwrap().is_none());
    for revision in history.iter() {
        store.record_revision(revision).unwrap();
        store.record_revision(revision).unwrap();
    }
    drop(store);
    let again = Store::open(folder.file(), Durability::OnSync).unwrap().history().unwrap().unwrap();
    let parts = |h: &History| {
        h.iter()
            .map(|r| (r.number, r.at, r.author.clone(), r.message.clone(), r.ecosystem.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(parts(&again), parts(&history));
}

//! A host that is killed in the middle of appending loses nothing that it has acknowledged.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![cfg(unix)]

mod audit_example;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ecosystem_audit::segment::{self, Record};
use ecosystem_audit::verify::{Kind, Verifier};
use ecosystem_audit::{State, Value};

const ROUNDS: usize = 220;

/// What is stored, as it was found after a kill.
#[derive(Default)]
struct Stored {
    /// Names and valid bytes of the segments, in order.
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Leaf hash and free field `attempt` of every entry.
    entries: Vec<(String, i64)>,
}

impl Stored {
    /// Reads the folder again: what was there is as it was, byte for byte; what is new has had a look of the verifier.
    fn read_on(&mut self, folder: &Path) {
        let folder = std::fs::read_dir(folder.join("segments")).unwrap();
        let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
        paths.sort();
        assert!(paths.len() >= self.files.len(), "no file is gone");
        let known = self.files.len().saturating_sub(1);
        let mut state = State::new();
        for (i, path) in paths.into_iter().enumerate() {
            let bytes = std::fs::read(&path).unwrap();
            if let Some((name, before)) = self.files.get(i) {
                assert_eq!(&path, name);
                assert!(bytes.starts_with(before), "{}: old bytes are as they were", path.display());
                assert!(i == known || bytes.len() == before.len(), "a segment that has ended does not grow");
            }
            if i < known {
                continue;
            }
            let begin = segment::records(&bytes).next().and_then(Result::ok);
            let Some(Record::Begin(begin)) = begin else { panic!("{} has no header", path.display()) };
            assert!(i == known || begin == state, "a segment begins where the one before has ended");
            self.entries.truncate(usize::try_from(begin.size()).unwrap());
            let mut verifier = Verifier::resume(&begin);
            verifier.push(&bytes);
            let report = verifier.finish();
            assert!(matches!(report.kind(), None | Some(Kind::TornTail)), "{:?}", report.problem);
            self.entries
                .extend(segment::records(&bytes).filter_map(Result::ok).filter_map(|record| entry(&record)));
            assert_eq!(self.entries.len() as u64, report.size);
            let valid = bytes[..usize::try_from(report.valid_bytes).unwrap()].to_vec();
            state = report.state;
            self.files.truncate(i);
            self.files.push((path, valid));
        }
    }
}

fn entry(record: &Record<'_>) -> Option<(String, i64)> {
    let Record::Entry(entry, leaf) = record else { return None };
    let entry = entry.to_entry();
    let Some(Value::Integer(attempt)) = entry.field("attempt") else {
        panic!("entry {} has lost its field", entry.seq());
    };
    Some((leaf.to_base64(), *attempt))
}

#[test]
fn every_acknowledged_entry_survives_kill_9_in_the_middle_of_appends() {
    let folder = audit_example::folder("audit_durability");
    let (mut torn, mut unacknowledged, mut acknowledged_total) = (0, 0, 0);
    let mut stored = Stored::default();
    let mut luck = 0x2545_F491_4F6C_DD1D_u64;
    for round in 0..ROUNDS {
        luck ^= luck << 13;
        luck ^= luck >> 7;
        luck ^= luck << 17;
        let wanted = luck % 40;
        let mut child = Command::new(audit_example::program())
            .arg(&folder)
            // Small segments, so that the change to the next file is interrupted as well.
            .args(["append", "--plain", "--segment-bytes", "20000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let first = stored.entries.len() as u64;
        let writer = std::thread::spawn(move || {
            for i in first..first + 1000 {
                if input.write_all(audit_example::line(i).as_bytes()).is_err() {
                    break;
                }
            }
            // Kept open: the program waits for more until it is killed.
            input
        });
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = Vec::new();
        for _ in 0..=wanted {
            let Some(Ok(line)) = output.next() else { panic!("round {round}: it ended: {:?}", child.wait()) };
            acknowledged.push(line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        writer.join().unwrap();
        // What was in the pipe when it died was acknowledged as well; the very last line may be cut.
        acknowledged.extend(output.map_while(Result::ok));
        stored.read_on(&folder);
        let after = &stored.entries;
        let mut last = 0;
        for line in &acknowledged {
            let Ok(receipt) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            last = receipt["seq"].as_u64().unwrap();
            let (leaf, attempt) = &after[usize::try_from(last).unwrap()];
            assert_eq!(receipt["leaf_hash"], leaf.as_str(), "round {round}");
            assert_eq!(
                i64::try_from(last).unwrap(),
                *attempt,
                "round {round}: it is the entry that was handed in"
            );
        }
        acknowledged_total += acknowledged.len();
        unacknowledged += after.len() as u64 - last - 1;
        torn += usize::from(after.len() as u64 > last + 1);
    }
    let output = audit_example::run(&folder, &["verify"], "");
    println!(
        "{ROUNDS} kills, {acknowledged_total} entries acknowledged and found, {unacknowledged} more were stored, {torn} \
         kills between storing and acknowledging; {}",
        String::from_utf8(output.stdout).unwrap().trim()
    );
    const { assert!(ROUNDS >= 200) };
}

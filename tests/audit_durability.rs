//! A host that is killed in the middle of appending loses nothing that it has acknowledged.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![cfg(unix)]

mod audit_example;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use ecosystem_audit::segment::{self, Record};
use ecosystem_audit::verify::{Kind, verify_segments};

const ROUNDS: usize = 220;

/// What is stored: the leaf hash and the free field `attempt` of every entry, after the verifier has had a look.
fn stored(folder: &Path) -> Vec<(String, i64)> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    files.sort();
    let segments: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let report = verify_segments(segments.iter().map(|segment| &segment[..]));
    assert!(matches!(report.kind(), None | Some(Kind::TornTail)), "{:?}", report.problem);
    let records = segments.iter().flat_map(|segment| segment::records(segment)).filter_map(Result::ok);
    let entries = records.filter_map(|record| match record {
        Record::Entry(entry, leaf) => {
            let entry = entry.to_entry();
            let Some(ecosystem_audit::Value::Integer(attempt)) = entry.field("attempt").cloned() else {
                panic!("entry {} has lost its field", entry.seq());
            };
            Some((leaf.to_base64(), attempt))
        }
        _ => None,
    });
    let entries: Vec<_> = entries.collect();
    assert_eq!(entries.len() as u64, report.size);
    entries
}

#[test]
fn every_acknowledged_entry_survives_kill_9_in_the_middle_of_appends() {
    let folder = audit_example::folder("audit_durability");
    let (mut torn, mut unacknowledged, mut acknowledged_total) = (0, 0, 0);
    let mut before: Vec<(String, i64)> = Vec::new();
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
        let first = before.len() as u64;
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
        let after = stored(&folder);
        assert_eq!(after[..before.len()], before[..], "round {round}: old entries are as they were");
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
        before = after;
    }
    let output = audit_example::run(&folder, &["verify"], "");
    println!(
        "{ROUNDS} kills, {acknowledged_total} entries acknowledged and found, {unacknowledged} more were stored, {torn} \
         kills between storing and acknowledging; {}",
        String::from_utf8(output.stdout).unwrap().trim()
    );
    const { assert!(ROUNDS >= 200) };
}

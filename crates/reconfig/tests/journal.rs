//! The journal: byte vectors, damage, and recovery at every prefix.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common;

use common::{cid, component, hid, infrastructure, rid, shop, spread, story};
use ecosystem_core::{Ecosystem, Epoch, Kind, Placement, Timestamp};
use ecosystem_reconfig::sim::{Drill, Fault, Input, SimSettings};
use ecosystem_reconfig::{Engine, EngineError, Event, JournalError, Output, Settings, split_frames};
use std::sync::Arc;
use std::time::Duration;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat()
}

/// One component, two hosts; h0 falls silent and is fenced.
fn small() -> Vec<Vec<u8>> {
    let ecosystem = Ecosystem::builder("t").component(component("a", Kind::Container, 1, 1)).build().unwrap();
    let infra = infrastructure(2);
    let placement = Placement::new().with(rid("a", 0), hid("h0"));
    let at = Timestamp::from_unix_ms;
    let mut engine =
        Engine::new(Settings::default(), &ecosystem, &infra, &placement, Epoch(1), at(1_000)).unwrap();
    engine.handle_event(at(6_000), Event::Heartbeat(hid("h1")));
    engine.handle_timeout(at(11_000));
    engine.handle_event(at(12_000), Event::Heartbeat(hid("h1")));
    engine.handle_timeout(at(21_000));
    let mut frames = Vec::new();
    while let Some(output) = engine.poll_output() {
        if let Output::Persist(record) = output {
            frames.push(record.bytes().to_vec());
            engine.persisted(record.number());
        }
    }
    frames
}

#[test]
fn frames_have_exactly_the_bytes_of_the_specification() {
    let found: Vec<String> = small().iter().map(|frame| hex(frame)).collect();
    let expected: Vec<&str> =
        include_str!("data/journal-v3.txt").lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(found, expected, "vectors of docs/journal-format.md");
}

#[test]
fn journals_of_versions_1_and_2_are_still_read() {
    let unhex = |line: &str| -> Vec<u8> {
        let digits: Vec<u8> = line.chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
    };
    let read = |text: &str| -> Vec<Vec<u8>> {
        text.lines().filter(|line| !line.starts_with('#')).map(unhex).collect()
    };
    let ecosystem = Ecosystem::builder("t").component(component("a", Kind::Container, 1, 1)).build().unwrap();
    let replay = |frames: &[Vec<u8>]| {
        let now = Timestamp::from_unix_ms(30_000);
        Engine::replay(Settings::default(), &ecosystem, &infrastructure(2), frames, Epoch(2), now).unwrap()
    };
    for old in [include_str!("data/journal-v1.txt"), include_str!("data/journal-v2.txt")] {
        assert!(replay(&read(old)).same_hard_state(&replay(&small())));
    }
}

#[test]
fn a_torn_last_frame_is_left_out_and_any_other_damage_is_named() {
    let frames = small();
    let stream = frames.concat();
    for cut in 0..stream.len() {
        let (whole, stopped) = split_frames(&stream[..cut]);
        let boundary = (0..=frames.len()).any(|n| frames[..n].concat().len() == cut);
        assert_eq!(stopped.is_none(), boundary, "cut at {cut}");
        assert!(whole.iter().zip(&frames).all(|(a, b)| a == b));
    }
    for position in 0..stream.len() {
        let mut damaged = stream.clone();
        damaged[position] ^= 0x10;
        let (whole, stopped) = split_frames(&damaged);
        assert!(stopped.is_some(), "flip at {position} is not noticed");
        assert!(whole.iter().zip(&frames).all(|(a, b)| a == b));
    }
}

#[test]
fn gaps_and_empty_journals_are_refused() {
    let mut frames = small();
    let replay = |frames: &[Vec<u8>]| {
        Engine::replay(
            Settings::default(),
            &shop(),
            &infrastructure(2),
            frames,
            Epoch(2),
            Timestamp::default(),
        )
        .map(|_| ())
    };
    assert_eq!(replay(&[]), Err(EngineError::Journal(JournalError::Empty)));
    frames.remove(1);
    assert_eq!(replay(&frames), Err(EngineError::Journal(JournalError::Gap { found: 3, expected: 2 })));
}

#[test]
fn a_snapshot_replaces_the_records_before_it() {
    let mut drill =
        Drill::new(Settings::default(), &shop(), &infrastructure(6), &spread(), SimSettings::default())
            .unwrap();
    drill.fault_at(Duration::from_secs(60), Fault::HostCrash(hid("h1")));
    drill.event_at(
        Duration::from_secs(70),
        Event::SecurityAlert { component: cid("web"), why: Arc::from("test") },
    );
    drill.run_for(Duration::from_secs(95));
    let engine = drill.engine().unwrap();
    let (now, epoch) = (drill.now(), Epoch(2));
    let of = |frames: &[Vec<u8>]| {
        Engine::replay(Settings::default(), &shop(), &infrastructure(6), frames, epoch, now).unwrap()
    };
    let whole = of(drill.journal());
    let short = of(&[engine.snapshot().bytes().to_vec()]);
    assert!(whole.same_hard_state(&short));
    assert!(whole.same_hard_state_but_epoch(engine));
    assert_eq!(whole.written(), short.written());
}

/// The engine dies after every single output of a run that holds a host failure, an isolation and a roll-out; every
/// time it goes on, nothing is done twice, and everything runs in the end.
#[test]
fn a_crash_after_any_output_loses_nothing() {
    let run = |crash_after: Option<u64>| {
        let mut drill =
            Drill::new(Settings::default(), &shop(), &infrastructure(6), &spread(), SimSettings::default())
                .unwrap();
        drill.fault_at(Duration::from_secs(60), Fault::HostCrash(hid("h1")));
        drill.event_at(
            Duration::from_secs(62),
            Event::SecurityAlert { component: cid("cache"), why: Arc::from("test") },
        );
        drill.event_at(
            Duration::from_secs(65),
            Event::NewVersion { component: cid("web"), version: ecosystem_core::Version::new("2.0") },
        );
        if let Some(n) = crash_after {
            drill.crash_after_output(n);
        }
        drill.run_for(Duration::from_secs(1_800));
        drill
    };
    let outputs = run(None).outputs();
    assert!(outputs > 80, "{outputs}");
    // Some outputs are handled before the run begins; a crash can be ordered only after those.
    let before =
        Drill::new(Settings::default(), &shop(), &infrastructure(6), &spread(), SimSettings::default())
            .unwrap()
            .outputs();
    for n in before + 1..=outputs {
        let mut drill = run(Some(n));
        // It may have died of the very last output.
        drill.run_for(Duration::from_secs(60));
        assert!(drill.violations().is_empty(), "after {n}: {:?}\n{}", drill.violations(), story(&drill));
        assert_eq!(drill.crashes(), 1, "after {n}");
        // Version 2.0 or the alert may have been told to a dead process; everything the engine knows of is done.
        assert!(drill.engine().unwrap().is_settled(), "after {n}:\n{}", story(&drill));
    }
}

#[test]
fn a_crash_while_it_resumes_loses_nothing_either() {
    let mut drill =
        Drill::new(Settings::default(), &shop(), &infrastructure(6), &spread(), SimSettings::default())
            .unwrap();
    drill.fault_at(Duration::from_secs(60), Fault::HostCrash(hid("h1")));
    for k in 0..20 {
        drill.at(Duration::from_millis(80_000 + k * 5_150), Input::EngineCrash);
    }
    drill.run_for(Duration::from_secs(900));
    assert!(drill.violations().is_empty(), "{:?}\n{}", drill.violations(), story(&drill));
    assert!(drill.engine().unwrap().is_settled(), "{}", story(&drill));
}

//! A dialogue with a real control plane (1.20.2 from Debian's source package, which is built without its number), played back: `real.rs` wrote it down (`ECO_K8S_RECORD`), without looks that saw nothing new and
//! without fields that nobody here reads. The same story is told, every request must come as it came then, and every answer is the real one.
#![allow(clippy::unwrap_used, reason = "tests")]

mod replay;
mod scenario;

use ecosystem_core::Timestamp;
use replay::Replay;
use scenario::World;
use serde_json::Value;

const RECORDED: &str = include_str!("dialogue/recorded.json");

struct Memory {
    server: Replay,
    // Moments of the looks that are still to come, the last one first.
    moments: Vec<u64>,
}

impl World for Memory {
    fn url(&self) -> String {
        self.server.url.clone()
    }

    fn open_shop(&mut self) {}

    fn look(&mut self, _again: bool) -> Timestamp {
        Timestamp::from_unix_ms(self.moments.pop().expect("no more was recorded"))
    }

    fn say(&mut self, _what: &str) {}
}

#[test]
fn a_recorded_control_plane_is_asked_the_same_and_the_plan_takes_the_same_course() {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let answers = recorded["answers"].as_array().unwrap();
    let looks = recorded["looks"].as_array().unwrap();
    let mut dialogue = Vec::new();
    for exchange in looks.iter().flat_map(|it| it["exchanges"].as_array().unwrap()) {
        let mut entry = exchange.clone();
        entry["answer"] = answers[usize::try_from(exchange["answer"].as_u64().unwrap()).unwrap()].clone();
        dialogue.push(entry);
    }
    println!("{}: {} requests in {} looks", recorded["server"], dialogue.len(), looks.len());
    let moments = looks.iter().rev().map(|it| it["at_ms"].as_u64().unwrap()).collect();
    let server = Replay::start(&Value::from(dialogue).to_string());
    let mut memory = Memory { server, moments };
    scenario::play(&mut memory);
    assert!(memory.moments.is_empty(), "{} looks were not needed", memory.moments.len());
    memory.server.finish();
}

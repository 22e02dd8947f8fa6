//! What the engine counts is served as metrics that a scraper can read.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "tests; whole numbers")]

mod fixture;

use ecosystem_core::prometheus::parse;
use ecosystem_core::{ActionId, ActionOutcome, Epoch, HypervisorEvent, Placement, ReplicaId, Timestamp};
use ecosystem_prometheus::{Exporter, engine_families};
use ecosystem_reconfig::{Action, Engine, Event, Order, Output, Settings};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

fn get(exporter: &Exporter, path: &str) -> String {
    let mut stream = TcpStream::connect(exporter.address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_engines_counters_are_served_and_read_back() {
    let engine = fixture::engine(3);
    let exporter = Exporter::bind("127.0.0.1:0").unwrap();
    exporter.publish(&engine_families(&engine));
    let text = get(&exporter, "/metrics");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let families = parse(body).unwrap();
    let value = |name: &str| {
        let samples = families.iter().flat_map(|family| &family.samples);
        samples.into_iter().find(|it| &*it.name == name).map(|it| it.value)
    };
    assert_eq!(value("ecosystem_events_total"), Some(3.0));
    assert_eq!(value("ecosystem_hosts"), Some(1.0));
    assert_eq!(value("ecosystem_epoch"), Some(7.0));
    assert_eq!(value("ecosystem_actions_escalated_total"), Some(0.0));
    assert!(get(&exporter, "/other").starts_with("HTTP/1.1 404"));
}

/// Makes everything durable; gives the frames that were written and the actions that were handed out.
fn drain(engine: &mut Engine, frames: &mut Vec<Vec<u8>>, handed: &mut BTreeSet<ActionId>) {
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Persist(record) => {
                frames.push(record.bytes().to_vec());
                engine.persisted(record.number());
            }
            Output::Act(Action::Execute(request)) => {
                handed.insert(request.id);
            }
            Output::Act(_) => {}
        }
    }
}

#[test]
fn what_is_served_of_actions_is_what_the_journal_holds() {
    let (shop, fleet) = fixture::ground(3);
    let web = |index| ReplicaId::new("web".parse().unwrap(), index);
    let mut placement = Placement::new();
    for index in 0..3 {
        placement = placement.with(web(index), format!("h{}", index + 1).parse().unwrap());
    }
    let (mut now, mut frames, mut handed) = (Timestamp::from_unix_ms(0), Vec::new(), BTreeSet::new());
    let mut engine = Engine::new(Settings::default(), &shop, &fleet, &placement, Epoch(7), now).unwrap();
    let order = Order::SetReplicas("web".parse().unwrap(), 0);
    engine.handle_event(now, Event::Order { by: "test".into(), order });
    drain(&mut engine, &mut frames, &mut handed);
    assert!(handed.len() > 1, "{handed:?}");
    // Some end well, some do not and are tried again, and some are under way.
    for (turn, outcome) in
        [ActionOutcome::DONE, ActionOutcome::failed("no"), ActionOutcome::DONE].into_iter().enumerate()
    {
        let Some(action) = engine.unfinished().next() else { panic!("nothing is under way in turn {turn}") };
        now = now.saturating_add(std::time::Duration::from_secs(1));
        engine.handle_event(now, Event::Hypervisor(HypervisorEvent::Finished { action, outcome }));
        engine.handle_timeout(now);
        drain(&mut engine, &mut frames, &mut handed);
        let families = engine_families(&engine);
        let value = |name: &str| {
            let samples = families.iter().flat_map(|it| &it.samples);
            samples.into_iter().find(|it| &*it.name == name).map_or(f64::NAN, |it| it.value)
        };
        let begun = value("ecosystem_actions_begun_total");
        let ended: f64 = ["done", "failed", "compensated", "escalated"]
            .iter()
            .map(|it| value(&format!("ecosystem_actions_{it}_total")))
            .sum();
        let read = Engine::replay(Settings::default(), &shop, &fleet, &frames, Epoch(8), now).unwrap();
        assert_eq!(begun - ended, read.unfinished().count() as f64, "turn {turn}");
        assert_eq!(begun, handed.len() as f64, "turn {turn}");
        assert_eq!(ended, (turn + 1) as f64);
    }
}

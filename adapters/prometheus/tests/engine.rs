//! What the engine counts is served as metrics that a scraper can read.
#![allow(clippy::unwrap_used, reason = "tests")]

use ecosystem_core::prometheus::parse;
use ecosystem_core::{
    Bytes, Component, Ecosystem, Epoch, Host, Infrastructure, Kind, Millicores, Placement, Rack, Region,
    Resources, Timestamp, Zone,
};
use ecosystem_prometheus::{Exporter, engine_families};
use ecosystem_reconfig::{Engine, Event, Settings};
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
    let size = Resources::new(Millicores::cores(8), Bytes::gib(32));
    let mut web = Component::new("web".parse().unwrap(), Kind::Container);
    web.requirements.request = Resources::new(Millicores::cores(1), Bytes::gib(1));
    let shop = Ecosystem::builder("shop").component(web).build().unwrap();
    let fleet = Infrastructure::builder()
        .region(Region::new("eu".parse().unwrap()))
        .zone(Zone::new("eu-a".parse().unwrap(), "eu".parse().unwrap()))
        .rack(Rack::new("r1".parse().unwrap(), "eu-a".parse().unwrap()))
        .host(Host::new("h1".parse().unwrap(), "r1".parse().unwrap(), size))
        .build()
        .unwrap();
    let now = Timestamp::from_unix_ms(0);
    let mut engine =
        Engine::new(Settings::default(), &shop, &fleet, &Placement::new(), Epoch(7), now).unwrap();
    for _ in 0..3 {
        engine.handle_event(now, Event::Heartbeat("h1".parse().unwrap()));
    }
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

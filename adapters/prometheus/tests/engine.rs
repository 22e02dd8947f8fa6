//! What the engine counts is served as metrics that a scraper can read.
#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use ecosystem_core::prometheus::parse;
use ecosystem_prometheus::{Exporter, engine_families};
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

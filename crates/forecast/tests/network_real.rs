//! Delays of the network between real services: which edge, which end.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a test reads its data from disk, says when it skips, and fails by panicking"
)]

use ecosystem_forecast::network::{EdgeFinding, EdgeMonitor, EdgeSample, EdgeSettings, blame};
use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Seconds after an injection that are looked at.
const AFTER: i64 = 180;
/// Seconds that an injected fault and its end take up.
const FAULT: i64 = 360;

/// Columns by name, with the times of the rows.
fn table(path: &Path) -> (Vec<i64>, BTreeMap<String, Vec<f64>>) {
    let mut text = String::new();
    let packed = std::fs::read(path).unwrap();
    flate2::read::MultiGzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut times = Vec::new();
    let mut columns: BTreeMap<String, Vec<f64>> =
        names[2..].iter().map(|n| ((*n).to_owned(), Vec::new())).collect();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        times.push(fields[1].parse().unwrap());
        for (name, field) in names[2..].iter().zip(&fields[2..]) {
            columns.get_mut(*name).unwrap().push(field.parse().unwrap_or(f64::NAN));
        }
    }
    (times, columns)
}

/// Row of the same minute: at most half a minute away.
fn row_at(times: &[i64], time: i64) -> Option<usize> {
    let row = times.partition_point(|t| *t < time - 30);
    (*times.get(row)? <= time + 30).then_some(row)
}

/// Time, pod and type of the injected faults.
fn faults(day: &Path) -> Vec<(i64, String, String)> {
    let list: BTreeMap<String, Vec<BTreeMap<String, String>>> =
        serde_json::from_slice(&std::fs::read(day.join("fault_list.json")).unwrap()).unwrap();
    let one = |f: &BTreeMap<String, String>| {
        (f["inject_timestamp"].parse().unwrap(), f["inject_pod"].clone(), f["inject_type"].clone())
    };
    list.values().flatten().map(one).collect()
}

#[test]
fn network_delays_are_found_on_the_edge_and_blamed_on_the_right_end() {
    let root = std::env::var("VM_ECOSYSTEM_DATA").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let day = root.join("anomaly/nezha/2022-08-22");
    if !day.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "no data at {}", day.display());
        println!("skipped: no data at {}", day.display());
        return;
    }
    // The median latency of each edge, as the caller and as the callee sees it.
    let (times, client) = table(&day.join("source_50.csv.gz"));
    let (server_times, server) = table(&day.join("destination_50.csv.gz"));
    let edges: Vec<&String> = client.keys().filter(|e| server.contains_key(*e)).collect();
    let mut services: Vec<&str> = edges.iter().flat_map(|e| e.split('_')).collect();
    services.sort_unstable();
    services.dedup();
    let number = |name: &str| services.iter().position(|s| *s == name).unwrap();
    let calls: Vec<(usize, usize)> =
        edges.iter().map(|e| e.split_once('_').map(|(a, b)| (number(a), number(b))).unwrap()).collect();

    let mut monitor = EdgeMonitor::new(edges.len(), EdgeSettings::default()).unwrap();
    let rows: Vec<Vec<EdgeFinding>> = (0..times.len())
        .map(|t| {
            let other = row_at(&server_times, times[t]);
            let sample = |e: &&String| {
                EdgeSample::latencies(client[*e][t], other.map_or(f64::NAN, |row| server[*e][row]))
            };
            monitor.step(&edges.iter().map(sample).collect::<Vec<_>>()).unwrap()
        })
        .collect();

    let (mut delays, mut seen, mut first, mut edge_right) = (0, 0, 0, 0);
    let faults = faults(&day);
    for (at, pod, _) in faults.iter().filter(|f| f.2 == "network_delay") {
        delays += 1;
        let range = times.partition_point(|t| t <= at)..times.partition_point(|t| *t <= at + AFTER);
        let found: Vec<EdgeFinding> = rows[range].iter().flatten().copied().collect();
        seen += usize::from(found.iter().any(|f| f.alarm));
        let worst = found.iter().max_by(|a, b| a.severity.total_cmp(&b.severity));
        let ranked = blame(&calls, &found);
        let service = pod.split('-').next().unwrap();
        // A tie counts against us.
        let own = ranked.iter().find(|r| services[r.0] == service).map_or(0.0, |r| r.1);
        let ahead = ranked.iter().filter(|r| services[r.0] != service && r.1 >= own).count();
        first += usize::from(own > 0.0 && ahead == 0);
        let touches = |f: &EdgeFinding| edges[f.edge].split('_').any(|end| end == service);
        edge_right += usize::from(worst.is_some_and(touches));
        let shown: Vec<String> = ranked.iter().map(|r| format!("{} {:.2}", services[r.0], r.1)).collect();
        println!(
            "{service}: worst {}, {}",
            worst.map_or("none", |f| edges[f.edge].as_str()),
            shown.join(", ")
        );
    }
    let kind = |t: i64| faults.iter().find(|f| (f.0..f.0 + FAULT).contains(&t)).map(|f| f.2.as_str());
    let mut alarms: BTreeMap<&str, usize> = BTreeMap::new();
    let mut spent: BTreeMap<&str, usize> = BTreeMap::new();
    for (t, found) in rows.iter().enumerate() {
        let kind = kind(times[t]).unwrap_or("none");
        *spent.entry(kind).or_default() += 1;
        *alarms.entry(kind).or_default() += usize::from(found.iter().any(|f| f.alarm));
    }
    println!("{delays} delays: {seen} alarms, worst edge at the pod {edge_right}, pod blamed first {first}");
    for (kind, minutes) in &spent {
        println!("{kind}: {} of {minutes} minutes with an alarm", alarms[kind]);
    }
    assert!(seen >= 6 && edge_right >= 6 && first >= 6, "{seen} {edge_right} {first} of {delays}");
    assert!(100 * alarms["none"] <= spent["none"], "false alarms: {alarms:?} of {spent:?}");
}

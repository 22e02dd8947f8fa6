//! Reads the placement instances in JSON: hosts in racks and zones, components with traffic, rules.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "indices and counts are checked when the problem is built"
)]

use crate::evaluation::{fail, read};
use serde_json::Value;
use vm_ecosystem::model::Weight;
use vm_ecosystem::placement::{DenseBuilder, DenseHost, DenseItem, DenseRule, Dimension, Distances, Problem};

/// The problem of a file, and its start: the host of each component.
pub(crate) fn instance(path: &str) -> (Problem, Vec<u32>) {
    let value: Value = serde_json::from_slice(&read(path)).unwrap_or_else(|e| fail(format!("{path}: {e}")));
    let read = problem(&value).and_then(|problem| Ok((problem, indices(&value["initial"])?)));
    read.unwrap_or_else(|message| fail(format!("{path}: {message}")))
}

/// Non-negative integers by key.
fn int(value: &Value, key: &str) -> Result<i64, String> {
    value[key].as_i64().ok_or_else(|| format!("`{key}` is {}, expected a whole number", value[key]))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value[key].as_array().ok_or_else(|| format!("`{key}` is {}, expected a list", value[key]))
}

fn indices(value: &Value) -> Result<Vec<u32>, String> {
    let list = value.as_array().ok_or_else(|| format!("{value}, expected a list of indices"))?;
    let index = |v: &Value| {
        v.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| format!("{v}, expected an index"))
    };
    list.iter().map(index).collect()
}

fn problem(instance: &Value) -> Result<Problem, String> {
    const RESOURCES: [&str; 3] = ["cpu", "mem", "net"];
    let weights = &instance["weights"];
    let (host_weight, near, migration) =
        (int(weights, "host")?, int(weights, "proximity")?, int(weights, "migration")?);
    let mut raw =
        DenseBuilder::new(RESOURCES.map(|name| Dimension { name: name.to_owned(), ..Dimension::default() }));
    let (mut zones, mut racks) = (Vec::new(), Vec::new());
    for host in list(instance, "hosts")? {
        let capacity = RESOURCES.iter().map(|r| int(host, r)).collect::<Result<_, _>>()?;
        raw.host(DenseHost { capacity, open_cost: host_weight * int(host, "cost")?, ..DenseHost::default() });
        zones.push(int(host, "zone")? as u32);
        racks.push((int(host, "zone")?, int(host, "rack")?));
    }
    let initial = indices(&instance["initial"])?;
    for (component, &home) in list(instance, "components")?.iter().zip(&initial) {
        let demand = RESOURCES.iter().map(|r| int(component, r)).collect::<Result<_, _>>()?;
        // without a price of moving the start has no meaning: place afresh
        let home = (migration > 0).then_some(home);
        raw.item(DenseItem { demand, home, move_cost: migration * int(component, "mem")?, linear: 0 });
    }
    for edge in list(instance, "edges")? {
        match indices(edge)?.as_slice() {
            &[a, b, traffic] => raw.edge(a, b, near * i64::from(traffic)),
            _ => return Err(format!("edge {edge}, expected [from, to, traffic]")),
        }
    }
    raw.distances(distances(instance, &racks)?);
    let by_host = raw.partition((0..zones.len() as u32).collect());
    let by_zone = raw.partition(zones.clone());
    for members in list(instance, "anti_affinity")? {
        let group = raw.group(indices(members)?);
        raw.rule("anti-affinity", Weight::Hard, DenseRule::Limit { group, partition: by_host, max: 1 });
    }
    for spread in list(instance, "spread")? {
        let group = raw.group(indices(&spread["members"])?);
        let min = int(spread, "min_zones")? as u32;
        raw.rule(
            "spread",
            Weight::Hard,
            DenseRule::Spread { group, partition: by_zone, min, max_skew: None },
        );
    }
    for pin in list(instance, "pinned")? {
        let group = raw.group(vec![int(pin, "component")? as u32]);
        let allowed = indices(&pin["zones"])?;
        let hosts = zones.iter().map(|zone| allowed.contains(zone)).collect();
        raw.rule("pinned", Weight::Hard, DenseRule::Fence { group, hosts });
    }
    raw.build().map_err(|error| error.to_string())
}

/// One point for each rack; hosts of one rack are `host_distance` apart.
fn distances(instance: &Value, racks: &[(i64, i64)]) -> Result<Distances, String> {
    let mut points: Vec<(i64, i64)> = racks.to_vec();
    points.sort_unstable();
    points.dedup();
    let (rack, host) = (int(instance, "rack_distance")?, int(instance, "host_distance")?);
    let mut table = Vec::new();
    for a in &points {
        for b in &points {
            let zone = &instance["zone_distance"][a.0 as usize][b.0 as usize];
            let zone =
                zone.as_i64().ok_or_else(|| format!("zone distance {zone}, expected a whole number"))?;
            table.push(zone + if a == b { 0 } else { rack } + host);
        }
    }
    let point = racks.iter().map(|r| points.binary_search(r).unwrap_or(0) as u32).collect();
    Ok(Distances { point, table, points: points.len() as u32, same_host: 0 })
}

//! Recommendations made on ten days of real virtual machines, held against the day that followed.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a test reads its data from disk, says when it skips, and fails by panicking"
)]

use ecosystem_forecast::{
    Capacity,
    advice::{Action, Balance, HostLoad, RightSize, relieved, saved},
};
use std::{io::Read as _, path::PathBuf};

const DAY: usize = 288;
/// Days that are known when a recommendation is made.
const KNOWN: usize = 10;

/// Mean processor use of virtual machines in percent of their size; `None` without the data.
fn machines() -> Option<Vec<(String, Vec<f64>)>> {
    let root = std::env::var("VM_ECOSYSTEM_DATA").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let file = root.join("forecast/azure_v1_vm_cpu_5min.csv.gz");
    if !file.is_file() {
        assert!(std::env::var_os("CI").is_none(), "no data at {}", file.display());
        println!("skipped: no data at {}", file.display());
        return None;
    }
    let mut text = String::new();
    let packed = std::fs::read(file).unwrap();
    flate2::read::MultiGzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let read = |line: &str| {
        let mut fields = line.split(',');
        let name = fields.next().unwrap_or_default().to_owned();
        (name, fields.skip(1).map(|f| f.parse().unwrap_or(f64::NAN)).collect())
    };
    Some(text.lines().map(read).filter(|(name, _): &(String, Vec<f64>)| name.contains("avg")).collect())
}

#[test]
fn what_a_smaller_size_is_said_to_save_is_what_it_saves_on_the_day_that_follows() {
    let Some(machines) = machines() else { return };
    let rule = RightSize::new(vec![12.5, 25.0, 50.0, 100.0], DAY);
    let (mut told, mut close, mut promised, mut kept, mut stopped) = (0, 0, 0.0, 0.0, 0);
    for (name, used) in machines.iter().step_by(3) {
        let (past, next) = used[used.len() - (KNOWN + 1) * DAY..].split_at(KNOWN * DAY);
        let line = Capacity::new(&[DAY], 0.95).unwrap().with_cheap().with_horizon(DAY);
        let line = line.fit(past).unwrap().line(DAY).unwrap();
        let Some(advice) = rule.advise(100.0, past, &line).unwrap() else { continue };
        let outcome = saved(advice.action, 100.0, next, rule.lost);
        let off = (outcome - advice.expected).abs() / advice.expected;
        println!(
            "{name}: {:?}, {} ({:.2} sure); {:.0} promised, {outcome:.0} kept",
            advice.action, advice.reason, advice.confidence, advice.expected
        );
        (told, close) = (told + 1, close + usize::from(off <= 0.1));
        (promised, kept) = (promised + advice.expected, kept + outcome);
        stopped += usize::from(advice.action == Action::Stop);
    }
    println!(
        "{told} of {} machines, {stopped} of them idle: {close} within a tenth of the promise",
        machines.len().div_ceil(3)
    );
    println!("promised {promised:.0}, kept {kept:.0}: {:.3} off", (kept / promised - 1.0).abs());
    assert!(told >= 5, "some machines are too large: {told}");
    assert!((kept / promised - 1.0).abs() <= 0.1, "{kept} against {promised}");
    assert!(10 * close >= 9 * told, "{close} of {told}");
}

#[test]
fn moving_the_machine_that_is_named_relieves_its_host_on_the_day_that_follows() {
    let Some(machines) = machines() else { return };
    let (mut told, mut better, mut worse, mut noisy) = (0, 0, 0, 0);
    for from in [4, 8, 12] {
        // Three ends of the history, hosts of eight machines in the order of the file.
        let cut = |used: &'_ [f64]| -> (usize, usize) {
            (used.len() - (from + KNOWN) * DAY, used.len() - from * DAY)
        };
        let groups: Vec<&[(String, Vec<f64>)]> = machines.chunks_exact(8).collect();
        for pair in groups.chunks_exact(2) {
            let part = |next: bool, capacities: &[f64]| -> Vec<HostLoad<'_>> {
                pair.iter()
                    .zip(capacities)
                    .map(|(group, capacity)| HostLoad {
                        capacity: *capacity,
                        machines: group
                            .iter()
                            .map(|(_, used)| {
                                let (a, b) = cut(used);
                                if next { &used[b..b + DAY] } else { &used[a..b] }
                            })
                            .collect(),
                    })
                    .collect()
            };
            // A host that is short of capacity in one step of twenty, beside one with a third of room.
            let sums = |host: &HostLoad<'_>| -> Vec<f64> {
                let step = |t: usize| host.machines.iter().map(|m| m[t]).filter(|v| !v.is_nan()).sum();
                let mut sums: Vec<f64> = (0..KNOWN * DAY).map(step).collect();
                sums.sort_by(f64::total_cmp);
                sums
            };
            let free = part(false, &[1.0, 1.0]);
            let (tight, roomy) = (sums(&free[0]), sums(&free[1]));
            let capacities = [tight[tight.len() * 95 / 100], 1.33 * roomy[roomy.len() - 1]];
            let Some(advice) = Balance::new(DAY).advise(&part(false, &capacities)).unwrap() else { continue };
            let outcome = relieved(advice.action, &part(true, &capacities));
            println!("{}: {:.0} promised, {outcome:.0} kept", advice.reason, advice.expected);
            told += 1;
            noisy += usize::from(advice.action.noisy);
            better += usize::from(outcome > 0.0);
            worse += usize::from(outcome < 0.0);
        }
    }
    println!("{told} moves, {noisy} of noisy machines: {better} relieved, {worse} made worse");
    assert!(told >= 6, "hosts are short of capacity: {told}");
    assert!(2 * better > told && 10 * worse <= told, "{better} better, {worse} worse of {told}");
}

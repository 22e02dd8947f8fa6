//! Recommendations made on ten days of real virtual machines, held against the day that followed.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a test reads its data from disk, says when it skips, and fails by panicking"
)]

use ecosystem_forecast::{
    Capacity,
    advice::{Action, Balance, HostLoad, RightSize, relieved, saved, taken_off},
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

/// A host that is short of capacity in one step of twenty, beside one with a third of room.
fn capacities(hosts: [&[&[f64]]; 2]) -> [f64; 2] {
    let sums = |machines: &[&[f64]]| -> Vec<f64> {
        let step = |t: usize| machines.iter().map(|m| m[t]).filter(|v| !v.is_nan()).sum();
        let mut sums: Vec<f64> = (0..machines[0].len()).map(step).collect();
        sums.sort_by(f64::total_cmp);
        sums
    };
    let (tight, roomy) = (sums(hosts[0]), sums(hosts[1]));
    [tight[tight.len() * 95 / 100], 1.33 * roomy[roomy.len() - 1]]
}

/// Whether an outcome is within a tenth of itself of the promise, as a count.
fn close(promise: f64, outcome: f64) -> u32 {
    u32::from((promise - outcome).abs() <= 0.1 * outcome)
}

/// What the machines of each host use together.
fn sums(parts: &[Vec<&[f64]>; 2]) -> [f64; 2] {
    parts.each_ref().map(|p| p.iter().flat_map(|m| m.iter()).filter(|v| !v.is_nan()).sum())
}

#[test]
fn a_move_takes_off_its_host_what_it_promised_on_the_day_that_follows() {
    let Some(machines) = machines() else { return };
    let (mut asked, mut told, mut kept, mut inside, mut noisy) = (0, 0_u32, 0, 0, 0);
    let (mut relieves, mut worse, mut source, mut target, mut bounds) = (0, 0, 0, 0, 0);
    let (mut of_host, mut both, mut sure, mut sure_both) = (0, 0_u32, 0_u32, 0_u32);
    // Hosts of eight machines in the order of the file, every pair of them, sixteen ends of the history.
    let groups: Vec<&[(String, Vec<f64>)]> = machines.chunks_exact(8).collect();
    for ahead in 1..=16 {
        let end = machines[0].1.len() - ahead * DAY;
        let cut = |group: usize, a: usize, b: usize| -> Vec<&[f64]> {
            groups[group].iter().map(|(_, used)| &used[a..b]).collect()
        };
        for pair in (0..groups.len()).flat_map(|a| (0..groups.len()).map(move |b| [a, b])) {
            if pair[0] == pair[1] {
                continue;
            }
            asked += 1;
            let past = pair.map(|group| cut(group, end - KNOWN * DAY, end));
            let next = pair.map(|group| cut(group, end, end + DAY));
            let sizes = capacities([&past[0], &past[1]]);
            let [before, after] = [&past, &next]
                .map(|parts| [0, 1].map(|h| HostLoad { capacity: sizes[h], machines: parts[h].clone() }));
            let Some(advice) = Balance::new(DAY).advise(&before).unwrap() else { continue };
            let outcome = taken_off(advice.action, &after);
            let relief = relieved(advice.action, &after);
            told += 1;
            kept += close(advice.expected, outcome);
            let day = DAY as f64;
            let moved = advice.action.moved;
            inside += u32::from((moved.lower..=moved.upper).contains(&(outcome / day)));
            let sums = sums(&next);
            let left = [(sums[0] - outcome) / day, (sums[1] + outcome) / day];
            source += close(advice.action.source.mean, left[0]);
            target += close(advice.action.target.mean, left[1]);
            of_host += u32::from((advice.expected - outcome).abs() <= 0.1 * sums[0]);
            let loads = [advice.action.source, advice.action.target];
            let held = loads.iter().zip(left).all(|(load, outcome)| close(load.mean, outcome) == 1);
            // What a promise of both loads would be worth if it were made only where the bounds are narrow.
            let narrow = loads.iter().all(|load| load.upper - load.lower <= 0.2 * load.mean);
            both += u32::from(held);
            sure += u32::from(narrow);
            sure_both += u32::from(narrow && held);
            for (load, outcome) in loads.iter().zip(left) {
                bounds += u32::from((load.lower..=load.upper).contains(&outcome));
            }
            noisy += u32::from(advice.action.noisy);
            relieves += u32::from(relief > 0.0);
            worse += u32::from(relief < 0.0);
        }
    }
    let share = |part: u32| f64::from(part) / f64::from(told);
    println!("{told} moves in {asked} cases, {noisy} of noisy machines");
    println!(
        "taken off within a tenth of the promise {:.3}, of the host's load {:.3}, within its bounds {:.3}",
        share(kept),
        share(of_host),
        share(inside)
    );
    println!(
        "load of the source / the target / both within a tenth {:.3} / {:.3} / {:.3}, within bounds {:.3}",
        share(source),
        share(target),
        share(both),
        share(bounds) / 2.0
    );
    println!("both within a tenth, of {sure} whose bounds are that narrow: {sure_both}");
    println!("contention less on {:.3}, more on {:.3}", share(relieves), share(worse));
    assert!(told >= 100, "hosts are short of capacity: {told}");
    assert!(share(kept) >= 0.9, "{kept} of {told} promises kept");
    assert!(share(relieves) >= 0.7 && share(worse) <= 0.05, "{relieves} better, {worse} worse of {told}");
    assert!(share(bounds) >= 2.0 * 0.65, "{bounds} of {} loads within their bounds", 2 * told);
}

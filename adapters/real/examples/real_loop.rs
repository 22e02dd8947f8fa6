//! The closed loop on real systems: four hosts, twelve QEMU machines, Prometheus, a durable store; and one story of each fault.
//!
//! `cargo run --release --manifest-path adapters/Cargo.toml --example real_loop -- [--out DIR] [--migrations COUNT]`: prints a timeline with measured times,
//! writes `DIR/report.html`, exits with 1 if anything did not go as it must. Needs the Debian packages qemu-system-x86 and
//! prometheus. The last line is JSON.

use ecosystem_qemu::guest;
use ecosystem_real::controller::Command;
use ecosystem_real::director::Director;
use ecosystem_real::predict::{Plan, copy_seconds};
use ecosystem_real::{play_role, report, stack, unix_ms};
use ecosystem_store::{Durability, Store};
use serde_json::{Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use vm_ecosystem::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn Error>>;
const PATIENCE: Duration = Duration::from_secs(90);
/// Longest accepted stand-still of the migrations that are predicted.
const DOWNTIME: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    if let Some(ended) = play_role() {
        if let Err(e) = ended {
            eprintln!("{e}");
        }
        return ExitCode::FAILURE;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (mut out, mut moves) = (std::env::temp_dir().join(format!("real-{}", std::process::id())), 6);
    for pair in words.chunks(2) {
        match pair {
            [flag, dir] if flag == "--out" => out = PathBuf::from(dir),
            [flag, count] if flag == "--migrations" && count.parse::<usize>().is_ok() => {
                moves = count.parse().unwrap_or(moves);
            }
            _ => {
                eprintln!("real_loop: expected [--out DIR] [--migrations COUNT], found {pair:?}");
                return ExitCode::from(2);
            }
        }
    }
    match story(&out, moves) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("real_loop: {e}");
            ExitCode::FAILURE
        }
    }
}

fn story(out: &Path, moves: usize) -> Result<Value> {
    // Sockets need short names, whatever the output directory is called.
    let work = std::env::temp_dir().join(format!("rl{}", std::process::id()));
    let mut stage = Director::start(&work, true)?;
    let begin = unix_ms();
    stage.start_controller()?;
    let up = stage.wait("twelve machines", Duration::from_secs(180), Director::is_well)?;
    stage.note(
        "twelve machines up",
        begin,
        format!("{} hosts, {} machines", stage.hosts.len(), stage.running().len()),
    );
    let killed = host_killed(&mut stage)?;
    let hung = host_hangs(&mut stage)?;
    let migrations = migrations(&mut stage, moves)?;
    migration_fails(&mut stage)?;
    controller_dies(&mut stage)?;
    second_controller(&mut stage)?;
    new_version(&mut stage)?;
    load_rises(&mut stage)?;
    compromised(&mut stage)?;
    end(stage, out, &json!({"up_s": up, "killed": killed, "hung": hung, "migrations": migrations}), &work)
}

/// Waits until all is well again; checks all the while that nothing runs twice.
fn recovered(stage: &Director, what: &str) -> Result<f64> {
    let mut doubles = Vec::new();
    let seconds = stage.wait(what, PATIENCE, |stage| {
        doubles.extend(stage.doubles());
        stage.is_well()
    })?;
    if doubles.is_empty() { Ok(seconds) } else { Err(format!("{what}: ran twice: {doubles:?}").into()) }
}

fn host_killed(stage: &mut Director) -> Result<Value> {
    let begin = unix_ms();
    let host = stage.fullest().ok_or("no host")?;
    let before = stage.running().len();
    stage.fleet.kill(&host)?;
    stage.wait("the loss of a host's machines", PATIENCE, |stage| stage.running().len() < before)?;
    recovered(stage, "recovery after a host was killed")?;
    let over = unix_ms();
    let detected = stage.first_note(begin, &["host-suspect"]).ok_or("nobody noticed the dead host")?;
    let seconds = |ms: u64| ms as f64 / 1e3;
    let (detection_s, recovery_s) = (seconds(detected - begin), seconds(over - detected));
    stage.note(
        "fault: host killed",
        begin,
        format!("{host}; noticed after {detection_s:.1} s, all back {recovery_s:.1} s later"),
    );
    back(stage, &host)?;
    Ok(json!({"detection_s": detection_s, "recovery_after_detection_s": recovery_s}))
}

/// A host comes back, empty.
fn back(stage: &mut Director, host: &HostId) -> Result<()> {
    let begin = unix_ms();
    stage.fleet.power_on(host)?;
    stage.tell(&Command::Restore { host: host.clone() })?;
    std::thread::sleep(Duration::from_secs(3));
    recovered(stage, "rest after a host came back")?;
    stage.note("host back", begin, host.to_string());
    Ok(())
}

fn host_hangs(stage: &mut Director) -> Result<Value> {
    let begin = unix_ms();
    let host = stage.fullest().ok_or("no host")?;
    stage.fleet.hang(&host)?;
    stage.wait("notice of a hung host", PATIENCE, |stage| {
        stage.first_note(begin, &["host-suspect"]).is_some()
    })?;
    std::thread::sleep(Duration::from_secs(1));
    let recovery_s = recovered(stage, "recovery after a host hung")?;
    // It comes back: what is fenced must not.
    stage.fleet.wake(&host)?;
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(300));
        let doubles = stage.doubles();
        if !doubles.is_empty() {
            return Err(format!("after {host} woke up these ran twice: {doubles:?}").into());
        }
    }
    stage.note(
        "fault: host hangs and wakes",
        begin,
        format!("{host}; all back after {recovery_s:.1} s, nothing twice"),
    );
    back(stage, &host)?;
    Ok(json!({"recovery_s": recovery_s}))
}

/// A host other than this one.
fn other(stage: &Director, host: &HostId) -> Result<HostId> {
    let running = stage.running();
    let count = |it: &HostId| {
        running.values().filter(|places| places.iter().any(|place| place == it.as_str())).count()
    };
    let free = stage.hosts.iter().filter(|it| *it != host).min_by_key(|it| count(it));
    Ok(free.ok_or("no other host")?.clone())
}

/// Window in MiB, exponent of pages per tick, bandwidth in MiB/s: all combinations that converge within ten seconds, by the
/// prediction that is on trial.
fn cases() -> Vec<(u8, u8, u64)> {
    let mut all = Vec::new();
    for bandwidth in [8, 4, 16, 6, 32] {
        for exponent in [0, 4, 6, 5, 7] {
            for window in [4, 12, 8, 10] {
                let seconds = copy_seconds(&plan(window, exponent, bandwidth));
                if seconds.is_some_and(|it| it < 10.0) {
                    all.push((window, exponent, bandwidth));
                }
            }
        }
    }
    all
}

fn plan(window: u8, exponent: u8, bandwidth: u64) -> Plan {
    let mib = f64::from(1 << 20);
    let pages = if exponent == 0 { 0.0 } else { f64::from(1_u32 << exponent) };
    Plan {
        // What the firmware and the guest itself have written beside the window.
        filled: (f64::from(window) + 0.6) * mib,
        window: f64::from(window) * mib,
        dirty_per_s: pages * 4_096.0 * 18.2,
        bandwidth: bandwidth as f64 * mib,
        downtime: DOWNTIME.as_secs_f64(),
    }
}

fn migrations(stage: &mut Director, moves: usize) -> Result<Value> {
    let (mut within, mut rows) = (0, Vec::new());
    let cases = cases();
    for (number, &(window, exponent, bandwidth)) in cases.iter().cycle().take(moves).enumerate() {
        let begin = unix_ms();
        let (replica, from) = stage.some_replica("api", number % 4).ok_or("no replica to move")?;
        let to = other(stage, &from)?;
        for byte in [guest::load(0), guest::window(window), guest::dirty(9)] {
            stage.fleet.dial(&from, &replica, byte)?;
        }
        // Fill the window once, then write as fast as this case says.
        std::thread::sleep(Duration::from_secs(1));
        stage.fleet.dial(&from, &replica, guest::dirty(exponent))?;
        stage.fleet.limit_migrations(&from, bandwidth << 20, DOWNTIME)?;
        let predicted = copy_seconds(&plan(window, exponent, bandwidth));
        let known = stage.fleet.migrations().len();
        stage.tell(&Command::Move { replica: replica.clone(), to: to.clone() })?;
        stage.wait("the move of a machine", PATIENCE, |stage| {
            stage.running().get(&replica.to_string()).is_some_and(|places| *places == [to.to_string()])
        })?;
        stage.wait("figures of the move", PATIENCE, |stage| stage.fleet.migrations().len() > known)?;
        let all = stage.fleet.migrations();
        let measured = all.iter().max_by_key(|it| it.action).ok_or("no figures")?;
        let total = measured.total_ms as f64 / 1e3;
        let near = predicted.is_some_and(|it| (it - total).abs() <= 0.3 * total);
        within += i32::from(near);
        rows.push(json!({"predicted_s": predicted, "total_s": total, "downtime_ms": measured.downtime_ms}));
        stage.fleet.limit_migrations(&from, 1 << 30, Duration::from_millis(300))?;
        let said = predicted.map_or_else(|| "never".into(), |it| format!("{it:.2} s"));
        let detail = format!(
            "{replica} {from} to {to}: predicted {said}, took {total:.2} s, stood still {} ms",
            measured.downtime_ms
        );
        stage.note("live migration", begin, detail);
    }
    Ok(json!({"count": rows.len(), "within_30_percent": within, "each": rows}))
}

fn migration_fails(stage: &mut Director) -> Result<()> {
    let begin = unix_ms();
    let (replica, from) = stage.some_replica("web", 0).ok_or("no replica to move")?;
    let to = other(stage, &from)?;
    for byte in [guest::window(12), guest::dirty(9)] {
        stage.fleet.dial(&from, &replica, byte)?;
    }
    stage.fleet.limit_migrations(&from, 1 << 20, Duration::from_millis(10))?;
    stage.tell(&Command::Move { replica: replica.clone(), to: to.clone() })?;
    let order = format!("migrate {replica}");
    stage.wait("the order to move", PATIENCE, |stage| {
        stage
            .heard(begin)
            .iter()
            .any(|it| it["order"].as_str().is_some_and(|words| words.starts_with(&order)))
    })?;
    std::thread::sleep(Duration::from_millis(1_500));
    stage.fleet.kill(&to)?;
    stage.fleet.dial(&from, &replica, guest::dirty(0))?;
    stage.wait("notice of the dead target", PATIENCE, |stage| {
        stage.first_note(begin, &["host-suspect"]).is_some()
    })?;
    recovered(stage, "recovery after the target of a migration died")?;
    let places = stage.running().get(&replica.to_string()).cloned();
    stage.fleet.limit_migrations(&from, 1 << 30, Duration::from_millis(300))?;
    stage.note("fault: migration's target killed", begin, format!("{replica} runs on {places:?}"));
    back(stage, &to)
}

fn controller_dies(stage: &mut Director) -> Result<()> {
    let begin = unix_ms();
    let host = stage.fullest().ok_or("no host")?;
    // In the middle of work: a host dies, and the controller with it.
    stage.fleet.kill(&host)?;
    std::thread::sleep(Duration::from_millis(3_700));
    stage.kill_controller()?;
    std::thread::sleep(Duration::from_secs(1));
    stage.start_controller()?;
    recovered(stage, "recovery by a controller that went on from its journal")?;
    let heard = stage.heard(begin);
    let active = heard.iter().rev().find(|it| it.get("active").is_some()).ok_or("no new life")?.clone();
    let detail = format!("{host} died too; epoch {}, {} records read", active["epoch"], active["records"]);
    stage.note("fault: controller killed", begin, detail);
    back(stage, &host)
}

fn second_controller(stage: &mut Director) -> Result<()> {
    let begin = unix_ms();
    if !stage.second_controller(Duration::from_secs(3))? {
        return Err("the second controller did not stay passive".into());
    }
    stage.note("second controller", begin, "stayed passive".into());
    Ok(())
}

fn new_version(stage: &mut Director) -> Result<()> {
    let begin = unix_ms();
    let component: ComponentId = "cache".parse()?;
    stage.tell(&Command::Version { component, version: "2".into() })?;
    let mut least = usize::MAX;
    stage.wait("two caches of version 2", PATIENCE, |stage| {
        let serving = stage.running().keys().filter(|id| id.starts_with("cache#")).count();
        least = least.min(serving);
        stage.heard(begin).iter().any(|it| it["code"] == "rollout-done" || it["code"] == "rollout-complete")
    })?;
    recovered(stage, "rest after a new version")?;
    stage.note("rolling version change", begin, format!("cache 1 to 2; never fewer than {least} ran"));
    Ok(())
}

fn load_rises(stage: &mut Director) -> Result<()> {
    let begin = unix_ms();
    let web = |stage: &Director| stage.running().keys().filter(|id| id.starts_with("web#")).count();
    let before = web(stage);
    for number in 0..before {
        if let Some((replica, host)) = stage.some_replica("web", number) {
            stage.fleet.dial(&host, &replica, guest::load(16))?;
        }
    }
    let seconds = stage.wait("more web machines", PATIENCE, |stage| web(stage) > before)?;
    for number in 0..web(stage) {
        if let Some((replica, host)) = stage.some_replica("web", number) {
            stage.fleet.dial(&host, &replica, guest::load(0))?;
        }
    }
    stage.note(
        "load rises",
        begin,
        format!("{before} web machines became {} after {seconds:.1} s", web(stage)),
    );
    Ok(())
}

fn compromised(stage: &mut Director) -> Result<()> {
    let begin = unix_ms();
    let component: ComponentId = "db".parse()?;
    let before: Vec<String> = stage.running().into_keys().filter(|id| id.starts_with("db#")).collect();
    stage.tell(&Command::Alert { component })?;
    stage.wait("rebuilt databases", PATIENCE, |stage| {
        let now: Vec<String> = stage.running().into_keys().filter(|id| id.starts_with("db#")).collect();
        now.len() >= 2 && now.iter().all(|id| !before.contains(id))
    })?;
    stage.note("fault: compromised component", begin, format!("{before:?} rebuilt"));
    Ok(())
}

fn end(mut stage: Director, out: &Path, figures: &Value, work: &Path) -> Result<Value> {
    let begin = unix_ms();
    stage.kill_controller()?;
    let store = Store::open(work.join("store.db"), Durability::OnSync)?;
    let audit = store.audit()?;
    let verdict = audit.verify()?;
    if !verdict.ok() {
        return Err(format!("the audit log does not verify: {:?}", verdict.problem).into());
    }
    let records = store.journal().read_all()?;
    let now = Timestamp::from_unix_ms(unix_ms());
    let (shop, hosts) = (stack::ecosystem()?, stack::infrastructure()?);
    Engine::replay(EngineSettings::default(), &shop, &hosts, &records, Epoch(1), now)?;
    stage.note(
        "audit log verified",
        begin,
        format!("{} entries, {} journal records", audit.size(), records.len()),
    );
    std::fs::create_dir_all(out)?;
    let words: Vec<String> =
        stage.heard(0).iter().filter_map(|it| it["note"].as_str().map(str::to_owned)).collect();
    let large = [
        ("steps".to_owned(), stage.steps.len().to_string()),
        ("audit entries".to_owned(), audit.size().to_string()),
    ];
    let path = out.join("report.html");
    std::fs::write(&path, report::page("The closed loop on real systems", &stage.steps, &large, &words))?;
    println!("report: {}", path.display());
    let answer = json!({"steps": stage.steps.len(), "audit_entries": audit.size(), "journal_records": records.len(),
        "figures": figures});
    drop(stage);
    drop(std::fs::remove_dir_all(work));
    Ok(answer)
}

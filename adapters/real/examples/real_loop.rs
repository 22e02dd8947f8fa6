//! The closed loop on real systems: four hosts, twelve QEMU machines, Prometheus, a durable store; and one story of each fault.
//!
//! `cargo run --release --manifest-path adapters/Cargo.toml --example real_loop -- [--out DIR] [--migrations COUNT] [--seed SEED]
//! [--lock file|etcd]` prints a timeline with measured times, writes `DIR/report.html`, exits with 1 if anything did not go as it
//! must. Needs the Debian packages qemu-system-x86 and prometheus. The last line is JSON.
//!
//! Controllers compete for the lock file of a SQLite store, which needs nothing but the file system and is the default. With
//! `--lock etcd` they compete for a lease in etcd and keep their records in `PostgreSQL` (Debian packages etcd-server and
//! postgresql), as controllers on several machines do, and the story tells what becomes of leaders that die, stand still, do not
//! look at their lease, or lose etcd.

use ecosystem_real::director::Director;
use ecosystem_real::draw::Draw;
use ecosystem_real::faults::{self, Seen};
use ecosystem_real::moves::{self, Moves};
use ecosystem_real::verdict::verdict;
use ecosystem_real::{play_role, report, rivals, unix_ms};
use serde_json::{Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Asked {
    out: PathBuf,
    migrations: usize,
    seed: u64,
    etcd: bool,
}

fn main() -> ExitCode {
    if let Some(ended) = play_role() {
        if let Err(e) = ended {
            eprintln!("{e}");
        }
        return ExitCode::FAILURE;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(asked) = asked(&words) else {
        eprintln!(
            "real_loop: expected [--out DIR] [--migrations COUNT] [--seed SEED] [--lock file|etcd], found {words:?}"
        );
        return ExitCode::from(2);
    };
    match story(&asked) {
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

fn asked(words: &[String]) -> Option<Asked> {
    let out = std::env::temp_dir().join(format!("real-{}", std::process::id()));
    let mut asked = Asked { out, migrations: 6, seed: 1, etcd: false };
    for pair in words.chunks(2) {
        match pair {
            [flag, dir] if flag == "--out" => asked.out = PathBuf::from(dir),
            [flag, count] if flag == "--migrations" => asked.migrations = count.parse().ok()?,
            [flag, seed] if flag == "--seed" => asked.seed = seed.parse().ok()?,
            [flag, lock] if flag == "--lock" && (lock == "file" || lock == "etcd") => {
                asked.etcd = lock == "etcd";
            }
            _ => return None,
        }
    }
    Some(asked)
}

fn story(asked: &Asked) -> Result<Value> {
    std::fs::create_dir_all(&asked.out)?;
    // Sockets need short names, whatever the output directory is called.
    let work = std::env::temp_dir().join(format!("rl{}", std::process::id()));
    let mut stage = Director::start_with(&work, true, asked.etcd)?;
    let mut draw = Draw::new(asked.seed);
    let begin = unix_ms();
    stage.start_controller()?;
    let up = stage.wait("twelve machines", Duration::from_secs(180), Director::is_well)?;
    let detail = format!("{} hosts, {} machines", stage.hosts.len(), stage.running().len());
    stage.note("twelve machines up", begin, detail);
    let killed = faults::host_killed(&mut stage, &mut draw)?;
    faults::host_hangs(&mut stage, &mut draw)?;
    faults::host_cut_off(&mut stage, &mut draw)?;
    let mut moves = Moves::default();
    for _ in 0..4 * asked.migrations {
        if moves.done.len() == asked.migrations {
            break;
        }
        let begin = unix_ms();
        if let Some(words) = moves.one(&mut stage, &mut draw)? {
            stage.note("live migration", begin, words);
        }
    }
    let target = faults::target_killed(&mut stage, &mut draw)?;
    faults::controller_dies(&mut stage, &mut draw)?;
    second_controller(&mut stage)?;
    if asked.etcd {
        rivals::story(&mut stage)?;
    }
    faults::new_version(&mut stage, "cache", "2")?;
    faults::load_rises(&mut stage)?;
    faults::compromised(&mut stage, "db")?;
    end(stage, asked, up, &moves, &[killed, target], &work)
}

fn second_controller(stage: &mut Director) -> Result<()> {
    let begin = unix_ms();
    if !stage.second_controller(Duration::from_secs(3))? {
        return Err("the second controller did not stay passive".into());
    }
    stage.note("second controller", begin, "stayed passive as long as the first one lived".into());
    Ok(())
}

fn end(
    mut stage: Director,
    asked: &Asked,
    up: f64,
    moves: &Moves,
    losses: &[Seen],
    work: &Path,
) -> Result<Value> {
    let begin = unix_ms();
    let found = verdict(&mut stage)?;
    if let Some(problem) = &found.audit_problem {
        return Err(format!("the audit log does not verify: {problem}").into());
    }
    if found.lost > 0 || found.unfinished > 0 {
        return Err(format!("{} records lost, {} actions not ended", found.lost, found.unfinished).into());
    }
    let detail = format!(
        "{} audit entries, {} journal records, none of {} that were acknowledged is missing, every action has ended",
        found.audit_entries, found.journal_records, found.acknowledged
    );
    stage.note("audit log verified", begin, detail);
    let seconds = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |it| format!("{it:.1} s"));
    let (detection, recovery) =
        (losses.iter().map(|it| it.detection_s), losses.iter().map(|it| it.recovery_s));
    let figures = [
        ("until twelve machines ran", format!("{up:.1} s")),
        ("until a lost host was noticed", seconds(detection.flatten().reduce(f64::max))),
        ("from then until all ran again", seconds(recovery.flatten().reduce(f64::max))),
        ("migrations predicted within 30 %", format!("{} of {}", moves.near(), moves.done.len())),
        ("machines that ran twice", stage.watch.doubles().len().to_string()),
        ("audit entries, verified", found.audit_entries.to_string()),
    ];
    let path = asked.out.join("report.html");
    std::fs::write(&path, report::page("The closed loop on real systems", &stage, &moves.done, &figures))?;
    println!("report: {}", path.display());
    let loss =
        |it: &Seen| json!({"detection_s": it.detection_s, "recovery_after_detection_s": it.recovery_s});
    let answer = json!({
        "steps": stage.steps.len(), "up_s": up, "losses": losses.iter().map(loss).collect::<Vec<_>>(),
        "double_active": stage.watch.doubles().len(), "lost_records": found.lost, "unfinished_actions": found.unfinished,
        "audit_entries": found.audit_entries, "journal_records": found.journal_records, "migrations": moves::figures(moves),
    });
    drop(stage);
    drop(std::fs::remove_dir_all(work));
    Ok(answer)
}

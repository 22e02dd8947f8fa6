//! Faults at random on real systems: four hosts, a dozen QEMU machines, Prometheus, a durable store, and an observer that
//! believes nobody.
//!
//! `cargo run --release --manifest-path adapters/Cargo.toml --example real_chaos -- --minutes N --seed S [--spare M] [--out DIR]`
//! draws faults for N minutes, waits for rest, judges, and exits with 1 if anything ran twice, was lost, or did not end. In the last
//! M minutes (a third of the time from 15 minutes on, unless said otherwise) the controller is not killed, so that it can be seen
//! whether its memory grows. With `--out`, `DIR/report.html` shows it all. Needs the Debian packages qemu-system-x86 and prometheus. The last line is JSON.

use ecosystem_real::chaos::{self, Tally};
use ecosystem_real::director::Director;
use ecosystem_real::verdict::Verdict;
use ecosystem_real::{play_role, report, unix_ms};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// From here on a run has time for a life of the controller that says something about its memory.
const LONG: Duration = Duration::from_secs(15 * 60);

struct Asked {
    out: Option<PathBuf>,
    span: Duration,
    spare: Option<Duration>,
    seed: u64,
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
        eprintln!("real_chaos: expected --minutes N [--seed S] [--spare M] [--out DIR], found {words:?}");
        return ExitCode::from(2);
    };
    match chaos(&asked) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("real_chaos: {e}");
            ExitCode::FAILURE
        }
    }
}

fn asked(words: &[String]) -> Option<Asked> {
    let mut asked = Asked { out: None, span: Duration::ZERO, spare: None, seed: 1 };
    for pair in words.chunks(2) {
        match pair {
            [flag, dir] if flag == "--out" => asked.out = Some(PathBuf::from(dir)),
            [flag, minutes] if flag == "--minutes" => asked.span = span(minutes)?,
            [flag, minutes] if flag == "--spare" => asked.spare = Some(span(minutes)?),
            [flag, seed] if flag == "--seed" => asked.seed = seed.parse().ok()?,
            _ => return None,
        }
    }
    (!asked.span.is_zero()).then_some(asked)
}

fn span(minutes: &str) -> Option<Duration> {
    let minutes = minutes.parse::<f64>().ok().filter(|it| (0.0..=10_000.0).contains(it))?;
    Some(Duration::from_secs_f64(60.0 * minutes))
}

impl Asked {
    fn spared(&self) -> Duration {
        let usual = if self.span < LONG { Duration::ZERO } else { self.span / 3 };
        self.spare.unwrap_or(usual)
    }
}

/// True if everything went as it must.
fn chaos(asked: &Asked) -> Result<bool> {
    if let Some(out) = &asked.out {
        std::fs::create_dir_all(out)?;
    }
    let work = std::env::temp_dir().join(format!("rc{}", std::process::id()));
    let mut stage = Director::start(&work, true)?;
    let begin = unix_ms();
    stage.start_controller()?;
    stage.wait("twelve machines", Duration::from_secs(180), Director::is_well)?;
    let detail = format!("{} hosts, {} machines", stage.hosts.len(), stage.running().len());
    stage.note("machines up", begin, detail);
    let clock = Instant::now();
    let (tally, found) = chaos::run(&mut stage, asked.span, asked.spared(), asked.seed)?;
    let figures = chaos::figures(&stage, &tally, &found, clock.elapsed());
    if let Some(out) = &asked.out {
        let path = out.join("report.html");
        std::fs::write(&path, page(&stage, &tally, &found, clock.elapsed()))?;
        println!("report: {}", path.display());
    }
    let complaints = chaos::complaints(&stage, &tally, &found);
    drop(stage);
    // What led to a complaint is left to be looked at.
    if complaints.is_empty() {
        drop(std::fs::remove_dir_all(&work));
    } else {
        kept(&work, &complaints);
    }
    for life in &found.memory.lives {
        println!("controller: {life}");
    }
    println!("{figures}");
    Ok(complaints.is_empty())
}

fn kept(work: &Path, complaints: &[String]) {
    for complaint in complaints {
        eprintln!("real_chaos: {complaint}");
    }
    eprintln!("real_chaos: logs are left in {}", work.display());
}

fn page(stage: &Director, tally: &Tally, found: &Verdict, span: Duration) -> String {
    let longest = chaos::quantile(&tally.recoveries, 1.0);
    let figures = [
        ("minutes", format!("{:.1}", span.as_secs_f64() / 60.0)),
        ("faults", tally.faults.to_string()),
        ("machines that ran twice", stage.watch.doubles().len().to_string()),
        ("machines lost", tally.lost_vms.to_string()),
        ("acknowledged records lost", found.lost.to_string()),
        ("longest recovery after notice", longest.map_or_else(|| "–".into(), |it| format!("{it:.1} s"))),
        ("migrations predicted within 30 %", format!("{} of {}", tally.moves.near(), tally.moves.done.len())),
    ];
    report::page("Faults at random on real systems", stage, &tally.moves.done, &figures)
}

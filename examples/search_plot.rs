//! How the cost of a placement falls with time: one panel for each instance, cost and lower bound over seconds.
//!
//! `cargo run --release --example search_plot -- OUT.svg INSTANCE... [--seconds 20] [--seed N] [--workers N]`
//!
//! The instances are those of `place_json`. The last line of standard output is one line of JSON.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of moves from seconds")]

mod evaluation;
#[path = "evaluation/instance.rs"]
mod instance;

use evaluation::{Arguments, fail, write};
use instance::instance;
use std::fmt::Write as _;
use std::time::Instant;
use vm_ecosystem::placement::{Problem, Search, Settings};

const USAGE: &str = "usage: search_plot OUT.svg INSTANCE... [--seconds 20] [--seed 0] [--workers 2]";
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 230.0;
/// Room for the numbers on the left, the title above and the seconds below.
const LEFT: f64 = 90.0;
const ABOVE: f64 = 34.0;
const BELOW: f64 = 30.0;
const RIGHT: f64 = 20.0;

/// Cost over time, and the bound.
struct Run {
    title: String,
    costs: Vec<(f64, i64)>,
    bound: i64,
}

fn main() {
    let arguments = Arguments::read_between(USAGE, 2..=12, &["seconds", "seed", "workers"]);
    let seconds: f64 = arguments.number("seconds", 20.0);
    if !(0.1..=86_400.0).contains(&seconds) {
        fail(format!("option `--seconds` is {seconds}, expected 0.1 to 86400"));
    }
    let settings = Settings::default()
        .with_seed(arguments.number("seed", 0))
        .with_workers(arguments.number("workers", 2))
        .with_work((seconds * 2e6) as u64);
    let (out, instances) = arguments.positional.split_first().unwrap_or_else(|| fail(USAGE));
    let runs: Vec<Run> = instances
        .iter()
        .map(|path| {
            let (problem, _) = instance(path);
            let run = run(path, &problem, &settings, seconds);
            let (first, last) = (run.costs.first(), run.costs.last());
            println!(
                "{}: {:?} > {:?}, bound {}",
                run.title,
                first.map(|c| c.1),
                last.map(|c| c.1),
                run.bound
            );
            run
        })
        .collect();
    write(out, page(&runs).as_bytes());
    let costs: Vec<Option<i64>> = runs.iter().map(|run| run.costs.last().map(|c| c.1)).collect();
    println!("{}", serde_json::json!({ "instances": runs.len(), "costs": costs, "seconds": seconds }));
}

fn run(path: &str, problem: &Problem, settings: &Settings, seconds: f64) -> Run {
    let begun = Instant::now();
    let mut search = Search::new(problem, settings);
    let mut costs: Vec<(f64, i64)> = Vec::new();
    let mut slice = 500_u64;
    loop {
        let now = begun.elapsed().as_secs_f64();
        if let Some(cost) = search.cost().filter(|&cost| costs.last().is_none_or(|last| cost < last.1)) {
            costs.push((now.max(1e-3), cost));
        }
        if now >= seconds || !search.step_at(slice, now / seconds) {
            break;
        }
        let took = (begun.elapsed().as_secs_f64() - now).max(1e-6);
        // fine at the beginning, where most happens
        let wanted = (now / 50.0).clamp(0.002, 0.05);
        slice = ((slice as f64 * (wanted / took).clamp(0.5, 2.0)) as u64).max(50);
    }
    if let Some(&(_, cost)) = costs.last() {
        costs.push((begun.elapsed().as_secs_f64(), cost));
    }
    let title = std::path::Path::new(path)
        .file_name()
        .map_or_else(|| path.to_owned(), |n| n.to_string_lossy().into_owned());
    Run { title, costs, bound: search.bound() }
}

/// All panels under each other, seconds on a logarithmic axis.
fn page(runs: &[Run]) -> String {
    let height = HEIGHT * runs.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (number, run) in runs.iter().enumerate() {
        let _ = writeln!(out, "<g transform=\"translate(0 {})\">", HEIGHT * number as f64);
        panel(&mut out, run);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, run: &Run) {
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"18\" font-size=\"12\" font-weight=\"bold\">{}</text>\
         <text x=\"{}\" y=\"18\" text-anchor=\"end\"><tspan fill=\"#1769c2\">cost</tspan> and \
         <tspan fill=\"#b3261e\">lower bound</tspan> over seconds</text>",
        run.title.replace('&', "&amp;").replace('<', "&lt;"),
        WIDTH - RIGHT
    );
    let (Some(first), Some(last)) = (run.costs.first(), run.costs.last()) else {
        let _ =
            writeln!(out, "<text x=\"{LEFT}\" y=\"60\">no placement that keeps all rules was found</text>");
        return;
    };
    let (from, to) = (first.0.log10().floor(), last.0.log10().max(first.0.log10().floor() + 1.0));
    let (low, high) = (run.bound.min(last.1) as f64, first.1.max(run.bound + 1) as f64);
    let x = |seconds: f64| LEFT + (seconds.log10() - from) / (to - from) * (WIDTH - LEFT - RIGHT);
    let y = |cost: f64| HEIGHT - BELOW - (cost - low) / (high - low) * (HEIGHT - ABOVE - BELOW);
    for tick in 0..=4 {
        let cost = low + (high - low) * f64::from(tick) / 4.0;
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{0}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#e6e6e6\"/>\
             <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{cost:.0}</text>",
            WIDTH - RIGHT,
            y(cost),
            LEFT - 8.0,
            y(cost) + 4.0
        );
    }
    let mut decade = from;
    while decade <= to {
        let seconds = 10_f64.powf(decade);
        let label = if seconds < 1.0 { format!("{seconds:.3}") } else { format!("{seconds:.0}") };
        let label = if label.contains('.') { label.trim_end_matches('0') } else { &label };
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label} s</text>",
            x(seconds),
            HEIGHT - 12.0
        );
        decade += 1.0;
    }
    let _ = writeln!(
        out,
        "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#b3261e\"/>",
        WIDTH - RIGHT,
        y(run.bound as f64)
    );
    let mut path = String::new();
    for (k, pair) in run.costs.windows(2).enumerate() {
        if k == 0 {
            let _ = write!(path, "M{:.1} {:.1}", x(pair[0].0), y(pair[0].1 as f64));
        }
        // the cost stays until the next one is found
        let _ = write!(path, " H{:.1} V{:.1}", x(pair[1].0), y(pair[1].1 as f64));
    }
    let _ = writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"#1769c2\" stroke-width=\"1.8\"/>");
}

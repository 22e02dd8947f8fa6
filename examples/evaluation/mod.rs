//! What the evaluation programs share: arguments, files (plain or .gz), a search that goes by the clock or by the number of moves.
#![allow(dead_code, reason = "each program uses a part")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of moves from seconds")]

use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::time::Instant;
use vm_ecosystem::placement::{Problem, Search, Settings, Solution};

/// Says what is wrong in one line and ends with exit code 2.
pub(crate) fn fail(message: impl std::fmt::Display) -> ! {
    eprintln!("{message}");
    std::process::exit(2)
}

/// Positional arguments and options with a value.
pub(crate) struct Arguments {
    pub(crate) positional: Vec<String>,
    options: Vec<(String, String)>,
}

impl Arguments {
    /// Reads the command line; only the named options are known.
    pub(crate) fn read(usage: &str, positional_count: usize, known: &[&str]) -> Self {
        Self::read_between(usage, positional_count..=positional_count, known)
    }

    /// Like [`read`](Self::read) with a number of positional arguments that may vary.
    pub(crate) fn read_between(usage: &str, positional_count: RangeInclusive<usize>, known: &[&str]) -> Self {
        let (mut positional, mut options) = (Vec::new(), Vec::new());
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            if argument == "--help" {
                println!("{usage}");
                std::process::exit(0);
            }
            if let Some(name) = argument.strip_prefix("--") {
                if !known.contains(&name) {
                    fail(format!("unknown option `{argument}`; {usage}"));
                }
                let Some(value) = arguments.next() else {
                    fail(format!("option `{argument}` wants a value; {usage}"))
                };
                options.push((name.to_owned(), value));
            } else {
                positional.push(argument);
            }
        }
        if !positional_count.contains(&positional.len()) {
            let (given, least, most) = (positional.len(), positional_count.start(), positional_count.end());
            let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
            fail(format!("{given} arguments given, expected {expected}; {usage}"));
        }
        Self { positional, options }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        match self.text(name) {
            None => default,
            Some(text) => text
                .parse()
                .unwrap_or_else(|_| fail(format!("option `--{name}` is `{text}`, expected a number"))),
        }
    }
}

/// The bytes of a plain or gzipped file.
pub(crate) fn read(path: &str) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| fail(format!("{path}: {error}")));
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut plain = Vec::new();
    if let Err(error) = flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain) {
        fail(format!("{path}: not a gzip file: {error}"));
    }
    plain
}

/// Writes a file as a whole or not at all.
pub(crate) fn write(path: &str, bytes: &[u8]) {
    let partial = format!("{path}.part");
    let result = std::fs::File::create(&partial)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&partial, path));
    if let Err(error) = result {
        fail(format!("{path}: {error}"));
    }
}

/// How long to search.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    /// Until the clock says so.
    Seconds(f64),
    /// So many moves: the same result on any machine.
    Moves(u64),
}

impl Budget {
    /// `--moves` if it is given, else `--seconds`.
    pub(crate) fn of(arguments: &Arguments, seconds: f64) -> Self {
        match arguments.text("moves") {
            Some(_) => Self::Moves(arguments.number("moves", 0)),
            None => Self::Seconds(arguments.number("seconds", seconds)),
        }
    }
}

/// Searches until the budget is used up; `save` sees every better assignment at most once a second and at the end.
pub(crate) fn search_for(
    problem: &Problem,
    settings: &Settings,
    budget: Budget,
    started: Instant,
    mut save: impl FnMut(&[u32], i64),
) -> Solution {
    // by the clock, but the search for the bound goes by the work
    let settings = settings.with_work(match budget {
        Budget::Seconds(seconds) => (seconds * 2e6) as u64,
        Budget::Moves(moves) => moves,
    });
    let mut search = Search::new(problem, &settings);
    eprintln!(
        "{:8.2} s  start {:?}  bound {}",
        started.elapsed().as_secs_f64(),
        search.cost(),
        search.bound()
    );
    let (mut saved, mut saved_at) = (None, 0.0);
    let mut slice = 1_000_u64;
    loop {
        let now = started.elapsed().as_secs_f64();
        if search.cost() != saved && search.cost().is_some() && now - saved_at > 1.0 {
            (saved, saved_at) = (search.cost(), now);
            eprintln!("{now:8.2} s  cost {}  moves {}", saved.unwrap_or(0), search.work());
            save(search.assignment(), saved.unwrap_or(0));
        }
        let progress = match budget {
            Budget::Seconds(seconds) => now / seconds,
            Budget::Moves(moves) => {
                slice = (moves / 800).max(1);
                search.work() as f64 / moves.max(1) as f64
            }
        };
        if progress >= 1.0 || !search.step_at(slice, progress) {
            break;
        }
        if let Budget::Seconds(seconds) = budget {
            // slices of about a hundredth of the time, at most 50 ms
            let took = started.elapsed().as_secs_f64() - now;
            let wanted = (seconds / 100.0).min(0.05);
            slice = ((slice as f64 * (wanted / took.max(1e-6)).clamp(0.5, 2.0)) as u64).max(100);
        }
    }
    let solution = search.into_solution();
    save(&solution.assignment, solution.cost.total());
    solution
}

/// The last line of a solver's output.
pub(crate) fn print_result(solution: &Solution, started: Instant) {
    println!(
        "{{\"cost\":{},\"bound\":{},\"gap\":{:.6},\"moves\":{},\"seconds\":{:.3}}}",
        solution.cost.total(),
        solution.bound,
        solution.gap,
        solution.work,
        started.elapsed().as_secs_f64()
    );
}

//! Places the components of a JSON instance on its hosts.
//!
//! `cargo run --release --example place_json -- INSTANCE OUT --seconds S | --moves N [--seed N]`
//!
//! The last line of standard output is one line of JSON; OUT holds the best assignment found so far at any moment.

mod evaluation;
#[path = "evaluation/instance.rs"]
mod instance;

use evaluation::{Arguments, Budget, print_result, search_for, write};
use instance::instance;
use serde_json::json;
use std::time::Instant;
use vm_ecosystem::placement::{Settings, check_assignment};

const USAGE: &str = "usage: place_json INSTANCE OUT --seconds S | --moves N [--seed N] [--workers N]";

fn main() {
    let started = Instant::now();
    let arguments = Arguments::read(USAGE, 2, &["seconds", "moves", "seed", "workers"]);
    let (problem, _) = instance(&arguments.positional[0]);
    let settings = Settings::default()
        .with_seed(arguments.number("seed", 0))
        .with_workers(arguments.number("workers", 2));
    let out = &arguments.positional[1];
    let solution = search_for(&problem, &settings, Budget::of(&arguments, 10.0), started, |assignment, _| {
        write(out, json!({ "assignment": assignment }).to_string().as_bytes());
    });
    if let Err(error) = check_assignment(&problem, &solution.assignment) {
        eprintln!("{error}");
    }
    print_result(&solution, started);
}

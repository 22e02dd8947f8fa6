//! The whole idea in one run: map, forecast, placement, self-healing, audit log, report.
//!
//! `cargo run --release --example quickstart` needs no set-up; `--help` lists the options.

mod input;
mod metrics;
mod operate;
mod options;
mod outlook;
mod page;
mod place;
mod record;
mod show_map;
mod text;

use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => return refuse(&message),
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => refuse(&message),
    }
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("quickstart: {}", message.lines().next().unwrap_or_default());
    ExitCode::from(2)
}

fn run(options: &options::Options) -> Result<(), String> {
    let mut input = input::load(options)?;
    let facts = show_map::show(&input);
    let outlooks = outlook::look(&mut input)?;
    outlook::show(&input, &outlooks);
    let sized = outlook::sized(&input.ecosystem, &outlooks)?;
    let solution = place::place(&input, &sized, options.seed)?;
    let operation = operate::operate(&input, &sized, &solution.placement, options.seed)?;
    operate::show(input.metrics.end(), &sized, &operation);
    record::show(&operation)?;
    let story = page::Story {
        input: &input,
        facts: &facts,
        outlooks: &outlooks,
        sized: &sized,
        solution: &solution,
        operation: &operation,
    };
    page::write(&story, &options.out)?;
    if operation.broken.is_empty() { Ok(()) } else { Err("an invariant was broken".to_owned()) }
}

//! Price against nearness: the placements of an instance of which none is cheaper and nearer than another.
//!
//! `cargo run --release --example pareto_front -- INSTANCE OUT [--work N] [--searches N] [--seed N] [--peer FRONT.json]`
//!
//! OUT is the front as JSON, OUT.svg beside it a picture. The hypervolume is the share of the box between zero and the values of the
//! instance's start that the front dominates. A peer's front has the form that `scripts/peers/nsga2_front.py` writes. The last
//! line of standard output is one line of JSON.

mod evaluation;
#[path = "evaluation/front_plot.rs"]
mod front_plot;
#[path = "evaluation/instance.rs"]
mod instance;

use evaluation::{Arguments, fail, read, write};
use instance::instance;
use serde_json::{Value, json};
use std::time::Instant;
use vm_ecosystem::placement::{
    Front, Goal, Settings, Term, check_assignment, cost_of_assignment, pareto_front, solve_in_order,
};

const USAGE: &str =
    "usage: pareto_front INSTANCE OUT [--work 20000000] [--searches 12] [--seed 0] [--peer FRONT.json]";
const PRICE: &[Term] = &[Term::Price];
const NEAR: &[Term] = &[Term::Proximity];
/// What the cheapest placement may cost more to be nearer.
const SLACK: f64 = 0.02;

fn main() {
    let arguments = Arguments::read(USAGE, 2, &["work", "searches", "seed", "peer"]);
    let (problem, start) = instance(&arguments.positional[0]);
    let peer = arguments.text("peer").map(peer_values);
    let settings = Settings::default()
        .with_seed(arguments.number("seed", 0))
        .with_work(arguments.number("work", 20_000_000));
    let begun = Instant::now();
    let front = pareto_front(&problem, &settings, &[PRICE, NEAR], arguments.number("searches", 12));
    let seconds = begun.elapsed().as_secs_f64();
    for point in &front.points {
        if let Err(error) = check_assignment(&problem, &point.assignment) {
            fail(format!("the front holds a placement that breaks a rule: {error}"));
        }
    }
    let Some(worst) = cost_of_assignment(&problem, &start) else {
        fail(format!("{}: `initial` names a host that does not exist", arguments.positional[0]))
    };
    let reference = [worst.price, worst.proximity];
    let volume = share(&front, &reference);
    print_points(&front);
    let order = [Goal::strict(PRICE).with_slack(SLACK), Goal::strict(NEAR)];
    let ordered = solve_in_order(&problem, &settings, &order);
    if let [price, near] = ordered.reached[..] {
        println!(
            "cheapest {}, and the nearest within 2 % of it: {} at distance {}",
            price.best, price.value, near.value
        );
    }
    let out = &arguments.positional[1];
    let list: Vec<Value> =
        front.points.iter().map(|p| json!({"values": p.values, "assignment": p.assignment})).collect();
    write(out, json!({"objectives": ["price", "proximity"], "front": list}).to_string().as_bytes());
    let peer_volume = peer.as_ref().map(|values| dominated(values, &reference));
    write(&format!("{out}.svg"), front_plot::page(&front, peer.as_deref().unwrap_or(&[])).as_bytes());
    println!(
        "{}",
        json!({
            "points": front.points.len(), "hypervolume": volume, "peer_hypervolume": peer_volume,
            "bounds": front.bounds, "moves": front.work, "seconds": (seconds * 1e3).round() / 1e3,
        })
    );
}

fn share(front: &Front, reference: &[i64; 2]) -> f64 {
    front.hypervolume(reference) / (reference[0] as f64 * reference[1] as f64)
}

/// The same share for values alone, by strips from left to right.
fn dominated(values: &[[i64; 2]], reference: &[i64; 2]) -> f64 {
    let mut inside: Vec<[i64; 2]> =
        values.iter().copied().filter(|v| v[0] < reference[0] && v[1] < reference[1]).collect();
    inside.sort_unstable();
    let (mut area, mut height) = (0.0, reference[1]);
    for [price, distance] in inside {
        area += (reference[0] - price) as f64 * (height - distance).max(0) as f64;
        height = height.min(distance);
    }
    area / (reference[0] as f64 * reference[1] as f64)
}

/// At most a dozen points, evenly over the front, and the compromise.
fn print_points(front: &Front) {
    println!("{:>12} {:>12}", "price", "distance");
    let count = front.points.len();
    let shown = count.min(12);
    for k in 0..shown {
        let point = &front.points[k * (count - 1) / (shown - 1).max(1)];
        println!("{:>12} {:>12}", point.values[0], point.values[1]);
    }
    if let Some(point) = front.compromise() {
        println!("{:>12} {:>12}  the compromise", point.values[0], point.values[1]);
    }
}

fn peer_values(path: &str) -> Vec<[i64; 2]> {
    let value: Value = serde_json::from_slice(&read(path)).unwrap_or_else(|e| fail(format!("{path}: {e}")));
    serde_json::from_value(value["values"].clone())
        .unwrap_or_else(|e| fail(format!("{path}: `values`: {e}; expected a list of [price, distance]")))
}

//! Which worlds are explored, and what must (not) be found there.
//!
//! `MODEL_STATES=1000000` explores that many states per world instead of a bounded prefix (slow tier); the counts of
//! a long run are in `docs/reconfiguration.md`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests: how far the slow tier explores is an environment variable, and the counts are printed"
)]

use super::Small;
use super::world::Faults;
use crate::testing::Guards;
use stateright::{Checker, HasDiscoveries, Model};

/// What an exploration found.
#[derive(Debug)]
struct Explored {
    broken: Option<&'static str>,
    moved: bool,
    unserved: bool,
    states: usize,
    /// No reachable state was left out.
    complete: bool,
}

/// Explores breadth first up to a number of states.
fn explore(name: &str, small: Small, states: usize) -> Explored {
    let limit = std::env::var("MODEL_STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(states);
    let checker =
        small.checker().finish_when(HasDiscoveries::AnyFailures).target_state_count(limit).spawn_bfs().join();
    let counter_example = checker.discovery("no invariant is broken");
    let found = Explored {
        broken: counter_example.as_ref().and_then(|path| path.last_state().broken),
        moved: checker.discovery("a replica runs where it did not").is_some(),
        unserved: checker
            .discoveries()
            .contains_key("everything that fits is served once the faults are over"),
        states: checker.unique_state_count(),
        complete: checker.state_count() < limit && counter_example.is_none(),
    };
    if let Some(path) = counter_example {
        println!("{name}: {:?} by {:?}", found.broken, path.into_actions());
    }
    println!(
        "{name}: {} unique of {} states, depth {}, {}",
        found.states,
        checker.state_count(),
        checker.max_depth(),
        if found.complete { "all there are" } else { "a prefix" }
    );
    found
}

fn two_hosts(faults: Faults) -> Small {
    Small {
        hosts: 2,
        cores: 2,
        components: vec![("a", 1, 1), ("b", 1, 1)],
        faults,
        guards: Guards::default(),
        calm: false,
    }
}

#[test]
fn a_silent_host_is_recovered_without_breaking_anything() {
    let faults = Faults { silences: 1, crashes: 1, doubles: 1, starts: 1, ..Faults::default() };
    let found = explore("two hosts", two_hosts(faults), 30_000);
    assert_eq!(found.broken, None);
    assert!(found.moved && found.states > 5_000, "{found:?}");
}

#[test]
fn from_every_state_everything_that_fits_is_served_once_the_faults_are_over() {
    let faults = Faults { silences: 1, crashes: 1, losses: 1, starts: 1, ..Faults::default() };
    let found = explore("fair weather", Small { calm: true, ..two_hosts(faults) }, 30_000);
    assert_eq!(found.broken, None);
    assert!(!found.unserved && found.moved, "{found:?}");
}

#[test]
fn an_operator_may_freeze_drain_and_scale_at_any_moment() {
    let faults = Faults { silences: 1, orders: 2, ..Faults::default() };
    let small = Small { hosts: 3, calm: true, ..two_hosts(faults) };
    let found = explore("operator", small, 30_000);
    assert_eq!(found.broken, None);
    assert!(!found.unserved && found.moved, "{found:?}");
}

/// Plans of one and of two moves, swaps among them, on hosts with and without room for a detour.
#[test]
fn plans_are_carried_out_or_given_up_without_breaking_anything() {
    let faults = Faults { plans: 1, silences: 1, crashes: 1, ..Faults::default() };
    let small = |hosts, cores| Small { hosts, cores, calm: true, ..two_hosts(faults) };
    for (name, small) in [("plans, full hosts", small(3, 1)), ("plans, room for both", small(2, 2))] {
        let found = explore(name, small, 20_000);
        assert_eq!(found.broken, None, "{name}");
        assert!(!found.unserved && found.moved, "{name}: {found:?}");
    }
}

/// The first component grows and shrinks where it is, or moves to where it fits, while a host falls silent.
#[test]
fn sizes_change_at_any_moment_without_overloading_a_host() {
    let faults = Faults { sizes: 2, silences: 1, losses: 1, ..Faults::default() };
    let small = Small { hosts: 3, cores: 3, calm: true, ..two_hosts(faults) };
    let found = explore("sizes", Small { components: vec![("a", 1, 1), ("b", 1, 2)], ..small }, 20_000);
    assert_eq!(found.broken, None);
    assert!(!found.unserved && found.moved, "{found:?}");
}

#[test]
fn without_reservations_a_move_and_a_growth_overload_a_host() {
    let faults = Faults { plans: 1, sizes: 1, ..Faults::default() };
    let guards = Guards { reservation: false, ..Guards::default() };
    let small = Small { cores: 3, components: vec![("a", 1, 1), ("b", 1, 2)], ..two_hosts(faults) };
    let found = explore("no reservations, sizes", Small { guards, ..small.clone() }, 60_000);
    assert_eq!(found.broken, Some("S2"));
    let found = explore("with reservations, sizes", Small { calm: true, ..small }, 20_000);
    assert!(found.broken.is_none() && found.moved && !found.unserved, "{found:?}");
}

#[test]
fn without_fencing_a_replica_runs_twice() {
    let faults = Faults { silences: 1, ..Faults::default() };
    let guards = Guards { fencing: false, ..Guards::default() };
    let found = explore("no fencing", Small { guards, ..two_hosts(faults) }, 30_000);
    assert!(matches!(found.broken, Some("S1" | "S6")), "{found:?}");
}

#[test]
fn without_exactly_once_effect_a_doubled_answer_starts_a_replica_twice() {
    let faults = Faults { silences: 1, doubles: 1, ..Faults::default() };
    let guards = Guards { idempotence: false, ..Guards::default() };
    let found = explore("no idempotence", Small { hosts: 3, guards, ..two_hosts(faults) }, 60_000);
    assert!(matches!(found.broken, Some("S1" | "S6")), "{found:?}");
}

#[test]
fn without_the_journal_first_a_crash_loses_track_of_what_left() {
    let faults = Faults { silences: 1, crashes: 1, ..Faults::default() };
    let guards = Guards { journal_first: false, ..Guards::default() };
    let found = explore("journal after action", Small { hosts: 3, guards, ..two_hosts(faults) }, 60_000);
    assert!(matches!(found.broken, Some("S1" | "S6" | "S7")), "{found:?}");
}

#[test]
fn without_reservations_two_starts_overload_a_host() {
    let faults = Faults { silences: 1, ..Faults::default() };
    let guards = Guards { reservation: false, ..Guards::default() };
    // a and c run on h0; each fits on h1 beside b, both do not.
    let components = vec![("a", 1, 2), ("b", 1, 2), ("c", 1, 2)];
    let small = Small { hosts: 2, cores: 4, components, faults, guards, calm: false };
    let found = explore("no reservations", small.clone(), 60_000);
    assert_eq!(found.broken, Some("S2"));
    let found =
        explore("with reservations", Small { guards: Guards::default(), calm: true, ..small }, 20_000);
    assert!(found.broken.is_none() && found.moved && !found.unserved, "{found:?}");
}

#[test]
fn without_budgets_a_roll_out_takes_everything_down() {
    let faults = Faults { versions: 1, ..Faults::default() };
    let guards = Guards { budget: false, ..Guards::default() };
    let components = vec![("a", 2, 1)];
    let small = Small { hosts: 2, cores: 4, components, faults, guards, calm: false };
    let found = explore("no budgets", small.clone(), 30_000);
    assert_eq!(found.broken, Some("S3"));
    let found = explore("with budgets", Small { guards: Guards::default(), calm: true, ..small }, 20_000);
    assert!(found.broken.is_none() && found.moved && !found.unserved, "{found:?}");
}

#[test]
fn without_approval_an_isolated_component_gets_traffic() {
    let faults = Faults { alerts: 1, ..Faults::default() };
    let guards = Guards { approval: false, ..Guards::default() };
    let components = vec![("a", 1, 1)];
    let small = Small { hosts: 2, cores: 4, components, faults, guards, calm: false };
    let found = explore("no approval", small.clone(), 30_000);
    assert_eq!(found.broken, Some("S4"));
    let found = explore("with approval", Small { guards: Guards::default(), calm: true, ..small }, 20_000);
    assert!(found.broken.is_none() && found.moved && !found.unserved, "{found:?}");
}

/// Every world in which a guard is switched off above, with all guards on: nothing breaks, and the exploration gets as
/// far as the counter-examples did (somebody moves).
#[test]
fn with_all_guards_on_every_one_of_these_worlds_moves_and_nothing_breaks() {
    let silent = Faults { silences: 1, ..Faults::default() };
    let doubled = Faults { doubles: 1, ..silent };
    let crashing = Faults { crashes: 1, ..silent };
    let small = |components, faults| Small { cores: 4, components, ..two_hosts(faults) };
    let worlds = [
        ("fencing", two_hosts(silent)),
        ("idempotence, two hosts", two_hosts(doubled)),
        ("idempotence, three hosts", Small { hosts: 3, ..two_hosts(doubled) }),
        ("journal first, two hosts", two_hosts(crashing)),
        ("journal first, three hosts", Small { hosts: 3, ..two_hosts(crashing) }),
        ("reservations", small(vec![("a", 1, 2), ("b", 1, 2), ("c", 1, 2)], silent)),
        ("budgets", small(vec![("a", 2, 1)], Faults { versions: 1, ..Faults::default() })),
        ("approval", small(vec![("a", 1, 1)], Faults { alerts: 1, ..Faults::default() })),
    ];
    for (name, world) in worlds {
        let found = explore(name, world, 10_000);
        assert!(found.broken.is_none() && found.moved, "{name}: {found:?}");
    }
}

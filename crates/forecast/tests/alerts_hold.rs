//! A day of forty components, faults that travel, one pager: simulated streams through detector, rule and grouping.
#![allow(
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test prints what it counted and fails by panicking"
)]

use ecosystem_forecast::alert::{
    AlertCause, AlertChange, AlertRule, Effect, IncidentSettings, Incidents, RuleSettings, Sample, Side,
};
use ecosystem_forecast::anomaly::{Detector, RobustZ};

const MINUTE: u64 = 60_000;
const COMPONENTS: usize = 40;
/// Minute, component and length of the faults; each reaches the caller two minutes later, three levels up.
const FAULTS: [(u64, usize, u64); 5] =
    [(500, 39, 30), (700, 22, 45), (900, 31, 12), (1100, 17, 60), (1300, 8, 20)];

/// A tree of calls: everybody but the root is called by `parent`.
fn parent(component: usize) -> Option<usize> {
    (component > 0).then(|| (component - 1) / 3)
}

/// Latency of a component in a minute: a daily wave, noise, and what the faults do. `None` in the gap.
fn latency(component: usize, minute: u64, noise: f64) -> Option<f64> {
    if component == 5 && (600..640).contains(&minute) {
        return None;
    }
    let wave = (minute as f64 / 1440.0 * std::f64::consts::TAU).sin();
    let mut value = 100.0 + 10.0 * wave + 2.0 * noise;
    for (begin, origin, length) in FAULTS {
        let (mut at, mut delay) = (Some(origin), 0);
        for _ in 0..4 {
            // Every third minute looks normal: the fault flaps.
            let on = (begin + delay..begin + delay + length).contains(&minute) && minute % 7 != 3;
            if at == Some(component) && on {
                value += 80.0;
            }
            at = at.and_then(parent);
            delay += 2;
        }
    }
    Some(value)
}

/// Standard normal by a sum of twelve, from a linear congruential generator.
fn noise(state: &mut u64) -> f64 {
    let mut uniform = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / 9_007_199_254_740_992.0
    };
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

struct Day {
    detectors: Vec<RobustZ>,
    rules: Vec<AlertRule>,
    incidents: Incidents,
}

fn day() -> Day {
    let edges: Vec<(usize, usize)> = (1..COMPONENTS).filter_map(|c| Some((parent(c)?, c))).collect();
    let settings = RuleSettings::default()
        .with_raise_at(8.0)
        .with_hold_ms(MINUTE)
        .with_effect(Effect::default().with_relative(0.2).with_side(Side::Above));
    Day {
        detectors: vec![RobustZ::new(240, 8.0).unwrap(); COMPONENTS],
        rules: vec![AlertRule::new(&settings).unwrap(); COMPONENTS],
        incidents: Incidents::new(COMPONENTS, &edges, &IncidentSettings::default()).unwrap(),
    }
}

/// What was told: minute, component, cause, incident, whether the incident was new.
type Told = Vec<(u64, usize, AlertCause, u64, bool)>;

fn minute(day: &mut Day, minute: u64, state: &mut u64, told: &mut Told, outliers: &mut usize) {
    let at_ms = minute * MINUTE;
    for c in 0..COMPONENTS {
        let noise = noise(state);
        let change = match latency(c, minute, noise) {
            None => day.rules[c].tick(at_ms).unwrap(),
            Some(value) => {
                let score = day.detectors[c].push(value);
                *outliers += usize::from(score.is_anomaly());
                day.rules[c].observe(at_ms, &Sample::of(&score)).unwrap()
            }
        };
        match change {
            Some(AlertChange::Raised(alert)) => {
                let joined = day.incidents.raised(at_ms, c, 0).unwrap();
                told.push((minute, c, alert.cause, joined.id.number, joined.opened));
            }
            Some(AlertChange::Resolved(_)) => drop(day.incidents.resolved(at_ms, c, 0).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_day_of_faults_pages_once_per_fault_and_names_its_origin() {
    let (mut day, mut state, mut told, mut outliers) = (day(), 7_u64, Told::new(), 0);
    for m in 0..1440 {
        minute(&mut day, m, &mut state, &mut told, &mut outliers);
        // Ten minutes into a fault its origin is the first suspect.
        for (begin, origin, _) in FAULTS {
            if m == begin + 10 {
                let incident =
                    day.incidents.open().iter().find(|i| i.components.contains_key(&origin)).unwrap();
                assert_eq!(day.incidents.suspects(incident)[0], origin);
            }
        }
    }
    let pages = told.iter().filter(|t| t.4).count();
    println!("{outliers} anomalous values, {} alerts, {pages} incidents", told.len());
    assert_eq!(
        told.iter().filter(|t| t.2 == AlertCause::Absent).map(|t| (t.0, t.1)).collect::<Vec<_>>(),
        [(614, 5)]
    );
    assert_eq!(pages, FAULTS.len() + 1, "{told:?}");
    assert!(outliers > 10 * told.len() && told.len() >= 3 * FAULTS.len());
    // Every fault was told within three minutes.
    for (begin, origin, _) in FAULTS {
        assert!(
            told.iter().any(|t| t.1 == origin && (begin..=begin + 3).contains(&t.0)),
            "{begin}: {told:?}"
        );
    }
}

#[cfg(feature = "serde")]
#[test]
fn rules_budgets_and_incidents_continue_after_storage_bit_for_bit() {
    use ecosystem_forecast::alert::BurnRate;
    let (mut a, mut state, mut told, mut outliers) = (day(), 3_u64, Told::new(), 0);
    let mut budget = BurnRate::new(0.99, &BurnRate::WORKBOOK, 5).unwrap();
    for m in 0..705 {
        minute(&mut a, m, &mut state, &mut told, &mut outliers);
        budget.observe(m * MINUTE, m % 3, 100).unwrap();
    }
    let copy = |rules: &Vec<AlertRule>| -> Vec<AlertRule> {
        serde_json::from_str(&serde_json::to_string(rules).unwrap()).unwrap()
    };
    let mut b = Day {
        detectors: a.detectors.clone(),
        rules: copy(&a.rules),
        incidents: serde_json::from_str(&serde_json::to_string(&a.incidents).unwrap()).unwrap(),
    };
    assert!(b.rules == a.rules && b.incidents == a.incidents && !a.incidents.open().is_empty());
    let mut stored: BurnRate = serde_json::from_str(&serde_json::to_string(&budget).unwrap()).unwrap();
    let (mut told_b, mut state_b, mut outliers_b) = (told.clone(), state, outliers);
    for m in 705..1000 {
        minute(&mut a, m, &mut state, &mut told, &mut outliers);
        minute(&mut b, m, &mut state_b, &mut told_b, &mut outliers_b);
        assert_eq!(
            budget.observe(m * MINUTE, m % 5, 100).unwrap(),
            stored.observe(m * MINUTE, m % 5, 100).unwrap()
        );
    }
    assert_eq!(told, told_b);
    assert_eq!(serde_json::to_string(&a.rules).unwrap(), serde_json::to_string(&b.rules).unwrap());
    assert_eq!(a.incidents, b.incidents);
}

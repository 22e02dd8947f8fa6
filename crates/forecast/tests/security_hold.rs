//! Two simulated weeks of thirty actors with five attacks: four are found at once, and little else. The stream is simulated (public
//! labelled logs of actors are not part of the data), so the figures say that the model does what it claims, not how often
//! real users are odd.
#![allow(
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test prints what it counted and fails by panicking"
)]

use ecosystem_forecast::security::{ActorEvent, Behaviour, BehaviourSettings, SecurityFinding, Sign};

const MINUTE: u64 = 60_000;
const DAY: u64 = 1440;
const DAYS: u64 = 14;
const ACTORS: u64 = 30;

/// A linear congruential generator.
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / 9_007_199_254_740_992.0
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.uniform() * n as f64) as u64
    }

    /// Poisson (Knuth).
    fn poisson(&mut self, mean: f64) -> u32 {
        let (limit, mut product, mut n) = ((-mean).exp(), 1.0, 0);
        loop {
            product *= self.uniform();
            if product <= limit {
                return n;
            }
            n += 1;
        }
    }
}

#[derive(Clone, Debug)]
struct Event {
    minute: u64,
    actor: String,
    action: String,
    peer: Option<String>,
}

/// Ordinary work in one minute: people by day, services always; peers mostly from a few, sometimes new.
fn usual(minute: u64, dice: &mut Dice, out: &mut Vec<Event>) {
    let hour = minute % DAY / 60;
    for k in 0..ACTORS {
        let service = k % 3 == 0;
        let mean = match () {
            () if service => 0.8 + 0.2 * (k % 5) as f64,
            () if (8..18).contains(&hour) => 0.6,
            () => 0.01,
        };
        for _ in 0..dice.poisson(mean) {
            let action = ["read", "write", "list", "connect 443"][dice.below(4) as usize];
            // Services know eight peers, people twenty; one in three hundred of theirs is new.
            let new = !service && dice.below(300) == 0;
            let peer =
                if new { 1000 + dice.below(100_000) } else { dice.below(if service { 8 } else { 20 }) };
            let actor = format!("{}{k}", if service { "svc-" } else { "user-" });
            out.push(Event { minute, actor, action: action.to_owned(), peer: Some(format!("host-{peer}")) });
        }
    }
}

/// What the attack of this name does in its minute `since`: events as (actor, action, peer).
fn attack(name: &str, since: u64) -> Vec<(String, &'static str, Option<String>)> {
    let one = |actor: &str, action, peer: String| (actor.to_owned(), action, Some(peer));
    match name {
        "brute force at night" if since < 20 => {
            (0..10).map(|_| one("user-4", "read", "host-3".to_owned())).collect()
        }
        "scan" if since < 10 => {
            (0..8).map(|i| one("svc-6", "connect 443", format!("10.0.0.{}", since * 8 + i))).collect()
        }
        "exfiltration to one new peer" if since < 30 => vec![one("svc-9", "write", "203.0.113.7".to_owned())],
        "a service account reads secrets" if since < 1 => {
            vec![one("svc-12", "secrets.dump", "host-1".to_owned())]
        }
        "invented actors" if since < 5 => {
            (0..6).map(|i| (format!("ghost-{since}-{i}"), "read", None)).collect()
        }
        _ => Vec::new(),
    }
}

fn attacks(minute: u64, out: &mut Vec<Event>) {
    for (name, begin) in BEGINS.into_iter().filter(|b| b.1 <= minute) {
        for (actor, action, peer) in attack(name, minute - begin) {
            out.push(Event { minute, actor, action: action.to_owned(), peer });
        }
    }
}

const BEGINS: [(&str, u64); 5] = [
    ("brute force at night", 10 * DAY + 180),
    ("scan", 11 * DAY + 700),
    ("exfiltration to one new peer", 12 * DAY + 900),
    ("a service account reads secrets", 12 * DAY + 1200),
    ("invented actors", 13 * DAY + 300),
];

fn stream(with_attacks: bool, seed: u64) -> Vec<Event> {
    let (mut dice, mut out) = (Dice(seed), Vec::new());
    for minute in 0..DAYS * DAY {
        usual(minute, &mut dice, &mut out);
        if with_attacks {
            attacks(minute, &mut out);
        }
    }
    out
}

fn observe(usual: &mut Behaviour, events: &[Event]) -> Vec<SecurityFinding> {
    let mut findings = Vec::new();
    for e in events {
        let event = ActorEvent {
            at_unix_ms: e.minute * MINUTE,
            actor: &e.actor,
            action: &e.action,
            peer: e.peer.as_deref(),
        };
        findings.extend(usual.observe(&event).unwrap());
    }
    findings
}

#[test]
fn loud_attacks_are_found_within_minutes_and_ordinary_work_is_left_alone() {
    let mut usual = Behaviour::new(&BehaviourSettings::default()).unwrap();
    let findings = observe(&mut usual, &stream(true, 1));
    let within = |begin: u64, length: u64, actor: &str, pick: fn(&Sign) -> bool| {
        findings
            .iter()
            .filter(|f| f.actor.starts_with(actor) && pick(&f.sign))
            .map(|f| f.at_unix_ms / MINUTE)
            .find(|m| (begin..=begin + length).contains(m))
            .map(|m| m - begin)
    };
    let delays = [
        within(BEGINS[0].1, 20, "user-4", |s| matches!(s, Sign::Rate { .. })),
        within(BEGINS[1].1, 10, "svc-6", |s| matches!(s, Sign::NewPeers { .. })),
        within(BEGINS[2].1, 30, "svc-9", |s| matches!(s, Sign::NewPeers { .. } | Sign::Rate { .. })),
        within(
            BEGINS[3].1,
            1,
            "svc-12",
            |s| matches!(s, Sign::RareAction { elsewhere } if *elsewhere == 0.0),
        ),
        within(BEGINS[4].1, 5, "ghost", |s| matches!(s, Sign::NewActors { .. })),
    ];
    println!("minutes to the finding: {delays:?}");
    assert!(delays.iter().flatten().all(|d| *d <= 5), "{delays:?}");
    // One new peer at nearly the usual rate is the documented blind spot; the others must be found.
    assert!([0, 1, 3, 4].iter().all(|i| delays[*i].is_some()), "{delays:?}: {findings:?}");
    // One event is not thirty findings.
    let of = |actor: &str| {
        findings.iter().filter(|f| f.actor == actor && f.at_unix_ms >= 10 * DAY * MINUTE).count()
    };
    assert!(of("user-4") <= 10 && of("svc-6") <= 8, "{} {}", of("user-4"), of("svc-6"));
}

#[test]
fn two_weeks_of_ordinary_work_bring_less_than_one_finding_per_hundred_days_of_an_actor() {
    let mut findings = Vec::new();
    for seed in 2..4 {
        let mut usual = Behaviour::new(&BehaviourSettings::default()).unwrap();
        findings.extend(observe(&mut usual, &stream(false, seed)));
    }
    let days = (2 * DAYS * ACTORS) as f64;
    println!("{} findings in {days} actor-days", findings.len());
    assert!((findings.len() as f64) < 0.01 * days, "{findings:?}");
}

#[test]
fn a_beacon_and_a_spread_show_in_the_entropy_of_peers() {
    // Twelve events each window towards six peers, then all towards one, then each towards another: at the usual rate.
    let mut usual = Behaviour::new(&BehaviourSettings::default()).unwrap();
    let mut dice = Dice(9);
    let mut evenness = Vec::new();
    for window in 0..1200_u64 {
        for i in 0..12 {
            let peer = match window {
                1000 => 0,
                1100 => i % 12,
                _ => dice.below(6),
            };
            let (at, peer) = (window * 5 * MINUTE, format!("host-{peer}"));
            let event = ActorEvent { at_unix_ms: at, actor: "proxy", action: "connect", peer: Some(&peer) };
            for f in usual.observe(&event).unwrap() {
                if let Sign::Entropy { evenness: e, .. } = f.sign {
                    evenness.push((f.at_unix_ms / MINUTE / 5 - 1, e));
                }
            }
        }
    }
    assert!(evenness.iter().any(|(w, e)| *w == 1000 && *e == 0.0), "{evenness:?}");
    assert!(evenness.iter().all(|(w, _)| [1000, 1100].contains(w)), "{evenness:?}");
}

#[test]
fn memory_is_bounded_against_invented_names_and_hostile_input_is_refused_or_survived() {
    let settings = BehaviourSettings::default().with_most_actors(100);
    let mut usual = Behaviour::new(&settings).unwrap();
    for i in 0..5000_u64 {
        let (actor, action, peer) = (format!("a{i}"), format!("x{i}"), format!("p{i}"));
        let event = ActorEvent { at_unix_ms: i * 100, actor: &actor, action: &action, peer: Some(&peer) };
        usual.observe(&event).unwrap();
    }
    assert_eq!(usual.actors(), 100);
    let long = "x".repeat(300);
    let event = ActorEvent { at_unix_ms: 0, actor: &long, action: "", peer: None };
    assert!(usual.observe(&event).unwrap_err().to_string().contains("300 bytes"));
    for at_unix_ms in [u64::MAX, 0, u64::MAX - 1] {
        let event = ActorEvent { at_unix_ms, actor: "", action: "", peer: Some("") };
        assert!(usual.observe(&event).is_ok(), "late and far away times are taken");
    }
    assert!(Behaviour::new(&BehaviourSettings::default().with_window_ms(0)).is_err());
    assert!(Behaviour::new(&BehaviourSettings::default().with_limits(f64::NAN, 3.0)).is_err());
}

#[cfg(feature = "serde")]
#[test]
fn habits_continue_after_storage_bit_for_bit() {
    let events = stream(true, 7);
    let (first, second) = events.split_at(events.len() * 3 / 4);
    let mut usual = Behaviour::new(&BehaviourSettings::default()).unwrap();
    observe(&mut usual, first);
    let mut stored: Behaviour = serde_json::from_str(&serde_json::to_string(&usual).unwrap()).unwrap();
    assert_eq!(observe(&mut usual, second), observe(&mut stored, second));
    assert_eq!(usual, stored);
}

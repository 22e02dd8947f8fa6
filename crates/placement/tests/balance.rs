//! Who gets the next request: queues that are simulated event by event, and the theory that they are held against.

#![allow(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::disallowed_macros,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a simulation and helpers of tests, which print what they find"
)]

use ecosystem_core::Timestamp;
use ecosystem_placement::{Balancer, BalancerError, BalancerSettings, Outcome, Selection, Standing, Ticket};
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

/// `SplitMix64`, so that the simulation shares no random numbers with what it tests.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }

    /// Pareto with exponent 1.5, cut at a thousand times the shortest; a mean of one.
    fn heavy(&mut self) -> f64 {
        const SHAPE: f64 = 1.5;
        const CUT: f64 = 1_000.0;
        let share = 1.0 - CUT.powf(-SHAPE);
        let mean = SHAPE / (SHAPE - 1.0) * (1.0 - CUT.powf(1.0 - SHAPE)) / share;
        (1.0 - self.unit() * share).powf(-1.0 / SHAPE) / mean
    }
}

fn at(ms: f64) -> Timestamp {
    Timestamp::from_unix_ms(ms as u64)
}

/// Requests at random moments for single-server queues, first come first served.
struct Load {
    /// Speed of each worker: work done per ms.
    speeds: Vec<f64>,
    /// From when on the first worker is so many times slower.
    slow: Option<(f64, f64)>,
    /// Moment and size of each request, in ms and in ms of a worker of speed one.
    requests: Vec<(f64, f64)>,
}

impl Load {
    /// Workers of four speeds at 70 % of what they can do together; requests of 10 ms in the mean with a heavy tail.
    fn new(seed: u64, requests: usize, slow: bool) -> Self {
        let mut dice = Dice(seed);
        let speeds: Vec<f64> = (0..20).map(|it| [2.0, 1.0, 1.0, 0.5][it % 4]).collect();
        let (mean, mut now) = (10.0, 0.0);
        let gap = mean / (0.7 * speeds.iter().sum::<f64>());
        let requests: Vec<(f64, f64)> = (0..requests)
            .map(|_| {
                now += dice.exponential(gap);
                (now, dice.heavy() * mean)
            })
            .collect();
        Self { speeds, slow: slow.then_some((now / 2.0, 10.0)), requests }
    }

    fn span(&self, worker: usize, begin: f64, work: f64) -> f64 {
        let speed = match self.slow {
            Some((from, times)) if worker == 0 && begin >= from => self.speeds[0] / times,
            _ => self.speeds[worker],
        };
        work / speed
    }

    /// Response times in the order of the ends.
    fn run(&self, settings: BalancerSettings) -> Vec<f64> {
        let mut balancer = Balancer::new(settings).unwrap();
        for (number, speed) in self.speeds.iter().enumerate() {
            balancer.join(number.to_string(), (speed * 2.0) as u32).unwrap();
        }
        let mut free = vec![0.0_f64; self.speeds.len()];
        let mut tickets: Vec<Option<Ticket>> = Vec::with_capacity(self.requests.len());
        // End in nanoseconds, number of the request.
        let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let mut took = Vec::with_capacity(self.requests.len());
        let mut end = |balancer: &mut Balancer, tickets: &mut [Option<Ticket>], ns: u64, number: usize| {
            let ms = ns as f64 / 1e6;
            let span = ms - self.requests[number].0;
            took.push(span);
            let ticket = tickets[number].take().unwrap();
            balancer
                .finish(ticket, at(ms), Duration::from_secs_f64(span.max(0.0) / 1e3), Outcome::Done)
                .unwrap();
        };
        for (number, &(now, work)) in self.requests.iter().enumerate() {
            while let Some(Reverse((ns, done))) = ends.peek().copied().filter(|it| it.0.0 as f64 <= now * 1e6)
            {
                ends.pop();
                end(&mut balancer, &mut tickets, ns, done);
            }
            let ticket = balancer.choose(at(now)).unwrap();
            let worker: usize = ticket.worker().parse().unwrap();
            let begin = free[worker].max(now);
            free[worker] = begin + self.span(worker, begin, work);
            ends.push(Reverse(((free[worker] * 1e6) as u64, number)));
            tickets.push(Some(ticket));
        }
        while let Some(Reverse((ns, done))) = ends.pop() {
            end(&mut balancer, &mut tickets, ns, done);
        }
        took
    }

    /// One queue for all, from which whoever is free takes the next.
    fn fetch(&self) -> Vec<f64> {
        let mut free = vec![0.0_f64; self.speeds.len()];
        let next = |&(now, work): &(f64, f64)| {
            let worker = (0..free.len()).min_by(|&a, &b| free[a].total_cmp(&free[b])).unwrap();
            let begin = free[worker].max(now);
            free[worker] = begin + self.span(worker, begin, work);
            free[worker] - now
        };
        self.requests.iter().map(next).collect()
    }
}

fn quantile(mut all: Vec<f64>, q: f64) -> f64 {
    all.sort_by(f64::total_cmp);
    all[((all.len() - 1) as f64 * q) as usize]
}

fn by(selection: Selection) -> BalancerSettings {
    BalancerSettings::default().with_seed(1).with_selection(selection)
}

#[test]
fn the_slowest_hundredth_waits_much_less_than_in_turn_also_when_a_worker_becomes_slow_in_the_middle() {
    println!("p99 in ms       seed  in turn  fewest  peak EWMA  one queue");
    for slow in [false, true] {
        for seed in 1..=5 {
            let load = Load::new(seed, 20_000, slow);
            let p99 = |it| quantile(load.run(by(it)), 0.99);
            // In turn knows the speeds as they are at first, which is more than anybody does.
            let (turn, fewest, peak) =
                (p99(Selection::RoundRobin), p99(Selection::LeastOutstanding), p99(Selection::PeakEwma));
            let fetched = quantile(load.fetch(), 0.99);
            let what = if slow { "one slows down" } else { "all as usual" };
            println!("{what:<15} {seed:>4} {turn:>8.0} {fewest:>7.0} {peak:>10.0} {fetched:>10.0}");
            let (least, best) = if slow { (0.5, 0.25) } else { (0.8, 0.8) };
            assert!(fewest < turn * least, "{what}, seed {seed}: {fewest} ms of {turn} ms");
            assert!(peak < turn * best, "{what}, seed {seed}: {peak} ms of {turn} ms");
        }
    }
}

/// Mitzenmacher (2001), for exponential service at load λ: the mean time in the system is the sum over i ≥ 1 of
/// λ^((dⁱ − d)/(d − 1)) services as the number of queues grows, and 1 / (1 − λ) for d = 1.
#[test]
fn two_drawn_at_random_give_the_response_time_of_the_theory() {
    let expected = |d: i32, load: f64| {
        let term = |i: i32| load.powf(f64::from(d.pow(i as u32) - d) / f64::from(d - 1));
        (1..8).map(term).sum::<f64>()
    };
    assert!((expected(2, 0.9) - 2.6141).abs() < 1e-3, "the figure of the paper's table");
    let simulated = |choices: u32, load: f64| {
        let (queues, count, mut dice, mut now) = (100, 150_000, Dice(4), 0.0);
        let mean = 100.0;
        let requests: Vec<(f64, f64)> = (0..count)
            .map(|_| {
                now += dice.exponential(mean / load / f64::from(queues));
                (now, dice.exponential(mean))
            })
            .collect();
        let load = Load { speeds: vec![1.0; 100], slow: None, requests };
        let took = load.run(by(Selection::LeastOutstanding).with_choices(choices));
        // The first third is not steady yet.
        let steady = &took[count / 3..];
        steady.iter().sum::<f64>() / steady.len() as f64 / mean
    };
    for (choices, load, tolerance) in [(2, 0.9, 0.05), (3, 0.9, 0.05), (2, 0.7, 0.04)] {
        let (found, right) = (simulated(choices, load), expected(choices as i32, load));
        println!("{choices} drawn at load {load}: {found:.3}, theory {right:.3}");
        assert!((found / right - 1.0).abs() < tolerance, "{choices} at {load}: {found}, expected {right}");
    }
    let (alone, right) = (simulated(1, 0.7), 1.0 / 0.3);
    assert!((alone / right - 1.0).abs() < 0.1, "1 at 0.7: {alone}, expected {right}");
}

fn three(settings: BalancerSettings) -> Balancer {
    let mut balancer = Balancer::new(settings).unwrap();
    for (name, weight) in [("a", 1), ("b", 2), ("c", 3)] {
        balancer.join(name, weight).unwrap();
    }
    balancer
}

/// One request after the other, ten a second; who got how many.
fn drive(
    balancer: &mut Balancer,
    from_ms: u64,
    count: u64,
    ends: impl Fn(&str) -> Option<(u64, Outcome)>,
) -> BTreeMap<String, u64> {
    let mut got = BTreeMap::new();
    for number in 0..count {
        let now = Timestamp::from_unix_ms(from_ms + number * 100);
        let ticket = balancer.choose(now).unwrap();
        *got.entry(ticket.worker().to_owned()).or_default() += 1;
        match ends(ticket.worker()) {
            Some((ms, outcome)) => balancer.finish(ticket, now, Duration::from_millis(ms), outcome).unwrap(),
            // It hangs: nobody ever hears of it again.
            None => drop(ticket),
        }
    }
    got
}

#[test]
fn in_turn_is_in_proportion_to_the_weights_and_evenly_spread() {
    let mut balancer = three(by(Selection::RoundRobin));
    let got = drive(&mut balancer, 0, 6_000, |_| Some((1, Outcome::Done)));
    assert_eq!([got["a"], got["b"], got["c"]], [1_000, 2_000, 3_000]);
    let in_six = drive(&mut balancer, 0, 6, |_| Some((1, Outcome::Done)));
    assert_eq!([in_six["a"], in_six["b"], in_six["c"]], [1, 2, 3]);
    // Who comes later makes up for nothing.
    balancer.join("d", 6).unwrap();
    let got = drive(&mut balancer, 0, 1_200, |_| Some((1, Outcome::Done)));
    let near = |name: &str, right: u64| assert!(got[name].abs_diff(right) <= 1, "{got:?}");
    for (name, right) in [("a", 100), ("b", 200), ("c", 300), ("d", 600)] {
        near(name, right);
    }
    balancer.weigh("d", 1).unwrap();
    balancer.leave("c").unwrap();
    let got = drive(&mut balancer, 0, 400, |_| Some((1, Outcome::Done)));
    assert!(got["a"].abs_diff(100) <= 2 && got["d"].abs_diff(100) <= 2, "{got:?}");
}

#[test]
fn a_worker_that_hangs_gets_next_to_nothing_long_before_any_time_out() {
    let mut balancer = three(by(Selection::PeakEwma));
    drive(&mut balancer, 0, 100, |_| Some((20, Outcome::Done)));
    let hangs = |name: &str| (name != "c").then_some((20, Outcome::Done));
    let got = drive(&mut balancer, 10_000, 1_000, hangs);
    assert!(got["c"] <= 3, "{got:?}");
    // Fewest outstanding sees only a queue that does not shrink, which for the largest worker takes longer.
    let mut plain = three(by(Selection::LeastOutstanding));
    let got = drive(&mut plain, 0, 1_000, hangs);
    assert!(got["c"] <= 6, "{got:?}");
}

#[test]
fn who_fails_at_once_draws_nothing_and_comes_back_by_one_trial_at_a_time() {
    let broken = |name: &str| Some(if name == "b" { (0, Outcome::Failed) } else { (20, Outcome::Done) });
    let got = drive(&mut three(by(Selection::PeakEwma)), 0, 200, broken);
    assert!(got["b"] <= 3, "refusing is not answering fast: {got:?}");
    // Without response times it is what probation is for.
    let mut settings = by(Selection::LeastOutstanding);
    settings.failures_max = 3;
    let mut balancer = three(settings);
    // Ten minutes: probations of 5, 10, 20 … 300 s, up to a quarter longer.
    let got = drive(&mut balancer, 0, 6_000, broken);
    assert!((6..=11).contains(&got["b"]), "three, then trials only: {got:?}");
    let until = |balancer: &Balancer| {
        let view = balancer.workers().find(|it| it.name == "b").unwrap();
        let Standing::Probation { until } = view.standing else { panic!("{view:?}") };
        until.as_unix_ms()
    };
    assert!(until(&balancer) > 600_000);
    // It is mended, and the next trial brings it back. After twenty minutes at work the first probation is five seconds again.
    let got = drive(&mut balancer, 600_000, 12_000, |_| Some((20, Outcome::Done)));
    assert!(got["b"] > 1_000, "{got:?}");
    let now = 1_800_000;
    drive(&mut balancer, now, 200, broken);
    assert!(until(&balancer) < now + 20_000 + 25_000 + 100, "{}", until(&balancer));
}

#[test]
fn when_all_fail_half_of_them_stay_and_the_answer_is_never_nobody() {
    let mut balancer = three(by(Selection::PeakEwma));
    drive(&mut balancer, 0, 1_000, |_| Some((1, Outcome::Failed)));
    let excluded = balancer.workers().filter(|it| it.standing != Standing::Serving).count();
    assert_eq!(excluded, 1, "half of three, rounded down");
    // Of one there is no half.
    let out = balancer.workers().find(|it| it.standing != Standing::Serving).unwrap().name.to_owned();
    for name in ["a", "b", "c"].into_iter().filter(|it| *it != out) {
        balancer.leave(name).unwrap();
    }
    assert_eq!(balancer.choose(Timestamp::from_unix_ms(0)).unwrap().worker(), out);
    let mut all = by(Selection::LeastOutstanding);
    (all.probation_percent, all.failures_max) = (100, 1);
    let mut balancer = Balancer::new(all).unwrap();
    balancer.join("only", 1).unwrap();
    let now = Timestamp::from_unix_ms(5);
    let ticket = balancer.choose(now).unwrap();
    balancer.finish(ticket, now, Duration::ZERO, Outcome::Failed).unwrap();
    let busy = balancer.choose(now).unwrap_err();
    let BalancerError::Busy { full: 0, excluded: 1, next: Some(next) } = busy else { panic!("{busy}") };
    assert!(balancer.choose(next).unwrap().is_trial());
    // While the trial is out, the next is due later.
    assert!(
        matches!(balancer.choose(next), Err(BalancerError::Busy { next: Some(later), .. }) if later > next)
    );
}

#[test]
fn what_cannot_be_is_an_error_with_its_name() {
    let mut balancer = three(BalancerSettings::default());
    let now = Timestamp::from_unix_ms(1);
    assert!(matches!(balancer.join("a", 1), Err(BalancerError::Known { .. })));
    assert!(matches!(balancer.join("", 1), Err(BalancerError::Name { bytes: 0 })));
    assert!(matches!(balancer.join("z", 0), Err(BalancerError::Weight { weight: 0, .. })));
    assert!(matches!(balancer.leave("z"), Err(BalancerError::Unknown { .. })));
    assert!(matches!(balancer.weigh("z", 1), Err(BalancerError::Unknown { .. })));
    let mut few = BalancerSettings::default();
    (few.workers_max, few.outstanding_max) = (1, 2);
    let mut small = Balancer::new(few).unwrap();
    assert_eq!(small.choose(now).unwrap_err(), BalancerError::Empty);
    small.join("a", 1).unwrap();
    assert!(matches!(small.join("b", 1), Err(BalancerError::TooMany { max: 1, .. })));
    let (first, _second) = (small.choose(now).unwrap(), small.choose(now).unwrap());
    assert_eq!(small.choose(now).unwrap_err(), BalancerError::Busy { full: 1, excluded: 0, next: None });
    small.finish(first, now, Duration::ZERO, Outcome::Abandoned).unwrap();
    let third = small.choose(now).unwrap();
    // Who comes back under the same name is another one.
    small.leave("a").unwrap();
    small.join("a", 1).unwrap();
    let gone = small.finish(third, now, Duration::ZERO, Outcome::Done).unwrap_err();
    assert_eq!(gone.to_string(), "worker `a` has left since the request was sent");
    let mut bad = [(); 7].map(|()| BalancerSettings::default());
    bad[0].choices = 0;
    bad[1].decay = Duration::ZERO;
    bad[2].probation = Duration::ZERO;
    bad[3].probation_max = Duration::from_secs(1);
    bad[4].failures_max = 0;
    bad[5].probation_percent = 101;
    bad[6].outstanding_max = 0;
    for settings in bad {
        let error = Balancer::new(settings.clone()).unwrap_err();
        assert!(matches!(error, BalancerError::Settings { .. }), "{settings:?}: {error}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Join(u8, u32),
    Leave(u8),
    Weigh(u8, u32),
    Choose(u64),
    Finish(usize, u64, Outcome),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![Just(Outcome::Done), Just(Outcome::Failed), Just(Outcome::Abandoned)];
    prop_oneof![
        2 => (0..6_u8, 1..5_u32).prop_map(|(name, weight)| Step::Join(name, weight)),
        1 => (0..6_u8).prop_map(Step::Leave),
        1 => (0..6_u8, 1..5_u32).prop_map(|(name, weight)| Step::Weigh(name, weight)),
        8 => (0..3_000_u64).prop_map(Step::Choose),
        8 => (any::<usize>(), 0..5_000_u64, outcome).prop_map(|(which, ms, end)| Step::Finish(which, ms, end)),
    ]
}

/// What is out, by worker, kept beside the balancer.
#[derive(Default)]
struct Beside {
    now: u64,
    tickets: Vec<(u64, Ticket)>,
    lives: BTreeMap<String, u64>,
    life: u64,
}

impl Beside {
    fn outstanding(&self, name: &str) -> usize {
        let life = self.lives.get(name);
        self.tickets.iter().filter(|(of, ticket)| ticket.worker() == name && Some(of) == life).count()
    }

    fn take(&mut self, balancer: &mut Balancer, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Join(name, weight) => {
                let name = name.to_string();
                let known = self.lives.contains_key(&name);
                prop_assert_eq!(balancer.join(name.clone(), *weight).is_err(), known);
                if !known {
                    self.life += 1;
                    self.lives.insert(name, self.life);
                }
            }
            Step::Leave(name) => {
                let name = name.to_string();
                prop_assert_eq!(balancer.leave(&name).is_ok(), self.lives.remove(&name).is_some());
            }
            Step::Weigh(name, weight) => {
                let name = name.to_string();
                prop_assert_eq!(balancer.weigh(&name, *weight).is_ok(), self.lives.contains_key(&name));
            }
            Step::Choose(ms) => {
                self.now += ms;
                let now = Timestamp::from_unix_ms(self.now);
                let due = |it: Standing| matches!(it, Standing::Probation { until } if until <= now);
                let may: BTreeMap<String, bool> = balancer
                    .workers()
                    .filter(|it| it.outstanding < 3 && (it.standing == Standing::Serving || due(it.standing)))
                    .map(|it| (it.name.to_owned(), it.standing != Standing::Serving))
                    .collect();
                match balancer.choose(now) {
                    Ok(ticket) => {
                        prop_assert_eq!(may.get(ticket.worker()), Some(&ticket.is_trial()));
                        self.tickets.push((self.lives[ticket.worker()], ticket));
                    }
                    Err(BalancerError::Empty) => prop_assert!(self.lives.is_empty()),
                    // A due one without room waits for the next span.
                    Err(BalancerError::Busy { .. }) => prop_assert!(may.values().all(|trial| *trial)),
                    Err(other) => return Err(TestCaseError::fail(other.to_string())),
                }
            }
            Step::Finish(which, ms, outcome) => {
                if self.tickets.is_empty() {
                    return Ok(());
                }
                let (life, ticket) = self.tickets.swap_remove(which % self.tickets.len());
                let here = self.lives.get(ticket.worker()) == Some(&life);
                let now = Timestamp::from_unix_ms(self.now);
                let ended = balancer.finish(ticket, now, Duration::from_millis(*ms), *outcome);
                prop_assert_eq!(ended.is_ok(), here);
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_happens_nobody_is_chosen_who_must_not_be_and_what_is_out_is_known(
        steps in prop::collection::vec(step(), 1..200), which in 0..3_usize, seed in any::<u64>(), pause in 0..200_usize,
    ) {
        let mut settings =
            by([Selection::PeakEwma, Selection::LeastOutstanding, Selection::RoundRobin][which]).with_seed(seed);
        (settings.outstanding_max, settings.failures_max, settings.workers_max) = (3, 2, 6);
        let mut balancer = Balancer::new(settings).unwrap();
        let mut beside = Beside::default();
        for (number, step) in steps.iter().enumerate() {
            if number == pause {
                balancer = continued(&balancer);
            }
            beside.take(&mut balancer, step)?;
            prop_assert_eq!(balancer.len(), beside.lives.len());
            for worker in balancer.workers() {
                prop_assert_eq!(worker.outstanding as usize, beside.outstanding(worker.name));
            }
            let excluded = balancer.workers().filter(|it| it.standing != Standing::Serving).count();
            prop_assert!(excluded <= balancer.len() / 2);
        }
    }
}

#[cfg(not(feature = "serde"))]
fn continued(balancer: &Balancer) -> Balancer {
    balancer.clone()
}

/// Through its text form and back.
#[cfg(feature = "serde")]
fn continued(balancer: &Balancer) -> Balancer {
    serde_json::from_str(&serde_json::to_string(balancer).unwrap()).unwrap()
}

#[cfg(feature = "serde")]
mod kept {
    use super::*;

    #[test]
    fn a_balancer_goes_on_after_a_pause_with_the_same_choices() {
        for selection in [Selection::PeakEwma, Selection::LeastOutstanding, Selection::RoundRobin] {
            let mut first = three(by(selection));
            let fails =
                |name: &str| Some(if name == "a" { (7, Outcome::Failed) } else { (9, Outcome::Done) });
            drive(&mut first, 0, 333, fails);
            let mut second = continued(&first);
            let choices = |it: &mut Balancer| -> Vec<String> {
                let next = |number: u64| {
                    let now = Timestamp::from_unix_ms(40_000 + number * 50);
                    let ticket = it.choose(now).unwrap();
                    let name = ticket.worker().to_owned();
                    it.finish(ticket, now, Duration::from_micros(number * 7_919 % 30_011), Outcome::Done)
                        .unwrap();
                    name
                };
                (0..500).map(next).collect()
            };
            assert_eq!(choices(&mut first), choices(&mut second));
            let text = |it: &Balancer| serde_json::to_string(it).unwrap();
            assert_eq!(text(&first), text(&second));
        }
    }

    #[test]
    fn a_kept_state_that_was_tampered_with_is_refused() {
        let mut balancer = three(by(Selection::RoundRobin));
        drive(&mut balancer, 0, 10, |_| Some((7, Outcome::Done)));
        balancer.join("d", 1).unwrap();
        balancer.leave("b").unwrap();
        let text = serde_json::to_string(&balancer).unwrap();
        let swapped = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} in {text}");
            serde_json::from_str::<Balancer>(&text.replacen(from, to, 1)).map(drop).unwrap_err().to_string()
        };
        for (from, to, why) in [
            ("\"version\":1", "\"version\":2", "version"),
            ("\"choices\":2", "\"choices\":0", "choices"),
            ("\"free\":[1]", "\"free\":[1,1]", "free"),
            ("\"free\":[1]", "\"free\":[0]", "free"),
            ("\"free\":[1]", "\"free\":[]", "free"),
            ("\"name\":\"a\"", "\"name\":\"d\"", "twice"),
            ("\"weight\":1", "\"weight\":0", "weight"),
            ("\"outstanding\":0", "\"outstanding\":5000", "numbers"),
            ("\"workers_max\":65536", "\"workers_max\":2", "room"),
            ("\"born\":4", "\"born\":1", "numbers"),
            ("\"standing\":\"Serving\"", "\"standing\":{\"Probation\":{\"until\":9}}", "ready"),
        ] {
            let error = swapped(from, to);
            assert!(error.contains(why), "{from} → {to}: {error}");
        }
        let at = text.find("\"ready\":[").unwrap() + 9;
        let (head, tail) = text.split_at(at);
        let doubled = format!("{head}{},{tail}", &tail[..1]);
        assert!(serde_json::from_str::<Balancer>(&doubled).is_err());
        let short = format!("{head}{}", &tail[2..]);
        assert!(serde_json::from_str::<Balancer>(&short).unwrap_err().to_string().contains("missing"));
    }
}

//! What must hold for windows: order does not matter, nothing drifts, memory is bounded.
#![allow(clippy::tests_outside_test_module, reason = "integration tests")]
#![allow(
    clippy::float_cmp,
    clippy::needless_for_each,
    reason = "sums are exact; one-line loops read best as such"
)]

use ecosystem_forecast::window::{
    ClosedWindow, EventWindows, ExactSum, IntervalJoin, Moments, QuantileSketch, RollingQuantile,
    RollingStats, SlidingFold, Summary, WindowError, WindowKind,
};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        -1e3..1e3,
        Just(1e16),
        Just(-1e16),
        Just(0.1),
        Just(5e-324),
        Just(1e300),
        Just(-1e300),
        Just(0.0),
        prop::num::f64::NORMAL.prop_map(|v| v / 1e10),
    ]
}

/// Key, time, value.
type Event = (u8, u64, f64);

/// Events with keys and times, and another order of the same events.
fn shuffled_events() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    prop::collection::vec((0u8..3, 0u64..500, value()), 0..60)
        .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
}

fn kinds() -> impl Strategy<Value = WindowKind> {
    prop_oneof![
        (1u64..90).prop_map(|size_ms| WindowKind::Tumbling { size_ms }),
        (1u64..90, 1u64..30)
            .prop_map(|(size_ms, s)| WindowKind::Sliding { size_ms, step_ms: s.min(size_ms) }),
        (1u64..60).prop_map(|gap_ms| WindowKind::Session { gap_ms }),
    ]
}

/// Two summaries at once.
#[derive(Clone, Debug, Default, PartialEq)]
struct Both(Moments, QuantileSketch);

impl Summary for Both {
    fn add(&mut self, value: f64) {
        self.0.add(value);
        self.1.add(value);
    }

    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
        self.1.merge(&other.1);
    }
}

fn run(kind: WindowKind, events: &[Event]) -> Vec<ClosedWindow<u8, Both>> {
    let mut windows = EventWindows::<u8, Both>::new(kind, 0).expect("valid kind");
    for &(key, at, v) in events {
        assert!(windows.push(key, at, v).expect("room").is_none());
    }
    windows.finish()
}

proptest! {
    #[test]
    fn event_time_windows_do_not_depend_on_the_order_of_arrival((events, other) in shuffled_events(), kind in kinds()) {
        let (a, b) = (run(kind, &events), run(kind, &other));
        prop_assert_eq!(&a, &b);
        for (x, y) in a.iter().zip(&b) {
            prop_assert_eq!(x.summary.0.variance().to_bits(), y.summary.0.variance().to_bits());
            prop_assert_eq!(x.summary.0.mean().to_bits(), y.summary.0.mean().to_bits());
        }
    }

    #[test]
    fn watermarks_in_between_change_nothing_but_when_windows_come(
        (mut events, _) in shuffled_events(), kind in kinds()
    ) {
        let whole = run(kind, &events);
        events.sort_by_key(|e| e.1);
        let mut windows = EventWindows::<u8, Both>::new(kind, 0).expect("valid kind");
        let mut pieces = Vec::new();
        for &(key, at, v) in &events {
            pieces.extend(windows.advance(at));
            prop_assert!(windows.push(key, at, v).expect("room").is_none());
        }
        pieces.extend(windows.finish());
        prop_assert_eq!(windows.open(), 0);
        pieces.sort_by_key(|w| (w.end_ms, w.start_ms, w.key));
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn tumbling_windows_hold_every_event_once((events, _) in shuffled_events(), size_ms in 1u64..90) {
        for w in run(WindowKind::Tumbling { size_ms }, &events) {
            let inside = events.iter().filter(|e| e.0 == w.key && (w.start_ms..w.end_ms).contains(&e.1)).count();
            prop_assert_eq!(w.summary.0.count(), inside as u64);
        }
    }

    #[test]
    fn joins_do_not_depend_on_the_order_of_arrival_and_equal_the_plain_definition(
        (events, other) in shuffled_events(), before in 0u64..40, after in 0u64..40, step in 1u64..100
    ) {
        let side = |e: &Event| e.2 > 0.0;
        let go = |events: &[Event]| {
            let mut join = IntervalJoin::<u8, i32, i32>::new(before, after, 1000);
            for e in events {
                let taken = if side(e) { join.push_left(e.0, e.1, 1) } else { join.push_right(e.0, e.1, 2) };
                assert!(taken.expect("room"));
            }
            let mut out = Vec::new();
            for mark in (0..700).step_by(usize::try_from(step).expect("small")) {
                out.extend(join.advance(mark));
            }
            out.extend(join.advance(10_000));
            assert_eq!(join.held(), 0);
            out
        };
        let (a, b) = (go(&events), go(&other));
        prop_assert_eq!(&a, &b);
        let plain = events.iter().filter(|e| side(e)).flat_map(|l| {
            events.iter().filter(move |r| !side(r) && r.0 == l.0 && r.1 + before >= l.1 && r.1 <= l.1 + after)
        }).count();
        prop_assert_eq!(a.len(), plain);
    }

    #[test]
    fn exact_sums_forget_without_a_trace(values in prop::collection::vec(value(), 0..40), keep in 0usize..40) {
        let keep = keep.min(values.len());
        let mut sum = ExactSum::default();
        values.iter().for_each(|&v| sum.add(v));
        values[keep..].iter().for_each(|&v| sum.subtract(v));
        let mut fresh = ExactSum::default();
        values[..keep].iter().rev().for_each(|&v| fresh.add(v));
        prop_assert_eq!(&sum, &fresh);
        prop_assert_eq!(sum.value().to_bits(), fresh.value().to_bits());
    }

    #[test]
    fn exact_sums_of_integers_are_those_of_integers(values in prop::collection::vec(-(1i64 << 52)..(1i64 << 52), 0..50)) {
        let mut sum = ExactSum::default();
        values.iter().for_each(|&v| sum.add(v as f64));
        let expected: i128 = values.iter().map(|&v| i128::from(v)).sum();
        prop_assert_eq!(sum.value(), expected as f64);
    }

    #[test]
    fn a_rolling_window_says_what_a_fresh_one_says(values in prop::collection::vec(value(), 1..80), n in 1usize..20) {
        let (mut rolling, mut quantile) = (RollingStats::new(n), RollingQuantile::new(n));
        let mut fold = SlidingFold::<Moments>::new();
        for (i, &v) in values.iter().enumerate() {
            let missing = i % 7 == 3;
            let v = if missing { f64::NAN } else { v };
            rolling.push(v);
            quantile.push(v);
            fold.push(if missing { 1.0 } else { v });
            if fold.len() > n {
                prop_assert!(fold.pop());
            }
            let last: Vec<f64> = rolling.values().collect();
            let mut fresh = RollingStats::new(n);
            last.iter().for_each(|&v| { fresh.push(v); });
            prop_assert_eq!(rolling.sum().to_bits(), fresh.sum().to_bits());
            prop_assert_eq!(rolling.variance().to_bits(), fresh.variance().to_bits());
            prop_assert_eq!((rolling.min(), rolling.max()), (fresh.min(), fresh.max()));
            let mut present: Vec<f64> = last.iter().copied().filter(|v| !v.is_nan()).collect();
            present.sort_by(f64::total_cmp);
            prop_assert_eq!(quantile.quantile(1.0), present.last().copied());
            prop_assert_eq!(rolling.max(), present.last().copied());
            prop_assert_eq!(rolling.min(), present.first().copied());
            prop_assert_eq!(fold.summary().count(), last.len() as u64);
        }
    }

    #[test]
    fn sketched_quantiles_are_within_their_accuracy(mut values in prop::collection::vec(-1e6..1e6, 1..300), q in 0.0..1.0) {
        let (mut a, mut b) = (QuantileSketch::default(), QuantileSketch::default());
        for (i, &v) in values.iter().enumerate() {
            if i % 2 == 0 { a.add(v) } else { b.add(v) }
        }
        let mut ba = b.clone();
        ba.merge(&a);
        a.merge(&b);
        prop_assert_eq!(&a, &ba);
        values.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
        let exact = values[(q * (values.len() - 1) as f64) as usize];
        let sketched = a.quantile(q).expect("not empty");
        prop_assert!((sketched - exact).abs() <= 0.01 * exact.abs() + 1e-12, "{} {}", sketched, exact);
    }
}

#[test]
fn the_variance_of_large_values_close_together_is_exact() {
    let mut m = Moments::default();
    for i in 0..1000 {
        m.add(1e15 + f64::from(i % 10));
    }
    assert_eq!(m.variance(), 8.25);
}

#[test]
fn late_events_come_back_and_lateness_keeps_windows_open() {
    let kind = WindowKind::Tumbling { size_ms: 100 };
    let mut windows = EventWindows::<&str, Moments>::new(kind, 50).expect("valid");
    windows.push("a", 10, 1.0).expect("room");
    assert!(windows.advance(149).is_empty());
    assert!(windows.push("a", 20, 2.0).expect("room").is_none());
    let closed = windows.advance(150);
    assert_eq!(closed[0].summary.count(), 2);
    let late = windows.push("a", 30, 3.0).expect("room").expect("late");
    assert_eq!((late.at_ms, late.watermark_ms), (30, 150));
}

#[test]
fn open_windows_are_bounded_and_kinds_checked() {
    let kind = WindowKind::Tumbling { size_ms: 1 };
    let mut windows = EventWindows::<u8, Moments>::new(kind, 0).expect("valid").with_most_open(3);
    for at in 0..3 {
        windows.push(0, at, 1.0).expect("room");
    }
    assert_eq!(windows.push(0, 3, 1.0), Err(WindowError::Full { open: 3, most: 3 }));
    for kind in [
        WindowKind::Tumbling { size_ms: 0 },
        WindowKind::Session { gap_ms: 0 },
        WindowKind::Sliding { size_ms: 10, step_ms: 11 },
        WindowKind::Sliding { size_ms: u64::MAX, step_ms: 1 },
    ] {
        assert!(EventWindows::<u8, Moments>::new(kind, 0).is_err());
    }
    let mut edge =
        EventWindows::<u8, Moments>::new(WindowKind::Session { gap_ms: u64::MAX }, 9).expect("valid");
    assert!(edge.push(0, u64::MAX, 1.0).expect("room").is_none());
    assert_eq!(edge.finish().len(), 1);
}

#[test]
fn sessions_exactly_one_gap_apart_are_two() {
    let mut windows = EventWindows::<u8, Moments>::new(WindowKind::Session { gap_ms: 7 }, 0).expect("valid");
    for at in [278, 285, 291] {
        windows.push(1, at, 1.0).expect("room");
    }
    let bounds: Vec<(u64, u64)> = windows.finish().iter().map(|w| (w.start_ms, w.end_ms)).collect();
    assert_eq!(bounds, [(278, 285), (285, 298)]);
}

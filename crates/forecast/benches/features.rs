//! Features of one series of 1,000 points, on one thread: noise and an autoregression in turn.

use criterion::{Criterion, criterion_group, criterion_main};
use ecosystem_forecast::features::{Extractor, FeatureSet};
use ecosystem_forecast::window::RollingStats;
use std::hint::black_box;

/// Uniform numbers in [−½, ½) by Knuth's MMIX generator.
fn uniform(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        })
        .collect()
}

fn panel() -> Vec<Vec<f64>> {
    (0..16)
        .map(|k| {
            let noise = uniform(1000, 1 + k);
            if k % 2 == 0 {
                return noise;
            }
            let step = |level: &mut f64, u: f64| {
                *level = 0.95 * *level + u;
                Some(*level)
            };
            noise.into_iter().scan(0.0, step).collect()
        })
        .collect()
}

fn features(c: &mut Criterion) {
    let panel = panel();
    let sets = [
        ("minimal_10", FeatureSet::minimal()),
        ("efficient_782", FeatureSet::efficient()),
        ("comprehensive_788", FeatureSet::comprehensive()),
        ("catch22", FeatureSet::catch22()),
    ];
    let mut group = c.benchmark_group("features_1000_points");
    for (name, set) in sets {
        let mut extractor = Extractor::new(set).expect("valid set");
        let mut row = Vec::new();
        let mut next = panel.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                row.clear();
                extractor.extract_into(black_box(next.next().expect("cycle")), &mut row).expect("finite");
                row.len()
            });
        });
    }
    group.finish();
}

fn windows(c: &mut Criterion) {
    let values = uniform(4096, 9);
    let mut window = RollingStats::new(1440);
    let mut next = values.iter().cycle();
    c.bench_function("rolling_stats_push_window_1440", |b| {
        b.iter(|| window.push(black_box(*next.next().expect("cycle"))));
    });
}

criterion_group!(benches, features, windows);
criterion_main!(benches);

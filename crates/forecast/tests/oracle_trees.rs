//! Trees against the shap package and scikit-learn: `scripts/peers/trees_oracle.py` prints the numbers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ecosystem_forecast::tree::{IsolationForest, Link, Node, Table, Tree, TreeModel};
use std::cmp::Ordering;

/// Nodes as feature, threshold, whether missing goes left, children, value, cover.
type Row = (u32, f64, bool, u32, u32, f64, f64);

fn tree(rows: &[Row]) -> Tree {
    let node = |&(feature, threshold, missing_left, left, right, value, cover): &Row| Node {
        feature,
        threshold,
        missing_left,
        left,
        right,
        value,
        cover,
        gain: 0.0,
    };
    Tree::from_nodes(rows.iter().map(node).collect()).unwrap()
}

fn model() -> TreeModel {
    let first = [
        (0, 0.5, true, 1, 2, 0.0, 100.0),
        (1, 1.5, false, 3, 4, 0.0, 60.0),
        (0, 2.5, false, 5, 6, 0.0, 40.0),
        (0, 0.0, false, 0, 0, 1.0, 25.0),
        (2, -1.0, false, 7, 8, 0.0, 35.0),
        (0, 0.0, false, 0, 0, -2.0, 30.0),
        (0, 0.0, false, 0, 0, 4.0, 10.0),
        (0, 0.0, false, 0, 0, 0.5, 5.0),
        (1, 3.0, false, 9, 10, 0.0, 30.0),
        (0, 0.0, false, 0, 0, 3.0, 12.0),
        (0, 0.0, false, 0, 0, -1.5, 18.0),
    ];
    let second = [
        (3, 0.0, false, 1, 2, 0.0, 80.0),
        (0, 0.0, false, 0, 0, 0.25, 30.0),
        (1, 2.0, false, 3, 4, 0.0, 50.0),
        (3, 1.0, false, 5, 6, 0.0, 20.0),
        (0, 0.0, false, 0, 0, -0.75, 30.0),
        (0, 0.0, false, 0, 0, 2.0, 8.0),
        (0, 0.0, false, 0, 0, -1.0, 12.0),
    ];
    TreeModel::from_trees(Link::Identity, 0.0, 1.0, 4, vec![tree(&first), tree(&second)]).unwrap()
}

#[test]
fn shapley_values_are_those_of_the_shap_package() {
    // shap 0.51.0, TreeExplainer on the same trees, tree_path_dependent; tolerance 1e-10
    let rows = [
        [0.0, 1.0, 0.0, -1.0],
        [0.2, 2.5, -3.0, 0.5],
        [3.0, 4.0, 1.0, 2.0],
        [1.0, 2.0, 5.0, 1.0],
        [f64::NAN, 2.0, 0.0, 0.5],
    ];
    let expected = [
        [0.520555555556, 0.498680555556, -0.00611111111111, 0.209375],
        [0.57119047619, -0.0130357142857, -0.891904761905, 0.05625],
        [4.4405952381, -0.64244047619, -0.0319047619048, -0.54375],
        [-2.84511904762, 1.65086309524, 0.032380952381, 1.134375],
        [0.896746031746, 2.7927281746, 0.148650793651, 1.134375],
    ];
    let model = model();
    for (row, expected) in rows.iter().zip(expected) {
        let told = model.explain(row);
        assert!((told.base - 0.0275).abs() < 1e-12);
        for (c, e) in told.contributions.iter().zip(expected) {
            assert!((c - e).abs() < 1e-10, "{row:?}: {:?}", told.contributions);
        }
        let sum: f64 = told.base + told.contributions.iter().sum::<f64>();
        assert!((sum - model.raw(row)).abs() < 1e-12);
    }
}

struct Lcg(u64);

impl Lcg {
    fn uniform(&mut self) -> f64 {
        self.0 = (self.0 * 1_664_525 + 1_013_904_223) % (1 << 32);
        self.0 as f64 / 4_294_967_296.0
    }

    /// Twelve uniforms less six: nearly normal, and the same in any language.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

fn auc(scores: &[f64], odd: &[bool]) -> f64 {
    let mut pairs = (0.0, 0.0);
    for (s, _) in scores.iter().zip(odd).filter(|(_, o)| **o) {
        for (t, _) in scores.iter().zip(odd).filter(|(_, o)| !**o) {
            pairs.0 += match s.total_cmp(t) {
                Ordering::Greater => 1.0,
                Ordering::Equal => 0.5,
                Ordering::Less => 0.0,
            };
            pairs.1 += 1.0;
        }
    }
    pairs.0 / pairs.1
}

#[test]
fn isolation_forests_rank_outliers_as_well_as_those_of_scikit_learn() {
    // scikit-learn 1.9.1, 100 trees of 256 rows, mean AUC of ten seeds on the same rows: 0.8830; tolerance 0.01
    let mut random = Lcg(7);
    let (mut rows, mut odd) = (Vec::new(), Vec::new());
    for i in 0..1200 {
        let strange = i % 24 == 0;
        let row: Vec<f64> = (0..5)
            .map(|k| {
                let spread = if strange { 1.6 } else { 1.0 };
                random.normal() * spread + if strange && k < 2 { 1.0 } else { 0.0 }
            })
            .collect();
        rows.push(row);
        odd.push(strange);
    }
    let table = Table::from_rows(&rows).unwrap();
    let mean = |extension: usize| -> f64 {
        let total: f64 = (0..10)
            .map(|seed| {
                let mut forest = IsolationForest::default();
                (forest.seed, forest.extension) = (seed, extension);
                auc(&forest.fit(&table).unwrap().score_all(&table), &odd)
            })
            .sum();
        total / 10.0
    };
    let plain = mean(0);
    assert!((plain - 0.8830).abs() < 0.01, "{plain}");
    let extended = mean(4);
    assert!(extended > plain - 0.02, "{extended} against {plain}");
}

//! What trees promise on any input: order, missing values, determinism, formats that a hostile sender cannot abuse.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ecosystem_forecast::tree::{
    Boosting, ClassWeight, FittedIsolation, Forest, IsolationForest, ModelError, Node, Table, Tree,
    TreeError, TreeModel,
};
use proptest::prelude::*;

/// A deterministic mix of numbers, some missing; class 1 where a sum of features is large.
fn data(rows: u32, missing: bool) -> (Table, Vec<f64>) {
    let cell = |r: u32, f: u32| {
        f64::from((r + 1).wrapping_mul(2_654_435_761).rotate_left(f * 7 + 3) % 1000) / 1000.0
    };
    let table: Vec<Vec<f64>> = (0..rows)
        .map(|r| {
            (0..6).map(|f| if missing && (r * 7 + f * 3) % 11 == 0 { f64::NAN } else { cell(r, f) }).collect()
        })
        .collect();
    let labels = (0..rows)
        .map(|r| f64::from(u8::from(cell(r, 0) + cell(r, 1) * cell(r, 2) + 0.3 * cell(r, 5) > 0.9)))
        .collect();
    (Table::from_rows(&table).unwrap(), labels)
}

fn small() -> Boosting {
    let mut b = Boosting::classifier();
    (b.rounds, b.leaves) = (20, 8);
    b
}

fn models(table: &Table, labels: &[f64]) -> Vec<TreeModel> {
    let mut forests = [Forest::random(), Forest::extra()];
    for forest in &mut forests {
        forest.trees = 12;
    }
    let mut sampled = small();
    (sampled.row_share, sampled.feature_share) = (0.7, 0.5);
    vec![
        small().fit(table, labels).unwrap(),
        sampled.fit(table, labels).unwrap(),
        Boosting::regressor().fit(table, labels).unwrap(),
        forests[0].fit(table, labels).unwrap(),
        forests[1].fit(table, labels).unwrap(),
    ]
}

#[test]
fn every_model_learns_with_and_without_missing_values() {
    for missing in [false, true] {
        let (table, labels) = data(1500, missing);
        for model in models(&table, &labels) {
            let wrong = model
                .predict_all(&table)
                .iter()
                .zip(&labels)
                .filter(|(p, l)| (**p > 0.5) != (**l > 0.5))
                .count();
            assert!(wrong < 225, "{wrong} of 1500 wrong");
            let importance = model.importance();
            assert!((importance.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(importance[0] > importance[3] && importance[0] > importance[4], "{importance:?}");
        }
    }
}

#[test]
fn models_have_the_same_bytes_on_one_and_many_threads() {
    let (table, labels) = data(3000, true);
    let all = || -> Vec<Vec<u8>> {
        let mut bytes: Vec<Vec<u8>> = models(&table, &labels).iter().map(TreeModel::to_bytes).collect();
        bytes.push(IsolationForest::default().fit(&table).unwrap().to_bytes());
        bytes
    };
    #[cfg(feature = "parallel")]
    {
        let on = |n: usize| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(all);
        let one = on(1);
        assert_eq!(one, on(2));
        assert_eq!(one, on(8));
    }
    assert_eq!(all(), all());
}

#[test]
fn a_monotone_feature_never_lowers_the_answer() {
    let (table, labels) = data(2000, false);
    // Disturb the truth so that without the rule the answer would not be monotone.
    let noisy: Vec<f64> =
        labels.iter().enumerate().map(|(i, l)| if i % 5 == 0 { 1.0 - l } else { *l }).collect();
    let mut ruled = small();
    ruled.monotone = vec![1, 0, 0, 0, 0, -1];
    let model = ruled.fit(&table, &noisy).unwrap();
    let free = small().fit(&table, &noisy).unwrap();
    let breaks = |m: &TreeModel, feature: usize, sign: f64| -> usize {
        (0..200)
            .map(|r| {
                let mut row = table.row(r);
                let answers: Vec<f64> = (0..50)
                    .map(|k| {
                        row[feature] = f64::from(k) / 50.0;
                        m.raw(&row)
                    })
                    .collect();
                answers.windows(2).filter(|w| sign * (w[1] - w[0]) < -1e-12).count()
            })
            .sum()
    };
    assert_eq!(breaks(&model, 0, 1.0) + breaks(&model, 5, -1.0), 0);
    assert!(breaks(&free, 5, -1.0) > 0, "the control must break the rule");
}

#[test]
fn early_stopping_keeps_the_best_number_of_trees() {
    let (table, labels) = data(400, false);
    let noise: Vec<f64> = (0..400).map(|i| f64::from(u8::from((i * 7919 + 13) % 10 < 3))).collect();
    let (other, truth) = data(700, false);
    let mut many = small();
    (many.rounds, many.patience) = (400, 10);
    let good = many.fit_validated(&table, &labels, &other, &truth).unwrap();
    let useless = many.fit_validated(&table, &noise, &other, &truth).unwrap();
    assert!(useless.trees().len() < 10 && good.trees().len() > useless.trees().len());
}

#[test]
fn weights_move_the_base_rate() {
    let (table, labels) = data(1000, false);
    let rare: Vec<f64> = labels.iter().enumerate().map(|(i, l)| if i % 4 == 0 { *l } else { 0.0 }).collect();
    let mean = |w: ClassWeight| {
        let mut b = small();
        b.class_weight = w;
        b.fit(&table, &rare).unwrap().predict_all(&table).iter().sum::<f64>() / 1000.0
    };
    let rate = rare.iter().sum::<f64>() / 1000.0;
    assert!((mean(ClassWeight::Even) - rate).abs() < 0.02);
    assert!(mean(ClassWeight::Balanced) > 1.5 * rate);
    // A row of weight two is two rows.
    let twice = Table::from_rows(&(0..200).map(|r| table.row(r % 100)).collect::<Vec<_>>()).unwrap();
    let once = Table::from_rows(&(0..100).map(|r| table.row(r)).collect::<Vec<_>>()).unwrap();
    let doubled: Vec<f64> = (0..200).map(|r| labels[r % 100]).collect();
    let mut loose = small();
    (loose.least_rows, loose.least_hessian) = (1, 3.0);
    let a = loose.fit(&twice, &doubled).unwrap();
    let b = loose.fit_weighted(&once, &labels[..100], &[2.0; 100]).unwrap();
    for r in 0..100 {
        assert!((a.raw(&once.row(r)) - b.raw(&once.row(r))).abs() < 1e-6);
    }
}

#[test]
fn wrong_input_is_an_error_that_names_the_place() {
    let (table, labels) = data(50, false);
    assert_eq!(small().fit(&table, &[0.0; 50]), Err(TreeError::OneClass { label: 0.0 }));
    let mut odd = labels.clone();
    odd[7] = 0.5;
    assert!(matches!(small().fit(&table, &odd), Err(TreeError::Label { row: 7, .. })));
    assert!(matches!(small().fit(&table, &labels[1..]), Err(TreeError::Length { .. })));
    let infinite = Table::from_columns(vec![vec![1.0, f64::INFINITY]]);
    assert!(matches!(infinite, Err(TreeError::OutOfRange { row: 1, feature: 0, .. })));
    assert!(matches!(Table::from_columns(vec![]), Err(TreeError::Empty { .. })));
    let mut bad = small();
    bad.monotone = vec![1];
    assert!(matches!(bad.fit(&table, &labels), Err(TreeError::Setting { name: "monotone", .. })));
    assert!(Forest::extra().fit_out_of_bag(&table, &labels).is_err());
}

#[test]
fn shapley_values_are_the_mean_over_all_orders() {
    // Brute force over all subsets of six features, by conditional expectation over the trees' covers.
    fn expect(tree: &Tree, at: usize, row: &[f64], known: u32) -> f64 {
        let n = &tree.nodes()[at];
        if n.left == 0 {
            return n.value;
        }
        let (l, r) = (n.left as usize, n.right as usize);
        if known & (1 << n.feature) != 0 {
            let v = row[n.feature as usize];
            let left = if v.is_nan() { n.missing_left } else { v <= n.threshold };
            return expect(tree, if left { l } else { r }, row, known);
        }
        let (a, b) = (tree.nodes()[l].cover, tree.nodes()[r].cover);
        (a * expect(tree, l, row, known) + b * expect(tree, r, row, known)) / (a + b)
    }
    let (table, labels) = data(300, true);
    let model = small().fit(&table, &labels).unwrap();
    let factorial = |n: u32| (1..=u64::from(n)).product::<u64>() as f64;
    for r in 0..5 {
        let row = table.row(r);
        let told = model.explain(&row);
        for f in 0..6_u32 {
            let mut value = 0.0;
            for known in (0..64_u32).filter(|k| k & (1 << f) == 0) {
                let size = known.count_ones();
                let weight = factorial(size) * factorial(5 - size) / factorial(6);
                let step = |k: u32| model.trees().iter().map(|t| expect(t, 0, &row, k)).sum::<f64>();
                value += weight * (step(known | (1 << f)) - step(known));
            }
            assert!((value - told.contributions[f as usize]).abs() < 1e-9);
        }
    }
}

#[test]
fn bytes_come_back_as_the_same_model_and_damage_is_noticed() {
    let (table, labels) = data(400, true);
    for model in models(&table, &labels) {
        let bytes = model.to_bytes();
        assert_eq!(TreeModel::from_bytes(&bytes).as_ref(), Ok(&model));
        for cut in (0..bytes.len()).step_by(97) {
            assert!(TreeModel::from_bytes(&bytes[..cut]).is_err());
        }
        for at in (0..bytes.len()).step_by(61) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(TreeModel::from_bytes(&damaged).is_err());
        }
    }
    for extension in [0, 3] {
        let mut forest = IsolationForest::default();
        (forest.trees, forest.extension) = (10, extension);
        let fitted = forest.fit(&table).unwrap();
        let bytes = fitted.to_bytes();
        assert_eq!(FittedIsolation::from_bytes(&bytes).as_ref(), Ok(&fitted));
        assert!(matches!(TreeModel::from_bytes(&bytes), Err(ModelError::Kind { .. })));
    }
    assert_eq!(TreeModel::from_bytes(b"hello"), Err(ModelError::Magic));
}

#[test]
fn nodes_that_are_no_tree_are_refused() {
    let leaf = Node {
        feature: 0,
        threshold: 0.0,
        missing_left: false,
        left: 0,
        right: 0,
        value: 1.0,
        cover: 1.0,
        gain: 0.0,
    };
    let split = |left, right| Node { left, right, ..leaf };
    assert!(Tree::from_nodes(vec![]).is_err());
    assert!(Tree::from_nodes(vec![split(1, 1), leaf]).is_err(), "one child twice");
    assert!(Tree::from_nodes(vec![split(1, 2), split(0, 2), leaf]).is_err(), "a loop");
    assert!(Tree::from_nodes(vec![leaf, leaf]).is_err(), "a node without parent");
    assert!(Tree::from_nodes(vec![split(1, 9), leaf]).is_err(), "an absent child");
    assert!(Tree::from_nodes(vec![Node { value: f64::NAN, ..leaf }]).is_err());
    let deep: Vec<Node> =
        (0..100_u32).flat_map(|i| [split(2 * i + 1, 2 * i + 2), leaf]).chain([leaf]).collect();
    assert!(Tree::from_nodes(deep).is_err(), "deeper than 64 levels");
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |c, b| {
        (0..8).fold(c ^ u32::from(*b), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Anything behind a valid head and checksum is refused or is a model that answers.
    #[test]
    fn any_bytes_are_refused_or_a_model(kind in 0_u8..4, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = b"vmtrees\x01\x00".to_vec();
        bytes.push(kind);
        bytes.extend(body);
        let sum = crc(&bytes);
        bytes.extend(sum.to_le_bytes());
        if let Ok(model) = TreeModel::from_bytes(&bytes) {
            prop_assert_eq!(model.to_bytes(), bytes.clone());
            let _ = (model.raw(&[1.0]), model.explain(&[f64::NAN]));
        }
        if let Ok(forest) = FittedIsolation::from_bytes(&bytes) {
            let _ = forest.score(&[1.0]);
        }
    }

    /// One changed byte of a real model, checksum renewed, never panics.
    #[test]
    fn a_changed_model_is_refused_or_answers(at in 0_usize..2000, value in any::<u8>()) {
        let (table, labels) = data(60, true);
        let mut b = small();
        b.rounds = 3;
        let mut bytes = b.fit(&table, &labels).unwrap().to_bytes();
        bytes.truncate(bytes.len() - 4);
        let at = 9 + at % (bytes.len() - 9);
        bytes[at] = value;
        let sum = crc(&bytes);
        bytes.extend(sum.to_le_bytes());
        if let Ok(model) = TreeModel::from_bytes(&bytes) {
            let _ = (model.predict(&[f64::NAN; 6]), model.explain(&[0.3; 6]), model.importance());
        }
    }
}

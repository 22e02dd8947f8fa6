//! Learners of our own against the same methods of smartcore 0.7.0, run side by side on the same rows.
//!
//! Where a method has one right answer (principal components, ridge, an exhaustive tree) both must give it; where it depends
//! on a random start (k-means, forests) ours must not be worse.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test may panic; labels are whole numbers")]

use ecosystem_forecast::{
    Regression,
    anomaly::rows::{KMeans, KMeansSettings, PrincipalResidual, RowDetector},
    tree::{Boosting, Forest, Table},
};
use smartcore::{
    cluster::kmeans::{KMeans as OtherKMeans, KMeansParameters},
    decomposition::pca::{PCA, PCAParameters},
    ensemble::random_forest_classifier::{RandomForestClassifier, RandomForestClassifierParameters},
    linalg::basic::{arrays::Array, matrix::DenseMatrix},
    linear::ridge_regression::{RidgeRegression, RidgeRegressionParameters},
    tree::decision_tree_regressor::{DecisionTreeRegressor, DecisionTreeRegressorParameters},
};

/// Numerical Recipes' generator: the rows do not depend on either library.
struct Lcg(u64);

impl Lcg {
    fn uniform(&mut self) -> f64 {
        self.0 = (self.0 * 1_664_525 + 1_013_904_223) % (1 << 32);
        self.0 as f64 / 4_294_967_296.0
    }

    /// Twelve uniforms less six: nearly normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// Rows of `width` metrics that share two loads.
fn loads(count: usize, width: u32, seed: u64) -> Vec<Vec<f64>> {
    let mut random = Lcg(seed);
    (0..count)
        .map(|_| {
            let (first, second) = (random.normal(), random.normal());
            (0..width)
                .map(|j| {
                    let share = f64::from(j) / f64::from(width);
                    10.0 * f64::from(j) + 3.0 * share * first + (1.0 - share) * second + 0.3 * random.normal()
                })
                .collect()
        })
        .collect()
}

fn matrix(rows: &[Vec<f64>]) -> DenseMatrix<f64> {
    DenseMatrix::from_2d_vec(&rows.to_vec()).unwrap()
}

/// Columns with mean 0 and standard deviation (population) 1.
fn standardised(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = rows.len() as f64;
    let mut out = rows.to_vec();
    for j in 0..rows[0].len() {
        let mean = rows.iter().map(|r| r[j]).sum::<f64>() / n;
        let deviation = (rows.iter().map(|r| (r[j] - mean) * (r[j] - mean)).sum::<f64>() / n).sqrt();
        for row in &mut out {
            row[j] = (row[j] - mean) / deviation;
        }
    }
    out
}

#[test]
fn what_principal_components_leave_over_is_what_smartcore_leaves_over() {
    // smartcore 0.7.0, singular values of the standardised rows; tolerance 1e-9 relative
    let rows = loads(300, 7, 1);
    let mut ours = PrincipalResidual::fit(&rows, 0.9).unwrap();
    let kept = ours.explained().len();
    assert!((1..7).contains(&kept), "{:?}", ours.explained());
    let scaled = standardised(&rows);
    let theirs = PCA::fit(&matrix(&scaled), PCAParameters::default().with_n_components(kept)).unwrap();
    let projected = theirs.transform(&matrix(&scaled)).unwrap();
    let total: f64 = scaled.iter().flatten().map(|v| v * v).sum();
    for k in 0..kept {
        let along: f64 = (0..rows.len()).map(|i| projected.get((i, k)) * projected.get((i, k))).sum();
        assert!((ours.explained()[k] - along / total).abs() < 1e-9, "component {k}");
    }
    for (i, row) in rows.iter().enumerate() {
        let whole: f64 = scaled[i].iter().map(|v| v * v).sum();
        let along: f64 = (0..kept).map(|k| projected.get((i, k)) * projected.get((i, k))).sum();
        let rest = (whole - along).max(0.0).sqrt();
        let found = ours.score_row(row).unwrap();
        assert!((found - rest).abs() < 1e-9 * (1.0 + rest), "row {i}: {found} and {rest}");
    }
}

/// Mean squared distance of rows to the nearest centre.
fn spread(rows: &[Vec<f64>], centres: &[Vec<f64>]) -> f64 {
    let squared = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
    let nearest = |r: &Vec<f64>| centres.iter().map(|c| squared(r, c)).fold(f64::INFINITY, f64::min);
    rows.iter().map(nearest).sum::<f64>() / rows.len() as f64
}

#[test]
fn k_means_ends_where_smartcore_ends_and_its_own_starts_are_no_worse() {
    // smartcore 0.7.0, k-means++ and Lloyd's rounds; centres are the means of its labels
    let mut rows = loads(400, 4, 2);
    rows.iter_mut().enumerate().for_each(|(i, r)| r[i % 4] += 4.0 * (i % 3) as f64);
    let (data, k) = (matrix(&rows), 6);
    let (mut best_theirs, mut best_ours) = (f64::INFINITY, f64::INFINITY);
    for seed in 0..8 {
        let mut settings = KMeansParameters::default().with_k(k).with_max_iter(300);
        settings.seed = Some(seed);
        let fitted: OtherKMeans<f64, i32, DenseMatrix<f64>, Vec<i32>> =
            OtherKMeans::fit(&data, settings).unwrap();
        let labels = fitted.predict(&data).unwrap();
        let centres: Vec<Vec<f64>> = (0..i32::try_from(k).unwrap())
            .filter(|c| labels.contains(c))
            .map(|c| {
                let own: Vec<&Vec<f64>> =
                    rows.iter().zip(&labels).filter(|(_, l)| **l == c).map(|(r, _)| r).collect();
                (0..4).map(|j| own.iter().map(|r| r[j]).sum::<f64>() / own.len() as f64).collect()
            })
            .collect();
        best_theirs = best_theirs.min(spread(&rows, &centres));
        // Its end is an end of ours too: no row changes its cluster, so no centre moves.
        let same = KMeans::fit_from(&rows, &centres, 100).unwrap();
        for (a, b) in same.centres().iter().flatten().zip(centres.iter().flatten()) {
            assert!((a - b).abs() < 1e-9, "seed {seed}: {a} and {b}");
        }
        let own = KMeansSettings::default().with_clusters(k).with_seed(seed);
        best_ours = best_ours.min(spread(&rows, KMeans::fit(&rows, &own).unwrap().centres()));
    }
    assert!(best_ours < 1.01 * best_theirs, "{best_ours} against {best_theirs}");
}

#[test]
fn ridge_coefficients_are_those_of_smartcore() {
    // smartcore 0.7.0, Cholesky, without intercept; ours penalises by the squared length of a column, so its columns have length 1
    let rows = loads(120, 3, 3);
    let mut random = Lcg(4);
    let target: Vec<f64> =
        rows.iter().map(|r| 5.0 + 2.0 * r[0] - 0.5 * r[1] + 0.25 * r[2] + random.normal()).collect();
    let external: Vec<Vec<f64>> = (0..3).map(|j| rows.iter().map(|r| r[j]).collect()).collect();
    let ours = Regression::new(&[]).without_trend().fit_with(&target, &external).unwrap();
    let mut columns = vec![vec![1.0; rows.len()]];
    columns.extend(external);
    let lengths: Vec<f64> = columns.iter().map(|c| c.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
    let scaled: Vec<Vec<f64>> =
        (0..rows.len()).map(|i| columns.iter().zip(&lengths).map(|(c, l)| c[i] / l).collect()).collect();
    let settings = RidgeRegressionParameters::default().with_alpha(1e-6).with_normalize(false);
    let theirs = RidgeRegression::fit(&matrix(&scaled), &target, settings).unwrap();
    for (j, (found, length)) in ours.coefficients().iter().zip(&lengths).enumerate() {
        let expected = theirs.coefficients().get((j, 0)) / length;
        assert!((found - expected).abs() < 1e-7 * (1.0 + expected.abs()), "{j}: {found} and {expected}");
    }
}

#[test]
fn one_tree_without_shrinkage_is_the_regression_tree_of_smartcore() {
    // smartcore 0.7.0, exhaustive search, mean squared error; it counts the root as a level. Fewer distinct values than bins, so
    // that ours searches all thresholds too; tolerance 1e-9
    let mut random = Lcg(5);
    let rows: Vec<Vec<f64>> =
        (0..400).map(|_| (0..4).map(|_| (random.uniform() * 100.0).floor()).collect()).collect();
    let target: Vec<f64> = rows
        .iter()
        .map(|r| r[0] / 10.0 + if r[1] > 60.0 { 7.0 } else { 0.0 } + r[2] * r[3] / 900.0 + random.normal())
        .collect();
    let table = Table::from_rows(&rows).unwrap();
    for (depth, least_rows) in [(1, 1), (3, 5), (5, 2)] {
        let mut settings = Boosting::regressor();
        (settings.rounds, settings.learning_rate, settings.leaves) = (1, 1.0, 1 << depth);
        (settings.depth, settings.least_rows, settings.least_hessian) = (depth, least_rows, 0.0);
        let ours = settings.fit(&table, &target).unwrap();
        let other = DecisionTreeRegressorParameters::default()
            .with_max_depth(u16::try_from(depth + 1).unwrap())
            .with_min_samples_leaf(least_rows)
            .with_min_samples_split(2);
        let theirs = DecisionTreeRegressor::fit(&matrix(&rows), &target, other).unwrap();
        let expected: Vec<f64> = theirs.predict(&matrix(&rows)).unwrap();
        for (row, e) in rows.iter().zip(expected) {
            assert!((ours.predict(row) - e).abs() < 1e-9, "depth {depth}: {} and {e}", ours.predict(row));
        }
    }
}

#[test]
fn a_random_forest_is_right_about_new_rows_as_often_as_that_of_smartcore() {
    // smartcore 0.7.0, 60 trees, square root of the features per split, three seeds; ours may be wrong 2 % of the rows more often
    let mut random = Lcg(6);
    let mut draw = |count: usize| -> (Vec<Vec<f64>>, Vec<u32>) {
        (0..count)
            .map(|_| {
                let row: Vec<f64> = (0..6).map(|_| random.normal()).collect();
                let side = row[0] * row[1] + row[2] - 0.5 * row[3] + 0.7 * random.normal();
                (row, u32::from(side > 0.0))
            })
            .unzip()
    };
    let ((rows, classes), (fresh, truth)) = (draw(300), draw(600));
    let labels: Vec<f64> = classes.iter().map(|c| f64::from(*c)).collect();
    let table = Table::from_rows(&rows).unwrap();
    let (mut ours, mut theirs) = (0, 0);
    for seed in 0..3 {
        let mut forest = Forest::random();
        (forest.trees, forest.seed) = (60, seed);
        let model = forest.fit(&table, &labels).unwrap();
        ours += fresh.iter().zip(&truth).filter(|(r, t)| u32::from(model.predict(r) > 0.5) == **t).count();
        let settings = RandomForestClassifierParameters::default().with_n_trees(60).with_seed(seed);
        let other = RandomForestClassifier::fit(&matrix(&rows), &classes, settings).unwrap();
        let said: Vec<u32> = other.predict(&matrix(&fresh)).unwrap();
        theirs += said.iter().zip(&truth).filter(|(s, t)| s == t).count();
    }
    let all = 3 * fresh.len();
    assert!(theirs > all * 7 / 10, "the rows can be told apart: {theirs} of {all}");
    assert!(50 * ours + all >= 50 * theirs, "{ours} and {theirs} of {all}");
}

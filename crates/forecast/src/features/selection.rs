//! Which features have to do with a target: one test per feature, then a bound on the share of false discoveries.
//!
//! # Model
//! Per feature the hypothesis "independent of the target" is tested, by the kinds of both:
//!
//! | target | truth-valued feature | real feature |
//! |---|---|---|
//! | truth value | Fisher's exact test | Mann–Whitney U (or Kolmogorov–Smirnov) |
//! | real | Kolmogorov–Smirnov of the target between both groups | Kendall's τ |
//!
//! A feature with one value is constant and never relevant, one with two is truth-valued. With several classes each class
//! is tested against the rest. The p-values go through the step-up procedure of Benjamini and Hochberg (1995) or, valid
//! under any dependence, Benjamini and Yekutieli (2001), per class.

use super::significance::{fisher_exact, kendall_tau, kolmogorov_smirnov, mann_whitney};

/// What features are tested against; one entry per row.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Target<'a> {
    /// Two classes.
    Binary(&'a [bool]),
    /// Several classes.
    Classes(&'a [u32]),
    /// A number, finite.
    Real(&'a [f64]),
}

impl Target<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Binary(t) => t.len(),
            Self::Classes(t) => t.len(),
            Self::Real(t) => t.len(),
        }
    }
}

/// Control of the expected share of false discoveries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Procedure {
    /// For independent or positively dependent features.
    BenjaminiHochberg,
    /// For any dependence, stricter by the factor 1 + 1/2 + … + 1/m.
    BenjaminiYekutieli,
}

/// The test of a real feature against two classes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ClassTest {
    /// A shift of location.
    MannWhitney,
    /// Any difference of distributions.
    KolmogorovSmirnov,
}

/// How features are selected.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Selection {
    /// Bound on the expected share of false discoveries, in (0, 1). Default 0.05.
    pub level: f64,
    /// Default Benjamini–Yekutieli: features of one series are anything but independent.
    pub procedure: Procedure,
    /// Default Mann–Whitney.
    pub class_test: ClassTest,
    /// For several classes: how many must be told from the rest. Default 1.
    pub significant_classes: usize,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            level: 0.05,
            procedure: Procedure::BenjaminiYekutieli,
            class_test: ClassTest::MannWhitney,
            significant_classes: 1,
        }
    }
}

impl Selection {
    /// Another level.
    #[must_use]
    pub fn with_level(mut self, level: f64) -> Self {
        self.level = level;
        self
    }

    /// Another procedure.
    #[must_use]
    pub fn with_procedure(mut self, procedure: Procedure) -> Self {
        self.procedure = procedure;
        self
    }

    /// Another test of real features against two classes.
    #[must_use]
    pub fn with_class_test(mut self, test: ClassTest) -> Self {
        self.class_test = test;
        self
    }

    /// Another number of classes that must be told from the rest.
    #[must_use]
    pub fn with_significant_classes(mut self, classes: usize) -> Self {
        self.significant_classes = classes;
        self
    }
}

/// Kind of a feature by its values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ColumnKind {
    /// One value.
    Constant,
    /// Two values.
    Binary,
    /// More than two values.
    Real,
}

/// The verdict on one feature.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Relevance {
    /// Kind by values.
    pub kind: ColumnKind,
    /// One p-value per hypothesis: a single one, or one per class in ascending order. NaN for constants.
    pub p_values: Vec<f64>,
    /// Number of hypotheses rejected.
    pub rejected: usize,
    /// Whether the feature is kept.
    pub relevant: bool,
}

/// Why features could not be judged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// Rows and target differ in number.
    #[error("{rows} rows but {targets} target values, expected as many")]
    Lengths {
        /// Number of rows.
        rows: usize,
        /// Number of target values.
        targets: usize,
    },
    /// A row is longer or shorter than the first.
    #[error("row {row} has {found} values, expected {expected}")]
    Ragged {
        /// Index of the row.
        row: usize,
        /// Its length.
        found: usize,
        /// The length of row 0.
        expected: usize,
    },
    /// A feature or the target is not finite.
    #[error("value {value} in row {row}, expected a finite number")]
    NotFinite {
        /// Index of the row.
        row: usize,
        /// The value.
        value: f64,
    },
    /// The level is no probability.
    #[error("level {level}, expected a number between 0 and 1")]
    Level {
        /// The level.
        level: f64,
    },
}

/// Judges every column of `rows` against the target.
///
/// # Example
/// ```
/// use ecosystem_forecast::features::{Selection, Target, relevance};
/// let rows: Vec<Vec<f64>> = (0..40).map(|i| vec![f64::from(i), f64::from(i * 17 % 5)]).collect();
/// let target: Vec<f64> = (0..40).map(|i| f64::from(i * i)).collect();
/// let verdicts = relevance(&rows, Target::Real(&target), &Selection::default())?;
/// assert!(verdicts[0].relevant && !verdicts[1].relevant);
/// # Ok::<(), ecosystem_forecast::features::SelectionError>(())
/// ```
///
/// Cost: O(columns · rows · log rows), exact Kolmogorov–Smirnov tests O(rows²).
pub fn relevance(
    rows: &[Vec<f64>],
    target: Target<'_>,
    selection: &Selection,
) -> Result<Vec<Relevance>, SelectionError> {
    let columns = check(rows, target, selection)?;
    let hypotheses: Vec<Hypothesis> = match target {
        Target::Binary(t) => vec![Hypothesis::Class(t.to_vec())],
        Target::Real(t) => vec![Hypothesis::Number(t.to_vec())],
        Target::Classes(t) => {
            let mut classes = t.to_vec();
            classes.sort_unstable();
            classes.dedup();
            classes.into_iter().map(|c| Hypothesis::Class(t.iter().map(|&v| v == c).collect())).collect()
        }
    };
    let mut column = Vec::with_capacity(rows.len());
    let mut verdicts: Vec<Relevance> = (0..columns)
        .map(|j| {
            column.clear();
            column.extend(rows.iter().map(|r| r[j]));
            judge(&column, &hypotheses, selection.class_test)
        })
        .collect();
    for h in 0..hypotheses.len() {
        let p: Vec<f64> = verdicts.iter().map(|v| v.p_values[h]).collect();
        for (v, rejected) in verdicts.iter_mut().zip(discoveries(&p, selection.level, selection.procedure)) {
            v.rejected += usize::from(rejected);
        }
    }
    let needed = if hypotheses.len() > 1 { selection.significant_classes.max(1) } else { 1 };
    for v in &mut verdicts {
        v.relevant = v.rejected >= needed;
    }
    Ok(verdicts)
}

enum Hypothesis {
    Class(Vec<bool>),
    Number(Vec<f64>),
}

fn check(rows: &[Vec<f64>], target: Target<'_>, selection: &Selection) -> Result<usize, SelectionError> {
    if rows.len() != target.len() {
        return Err(SelectionError::Lengths { rows: rows.len(), targets: target.len() });
    }
    if !(0.0..=1.0).contains(&selection.level) {
        return Err(SelectionError::Level { level: selection.level });
    }
    let expected = rows.first().map_or(0, Vec::len);
    for (at, row) in rows.iter().enumerate() {
        if row.len() != expected {
            return Err(SelectionError::Ragged { row: at, found: row.len(), expected });
        }
        if let Some(&value) = row.iter().find(|v| !v.is_finite()) {
            return Err(SelectionError::NotFinite { row: at, value });
        }
    }
    if let Target::Real(t) = target
        && let Some((row, &value)) = t.iter().enumerate().find(|(_, v)| !v.is_finite())
    {
        return Err(SelectionError::NotFinite { row, value });
    }
    Ok(expected)
}

fn judge(column: &[f64], hypotheses: &[Hypothesis], class_test: ClassTest) -> Relevance {
    let (kind, upper) = kind_of(column);
    let test = |h: &Hypothesis| match (kind, h) {
        (ColumnKind::Constant, _) => f64::NAN,
        (ColumnKind::Binary, Hypothesis::Class(target)) => {
            let mut table = [[0_u64; 2]; 2];
            for (&v, &t) in column.iter().zip(target) {
                table[usize::from(v == upper)][usize::from(t)] += 1;
            }
            fisher_exact(table)
        }
        (ColumnKind::Real, Hypothesis::Class(target)) => {
            let (yes, no) = split(column, target.iter().copied());
            match class_test {
                ClassTest::MannWhitney => mann_whitney(&yes, &no),
                ClassTest::KolmogorovSmirnov => kolmogorov_smirnov(&yes, &no),
            }
        }
        (ColumnKind::Binary, Hypothesis::Number(target)) => {
            let (yes, no) = split(target, column.iter().map(|&v| v == upper));
            kolmogorov_smirnov(&yes, &no)
        }
        (ColumnKind::Real, Hypothesis::Number(target)) => kendall_tau(column, target),
    };
    Relevance { kind, p_values: hypotheses.iter().map(test).collect(), rejected: 0, relevant: false }
}

/// Kind of a column and its largest value.
fn kind_of(column: &[f64]) -> (ColumnKind, f64) {
    let low = column.iter().copied().fold(f64::INFINITY, f64::min);
    let high = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let kind = if !(low < high) {
        ColumnKind::Constant
    } else if column.iter().all(|&v| v == low || v == high) {
        ColumnKind::Binary
    } else {
        ColumnKind::Real
    };
    (kind, high)
}

fn split(values: &[f64], side: impl Iterator<Item = bool>) -> (Vec<f64>, Vec<f64>) {
    let (mut yes, mut no) = (Vec::new(), Vec::new());
    for (&v, s) in values.iter().zip(side) {
        if s { yes.push(v) } else { no.push(v) }
    }
    (yes, no)
}

/// Step-up procedure: which hypotheses are rejected so that the expected share of false rejections is at most `level`.
/// NaN p-values are no hypotheses.
///
/// # Example
/// ```
/// use ecosystem_forecast::features::{Procedure, discoveries};
/// let p = [0.001, 0.6, 0.02, f64::NAN, 0.04];
/// assert_eq!(discoveries(&p, 0.05, Procedure::BenjaminiHochberg), [true, false, true, false, false]);
/// ```
pub fn discoveries(p_values: &[f64], level: f64, procedure: Procedure) -> Vec<bool> {
    let mut sorted: Vec<f64> = p_values.iter().copied().filter(|p| !p.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let m = sorted.len() as f64;
    let penalty = match procedure {
        Procedure::BenjaminiHochberg => 1.0,
        Procedure::BenjaminiYekutieli => (1..=sorted.len()).map(|i| 1.0 / i as f64).sum(),
    };
    let last = sorted.iter().enumerate().rposition(|(i, &p)| p <= (i + 1) as f64 / m * level / penalty);
    let limit = last.map_or(f64::NEG_INFINITY, |i| sorted[i]);
    p_values.iter().map(|&p| p <= limit).collect()
}

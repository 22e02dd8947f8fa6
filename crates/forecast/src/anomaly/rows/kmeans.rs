//! Distance to the nearest of a few typical rows.

use super::{Filler, RowDetector, setting, squared};
use crate::{error::FitError, rng::Pcg};

/// Settings of [`KMeans`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct KMeansSettings {
    /// Typical rows, 1 to 10,000.
    pub clusters: usize,
    /// Most rounds of improvement.
    pub rounds: usize,
    /// Seed of the first choice.
    pub seed: u64,
}

impl Default for KMeansSettings {
    fn default() -> Self {
        Self { clusters: 20, rounds: 100, seed: 0 }
    }
}

impl KMeansSettings {
    /// Typical rows.
    #[must_use]
    pub fn with_clusters(mut self, clusters: usize) -> Self {
        self.clusters = clusters;
        self
    }

    /// Seed of the first choice.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// Distance of a row to the nearest cluster centre; of windows of a series by [`Windowed`](super::Windowed).
///
/// Begins with k-means++ (Arthur & Vassilvitskii 2007) and improves by Lloyd's rounds (Lloyd 1982) until no row changes its
/// cluster. An empty cluster takes the row farthest from its centre. Fit O(rounds · n · clusters · metrics), a row O(clusters ·
/// metrics), memory O(clusters · metrics).
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::rows::{KMeans, KMeansSettings, RowDetector};
/// let rows: Vec<Vec<f64>> = (0..90_u32).map(|i| vec![f64::from(i % 3) * 10.0 + f64::from(i % 5) / 10.0]).collect();
/// let mut detector = KMeans::fit(&rows, &KMeansSettings::default().with_clusters(3))?;
/// assert!(detector.score_row(&[10.2])? < 0.1 && detector.score_row(&[15.2])? > 4.0);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KMeans {
    filler: Filler,
    centres: Vec<Vec<f64>>,
}

impl KMeans {
    /// Learns typical rows from at least as many rows as clusters.
    pub fn fit(rows: &[Vec<f64>], settings: &KMeansSettings) -> Result<Self, FitError> {
        if !(1..=10_000).contains(&settings.clusters) {
            return setting("clusters", settings.clusters as f64, "1 to 10000");
        }
        let (filler, rows) = Filler::fit(rows, settings.clusters)?;
        let centres = plus_plus(&rows, settings);
        Ok(Self { filler, centres: lloyd(&rows, centres, settings.rounds) })
    }

    /// Learns from a first choice of centres instead of a random one.
    pub fn fit_from(rows: &[Vec<f64>], centres: &[Vec<f64>], rounds: usize) -> Result<Self, FitError> {
        let (filler, rows) = Filler::fit(rows, centres.len().max(1))?;
        let first: Vec<Vec<f64>> = centres.iter().map(|c| filler.row(c)).collect::<Result<_, _>>()?;
        if first.is_empty() {
            return setting("clusters", 0.0, "1 to 10000");
        }
        Ok(Self { filler, centres: lloyd(&rows, first, rounds) })
    }

    /// The typical rows.
    pub fn centres(&self) -> &[Vec<f64>] {
        &self.centres
    }
}

/// Nearest centre and its squared distance.
fn nearest(row: &[f64], centres: &[Vec<f64>]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (k, centre) in centres.iter().enumerate() {
        let distance = squared(row, centre);
        if distance < best.1 {
            best = (k, distance);
        }
    }
    best
}

/// First centres, each drawn with probability proportional to the squared distance from those before.
fn plus_plus(rows: &[Vec<f64>], settings: &KMeansSettings) -> Vec<Vec<f64>> {
    let mut rng = Pcg::new(settings.seed);
    let first = crate::stats::floor_usize(rng.uniform() * rows.len() as f64).min(rows.len() - 1);
    let mut centres = vec![rows[first].clone()];
    let mut distances: Vec<f64> = rows.iter().map(|r| squared(r, &rows[first])).collect();
    while centres.len() < settings.clusters {
        let mut left = rng.uniform() * distances.iter().sum::<f64>();
        let drawn = distances.iter().position(|d| {
            left -= d;
            left < 0.0
        });
        let at = drawn.unwrap_or(centres.len() % rows.len());
        distances.iter_mut().zip(rows).for_each(|(d, r)| *d = d.min(squared(r, &rows[at])));
        centres.push(rows[at].clone());
    }
    centres
}

fn lloyd(rows: &[Vec<f64>], mut centres: Vec<Vec<f64>>, rounds: usize) -> Vec<Vec<f64>> {
    let mut member = vec![usize::MAX; rows.len()];
    for _ in 0..rounds {
        let mut changed = false;
        let mut distances = vec![0.0; rows.len()];
        for (i, row) in rows.iter().enumerate() {
            let (k, distance) = nearest(row, &centres);
            changed |= member[i] != k;
            (member[i], distances[i]) = (k, distance);
        }
        if !changed {
            break;
        }
        for k in 0..centres.len() {
            let own: Vec<&Vec<f64>> =
                rows.iter().zip(&member).filter(|(_, m)| **m == k).map(|(r, _)| r).collect();
            if own.is_empty() {
                let far = (0..rows.len()).max_by(|&a, &b| distances[a].total_cmp(&distances[b])).unwrap_or(0);
                distances[far] = 0.0;
                centres[k].clone_from(&rows[far]);
                continue;
            }
            for (j, c) in centres[k].iter_mut().enumerate() {
                *c = own.iter().map(|r| r[j]).sum::<f64>() / own.len() as f64;
            }
        }
    }
    centres
}

impl RowDetector for KMeans {
    fn columns(&self) -> usize {
        self.filler.columns()
    }

    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        Ok(nearest(&self.filler.row(row)?, &self.centres).1.sqrt())
    }
}

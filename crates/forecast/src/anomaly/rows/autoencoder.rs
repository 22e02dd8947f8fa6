//! A small dense autoencoder.

use super::{Filler, RowDetector, Standard, setting};
use crate::{error::FitError, rng::Pcg};
use nalgebra::{DMatrix, DMatrixView, DVector, DVectorView};

/// Settings of [`Autoencoder`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AutoencoderSettings {
    /// Widths of the hidden layers, the narrowest in the middle.
    pub hidden: Vec<usize>,
    /// Rounds over all rows.
    pub rounds: usize,
    /// Rows per step.
    pub batch: usize,
    /// Step size of Adam.
    pub rate: f64,
    /// Seed of weights and order.
    pub seed: u64,
}

impl Default for AutoencoderSettings {
    fn default() -> Self {
        Self { hidden: vec![16, 4, 16], rounds: 50, batch: 32, rate: 3e-3, seed: 0 }
    }
}

impl AutoencoderSettings {
    /// Widths of the hidden layers.
    #[must_use]
    pub fn with_hidden(mut self, widths: &[usize]) -> Self {
        self.hidden = widths.to_vec();
        self
    }

    /// Rounds over all rows.
    #[must_use]
    pub fn with_rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// Root mean square error with which a narrow network repeats a row: what it has not learnt to say is odd.
///
/// Dense layers with `tanh` between (none after the last), trained on standardised rows by Adam (Kingma & Ba 2015) on the mean
/// square error, weights drawn as by Glorot & Bengio (2010). Sees curved relations that [`PrincipalResidual`](super::PrincipalResidual)
/// cannot; wants some thousand rows. Fit O(rounds · n · weights), a row O(weights). Equal on any machine with the same floating
/// point; one thread.
///
/// Hinton & Salakhutdinov (2006), Science 313; Hawkins et al. (2002), replicator networks.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::rows::{Autoencoder, AutoencoderSettings, RowDetector};
/// let rows: Vec<Vec<f64>> = (0..400_u32).map(|i| {
///     let x = f64::from(i % 41) / 20.0 - 1.0;
///     vec![x, x * x, 0.5 * x]
/// }).collect();
/// let settings = AutoencoderSettings::default().with_hidden(&[8, 1, 8]).with_rounds(60);
/// let mut detector = Autoencoder::fit(&rows, &settings)?;
/// assert!(detector.score_row(&[0.5, 1.0, -0.4])? > 2.0 * detector.score_row(&[0.5, 0.25, 0.25])?);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Autoencoder {
    filler: Filler,
    standard: Standard,
    layers: Vec<Layer>,
}

/// Weights by column (one column per input), biases.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Layer {
    outputs: usize,
    weights: Vec<f64>,
    bias: Vec<f64>,
}

impl Layer {
    fn new(inputs: usize, outputs: usize, rng: &mut Pcg) -> Self {
        let bound = (6.0 / (inputs + outputs) as f64).sqrt();
        let weights = (0..inputs * outputs).map(|_| (2.0 * rng.uniform() - 1.0) * bound).collect();
        Self { outputs, weights, bias: vec![0.0; outputs] }
    }

    fn matrix(&self) -> DMatrixView<'_, f64> {
        DMatrixView::from_slice(&self.weights, self.outputs, self.weights.len() / self.outputs)
    }

    fn apply(&self, input: &DMatrix<f64>) -> DMatrix<f64> {
        let mut out = self.matrix() * input;
        let bias = DVectorView::from_slice(&self.bias, self.outputs);
        out.column_iter_mut().for_each(|mut c| c += bias);
        out
    }
}

/// Running moments of the gradients of a layer.
struct Moments {
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Autoencoder {
    /// Learns from at least ten rows.
    pub fn fit(rows: &[Vec<f64>], settings: &AutoencoderSettings) -> Result<Self, FitError> {
        if settings.hidden.is_empty() || settings.hidden.iter().any(|w| !(1..=1024).contains(w)) {
            let worst = settings.hidden.iter().copied().max().unwrap_or(0);
            return setting("hidden", worst as f64, "at least one layer, each of 1 to 1024 units");
        }
        if settings.batch == 0 {
            return setting("batch", 0.0, "at least 1 row");
        }
        if !(settings.rate > 0.0 && settings.rate <= 1.0) {
            return setting("rate", settings.rate, "a number above 0 up to 1");
        }
        let (filler, full) = Filler::fit(rows, 10)?;
        let standard = Standard::new(&full);
        let scaled: Vec<Vec<f64>> = full.iter().map(|r| standard.scale(r)).collect();
        let mut rng = Pcg::new(settings.seed);
        let mut widths = vec![filler.columns()];
        widths.extend(&settings.hidden);
        widths.push(filler.columns());
        let layers = widths.windows(2).map(|w| Layer::new(w[0], w[1], &mut rng)).collect();
        let mut found = Self { filler, standard, layers };
        found.train(&scaled, settings, &mut rng);
        Ok(found)
    }

    fn train(&mut self, rows: &[Vec<f64>], settings: &AutoencoderSettings, rng: &mut Pcg) {
        let zeros = |n: usize| Moments { first: vec![0.0; n], second: vec![0.0; n] };
        let mut moments: Vec<Moments> =
            self.layers.iter().map(|l| zeros(l.weights.len() + l.bias.len())).collect();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let mut step = 0_i32;
        for _ in 0..settings.rounds {
            for i in (1..order.len()).rev() {
                order.swap(i, crate::stats::floor_usize(rng.uniform() * (i + 1) as f64).min(i));
            }
            for batch in order.chunks(settings.batch) {
                let input = DMatrix::from_fn(rows[0].len(), batch.len(), |i, j| rows[batch[j]][i]);
                let gradients = self.gradients(&input);
                step = step.saturating_add(1);
                for ((layer, gradient), moment) in self.layers.iter_mut().zip(gradients).zip(&mut moments) {
                    adam(layer, &gradient, moment, settings.rate, step);
                }
            }
        }
    }

    /// Activations before and after every layer.
    fn forward(&self, input: &DMatrix<f64>) -> Vec<DMatrix<f64>> {
        let mut all = vec![input.clone()];
        for (k, layer) in self.layers.iter().enumerate() {
            let out = layer.apply(&all[k]);
            all.push(if k + 1 < self.layers.len() { out.map(f64::tanh) } else { out });
        }
        all
    }

    /// Gradient of half the mean square error: weights by column, then biases, per layer.
    fn gradients(&self, input: &DMatrix<f64>) -> Vec<Vec<f64>> {
        let all = self.forward(input);
        let mut error = (&all[self.layers.len()] - input) / (input.nrows() * input.ncols()) as f64;
        let mut gradients = Vec::with_capacity(self.layers.len());
        for (k, layer) in self.layers.iter().enumerate().rev() {
            let weights = &error * all[k].transpose();
            let bias: DVector<f64> = error.column_sum();
            gradients.push(weights.iter().chain(bias.iter()).copied().collect());
            if k > 0 {
                error = (layer.matrix().transpose() * &error).zip_map(&all[k], |e, a| e * (1.0 - a * a));
            }
        }
        gradients.reverse();
        gradients
    }
}

fn adam(layer: &mut Layer, gradient: &[f64], moments: &mut Moments, rate: f64, step: i32) {
    const FIRST: f64 = 0.9;
    const SECOND: f64 = 0.999;
    let (first_scale, second_scale) = (1.0 - FIRST.powi(step), 1.0 - SECOND.powi(step));
    let values = layer.weights.iter_mut().chain(&mut layer.bias);
    for (((value, g), m), v) in values.zip(gradient).zip(&mut moments.first).zip(&mut moments.second) {
        *m += (1.0 - FIRST) * (g - *m);
        *v += (1.0 - SECOND) * (g * g - *v);
        *value -= rate * (*m / first_scale) / ((*v / second_scale).sqrt() + 1e-8);
    }
}

impl RowDetector for Autoencoder {
    fn columns(&self) -> usize {
        self.filler.columns()
    }

    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        let scaled = self.standard.scale(&self.filler.row(row)?);
        let input = DMatrix::from_column_slice(scaled.len(), 1, &scaled);
        let out = self.forward(&input);
        Ok((out[self.layers.len()].clone() - input).norm() / (scaled.len() as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_the_slopes_of_the_error() {
        let rows: Vec<Vec<f64>> =
            (0..12_u32).map(|i| (0..3).map(|j| f64::from((i * 7 + j * 5) % 11)).collect()).collect();
        let settings = AutoencoderSettings::default().with_hidden(&[4, 2]).with_rounds(1);
        let network = Autoencoder::fit(&rows, &settings).unwrap();
        let input = DMatrix::from_fn(3, 12, |i, j| network.standard.scale(&rows[j])[i]);
        let loss = |n: &Autoencoder| {
            let rest = n.forward(&input)[n.layers.len()].clone() - &input;
            rest.norm_squared() / 2.0 / 36.0
        };
        let gradients = network.gradients(&input);
        for k in 0..network.layers.len() {
            for w in 0..gradients[k].len() {
                let shifted = |by: f64| {
                    let mut n = network.clone();
                    let inside = n.layers[k].weights.len();
                    let value = if w < inside {
                        &mut n.layers[k].weights[w]
                    } else {
                        &mut n.layers[k].bias[w - inside]
                    };
                    *value += by;
                    loss(&n)
                };
                let slope = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                assert!((slope - gradients[k][w]).abs() < 1e-8, "layer {k}, weight {w}");
            }
        }
    }
}

//! Response curves: how much of a resource a load needs.

use crate::{
    error::{FitError, MAX_MAGNITUDE},
    minimize::{Lbfgs, Minimizer},
};

/// Shape of a curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ResponseShape {
    /// `idle + a·load`
    #[default]
    Linear,
    /// `idle + a·load^b`: economies (`b < 1`) or contention (`b > 1`).
    Power,
    /// `idle + a·load / (load + half)`: saturates.
    Saturating,
}

/// A learned, never falling curve from load to resource use.
///
/// Fitted by L-BFGS on a smoothed absolute error (pseudo-Huber), so that bursts and idle hours do not bend it. All
/// coefficients are positive by construction (searched as logarithms, in units of the data's own size).
///
/// # Example
/// ```
/// use ecosystem_forecast::demand::{ResponseCurve, ResponseShape};
/// let load: Vec<f64> = (0..50).map(|i| f64::from(i) * 10.0).collect();
/// let cpu: Vec<f64> = load.iter().map(|l| 0.2 + 0.004 * l).collect();
/// let curve = ResponseCurve::fit(ResponseShape::Linear, &load, &cpu)?;
/// assert!((curve.at(1000.0) - 4.2).abs() < 0.02);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ResponseCurve {
    shape: ResponseShape,
    idle: f64,
    gain: f64,
    bend: f64,
    error: f64,
}

impl ResponseCurve {
    /// Learns from pairs; pairs with a missing (NaN) member are skipped, loads must not be negative. Needs four pairs.
    pub fn fit(shape: ResponseShape, load: &[f64], usage: &[f64]) -> Result<Self, FitError> {
        if load.len() != usage.len() {
            return Err(FitError::Length { name: "usage", needed: load.len(), found: usage.len() });
        }
        let mut pairs = Vec::with_capacity(load.len());
        for (index, (&x, &y)) in load.iter().zip(usage).enumerate() {
            for value in [x, y] {
                if value.abs() > MAX_MAGNITUDE {
                    return Err(FitError::OutOfRange { index, value });
                }
                if value < 0.0 {
                    return Err(FitError::NotPositive { index, value });
                }
            }
            if !x.is_nan() && !y.is_nan() {
                pairs.push((x, y));
            }
        }
        if pairs.len() < 4 {
            return Err(FitError::TooShort { needed: 4, found: pairs.len() });
        }
        let largest =
            |f: fn(&(f64, f64)) -> f64| pairs.iter().map(f).fold(0.0, f64::max).max(f64::MIN_POSITIVE.sqrt());
        let (x_unit, y_unit) = (largest(|p| p.0), largest(|p| p.1));
        let scaled: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (x / x_unit, y / y_unit)).collect();
        let curve = |p: &[f64], x: f64| {
            let (idle, gain, bend) =
                (p[0].min(50.0).exp(), p[1].min(50.0).exp(), p[2].clamp(-3.0, 3.0).exp());
            match shape {
                ResponseShape::Linear => idle + gain * x,
                ResponseShape::Power => idle + gain * x.powf(bend),
                ResponseShape::Saturating => idle + gain * x / (x + bend),
            }
        };
        let width = 0.01; // errors beyond a hundredth of the largest usage count linearly
        let cost = |p: &[f64]| {
            let sum: f64 = scaled.iter().map(|&(x, y)| ((curve(p, x) - y) / width).hypot(1.0) - 1.0).sum();
            sum * width / scaled.len() as f64
        };
        let mut best: Option<(Vec<f64>, f64)> = None;
        for start in [[-3.0, -0.5, 0.0], [-1.0, -2.0, -1.0], [-5.0, 0.5, 1.0]] {
            let found = Lbfgs::default().minimize(&cost, &start);
            if best.as_ref().is_none_or(|b| found.1 < b.1) {
                best = Some(found);
            }
        }
        let (p, _) = best.unwrap_or_else(|| (vec![-3.0, -0.5, 0.0], f64::INFINITY));
        let (idle, gain, bend) =
            (p[0].min(50.0).exp() * y_unit, p[1].min(50.0).exp() * y_unit, p[2].clamp(-3.0, 3.0).exp());
        let (gain, bend) = match shape {
            ResponseShape::Linear => (gain / x_unit, 1.0),
            ResponseShape::Power => (gain / x_unit.powf(bend), bend),
            ResponseShape::Saturating => (gain, bend * x_unit),
        };
        let mut learned = Self { shape, idle, gain, bend, error: 0.0 };
        learned.error =
            pairs.iter().map(|&(x, y)| (learned.at(x) - y).abs()).sum::<f64>() / pairs.len() as f64;
        Ok(learned)
    }

    /// Learns all shapes and keeps the one with the smallest error on held-out pairs (every fourth).
    pub fn fit_best(load: &[f64], usage: &[f64]) -> Result<Self, FitError> {
        let part = |v: &[f64], test: bool| -> Vec<f64> {
            v.iter().enumerate().filter(|(i, _)| (i % 4 == 3) == test).map(|(_, v)| *v).collect()
        };
        let shapes = [ResponseShape::Linear, ResponseShape::Power, ResponseShape::Saturating];
        let mut best = (f64::INFINITY, ResponseShape::Linear);
        for shape in shapes {
            let Ok(curve) = Self::fit(shape, &part(load, false), &part(usage, false)) else { continue };
            let (x, y) = (part(load, true), part(usage, true));
            let errors: Vec<f64> = x.iter().zip(&y).map(|(x, y)| (curve.at(*x) - y).abs()).collect();
            // A simpler shape wins unless the other is better by more than 2 %.
            if let Some(error) = crate::stats::mean_observed(&errors)
                && error < 0.98 * best.0
            {
                best = (error, shape);
            }
        }
        Self::fit(best.1, load, usage)
    }

    /// Resource use at a load (negative loads count as none).
    pub fn at(&self, load: f64) -> f64 {
        let x = load.max(0.0);
        match self.shape {
            ResponseShape::Linear => self.idle + self.gain * x,
            ResponseShape::Power => self.idle + self.gain * x.powf(self.bend),
            ResponseShape::Saturating => self.idle + self.gain * x / (x + self.bend),
        }
    }

    /// Shape learned.
    pub const fn shape(&self) -> ResponseShape {
        self.shape
    }

    /// Mean absolute error on the training pairs.
    pub const fn error(&self) -> f64 {
        self.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Curve = fn(f64) -> f64;

    #[test]
    fn each_shape_is_recovered_despite_outliers() {
        let load: Vec<f64> = (1..120).map(f64::from).collect();
        let truth: [(ResponseShape, Curve); 3] = [
            (ResponseShape::Linear, |x| 1.0 + 0.5 * x),
            (ResponseShape::Power, |x| 2.0 + 0.1 * x.powf(1.5)),
            (ResponseShape::Saturating, |x| 1.0 + 30.0 * x / (x + 20.0)),
        ];
        for (shape, f) in truth {
            let mut usage: Vec<f64> = load.iter().map(|&x| f(x)).collect();
            usage[50] *= 5.0;
            let curve = ResponseCurve::fit_best(&load, &usage).unwrap();
            assert_eq!(curve.shape(), shape);
            assert!((curve.at(100.0) / f(100.0) - 1.0).abs() < 0.02, "{shape:?} {}", curve.at(100.0));
        }
    }

    #[test]
    fn a_learned_curve_never_falls() {
        let load: Vec<f64> = (0..40).map(f64::from).collect();
        let falling: Vec<f64> = load.iter().map(|x| 50.0 - x).collect();
        let curve = ResponseCurve::fit(ResponseShape::Power, &load, &falling).unwrap();
        assert!((1..100).all(|x| curve.at(f64::from(x)) >= curve.at(f64::from(x - 1))));
    }
}

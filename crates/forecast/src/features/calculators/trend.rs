//! Straight-line regressions on time.

use crate::features::parameter::TrendAttribute;
use crate::features::sum::{mean, sum_by};
use statrs::function::beta::beta_reg;

/// A fitted line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trend {
    slope: f64,
    intercept: f64,
    r: f64,
    stderr: f64,
    pvalue: f64,
}

const NONE: Trend =
    Trend { slope: f64::NAN, intercept: f64::NAN, r: f64::NAN, stderr: f64::NAN, pvalue: f64::NAN };

impl Trend {
    /// Regression of `y` on 0, 1, 2 …; all NaN for fewer than two values.
    pub(crate) fn new(y: &[f64]) -> Self {
        let n = y.len();
        if n < 2 {
            return NONE;
        }
        let size = n as f64;
        let (xm, ym) = ((size - 1.0) / 2.0, mean(y));
        // Mean products, as in the covariance matrix with divisor n; Σ (i − xm)² = n (n² − 1) / 12.
        let sxx = (size * size - 1.0) / 12.0;
        let syy = sum_by(y, |v| (v - ym) * (v - ym)) / size;
        let mut sxy = [0.0; 4];
        for (block, four) in y.chunks(4).enumerate() {
            for (k, v) in four.iter().enumerate() {
                sxy[k] += ((4 * block + k) as f64 - xm) * (v - ym);
            }
        }
        let sxy = ((sxy[0] + sxy[1]) + (sxy[2] + sxy[3])) / size;
        let r = if syy == 0.0 { f64::NAN } else { (sxy / (sxx * syy).sqrt()).clamp(-1.0, 1.0) };
        let slope = sxy / sxx;
        let intercept = ym - slope * xm;
        if n == 2 {
            let pvalue = if y[0] == y[1] { 1.0 } else { 0.0 };
            return Self { slope, intercept, r, stderr: 0.0, pvalue };
        }
        let df = size - 2.0;
        let stderr = ((1.0 - r * r) * syy / sxx / df).sqrt();
        Self { slope, intercept, r, stderr, pvalue: slope_pvalue(r, df) }
    }

    pub(crate) fn attribute(&self, attribute: TrendAttribute) -> f64 {
        match attribute {
            TrendAttribute::PValue => self.pvalue,
            TrendAttribute::RValue => self.r,
            TrendAttribute::Intercept => self.intercept,
            TrendAttribute::Slope => self.slope,
            TrendAttribute::StdErr => self.stderr,
        }
    }
}

/// Two-sided p-value of a correlation `r` with `df` degrees of freedom: P(|t| > …) = I_{1 − r²}(df/2, 1/2).
fn slope_pvalue(r: f64, df: f64) -> f64 {
    if r.is_nan() {
        return f64::NAN;
    }
    // (1 − r)(1 + r) keeps its digits near |r| = 1.
    let rest = (1.0 - r) * (1.0 + r);
    match rest {
        v if v <= 0.0 => 0.0,
        v if v >= 1.0 => 1.0,
        _ => beta_reg(df / 2.0, 0.5, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_line_has_no_error() {
        let t = Trend::new(&[1.0, 3.0, 5.0, 7.0]);
        assert_eq!((t.slope, t.intercept, t.r, t.stderr, t.pvalue), (2.0, 1.0, 1.0, 0.0, 0.0));
    }
}

//! Minimisers: our own allocation-free Nelder–Mead for cheap costs in few dimensions, and argmin's L-BFGS behind
//! [`Minimizer`] for smooth costs in more.

mod lbfgs;
mod nelder_mead;

pub use lbfgs::Lbfgs;
pub(crate) use nelder_mead::{BoxBounds, nelder_mead};

/// Finds a local minimum of a smooth cost.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Lbfgs, Minimizer};
/// let (best, cost) = Lbfgs::default().minimize(&|x: &[f64]| (x[0] - 3.0).powi(2) + (x[1] + 1.0).powi(2), &[0.0, 0.0]);
/// assert!((best[0] - 3.0).abs() < 1e-4 && (best[1] + 1.0).abs() < 1e-4 && cost < 1e-8);
/// ```
pub trait Minimizer {
    /// Best point and cost found from `start`; never worse than the start. A cost of NaN or infinity counts as very large.
    fn minimize(&self, cost: &dyn Fn(&[f64]) -> f64, start: &[f64]) -> (Vec<f64>, f64);
}

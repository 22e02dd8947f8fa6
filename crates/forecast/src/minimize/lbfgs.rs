//! Limited-memory BFGS with central-difference gradients.

use super::Minimizer;
use argmin::{
    core::{CostFunction, Error, Executor, Gradient, State},
    solver::{linesearch::MoreThuenteLineSearch, quasinewton::LBFGS},
};

/// L-BFGS with a Moré–Thuente line search (crate argmin).
///
/// Liu & Nocedal (1989), On the limited memory BFGS method for large scale optimization, Mathematical Programming 45.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lbfgs {
    /// Most iterations (default 100).
    pub iterations: u64,
    /// Stop when the gradient is smaller (default 1e-6).
    pub tolerance: f64,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self { iterations: 100, tolerance: 1e-6 }
    }
}

/// Large, but its square is finite.
const HUGE: f64 = 1e100;

struct Problem<'a>(&'a dyn Fn(&[f64]) -> f64);

impl Problem<'_> {
    fn at(&self, x: &[f64]) -> f64 {
        let c = (self.0)(x);
        if c.is_finite() { c.clamp(-HUGE, HUGE) } else { HUGE }
    }
}

impl CostFunction for Problem<'_> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, x: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.at(x))
    }
}

impl Gradient for Problem<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, x: &Vec<f64>) -> Result<Vec<f64>, Error> {
        let mut probe = x.clone();
        Ok((0..x.len())
            .map(|i| {
                let step = 1e-6 * x[i].abs().max(1.0);
                probe[i] = x[i] + step;
                let up = self.at(&probe);
                probe[i] = x[i] - step;
                let down = self.at(&probe);
                probe[i] = x[i];
                ((up - down) / (2.0 * step)).clamp(-1e50, 1e50)
            })
            .collect())
    }
}

impl Minimizer for Lbfgs {
    fn minimize(&self, cost: &dyn Fn(&[f64]) -> f64, start: &[f64]) -> (Vec<f64>, f64) {
        let problem = Problem(cost);
        let first = problem.at(start);
        let fallback = (start.to_vec(), first);
        let search = MoreThuenteLineSearch::new();
        let Ok(solver) = LBFGS::new(search, 7).with_tolerance_grad(self.tolerance) else { return fallback };
        let run = Executor::new(problem, solver)
            .configure(|state| state.param(start.to_vec()).max_iters(self.iterations))
            .timer(false)
            .run();
        // A failed line search is how a flat or kinked valley ends: the start is then the best we know.
        match run {
            Ok(result) => match result.state().get_best_param() {
                Some(best) if result.state().get_best_cost() <= first => {
                    (best.clone(), result.state().get_best_cost())
                }
                _ => fallback,
            },
            Err(_) => fallback,
        }
    }
}

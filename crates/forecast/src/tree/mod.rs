//! Decision trees on binned features: boosting, forests, isolation.
//!
//! # Model
//! Features are cut once into at most 255 bins and stored as bytes by column ([`Table`] in, bytes inside). One grower serves
//! all: [`Boosting`] (Newton steps, best leaf first), [`Forest`] (random forest, extremely randomised trees), while
//! [`IsolationForest`] draws its cuts. What comes out is a [`TreeModel`]: trees whose leaves add up. It predicts probabilities
//! or values, names its important features, [explains](TreeModel::explain) a prediction by exact Shapley values, and is kept
//! as bytes of a versioned format (docs/failure-prediction.md) that a hostile sender cannot abuse.
//!
//! | model | labels | use it for |
//! |---|---|---|
//! | [`Boosting`] | yes | the best ranking from a few thousand rows on; monotone rules; missing values |
//! | [`Forest::random`] | yes | small data, honest out-of-bag predictions |
//! | [`Forest::extra`] | yes | noisy features, fast fits |
//! | [`IsolationForest`] | no | what is strange among many metrics |
//!
//! Missing values (NaN) are a direction of their own at each split. Equal input and seed give equal bytes on any number of
//! threads: a histogram is summed in row order on one thread, and trees of a forest are seeded by their number.

#![allow(clippy::float_cmp, reason = "equal values, gains and labels are ties")]

mod bins;
mod boosting;
mod codec;
mod error;
mod forest;
mod grow;
mod isolation;
mod model;
mod node;
mod shap;
mod split;
mod table;

pub use boosting::{Boosting, ClassWeight, Loss};
pub(crate) use codec::MAGIC;
pub use error::{ModelError, TreeError};
pub use forest::Forest;
pub use isolation::{FittedIsolation, IsolationForest};

pub(crate) use model::logistic;
pub use model::{Link, TreeModel};
pub use node::{Node, Tree};
pub use shap::Explanation;
pub use table::Table;

use crate::rng::Pcg;

/// Work above which tasks are spread over threads.
#[cfg(feature = "parallel")]
const PARALLEL_WORK: usize = 1 << 16;

/// `task(0), task(1) …` in order, on several threads when there is enough to do.
pub(crate) fn ordered<T: Send>(
    count: usize,
    work_each: usize,
    task: impl Fn(usize) -> T + Sync + Send,
) -> Vec<T> {
    #[cfg(feature = "parallel")]
    if count.saturating_mul(work_each) >= PARALLEL_WORK {
        use rayon::prelude::*;
        return (0..count).into_par_iter().map(task).collect();
    }
    let _ = work_each;
    (0..count).map(task).collect()
}

/// A seed for sub-task `i` (SplitMix64).
pub(crate) fn mix(seed: u64, i: u64) -> u64 {
    let mut z = seed.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fisher–Yates.
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut Pcg) {
    for i in (1..items.len()).rev() {
        let j = crate::stats::floor_usize(rng.uniform() * (i + 1) as f64);
        items.swap(i, j.min(i));
    }
}

//! Decomposition into trend, seasons and remainder.

mod loess;
mod mstl;
mod stl;

pub(crate) use mstl::decompose;
pub use mstl::{MstlDecomposition, decompose_seasons};
pub use stl::{Stl, StlDecomposition};

//! Minimisers: an allocation-free Nelder–Mead for cheap costs in few dimensions.

mod nelder_mead;

pub(crate) use nelder_mead::{BoxBounds, nelder_mead};

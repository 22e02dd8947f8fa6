//! The calculators: plain functions on slices and on results shared between features.

pub(super) mod change;
pub(super) mod counts;
pub(super) mod dependence;
pub(super) mod dickey_fuller;
pub(super) mod histogram;
pub(super) mod langevin;
pub(super) mod location;
pub(super) mod patterns;
pub(super) mod peaks;
pub(super) mod reoccurrence;
pub(super) mod shape;
pub(super) mod similar;
pub(super) mod spectrum;
pub(super) mod templates;
pub(super) mod trend;
pub(super) mod wavelet;

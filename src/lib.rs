//! The brain of a VM fleet.

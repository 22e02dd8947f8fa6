//! Maps, infrastructures and placements as text. Every function is pure: a string comes out, nothing is written.

pub mod dot;
pub mod json;
pub mod svg;

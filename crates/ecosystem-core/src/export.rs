//! Maps, infrastructures and placements as text. Every function is pure: a string comes out, nothing is written.
//!
//! - Everything, and back: [`json`]; as a manifest of our own: [`native`].
//! - The graph for other tools: [`dot`], [`mermaid`], [`graphml`], [`cypher`], [`jsonld`], [`cyclonedx`].
//! - Drawings: [`svg`].
//! - What runs it: [`kubernetes`], [`helm`], [`compose`], [`terraform`], [`ansible`].

pub mod ansible;
mod carried;
pub mod compose;
pub mod cyclonedx;
pub mod cypher;
pub mod dot;
pub mod graphml;
pub mod helm;
pub mod json;
pub mod jsonld;
pub mod kubernetes;
pub mod mermaid;
mod names;
pub mod native;
pub mod svg;
pub mod terraform;
mod yaml;

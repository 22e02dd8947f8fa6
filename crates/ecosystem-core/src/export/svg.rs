//! Drawings as self-contained SVG: no scripts, no fonts to load, nothing fetched.
//!
//! [`map`] draws components as a layered graph (callers left, what they need right), [`placement`] draws zones, racks
//! and hosts with the replicas inside. Both are the same bytes for the same input.

mod canvas;
mod coordinates;
mod layout;
mod map;
mod placement;

pub(crate) use canvas::escape;
pub use map::map;
pub use placement::placement;

use crate::component::Kind;
use crate::id::ComponentId;
use std::collections::BTreeSet;

/// What a drawing shows besides the data.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Ecosystem, Kind, export::svg};
///
/// let map = Ecosystem::builder("shop").component(Component::new("db".parse()?, Kind::Database)).build()?;
/// let picture = svg::map(&map, &svg::Style::default().with_title("The shop"));
/// assert!(picture.starts_with("<svg ") && picture.contains("The shop"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Style {
    /// Heading; empty = none, and no legend either.
    pub title: String,
    /// Components with a ring around them, e.g. single points of failure.
    pub marked: BTreeSet<ComponentId>,
    /// Widest placement drawing in pixels; zones wrap into rows. Default 1,240: a report page.
    pub width_max: u32,
    /// Draw start-order edges between components that are also joined by a call. Default no: they say little more.
    pub all_edges: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { title: String::new(), marked: BTreeSet::new(), width_max: 1_240, all_edges: false }
    }
}

impl Style {
    /// The same style with a heading and a legend.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The same style with rings around some components.
    #[must_use]
    pub fn with_marked(mut self, marked: impl IntoIterator<Item = ComponentId>) -> Self {
        self.marked.extend(marked);
        self
    }
}

/// Strong and pale colour of a kind. The strong ones have a contrast of 4.5 or more on white (WCAG 2.2, 1.4.3).
pub(crate) const fn colours(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Vm => ("#4f46b8", "#eeedfb"),
        Kind::Container => ("#2463ae", "#e8f0fa"),
        Kind::Database => ("#a8520f", "#fbeee2"),
        Kind::Queue => ("#86399f", "#f6eafa"),
        Kind::Cache => ("#b3293d", "#fbe9ec"),
        Kind::Gateway => ("#0c7558", "#e2f4ee"),
        Kind::Function => ("#0a6c86", "#e2f3f7"),
        Kind::External => ("#586170", "#eef0f3"),
        Kind::Batch => ("#716200", "#f6f2da"),
    }
}

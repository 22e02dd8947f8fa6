//! Rules of the caller's own.

use crate::dense::NONE;
use std::sync::Arc;

/// A rule that the catalogue does not have.
///
/// The search asks for the degree of violation again whenever a member moves, so [`degree`](Self::degree) should
/// be fast; problems without custom rules pay nothing.
///
/// # Example
/// ```
/// use ecosystem_placement::{CustomRule, View};
///
/// /// Items 0 and 1 on hosts of the same parity.
/// #[derive(Debug)]
/// struct SameParity;
///
/// impl CustomRule for SameParity {
///     fn name(&self) -> &str {
///         "same-parity"
///     }
///     fn members(&self) -> Vec<u32> {
///         vec![0, 1]
///     }
///     fn degree(&self, view: &View<'_>) -> u64 {
///         match (view.host_of(0), view.host_of(1)) {
///             (Some(a), Some(b)) => u64::from(a % 2 != b % 2),
///             _ => 0,
///         }
///     }
/// }
///
/// assert_eq!(SameParity.degree(&View::new(&[4, 7])), 1);
/// ```
pub trait CustomRule: std::fmt::Debug + Send + Sync {
    /// Name for reports.
    fn name(&self) -> &str;
    /// Dense indices of the items whose moves can change the degree.
    fn members(&self) -> Vec<u32>;
    /// How far the rule is from holding; zero = it holds. Must depend on the view alone.
    fn degree(&self, view: &View<'_>) -> u64;
}

/// Where the items are, as a [`CustomRule`] sees it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    hosts: &'a [u32],
    changed: (u32, u32),
    numbers: Option<&'a Numbers>,
}

/// Numbers of the whole problem for a part of it.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// For each item of the whole its number in the part; `NONE` if it is elsewhere.
    pub(crate) item_inside: Vec<u32>,
    /// For each host of the part its number in the whole.
    pub(crate) host_outside: Vec<u32>,
}

/// A rule of the whole problem, asked about a part that holds all its members.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) rule: Arc<dyn CustomRule>,
    pub(crate) numbers: Arc<Numbers>,
}

impl CustomRule for Inside {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn members(&self) -> Vec<u32> {
        let inside = |item: u32| self.numbers.item_inside.get(item as usize).copied().filter(|&i| i != NONE);
        self.rule.members().into_iter().filter_map(inside).collect()
    }

    fn degree(&self, view: &View<'_>) -> u64 {
        self.rule.degree(&View { numbers: Some(&self.numbers), ..*view })
    }
}

impl<'a> View<'a> {
    /// A view of an assignment: the host of each item.
    pub const fn new(hosts: &'a [u32]) -> Self {
        Self { hosts, changed: (NONE, NONE), numbers: None }
    }

    pub(crate) const fn with_change(hosts: &'a [u32], item: u32, host: u32) -> Self {
        Self { hosts, changed: (item, host), numbers: None }
    }

    /// Host of an item; `None` while it is not placed.
    pub fn host_of(&self, item: u32) -> Option<u32> {
        let Some(numbers) = self.numbers else { return self.inside(item) };
        let item = numbers.item_inside.get(item as usize).copied().filter(|&item| item != NONE)?;
        self.inside(item).map(|host| numbers.host_outside[host as usize])
    }

    fn inside(&self, item: u32) -> Option<u32> {
        let host = if item == self.changed.0 {
            self.changed.1
        } else {
            self.hosts.get(item as usize).copied().unwrap_or(NONE)
        };
        (host != NONE).then_some(host)
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.numbers.map_or(self.hosts.len(), |numbers| numbers.item_inside.len())
    }

    /// True if there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

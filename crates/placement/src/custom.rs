//! Rules of the caller's own.

use crate::dense::NONE;

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
}

impl<'a> View<'a> {
    /// A view of an assignment: the host of each item.
    pub const fn new(hosts: &'a [u32]) -> Self {
        Self { hosts, changed: (NONE, NONE) }
    }

    pub(crate) const fn with_change(hosts: &'a [u32], item: u32, host: u32) -> Self {
        Self { hosts, changed: (item, host) }
    }

    /// Host of an item; `None` while it is not placed.
    pub fn host_of(&self, item: u32) -> Option<u32> {
        let host = if item == self.changed.0 {
            self.changed.1
        } else {
            self.hosts.get(item as usize).copied().unwrap_or(NONE)
        };
        (host != NONE).then_some(host)
    }

    /// Number of items.
    pub const fn len(&self) -> usize {
        self.hosts.len()
    }

    /// True if there are no items.
    pub const fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }
}

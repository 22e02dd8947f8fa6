//! Names to dense indices: the one look-up that every event makes.
//!
//! All texts lie in one arena and the table holds a piece of each hash, so that a look-up touches two or three cache
//! lines instead of one allocation per name. Open addressing with linear probing, at most half full; hashed with the
//! standard library's keyed hash, so that no manifest can be made to collide.

use std::hash::{BuildHasher as _, RandomState};

/// A slot: the upper half of a hash and the index of a name; `EMPTY` = nothing.
type Slot = (u32, u32);
const EMPTY: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Names {
    arena: String,
    /// Where each name ends in the arena.
    ends: Vec<u32>,
    slots: Vec<Slot>,
    keys: RandomState,
}

impl Names {
    /// A table of distinct names; their order gives the indices. `None` if there is more text than 4 GiB.
    pub(crate) fn new<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Option<Self> {
        let size = (names.len() * 2).next_power_of_two().max(8);
        let mut this = Self {
            arena: String::new(),
            ends: Vec::with_capacity(names.len()),
            slots: vec![(0, EMPTY); size],
            keys: RandomState::new(),
        };
        for name in names {
            let index = u32::try_from(this.ends.len()).ok()?;
            let (tag, mut at) = this.place(name);
            while this.slots[at].1 != EMPTY {
                at = (at + 1) & (size - 1);
            }
            this.slots[at] = (tag, index);
            this.arena.push_str(name);
            this.ends.push(u32::try_from(this.arena.len()).ok()?);
        }
        Some(this)
    }

    /// Index of a name.
    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        let (tag, mut at) = self.place(name);
        loop {
            let (found, index) = self.slots[at];
            if index == EMPTY {
                return None;
            }
            if found == tag && self.text(index) == name.as_bytes() {
                return Some(index);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn place(&self, name: &str) -> (u32, usize) {
        let hash = self.keys.hash_one(name).to_le_bytes();
        let half = |k: usize| u32::from_le_bytes([hash[k], hash[k + 1], hash[k + 2], hash[k + 3]]);
        (half(4), half(0) as usize & (self.slots.len() - 1))
    }

    fn text(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.arena.as_bytes()[start..self.ends[index] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn every_name_has_its_index_and_others_have_none() {
        let names: Vec<String> = (0..1_000).map(|k| format!("component-{k}")).collect();
        let table = Names::new(names.iter().map(String::as_str)).unwrap();
        for (k, name) in (0..).zip(&names) {
            assert_eq!(table.index(name), Some(k));
        }
        assert_eq!((table.index("component-1000"), table.index("")), (None, None));
        assert_eq!(
            Names::new(std::iter::empty::<&str>().collect::<Vec<_>>().into_iter()).unwrap().index("a"),
            None
        );
    }
}

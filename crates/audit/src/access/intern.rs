//! Names to dense numbers: an open-addressed table with a fixed hash, so that lookups need no allocation and
//! prefixes of one text are hashed in a single pass.

/// FNV-1a, 64 bit (Fowler, Noll, Vo), extended byte by byte so that every prefix has its hash.
pub(super) const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

#[inline]
pub(super) const fn fnv_step(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3)
}

pub(super) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_START, |h, &b| fnv_step(h, b))
}

/// Finaliser of `MurmurHash3` (Appleby): spreads every bit over the low ones that index the table.
#[inline]
const fn mix(mut h: u64) -> u64 {
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^ (h >> 29)
}

const EMPTY: u32 = u32::MAX;

/// Distinct names in order of insertion.
#[derive(Clone, Debug, Default)]
pub(super) struct Interner {
    names: Vec<Box<[u8]>>,
    // INVARIANT: a power of two long, at most half full, so that probing ends.
    slots: Vec<(u32, u32)>,
}

impl Interner {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn insert(&mut self, name: &[u8]) -> u32 {
        if let Some(found) = self.find(fnv(name), name) {
            return found;
        }
        let id = u32::try_from(self.names.len()).unwrap_or(EMPTY);
        self.names.push(name.into());
        if self.names.len() * 2 > self.slots.len() {
            self.slots = vec![(EMPTY, 0); (self.names.len() * 4).next_power_of_two()];
            for (i, name) in self.names.iter().enumerate() {
                place(&mut self.slots, fnv(name), u32::try_from(i).unwrap_or(EMPTY));
            }
        } else {
            place(&mut self.slots, fnv(name), id);
        }
        id
    }

    pub(super) fn get(&self, name: &str) -> Option<u32> {
        self.find(fnv(name.as_bytes()), name.as_bytes())
    }

    /// Looks up a name whose hash is known.
    #[inline]
    pub(super) fn find(&self, hash: u64, name: &[u8]) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let (mut at, tag) = split(hash, mask);
        loop {
            let (id, slot_tag) = self.slots[at];
            if id == EMPTY {
                return None;
            }
            if slot_tag == tag && *self.names[id as usize] == *name {
                return Some(id);
            }
            at = (at + 1) & mask;
        }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the hash is cut into an index and a tag on purpose")]
const fn split(hash: u64, mask: usize) -> (usize, u32) {
    let h = mix(hash);
    (h as usize & mask, (h >> 32) as u32)
}

fn place(slots: &mut [(u32, u32)], hash: u64, id: u32) {
    let mask = slots.len() - 1;
    let (mut at, tag) = split(hash, mask);
    while slots[at].0 != EMPTY {
        at = (at + 1) & mask;
    }
    slots[at] = (id, tag);
}

/// A pair and its range.
pub(super) type Span = ((u32, u32), (u32, u32));

/// A map from pairs of dense numbers to ranges of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct PairTable {
    // INVARIANT: a power of two long, at most half full.
    slots: Vec<(u64, u32, u32)>,
}

const NO_KEY: u64 = u64::MAX;

impl PairTable {
    pub(super) fn build(entries: &[Span]) -> Self {
        let mut slots = vec![(NO_KEY, 0, 0); (entries.len() * 2 + 2).next_power_of_two()];
        let mask = slots.len() - 1;
        for &((a, b), (start, end)) in entries {
            let key = key(a, b);
            let mut at = split(key, mask).0;
            while slots[at].0 != NO_KEY {
                at = (at + 1) & mask;
            }
            slots[at] = (key, start, end);
        }
        Self { slots }
    }

    #[inline]
    pub(super) fn get(&self, a: u32, b: u32) -> Option<(usize, usize)> {
        let mask = self.slots.len() - 1;
        let key = key(a, b);
        let mut at = split(key, mask).0;
        loop {
            let (found, start, end) = self.slots[at];
            if found == key {
                return Some((start as usize, end as usize));
            }
            if found == NO_KEY {
                return None;
            }
            at = (at + 1) & mask;
        }
    }
}

#[inline]
const fn key(a: u32, b: u32) -> u64 {
    (a as u64) << 32 | b as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_numbers_while_the_table_grows() {
        let mut interner = Interner::default();
        for i in 0..1000_u32 {
            assert_eq!(interner.insert(format!("name {i}").as_bytes()), i);
        }
        for i in 0..1000_u32 {
            assert_eq!(interner.get(&format!("name {i}")), Some(i));
            assert_eq!(interner.insert(format!("name {i}").as_bytes()), i);
        }
        assert_eq!(interner.get("name 1000"), None);
        assert_eq!(Interner::default().get(""), None);
    }

    #[test]
    fn pairs_find_their_ranges() {
        let entries: Vec<_> = (0..100).map(|i| ((i % 10, i / 10), (i, i + 1))).collect();
        let table = PairTable::build(&entries);
        for i in 0..100_u32 {
            assert_eq!(table.get(i % 10, i / 10), Some((i as usize, i as usize + 1)));
        }
        assert_eq!(table.get(10, 0), None);
        assert_eq!(PairTable::build(&[]).get(0, 0), None);
    }
}

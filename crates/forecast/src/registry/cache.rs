//! Models that are ready to answer, within a number of bytes.

use std::collections::BTreeMap;

/// What every entry counts beside its own bytes, for keys and trees: entries without bytes are bounded, too.
pub const ENTRY_BYTES: usize = 128;

/// Which entry has to go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Eviction {
    /// The one that was not used for longest (LRU). Within k/(k−h+1) of what the optimum with h ≤ k places misses (Sleator &
    /// Tarjan 1985).
    #[default]
    LeastRecent,
    /// The one least often used, with aging (LFU-DA, Arlitt et al. 2000): a use counts one; what was once popular falls behind
    /// as others are evicted. Better where popularity is skewed and lasting. Among equals the one not used for longest.
    LeastFrequent,
}

/// A bounded cache. [`bytes`](Self::bytes) is never above the limit, not even within [`insert`](Self::insert): room is made first.
///
/// O(log n) per call and per evicted entry; no clock, no hashing, the same calls evict the same entries.
///
/// # Example
/// ```
/// use ecosystem_forecast::registry::{Cache, ENTRY_BYTES};
/// let mut cache = Cache::new(2 * (1000 + ENTRY_BYTES));
/// cache.insert("demand", 1, 1000).expect("fits");
/// cache.insert("anomaly", 2, 1000).expect("fits");
/// assert_eq!(cache.get(&"demand"), Some(&1));
/// let evicted = cache.insert("failure", 3, 1000).expect("fits");
/// assert_eq!(evicted, [("anomaly", 2)], "the one not used for longest");
/// ```
#[derive(Clone, Debug)]
pub struct Cache<K, V> {
    limit: usize,
    eviction: Eviction,
    bytes: usize,
    uses: u64,
    /// Rank of what was evicted last: where newcomers begin.
    age: u64,
    hits: u64,
    misses: u64,
    entries: BTreeMap<K, Entry<V>>,
    /// Who goes first: lowest rank, then longest unused. Moments are unique.
    order: BTreeMap<(u64, u64), K>,
}

#[derive(Clone, Debug)]
struct Entry<V> {
    value: V,
    cost: usize,
    place: (u64, u64),
}

/// The value is larger than the whole cache; here it is again. Nothing was evicted for it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a value of {bytes} bytes and its entry are more than the {limit} bytes of the cache: use it without, or raise the limit"
)]
pub struct TooLarge<V> {
    /// The value.
    pub value: V,
    /// Its bytes.
    pub bytes: usize,
    /// Bytes of the cache.
    pub limit: usize,
}

impl<K: Clone + Ord, V> Cache<K, V> {
    /// An empty cache of so many bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            eviction: Eviction::LeastRecent,
            bytes: 0,
            uses: 0,
            age: 0,
            hits: 0,
            misses: 0,
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
        }
    }

    /// Which entry has to go; asked before the first insertion.
    #[must_use]
    pub const fn with_eviction(mut self, eviction: Eviction) -> Self {
        self.eviction = eviction;
        self
    }

    /// The value, which counts as used now. Counts a hit or a miss.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        let Some(entry) = self.entries.get_mut(key) else {
            self.misses += 1;
            return None;
        };
        self.hits += 1;
        self.uses += 1;
        let rank = match self.eviction {
            Eviction::LeastRecent => 0,
            Eviction::LeastFrequent => entry.place.0.max(self.age).saturating_add(1),
        };
        if let Some(key) = self.order.remove(&entry.place) {
            entry.place = (rank, self.uses);
            self.order.insert(entry.place, key);
        }
        Some(&entry.value)
    }

    /// The value, as if nobody had looked.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Puts in a value of so many bytes (what the caller knows it to occupy) and gives what had to go for it, in order. A value
    /// that was there under the key is dropped first, also when the new one is too large: it would be out of date.
    pub fn insert(&mut self, key: K, value: V, bytes: usize) -> Result<Vec<(K, V)>, TooLarge<V>> {
        self.remove(&key);
        let cost = bytes.saturating_add(ENTRY_BYTES);
        if cost > self.limit {
            return Err(TooLarge { value, bytes, limit: self.limit });
        }
        let mut evicted = Vec::new();
        while self.bytes > self.limit - cost {
            let Some(((rank, _), key)) = self.order.pop_first() else { break };
            if self.eviction == Eviction::LeastFrequent {
                self.age = rank;
            }
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= entry.cost;
                evicted.push((key, entry.value));
            }
        }
        self.uses += 1;
        let rank = if self.eviction == Eviction::LeastFrequent { self.age.saturating_add(1) } else { 0 };
        let place = (rank, self.uses);
        self.order.insert(place, key.clone());
        self.entries.insert(key, Entry { value, cost, place });
        self.bytes += cost;
        Ok(evicted)
    }

    /// Takes a value out, e.g. of a version that was archived.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.place);
        self.bytes -= entry.cost;
        Some(entry.value)
    }

    /// Bytes in use, [`ENTRY_BYTES`] per entry included.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes it may use.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Share of hits among the calls of [`get`](Self::get), 0 before the first.
    pub fn hit_rate(&self) -> f64 {
        self.hits as f64 / (self.hits + self.misses).max(1) as f64
    }
}

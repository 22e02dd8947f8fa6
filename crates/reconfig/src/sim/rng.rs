//! The named generator of the simulator: `ChaCha8`, seeded.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Random decisions of a drill, or of a script for one: the same seed and stream give the same numbers for ever.
#[derive(Clone, Debug)]
pub struct SimRng(ChaCha8Rng);

impl SimRng {
    /// The generator of a sub-task; different streams of one seed are independent.
    pub fn new(seed: u64, stream: u64) -> Self {
        // Sub-task `stream` gets its own seed (SplitMix64 finalizer).
        let mut mixed = seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self(ChaCha8Rng::seed_from_u64(mixed ^ (mixed >> 31)))
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1).max(1);
        low + self.0.next_u64() % span
    }

    /// A number below `bound`; 0 if there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.between(0, bound.saturating_sub(1))
    }

    /// True in so many of a thousand cases.
    pub fn chance(&mut self, permille: u32) -> bool {
        permille > 0 && self.0.next_u64() % 1_000 < u64::from(permille)
    }
}

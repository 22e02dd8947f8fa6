//! The crate's random numbers: PCG-XSH-RR 64/32 (O'Neill 2014), seeded by the caller.

/// A small, fast, named generator. The same seed gives the same numbers everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Pcg {
    state: u64,
}

const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
const INCREMENT: u64 = 1_442_695_040_888_963_407;

impl Pcg {
    /// Generator number `stream` of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self { state: mix(seed, stream) };
        rng.next();
        rng
    }

    /// Where it is, to go on from there.
    #[cfg(feature = "serde")]
    pub(crate) const fn state(&self) -> u64 {
        self.state
    }

    /// Goes on where another was.
    #[cfg(feature = "serde")]
    pub(crate) const fn resume(state: u64) -> Self {
        Self { state }
    }

    pub(crate) fn next(&mut self) -> u32 {
        let old = self.state;
        self.state = old.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
        let xorshifted = (((old >> 18) ^ old) >> 27) as u32;
        xorshifted.rotate_right((old >> 59) as u32)
    }

    /// Uniform in `0..n` (Lemire's multiplication, without rejection: bias below n / 2³²). Zero for `n = 0`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.next()) * n as u64) >> 32) as usize
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(self.next()) * (1.0 / 4_294_967_296.0)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }
}

/// `SplitMix64` (Steele, Lea and Flood 2014) of a seed and a number: independent seeds for sub-tasks.
pub(crate) fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_gives_the_published_first_output() {
        // first output of splitmix64 with seed 0 in the reference C program by Vigna
        assert_eq!(mix(0, 0), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn numbers_below_n_cover_the_range_evenly() {
        let mut rng = Pcg::new(1, 0);
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            seen[rng.below(10)] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    }
}

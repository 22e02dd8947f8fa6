//! A small named generator for simulation: PCG-XSH-RR 64/32 (O'Neill 2014), normals by the polar method.

/// Deterministic generator; equal seeds give equal numbers everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Pcg {
    state: u64,
    spare: Option<f64>,
}

impl Pcg {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Self { state: seed.wrapping_add(1_442_695_040_888_963_407), spare: None };
        rng.next_u32();
        rng
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        let old = self.state;
        self.state = old.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_possible_truncation, reason = "the generator takes the low 32 bits")]
        let xorshifted = (((old >> 18) ^ old) >> 27) as u32;
        xorshifted.rotate_right((old >> 59) as u32)
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        f64::from(self.next_u32()) / 4_294_967_296.0
    }

    /// Standard normal (Marsaglia & Bray 1964).
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(z) = self.spare.take() {
            return z;
        }
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let factor = (-2.0 * s.ln() / s).sqrt();
                self.spare = Some(v * factor);
                return u * factor;
            }
        }
    }
}

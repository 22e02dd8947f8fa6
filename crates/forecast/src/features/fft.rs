//! Discrete Fourier transform of real series of any length.
//!
//! # Model
//! `X[k] = Σ x[t] · exp(−2πi·t·k / n)`, k = 0 … n/2. Even lengths go through a complex transform of half the length;
//! the complex transform is Stockham's self-sorting mixed-radix algorithm (radices 2, 3, 4, 5 and small primes), and
//! Bluestein's chirp transform for lengths with a prime factor above 31. Cost O(n log n) for every n.
//!
//! Written here rather than taken from a library that picks an instruction set at run time, because features must have
//! the same bits wherever a model is trained and served.
//!
//! # References
//! Cooley and Tukey (1965), Math. Comput. 19; Stockham, in Cochran et al. (1967), IEEE Trans. Audio Electroacoust. 15;
//! Bluestein (1970), IEEE Trans. Audio Electroacoust. 18.

use core::f64::consts::PI;

/// Largest prime handled by a direct butterfly.
const LARGEST_RADIX: usize = 31;

/// `exp(−2πi·k / n)`, with the angle reduced exactly before the trigonometric functions.
fn root(k: usize, n: usize) -> (f64, f64) {
    let k = k % n;
    // Reduce to the first octant: octant boundaries are exact in integers.
    let eighths = 8 * k;
    let (octant, within) = (eighths / n, eighths % n);
    let angle = |num: usize| 2.0 * PI * num as f64 / (8 * n) as f64;
    let (c, s) = match octant {
        0 => (angle(within).cos(), angle(within).sin()),
        1 => (angle(n - within).sin(), angle(n - within).cos()),
        2 => (-angle(within).sin(), angle(within).cos()),
        3 => (-angle(n - within).cos(), angle(n - within).sin()),
        4 => (-angle(within).cos(), -angle(within).sin()),
        5 => (-angle(n - within).sin(), -angle(n - within).cos()),
        6 => (angle(within).sin(), -angle(within).cos()),
        _ => (angle(n - within).cos(), -angle(n - within).sin()),
    };
    (c, -s)
}

/// One pass of the mixed-radix transform.
#[derive(Clone, Debug)]
struct Stage {
    radix: usize,
    /// Number of butterflies groups: current length ÷ radix.
    groups: usize,
    /// Contiguous repetitions (product of the radices already done).
    stride: usize,
    /// Twiddles `w^(j·q)` for group j and output q = 1 … radix − 1.
    twiddles: Vec<(f64, f64)>,
    /// Roots of unity of the radix, for the generic butterfly.
    roots: Vec<(f64, f64)>,
}

#[derive(Clone, Debug)]
struct Bluestein {
    inner: Box<ComplexFft>,
    chirp: Vec<(f64, f64)>,
    /// Transform of the conjugate chirp, divided by the inner length.
    filter_re: Vec<f64>,
    filter_im: Vec<f64>,
    re: Vec<f64>,
    im: Vec<f64>,
}

/// Plan and buffers of a complex transform.
#[derive(Clone, Debug)]
struct ComplexFft {
    stages: Vec<Stage>,
    bluestein: Option<Bluestein>,
    swap_re: Vec<f64>,
    swap_im: Vec<f64>,
}

impl ComplexFft {
    fn new(n: usize) -> Self {
        let mut rest = n.max(1);
        let mut radices = Vec::new();
        for radix in [5, 4, 3, 2].into_iter().chain((7..=LARGEST_RADIX).step_by(2)) {
            while rest.is_multiple_of(radix) {
                radices.push(radix);
                rest /= radix;
            }
        }
        if rest > 1 {
            return Self {
                stages: Vec::new(),
                bluestein: Some(Bluestein::new(n)),
                swap_re: vec![],
                swap_im: vec![],
            };
        }
        let (mut length, mut stride) = (n, 1);
        let mut stages = Vec::with_capacity(radices.len());
        for radix in radices {
            let groups = length / radix;
            let twiddles = (0..groups).flat_map(|j| (1..radix).map(move |q| root(j * q, length))).collect();
            let roots = (0..radix).map(|k| root(k, radix)).collect();
            stages.push(Stage { radix, groups, stride, twiddles, roots });
            length = groups;
            stride *= radix;
        }
        Self { stages, bluestein: None, swap_re: vec![0.0; n], swap_im: vec![0.0; n] }
    }

    /// In place.
    fn process(&mut self, re: &mut Vec<f64>, im: &mut Vec<f64>) {
        if let Some(b) = &mut self.bluestein {
            b.process(re, im);
            return;
        }
        for stage in &self.stages {
            stage.run(re, im, &mut self.swap_re, &mut self.swap_im);
            core::mem::swap(re, &mut self.swap_re);
            core::mem::swap(im, &mut self.swap_im);
        }
    }
}

impl Stage {
    fn run(&self, re: &[f64], im: &[f64], out_re: &mut [f64], out_im: &mut [f64]) {
        match self.radix {
            2 => self.run_fixed::<2>(re, im, out_re, out_im, butterfly2),
            3 => self.run_fixed::<3>(re, im, out_re, out_im, butterfly3),
            4 => self.run_fixed::<4>(re, im, out_re, out_im, butterfly4),
            5 => self.run_fixed::<5>(re, im, out_re, out_im, butterfly5),
            _ => self.run_generic(re, im, out_re, out_im),
        }
    }

    #[inline]
    fn run_fixed<const R: usize>(
        &self,
        re: &[f64],
        im: &[f64],
        out_re: &mut [f64],
        out_im: &mut [f64],
        butterfly: impl Fn(&mut [f64; R], &mut [f64; R]),
    ) {
        let (s, m) = (self.stride, self.groups);
        let block = s * R;
        let groups = out_re.chunks_exact_mut(block).zip(out_im.chunks_exact_mut(block));
        for ((j, (out_re, out_im)), tw) in groups.enumerate().zip(self.twiddles.chunks_exact(R - 1)) {
            let in_re: [&[f64]; R] = core::array::from_fn(|p| &re[s * (j + m * p)..][..s]);
            let in_im: [&[f64]; R] = core::array::from_fn(|p| &im[s * (j + m * p)..][..s]);
            for k in 0..s {
                let mut a: [f64; R] = core::array::from_fn(|p| in_re[p][k]);
                let mut b: [f64; R] = core::array::from_fn(|p| in_im[p][k]);
                butterfly(&mut a, &mut b);
                out_re[k] = a[0];
                out_im[k] = b[0];
                for q in 1..R {
                    let (c, d) = tw[q - 1];
                    out_re[s * q + k] = a[q] * c - b[q] * d;
                    out_im[s * q + k] = a[q] * d + b[q] * c;
                }
            }
        }
    }

    fn run_generic(&self, re: &[f64], im: &[f64], out_re: &mut [f64], out_im: &mut [f64]) {
        let (r, s, m) = (self.radix, self.stride, self.groups);
        for j in 0..m {
            for k in 0..s {
                for q in 0..r {
                    let (mut a, mut b) = (0.0, 0.0);
                    for p in 0..r {
                        let (c, d) = self.roots[p * q % r];
                        let (x, y) = (re[s * (j + m * p) + k], im[s * (j + m * p) + k]);
                        a += x * c - y * d;
                        b += x * d + y * c;
                    }
                    let (c, d) = if q == 0 { (1.0, 0.0) } else { self.twiddles[j * (r - 1) + q - 1] };
                    let at = s * (r * j + q) + k;
                    out_re[at] = a * c - b * d;
                    out_im[at] = a * d + b * c;
                }
            }
        }
    }
}

#[inline]
fn butterfly2(a: &mut [f64; 2], b: &mut [f64; 2]) {
    *a = [a[0] + a[1], a[0] - a[1]];
    *b = [b[0] + b[1], b[0] - b[1]];
}

#[inline]
fn butterfly3(a: &mut [f64; 3], b: &mut [f64; 3]) {
    const S: f64 = 0.866_025_403_784_438_6;
    let (ta, tb) = (a[1] + a[2], b[1] + b[2]);
    let (da, db) = (S * (a[1] - a[2]), S * (b[1] - b[2]));
    let (ma, mb) = (a[0] - 0.5 * ta, b[0] - 0.5 * tb);
    *a = [a[0] + ta, ma + db, ma - db];
    *b = [b[0] + tb, mb - da, mb + da];
}

#[inline]
fn butterfly4(a: &mut [f64; 4], b: &mut [f64; 4]) {
    let (a02, a13, a02m, a13m) = (a[0] + a[2], a[1] + a[3], a[0] - a[2], a[1] - a[3]);
    let (b02, b13, b02m, b13m) = (b[0] + b[2], b[1] + b[3], b[0] - b[2], b[1] - b[3]);
    *a = [a02 + a13, a02m + b13m, a02 - a13, a02m - b13m];
    *b = [b02 + b13, b02m - a13m, b02 - b13, b02m + a13m];
}

#[inline]
fn butterfly5(a: &mut [f64; 5], b: &mut [f64; 5]) {
    const C1: f64 = 0.309_016_994_374_947_45;
    const C2: f64 = -0.809_016_994_374_947_5;
    const S1: f64 = 0.951_056_516_295_153_5;
    const S2: f64 = 0.587_785_252_292_473_1;
    let (a14, a23, b14, b23) = (a[1] + a[4], a[2] + a[3], b[1] + b[4], b[2] + b[3]);
    let (a14m, a23m, b14m, b23m) = (a[1] - a[4], a[2] - a[3], b[1] - b[4], b[2] - b[3]);
    let (p1, q1) = (a[0] + C1 * a14 + C2 * a23, b[0] + C1 * b14 + C2 * b23);
    let (p2, q2) = (a[0] + C2 * a14 + C1 * a23, b[0] + C2 * b14 + C1 * b23);
    let (u1, v1) = (S1 * b14m + S2 * b23m, S1 * a14m + S2 * a23m);
    let (u2, v2) = (S2 * b14m - S1 * b23m, S2 * a14m - S1 * a23m);
    *a = [a[0] + a14 + a23, p1 + u1, p2 + u2, p2 - u2, p1 - u1];
    *b = [b[0] + b14 + b23, q1 - v1, q2 - v2, q2 + v2, q1 + v1];
}

impl Bluestein {
    fn new(n: usize) -> Self {
        let length = (2 * n - 1).next_power_of_two();
        // k² is taken modulo 2n, the period of the chirp, so that the angle stays exact.
        let chirp: Vec<(f64, f64)> =
            (0..n).map(|k| root((k as u128 * k as u128 % (2 * n) as u128) as usize, 2 * n)).collect();
        let mut inner = Box::new(ComplexFft::new(length));
        let (mut re, mut im) = (vec![0.0; length], vec![0.0; length]);
        for (k, &(c, s)) in chirp.iter().enumerate() {
            for at in [k, (length - k) % length] {
                (re[at], im[at]) = (c, -s);
            }
        }
        inner.process(&mut re, &mut im);
        let scale = 1.0 / length as f64;
        let filter_re = re.iter().map(|v| v * scale).collect();
        let filter_im = im.iter().map(|v| v * scale).collect();
        Self { inner, chirp, filter_re, filter_im, re, im }
    }

    fn process(&mut self, re: &mut [f64], im: &mut [f64]) {
        self.re.fill(0.0);
        self.im.fill(0.0);
        for (k, &(c, s)) in self.chirp.iter().enumerate() {
            self.re[k] = re[k] * c - im[k] * s;
            self.im[k] = re[k] * s + im[k] * c;
        }
        self.inner.process(&mut self.re, &mut self.im);
        for k in 0..self.re.len() {
            let (a, b, c, d) = (self.re[k], self.im[k], self.filter_re[k], self.filter_im[k]);
            // Conjugated, so that the next forward transform acts as the inverse.
            (self.re[k], self.im[k]) = (a * c - b * d, -(a * d + b * c));
        }
        self.inner.process(&mut self.re, &mut self.im);
        for (k, &(c, s)) in self.chirp.iter().enumerate() {
            let (a, b) = (self.re[k], -self.im[k]);
            re[k] = a * c - b * s;
            im[k] = a * s + b * c;
        }
    }
}

/// Plan and buffers of a real transform of one length.
#[derive(Clone, Debug)]
pub(crate) struct RealFft {
    n: usize,
    complex: ComplexFft,
    /// `exp(−2πi·k / n)` for the even-length unpacking; empty for odd lengths.
    unpack: Vec<(f64, f64)>,
    re: Vec<f64>,
    im: Vec<f64>,
}

impl RealFft {
    pub(crate) fn new(n: usize) -> Self {
        let even = n.is_multiple_of(2) && n > 0;
        let length = if even { n / 2 } else { n };
        let unpack = if even { (0..=length / 2).map(|k| root(k, n)).collect() } else { Vec::new() };
        Self { n, complex: ComplexFft::new(length), unpack, re: vec![0.0; length], im: vec![0.0; length] }
    }

    /// Transforms `n` values given by `x`; writes n/2 + 1 coefficients.
    pub(crate) fn forward(&mut self, x: impl Fn(usize) -> f64, out_re: &mut Vec<f64>, out_im: &mut Vec<f64>) {
        let bins = self.n / 2 + 1;
        out_re.clear();
        out_im.clear();
        out_re.resize(bins, 0.0);
        out_im.resize(bins, 0.0);
        if self.n == 0 {
            return;
        }
        if self.unpack.is_empty() {
            for (i, v) in self.re.iter_mut().enumerate() {
                *v = x(i);
            }
            self.im.fill(0.0);
            self.complex.process(&mut self.re, &mut self.im);
            out_re.copy_from_slice(&self.re[..bins]);
            out_im.copy_from_slice(&self.im[..bins]);
            // The mean has no phase.
            out_im[0] = 0.0;
            return;
        }
        let half = self.n / 2;
        for i in 0..half {
            self.re[i] = x(2 * i);
            self.im[i] = x(2 * i + 1);
        }
        self.complex.process(&mut self.re, &mut self.im);
        for (k, &(c, s)) in self.unpack.iter().enumerate() {
            let j = (half - k) % half;
            let (ar, ai, br, bi) = (self.re[k % half], self.im[k % half], self.re[j], self.im[j]);
            let (er, ei) = (0.5 * (ar + br), 0.5 * (ai - bi));
            let (or, oi) = (0.5 * (ai + bi), -0.5 * (ar - br));
            let (tr, ti) = (or * c - oi * s, or * s + oi * c);
            out_re[k] = er + tr;
            out_im[k] = ei + ti;
            out_re[half - k] = er - tr;
            out_im[half - k] = ti - ei;
        }
        out_im[0] = 0.0;
        out_im[half] = 0.0;
    }
}

/// Plans by length; a panel of equally long series needs few of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct FftPlans {
    plans: Vec<RealFft>,
}

impl FftPlans {
    /// More lengths than this at a time are not kept.
    const MOST: usize = 8;

    pub(crate) fn plan(&mut self, n: usize) -> &mut RealFft {
        let at = self.plans.iter().position(|p| p.n == n).unwrap_or_else(|| {
            if self.plans.len() >= Self::MOST {
                self.plans.remove(0);
            }
            self.plans.push(RealFft::new(n));
            self.plans.len() - 1
        });
        &mut self.plans[at]
    }
}

/// Smallest product of 2, 3 and 5 that is even and not below `n`: a length whose transform is fast.
pub(crate) fn fast_length(n: usize) -> usize {
    let mut length = n.max(2).next_multiple_of(2);
    loop {
        let mut rest = length;
        for p in [2, 3, 5] {
            while rest.is_multiple_of(p) {
                rest /= p;
            }
        }
        if rest == 1 {
            return length;
        }
        length += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transform_equals_the_defining_sum_for_every_kind_of_length() {
        let lengths = (1..=70).chain([74, 97, 101, 121, 128, 250, 251, 360, 961, 1000, 1009, 1022]);
        for n in lengths {
            let x: Vec<f64> = (0..n).map(|i| ((i * i * 7 + 3 * i) % 23) as f64 - 9.5).collect();
            let (mut re, mut im) = (Vec::new(), Vec::new());
            RealFft::new(n).forward(|i| x[i], &mut re, &mut im);
            assert_eq!(re.len(), n / 2 + 1);
            for k in 0..re.len() {
                let (mut a, mut b) = (0.0, 0.0);
                for (t, v) in x.iter().enumerate() {
                    let (c, s) = root(t * k, n);
                    a += v * c;
                    b += v * s;
                }
                assert!(
                    (a - re[k]).abs() < 1e-10 && (b - im[k]).abs() < 1e-10,
                    "n {n} k {k}: {a} {b} {} {}",
                    re[k],
                    im[k]
                );
            }
        }
    }

    #[test]
    fn fast_lengths_have_small_prime_factors() {
        assert_eq!(fast_length(1), 2);
        assert_eq!(fast_length(2000), 2000);
        assert_eq!(fast_length(2001), 2048);
    }
}

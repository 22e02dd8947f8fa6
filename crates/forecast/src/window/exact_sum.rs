//! Sums without rounding.

/// Number of 32-bit limbs: 2,098 bits of all finite doubles, and room for 2³¹ additions on top.
const LIMBS: usize = 68;

/// The exact sum of finite values: no rounding until it is read, so order and grouping of additions do not matter, and
/// values can be taken out again without a trace.
///
/// Each value is split over limbs of 32 bits held in 64-bit integers; carries are settled before they can overflow.
/// Memory: 560 bytes. Cost: a few integer operations per value.
///
/// # Example
/// ```
/// use ecosystem_forecast::window::ExactSum;
/// let mut sum = ExactSum::default();
/// for v in [1e300, 1.0, -1e300] {
///     sum.add(v);
/// }
/// assert_eq!(sum.value(), 1.0);
/// sum.subtract(1.0);
/// assert_eq!(sum.value(), 0.0);
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ExactSum {
    /// Limb i counts units of 2^(32·i − 1074).
    limbs: Vec<i64>,
    /// Additions since carries were last settled.
    pending: u32,
    /// Net number of +∞, −∞ and NaN seen.
    special: [i64; 3],
}

impl Default for ExactSum {
    fn default() -> Self {
        Self { limbs: vec![0; LIMBS], pending: 0, special: [0; 3] }
    }
}

/// Equal sums are equal however they came about.
impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.clone(), other.clone());
        a.settle();
        b.settle();
        a.limbs == b.limbs && a.special == b.special
    }
}

impl ExactSum {
    /// Adds a value. Infinities and NaN are counted and decide the value until taken out.
    pub fn add(&mut self, value: f64) {
        self.put(value, 1);
    }

    /// Takes a value out again.
    pub fn subtract(&mut self, value: f64) {
        self.put(value, -1);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.settle();
        let mut other = other.clone();
        other.settle();
        for (a, b) in self.limbs.iter_mut().zip(&other.limbs) {
            *a += b;
        }
        for (a, b) in self.special.iter_mut().zip(other.special) {
            *a += b;
        }
        self.settle();
    }

    fn put(&mut self, value: f64, times: i64) {
        if !value.is_finite() {
            let kind = if value.is_nan() { 2 } else { usize::from(value < 0.0) };
            self.special[kind] += times;
            return;
        }
        let bits = value.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as usize;
        let fraction = bits & ((1 << 52) - 1);
        // Value = mantissa · 2^(shift − 1074).
        let (mantissa, shift) =
            if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        let sign = if value.is_sign_negative() { -times } else { times };
        let (limb, offset) = (shift / 32, shift % 32);
        let wide = u128::from(mantissa) << offset;
        for k in 0..3 {
            let part = ((wide >> (32 * k)) & 0xffff_ffff) as i64;
            self.limbs[limb + k] += sign * part;
        }
        self.pending += 1;
        if self.pending >= 1 << 30 {
            self.settle();
        }
    }

    /// Moves carries up, so that every limb but the last is in 0 … 2³² − 1.
    fn settle(&mut self) {
        let mut carry = 0;
        let last = self.limbs.len().saturating_sub(1);
        for (i, limb) in self.limbs.iter_mut().enumerate() {
            let total = *limb + carry;
            if i == last {
                *limb = total;
            } else {
                carry = total >> 32;
                *limb = total & 0xffff_ffff;
            }
        }
        self.pending = 0;
    }

    /// The sum, rounded once to the nearest double (ties to even); NaN or infinite if such values are in it.
    pub fn value(&self) -> f64 {
        self.parts().0
    }

    /// The sum as a pair: the nearest double and the nearest double to what is left, about 106 bits together.
    pub fn parts(&self) -> (f64, f64) {
        if self.special != [0; 3] {
            let value = match self.special {
                [_, _, n] if n != 0 => f64::NAN,
                [p, 0, _] if p > 0 => f64::INFINITY,
                [0, m, _] if m > 0 => f64::NEG_INFINITY,
                _ => f64::NAN,
            };
            return (value, 0.0);
        }
        let high = self.rounded();
        if !high.is_finite() || high == 0.0 {
            return (high, 0.0);
        }
        let mut rest = self.clone();
        rest.subtract(high);
        (high, rest.rounded())
    }

    fn rounded(&self) -> f64 {
        let mut settled = self.clone();
        settled.settle();
        let negative = settled.limbs.last().is_some_and(|&l| l < 0);
        if negative {
            settled.limbs.iter_mut().for_each(|l| *l = -*l);
            settled.settle();
        }
        let magnitude = magnitude(&settled.limbs);
        if negative { -magnitude } else { magnitude }
    }
}

/// Nearest double to a non-negative number in settled limbs.
fn magnitude(limbs: &[i64]) -> f64 {
    let Some(top) = limbs.iter().rposition(|&l| l != 0) else { return 0.0 };
    // The leading 96 to 128 bits, the rest as a sticky bit.
    let mut leading = 0_u128;
    for k in 0..4 {
        let limb = top.checked_sub(k).map_or(0, |i| limbs[i]);
        leading = leading << 32 | u128::from(limb.unsigned_abs());
    }
    let sticky = top >= 4 && limbs[..=top - 4].iter().any(|&l| l != 0);
    // Value = leading · 2^scale; the last limb may be wider than 32 bits only after 2³¹ extreme additions.
    let scale = 32 * (top as i64 - 3) - 1074;
    let bits = 128 - i64::from(leading.leading_zeros());
    // Keep 53 bits, fewer for subnormal results.
    let keep = 53.min(bits + scale + 1074);
    let drop = bits - keep;
    if drop <= 0 {
        return scaled(leading as u64, scale);
    }
    if drop > 127 {
        return 0.0;
    }
    let (kept, rest) = ((leading >> drop) as u64, leading & ((1 << drop) - 1));
    let half = 1_u128 << (drop - 1);
    let up = rest > half || (rest == half && (sticky || kept % 2 == 1));
    scaled(kept + u64::from(up), scale + drop)
}

/// m · 2^e for m ≤ 2⁵³ with an exactly representable or overflowing result.
fn scaled(m: u64, e: i64) -> f64 {
    let mut value = m as f64;
    let mut e = e;
    while e > 0 {
        let step = e.min(1000);
        value *= 2.0_f64.powi(step as i32);
        e -= step;
        if value.is_infinite() {
            return value;
        }
    }
    // Down in one exact step if normal, in two otherwise; the mantissa fits, so nothing rounds.
    while e < 0 {
        let step = (-e).min(1000);
        value *= 2.0_f64.powi(-(step as i32));
        e += step;
    }
    value
}

impl super::Summary for ExactSum {
    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }

    fn merge(&mut self, other: &Self) {
        Self::merge(self, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_values_come_back_unchanged() {
        for v in [0.0, 1.0, -1.5, 5e-324, -5e-324, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 0.1, 1e-310, 1e22] {
            let mut s = ExactSum::default();
            s.add(v);
            assert_eq!(s.value().to_bits(), v.to_bits(), "{v:e}");
        }
    }

    #[test]
    fn rounding_happens_once_and_to_even() {
        let mut s = ExactSum::default();
        for _ in 0..10 {
            s.add(0.1);
        }
        assert_eq!(s.value(), 1.0);
        let mut s = ExactSum::default();
        s.add(2.0_f64.powi(53));
        s.add(1.0);
        assert_eq!(s.value(), 2.0_f64.powi(53));
        s.add(5e-324);
        assert_eq!(s.value(), 2.0_f64.powi(53) + 2.0);
    }

    #[test]
    fn overflow_is_infinite_only_at_the_end() {
        let mut s = ExactSum::default();
        s.add(f64::MAX);
        s.add(f64::MAX);
        assert_eq!(s.value(), f64::INFINITY);
        s.subtract(f64::MAX);
        assert_eq!(s.value(), f64::MAX);
    }
}

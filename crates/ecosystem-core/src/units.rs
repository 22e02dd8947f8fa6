//! Integer quantities with their unit in the type, so that sums are exact and units do not mix.

use core::fmt;
use core::iter::Sum;

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        pub struct $name(pub u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// The bare number in the type's unit.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// `self + other`, `None` on overflow.
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// `self - other`, `None` if `other` is larger.
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(rest) => Some(Self(rest)),
                    None => None,
                }
            }

            /// `self + other`, at most the largest value.
            #[must_use]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }

            /// `self - other`, zero if `other` is larger.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self::ZERO, Self::saturating_add)
            }
        }
    };
}

quantity!(
    /// Processor time per second in thousandths of a core.
    Millicores);
quantity!(
    /// Memory or storage in bytes.
    Bytes);
quantity!(
    /// Network throughput in bits per second.
    BitsPerSecond);
quantity!(
    /// A span of latency in microseconds.
    Micros);

impl Millicores {
    /// Whole cores.
    pub const fn cores(n: u64) -> Self {
        Self(n * 1_000)
    }
}

impl Bytes {
    /// Mebibytes (2²⁰ bytes).
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// Gibibytes (2³⁰ bytes).
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }
}

impl BitsPerSecond {
    /// Megabits per second (10⁶).
    pub const fn mbit(n: u64) -> Self {
        Self(n * 1_000_000)
    }

    /// Gigabits per second (10⁹).
    pub const fn gbit(n: u64) -> Self {
        Self(n * 1_000_000_000)
    }
}

impl Micros {
    /// Milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(n * 1_000)
    }
}

impl fmt::Display for Millicores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}m", self.0))
    }
}

impl fmt::Display for Bytes {
    /// The largest binary unit that keeps the number exact or above 10: `512MiB`, `1.5GiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let text = match UNITS.iter().find(|&&(_, bits)| self.0 >> bits > 0) {
            Some(&(unit, bits)) if self.0.trailing_zeros() >= bits => format!("{}{unit}", self.0 >> bits),
            Some(&(unit, bits)) => format!("{:.1}{unit}", self.0 as f64 / (1_u64 << bits) as f64),
            None => format!("{}B", self.0),
        };
        f.pad(&text)
    }
}

impl fmt::Display for BitsPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            n if n >= 1_000_000_000 => format!("{:.1}Gbit/s", n as f64 / 1e9),
            n if n >= 1_000_000 => format!("{:.1}Mbit/s", n as f64 / 1e6),
            n => format!("{n}bit/s"),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            if self.0 < 1_000 { format!("{}us", self.0) } else { format!("{}ms", self.0 as f64 / 1e3) };
        f.pad(&text)
    }
}

/// A three-letter currency code (ISO 4217), e.g. `EUR`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Currency([u8; 3]);

impl Currency {
    /// United States dollar, the default of price lists.
    pub const USD: Self = Self(*b"USD");
    /// Euro.
    pub const EUR: Self = Self(*b"EUR");

    /// Parses three upper-case ASCII letters; anything else is `None`.
    pub fn new(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Self(bytes))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self::USD
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::new(&code)
            .ok_or_else(|| serde::de::Error::custom(format!("currency `{code}`, expected three letters A-Z")))
    }
}

/// Millionths of a currency unit: money without rounding. The currency is the infrastructure's.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct MicroMoney(pub i64);

impl MicroMoney {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// In whole currency units, for display.
    pub fn as_units(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// `self + other`, clamped to the range of the type.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for MicroMoney {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for MicroMoney {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.4}", self.as_units()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_print_exactly_where_they_can() {
        assert_eq!(Bytes::mib(512).to_string(), "512MiB");
        assert_eq!(Bytes(1_610_612_736).to_string(), "1.5GiB");
        assert_eq!(Bytes(17).to_string(), "17B");
    }

    #[test]
    fn currency_codes_are_three_capital_letters() {
        assert_eq!(Currency::new("EUR"), Some(Currency::EUR));
        assert_eq!(Currency::new("eur"), None);
        assert_eq!(Currency::new("EURO"), None);
    }
}

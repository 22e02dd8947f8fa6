//! Quantities in the notations that occur in manifests, read exactly with integer arithmetic.
//!
//! Every function returns `None` for text that is not such a quantity or does not fit into 64 bits. Fractions of the
//! target unit round up, so that nothing that was asked for gets lost.

use crate::units::{BitsPerSecond, Bytes, MicroMoney, Micros, Millicores};

/// A decimal number `mantissa × 10^exponent` and the text behind it.
#[derive(Clone, Copy, Debug)]
struct Decimal<'a> {
    mantissa: u128,
    exponent: i32,
    rest: &'a str,
}

/// Reads the number at the beginning of a text: digits with `_` between them, a fraction, an exponent.
fn decimal(text: &str) -> Option<Decimal<'_>> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let bytes = text.as_bytes();
    let (mut mantissa, mut exponent, mut at, mut digits) = (0_u128, 0_i32, 0_usize, 0_usize);
    let mut fraction = false;
    while let Some(&b) = bytes.get(at) {
        match b {
            b'0'..=b'9' => {
                // More than 30 significant digits cannot fit the result anyway.
                if mantissa < 10_u128.pow(30) {
                    mantissa = mantissa * 10 + u128::from(b - b'0');
                    exponent -= i32::from(fraction);
                } else if !fraction {
                    return None;
                }
                digits += 1;
            }
            b'.' if !fraction => fraction = true,
            b'_' if digits > 0 && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {}
            _ => break,
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let tail = text.get(at + 1..)?;
        let signed = tail.strip_prefix(['-', '+']).unwrap_or(tail);
        let length = signed.bytes().take_while(u8::is_ascii_digit).count();
        if length > 0 && length <= 3 {
            let value: i32 = signed.get(..length)?.parse().ok()?;
            exponent += if tail.starts_with('-') { -value } else { value };
            at += 1 + (tail.len() - signed.len()) + length;
        }
    }
    Some(Decimal { mantissa, exponent, rest: text.get(at..)?.trim_start() })
}

/// `mantissa × 10^exponent × numerator / denominator`, rounded up.
fn scaled(number: Decimal<'_>, numerator: u128, denominator: u128) -> Option<u64> {
    let (mut top, mut bottom) = (number.mantissa.checked_mul(numerator)?, denominator);
    if top == 0 {
        return Some(0);
    }
    for _ in 0..number.exponent.unsigned_abs() {
        if number.exponent > 0 {
            top = top.checked_mul(10)?;
        } else if top.is_multiple_of(10) {
            top /= 10;
        } else {
            match bottom.checked_mul(10) {
                Some(larger) => bottom = larger,
                None => return Some(1), // less than one part in 10^38, rounded up
            }
        }
    }
    u64::try_from(top.div_ceil(bottom)).ok()
}

/// A whole number, e.g. `3` or `1_000`.
pub(crate) fn count(text: &str) -> Option<u64> {
    let number = decimal(text)?;
    (number.rest.is_empty() && number.exponent >= 0).then(|| scaled(number, 1, 1)).flatten()
}

/// Processor time: cores (`0.5`, `2`, `1 core`), or `100m`, `250000u`, `5n` of a core.
pub(crate) fn cpu(text: &str) -> Option<Millicores> {
    let number = decimal(text)?;
    let (top, bottom) = match number.rest {
        "" | "core" | "cores" => (1_000, 1),
        "m" => (1, 1),
        "u" | "µ" => (1, 1_000),
        "n" => (1, 1_000_000),
        "k" => (1_000_000, 1),
        _ => return None,
    };
    scaled(number, top, bottom).map(Millicores)
}

/// What a bare `M` means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Prefix {
    /// 10⁶, as in Kubernetes and SI; `Mi` is 2²⁰.
    Decimal,
    /// 2²⁰, as in Docker.
    Binary,
}

/// Memory or storage: `64Mi`, `1.5Gi`, `20M`, `4096 MB`, `2GiB`, a bare number of bytes.
pub(crate) fn bytes(text: &str, prefix: Prefix) -> Option<Bytes> {
    let number = decimal(text)?;
    let (top, bottom) = byte_unit(number.rest, prefix)?;
    scaled(number, top, bottom).map(Bytes)
}

fn byte_unit(unit: &str, prefix: Prefix) -> Option<(u128, u128)> {
    if matches!(unit, "" | "b" | "B" | "byte" | "bytes") {
        return Some((1, 1));
    }
    if unit == "m" && prefix == Prefix::Decimal {
        return Some((1, 1_000));
    }
    let bare = unit.strip_suffix(['B', 'b']).unwrap_or(unit);
    let (letter, binary) = match bare.strip_suffix('i') {
        Some(letter) => (letter, true),
        None => (bare, prefix == Prefix::Binary),
    };
    let power = match letter {
        "k" | "K" => 1,
        "m" if prefix == Prefix::Binary => 2,
        "M" => 2,
        "g" if prefix == Prefix::Binary => 3,
        "G" => 3,
        "t" if prefix == Prefix::Binary => 4,
        "T" => 4,
        "p" if prefix == Prefix::Binary => 5,
        "P" => 5,
        "E" => 6,
        _ => return None,
    };
    Some((if binary { 1 << (10 * power) } else { 10_u128.pow(3 * power) }, 1))
}

/// Throughput in bits per second: `5Gbit`, `100 Mbit/s`, `10Gbps`, `200Mi bit`; in bytes: `1GB/s`, `125 MB`.
/// A bare number is in bits per second.
pub(crate) fn bandwidth(text: &str) -> Option<BitsPerSecond> {
    let number = decimal(text)?;
    let unit =
        number.rest.strip_suffix("/s").or_else(|| number.rest.strip_suffix("ps")).unwrap_or(number.rest);
    let unit = unit.trim_end();
    let (prefix, bits) = if let Some(prefix) = unit.strip_suffix("bits").or_else(|| unit.strip_suffix("bit"))
    {
        (prefix.trim_end(), 1)
    } else if let Some(prefix) = unit.strip_suffix('b') {
        (prefix, 1)
    } else if let Some(prefix) = unit.strip_suffix('B') {
        (prefix, 8)
    } else {
        (unit, 1)
    };
    let (top, bottom) = if prefix.is_empty() { (1, 1) } else { byte_unit(prefix, Prefix::Decimal)? };
    scaled(number, top * bits, bottom).map(BitsPerSecond)
}

/// Bytes per second: `20MB/s`, `5MiB/s`, `100k`, a bare number; bits when the unit says so (`80Mbit/s`).
pub(crate) fn byte_rate(text: &str) -> Option<u64> {
    let number = decimal(text)?;
    if number.rest.contains("bit") || number.rest.ends_with("bps") {
        return bandwidth(text).map(|b| b.get().div_ceil(8));
    }
    let unit = number.rest.strip_suffix("/s").unwrap_or(number.rest).trim_end();
    let (top, bottom) = byte_unit(unit, Prefix::Decimal)?;
    scaled(number, top, bottom)
}

/// A span of time: `10ms`, `1.5s`, `500us`, `1m30s`, `2h`, `5 d`. A bare number has no unit and is refused, except 0.
pub(crate) fn duration(text: &str) -> Option<Micros> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = decimal(rest)?;
        let end = number.rest.find(|c: char| !c.is_alphabetic()).unwrap_or(number.rest.len());
        let (unit, tail) = number.rest.split_at(end);
        let (top, bottom) = match unit {
            "ns" => (1, 1_000),
            "us" | "µs" | "μs" => (1, 1),
            "ms" => (1_000, 1),
            "s" | "sec" | "second" | "seconds" => (1_000_000, 1),
            "m" | "min" | "minute" | "minutes" => (60_000_000, 1),
            "h" | "hour" | "hours" => (3_600_000_000, 1),
            "d" | "day" | "days" => (86_400_000_000, 1),
            "" if number.mantissa == 0 && total == 0 => (1, 1),
            _ => return None,
        };
        total = total.checked_add(scaled(number, top, bottom)?)?;
        rest = tail.trim_start();
    }
    Some(Micros(total))
}

/// Events per 1,000 seconds from `12.5`, `12.5/s`, `300/min`, `7200/h`.
pub(crate) fn rate_per_1000_s(text: &str) -> Option<u64> {
    let number = decimal(text)?;
    let bottom = match number.rest.trim_start_matches('/') {
        "" | "s" => 1,
        "min" | "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    scaled(number, 1_000, bottom)
}

/// Thousandths from `0.4`, `2`, `40%`.
pub(crate) fn permille(text: &str) -> Option<u64> {
    let number = decimal(text)?;
    match number.rest {
        "" => scaled(number, 1_000, 1),
        "%" => scaled(number, 10, 1),
        _ => None,
    }
}

/// Availability in parts per million from `99.9%`, `99.9` or `0.999`; at most one million, rounded down.
pub(crate) fn availability_ppm(text: &str) -> Option<u32> {
    let number = decimal(text)?;
    let percent = match number.rest {
        "%" => true,
        "" => scaled(number, 1, 1)? > 1,
        _ => return None,
    };
    // One more digit than needed, then cut, because rounding up would promise more than was written.
    let tenths = scaled(number, if percent { 100_000 } else { 10_000_000 }, 1)?;
    let cut = if tenths % 10 == 0 { tenths / 10 } else { (tenths - 1) / 10 };
    u32::try_from(cut).ok().filter(|&ppm| ppm <= 1_000_000)
}

/// Whole percent from `150`, `150%` or `1.5x`.
pub(crate) fn percent(text: &str) -> Option<u32> {
    let number = decimal(text)?;
    let value = match number.rest {
        "" | "%" => scaled(number, 1, 1)?,
        "x" => scaled(number, 100, 1)?,
        _ => return None,
    };
    u32::try_from(value).ok()
}

/// Money in millionths, with the currency code if one is written: `0.25`, `0.25 EUR`, `0.25 EUR/h`.
pub(crate) fn money(text: &str) -> Option<(MicroMoney, Option<&str>)> {
    let number = decimal(text)?;
    let amount = i64::try_from(scaled(number, 1_000_000, 1)?).ok()?;
    let code = number.rest.trim_end_matches("/h").trim_end();
    Some((MicroMoney(amount), (!code.is_empty()).then_some(code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn processor_time_is_read_in_every_notation() {
        for (text, wanted) in [
            ("100m", 100),
            ("0.5", 500),
            ("2", 2000),
            ("1.5", 1500),
            ("250000u", 250),
            ("1n", 1),
            ("0", 0),
            ("2e1", 20_000),
        ] {
            assert_eq!(cpu(text), Some(Millicores(wanted)), "{text}");
        }
        assert_eq!(cpu("lots"), None);
        assert_eq!(cpu("-1"), None);
        assert_eq!(cpu("1Gi"), None);
    }

    #[test]
    fn sizes_are_read_in_every_notation() {
        for (text, wanted) in [
            ("64Mi", 64 << 20),
            ("1.5Gi", 3 << 29),
            ("20M", 20_000_000),
            ("4096 MB", 4_096_000_000),
            ("10 GB", 10_000_000_000),
            ("128974848000m", 128_974_848),
            ("1KiB", 1024),
            ("12e6", 12_000_000),
            ("1E", 1_000_000_000_000_000_000),
            ("17", 17),
        ] {
            assert_eq!(bytes(text, Prefix::Decimal), Some(Bytes(wanted)), "{text}");
        }
        for (text, wanted) in
            [("20M", 20 << 20), ("50m", 50 << 20), ("1gb", 1 << 30), ("300kb", 300 << 10), ("8b", 8)]
        {
            assert_eq!(bytes(text, Prefix::Binary), Some(Bytes(wanted)), "{text}");
        }
        assert_eq!(bytes("64Mo", Prefix::Decimal), None);
        assert_eq!(bytes("99999999999999999999999999Ei", Prefix::Decimal), None);
    }

    #[test]
    fn times_and_rates_are_read_in_every_notation() {
        for (text, wanted) in [
            ("10ms", 10_000),
            ("1m30s", 90_000_000),
            ("1.5s", 1_500_000),
            ("500us", 500),
            ("100ns", 1),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Some(Micros(wanted)), "{text}");
        }
        assert_eq!(duration("10"), None);
        assert_eq!(duration(""), None);
        assert_eq!(rate_per_1000_s("0.25"), Some(250));
        assert_eq!(rate_per_1000_s("300/min"), Some(5_000));
        assert_eq!(bandwidth("5Gbit"), Some(BitsPerSecond::gbit(5)));
        assert_eq!(bandwidth("100 Mbit/s"), Some(BitsPerSecond::mbit(100)));
        assert_eq!(bandwidth("10Gbps"), Some(BitsPerSecond::gbit(10)));
        assert_eq!(bandwidth("1GB/s"), Some(BitsPerSecond::gbit(8)));
        assert_eq!(byte_rate("20MB/s"), Some(20_000_000));
        assert_eq!(byte_rate("80Mbit/s"), Some(10_000_000));
    }

    #[test]
    fn availability_never_promises_more_than_was_written() {
        for (text, wanted) in [
            ("99.9%", 999_000),
            ("0.999", 999_000),
            ("99.99", 999_900),
            ("99.99999%", 999_999),
            ("1", 1_000_000),
        ] {
            assert_eq!(availability_ppm(text), Some(wanted), "{text}");
        }
        assert_eq!(availability_ppm("120%"), None);
        assert_eq!(money("0.25 EUR/h"), Some((MicroMoney(250_000), Some("EUR"))));
    }

    proptest! {
        #[test]
        fn whole_numbers_of_every_unit_are_exact(n in 0_u64..1_000_000) {
            prop_assert_eq!(cpu(&format!("{n}m")), Some(Millicores(n)));
            prop_assert_eq!(bytes(&format!("{n}Mi"), Prefix::Decimal), Some(Bytes(n << 20)));
            prop_assert_eq!(duration(&format!("{n}ms")), Some(Micros(n * 1_000)));
            prop_assert_eq!(count(&n.to_string()), Some(n));
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC{0,40}|[0-9.eE+_ -]{0,60}[a-zA-Z%/]{0,5}") {
            let _ = (cpu(&text), bytes(&text, Prefix::Decimal), bytes(&text, Prefix::Binary), duration(&text));
            let _ = (bandwidth(&text), byte_rate(&text), rate_per_1000_s(&text), permille(&text));
            let _ = (availability_ppm(&text), percent(&text), money(&text), count(&text));
        }
    }
}

//! Quantities of the API (`100m`, `1Gi`, `1.5`, `2e3`) as thousandths.

/// Thousandths, rounded up; `None` if it is not a quantity, is negative or does not fit.
pub(crate) fn thousandths(text: &str) -> Option<u128> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() || part.contains('.') || part.len() > 18 {
        return None;
    }
    let digits = |it: &str| if it.is_empty() { Some(0) } else { it.parse::<u128>().ok() };
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let value = digits(whole)?.checked_mul(scale)?.checked_add(digits(part)?)?;
    let power = |base: u128, exponent: u32| base.checked_pow(exponent);
    // Numerator and denominator in thousandths.
    let (up, down) = match suffix {
        "n" => (1, 1_000_000),
        "u" => (1, 1_000),
        "m" => (1, 1),
        "" => (1_000, 1),
        "k" => (power(1_000, 2)?, 1),
        "M" => (power(1_000, 3)?, 1),
        "G" => (power(1_000, 4)?, 1),
        "T" => (power(1_000, 5)?, 1),
        "P" => (power(1_000, 6)?, 1),
        "E" => (power(1_000, 7)?, 1),
        "Ki" => (1_000 << 10, 1),
        "Mi" => (1_000 << 20, 1),
        "Gi" => (1_000 << 30, 1),
        "Ti" => (1_000 << 40, 1),
        "Pi" => (1_000 << 50, 1),
        "Ei" => (1_000 << 60, 1),
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E'])?;
            let small = |it: &str| it.parse::<u32>().ok().filter(|it| *it <= 30);
            if let Some(digits) = digits.strip_prefix('-') {
                (1_000, power(10, small(digits)?)?)
            } else {
                let digits = digits.strip_prefix('+').unwrap_or(digits);
                (power(10, small(digits)?)?.checked_mul(1_000)?, 1)
            }
        }
    };
    Some(value.checked_mul(up)?.div_ceil(scale.checked_mul(down)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_the_api_writes_them_and_nonsense_is_none() {
        let right = [
            ("100m", 100),
            ("1", 1_000),
            ("1.5", 1_500),
            (".5", 500),
            ("1Gi", 1_000 << 30),
            ("2e3", 2_000_000),
            ("5E-1", 500),
            ("1k", 1_000_000),
            ("3885932Ki", 3_885_932 * 1_024_000),
            ("1n", 1),
            ("0", 0),
        ];
        for (text, expected) in right {
            assert_eq!(thousandths(text), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "-1",
            "Gi",
            "1 Gi",
            "1e99",
            "1.2.3",
            "1X",
            "ten",
            "e5",
            "99999999999999999999999999999999999999Ei",
        ] {
            assert_eq!(thousandths(wrong), None, "{wrong}");
        }
    }
}

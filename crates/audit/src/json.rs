//! JSON values: reading, and the canonical form of RFC 8785.
//!
//! Nesting is limited to 128 levels. Numbers that are neither `i64` nor `u64` are IEEE 754 doubles; of equal
//! keys in one object the last counts (RFC 8785 inputs have none).
//!
//! ```
//! use ecosystem_audit::Json;
//!
//! let value = Json::parse(r#"{"b": 1.0e1, "a": [true, null, "\u20ac"]}"#)?;
//! assert_eq!(value.canonical(), r#"{"a":[true,null,"€"],"b":10}"#);
//! # Ok::<(), ecosystem_audit::InvalidJson>(())
//! ```

use core::fmt;

use serde_json::Value;

use crate::value::InvalidJson;

/// A JSON value.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Json(pub(crate) Value);

impl Json {
    /// `null`.
    pub const NULL: Self = Self(Value::Null);

    /// Reads JSON text.
    ///
    /// # Errors
    /// Line and column of what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidJson> {
        serde_json::from_str(text).map(Self).map_err(|e| InvalidJson {
            message: e.to_string(),
            line: e.line(),
            column: e.column(),
        })
    }

    /// The value at an RFC 6901 pointer such as `/spec/replicas`; empty = the whole.
    pub fn at(&self, pointer: &str) -> Option<Self> {
        self.0.pointer(pointer).cloned().map(Self)
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_str()
    }

    /// Canonical form (RFC 8785): keys in order of their UTF-16 code units, numbers as ECMAScript prints them,
    /// no white space. Equal values have equal bytes; integers beyond 2^53 are rounded to doubles.
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        write_canonical(&self.0, &mut out);
        out
    }
}

impl fmt::Display for Json {
    /// Compact, keys in byte order, numbers as they were read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(n) => write_number(n.as_f64().unwrap_or(0.0), out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
            pairs.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (i, (key, item)) in pairs.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
    }
}

/// A JSON string with the shortest escapes (RFC 8785 §3.2.2.2).
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let code = c as usize;
                out.push_str("\\u00");
                out.push(char::from(HEX[code >> 4]));
                out.push(char::from(HEX[code & 15]));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// ECMAScript `Number::toString`: the shortest digits that read back as the same double, laid out by `point`, the
/// position of the decimal point relative to the first digit.
fn write_number(number: f64, out: &mut String) {
    if number == 0.0 {
        out.push('0');
        return;
    }
    if number < 0.0 {
        out.push('-');
    }
    // The shortest form says how many digits; rounding to so many again settles ties (…25 to …2) to even, as
    // ECMAScript asks.
    let shortest = format!("{:e}", number.abs());
    let places = shortest.find('e').unwrap_or(1).saturating_sub(2);
    let scientific = format!("{:.places$e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    if (1..=21).contains(&point) {
        if count <= point {
            out.push_str(&digits);
            out.push_str(&zeros(point - count));
        } else {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            out.push_str(whole);
            out.push('.');
            out.push_str(fraction);
        }
    } else if (-5..=0).contains(&point) {
        out.push_str("0.");
        out.push_str(&zeros(-point));
        out.push_str(&digits);
    } else {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        out.push('e');
        out.push(if point > 0 { '+' } else { '-' });
        out.push_str(&(point - 1).abs().to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_ecmascript_does() {
        // Appendix B of RFC 8785.
        for (bits, text) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            let mut out = String::new();
            write_number(f64::from_bits(bits), &mut out);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn keys_are_sorted_by_utf16_and_controls_escaped() {
        let json = Json::parse("{\"\u{fb33}\":1,\"\u{1f600}\":2,\"\\r\":\"\\u001f\\u0008\"}").unwrap();
        assert_eq!(json.canonical(), "{\"\\r\":\"\\u001f\\b\",\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }
}

//! Calendar arithmetic on Unix milliseconds: RFC 3339 text out and in, weekday, minute of the day.
//!
//! # Model
//! Proleptic Gregorian calendar, UTC, no leap seconds (a Unix day has 86,400 s). Dates come from days by
//! Howard Hinnant's `civil_from_days` and `days_from_civil`, which are exact for all years used here.
//! No clock is read.
//!
//! # Example
//! ```
//! use ecosystem_audit::civil;
//!
//! assert_eq!(civil::format_utc(1_772_431_800_250), "2026-03-02T06:10:00.250Z");
//! assert_eq!(civil::parse_utc("2026-03-02T07:10:00.25+01:00"), Ok(1_772_431_800_250));
//! assert_eq!(civil::parse_utc("2026-03-02"), Ok(1_772_409_600_000));
//! ```
//!
//! # References
//! Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2013); RFC 3339.

/// Milliseconds in a day.
pub const DAY_MS: u64 = 86_400_000;

/// Why a text is not a moment.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{text}` is not a time: expected YYYY-MM-DD, RFC 3339 such as 2026-03-02T06:10:00Z, or Unix milliseconds"
)]
pub struct TimeError {
    /// The text as given, cut to 64 characters.
    pub text: String,
}

impl TimeError {
    fn new(text: &str) -> Self {
        Self { text: text.chars().take(64).collect() }
    }
}

/// A date and time of day in UTC.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Civil {
    /// Year of the Gregorian calendar.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 to 999.
    pub milli: u32,
}

/// Date and time of day of a moment.
pub fn from_unix_ms(at_unix_ms: u64) -> Civil {
    let days = i64::try_from(at_unix_ms / DAY_MS).unwrap_or(i64::MAX);
    let (year, month, day) = civil_from_days(days);
    let rest = u32::try_from(at_unix_ms % DAY_MS).unwrap_or(0);
    Civil {
        year,
        month,
        day,
        hour: rest / 3_600_000,
        minute: rest / 60_000 % 60,
        second: rest / 1000 % 60,
        milli: rest % 1000,
    }
}

/// RFC 3339 in UTC with three fractional digits. Years beyond 9999 have more than four digits and are then
/// no longer RFC 3339.
pub fn format_utc(at_unix_ms: u64) -> String {
    let c = from_unix_ms(at_unix_ms);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        c.year, c.month, c.day, c.hour, c.minute, c.second, c.milli
    )
}

/// Day of the week, 0 = Monday.
pub fn weekday(at_unix_ms: u64) -> u32 {
    // 1970-01-01 was a Thursday.
    u32::try_from((at_unix_ms / DAY_MS + 3) % 7).unwrap_or(0)
}

/// Minutes since midnight UTC, 0 to 1439.
pub fn minute_of_day(at_unix_ms: u64) -> u32 {
    u32::try_from(at_unix_ms % DAY_MS / 60_000).unwrap_or(0)
}

/// Reads a date (midnight UTC), an RFC 3339 time (fractions beyond a millisecond are cut), or plain Unix
/// milliseconds. Leap seconds and times before 1970 are refused.
///
/// # Errors
/// [`TimeError`] names the text.
pub fn parse_utc(text: &str) -> Result<u64, TimeError> {
    let bytes = text.as_bytes();
    if !bytes.is_empty() && bytes.len() != 4 && bytes.iter().all(u8::is_ascii_digit) {
        return text.parse().map_err(|_| TimeError::new(text));
    }
    parse_bytes(bytes).ok_or_else(|| TimeError::new(text))
}

fn parse_bytes(bytes: &[u8]) -> Option<u64> {
    let date = bytes.get(..10)?;
    let midnight = parse_date(date)?;
    if bytes.len() == 10 {
        return u64::try_from(midnight).ok();
    }
    if !matches!(bytes.get(10)?, b'T' | b't' | b' ') {
        return None;
    }
    parse_time(bytes.get(11..)?, midnight).and_then(|(ms, _)| u64::try_from(ms).ok())
}

/// `YYYY-MM-DD` to milliseconds of its midnight; may be negative.
pub(crate) fn parse_date(b: &[u8]) -> Option<i64> {
    if b.len() != 10 || b.get(4) != Some(&b'-') || b.get(7) != Some(&b'-') {
        return None;
    }
    let year = i64::from(digits(b.get(..4)?)?);
    let month = digits(b.get(5..7)?)?;
    let day = digits(b.get(8..)?)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day) * 86_400_000)
}

/// `hh:mm:ss[.fraction](Z|±hh:mm)` after a date; returns Unix milliseconds and the number of fraction digits.
pub(crate) fn parse_time(b: &[u8], midnight: i64) -> Option<(i64, usize)> {
    if b.get(2) != Some(&b':') || b.get(5) != Some(&b':') {
        return None;
    }
    let (hour, minute, second) = (digits(b.get(..2)?)?, digits(b.get(3..5)?)?, digits(b.get(6..8)?)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = b.get(8..)?;
    let (mut milli, mut places) = (0, 0);
    if rest.first() == Some(&b'.') {
        let fraction = rest.get(1..)?;
        places = fraction.iter().take_while(|d| d.is_ascii_digit()).count();
        if places == 0 || places > 12 {
            return None;
        }
        milli =
            (0..3).fold(0, |acc, i| acc * 10 + if i < places { u32::from(fraction[i] - b'0') } else { 0 });
        rest = fraction.get(places..)?;
    }
    let offset_min = match rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (h, m) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if h > 23 || m > 59 {
                return None;
            }
            let minutes = i64::from(h * 60 + m);
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    let of_day = i64::from(((hour * 60 + minute) * 60 + second) * 1000 + milli);
    Some((midnight + of_day - offset_min * 60_000, places))
}

fn digits(b: &[u8]) -> Option<u32> {
    b.iter().try_fold(0_u32, |acc, d| d.is_ascii_digit().then(|| acc * 10 + u32::from(d - b'0')))
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Hinnant's `days_from_civil`: days since 1970-01-01.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Hinnant's `civil_from_days`: year, month, day.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = u32::try_from(doy - (153 * mp + 2) / 5 + 1).expect("1 to 31");
    let month = u32::try_from(if mp < 10 { mp + 3 } else { mp - 9 }).expect("1 to 12");
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments_read_and_print() {
        // Python 3 datetime, timezone.utc.
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(format_utc(ms), text);
            assert_eq!(parse_utc(text), Ok(ms));
        }
    }

    #[test]
    fn impossible_dates_and_times_are_refused() {
        for text in [
            "",
            "2026",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+1:00",
            "1969-12-31",
            "99999999999999999999999",
            "2026-01-01T00:00:00Zjunk",
            "２０２６-01-01",
        ] {
            assert!(parse_utc(text).is_err(), "{text}");
        }
    }

    #[test]
    fn weekday_counts_from_monday() {
        assert_eq!(weekday(0), 3);
        assert_eq!(weekday(parse_utc("2026-11-23").unwrap()), 0);
        assert_eq!(minute_of_day(parse_utc("2026-11-23T08:30:59Z").unwrap()), 510);
    }

    proptest! {
        #[test]
        fn printing_and_reading_are_inverse(ms in 0..253_402_300_800_000_u64) {
            prop_assert_eq!(parse_utc(&format_utc(ms)), Ok(ms));
        }

        #[test]
        fn any_moment_prints_and_any_text_is_answered(ms: u64, text in ".*") {
            prop_assert!(format_utc(ms).ends_with('Z'));
            let _ = parse_utc(&text);
        }
    }
}

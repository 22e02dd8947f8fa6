//! Moments, handed in by the host.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// A moment: milliseconds since 1970-01-01T00:00:00Z, handed in by the host. Spans are [`Duration`].
///
/// # Example
/// ```
/// use ecosystem_core::Timestamp;
/// use std::time::Duration;
///
/// let start = Timestamp::from_unix_ms(1_000);
/// let later = start.saturating_add(Duration::from_secs(2));
/// assert_eq!(later.saturating_since(start), Duration::from_secs(2));
/// assert_eq!(start.saturating_since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `ms` milliseconds after the Unix epoch.
    pub const fn from_unix_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_unix_ms(self) -> u64 {
        self.0
    }

    /// `self + span`, at most the largest moment; parts of a millisecond are cut.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Time since `earlier`; zero if the clock stepped back.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, e.g. `2026-11-23T08:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil_from_days(days);
        let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{:03}Z", ms % 1_000)
    }
}

/// A text that is no moment.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not a moment, expected RFC 3339 such as `2026-11-23T08:00:00Z`, not before 1970")]
pub struct InvalidTimestamp {
    /// The text.
    text: String,
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// RFC 3339 with seconds, up to nine decimals of them (those beyond milliseconds are cut) and `Z` or an offset. A leap
    /// second counts as the second after it.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        moment(text).ok_or_else(|| InvalidTimestamp { text: text.chars().take(80).collect() })
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let number = |range: core::ops::Range<usize>, most: u64| {
        let digits = text.get(range).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<u64>().ok().filter(|&n| n <= most)
    };
    let mark = |at: usize, marks: &[u8]| text.as_bytes().get(at).is_some_and(|b| marks.contains(b));
    if !(mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4, 9_999)?, number(5..7, 12)?, number(8..10, 31)?);
    let days = days_from_civil(year, month, day)?;
    let seconds = number(11..13, 23)? * 3_600 + number(14..16, 59)? * 60 + number(17..19, 60)?;
    let rest = text.get(19..)?;
    let (ms, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| (1..=9).contains(end))?;
            let (digits, zone) = rest.split_at(end);
            (format!("{digits:0<3}").get(..3)?.parse::<u64>().ok()?, zone)
        }
    };
    let all = (days * 86_400 + seconds) * 1_000 + ms;
    let at = match zone.as_bytes() {
        [b'Z' | b'z'] => Some(all),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let start = text.len() - 5;
            let offset =
                number(start..start + 2, 23)? * 3_600_000 + number(start + 3..start + 5, 59)? * 60_000;
            if *sign == b'+' { all.checked_sub(offset) } else { Some(all + offset) }
        }
        _ => None,
    };
    at.map(Timestamp)
}

/// Day number since 1970-01-01 of a Gregorian date (Hinnant, as below); `None` before 1970 and for days that do not exist.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let y = year.checked_sub(u64::from(month <= 2)).filter(|_| year >= 1_970 && month >= 1 && day >= 1)?;
    let (era, yoe) = (y / 400, y % 400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// Gregorian date of a day number since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + (month <= 2) as u64, month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_as_rfc_3339() {
        assert_eq!(Timestamp::from_unix_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
        // `date -u -d @951782399 +%FT%TZ`: the leap day of 2000
        assert_eq!(Timestamp::from_unix_ms(951_782_399_007).to_string(), "2000-02-28T23:59:59.007Z");
        assert_eq!(Timestamp::from_unix_ms(951_782_400_000).to_string(), "2000-02-29T00:00:00.000Z");
    }

    #[test]
    fn moments_are_read_in_every_form_of_rfc_3339() {
        for (text, printed) in [
            ("2026-11-23T08:00:00Z", "2026-11-23T08:00:00.000Z"),
            ("2000-02-29t23:59:59.0079z", "2000-02-29T23:59:59.007Z"),
            ("2026-11-23 01:30:00.5+02:00", "2026-11-22T23:30:00.500Z"),
            ("2026-12-31T23:00:00-01:00", "2027-01-01T00:00:00.000Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), printed);
        }
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T08:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:30:00+01:00",
            "2026-11-23T24:00:00Z",
            "2026-11-23T08:00:00",
            "2026-11-23T08:00:00.Z",
            "２026-11-23",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_survives_the_way_there_and_back() {
        for day in 0..146_097 {
            let at = Timestamp::from_unix_ms(day * 86_400_000);
            assert_eq!(at.to_string().parse(), Ok(at));
        }
    }
}

//! Calendar columns for regressions: time of day, weekday, month, holidays, daylight saving time.

use crate::series::Series;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Turns moments into regressors, in the civil time of a zone.
///
/// Columns: sine and cosine of the first three harmonics of the time of day, one column per weekday but Monday, sine and
/// cosine of the year, holiday (1 on listed dates), daylight saving time (1 while it is in force); with
/// [`with_months`](Self::with_months) also one column per month but January.
///
/// # Example
/// ```
/// use ecosystem_forecast::CalendarColumns;
/// let calendar = CalendarColumns::new("Europe/Berlin")?.with_holiday(2024, 12, 25)?;
/// // 2024-12-25 00:00 in Berlin is 23:00 UTC the day before.
/// let columns = calendar.columns(1_735_081_200_000, 3_600_000, 25);
/// assert_eq!(columns.len(), CalendarColumns::COUNT);
/// let holiday = &columns[CalendarColumns::HOLIDAY];
/// assert_eq!((holiday[0], holiday[23], holiday[24]), (1.0, 1.0, 0.0));
/// # Ok::<(), ecosystem_forecast::CalendarError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarColumns {
    zone: TimeZone,
    holidays: Vec<Date>, // sorted
    months: bool,
}

/// Why a calendar could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// The zone is not in the IANA database.
    #[error("time zone `{name}` is unknown: expected an IANA name such as Europe/Berlin")]
    Zone {
        /// Name given.
        name: String,
    },
    /// There is no such day.
    #[error("{year}-{month}-{day} is not a date")]
    Date {
        /// Year given.
        year: i16,
        /// Month given.
        month: i8,
        /// Day given.
        day: i8,
    },
}

impl CalendarColumns {
    /// Number of columns without months.
    pub const COUNT: usize = 16;
    /// Number of columns with months.
    pub const COUNT_WITH_MONTHS: usize = Self::FEBRUARY + 11;
    /// Position of February's column, when there are months.
    pub const FEBRUARY: usize = Self::COUNT;
    /// Position of the holiday column.
    pub const HOLIDAY: usize = 14;
    /// Position of the daylight-saving column.
    pub const DAYLIGHT_SAVING: usize = 15;

    /// Civil time of an IANA zone, without holidays.
    pub fn new(zone: &str) -> Result<Self, CalendarError> {
        let zone = TimeZone::get(zone).map_err(|_| CalendarError::Zone { name: zone.to_owned() })?;
        Ok(Self { zone, holidays: Vec::new(), months: false })
    }

    /// Adds a column per month. Only for more than a year of data: what has been seen in one month alone cannot tell that month
    /// from the level.
    #[must_use]
    pub const fn with_months(mut self) -> Self {
        self.months = true;
        self
    }

    /// Adds a holiday.
    pub fn with_holiday(mut self, year: i16, month: i8, day: i8) -> Result<Self, CalendarError> {
        let date = Date::new(year, month, day).map_err(|_| CalendarError::Date { year, month, day })?;
        if let Err(at) = self.holidays.binary_search(&date) {
            self.holidays.insert(at, date);
        }
        Ok(self)
    }

    /// One vector per column for `count` steps from `start_unix_ms`. Moments beyond the year 9999 are all zero.
    pub fn columns(&self, start_unix_ms: u64, period_ms: u64, count: usize) -> Vec<Vec<f64>> {
        let width = if self.months { Self::COUNT_WITH_MONTHS } else { Self::COUNT };
        let mut columns = vec![Vec::new(); width];
        for i in 0..count {
            let at = start_unix_ms.saturating_add(period_ms.saturating_mul(i as u64));
            let row = self.row(at).unwrap_or([0.0; Self::COUNT_WITH_MONTHS]);
            columns.iter_mut().zip(row).for_each(|(c, v)| c.push(v));
        }
        columns
    }

    /// Columns for the values of a series.
    pub fn past(&self, series: &Series) -> Vec<Vec<f64>> {
        self.columns(series.start_unix_ms(), series.period_ms(), series.len())
    }

    /// Columns for the `horizon` steps after a series.
    pub fn future(&self, series: &Series, horizon: usize) -> Vec<Vec<f64>> {
        self.columns(series.end_unix_ms(), series.period_ms(), horizon)
    }

    fn row(&self, at_unix_ms: u64) -> Option<[f64; Self::COUNT_WITH_MONTHS]> {
        let timestamp = Timestamp::from_millisecond(i64::try_from(at_unix_ms).ok()?).ok()?;
        let civil = self.zone.to_datetime(timestamp);
        let mut row = [0.0; Self::COUNT_WITH_MONTHS];
        let seconds =
            f64::from(civil.hour()) * 3600.0 + f64::from(civil.minute()) * 60.0 + f64::from(civil.second());
        for k in 0..3_u8 {
            let angle = std::f64::consts::TAU * f64::from(k + 1) * seconds / 86_400.0;
            (row[2 * usize::from(k)], row[2 * usize::from(k) + 1]) = angle.sin_cos();
        }
        let weekday = usize::try_from(civil.weekday().to_monday_zero_offset()).ok()?;
        if weekday > 0 {
            row[5 + weekday] = 1.0;
        }
        let year = std::f64::consts::TAU * f64::from(civil.date().day_of_year()) / 365.25;
        (row[12], row[13]) = year.sin_cos();
        row[Self::HOLIDAY] = f64::from(u8::from(self.holidays.binary_search(&civil.date()).is_ok()));
        row[Self::DAYLIGHT_SAVING] = f64::from(u8::from(self.zone.to_offset_info(timestamp).dst().is_dst()));
        let month = usize::try_from(civil.month()).ok()?;
        if month > 1 {
            row[Self::FEBRUARY + month - 2] = 1.0;
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn the_time_of_day_follows_the_clock_through_daylight_saving() {
        // Berlin, 2024-03-31: 01:00 UTC is 03:00 on the clock, an hour was left out. Midnight before is 23:00 UTC.
        let berlin = CalendarColumns::new("Europe/Berlin").unwrap();
        let columns = berlin.columns(1_711_839_600_000, HOUR, 24);
        assert_eq!(columns[CalendarColumns::DAYLIGHT_SAVING][..4], [0.0, 0.0, 1.0, 1.0]);
        let clock = |i: usize| {
            let hours = columns[0][i].atan2(columns[1][i]) / std::f64::consts::TAU * 24.0;
            hours.rem_euclid(24.0).round() % 24.0
        };
        assert_eq!(
            [clock(0), clock(1), clock(2), clock(22)].map(f64::to_bits),
            [0.0, 1.0, 3.0, 23.0].map(f64::to_bits)
        );
        // 2024-10-27: 02:00 comes twice.
        let autumn = berlin.columns(1_729_980_000_000, HOUR, 5);
        assert_eq!(autumn[CalendarColumns::DAYLIGHT_SAVING], [1.0, 1.0, 1.0, 0.0, 0.0]);
        assert!((autumn[0][2] - autumn[0][3]).abs() < 1e-12);
    }

    #[test]
    fn months_and_weekdays_are_those_of_the_zone() {
        // 2024-02-29 23:30 UTC is already Friday, 1 March, in Kolkata.
        let at = 1_709_249_400_000;
        let columns = CalendarColumns::new("Asia/Kolkata").unwrap().with_months().columns(at, HOUR, 1);
        assert_eq!(columns.len(), CalendarColumns::COUNT_WITH_MONTHS);
        let months: Vec<f64> = columns[CalendarColumns::FEBRUARY..].iter().map(|c| c[0]).collect();
        assert_eq!(months[..3], [0.0, 1.0, 0.0]);
        let weekdays: Vec<f64> = columns[6..12].iter().map(|c| c[0]).collect();
        assert_eq!(weekdays, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let utc = CalendarColumns::new("UTC").unwrap().with_months().columns(at, HOUR, 1);
        assert!((utc[CalendarColumns::FEBRUARY][0] - 1.0).abs() < 1e-12);
        assert!(CalendarColumns::new("Mars/Olympus").is_err());
    }
}

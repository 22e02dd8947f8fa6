//! Calendar columns for regressions: time of day, weekday, month, holidays, daylight saving time.

use crate::series::Series;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Turns moments into regressors, in the civil time of a zone.
///
/// Columns: sine and cosine of the first three harmonics of the time of day, one column per weekday but Monday, sine and
/// cosine of the year, holiday (1 on listed dates), daylight saving time (1 while it is in force).
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
    /// Number of columns.
    pub const COUNT: usize = 16;
    /// Position of the holiday column.
    pub const HOLIDAY: usize = 14;
    /// Position of the daylight-saving column.
    pub const DAYLIGHT_SAVING: usize = 15;

    /// Civil time of an IANA zone, without holidays.
    pub fn new(zone: &str) -> Result<Self, CalendarError> {
        let zone = TimeZone::get(zone).map_err(|_| CalendarError::Zone { name: zone.to_owned() })?;
        Ok(Self { zone, holidays: Vec::new() })
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
        let mut columns = vec![Vec::new(); Self::COUNT];
        for i in 0..count {
            let at = start_unix_ms.saturating_add(period_ms.saturating_mul(i as u64));
            let row = self.row(at).unwrap_or([0.0; Self::COUNT]);
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

    fn row(&self, at_unix_ms: u64) -> Option<[f64; Self::COUNT]> {
        let timestamp = Timestamp::from_millisecond(i64::try_from(at_unix_ms).ok()?).ok()?;
        let civil = self.zone.to_datetime(timestamp);
        let mut row = [0.0; Self::COUNT];
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
        Some(row)
    }
}

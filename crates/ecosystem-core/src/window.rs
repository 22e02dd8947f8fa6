//! Maintenance windows: the times that operators have agreed on for planned work.

use crate::component::Component;
use crate::infra::{Host, HostState, Infrastructure};
use crate::time::Timestamp;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
const WEEK: u64 = 7 * DAY;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A time that comes back every week, or comes once, in which planned work may be done. All times are UTC; what a wall clock
/// says in summer and winter is for the host to translate.
///
/// # Example
/// ```
/// use ecosystem_core::{MaintenanceWindow, Timestamp};
///
/// let nights: MaintenanceWindow = "sat,sun 23:00-03:00".parse()?;
/// let sunday_at_two: Timestamp = "2026-11-29T02:00:00Z".parse()?;
/// assert!(nights.contains(sunday_at_two));
/// let (from, until) = nights.next("2026-12-01T12:00:00Z".parse()?).unwrap();
/// assert_eq!(from.to_string(), "2026-12-05T23:00:00.000Z");
/// assert_eq!(until.to_string(), "2026-12-06T03:00:00.000Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "String", into = "String")
)]
pub struct MaintenanceWindow(Form);

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Form {
    /// From `start` minutes after midnight for `length` minutes, on the days whose bits are set (Monday first).
    Weekly { days: u8, start: u16, length: u16 },
    /// `from ≤ t < until`.
    Once { from: Timestamp, until: Timestamp },
}

/// A text that is no maintenance window.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{text}` is not a maintenance window, expected `sat,sun 02:00-04:00`, `mon-fri 22:00-04:00`, `daily 02:00-04:00` or \
     `2026-12-01T02:00:00Z/2026-12-01T04:00:00Z` in UTC"
)]
pub struct InvalidWindow {
    /// The text.
    text: String,
}

impl MaintenanceWindow {
    /// `from ≤ t < until`, once; `None` if it would be empty.
    pub fn once(from: Timestamp, until: Timestamp) -> Option<Self> {
        (from < until).then_some(Self(Form::Once { from, until }))
    }

    /// True if `at` lies in it. Its first millisecond belongs to it, that of its end does not.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.next(at).is_some_and(|(from, _)| from <= at)
    }

    /// Beginning and end of the window that is open at `at`, else of the next one; `None` if there will be none.
    pub fn next(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        match self.0 {
            Form::Once { from, until } => (at < until).then_some((from, until)),
            Form::Weekly { days, start, length } => {
                let length = u64::from(length) * MINUTE;
                // 1970-01-01 was a Thursday; weeks begin on Monday here
                let now = (at.as_unix_ms() % WEEK + 3 * DAY) % WEEK;
                let of_day = |day: u64| {
                    let since = (now + WEEK - (day * DAY + u64::from(start) * MINUTE) % WEEK) % WEEK;
                    // a window that began before the epoch is given from the epoch on
                    if since < length {
                        (at.as_unix_ms().saturating_sub(since), length - since)
                    } else {
                        (at.as_unix_ms().saturating_add(WEEK - since), length + WEEK - since)
                    }
                };
                let (from, left) = (0..7).filter(|day| days >> day & 1 == 1).map(of_day).min()?;
                Some((Timestamp::from_unix_ms(from), at.saturating_add(Duration::from_millis(left))))
            }
        }
    }
}

impl FromStr for MaintenanceWindow {
    type Err = InvalidWindow;

    /// Days (`daily`, `mon-fri`, `sat,sun`) and times in UTC (`22:00-04:00` goes on to the next day, `00:00-24:00` is the
    /// whole day), or two moments with a slash between them (ISO 8601).
    fn from_str(text: &str) -> Result<Self, InvalidWindow> {
        let text = text.trim();
        let window = match text.split_once('/') {
            Some((from, until)) => {
                from.parse().ok().zip(until.parse().ok()).and_then(|(from, until)| Self::once(from, until))
            }
            None => weekly(text).map(Self),
        };
        window.ok_or_else(|| InvalidWindow { text: text.chars().take(80).collect() })
    }
}

fn weekly(text: &str) -> Option<Form> {
    let (days, times) = text.split_once(char::is_whitespace)?;
    let (start, end) = times.trim_start().split_once('-')?;
    let (start, end) = (clock(start).filter(|&start| start < 1_440)?, clock(end)?);
    let length = if end > start { end - start } else { end + 1_440 - start };
    let days = if days.eq_ignore_ascii_case("daily") {
        0b111_1111
    } else {
        days.split(',').map(day_range).try_fold(0, |all, one| Some(all | one?))?
    };
    (start != end).then_some(Form::Weekly { days, start, length })
}

/// Minutes after midnight of `hh:mm`.
fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |t: &str| t.parse::<u16>().ok().filter(|_| t.len() == 2);
    let (hour, minute) = (number(hour)?, number(minute).filter(|&m| m < 60)?);
    Some(hour * 60 + minute).filter(|&all| hour <= 24 && all <= 1_440)
}

/// Bits of `sat` or `fri-mon`.
fn day_range(text: &str) -> Option<u8> {
    let day = |text: &str| DAYS.iter().position(|day| text.eq_ignore_ascii_case(day));
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(text)?, day(text)?),
    };
    let count = (last + 7 - first) % 7;
    Some((0..=count).fold(0, |bits, step| bits | 1 << ((first + step) % 7)))
}

impl fmt::Display for MaintenanceWindow {
    /// As [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Once { from, until } => write!(f, "{from}/{until}"),
            Form::Weekly { days, start, length } => {
                let names = (0..7).filter(|day| days >> day & 1 == 1).map(|day| DAYS[day]);
                let names: Vec<&str> = names.collect();
                let days = if names.len() == 7 { "daily".to_owned() } else { names.join(",") };
                let end = start + length;
                let end = if end > 1_440 { end - 1_440 } else { end };
                write!(f, "{days} {:02}:{:02}-{:02}:{:02}", start / 60, start % 60, end / 60, end % 60)
            }
        }
    }
}

impl From<MaintenanceWindow> for String {
    fn from(window: MaintenanceWindow) -> Self {
        window.to_string()
    }
}

impl TryFrom<String> for MaintenanceWindow {
    type Error = InvalidWindow;

    fn try_from(text: String) -> Result<Self, InvalidWindow> {
        text.parse()
    }
}

impl Component {
    /// True if planned work (an upgrade, a move for a better place) may be done on it at `at`: it has no windows, or one of
    /// them is open. Failures do not ask.
    pub fn allows_planned_work(&self, at: Timestamp) -> bool {
        self.maintenance.is_empty() || self.maintenance.iter().any(|window| window.contains(at))
    }

    /// Beginning and end of the window that is open at `at`, else of the next one; `None` if there is none to wait for.
    pub fn next_maintenance(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.maintenance.iter().filter_map(|window| window.next(at)).min()
    }
}

impl Host {
    /// Its state at a moment: in maintenance while one of its windows is open, else as stated.
    pub fn state_at(&self, at: Timestamp) -> HostState {
        if self.maintenance.iter().any(|window| window.contains(at)) {
            HostState::Maintenance
        } else {
            self.state
        }
    }
}

impl Infrastructure {
    /// The same infrastructure as it is at a moment: hosts whose maintenance window is open are in maintenance, so that a
    /// placement for this moment keeps them empty. O(hosts).
    #[must_use]
    pub fn at(&self, at: Timestamp) -> Self {
        let mut now = self.clone();
        now.set_states(|host| host.state_at(at));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Resources;
    use proptest::prelude::*;

    fn window(text: &str) -> MaintenanceWindow {
        text.parse().unwrap()
    }

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn days_and_times_are_read_in_every_form_and_written_in_one() {
        for (text, written) in [
            ("sun 02:00-04:00", "sun 02:00-04:00"),
            ("SAT,Sun  02:00-04:30", "sat,sun 02:00-04:30"),
            ("mon-fri 22:00-04:00", "mon,tue,wed,thu,fri 22:00-04:00"),
            ("sat-mon 00:00-24:00", "mon,sat,sun 00:00-24:00"),
            ("daily 23:59-00:00", "daily 23:59-24:00"),
            ("mon-sun 01:00-02:00", "daily 01:00-02:00"),
            (
                "2026-12-01T02:00:00Z/2026-12-01T05:00:00+01:00",
                "2026-12-01T02:00:00.000Z/2026-12-01T04:00:00.000Z",
            ),
        ] {
            assert_eq!(window(text).to_string(), written);
        }
        for text in [
            "",
            "sun",
            "sun 2:00-4:00",
            "sun 02:00-02:00",
            "sun 24:00-25:00",
            "sonntag 02:00-04:00",
            "sun 02:60-04:00",
            "sun, 02:00-04:00",
            "2026-12-01T02:00:00Z/2026-12-01T02:00:00Z",
            "2026-12-01/2026-12-02",
            "daily 02:00",
        ] {
            let error = text.parse::<MaintenanceWindow>().unwrap_err();
            assert!(error.to_string().contains("expected `sat,sun 02:00-04:00`"), "{text}");
        }
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let nights = window("fri 22:00-04:00");
        // 2026-11-27 is a Friday
        for (text, inside) in [
            ("2026-11-27T21:59:59Z", false),
            ("2026-11-27T22:00:00Z", true),
            ("2026-11-28T03:59:59Z", true),
            ("2026-11-28T04:00:00Z", false),
            ("2026-11-27T02:00:00Z", false),
        ] {
            assert_eq!(nights.contains(moment(text)), inside, "{text}");
        }
        let sunday = window("sun 22:00-04:00"); // over the end of the week
        assert!(sunday.contains(moment("2026-11-30T03:00:00Z")));
    }

    #[test]
    fn components_without_windows_may_be_worked_on_at_any_time() {
        let mut component = Component::new("db".parse().unwrap(), crate::component::Kind::Database);
        let noon = moment("2026-11-27T12:00:00Z");
        assert!(component.allows_planned_work(noon));
        component.maintenance = vec![window("sun 02:00-04:00"), window("sat 02:00-04:00")];
        assert!(!component.allows_planned_work(noon));
        let (from, until) = component.next_maintenance(noon).unwrap();
        assert_eq!((from, until), (moment("2026-11-28T02:00:00Z"), moment("2026-11-28T04:00:00Z")));
        assert!(component.allows_planned_work(from));
    }

    #[test]
    fn a_host_is_in_maintenance_while_its_window_is_open() {
        let mut host = Host::new("h".parse().unwrap(), "r".parse().unwrap(), Resources::default());
        host.maintenance = vec![window("daily 02:00-03:00")];
        let ground = Infrastructure::builder()
            .region(crate::infra::Region::new("g".parse().unwrap()))
            .zone(crate::infra::Zone::new("z".parse().unwrap(), "g".parse().unwrap()))
            .rack(crate::infra::Rack::new("r".parse().unwrap(), "z".parse().unwrap()))
            .host(host)
            .build()
            .unwrap();
        let state = |text| ground.at(moment(text)).hosts()[0].state;
        assert_eq!(state("2026-11-27T02:30:00Z"), HostState::Maintenance);
        assert_eq!(state("2026-11-27T03:00:00Z"), HostState::Ready);
    }

    proptest! {
        #[test]
        fn the_next_window_is_the_first_minute_that_counting_finds(
            days in 1_u8..128, start in 0_u16..1_440, length in 1_u16..1_440, now in 0_u64..3_000_000,
        ) {
            let it = MaintenanceWindow(Form::Weekly { days, start, length });
            prop_assert_eq!(it.to_string().parse::<MaintenanceWindow>().unwrap(), it);
            // by the definition: minute by minute, weekday by division
            let open = |minute: u64| {
                (minute / 1_440).checked_sub(0).into_iter().chain((minute / 1_440).checked_sub(1)).any(|day| {
                    let begin = day * 1_440 + u64::from(start);
                    days >> ((day + 3) % 7) & 1 == 1 && (begin..begin + u64::from(length)).contains(&minute)
                })
            };
            let first = (now..now + 8 * 1_440).find(|&minute| open(minute)).unwrap();
            let (from, until) = it.next(Timestamp::from_unix_ms(now * MINUTE)).unwrap();
            if now >= 1_440 {
                prop_assert_eq!(it.contains(Timestamp::from_unix_ms(now * MINUTE)), open(now));
                prop_assert_eq!(from.as_unix_ms().max(now * MINUTE), first * MINUTE);
                prop_assert!(until.as_unix_ms() - from.as_unix_ms() == u64::from(length) * MINUTE);
                prop_assert!(open(until.as_unix_ms() / MINUTE - 1));
            }
        }
    }
}

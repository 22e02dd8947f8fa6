//! Conditions of rules: time, second factor, network. Three-valued: unknown is neither true nor false.

use core::cmp::Ordering;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use core::time::Duration;

use super::principal::fresh;
use crate::civil;

/// A recurring window in UTC: minutes of the day on certain weekdays. A window that ends before it starts
/// runs over midnight and belongs to the day on which it starts; equal ends are the whole day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TimeWindow {
    /// Bit i = weekday i, 0 = Monday.
    pub weekdays: u8,
    /// First minute, 0 to 1439.
    pub from_minute: u16,
    /// First minute outside, 0 to 1440.
    pub to_minute: u16,
}

impl TimeWindow {
    /// All weekdays, as a mask.
    pub const EVERY_DAY: u8 = 0x7f;
    /// Monday to Friday, as a mask.
    pub const WORKING_DAYS: u8 = 0x1f;

    /// A window from one minute of the day to another.
    pub const fn new(weekdays: u8, from_minute: u16, to_minute: u16) -> Self {
        Self { weekdays, from_minute, to_minute }
    }

    /// Whether the moment lies inside.
    pub fn contains(&self, at_unix_ms: u64) -> bool {
        let minute = civil::minute_of_day(at_unix_ms);
        let today = civil::weekday(at_unix_ms);
        let on = |day: u32| self.weekdays >> day & 1 == 1;
        let (from, to) = (u32::from(self.from_minute), u32::from(self.to_minute));
        match from.cmp(&to) {
            Ordering::Less => on(today) && (from..to).contains(&minute),
            Ordering::Equal => on(today),
            Ordering::Greater => (on(today) && minute >= from) || (on((today + 6) % 7) && minute < to),
        }
    }
}

/// A block of IPv4 or IPv6 addresses, `10.0.0.0/8`, `2001:db8::/32`, or a single address.
/// IPv4-mapped IPv6 addresses count as IPv4.
///
/// ```
/// use ecosystem_audit::access::Cidr;
///
/// let office: Cidr = "192.0.2.0/25".parse()?;
/// assert!(office.contains("192.0.2.127".parse().unwrap()));
/// assert!(office.contains("::ffff:192.0.2.1".parse().unwrap()));
/// assert!(!office.contains("192.0.2.128".parse().unwrap()));
/// # Ok::<(), ecosystem_audit::access::CidrError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// Why a text is not an address block.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not an address block: expected ADDRESS/PREFIX with no bits set beyond the prefix")]
pub struct CidrError {
    /// The text as given.
    pub text: String,
}

impl Cidr {
    /// Whether the address lies in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(n), IpAddr::V4(a)) => {
                let shift = 32 - u32::from(self.prefix);
                u64::from(n.to_bits()) >> shift == u64::from(a.to_bits()) >> shift
            }
            (IpAddr::V6(n), IpAddr::V6(a)) => {
                let shift = 128 - u32::from(self.prefix);
                let top = |bits: u128| if shift == 128 { 0 } else { bits >> shift };
                top(n.to_bits()) == top(a.to_bits())
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let error = || CidrError { text: text.chars().take(64).collect() };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| error())?;
        let width = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(p) if p.bytes().all(|b| b.is_ascii_digit()) => p.parse::<u8>().map_err(|_| error())?,
            Some(_) => return Err(error()),
            None => width,
        };
        if prefix > width {
            return Err(error());
        }
        let bits = match network {
            IpAddr::V4(a) => u128::from(a.to_bits()) << 96,
            IpAddr::V6(a) => a.to_bits(),
        };
        if prefix < 128 && bits << prefix != 0 {
            return Err(error());
        }
        Ok(Self { network, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Cidr {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Cidr {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What must hold for a rule to apply; all conditions of a rule are joined by "and".
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Condition {
    /// The moment lies in one of the windows.
    TimeOfWeek(Vec<TimeWindow>),
    /// `from <= now < to`.
    Between {
        /// First moment.
        from_unix_ms: u64,
        /// First moment outside.
        to_unix_ms: u64,
    },
    /// A second factor was proved at most this long ago.
    MfaWithin(Duration),
    /// The address lies in one of the blocks.
    NetworkIn(Vec<Cidr>),
    /// The address lies in none of the blocks.
    NetworkOutside(Vec<Cidr>),
}

impl Condition {
    /// Value for a moment, a time of second factor and an address; `None` = unknown.
    pub(super) fn holds(&self, at_unix_ms: u64, mfa: Option<u64>, network: Option<IpAddr>) -> Option<bool> {
        match self {
            Self::TimeOfWeek(windows) => Some(windows.iter().any(|w| w.contains(at_unix_ms))),
            Self::Between { from_unix_ms, to_unix_ms } => {
                Some((*from_unix_ms..*to_unix_ms).contains(&at_unix_ms))
            }
            Self::MfaWithin(max_age) => mfa.map(|proved| fresh(proved, at_unix_ms, *max_age)),
            Self::NetworkIn(blocks) => network.map(|a| blocks.iter().any(|b| b.contains(a))),
            Self::NetworkOutside(blocks) => network.map(|a| !blocks.iter().any(|b| b.contains(a))),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |blocks: &[Cidr]| blocks.iter().map(Cidr::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::TimeOfWeek(windows) => {
                write!(f, "time in")?;
                for w in windows {
                    write!(
                        f,
                        " {:02}:{:02}-{:02}:{:02} UTC on weekdays {:07b}",
                        w.from_minute / 60,
                        w.from_minute % 60,
                        w.to_minute / 60,
                        w.to_minute % 60,
                        w.weekdays
                    )?;
                }
                Ok(())
            }
            Self::Between { from_unix_ms, to_unix_ms } => {
                write!(
                    f,
                    "time from {} to {}",
                    civil::format_utc(*from_unix_ms),
                    civil::format_utc(*to_unix_ms)
                )
            }
            Self::MfaWithin(age) => write!(f, "second factor at most {} s old", age.as_secs()),
            Self::NetworkIn(blocks) => write!(f, "network in {}", list(blocks)),
            Self::NetworkOutside(blocks) => write!(f, "network outside {}", list(blocks)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_run_over_midnight_and_belong_to_the_day_they_start() {
        // Friday 22:00 to 06:00.
        let night = TimeWindow::new(1 << 4, 22 * 60, 6 * 60);
        let at = |text| civil::parse_utc(text).unwrap();
        assert!(night.contains(at("2026-11-27T23:00:00Z")));
        assert!(night.contains(at("2026-11-28T05:59:59Z")));
        assert!(!night.contains(at("2026-11-28T06:00:00Z")));
        assert!(!night.contains(at("2026-11-28T23:00:00Z")));
        assert!(!night.contains(at("2026-11-27T05:00:00Z")));
    }

    #[test]
    fn address_blocks_are_read_strictly() {
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/+8",
            "::1/129",
            "10.0.0/8",
            "10.0.0.0/",
            "2001:db8::1/32",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
        for good in ["0.0.0.0/0", "::/0", "10.0.0.1/32", "2001:db8::/32", "192.168.0.0/16"] {
            assert_eq!(good.parse::<Cidr>().unwrap().to_string(), good);
        }
        let all: Cidr = "::/0".parse().unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()));
        assert!(!all.contains("10.0.0.1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Cidr>().unwrap().contains("10.0.0.1".parse().unwrap()));
        assert_eq!("10.0.0.1".parse::<Cidr>().unwrap().to_string(), "10.0.0.1/32");
    }

    #[test]
    fn unknown_facts_give_no_answer() {
        let network = Condition::NetworkIn(vec!["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(network.holds(0, None, None), None);
        assert_eq!(Condition::MfaWithin(Duration::from_secs(60)).holds(0, None, None), None);
        let mfa = Condition::MfaWithin(Duration::from_secs(60));
        assert_eq!(mfa.holds(60_000, Some(0), None), Some(true));
        assert_eq!(mfa.holds(60_001, Some(0), None), Some(false));
        assert_eq!(mfa.holds(0, Some(1), None), Some(false), "a proof from the future does not count");
    }
}

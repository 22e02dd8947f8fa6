//! How an entry is classified: category, severity, outcome.

use core::fmt;
use core::str::FromStr;
use std::borrow::Cow;

/// What an entry is about, as a short name. Hosts may use their own names beside the constants.
///
/// One to 64 bytes of text without control characters; the case is kept.
///
/// ```
/// use ecosystem_audit::Category;
/// assert_eq!("access".parse::<Category>()?, Category::ACCESS);
/// assert!("two\nlines".parse::<Category>().is_err());
/// # Ok::<(), ecosystem_audit::InvalidCategory>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Category(Cow<'static, str>);

/// A category name that is empty, too long or has control characters.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("category `{name}` is not usable: expected 1 to 64 bytes without control characters")]
pub struct InvalidCategory {
    /// The name as given, cut after 64 characters.
    pub name: String,
}

impl Category {
    /// Log-in, log-out, tokens, second factors.
    pub const AUTHENTICATION: Self = Self::known("authentication");
    /// Permissions granted, denied, asked, approved.
    pub const AUTHORIZATION: Self = Self::known("authorization");
    /// Somebody read or exported data.
    pub const ACCESS: Self = Self::known("access");
    /// Data was written.
    pub const DATA: Self = Self::known("data");
    /// Settings, rules, policies, roles.
    pub const CONFIGURATION: Self = Self::known("configuration");
    /// New versions, rollouts, changes of the running system.
    pub const CHANGE: Self = Self::known("change");
    /// Decisions about where something runs.
    pub const PLACEMENT: Self = Self::known("placement");
    /// Decisions about how much of something runs.
    pub const SCALING: Self = Self::known("scaling");
    /// Failure, fencing, restart, disaster recovery, drills.
    pub const RECOVERY: Self = Self::known("recovery");
    /// Attacks, isolation, forensic work.
    pub const SECURITY: Self = Self::known("security");
    /// Reviews, reports, retention, erasure.
    pub const COMPLIANCE: Self = Self::known("compliance");
    /// Start, stop and state of the system itself.
    pub const SYSTEM: Self = Self::known("system");

    const fn known(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Checks and takes a name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidCategory> {
        let name = name.into();
        if is_category(&name) {
            Ok(Self(Cow::Owned(name)))
        } else {
            Err(InvalidCategory { name: name.chars().take(64).collect() })
        }
    }

    /// A name that decoding has checked.
    pub(crate) fn from_checked(name: &str) -> Self {
        Self(Cow::Owned(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a name may be a category.
pub(crate) fn is_category(name: &str) -> bool {
    (1..=64).contains(&name.len()) && !name.chars().any(char::is_control)
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Category {
    type Err = InvalidCategory;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Category {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Category {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// How grave an entry is, in the eight steps of RFC 5424, from least to most grave.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "the eight severities are closed by RFC 5424")]
pub enum Severity {
    /// Detail for those who look for a fault.
    Debug,
    /// Normal operation.
    #[default]
    Info,
    /// Normal, but worth knowing.
    Notice,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    Error,
    /// A part of the system is down.
    Critical,
    /// Somebody must act at once.
    Alert,
    /// The system is unusable.
    Emergency,
}

impl Severity {
    /// All severities, least grave first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The number of RFC 5424: 0 for an emergency, 7 for debugging.
    pub const fn syslog_code(self) -> u8 {
        7 - self as u8
    }

    /// The severity with this RFC 5424 number.
    pub const fn from_syslog_code(code: u8) -> Option<Self> {
        if code > 7 { None } else { Some(Self::ALL[(7 - code) as usize]) }
    }
}

/// A name that is not one of those expected.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown {what} `{name}`: expected one of {expected}")]
pub struct UnknownName {
    /// What was being read: `severity` or `outcome`.
    pub what: &'static str,
    /// The name as given.
    pub name: String,
    /// The names that are understood.
    pub expected: &'static str,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = UnknownName;

    /// Reads a name in any case; the usual short forms (`err`, `warn`, `crit` …) and the ladder
    /// low, medium, high (notice, warning, error) are understood.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "debug" => Self::Debug,
            "info" | "informational" | "information" => Self::Info,
            "notice" | "low" => Self::Notice,
            "warning" | "warn" | "medium" => Self::Warning,
            "error" | "err" | "high" => Self::Error,
            "critical" | "crit" => Self::Critical,
            "alert" => Self::Alert,
            "emergency" | "emerg" | "panic" => Self::Emergency,
            _ => {
                return Err(UnknownName {
                    what: "severity",
                    name: name.chars().take(64).collect(),
                    expected: "debug, info, notice, warning, error, critical, alert, emergency",
                });
            }
        })
    }
}

/// How the action ended.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    #[default]
    Success,
    /// It was tried and failed.
    Failure,
    /// It was not allowed.
    Denied,
    /// It was begun; a later entry with the same correlation id tells the end.
    Pending,
    /// Nobody knows.
    Unknown,
}

impl Outcome {
    /// All outcomes in the order of their codes.
    pub const ALL: [Self; 5] = [Self::Success, Self::Failure, Self::Denied, Self::Pending, Self::Unknown];

    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = UnknownName;

    /// Reads a name in any case; `ok`, `succeeded`, `failed`, `error` and `deny` are understood, too.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "success" | "ok" | "succeeded" => Self::Success,
            "failure" | "failed" | "fail" | "error" => Self::Failure,
            "denied" | "deny" | "refused" | "rejected" => Self::Denied,
            "pending" | "started" | "attempt" => Self::Pending,
            "unknown" => Self::Unknown,
            _ => {
                return Err(UnknownName {
                    what: "outcome",
                    name: name.chars().take(64).collect(),
                    expected: "success, failure, denied, pending, unknown",
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_round_trip() {
        for severity in Severity::ALL {
            assert_eq!(severity.as_str().parse(), Ok(severity));
            assert_eq!(Severity::from_syslog_code(severity.syslog_code()), Some(severity));
        }
        for outcome in Outcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
        }
        assert_eq!(Severity::Emergency.syslog_code(), 0);
        assert!("loud".parse::<Severity>().is_err());
        assert!("maybe".parse::<Outcome>().is_err());
    }
}

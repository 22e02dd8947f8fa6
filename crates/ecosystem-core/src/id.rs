//! Parsed names and numbers that identify things.
//!
//! A name is checked once, when it is made; afterwards it is always valid and cheap to clone
//! (a shared string). Algorithms translate names to dense indices at their border.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Longest accepted name in bytes: long enough for a DNS name (RFC 1035: 253).
pub const NAME_BYTES_MAX: usize = 253;

/// Why a text is not a valid name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// The text has no characters.
    #[error("{what} name is empty, expected 1 to {NAME_BYTES_MAX} bytes")]
    Empty {
        /// Which kind of name was asked for.
        what: &'static str,
    },
    /// The text is longer than [`NAME_BYTES_MAX`].
    #[error("{what} name has {bytes} bytes, expected at most {NAME_BYTES_MAX}")]
    TooLong {
        /// Which kind of name was asked for.
        what: &'static str,
        /// Length of the rejected text.
        bytes: usize,
    },
    /// The text is no name of a replica: a component's name, `#` and a number.
    #[error("replica name `{name}` is not a component's name, `#` and a number, as in `web#0`")]
    Replica {
        /// The rejected text.
        name: String,
    },
    /// The text holds white space, a control character or one of `"`, `'`, `` ` ``, `\`, `#`.
    #[error(
        "{what} name `{name}` holds {found:?} at byte {at}, expected letters, digits, `-`, `_`, `.`, `/` or `:`"
    )]
    Character {
        /// Which kind of name was asked for.
        what: &'static str,
        /// The rejected text.
        name: String,
        /// The offending character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
}

fn check(what: &'static str, name: &str) -> Result<(), InvalidId> {
    if name.is_empty() {
        return Err(InvalidId::Empty { what });
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(InvalidId::TooLong { what, bytes: name.len() });
    }
    let bad = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@' | '+'));
    match name.char_indices().find(|&(_, c)| bad(c)) {
        Some((at, found)) => Err(InvalidId::Character { what, name: name.to_owned(), found, at }),
        None => Ok(()),
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        ///
        /// One to [`NAME_BYTES_MAX`] bytes of letters, digits and `- _ . / : @ +`.
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "serde", serde(transparent))]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses a name.
            pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidId> {
                check($what, name.as_ref())?;
                Ok(Self(Arc::from(name.as_ref())))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(s: &str) -> Result<Self, InvalidId> {
                Self::new(s)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidId;

            fn try_from(s: &str) -> Result<Self, InvalidId> {
                Self::new(s)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type!(
    /// Name of a component, unique in its ecosystem.
    ComponentId, "component");
name_type!(
    /// Name of a host, unique in its infrastructure.
    HostId, "host");
name_type!(
    /// Name of a rack, unique in its infrastructure.
    RackId, "rack");
name_type!(
    /// Name of a zone, unique in its infrastructure.
    ZoneId, "zone");
name_type!(
    /// Name of a region, unique in its infrastructure.
    RegionId, "region");

/// One running instance of a component: the component's name and a number from 0.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReplicaId {
    component: ComponentId,
    index: u32,
}

impl ReplicaId {
    /// Replica number `index` of `component`.
    pub const fn new(component: ComponentId, index: u32) -> Self {
        Self { component, index }
    }

    /// The component this replica is an instance of.
    pub const fn component(&self) -> &ComponentId {
        &self.component
    }

    /// The replica's number, from 0.
    pub const fn index(&self) -> u32 {
        self.index
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}#{}", self.component, self.index))
    }
}

impl std::str::FromStr for ReplicaId {
    type Err = InvalidId;

    /// `web#0`.
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let wrong = || InvalidId::Replica { name: s.chars().take(80).collect() };
        let (component, index) = s.rsplit_once('#').ok_or_else(wrong)?;
        let digits = !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
        let index = index.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
        Ok(Self { component: ComponentId::new(component)?, index })
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.component, self.index)
    }
}

macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number_type!(
    /// Number of an action; an executor runs the same number at most once.
    ActionId);
number_type!(
    /// Fencing token: grows with every new controller, so that an executor can refuse the orders of an old one.
    Epoch);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_space_is_refused_with_its_place() {
        let error = ComponentId::new("web shop").unwrap_err();
        assert!(error.to_string().contains("at byte 3"), "{error}");
    }

    #[test]
    fn empty_and_overlong_names_are_refused() {
        assert_eq!(HostId::new(""), Err(InvalidId::Empty { what: "host" }));
        assert!(ZoneId::new("z".repeat(NAME_BYTES_MAX)).is_ok());
        assert!(matches!(ZoneId::new("z".repeat(254)), Err(InvalidId::TooLong { bytes: 254, .. })));
    }

    #[test]
    fn replicas_print_as_component_and_number() {
        let db = ComponentId::new("db").unwrap();
        let replica = ReplicaId::new(db, 2);
        assert_eq!(replica.to_string(), "db#2");
        assert_eq!("db#2".parse(), Ok(replica));
        for text in ["db", "db#", "db#+2", "#2", "db#x", "db#4294967296"] {
            assert!(text.parse::<ReplicaId>().is_err(), "{text}");
        }
    }
}

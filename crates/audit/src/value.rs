//! What a field of an entry can hold.

use crate::hash::Hash;

/// A value of `reason`, `before`, `after` or a free field.
///
/// There is no floating-point kind: the same number must have the same bytes on every host, so fractions
/// come as [`Value::Json`] or text, exactly as they were written.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Value {
    /// Plain text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Bool(bool),
    /// JSON text kept byte for byte: an object, an array, `null` or a number that is not an `i64`.
    Json(String),
    /// Anything else.
    Bytes(Vec<u8>),
    /// A salted commitment to a value that is kept outside of the log and may be erased there.
    Commitment(Hash),
    /// A sealed (encrypted) payload, see the module `seal`.
    Sealed(Vec<u8>),
}

/// Text was given as JSON that is not JSON.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not JSON: {message} at line {line}, column {column}")]
pub struct InvalidJson {
    /// What the parser said.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl Value {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// JSON text, checked for well-formedness and kept byte for byte.
    ///
    /// ```
    /// use ecosystem_audit::Value;
    /// assert_eq!(Value::json("{\"cpu\": 0.50}")?, Value::Json("{\"cpu\": 0.50}".to_owned()));
    /// assert!(Value::json("{cpu}").is_err());
    /// # Ok::<(), ecosystem_audit::InvalidJson>(())
    /// ```
    pub fn json(text: impl Into<String>) -> Result<Self, InvalidJson> {
        let text = text.into();
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(_) => Ok(Self::Json(text)),
            Err(e) => Err(InvalidJson { message: e.to_string(), line: e.line(), column: e.column() }),
        }
    }

    /// The same value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Text(text) => ValueRef::Text(text),
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Bool(flag) => ValueRef::Bool(*flag),
            Self::Json(text) => ValueRef::Json(text),
            Self::Bytes(bytes) => ValueRef::Bytes(bytes),
            Self::Commitment(hash) => ValueRef::Commitment(*hash),
            Self::Sealed(bytes) => ValueRef::Sealed(bytes),
        }
    }

    /// The text, if this is [`Value::Text`] or [`Value::Json`].
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Json(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

/// A [`Value`] that borrows from the stored bytes of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ValueRef<'a> {
    /// Plain text.
    Text(&'a str),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Bool(bool),
    /// JSON text kept byte for byte.
    Json(&'a str),
    /// Anything else.
    Bytes(&'a [u8]),
    /// A salted commitment.
    Commitment(Hash),
    /// A sealed payload.
    Sealed(&'a [u8]),
}

impl<'a> ValueRef<'a> {
    /// The same value, owned.
    pub fn to_value(self) -> Value {
        match self {
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Integer(number) => Value::Integer(number),
            Self::Bool(flag) => Value::Bool(flag),
            Self::Json(text) => Value::Json(text.to_owned()),
            Self::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            Self::Commitment(hash) => Value::Commitment(hash),
            Self::Sealed(bytes) => Value::Sealed(bytes.to_vec()),
        }
    }

    /// The text, if this is [`ValueRef::Text`] or [`ValueRef::Json`].
    pub fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) | Self::Json(text) => Some(text),
            _ => None,
        }
    }
}

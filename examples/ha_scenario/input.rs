//! Fields of the input file, with errors that name the place.

use serde_json::Value;
use std::io::Read as _;

/// A JSON file, plain or .gz.
pub(crate) fn read(path: &str) -> Result<Value, String> {
    let mut bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        let unpacked = flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text);
        unpacked.map_err(|error| format!("cannot be unpacked: {error}"))?;
        bytes = text;
    }
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// Text, number and list fields with an error that names the place.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key].as_str().ok_or_else(|| format!("`{key}` is {} in {value}, expected a text", value[key]))
}

/// A text that may be missing.
pub(crate) fn optional_text<'a>(value: &'a Value, key: &str, default: &'a str) -> Result<&'a str, String> {
    if value[key].is_null() { Ok(default) } else { text(value, key) }
}

pub(crate) fn number(value: &Value, key: &str, default: u64) -> Result<u64, String> {
    match &value[key] {
        Value::Null => Ok(default),
        other => other.as_u64().ok_or_else(|| format!("`{key}` is {other}, expected a whole number")),
    }
}

/// A list that may be missing.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    match &value[key] {
        Value::Null => Ok(&[]),
        Value::Array(list) => Ok(list),
        other => Err(format!("`{key}` is {other}, expected a list")),
    }
}

/// Seconds, which may have a fraction, in milliseconds.
pub(crate) fn millis(value: &Value, key: &str, default: u64) -> Result<u64, String> {
    match &value[key] {
        Value::Null => Ok(default),
        other => {
            let found = other.as_f64().map(|s| s * 1_000.0).filter(|ms| (0.0..=UNTIL_MAX_MS).contains(ms));
            let found =
                found.ok_or_else(|| format!("`{key}` is {other}, expected seconds from 0 to 604800"))?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just here")]
            Ok(found.round() as u64)
        }
    }
}

/// A week.
const UNTIL_MAX_MS: f64 = 604_800_000.0;

/// Whether a service shall run.
pub(crate) fn started(value: &Value) -> Result<bool, String> {
    match value["state"].as_str() {
        None if value["state"].is_null() => Ok(true),
        Some("started") => Ok(true),
        Some("stopped" | "disabled") => Ok(false),
        _ => Err(format!("`state` is {}, expected `started`, `stopped` or `disabled`", value["state"])),
    }
}

pub(crate) fn id<T: std::str::FromStr>(name: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    name.parse().map_err(|error: T::Err| error.to_string())
}

/// A switch that may be missing.
pub(crate) fn flag(value: &Value, key: &str, default: bool) -> Result<bool, String> {
    match &value[key] {
        Value::Null => Ok(default),
        Value::Bool(on) => Ok(*on),
        other => Err(format!("`{key}` is {other}, expected true or false")),
    }
}

/// What becomes of services whose host is shut down or rebooted, as in Proxmox HA.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Policy {
    /// Freeze on a reboot, fail over on a shutdown.
    Conditional,
    /// They stop with their host and wait for it.
    Freeze,
    /// They stop with their host and start elsewhere unless it is back at once.
    Failover,
    /// They leave first, the host goes when it is empty, and they come back with it.
    Migrate,
}

/// The policy of an event, or else of the file.
pub(crate) fn policy(event: &Value, file: &Value) -> Result<Policy, String> {
    let named = [&event["policy"], &file["shutdown_policy"]].into_iter().find(|value| !value.is_null());
    match named.map(|value| (value.as_str(), value)) {
        None | Some((Some("conditional"), _)) => Ok(Policy::Conditional),
        Some((Some("freeze"), _)) => Ok(Policy::Freeze),
        Some((Some("failover"), _)) => Ok(Policy::Failover),
        Some((Some("migrate"), _)) => Ok(Policy::Migrate),
        Some((_, other)) => Err(format!(
            "shutdown policy is {other}, expected `conditional`, `freeze`, `failover` or `migrate`"
        )),
    }
}

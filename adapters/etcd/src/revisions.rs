//! Revisions of the map that several controllers share.

use crate::gateway::{Gateway, Swapped};
use crate::{EtcdError, leader_key};
use ecosystem_core::export::json;
use ecosystem_core::{Ecosystem, Epoch, Timestamp};
use serde_json::{Value, json as value};
use std::time::Duration;

/// Largest revision in bytes of JSON: etcd takes requests of 1.5 MiB, and what travels is a third longer.
pub const REVISION_MAX: usize = 1 << 20;

/// Revisions in one answer: a reader that is far behind catches up in several.
const AT_ONCE: u64 = 4;

/// One revision.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SharedRevision {
    /// Number, from 0, without gaps.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub author: String,
    /// Why.
    pub message: String,
    /// The map.
    pub ecosystem: Ecosystem,
}

/// What is to become the next revision.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "arguments by name")]
pub struct Proposal<'a> {
    /// Number of the revision that it was made from; `None` if it is the first.
    pub after: Option<u64>,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub author: &'a str,
    /// Why.
    pub message: &'a str,
    /// The map.
    pub ecosystem: &'a Ecosystem,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "it is the newest, or it is not")]
pub enum Published {
    /// It is the revision of this number now.
    Done {
        /// The number.
        number: u64,
    },
    /// Nothing was changed: another revision came first, or whoever proposed does not lead any more.
    Refused {
        /// The newest revision; `None` if there is none.
        newest: Option<u64>,
    },
}

/// The revisions of one map.
///
/// Each is a key of its own, and one more key names the newest. A proposal names the revision it was made from and becomes
/// the next one only if that is still the newest (compare-and-swap in one transaction), so that nobody overwrites what they
/// have not seen. Readers ask for what is [newer](Self::newer_than) than what they have.
///
/// A proposal whose answer was lost can be made again: if it is already there, that is success.
#[derive(Debug)]
pub struct Revisions {
    gateway: Gateway,
    prefix: String,
    guard: Option<(String, Epoch)>,
}

impl Revisions {
    /// The revisions of the map `name`. `timeout` is for one request to one server.
    pub fn new<S: Into<String>>(servers: impl IntoIterator<Item = S>, name: &str, timeout: Duration) -> Self {
        let servers = servers.into_iter().map(Into::into).collect();
        Self {
            gateway: Gateway::new(servers, timeout),
            prefix: format!("ecosystem/maps/{name}/"),
            guard: None,
        }
    }

    /// Only as long as the leader of this shard has this token is anything published.
    #[must_use]
    pub fn led_by(mut self, shard: &str, epoch: Epoch) -> Self {
        self.guard = Some((leader_key(shard), epoch));
        self
    }

    /// Number of the newest revision; `None` if there is none.
    pub fn newest(&mut self) -> Result<Option<u64>, EtcdError> {
        let key = self.head_key();
        self.gateway.get(&key)?.map(|text| number(&text)).transpose()
    }

    /// A revision by number; `None` if it is not there.
    pub fn get(&mut self, number: u64) -> Result<Option<SharedRevision>, EtcdError> {
        let key = self.key(number);
        self.gateway.get(&key)?.map(|text| read(number, &text)).transpose()
    }

    /// Some of the revisions with higher numbers, oldest first; all if `number` is `None`. Nothing = there is none yet. Call
    /// it again from the last one until then.
    pub fn newer_than(&mut self, number: Option<u64>) -> Result<Vec<SharedRevision>, EtcdError> {
        let first = number.map_or(0, |it| it.saturating_add(1));
        let (from, to) = (self.key(first), format!("{}rev0", self.prefix));
        let mut found = Vec::new();
        for (key, text) in self.gateway.range(&from, &to, AT_ONCE)? {
            let digits = key.rsplit('/').next().unwrap_or_default();
            found.push(read(self::number(digits)?, &text)?);
        }
        Ok(found)
    }

    /// Makes a proposal the newest revision, if the one it was made from still is.
    pub fn publish(&mut self, proposal: &Proposal<'_>) -> Result<Published, EtcdError> {
        let number = proposal.after.map_or(0, |it| it.saturating_add(1));
        let text = value!({
            "at_unix_ms": proposal.at.as_unix_ms(),
            "author": proposal.author,
            "message": proposal.message,
            "map": json::map(proposal.ecosystem),
        })
        .to_string();
        if text.len() > REVISION_MAX {
            return Err(EtcdError::TooLarge { bytes: text.len(), most: REVISION_MAX });
        }
        let (head, key) = (self.head_key(), self.key(number));
        let before = proposal.after.map(|it| it.to_string());
        let puts = [(head.as_str(), number.to_string()), (key.as_str(), text.clone())];
        let guard = self.guard.as_ref().map(|(key, epoch)| (key.as_str(), *epoch));
        match self.gateway.swap(&head, before.as_deref(), &puts, guard)? {
            Swapped::Done => Ok(Published::Done { number }),
            // Ours, of an attempt whose answer did not arrive.
            Swapped::Refused { .. } if self.gateway.get(&key)?.as_ref() == Some(&text) => {
                Ok(Published::Done { number })
            }
            Swapped::Refused { found } => {
                let newest = found.map(|it| self::number(&it)).transpose()?;
                Ok(Published::Refused { newest })
            }
        }
    }

    fn head_key(&self) -> String {
        format!("{}newest", self.prefix)
    }

    /// Sorted as texts as they are as numbers.
    fn key(&self, number: u64) -> String {
        format!("{}rev/{number:020}", self.prefix)
    }
}

fn garbage(what: impl Into<String>) -> EtcdError {
    EtcdError::Garbage { what: what.into() }
}

fn number(text: &str) -> Result<u64, EtcdError> {
    text.parse().map_err(|_| garbage(format!("expected the number of a revision, found `{text}`")))
}

fn read(number: u64, text: &str) -> Result<SharedRevision, EtcdError> {
    let bad = |what: &str| garbage(format!("revision {number}: {what}"));
    let value: Value = serde_json::from_str(text).map_err(|e| bad(&e.to_string()))?;
    let word = |name: &str| value[name].as_str().map(str::to_owned).ok_or_else(|| bad(&format!("no {name}")));
    let at = value["at_unix_ms"].as_u64().ok_or_else(|| bad("no at_unix_ms"))?;
    Ok(SharedRevision {
        number,
        at: Timestamp::from_unix_ms(at),
        author: word("author")?,
        message: word("message")?,
        ecosystem: json::parse_map(&word("map")?).map_err(|e| bad(&e.to_string()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_wrote_there_is_an_error_that_names_the_revision() {
        for text in ["", "{}", "{\"at_unix_ms\":1,\"author\":\"a\",\"message\":\"m\",\"map\":\"[]\"}"] {
            let error = read(7, text).unwrap_err().to_string();
            assert!(error.contains("revision 7"), "{error}");
        }
        assert!(number("-1").is_err());
    }
}

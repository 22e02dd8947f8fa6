//! What is acknowledged leaves a trace outside of the controller: nothing of it may be missing after the controller died.
//!
//! Journal and audit log say the number and a digest of everything that became durable, on the controller's output, which
//! survives it in the pipe. [`Acknowledged`] collects that, and [`Acknowledged::missing`] holds the store against it.

use crate::keep::{Keep, KeepError, KeptAudit, KeptJournal};
use crate::{say, unix_ms};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use vm_ecosystem::audit::{Draft, Log, Receipt, sha256};
use vm_ecosystem::prelude::*;

/// A journal that says what is durable.
#[derive(Debug)]
pub struct WitnessedJournal {
    inner: KeptJournal,
    // Number of the next record.
    next: u64,
    unsynced: Vec<(u64, String)>,
}

impl WitnessedJournal {
    /// Around a journal that holds `records` records.
    pub const fn new(inner: KeptJournal, records: u64) -> Self {
        Self { inner, next: records, unsynced: Vec::new() }
    }
}

impl Journal for WitnessedJournal {
    type Error = KeepError;

    fn append(&mut self, record: &[u8]) -> Result<(), KeepError> {
        self.inner.append(record)?;
        self.unsynced.push((self.next, sha256(record).to_hex()));
        self.next += 1;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), KeepError> {
        self.inner.sync()?;
        if !self.unsynced.is_empty() {
            say(&json!({"at": unix_ms(), "journal": std::mem::take(&mut self.unsynced)}));
        }
        Ok(())
    }

    fn read_all(&mut self) -> Result<Vec<Vec<u8>>, KeepError> {
        self.inner.read_all()
    }
}

/// An audit log that says what is durable.
#[derive(Debug)]
pub struct WitnessedAudit(pub KeptAudit);

impl AuditSink for WitnessedAudit {
    type Error = KeepError;

    fn append(&mut self, draft: &Draft) -> Result<Receipt, KeepError> {
        let receipt = self.0.append(draft)?;
        say(&json!({"at": unix_ms(), "audit": receipt.seq, "leaf": receipt.leaf_hash.to_hex()}));
        Ok(receipt)
    }
}

/// Everything that controllers said was durable.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    journal: BTreeMap<u64, String>,
    audit: BTreeMap<u64, String>,
    // Numbers that were given out for two different things.
    contradictions: u64,
}

impl Acknowledged {
    /// Takes in a line of a controller; false if it is about something else.
    pub fn take_in(&mut self, line: &Value) -> bool {
        let mut note = |map: fn(&mut Self) -> &mut BTreeMap<u64, String>, number: u64, digest: &str| {
            let before = map(self).insert(number, digest.to_owned());
            self.contradictions += u64::from(before.is_some_and(|it| it != digest));
        };
        if let Some(records) = line["journal"].as_array() {
            for record in records {
                note(
                    |it| &mut it.journal,
                    record[0].as_u64().unwrap_or(u64::MAX),
                    record[1].as_str().unwrap_or_default(),
                );
            }
            return true;
        }
        if let (Some(number), Some(digest)) = (line["audit"].as_u64(), line["leaf"].as_str()) {
            note(|it| &mut it.audit, number, digest);
            return true;
        }
        false
    }

    /// Numbers of journal records and audit entries that were acknowledged.
    pub fn counts(&self) -> (usize, usize) {
        (self.journal.len(), self.audit.len())
    }

    /// What was acknowledged and is not there, or differs.
    pub fn missing(&self, store: &Keep) -> Result<u64, KeepError> {
        let records = store.journal().read_all()?;
        let segments = store.audit()?.segments()?;
        let (log, _) = Log::open(segments.iter().map(Vec::as_slice));
        let record = |number: u64| records.get(usize::try_from(number).ok()?).map(|it| sha256(it).to_hex());
        let leaf = |number: u64| log.tree().leaf(number).map(|it| it.to_hex());
        let lost = |all: &BTreeMap<u64, String>, there: &dyn Fn(u64) -> Option<String>| {
            all.iter().filter(|(number, digest)| there(**number).as_ref() != Some(*digest)).count() as u64
        };
        Ok(self.contradictions + lost(&self.journal, &record) + lost(&self.audit, &leaf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecosystem_store::{Durability, Store};

    #[test]
    fn what_was_acknowledged_and_is_not_in_the_store_is_missing() {
        let dir = std::env::temp_dir().join(format!("witness-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Keep::File(Store::open(dir.join("store.db"), Durability::OnSync).unwrap());
        let mut journal = store.journal();
        journal.append(b"one").unwrap();
        journal.sync().unwrap();
        let receipt = store.audit().unwrap().append(&Draft::new(1, "a", "b", "c")).unwrap();
        let mut heard = Acknowledged::default();
        assert!(heard.take_in(&json!({"journal": [[0, sha256(b"one").to_hex()]]})));
        assert!(heard.take_in(&json!({"audit": receipt.seq, "leaf": receipt.leaf_hash.to_hex()})));
        assert!(!heard.take_in(&json!({"note": "something else"})));
        assert_eq!(heard.missing(&store).unwrap(), 0);
        // A record that never came, an entry of another content, and a number used twice.
        heard.take_in(&json!({"journal": [[1, sha256(b"two").to_hex()]]}));
        heard.take_in(&json!({"audit": 0, "leaf": sha256(b"other").to_hex()}));
        assert_eq!(heard.missing(&store).unwrap(), 3);
        drop(store);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

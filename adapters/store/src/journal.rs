//! The engine's journal.

use crate::{Durability, Store, StoreError};
use ecosystem_core::Journal;

/// The journal of a store.
#[derive(Debug)]
pub struct StoreJournal {
    store: Store,
}

impl StoreJournal {
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Number of records.
    pub fn len(&self) -> Result<u64, StoreError> {
        let count: i64 =
            self.store.inner().db.query_row("SELECT count(*) FROM journal", [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// True if there is no record.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }

    /// Puts these records in place of all that are there, at once and durably: after a snapshot of the engine its old
    /// records are of no use any more.
    pub fn replace<B: AsRef<[u8]>>(&mut self, records: &[B]) -> Result<(), StoreError> {
        let mut inner = self.store.inner();
        inner.begin()?;
        inner.db.execute("DELETE FROM journal", [])?;
        {
            let mut insert = inner.db.prepare("INSERT INTO journal (record) VALUES (?1)")?;
            for record in records {
                insert.execute([record.as_ref()])?;
            }
        }
        inner.commit()
    }
}

impl Journal for StoreJournal {
    type Error = StoreError;

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        let mut inner = self.store.inner();
        inner.begin()?;
        inner.db.prepare("INSERT INTO journal (record) VALUES (?1)")?.execute([record])?;
        inner.pending += 1;
        match self.store.durability() {
            Durability::EachRecord => inner.commit(),
            Durability::Group(size) if inner.pending >= size.get() => inner.commit(),
            _ => Ok(()),
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.store.inner().commit()
    }

    fn read_all(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        let inner = self.store.inner();
        let mut select = inner.db.prepare("SELECT record FROM journal ORDER BY seq")?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

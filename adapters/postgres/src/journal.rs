//! The engine's journal.

use crate::session::Session;
use crate::{Durability, Store, StoreError, signed};
use ecosystem_core::Journal;
use postgres::Transaction;

/// Most records and bytes that wait for a commit; more are written before anyone asks.
const MOST_RECORDS: usize = 1_024;
const MOST_BYTES: usize = 1 << 20;
/// Largest record; the server's limit for a value is 1 GB, for a statement a little more.
const LARGEST: usize = 256 << 20;

/// Records that are not durable yet, with their numbers.
#[derive(Debug)]
pub(crate) struct Pending {
    next: i64,
    numbers: Vec<i64>,
    records: Vec<Vec<u8>>,
    bytes: usize,
    // First number of a replacement whose outcome is not known.
    doubt: Option<i64>,
}

impl Pending {
    pub(crate) fn load(session: &mut Session) -> Result<Self, StoreError> {
        let next = session.transaction(|t| {
            let row = t.query_one("SELECT coalesce(max(seq), 0) + 1 FROM journal", &[]);
            Ok(row.map_err(StoreError::Database)?.get(0))
        })?;
        Ok(Self { next, numbers: Vec::new(), records: Vec::new(), bytes: 0, doubt: None })
    }

    fn push(&mut self, record: &[u8]) {
        self.numbers.push(self.next);
        self.records.push(record.to_vec());
        self.bytes += record.len();
        self.next += 1;
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.records.clear();
        self.bytes = 0;
    }

    const fn is_full(&self) -> bool {
        self.records.len() >= MOST_RECORDS || self.bytes >= MOST_BYTES
    }

    /// Finds out whether a replacement that ended with an error happened: if so, what waits is of no use any more.
    fn settle(&mut self, session: &mut Session) -> Result<(), StoreError> {
        let Some(first) = self.doubt else { return Ok(()) };
        let newest: Option<i64> = session.transaction(|t| {
            let row = t.query_one("SELECT max(seq) FROM journal WHERE seq >= $1", &[&first]);
            Ok(row.map_err(StoreError::Database)?.get(0))
        })?;
        if let Some(newest) = newest {
            self.clear();
            self.next = newest + 1;
        }
        self.doubt = None;
        Ok(())
    }

    /// Makes them durable; they stay if that fails.
    fn commit(&mut self, session: &mut Session) -> Result<(), StoreError> {
        self.settle(session)?;
        if !self.records.is_empty() {
            session.transaction(|t| insert(t, &self.numbers, &self.records))?;
            self.clear();
        }
        Ok(())
    }
}

/// Puts records under their numbers; those that an earlier attempt put there must be the same.
fn insert(t: &mut Transaction<'_>, numbers: &[i64], records: &[Vec<u8>]) -> Result<(), StoreError> {
    let inserted = t
        .execute(
            "INSERT INTO journal SELECT * FROM unnest($1::bigint[], $2::bytea[]) ON CONFLICT DO NOTHING",
            &[&numbers, &records],
        )
        .map_err(StoreError::Database)?;
    if inserted == numbers.len() as u64 {
        return Ok(());
    }
    let row = t
        .query_one(
            "SELECT count(*) FROM journal JOIN unnest($1::bigint[], $2::bytea[]) AS ours(seq, record)
             USING (seq, record)",
            &[&numbers, &records],
        )
        .map_err(StoreError::Database)?;
    if row.get::<_, i64>(0) == signed(numbers.len() as u64) {
        return Ok(());
    }
    let why = "other records under the numbers of ours".to_owned();
    Err(StoreError::Damaged { what: "journal", why })
}

/// The journal of a store.
#[derive(Debug)]
pub struct StoreJournal {
    store: Store,
}

impl StoreJournal {
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Number of records, those that are not durable yet included.
    pub fn len(&self) -> Result<u64, StoreError> {
        let mut inner = self.store.inner();
        let inner = &mut *inner;
        inner.pending.settle(&mut inner.session)?;
        let count: i64 = inner.session.transaction(|t| {
            let row = t.query_one("SELECT count(*) FROM journal", &[]);
            Ok(row.map_err(StoreError::Database)?.get(0))
        })?;
        Ok(count.unsigned_abs() + inner.pending.records.len() as u64)
    }

    /// True if there is no record.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }

    /// Puts these records in place of all that are there, at once and durably: after a snapshot of the engine its old
    /// records are of no use any more.
    pub fn replace<B: AsRef<[u8]>>(&mut self, records: &[B]) -> Result<(), StoreError> {
        for record in records {
            check_size(record.as_ref())?;
        }
        let mut inner = self.store.inner();
        let inner = &mut *inner;
        inner.pending.settle(&mut inner.session)?;
        let first = inner.pending.next;
        let records: Vec<Vec<u8>> = records.iter().map(|r| r.as_ref().to_vec()).collect();
        let numbers: Vec<i64> = (first..).take(records.len()).collect();
        inner.pending.doubt = Some(first);
        inner.session.transaction(|t| {
            t.execute("DELETE FROM journal WHERE seq < $1", &[&first]).map_err(StoreError::Database)?;
            insert(t, &numbers, &records)
        })?;
        inner.pending.doubt = None;
        // What waited is among the old ones.
        inner.pending.clear();
        inner.pending.next = first + signed(records.len() as u64);
        Ok(())
    }
}

fn check_size(record: &[u8]) -> Result<(), StoreError> {
    if record.len() > LARGEST {
        return Err(StoreError::TooLarge { bytes: record.len(), most: LARGEST });
    }
    Ok(())
}

impl Journal for StoreJournal {
    type Error = StoreError;

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        check_size(record)?;
        let mut inner = self.store.inner();
        let inner = &mut *inner;
        inner.pending.settle(&mut inner.session)?;
        if inner.pending.is_full() {
            inner.pending.commit(&mut inner.session)?;
        }
        inner.pending.push(record);
        let waiting = inner.pending.records.len();
        let due = match self.store.durability() {
            Durability::EachRecord => true,
            Durability::Group(size) => waiting >= usize::try_from(size.get()).unwrap_or(usize::MAX),
            Durability::OnSync => false,
        };
        if due { inner.pending.commit(&mut inner.session) } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let mut inner = self.store.inner();
        let inner = &mut *inner;
        inner.pending.commit(&mut inner.session)
    }

    /// All records; those that wait become durable first.
    fn read_all(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.sync()?;
        self.store.inner().session.transaction(|t| {
            let rows =
                t.query("SELECT record FROM journal ORDER BY seq", &[]).map_err(StoreError::Database)?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }
}

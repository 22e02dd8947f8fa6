//! Where the engine's journal goes when a host wants to survive its own crash.

/// An append-only list of records that outlives the process.
///
/// What was appended before a `sync` that returned `Ok` is there afterwards, in order, whatever happens to the
/// process. What was appended later may be missing, but never out of order or in part.
pub trait Journal {
    /// What goes wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Adds one record at the end.
    fn append(&mut self, record: &[u8]) -> Result<(), Self::Error>;

    /// Makes everything appended so far durable.
    fn sync(&mut self) -> Result<(), Self::Error>;

    /// All records in the order of appending; a torn last record is left out.
    fn read_all(&mut self) -> Result<Vec<Vec<u8>>, Self::Error>;
}

/// A journal in memory, for tests and for hosts that accept to forget.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MemoryJournal {
    records: Vec<Vec<u8>>,
}

impl MemoryJournal {
    /// An empty journal.
    pub const fn new() -> Self {
        Self { records: Vec::new() }
    }
}

impl Journal for MemoryJournal {
    type Error = std::convert::Infallible;

    fn append(&mut self, record: &[u8]) -> Result<(), Self::Error> {
        self.records.push(record.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn read_all(&mut self) -> Result<Vec<Vec<u8>>, Self::Error> {
        Ok(self.records.clone())
    }
}

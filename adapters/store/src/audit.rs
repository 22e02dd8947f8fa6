//! The audit log: the frames of its segments, one row per entry.

use crate::{Store, StoreError};
use ecosystem_audit::verify::{Head, Report, verify_segments_against};
use ecosystem_audit::{Draft, Receipt, State, Writer};
use rusqlite::OptionalExtension;
use vm_ecosystem::driver::AuditSink;

/// Entries after which a new segment begins: at some hundred bytes each, tens of megabytes.
const SEGMENT_ENTRIES: u32 = 65_536;

/// The audit log of a store.
#[derive(Debug)]
pub struct StoreAudit {
    store: Store,
    writer: Writer,
    segment: i64,
    // Entries of the current segment; 0 = its header is still to be written.
    in_segment: u32,
}

impl StoreAudit {
    pub(crate) fn new(store: Store) -> Result<Self, StoreError> {
        let row = store
            .inner()
            .db
            .query_row("SELECT segment, in_segment, state FROM audit_state", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
            })
            .optional()?;
        let Some((segment, in_segment, bytes)) = row else {
            return Ok(Self { store, writer: Writer::new(), segment: 0, in_segment: 0 });
        };
        let damaged = |why: String| StoreError::Damaged { what: "state of the audit log", why };
        let state = State::from_bytes(&bytes).map_err(|e| damaged(e.to_string()))?;
        Ok(Self { store, writer: Writer::resume(state), segment, in_segment })
    }

    /// Number of entries.
    pub const fn size(&self) -> u64 {
        self.writer.size()
    }

    /// Size and root, to be kept elsewhere and held against the log later.
    pub fn head(&self) -> Head {
        Head { size: self.writer.size(), root: self.writer.root() }
    }

    /// The stored segments, oldest first.
    pub fn segments(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let inner = self.store.inner();
        let mut select = inner.db.prepare("SELECT segment, bytes FROM audit ORDER BY seq")?;
        let mut rows = select.query([])?;
        let mut segments: Vec<Vec<u8>> = Vec::new();
        let mut last = None;
        while let Some(row) = rows.next()? {
            let segment: i64 = row.get(0)?;
            if last != Some(segment) {
                segments.push(Vec::new());
                last = Some(segment);
            }
            let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            if let Some(current) = segments.last_mut() {
                current.extend_from_slice(bytes);
            }
        }
        Ok(segments)
    }

    /// Holds everything that is stored against the writer's own head, with the independent verifier.
    pub fn verify(&self) -> Result<Report, StoreError> {
        let segments = self.segments()?;
        Ok(verify_segments_against(segments.iter().map(Vec::as_slice), &[self.head()]))
    }

    fn write(&mut self, draft: &Draft, writer: &mut Writer) -> Result<Receipt, StoreError> {
        let mut bytes = Vec::new();
        let full = self.in_segment >= SEGMENT_ENTRIES;
        if full {
            writer.end_segment(&mut bytes);
        }
        let end = std::mem::take(&mut bytes);
        if full || self.in_segment == 0 {
            writer.begin_segment(&mut bytes);
        }
        let receipt = writer.append(draft, &mut bytes)?;
        let mut inner = self.store.inner();
        inner.begin()?;
        let (segment, in_segment) =
            if full { (self.segment + 1, 1) } else { (self.segment, self.in_segment + 1) };
        if full {
            // The end of a segment belongs to its last row.
            inner.db.execute(
                "UPDATE audit SET bytes = bytes || ?1 WHERE seq = (SELECT max(seq) FROM audit)",
                [end],
            )?;
        }
        let seq = i64::try_from(receipt.seq).unwrap_or(i64::MAX);
        inner.db.prepare("INSERT INTO audit VALUES (?1, ?2, ?3)")?.execute((seq, segment, bytes))?;
        inner.db.prepare("INSERT OR REPLACE INTO audit_state VALUES (1, ?1, ?2, ?3)")?.execute((
            segment,
            in_segment,
            writer.state().to_bytes(),
        ))?;
        inner.commit()?;
        drop(inner);
        (self.segment, self.in_segment) = (segment, in_segment);
        Ok(receipt)
    }
}

impl AuditSink for StoreAudit {
    type Error = StoreError;

    fn append(&mut self, draft: &Draft) -> Result<Receipt, StoreError> {
        // Only what is durable moves the writer on.
        let mut writer = self.writer.clone();
        let receipt = self.write(draft, &mut writer)?;
        self.writer = writer;
        Ok(receipt)
    }
}

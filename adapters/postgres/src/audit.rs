//! The audit log: the frames of its segments, one row per entry.

use crate::{Store, StoreError, signed};
use ecosystem_audit::verify::{Head, Report, verify_segments_against};
use ecosystem_audit::{Draft, Receipt, State, Writer};
use vm_ecosystem::driver::AuditSink;

/// Entries after which a new segment begins: at some hundred bytes each, tens of megabytes.
const SEGMENT_ENTRIES: i64 = 65_536;

/// The audit log of a store.
#[derive(Debug)]
pub struct StoreAudit {
    store: Store,
    writer: Writer,
    segment: i64,
    // Entries of the current segment; 0 = its header is still to be written.
    in_segment: i64,
}

impl StoreAudit {
    pub(crate) fn new(store: Store) -> Result<Self, StoreError> {
        let row = store.inner().session.transaction(|t| {
            t.query_opt("SELECT segment, in_segment, state FROM audit_state", &[])
                .map_err(StoreError::Database)
        })?;
        let Some(row) = row else {
            return Ok(Self { store, writer: Writer::new(), segment: 0, in_segment: 0 });
        };
        let damaged = |why: String| StoreError::Damaged { what: "state of the audit log", why };
        let state = State::from_bytes(row.get(2)).map_err(|e| damaged(e.to_string()))?;
        Ok(Self { store, writer: Writer::resume(state), segment: row.get(0), in_segment: row.get(1) })
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
        self.store.inner().session.transaction(|t| {
            let rows = t
                .query("SELECT segment, bytes, ending FROM audit ORDER BY seq", &[])
                .map_err(StoreError::Database)?;
            let mut segments: Vec<Vec<u8>> = Vec::new();
            let mut last = None;
            for row in rows {
                let segment: i64 = row.get(0);
                if last != Some(segment) {
                    segments.push(Vec::new());
                    last = Some(segment);
                }
                if let Some(current) = segments.last_mut() {
                    current.extend_from_slice(row.get(1));
                    current.extend_from_slice(row.get::<_, Option<&[u8]>>(2).unwrap_or(&[]));
                }
            }
            Ok(segments)
        })
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
        let (segment, in_segment) =
            if full { (self.segment + 1, 1) } else { (self.segment, self.in_segment + 1) };
        let (seq, state) = (signed(receipt.seq), writer.state().to_bytes());
        // Twice has the effect of once: each statement says what is to be, not what is to be added. An entry under this
        // number is of an earlier attempt that was given up: nobody was told that it is there.
        self.store.inner().session.transaction(|t| {
            if full {
                // The end of a segment belongs to its last row.
                t.execute("UPDATE audit SET ending = $1 WHERE seq = $2", &[&end, &(seq - 1)])
                    .map_err(StoreError::Database)?;
            }
            t.execute(
                "INSERT INTO audit (seq, segment, bytes) VALUES ($1, $2, $3)
                 ON CONFLICT (seq) DO UPDATE SET segment = $2, bytes = $3, ending = NULL",
                &[&seq, &segment, &bytes],
            )
            .map_err(StoreError::Database)?;
            t.execute(
                "INSERT INTO audit_state VALUES (1, $1, $2, $3) ON CONFLICT (one)
                 DO UPDATE SET segment = $1, in_segment = $2, state = $3",
                &[&segment, &in_segment, &state],
            )
            .map_err(StoreError::Database)?;
            Ok(())
        })?;
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

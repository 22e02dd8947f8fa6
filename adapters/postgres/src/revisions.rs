//! Revisions of the map.

use crate::{Store, StoreError, signed};
use ecosystem_core::export::json;
use ecosystem_core::{History, Revision, Timestamp};

impl Store {
    /// Keeps a revision durably; one that is there already stays as it is.
    pub fn record_revision(&self, revision: &Revision) -> Result<(), StoreError> {
        let (number, at) = (signed(revision.number), signed(revision.at.as_unix_ms()));
        let map = json::map(&revision.ecosystem);
        self.inner().session.transaction(|t| {
            t.execute(
                "INSERT INTO revisions VALUES ($1, $2, $3, $4, $5) ON CONFLICT (number) DO NOTHING",
                &[&number, &at, &&*revision.author, &&*revision.message, &map],
            )
            .map_err(StoreError::Database)?;
            Ok(())
        })
    }

    /// All revisions as a history; `None` if there is none.
    pub fn history(&self) -> Result<Option<History>, StoreError> {
        let rows = self.inner().session.transaction(|t| {
            t.query("SELECT at_unix_ms, author, message, map FROM revisions ORDER BY number", &[])
                .map_err(StoreError::Database)
        })?;
        let damaged = |why: String| StoreError::Damaged { what: "revision", why };
        let mut history: Option<History> = None;
        for row in rows {
            let at = Timestamp::from_unix_ms(row.get::<_, i64>(0).unsigned_abs());
            let (author, message): (String, String) = (row.get(1), row.get(2));
            let map = json::parse_map(row.get(3)).map_err(|e| damaged(e.to_string()))?;
            match &mut history {
                None => history = Some(History::new(map, at, author)),
                Some(history) => {
                    history.record(map, at, author, message).map_err(|e| damaged(e.to_string()))?;
                }
            }
        }
        Ok(history)
    }
}

//! Revisions of the map.

use crate::{Store, StoreError};
use ecosystem_core::export::json;
use ecosystem_core::{History, Revision, Timestamp};

impl Store {
    /// Keeps a revision durably; one that is there already stays as it is.
    pub fn record_revision(&self, revision: &Revision) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.begin()?;
        inner.db.execute(
            "INSERT OR IGNORE INTO revisions VALUES (?1, ?2, ?3, ?4, ?5)",
            (
                signed(revision.number),
                signed(revision.at.as_unix_ms()),
                &*revision.author,
                &*revision.message,
                json::map(&revision.ecosystem),
            ),
        )?;
        inner.commit()
    }

    /// All revisions as a history; `None` if there is none.
    pub fn history(&self) -> Result<Option<History>, StoreError> {
        let damaged = |why: String| StoreError::Damaged { what: "revision", why };
        let inner = self.inner();
        let mut select =
            inner.db.prepare("SELECT at_unix_ms, author, message, map FROM revisions ORDER BY number")?;
        let mut rows = select.query([])?;
        let mut history: Option<History> = None;
        while let Some(row) = rows.next()? {
            let at = Timestamp::from_unix_ms(row.get::<_, i64>(0)?.unsigned_abs());
            let (author, message): (String, String) = (row.get(1)?, row.get(2)?);
            let map = json::parse_map(&row.get::<_, String>(3)?).map_err(|e| damaged(e.to_string()))?;
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

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! The tables, and the steps from each version of them to the next.

use crate::StoreError;
use rusqlite::Connection;

/// Step `n` leads from version `n` to version `n + 1`. Steps are never changed, only added.
const STEPS: [&str; 2] = [
    "CREATE TABLE journal (seq INTEGER PRIMARY KEY, record BLOB NOT NULL);
     CREATE TABLE audit (seq INTEGER PRIMARY KEY, segment INTEGER NOT NULL, bytes BLOB NOT NULL);
     CREATE TABLE audit_state (one INTEGER PRIMARY KEY CHECK (one = 1), segment INTEGER NOT NULL,
                               in_segment INTEGER NOT NULL, state BLOB NOT NULL);",
    "CREATE TABLE revisions (number INTEGER PRIMARY KEY, at_unix_ms INTEGER NOT NULL, author TEXT NOT NULL,
                             message TEXT NOT NULL, map TEXT NOT NULL);",
];

/// Brings the tables to the newest version, each step in a transaction of its own.
pub(crate) fn bring_up_to_date(db: &Connection) -> Result<(), StoreError> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known || found < 0 {
        return Err(StoreError::Newer { found, known });
    }
    for (version, step) in (1..).zip(STEPS).skip(usize::try_from(found).unwrap_or(0)) {
        db.execute_batch(&format!("BEGIN IMMEDIATE; {step} PRAGMA user_version={version}; COMMIT;"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_first_version_keeps_its_records_and_gets_the_new_tables() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(&format!("{} PRAGMA user_version=1;", STEPS[0])).unwrap();
        db.execute("INSERT INTO journal VALUES (1, x'0102')", []).unwrap();
        bring_up_to_date(&db).unwrap();
        bring_up_to_date(&db).unwrap();
        let count = |table: &str| -> i64 {
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count("journal"), count("revisions")), (1, 0));
    }

    #[test]
    fn a_newer_file_is_refused() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("PRAGMA user_version=9;").unwrap();
        let error = bring_up_to_date(&db).unwrap_err().to_string();
        assert!(error.contains("version 9, expected at most 2"), "{error}");
    }
}

//! The tables, and the steps from each version of them to the next.

use crate::StoreError;
use postgres::Client;

/// Step `n` leads from version `n` to version `n + 1`. Steps are never changed, only added.
pub(crate) const STEPS: [&str; 3] = [
    "CREATE TABLE journal (seq bigint PRIMARY KEY, record bytea NOT NULL);
     CREATE TABLE audit (seq bigint PRIMARY KEY, segment bigint NOT NULL, bytes bytea NOT NULL, ending bytea);
     CREATE TABLE audit_state (one integer PRIMARY KEY CHECK (one = 1), segment bigint NOT NULL,
                               in_segment bigint NOT NULL, state bytea NOT NULL);",
    "CREATE TABLE revisions (number bigint PRIMARY KEY, at_unix_ms bigint NOT NULL, author text NOT NULL,
                             message text NOT NULL, map text NOT NULL);",
    "ALTER TABLE store ADD COLUMN token bigint NOT NULL DEFAULT 0;",
];

/// Brings the tables of the session's schema to the newest version, each step in a transaction of its own. The caller holds the
/// lock of the store.
pub(crate) fn bring_up_to_date(client: &mut Client, schema: &str) -> Result<(), StoreError> {
    // A schema name has been checked: it needs no quotes that it could break.
    let exists = client
        .query_one("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", &[&schema])
        .map_err(StoreError::Database)?;
    if !exists.get::<_, bool>(0) {
        client.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).map_err(StoreError::Database)?;
    }
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS store (one integer PRIMARY KEY CHECK (one = 1), version bigint NOT NULL,
                                               opened bigint NOT NULL);
             INSERT INTO store VALUES (1, 0, 0) ON CONFLICT DO NOTHING;",
        )
        .map_err(StoreError::Database)?;
    let row = client.query_one("SELECT version FROM store", &[]).map_err(StoreError::Database)?;
    let (found, known): (i64, i64) = (row.get(0), i64::try_from(STEPS.len()).unwrap_or(i64::MAX));
    if found > known || found < 0 {
        return Err(StoreError::Newer { found, known });
    }
    for (version, step) in (1..).zip(STEPS).skip(usize::try_from(found).unwrap_or(0)) {
        client
            .batch_execute(&format!("BEGIN; {step} UPDATE store SET version = {version}; COMMIT;"))
            .map_err(StoreError::Database)?;
    }
    Ok(())
}

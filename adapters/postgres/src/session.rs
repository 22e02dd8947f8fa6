//! One connection that holds the lock, and what happens when it breaks.

use crate::{Flush, Settings, StoreError, schema, signed};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls, Transaction};
use std::time::{Duration, Instant};

/// Pause before the first new attempt; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Time for a server to notice that the process which held the lock is gone.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The session of a store: whoever can write on it holds the lock, for the server keeps both together.
pub(crate) struct Session {
    config: Config,
    settings: Settings,
    client: Option<Client>,
    opened: i64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("schema", &self.settings.schema)
            .field("connected", &self.client.is_some())
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Connects, takes the lock, brings the tables up to date and counts this opening.
    pub(crate) fn open(config: Config, settings: Settings) -> Result<Self, StoreError> {
        let mut session = Self { config, settings, client: None, opened: 0 };
        session.keep_trying(|session| {
            let mut client = session.connect()?;
            if let Some(token) = session.settings.token {
                session.take_over(&mut client, token)?;
            }
            session.lock(&mut client, LOCK_PATIENCE.min(session.settings.patience))?;
            schema::bring_up_to_date(&mut client, &session.settings.schema)?;
            session.opened = session.count_opening(&mut client)?;
            session.client = Some(client);
            Ok(())
        })?;
        Ok(session)
    }

    /// Ends the sessions that hold the lock for a lower token. What such a session was about to commit is committed or undone
    /// before the server gives its lock to us; whatever its process tries later ends with [`StoreError::TakenOver`].
    fn take_over(&self, client: &mut Client, token: u64) -> Result<(), StoreError> {
        let known =
            client.query_one("SELECT to_regclass('store') IS NOT NULL", &[]).map_err(StoreError::Database)?;
        // Without tables there is nobody to take over from; whoever is making them is waited for.
        if known.get::<_, bool>(0) {
            // An older program's tables know no token: nobody has a higher one.
            let row = client
                .query_one("SELECT coalesce((to_jsonb(store)->>'token')::bigint, 0) FROM store", &[])
                .map_err(StoreError::Database)?;
            let found: i64 = row.get(0);
            if found > signed(token) {
                return Err(StoreError::Fenced { found, ours: token });
            }
            let key = lock_key(&self.settings.schema);
            client
                .execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks
                     WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid <> pg_backend_pid()
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                       AND (classid::bigint << 32) | objid::bigint = $1",
                    &[&key],
                )
                .map_err(StoreError::Database)?;
        }
        Ok(())
    }

    /// Counts this opening and keeps our token, unless a higher one came between.
    fn count_opening(&self, client: &mut Client) -> Result<i64, StoreError> {
        let token = signed(self.settings.token.unwrap_or(0));
        let row = client
            .query_opt(
                "UPDATE store SET opened = opened + 1, token = greatest(token, $1)
                 WHERE token <= $1 OR $2 RETURNING opened",
                // Whoever has no token relies on the lock alone.
                &[&token, &self.settings.token.is_none()],
            )
            .map_err(StoreError::Database)?;
        if let Some(row) = row {
            return Ok(row.get(0));
        }
        let row = client.query_one("SELECT token FROM store", &[]).map_err(StoreError::Database)?;
        Err(StoreError::Fenced { found: row.get(0), ours: self.settings.token.unwrap_or(0) })
    }

    /// Runs a transaction, again after a broken connection: `work` must have the effect of once when it is done twice,
    /// because a commit whose answer was lost may have happened.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl Fn(&mut Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.keep_trying(|session| {
            let client = session.connected()?;
            let mut transaction = client.transaction().map_err(StoreError::Database)?;
            let value = work(&mut transaction)?;
            transaction.commit().map_err(StoreError::Database)?;
            Ok(value)
        })
    }

    fn keep_trying<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begin = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let source = match attempt(self) {
                Err(StoreError::Database(error)) if is_broken(&error) => error,
                other => return other,
            };
            self.client = None;
            if begin.elapsed() + pause > self.settings.patience {
                return Err(StoreError::Unreachable { waited: begin.elapsed(), source });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The connection; after a broken one a new one, if nobody else opened the store in between.
    fn connected(&mut self) -> Result<&mut Client, StoreError> {
        let client = match self.client.take() {
            Some(client) if !client.is_closed() => client,
            _ => {
                let mut client = self.connect()?;
                // Before and after: whoever took over holds the lock, and need not be waited for.
                self.still_ours(&mut client)?;
                // The server may not have noticed yet that our old session is gone.
                self.lock(&mut client, self.settings.patience)?;
                self.still_ours(&mut client)?;
                client
            }
        };
        Ok(self.client.insert(client))
    }

    fn still_ours(&self, client: &mut Client) -> Result<(), StoreError> {
        let row = client.query_one("SELECT opened FROM store", &[]).map_err(StoreError::Database)?;
        let found: i64 = row.get(0);
        if found == self.opened {
            return Ok(());
        }
        Err(StoreError::TakenOver { schema: self.settings.schema.clone(), found, ours: self.opened })
    }

    /// A new connection with our settings.
    fn connect(&self) -> Result<Client, StoreError> {
        let mut client = self.config.connect(NoTls).map_err(StoreError::Database)?;
        let commit = match self.settings.flush {
            Flush::Disk => "on",
            Flush::Replicas => "remote_apply",
        };
        // Whatever the server's default is. A server whose client is gone without a word must give the lock back.
        client
            .batch_execute(&format!(
                "SET synchronous_commit = {commit}; SET search_path = \"{}\"; SET tcp_keepalives_idle = 10;
                 SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;",
                self.settings.schema
            ))
            .map_err(StoreError::Database)?;
        for setting in ["fsync", "full_page_writes"] {
            let row =
                client.query_one("SELECT current_setting($1)", &[&setting]).map_err(StoreError::Database)?;
            let found: String = row.get(0);
            if found != "on" && !self.settings.allow_fragile_server {
                return Err(StoreError::NotDurable { setting, found });
            }
        }
        Ok(client)
    }

    fn lock(&self, client: &mut Client, patience: Duration) -> Result<(), StoreError> {
        let key = lock_key(&self.settings.schema);
        let begin = Instant::now();
        loop {
            let row =
                client.query_one("SELECT pg_try_advisory_lock($1)", &[&key]).map_err(StoreError::Database)?;
            if row.get(0) {
                return Ok(());
            }
            if begin.elapsed() > patience {
                return Err(StoreError::InUse { schema: self.settings.schema.clone() });
            }
            std::thread::sleep(FIRST_PAUSE);
        }
    }
}

/// FNV-1a of the schema, so that stores in one database do not lock each other out.
fn lock_key(schema: &str) -> i64 {
    let hash = schema.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::from_ne_bytes(hash.to_ne_bytes())
}

/// True if a new connection may help: the old one is gone, or the server is starting or stopping.
fn is_broken(error: &postgres::Error) -> bool {
    if error.is_closed() {
        return true;
    }
    match error.code() {
        // Without a code it is not the server that speaks: the socket broke or could not be opened.
        None => std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>),
        Some(code) => {
            code.code().starts_with("08")
                || [
                    &SqlState::ADMIN_SHUTDOWN,
                    &SqlState::CRASH_SHUTDOWN,
                    &SqlState::CANNOT_CONNECT_NOW,
                    &SqlState::TOO_MANY_CONNECTIONS,
                ]
                .contains(&code)
        }
    }
}

//! Which of several controllers acts, and how it stops.
//!
//! | lock | who acts | the others |
//! |---|---|---|
//! | file | whoever has the store's lock file, until it dies | wait for the file; only on the same machine |
//! | etcd | whoever holds the lease, while its own clock says so | take over when the lease has run out, with a higher token |
//!
//! With etcd three things stand between an old leader and the system, each enough alone: its own clock ([`Led`]), the shared
//! store, which belongs to the highest token, and the hosts, which refuse orders of a lower epoch than they have heard of.

use crate::keep::{Keep, KeepError};
use crate::{say, unix_ms};
use ecosystem_etcd::{Keeper, Settings};
use ecosystem_store::{Durability, Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vm_ecosystem::prelude::*;

/// How long a leader that has died is still taken for alive: the least that etcd grants is two seconds.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(3);

/// What controllers compete for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "lock", rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "the kinds there are")]
pub enum Lock {
    /// The lock file of a store on this machine.
    #[default]
    File,
    /// A lease in etcd; journal and audit log are in a database.
    Etcd {
        /// Address of etcd.
        server: String,
        /// Connection string of `PostgreSQL`.
        store: String,
    },
}

/// The right to act.
#[derive(Clone, Debug)]
pub struct Lease {
    // `None`: the right lasts as long as the process.
    keeper: Option<Arc<Keeper>>,
    token: Epoch,
}

impl Lease {
    /// True while we certainly may act. Asks nobody.
    pub fn is_ours(&self) -> bool {
        self.keeper.as_ref().is_none_or(|it| it.epoch() == Some(self.token))
    }

    /// The fencing token.
    pub const fn token(&self) -> Epoch {
        self.token
    }

    /// Goes on as if it had no end: for drills of what stands behind it.
    #[must_use]
    pub fn heedless(self) -> Self {
        Self { keeper: None, ..self }
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}

/// Waits until it is our turn. Gives the store, which nobody else writes to then.
pub fn lead(dir: &Path, lock: &Lock) -> Result<(Keep, Lease), KeepError> {
    let passive = || say(&json!({"at": unix_ms(), "passive": true}));
    match lock {
        Lock::File => {
            let mut told = false;
            loop {
                match Store::open(dir.join("store.db"), Durability::OnSync) {
                    Err(StoreError::InUse { .. }) if told => {}
                    Err(StoreError::InUse { .. }) => {
                        passive();
                        told = true;
                    }
                    other => return Ok((Keep::File(other?), Lease { keeper: None, token: Epoch(1) })),
                }
                pause();
            }
        }
        Lock::Etcd { server, store } => {
            let mut settings = Settings::new([server], "real", format!("controller {}", std::process::id()));
            (settings.time_to_live, settings.timeout) = (TIME_TO_LIVE, TIME_TO_LIVE / 4);
            let keeper = Arc::new(Keeper::start(settings));
            passive();
            loop {
                if let Some(token) = keeper.epoch() {
                    let mut settings = ecosystem_postgres::Settings::default();
                    settings.token = Some(token.0);
                    match ecosystem_postgres::Store::open(store, settings).map_err(KeepError::from) {
                        Ok(store) => return Ok((Keep::Server(store), Lease { keeper: Some(keeper), token })),
                        Err(error) if error.is_of_another() => {}
                        Err(error) => return Err(error),
                    }
                }
                pause();
            }
        }
    }
}

/// An executor that takes orders only as long as a lease holds.
#[derive(Debug)]
pub struct Led<H> {
    /// The executor.
    pub inner: H,
    lease: Lease,
}

impl<H> Led<H> {
    /// Orders need this lease.
    pub const fn new(inner: H, lease: Lease) -> Self {
        Self { inner, lease }
    }
}

impl<H: Hypervisor> Hypervisor for Led<H> {
    type Error = H::Error;

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<Self::Error>> {
        if !self.lease.is_ours() {
            return Err(SubmitError::Rejected {
                reason: format!("the lease of token {} is over", self.lease.token),
            });
        }
        self.inner.submit(request)
    }

    fn poll(&mut self, now: Timestamp) -> Result<Vec<HypervisorEvent>, Self::Error> {
        self.inner.poll(now)
    }

    fn inventory(&mut self) -> Result<Inventory, Self::Error> {
        self.inner.inventory()
    }
}

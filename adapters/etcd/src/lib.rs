//! Leader election per shard with a fencing token, so that two control loops never both act; and revisions of the map that
//! they share ([`Revisions`]); and the directory of services ([`Directory`]).
//!
//! # Model
//! Each shard has one key in etcd, bound to a lease. Whoever creates it leads; the revision at which it was created is the
//! fencing token ([`Epoch`]) for every order, higher for each leader than for any before. A leader that cannot renew its
//! lease stops by its own clock *before* etcd lets the lease run out, because it counts from the moment it asked, etcd
//! from the moment it heard. What a leader sent just before is refused by executors that have seen the next epoch.
//!
//! Speaks JSON to etcd's v3 gateway (etcd 3.4 and later) instead of gRPC: a handful of requests need no code generator.
//! Call [`Election::step`] every third of the time to live, and [`Election::epoch`] before every order; or let a [`Keeper`] do
//! the former in a thread of its own.
//!
//! # Example
//! ```no_run
//! use ecosystem_etcd::{Election, Role, Settings};
//! let mut election = Election::new(Settings::new(["http://127.0.0.1:2379"], "shard-7", "controller-a"));
//! loop {
//!     match election.step() {
//!         Ok(Role::Leader { epoch }) => println!("orders go out with epoch {epoch}"),
//!         Ok(Role::Follower { leader }) => println!("{leader} leads"),
//!         Err(error) => println!("{error}; still leading: {:?}", election.epoch()),
//!     }
//!     std::thread::sleep(election.pause());
//! }
//! ```

mod directory;
mod gateway;
mod keeper;
mod revisions;

pub use directory::Directory;
pub use keeper::Keeper;
pub use revisions::{Proposal, Published, REVISION_MAX, Revisions, SharedRevision};

use ecosystem_core::directory::DirectoryError;
use ecosystem_core::{Epoch, RegistryError, ReplicaId};
use gateway::{Gateway, Won};
use std::time::{Duration, Instant};

/// Why etcd could not be asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EtcdError {
    /// No server answered in time; the last one's reason.
    #[error("no etcd server of {servers} answers: {reason}")]
    Unreachable {
        /// How many were asked.
        servers: usize,
        /// What the last one said.
        reason: String,
    },
    /// An answer is not what the API promises.
    #[error("answer of etcd cannot be read: {what}")]
    Garbage {
        /// What is wrong.
        what: String,
    },
    /// A revision is larger than etcd takes.
    #[error(
        "revision of {bytes} bytes: expected at most {most}; keep the map in a database and share its number here"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest that is taken.
        most: usize,
    },
    /// Entries of the directory cannot be read.
    #[error("directory: {0}")]
    Directory(#[from] DirectoryError),
    /// An instance is not in the directory: its lease ran out, or it was entered elsewhere.
    #[error("{replica} is not registered here, or its lease has run out: register it anew")]
    NotRegistered {
        /// Which.
        replica: ReplicaId,
    },
    /// Changes since a cursor are not kept any more.
    #[error(transparent)]
    Changes(#[from] RegistryError),
}

fn leader_key(shard: &str) -> String {
    format!("ecosystem/leader/{shard}")
}

/// Who wants to lead what.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// Addresses of the servers, `http://host:port`; tried in turn.
    pub servers: Vec<String>,
    /// What is led.
    pub shard: String,
    /// Who we are; shown to the others.
    pub me: String,
    /// How long a leader that has died is still taken for alive, in whole seconds. 10 s.
    pub time_to_live: Duration,
    /// For one request to one server. 2 s.
    pub timeout: Duration,
}

impl Settings {
    /// The usual times.
    pub fn new<S: Into<String>>(
        servers: impl IntoIterator<Item = S>,
        shard: impl Into<String>,
        me: impl Into<String>,
    ) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            shard: shard.into(),
            me: me.into(),
            time_to_live: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
        }
    }
}

/// How an election stands.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "one leads or follows")]
pub enum Role {
    /// We lead.
    Leader {
        /// Fencing token for every order.
        epoch: Epoch,
    },
    /// Somebody else leads.
    Follower {
        /// Who, as it calls itself.
        leader: String,
    },
}

#[derive(Debug)]
struct Lease {
    id: i64,
    // When the last renewal that succeeded was asked for, and how long it holds from then.
    asked: Instant,
    holds: Duration,
}

/// One candidate for one shard.
#[derive(Debug)]
pub struct Election {
    settings: Settings,
    gateway: Gateway,
    lease: Option<Lease>,
    epoch: Option<Epoch>,
}

impl Election {
    /// A candidate; nothing is asked yet.
    pub fn new(settings: Settings) -> Self {
        let gateway = Gateway::new(settings.servers.clone(), settings.timeout);
        Self { settings, gateway, lease: None, epoch: None }
    }

    /// How long to wait between two steps.
    pub fn pause(&self) -> Duration {
        self.settings.time_to_live / 3
    }

    /// Renews the lease, and runs for leader where nobody leads.
    pub fn step(&mut self) -> Result<Role, EtcdError> {
        let lease = self.renewed()?;
        let key = leader_key(&self.settings.shard);
        match self.gateway.create(&key, &self.settings.me, lease)? {
            Won::Created { revision } => self.epoch = Some(Epoch(revision)),
            Won::Exists { revision, lease: holder, value } => {
                // Ours from an earlier step, or one whose answer was lost.
                self.epoch = (holder == lease).then_some(Epoch(revision));
                if self.epoch.is_none() {
                    return Ok(Role::Follower { leader: value });
                }
            }
        }
        match self.epoch() {
            Some(epoch) => Ok(Role::Leader { epoch }),
            None => Ok(Role::Follower { leader: "nobody any more".into() }),
        }
    }

    /// The fencing token while we certainly lead, by our own clock; `None` otherwise. Asks nobody.
    pub fn epoch(&self) -> Option<Epoch> {
        self.leads_until().filter(|(_, until)| Instant::now() < *until).map(|(epoch, _)| epoch)
    }

    /// The fencing token, and until when we certainly lead by our own clock unless the lease is renewed; the moment may have
    /// passed. `None` if we do not lead.
    pub fn leads_until(&self) -> Option<(Epoch, Instant)> {
        let lease = self.lease.as_ref()?;
        Some((self.epoch?, lease.asked.checked_add(lease.holds)?))
    }

    /// Steps down, so that the next one need not wait.
    pub fn resign(&mut self) -> Result<(), EtcdError> {
        self.epoch = None;
        self.lease.take().map_or(Ok(()), |lease| self.gateway.revoke(lease.id))
    }

    fn renewed(&mut self) -> Result<i64, EtcdError> {
        let asked = Instant::now();
        if let Some(lease) = &mut self.lease {
            if let Some(seconds) = self.gateway.keep_alive(lease.id)? {
                (lease.asked, lease.holds) = (asked, Duration::from_secs(seconds));
                return Ok(lease.id);
            }
            // It ran out: whatever we led is led by others, or by nobody.
            self.lease = None;
            self.epoch = None;
        }
        let wanted = self.settings.time_to_live.as_secs().max(1);
        let asked = Instant::now();
        let (id, seconds) = self.gateway.grant(wanted)?;
        self.lease = Some(Lease { id, asked, holds: Duration::from_secs(seconds) });
        Ok(id)
    }
}

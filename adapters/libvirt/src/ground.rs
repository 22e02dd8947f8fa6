//! One host: its connection and what runs there.

use crate::identity::{Identity, NAMESPACE};
use ecosystem_core::{HostId, ReplicaId, ReplicaReport, ReplicaState};
use ecosystem_orders::lock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use virt::connect::Connect;
use virt::domain::{Domain, DomainPausedReason, DomainState, DomainStateReason};
use virt::enumutil::Enum;
use virt::sys;

/// A host's daemon. Calls of the C library have no deadline of their own, so whoever must not wait asks through
/// [`within`](Self::within).
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) host: HostId,
    pub(crate) uri: String,
    open: Mutex<Option<Arc<Connect>>>,
    asking: Mutex<bool>,
}

/// A domain of ours.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) domain: Domain,
    pub(crate) identity: Identity,
    pub(crate) state: ReplicaState,
    /// On the way from or to another host; the other one speaks for it.
    pub(crate) travelling: bool,
}

impl Link {
    pub(crate) const fn new(host: HostId, uri: String) -> Self {
        Self { host, uri, open: Mutex::new(None), asking: Mutex::new(false) }
    }

    /// The connection, opened again if it is dead.
    pub(crate) fn connect(&self) -> Result<Arc<Connect>, virt::error::Error> {
        let mut open = lock(&self.open);
        if let Some(there) = open.as_ref()
            && there.is_alive().unwrap_or(false)
        {
            return Ok(Arc::clone(there));
        }
        let new = Arc::new(Connect::open(Some(&self.uri))?);
        *open = Some(Arc::clone(&new));
        Ok(new)
    }

    /// Our domains, running or not.
    pub(crate) fn look(&self) -> Result<Vec<Seen>, virt::error::Error> {
        let all = self.connect()?.list_all_domains(0)?;
        Ok(all.into_iter().filter_map(seen).collect())
    }

    pub(crate) fn find(&self, replica: &ReplicaId) -> Result<Option<Seen>, virt::error::Error> {
        Ok(self.look()?.into_iter().find(|it| it.identity.replica == *replica))
    }

    /// Asks in a thread of its own and waits for so long; `None` = no answer, or an earlier question still has none.
    pub(crate) fn within<T: Send + 'static>(
        self: &Arc<Self>,
        patience: Duration,
        ask: impl FnOnce(&Self) -> Result<T, virt::error::Error> + Send + 'static,
    ) -> Option<T> {
        if std::mem::replace(&mut *lock(&self.asking), true) {
            return None;
        }
        let (sender, receiver) = channel();
        let link = Arc::clone(self);
        std::thread::spawn(move || {
            let answer = ask(&link);
            *lock(&link.asking) = false;
            // Whoever asked may have gone.
            drop(sender.send(answer));
        });
        match receiver.recv_timeout(patience) {
            Ok(answer) => answer.ok(),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    pub(crate) fn report(&self, it: &Seen) -> ReplicaReport {
        ReplicaReport {
            replica: it.identity.replica.clone(),
            host: self.host.clone(),
            state: it.state,
            version: it.identity.version.clone(),
            resources: it.identity.resources.clone(),
        }
    }
}

/// A domain that is gone meanwhile, or not ours, is none.
fn seen(domain: Domain) -> Option<Seen> {
    let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).ok()?;
    let identity = Identity::from_xml(&domain.metadata(kind, Some(NAMESPACE), 0).ok()?)?;
    let (state, reason) = domain.state().ok()?;
    let moving =
        [DomainPausedReason::Migration, DomainPausedReason::PostCopy, DomainPausedReason::StartingUp];
    let travelling = match reason {
        Enum::Known(DomainStateReason::Paused(Enum::Known(reason))) => moving.contains(&reason),
        _ => false,
    };
    let state = match state {
        Enum::Known(DomainState::Running | DomainState::Blocked) => ReplicaState::Running,
        Enum::Known(DomainState::Shutoff | DomainState::Crashed) => ReplicaState::Stopped,
        _ => ReplicaState::Unhealthy,
    };
    Some(Seen { domain, identity, state, travelling })
}

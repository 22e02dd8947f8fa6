//! Actions from their begin to their end: look, act, and look again if something went wrong.

use crate::fleet::Shared;
use crate::ground::{Link, Seen};
use crate::identity::Identity;
use ecosystem_core::{
    ActionKind, ActionOutcome, ActionRequest, HostId, ReplicaId, ReplicaState, Resources, Version,
};
use ecosystem_orders::lock;
use std::sync::Arc;
use std::time::Duration;
use virt::domain::MigrateParameters;
use virt::sys;

type Step<T> = Result<T, ActionOutcome>;

impl Shared {
    /// Carries an action out to its end.
    pub(crate) fn carry_out(&self, request: &ActionRequest) -> ActionOutcome {
        let end = self.act(request);
        if let Some(replica) = request.kind.replica() {
            lock(&self.reserved).remove(replica);
        }
        end.unwrap_or_else(|end| end)
    }

    fn act(&self, request: &ActionRequest) -> Step<ActionOutcome> {
        if let (Some(replica), Some(expected)) = (request.kind.replica(), request.expected) {
            let state = self.everywhere(replica).first().map_or(ReplicaState::Stopped, |it| it.1.state);
            if state != expected {
                return Err(ActionOutcome::failed(format!("{replica} is {state:?}, expected {expected:?}")));
            }
        }
        match &request.kind {
            ActionKind::Start { replica, host, version, resources } => self.start(
                host,
                &Identity {
                    replica: replica.clone(),
                    version: version.clone(),
                    resources: resources.clone(),
                },
            ),
            ActionKind::Stop { replica, host } => self.stop(replica, host),
            ActionKind::Migrate { replica, from, to, .. } => self.migrate(replica, from, to),
            ActionKind::Probe { replica, host } => {
                let found = self.find(replica, host)?.filter(|it| it.state != ReplicaState::Stopped);
                let (state, version) = found.map_or_else(
                    || (ReplicaState::Stopped, Version::default()),
                    |it| (it.state, it.identity.version),
                );
                Ok(ActionOutcome::Seen { state, version })
            }
            other => Err(ActionOutcome::failed(format!("a libvirt fleet cannot {}", other.verb()))),
        }
    }

    fn link(&self, host: &HostId) -> Step<&Arc<Link>> {
        self.links.get(host).ok_or_else(|| ActionOutcome::failed(format!("there is no host {host}")))
    }

    fn find(&self, replica: &ReplicaId, host: &HostId) -> Step<Option<Seen>> {
        self.link(host)?.find(replica).map_err(|e| ActionOutcome::failed(format!("{host}: {e}")))
    }

    /// Where a replica runs. Hosts that do not answer are the controller's business: it fences them.
    fn everywhere(&self, replica: &ReplicaId) -> Vec<(&HostId, Seen)> {
        let all = self.links.iter().filter_map(|(host, link)| Some((host, link.find(replica).ok()??)));
        all.filter(|it| it.1.state != ReplicaState::Stopped).collect()
    }

    /// Checks that there is room, and keeps it until the action has ended.
    fn admit(&self, host: &HostId, replica: &ReplicaId, wanted: &Resources) -> Step<()> {
        let settings = self.settings.hosts.iter().find(|it| it.host == *host);
        let capacity =
            &settings.ok_or_else(|| ActionOutcome::failed(format!("there is no host {host}")))?.capacity;
        let there = self.link(host)?.look().map_err(|e| ActionOutcome::failed(format!("{host}: {e}")))?;
        let mut reserved = lock(&self.reserved);
        let running = there.iter().filter(|it| {
            let who = &it.identity.replica;
            it.state != ReplicaState::Stopped && who != replica && !reserved.contains_key(who)
        });
        let used = running.fold(Resources::default(), |sum, it| sum.saturating_add(&it.identity.resources));
        let coming = reserved.iter().filter(|(who, (to, _))| to == host && *who != replica);
        let all = coming.fold(used.saturating_add(wanted), |sum, it| sum.saturating_add(&it.1.1));
        if let Some((name, needed, room)) = all.first_excess(capacity) {
            return Err(ActionOutcome::failed(format!("no room on {host}: {name} {needed} of {room}")));
        }
        reserved.insert(replica.clone(), (host.clone(), wanted.clone()));
        Ok(())
    }

    fn start(&self, host: &HostId, it: &Identity) -> Step<ActionOutcome> {
        let link = self.link(host)?;
        if let Some((home, there)) = self.everywhere(&it.replica).first() {
            if *home == host && there.identity.version == it.version && there.state == ReplicaState::Running {
                return Ok(ActionOutcome::DONE);
            }
            let version = &there.identity.version;
            return Err(ActionOutcome::failed(format!(
                "{} is on {home} already, in version {version}",
                it.replica
            )));
        }
        self.admit(host, &it.replica, &it.resources)?;
        let xml = it.describe(&self.settings.template.replace("{version}", it.version.as_str()));
        let refused = |e: virt::error::Error| ActionOutcome::failed(format!("{host}: {e}"));
        let connect = link.connect().map_err(refused)?;
        // What is left of a machine that ended by itself: the daemon takes no second description of one name.
        if let Some(left) = self.find(&it.replica, host)?.filter(|it| it.state == ReplicaState::Stopped) {
            left.domain.undefine().map_err(refused)?;
        }
        let domain = connect.define_domain_xml(&xml).map_err(refused)?;
        if let Err(e) = domain.create() {
            return match self.find(&it.replica, host) {
                Ok(Some(there)) if there.state == ReplicaState::Running => Ok(ActionOutcome::DONE),
                Ok(Some(there)) if there.state == ReplicaState::Stopped => {
                    // It never ran; what stays of it is described anew by the next start.
                    drop(there.domain.undefine());
                    Err(ActionOutcome::failed(format!("{host}: {e}")))
                }
                Ok(None) => Err(ActionOutcome::failed(format!("{host}: {e}"))),
                _ => Err(ActionOutcome::uncertain(format!("{host}: {e}"))),
            };
        }
        match self.find(&it.replica, host)? {
            Some(there) if there.state == ReplicaState::Running => Ok(ActionOutcome::DONE),
            _ => Err(ActionOutcome::uncertain(format!(
                "{} was started on {host} and does not run there",
                it.replica
            ))),
        }
    }

    fn stop(&self, replica: &ReplicaId, host: &HostId) -> Step<ActionOutcome> {
        let Some(there) = self.find(replica, host)? else { return Ok(ActionOutcome::DONE) };
        if there.state != ReplicaState::Stopped
            && let Err(e) = there.domain.destroy()
        {
            match self.find(replica, host) {
                Ok(None) => return Ok(ActionOutcome::DONE),
                Ok(Some(it)) if it.state == ReplicaState::Stopped => {}
                Ok(Some(_)) => return Err(ActionOutcome::failed(format!("{host}: {e}"))),
                Err(_) => return Err(ActionOutcome::uncertain(format!("{host}: {e}"))),
            }
        }
        // A description that stays does no harm.
        drop(there.domain.undefine());
        Ok(ActionOutcome::DONE)
    }

    fn migrate(&self, replica: &ReplicaId, from: &HostId, to: &HostId) -> Step<ActionOutcome> {
        if from == to {
            return Err(ActionOutcome::failed(format!("{replica} is on {to} already")));
        }
        let running = |it: &Seen| it.state != ReplicaState::Stopped;
        let there = self.find(replica, from)?.filter(running);
        let there =
            there.ok_or_else(|| ActionOutcome::failed(format!("{replica} does not run on {from}")))?;
        self.admit(to, replica, &there.identity.resources)?;
        let target = self.settings.hosts.iter().find(|it| it.host == *to);
        let target = target.ok_or_else(|| ActionOutcome::failed(format!("there is no host {to}")))?;
        let parameters =
            MigrateParameters { uri: target.migrate_uri.clone(), ..MigrateParameters::default() };
        let flags = sys::VIR_MIGRATE_LIVE
            | sys::VIR_MIGRATE_PEER2PEER
            | sys::VIR_MIGRATE_PERSIST_DEST
            | sys::VIR_MIGRATE_UNDEFINE_SOURCE
            | sys::VIR_MIGRATE_ABORT_ON_ERROR;
        let moved = there.domain.migrate_to_uri3(Some(&target.uri), parameters, flags);
        let (old, new) = (self.find(replica, from), self.find(replica, to));
        let (old, new) = match (old, new) {
            (Ok(old), Ok(new)) => (old.filter(running), new.filter(running)),
            (Err(e), _) | (_, Err(e)) => {
                return Err(ActionOutcome::uncertain(format!("{replica} may be on {from} or {to}: {e:?}")));
            }
        };
        match (moved, old, new) {
            (_, None, Some(arrived)) if arrived.state == ReplicaState::Running => {
                let completed = arrived.domain.job_stats(sys::VIR_DOMAIN_JOB_STATS_COMPLETED);
                let downtime = completed.ok().and_then(|it| it.downtime).unwrap_or_default();
                Ok(ActionOutcome::Done { downtime: Duration::from_millis(downtime) })
            }
            (Err(e), Some(stayed), None) if stayed.state == ReplicaState::Running => {
                Err(ActionOutcome::failed(format!("{replica} stays on {from}: {e}")))
            }
            (moved, _, _) => {
                let why = moved.err().map_or_else(String::new, |e| e.to_string());
                Err(ActionOutcome::uncertain(format!("{replica} may be on {from} or {to}: {why}")))
            }
        }
    }
}

//! Actions from their begin to their end.
//!
//! Each looks first, and refuses what cannot be; then it acts; and if something goes wrong on the way it looks again, so that
//! `Failed` is said only of what had no effect, and `Uncertain` of what nobody can tell.

use crate::LxdError;
use crate::cluster::Shared;
use crate::ground::{CLOSED, Ground, SCHEDULER};
use crate::naming::{self, REPLICA, VERSION};
use crate::wire::Instance;
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, HostId, ReplicaId, ReplicaState, Resources, Version,
};
use ecosystem_orders::lock;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// An action that ends early.
type Step<T> = Result<T, ActionOutcome>;

/// Nothing was begun: whatever it is, it had no effect.
#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn not_begun(e: LxdError) -> ActionOutcome {
    ActionOutcome::failed(e.to_string())
}

struct Start<'a> {
    action: ActionId,
    replica: &'a ReplicaId,
    host: &'a HostId,
    version: &'a Version,
    resources: &'a Resources,
}

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
        let ground = Ground::look(&self.api).map_err(not_begun)?;
        if let (Some(replica), Some(expected)) = (request.kind.replica(), request.expected) {
            let running = ground.ours().find(|it| it.0 == *replica && it.2.state() != ReplicaState::Stopped);
            let state = running.map_or(ReplicaState::Stopped, |it| it.2.state());
            if state != expected {
                return Err(ActionOutcome::failed(format!("{replica} is {state:?}, expected {expected:?}")));
            }
        }
        match &request.kind {
            ActionKind::Start { replica, host, version, resources } => {
                self.start(&ground, &Start { action: request.id, replica, host, version, resources })
            }
            ActionKind::Stop { replica, host } => self.stop(&ground, replica, host),
            ActionKind::Migrate { replica, from, to, .. } => self.cold_move(&ground, replica, from, to),
            ActionKind::Resize { replica, host, resources } => self.resize(&ground, replica, host, resources),
            ActionKind::Cordon { host, closed } => self.cordon(&ground, host, *closed),
            ActionKind::Probe { replica, host } => probe(&ground, replica, host),
            other => Err(ActionOutcome::failed(format!("an LXD cluster cannot {}", other.verb()))),
        }
    }

    fn until(&self) -> Instant {
        Instant::now() + self.settings.operation_within
    }

    fn set_state(&self, name: &str, action: &str) -> Result<(), LxdError> {
        let body = json!({ "action": action, "timeout": 30, "force": true });
        self.api.change("PUT", &format!("/instances/{name}/state"), &body, self.until())
    }

    fn instance(&self, name: &str) -> Result<Instance, LxdError> {
        self.api.get(&format!("/instances/{name}"))
    }

    /// Checks that a host takes work and has room, and keeps the room until the action has ended.
    fn admit(&self, ground: &Ground, replica: &ReplicaId, host: &HostId, wanted: &Resources) -> Step<()> {
        let member = ground
            .members
            .get(host)
            .ok_or_else(|| ActionOutcome::failed(format!("there is no member {host}")))?;
        if member.is_closed() {
            return Err(ActionOutcome::failed(format!(
                "{host} takes nothing new: {}, {}",
                member.status, member.message
            )));
        }
        let capacity = self.capacity(host).map_err(not_begun)?;
        let mut reserved = lock(&self.reserved);
        let running = ground.ours().filter(|(who, home, it)| {
            *home == host
                && who != replica
                && !reserved.contains_key(who)
                && it.state() != ReplicaState::Stopped
        });
        let used = running.fold(Resources::default(), |sum, it| sum.saturating_add(&it.2.resources()));
        let coming = reserved.iter().filter(|(who, (to, _))| to == host && *who != replica);
        let all = coming.fold(used.saturating_add(wanted), |sum, it| sum.saturating_add(&it.1.1));
        if let Some((name, needed, there)) = all.first_excess(&capacity) {
            return Err(ActionOutcome::failed(format!("no room on {host}: {name} {needed} of {there}")));
        }
        reserved.insert(replica.clone(), (host.clone(), wanted.clone()));
        Ok(())
    }

    fn start(&self, ground: &Ground, it: &Start<'_>) -> Step<ActionOutcome> {
        let mine = || ground.ours().filter(|(who, _, _)| who == it.replica);
        if let Some((_, home, there)) = mine().find(|it| it.2.state() != ReplicaState::Stopped) {
            let same = home == it.host && there.version() == *it.version;
            if same && there.state() == ReplicaState::Running {
                return Ok(ActionOutcome::DONE);
            }
            let version = there.version();
            return Err(ActionOutcome::failed(format!(
                "{} is on {home} already, in version {version}",
                it.replica
            )));
        }
        if let Some(hidden) = ground.hidden(it.replica).find(|at| !ground.is_offline(at)) {
            // It is up to the controller to know that a member is dead; at the least the cluster must have missed it.
            return Err(ActionOutcome::failed(format!(
                "{} may run on {hidden}, which does not answer",
                it.replica
            )));
        }
        self.admit(ground, it.replica, it.host, it.resources)?;
        // What stopped keeps its disk; a new version begins with a new one.
        let kept = mine().find(|(_, _, there)| there.version() == *it.version);
        for (_, _, old) in mine().filter(|(_, _, there)| there.version() != *it.version) {
            let path = format!("/instances/{}", old.name);
            self.api.change("DELETE", &path, &json!({}), self.until()).map_err(|e| {
                ActionOutcome::failed(format!(
                    "the instance of version {} cannot be removed: {e}",
                    old.version()
                ))
            })?;
        }
        let (name, made) = match kept {
            Some((_, home, there)) => (self.bring(there, home, it)?, false),
            None => (self.make(it)?, true),
        };
        match self.set_state(&name, "start") {
            Ok(()) => self.settled(&name, it.host),
            Err(e) => match self.instance(&name) {
                Ok(there) if there.state() == ReplicaState::Running => self.settled(&name, it.host),
                Ok(there) if there.state() == ReplicaState::Stopped && e.is_refusal() => {
                    if made {
                        // Nothing ran, so nothing is lost; if it stays it is found by the next start.
                        drop(self.api.change(
                            "DELETE",
                            &format!("/instances/{name}"),
                            &json!({}),
                            self.until(),
                        ));
                    }
                    Err(ActionOutcome::failed(e.to_string()))
                }
                _ => Err(ActionOutcome::uncertain(e.to_string())),
            },
        }
    }

    /// Done is said of what is seen to run.
    fn settled(&self, name: &str, host: &HostId) -> Step<ActionOutcome> {
        match self.instance(name) {
            Ok(it) if it.state() == ReplicaState::Running && it.location == host.as_str() => {
                Ok(ActionOutcome::DONE)
            }
            Ok(it) => Err(ActionOutcome::uncertain(format!("{name} is {} on {}", it.status, it.location))),
            Err(e) => Err(ActionOutcome::uncertain(e.to_string())),
        }
    }

    /// A stopped instance to its host, with new limits.
    fn bring(&self, there: &Instance, home: &HostId, it: &Start<'_>) -> Step<String> {
        let name = &there.name;
        if home != it.host {
            self.relocate(name, it.host)
                .map_err(|e| ActionOutcome::failed(format!("its instance stays on {home}: {e}")))?;
        }
        let mut config = Map::new();
        naming::limits(&mut config, it.resources);
        let path = format!("/instances/{name}");
        // It does not run, so wherever this stops nothing has begun.
        self.api.change("PATCH", &path, &json!({ "config": config }), self.until()).map_err(not_begun)?;
        Ok(name.clone())
    }

    fn make(&self, it: &Start<'_>) -> Step<String> {
        let name = naming::instance(it.replica, it.action);
        let mut config = Map::new();
        for (key, value) in &self.settings.config {
            config.insert(key.clone(), Value::String(value.clone()));
        }
        naming::limits(&mut config, it.resources);
        config.insert(REPLICA.into(), Value::String(it.replica.to_string()));
        config.insert(VERSION.into(), Value::String(it.version.to_string()));
        // A member that comes back must not start by itself what may run elsewhere by now.
        config.insert("boot.autostart".into(), Value::String("false".into()));
        let body = json!({
            "name": name,
            "type": "container",
            "profiles": self.settings.profiles,
            "config": config,
            "source": { "type": "image", "alias": naming::image(&self.settings.image, it.replica, it.version) },
        });
        match self.api.change("POST", &format!("/instances?target={}", it.host), &body, self.until()) {
            Ok(()) => Ok(name),
            // Made, but the answer was lost; or made by us before we were started again.
            Err(e) => match self.instance(&name) {
                Ok(there)
                    if there.state() == ReplicaState::Stopped
                        && there.location == it.host.as_str()
                        && !matches!(e, LxdError::Slow { .. } | LxdError::Unreachable { .. }) =>
                {
                    Ok(name)
                }
                Err(missing) if missing.is_missing() && e.is_refusal() => {
                    Err(ActionOutcome::failed(e.to_string()))
                }
                _ => Err(ActionOutcome::uncertain(e.to_string())),
            },
        }
    }

    fn relocate(&self, name: &str, to: &HostId) -> Result<(), LxdError> {
        let body = json!({ "name": name, "migration": true });
        self.api.change("POST", &format!("/instances/{name}?target={to}"), &body, self.until())
    }

    fn stop(&self, ground: &Ground, replica: &ReplicaId, host: &HostId) -> Step<ActionOutcome> {
        if ground.hidden(replica).any(|at| at == host.as_str()) {
            return Err(ActionOutcome::failed(format!(
                "{host} does not answer; whether {replica} runs there is not known"
            )));
        }
        for (_, _, instance) in ground.ours().filter(|(who, home, _)| who == replica && *home == host) {
            if instance.state() == ReplicaState::Stopped {
                continue;
            }
            if let Err(e) = self.set_state(&instance.name, "stop") {
                match self.instance(&instance.name) {
                    Ok(it) if it.state() == ReplicaState::Stopped => {}
                    Ok(_) if e.is_refusal() => return Err(ActionOutcome::failed(e.to_string())),
                    _ => return Err(ActionOutcome::uncertain(e.to_string())),
                }
            }
        }
        Ok(ActionOutcome::DONE)
    }

    fn running<'a>(ground: &'a Ground, replica: &ReplicaId, host: &HostId) -> Step<&'a Instance> {
        let mut ours = ground.ours();
        let found = ours
            .find(|(who, home, it)| who == replica && *home == host && it.state() != ReplicaState::Stopped);
        found.map(|it| it.2).ok_or_else(|| ActionOutcome::failed(format!("{replica} does not run on {host}")))
    }

    /// Stop, move, start. The disk goes along, memory does not.
    fn cold_move(
        &self,
        ground: &Ground,
        replica: &ReplicaId,
        from: &HostId,
        to: &HostId,
    ) -> Step<ActionOutcome> {
        let there = Self::running(ground, replica, from)?;
        if from == to {
            return Err(ActionOutcome::failed(format!("{replica} is on {to} already")));
        }
        self.admit(ground, replica, to, &there.resources())?;
        let (name, begin) = (&there.name, Instant::now());
        if let Err(e) = self.set_state(name, "stop") {
            return match self.instance(name) {
                Ok(it) if it.state() == ReplicaState::Running && e.is_refusal() => {
                    Err(ActionOutcome::failed(e.to_string()))
                }
                _ => Err(ActionOutcome::uncertain(e.to_string())),
            };
        }
        let moved = self.relocate(name, to).and_then(|()| self.set_state(name, "start"));
        let home = self.instance(name);
        match (moved, home) {
            (Ok(()), Ok(it)) if it.location == to.as_str() && it.state() == ReplicaState::Running => {
                Ok(ActionOutcome::Done { downtime: begin.elapsed() })
            }
            // It stayed, or does not start over there: back, if it can be had back.
            (Err(e), Ok(it)) if e.is_refusal() && it.state() == ReplicaState::Stopped => {
                let returned = if it.location == from.as_str() { Ok(()) } else { self.relocate(name, from) };
                match returned.and_then(|()| self.set_state(name, "start")) {
                    Ok(()) => Err(ActionOutcome::failed(e.to_string())),
                    Err(second) => {
                        Err(ActionOutcome::uncertain(format!("{e}; and on the way back: {second}")))
                    }
                }
            }
            (moved, home) => {
                let why = moved.err().or_else(|| home.err()).map_or_else(String::new, |e| e.to_string());
                Err(ActionOutcome::uncertain(format!("the move of {replica} broke off: {why}")))
            }
        }
    }

    fn resize(
        &self,
        ground: &Ground,
        replica: &ReplicaId,
        host: &HostId,
        wanted: &Resources,
    ) -> Step<ActionOutcome> {
        let there = Self::running(ground, replica, host)?;
        self.admit_resize(ground, replica, host, wanted)?;
        let mut config = Map::new();
        naming::limits(&mut config, wanted);
        let path = format!("/instances/{}", there.name);
        match self.api.change("PATCH", &path, &json!({ "config": config }), self.until()) {
            Ok(()) => Ok(ActionOutcome::DONE),
            // The cluster takes a change back that does not go through.
            Err(e) => match self.instance(&there.name) {
                Ok(it) if it.resources() == *wanted => Ok(ActionOutcome::DONE),
                Ok(it) if it.resources() == there.resources() && e.is_refusal() => {
                    Err(ActionOutcome::failed(e.to_string()))
                }
                _ => Err(ActionOutcome::uncertain(e.to_string())),
            },
        }
    }

    /// A host that is closed for new work may still grow what it has.
    fn admit_resize(
        &self,
        ground: &Ground,
        replica: &ReplicaId,
        host: &HostId,
        wanted: &Resources,
    ) -> Step<()> {
        let mut open = ground.clone();
        if let Some(member) = open.members.get_mut(host) {
            member.config.remove(SCHEDULER);
        }
        self.admit(&open, replica, host, wanted)
    }

    fn cordon(&self, ground: &Ground, host: &HostId, closed: bool) -> Step<ActionOutcome> {
        if !ground.members.contains_key(host) {
            return Err(ActionOutcome::failed(format!("there is no member {host}")));
        }
        let path = format!("/cluster/members/{host}");
        let (member, etag): (Value, String) = self.api.get_tagged(&path).map_err(not_begun)?;
        let mut config = member["config"].as_object().cloned().unwrap_or_default();
        if closed {
            config.insert(SCHEDULER.into(), CLOSED.into());
        } else {
            config.remove(SCHEDULER);
        }
        let body = json!({
            "config": config,
            "roles": member["roles"],
            "failure_domain": member["failure_domain"],
            "description": member["description"],
            "groups": member["groups"],
        });
        match self.api.put_tagged(&path, &etag, &body) {
            Ok(()) => Ok(ActionOutcome::DONE),
            Err(e) if e.is_refusal() => Err(ActionOutcome::failed(e.to_string())),
            Err(e) => Err(ActionOutcome::uncertain(e.to_string())),
        }
    }
}

fn probe(ground: &Ground, replica: &ReplicaId, host: &HostId) -> Step<ActionOutcome> {
    if !ground.hosts().any(|it| it.0 == *host) || ground.hidden(replica).any(|at| at == host.as_str()) {
        return Err(ActionOutcome::failed(format!("member {host} does not answer")));
    }
    let mut ours = ground.ours();
    let seen =
        ours.find(|(who, home, it)| who == replica && *home == host && it.state() != ReplicaState::Stopped);
    let (state, version) =
        seen.map_or_else(|| (ReplicaState::Stopped, Version::default()), |it| (it.2.state(), it.2.version()));
    Ok(ActionOutcome::Seen { state, version })
}

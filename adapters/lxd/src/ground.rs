//! One look at members and instances.

use crate::LxdError;
use crate::api::Api;
use crate::wire::{Instance, Machine, MemberText};
use crate::{Cluster, Member, MemberStatus};
use ecosystem_core::{
    Bytes, Host, HostHealth, HostId, HostState, Infrastructure, Inventory, Millicores, Rack, RackId, Region,
    RegionId, ReplicaId, ReplicaReport, Resources, Zone, ZoneId,
};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(crate) struct Ground {
    pub(crate) members: BTreeMap<HostId, MemberText>,
    pub(crate) instances: Vec<Instance>,
}

/// The value of a member's `scheduler.instance` that keeps new instances away.
pub(crate) const CLOSED: &str = "manual";
pub(crate) const SCHEDULER: &str = "scheduler.instance";

impl MemberText {
    pub(crate) fn status(&self) -> MemberStatus {
        match self.status.as_str() {
            "Online" => MemberStatus::Online,
            "Evacuated" => MemberStatus::Evacuated,
            _ => MemberStatus::Offline,
        }
    }

    fn answers(&self) -> bool {
        self.status() != MemberStatus::Offline
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.status() != MemberStatus::Online || self.config.get(SCHEDULER).is_some_and(|it| it == CLOSED)
    }
}

impl Ground {
    pub(crate) fn look(api: &Api) -> Result<Self, LxdError> {
        let members: Vec<MemberText> = api.get("/cluster/members?recursion=1")?;
        let instances = api.get("/instances?recursion=1")?;
        // A member whose name is not one of ours cannot be spoken of.
        let named = members.into_iter().filter_map(|it| Some((HostId::new(&it.server_name).ok()?, it)));
        Ok(Self { members: named.collect(), instances })
    }

    /// The host of an instance, if it answers.
    pub(crate) fn home(&self, instance: &Instance) -> Option<&HostId> {
        let found = self.members.iter().find(|(id, it)| id.as_str() == instance.location && it.answers());
        found.map(|it| it.0)
    }

    pub(crate) fn hosts(&self) -> impl Iterator<Item = (HostId, HostHealth)> + '_ {
        let answering = self.members.iter().filter(|(_, it)| it.answers());
        answering.map(|(id, it)| {
            let sound = it.message.is_empty() || it.message == "Fully operational";
            let health = if sound || it.status() == MemberStatus::Evacuated {
                HostHealth::Alive
            } else {
                HostHealth::Degraded
            };
            (id.clone(), health)
        })
    }

    /// Our instances on the members that answer.
    pub(crate) fn ours(&self) -> impl Iterator<Item = (ReplicaId, &HostId, &Instance)> + '_ {
        self.instances.iter().filter_map(|it| Some((it.replica()?, self.home(it)?, it)))
    }

    /// Members that do not answer and may have an instance of the replica.
    pub(crate) fn hidden(&self, replica: &ReplicaId) -> impl Iterator<Item = &str> + '_ {
        let hiding = |it: &&Instance| it.may_hide(replica);
        let found: Vec<&Instance> = self.instances.iter().filter(hiding).collect();
        found.into_iter().map(|it| it.location.as_str())
    }

    pub(crate) fn is_offline(&self, member: &str) -> bool {
        self.members.iter().any(|(id, it)| id.as_str() == member && !it.answers())
    }

    pub(crate) fn reports(&self) -> impl Iterator<Item = ReplicaReport> + '_ {
        self.ours().map(|(replica, host, it)| ReplicaReport {
            replica,
            host: host.clone(),
            state: it.state(),
            version: it.version(),
            resources: it.resources(),
        })
    }

    pub(crate) fn inventory(&self) -> Inventory {
        let running = |it: &ReplicaReport| it.state != ecosystem_core::ReplicaState::Stopped;
        Inventory {
            hosts: self.hosts().collect(),
            replicas: self.reports().filter(running).collect(),
            policies: Vec::new(),
        }
    }
}

impl Cluster {
    /// The members as the cluster sees them, those that do not answer among them.
    pub fn members(&self) -> Result<Vec<Member>, LxdError> {
        let members: Vec<MemberText> = self.shared.api.get("/cluster/members?recursion=1")?;
        members
            .into_iter()
            .map(|it| {
                let name = |e: ecosystem_core::InvalidId, name: &str| LxdError::Name {
                    name: name.to_owned(),
                    reason: e.to_string(),
                };
                Ok(Member {
                    host: HostId::new(&it.server_name).map_err(|e| name(e, &it.server_name))?,
                    zone: ZoneId::new(&it.failure_domain).map_err(|e| name(e, &it.failure_domain))?,
                    status: it.status(),
                    closed: it.is_closed(),
                    message: it.message,
                })
            })
            .collect()
    }

    /// The cluster as an infrastructure of one region: failure domains as zones, each with one rack, members as hosts. A member
    /// that is closed or evacuated takes nothing new; one that does not answer, and whose size is not set, has no room.
    pub fn infrastructure(&self, region: &RegionId) -> Result<Infrastructure, LxdError> {
        let mut builder = Infrastructure::builder().region(Region::new(region.clone()));
        let mut zones: BTreeMap<ZoneId, RackId> = BTreeMap::new();
        for member in self.members()? {
            let invalid = |e: &dyn std::fmt::Display| LxdError::Name {
                name: member.zone.to_string(),
                reason: e.to_string(),
            };
            let rack = if let Some(rack) = zones.get(&member.zone) {
                rack.clone()
            } else {
                let rack = RackId::new(member.zone.as_str()).map_err(|e| invalid(&e))?;
                builder = builder.zone(Zone::new(member.zone.clone(), region.clone()));
                builder = builder.rack(Rack::new(rack.clone(), member.zone.clone()));
                zones.insert(member.zone.clone(), rack.clone());
                rack
            };
            let capacity = match member.status {
                MemberStatus::Offline => {
                    self.shared.settings.capacity.get(&member.host).cloned().unwrap_or_default()
                }
                _ => self.shared.capacity(&member.host)?,
            };
            let mut host = Host::new(member.host, rack, capacity);
            host.state = match (member.status, member.closed) {
                (MemberStatus::Evacuated, _) => HostState::Maintenance,
                (_, true) => HostState::Cordoned,
                _ => HostState::Ready,
            };
            builder = builder.host(host);
        }
        builder.build().map_err(|e| LxdError::Name { name: region.to_string(), reason: e.to_string() })
    }
}

impl crate::cluster::Shared {
    /// What a member has for instances.
    pub(crate) fn capacity(&self, host: &HostId) -> Result<Resources, LxdError> {
        if let Some(set) = self.settings.capacity.get(host) {
            return Ok(set.clone());
        }
        let machine: Machine = self.api.get(&format!("/resources?target={host}"))?;
        Ok(Resources::new(Millicores::cores(machine.cpu.total), Bytes(machine.memory.total)))
    }
}

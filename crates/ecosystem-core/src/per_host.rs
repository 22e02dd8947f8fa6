//! Components that run once on every host: how many that is on a given infrastructure.

use crate::component::Component;
use crate::ecosystem::{Ecosystem, EcosystemBuilder};
use crate::infra::{HostState, Infrastructure};
use crate::rules::{Domain, Rule, RuleKind, Weight};
use std::sync::Arc;

impl Ecosystem {
    /// The same map with as many replicas of every per-host component ([`Component::per_host`]) as there are hosts that take
    /// it, and a rule that keeps them apart. Other components are untouched.
    ///
    /// A host takes it if it is not in maintenance (cordoned hosts keep their agents, as in Kubernetes), if the component has
    /// the labels that its taints ask for, and if no hard fence or ban of the component keeps it off. The host must offer
    /// the request at all. O(per-host components × hosts × rules).
    ///
    /// # Example
    /// ```
    /// use ecosystem_core::*;
    ///
    /// let mut agent = Component::new("agent".parse()?, Kind::Container);
    /// agent.per_host = true;
    /// let map = Ecosystem::builder("m").component(agent).build()?;
    /// let mut ground = Infrastructure::builder()
    ///     .region(Region::new("r".parse()?))
    ///     .zone(Zone::new("z".parse()?, "r".parse()?))
    ///     .rack(Rack::new("k".parse()?, "z".parse()?));
    /// for name in ["h1", "h2", "h3"] {
    ///     ground = ground.host(Host::new(name.parse()?, "k".parse()?, Resources::default()));
    /// }
    /// let there = map.on_hosts(&ground.build()?);
    /// assert_eq!(there.component_at(0).unwrap().replicas, 3);
    /// assert_eq!(there.rules()[0].to_string(), "agent-per-host: replicas of agent each in a host of their own");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on_hosts(&self, infrastructure: &Infrastructure) -> Self {
        if !self.components().any(|c| c.per_host) {
            return self.clone();
        }
        let mut rules = self.rules().to_vec();
        let components = self.shared_components().values().map(|component| {
            if !component.per_host || !component.is_placed() {
                return Arc::clone(component);
            }
            let hosts = (0..infrastructure.hosts().len())
                .filter(|&host| takes(self.rules(), infrastructure, host, component))
                .count();
            let members = vec![component.id.clone()];
            let apart = RuleKind::Apart { members, domain: Domain::Host };
            if !rules.iter().any(|rule| rule.kind == apart && rule.weight == Weight::Hard) {
                rules.push(Rule::hard(format!("{}-per-host", component.id), apart));
            }
            let replicas = u32::try_from(hosts).unwrap_or(u32::MAX);
            Arc::new(Component { replicas, replica_range: None, ..(**component).clone() })
        });
        let components = components.collect();
        let dependencies = self.shared_dependencies().to_vec();
        EcosystemBuilder::of_parts(self.name().into(), components, dependencies, rules)
            .build()
            // the same names as before, and ranges removed: what was valid stays so
            .unwrap_or_else(|_| self.clone())
    }
}

fn takes(rules: &[Rule], infrastructure: &Infrastructure, host: usize, component: &Component) -> bool {
    let it = &infrastructure.hosts()[host];
    let allowed = rules.iter().filter(|rule| rule.weight == Weight::Hard).all(|rule| match &rule.kind {
        RuleKind::Fence { members, allowed } if members.contains(&component.id) => {
            allowed.contains(infrastructure, host)
        }
        RuleKind::Ban { members, denied } if members.contains(&component.id) => {
            !denied.contains(infrastructure, host)
        }
        _ => true,
    });
    allowed
        && it.state != HostState::Maintenance
        && it.taints.iter().all(|(key, value)| component.labels.get(key) == Some(value))
        && component.requirements.request.fits_in(&it.allocatable())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Kind;
    use crate::infra::{Host, Rack, Region, Zone};
    use crate::resources::Resources;
    use crate::rules::HostSet;
    use crate::units::{Bytes, Millicores};

    #[test]
    fn hosts_in_maintenance_tainted_fenced_off_or_too_small_take_no_agent() {
        let mut ground = Infrastructure::builder()
            .region(Region::new("r".parse().unwrap()))
            .zone(Zone::new("z".parse().unwrap(), "r".parse().unwrap()))
            .rack(Rack::new("k".parse().unwrap(), "z".parse().unwrap()));
        for name in ["plain", "cordoned", "down", "tainted", "gpu", "banned", "small"] {
            let size = Resources::new(Millicores::cores(if name == "small" { 1 } else { 8 }), Bytes::gib(8));
            let mut host = Host::new(name.parse().unwrap(), "k".parse().unwrap(), size);
            match name {
                "cordoned" => host.state = HostState::Cordoned,
                "down" => host.state = HostState::Maintenance,
                "tainted" => drop(host.taints.insert("only".into(), "db".into())),
                "gpu" => drop(host.taints.insert("gpu".into(), "yes".into())),
                _ => {}
            }
            ground = ground.host(host);
        }
        let mut agent = Component::new("agent".parse().unwrap(), Kind::Container);
        agent.per_host = true;
        agent.replica_range = Some((1, 1));
        agent.labels.insert("gpu".into(), "yes".into());
        agent.requirements.request = Resources::new(Millicores::cores(2), Bytes::gib(1));
        let denied = HostSet::of_hosts(["banned".parse().unwrap()]);
        let map = Ecosystem::builder("m")
            .component(agent)
            .component(Component::new("web".parse().unwrap(), Kind::Container))
            .rule(Rule::hard("ban", RuleKind::Ban { members: vec!["agent".parse().unwrap()], denied }))
            .build()
            .unwrap();
        let there = map.on_hosts(&ground.build().unwrap());
        let replicas: Vec<u32> = there.components().map(|c| c.replicas).collect();
        assert_eq!(replicas, [3, 1]); // plain, cordoned, gpu
        assert_eq!(there.rules().len(), 2);
    }
}

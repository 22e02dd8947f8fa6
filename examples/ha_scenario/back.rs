//! What the manager looks after every ten seconds: fail-back, affinities that are broken, hosts that are empty.

use crate::story::{Affinity, Place, Story};
use std::collections::BTreeSet;
use vm_ecosystem::model::{ComponentId, HostId};
use vm_ecosystem::reconfig::Order;

impl Story {
    pub(crate) fn look_after(&mut self) {
        self.switch_off_what_is_empty();
        let broken = self.mend_affinities();
        self.fail_back(&broken);
    }

    fn switch_off_what_is_empty(&mut self) {
        for (host, boot) in self.emptying.clone() {
            let holds = self.drill.engine().is_none_or(|it| it.replicas().any(|r| r.hosts.contains(&host)));
            if !holds {
                self.emptying.remove(&host);
                self.switch_off_empty(&host, boot);
            }
        }
    }

    fn takes_work(&self, host: &HostId) -> bool {
        let open = self.drill.engine().is_some_and(|it| it.hosts().any(|h| h.host == *host && !h.closed));
        open && !self.closed.contains(host) && !self.off.contains(host)
    }

    /// The service and everything that must be on the same host.
    fn company(&self, service: &ComponentId) -> BTreeSet<ComponentId> {
        let mut found = BTreeSet::from([service.clone()]);
        loop {
            let before = found.len();
            for affinity in self.affinities.iter().filter(|it| it.together) {
                if affinity.members.iter().any(|member| found.contains(member)) {
                    found.extend(affinity.members.iter().cloned());
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    /// How much a service and its company like a host.
    fn rank(&self, company: &BTreeSet<ComponentId>, host: &HostId) -> u64 {
        let one = |service: &ComponentId| {
            self.groups.get(service).and_then(|group| group.get(host)).map_or(0, |p| u64::from(*p) + 1)
        };
        company.iter().map(one).sum()
    }

    fn resting(&self, service: &ComponentId) -> Option<Place> {
        let engine = self.drill.engine().filter(|it| !it.frozen(service))?;
        let frozen = |host: &HostId| engine.hosts().any(|it| it.host == *host && it.frozen);
        self.place(service).filter(|place| place.serves && !place.moves && !frozen(&place.host))
    }

    /// Services go back where they belong: to the best host of their group, or where maintenance took them from.
    fn fail_back(&mut self, broken: &BTreeSet<ComponentId>) {
        for service in self.services.clone() {
            let company = self.company(&service);
            // The first of those that travel together decides for all.
            let first = company.iter().find(|member| self.resting(member).is_some());
            if first != Some(&service)
                || company.iter().any(|it| self.stay.contains(it) || broken.contains(it))
            {
                continue;
            }
            let Some(place) = self.resting(&service) else { continue };
            let rank = |host: &HostId| self.rank(&company, host);
            let here = rank(&place.host);
            let open = || self.hosts.iter().filter(|host| self.takes_work(host));
            let best = open().max_by_key(|host| (rank(host), std::cmp::Reverse(*host)));
            let best = best.filter(|host| rank(host) > here).cloned();
            let origin =
                self.origins.get(&service).filter(|host| self.takes_work(host) && rank(host) >= here);
            let goal = best.or_else(|| origin.cloned());
            match goal.filter(|goal| *goal != place.host) {
                Some(goal) => self.order(Order::Move(place.replica, goal)),
                None if self.origins.get(&service) == Some(&place.host) && self.takes_work(&place.host) => {
                    for member in company {
                        self.origins.remove(&member);
                    }
                }
                None => {}
            }
        }
    }

    /// Brings together what must be together and parts what must be apart; tells whom that concerns.
    fn mend_affinities(&mut self) -> BTreeSet<ComponentId> {
        let mut broken = BTreeSet::new();
        let mut first = None;
        for affinity in &self.affinities {
            if let Some(order) = self.mend(affinity) {
                broken.extend(affinity.members.iter().cloned());
                first.get_or_insert(order);
            }
        }
        // One at a time: the next look sees what it led to.
        if let Some(order) = first {
            self.order(order);
        }
        broken
    }

    fn mend(&self, affinity: &Affinity) -> Option<Order> {
        let places: Vec<(&ComponentId, Place)> =
            affinity.members.iter().filter_map(|member| Some((member, self.resting(member)?))).collect();
        let count = |host: &HostId| places.iter().filter(|(_, place)| place.host == *host).count();
        if affinity.together {
            let company = self.company(&affinity.members[0]);
            let open = places.iter().map(|(_, place)| &place.host).filter(|host| self.takes_work(host));
            let goal =
                open.max_by_key(|host| (self.rank(&company, host), count(host), std::cmp::Reverse(*host)))?;
            let other = places.iter().find(|(_, place)| place.host != *goal)?;
            return Some(Order::Move(other.1.replica.clone(), goal.clone()));
        }
        let (service, place) = places.iter().rev().find(|(_, place)| count(&place.host) > 1)?;
        let company = self.company(service);
        let mut open: Vec<&HostId> =
            self.hosts.iter().filter(|host| self.takes_work(host) && count(host) == 0).collect();
        open.sort_by_key(|host| (std::cmp::Reverse(self.rank(&company, host)), self.services_on(host)));
        open.first().map(|host| Order::Move(place.replica.clone(), (*host).clone()))
    }

    fn services_on(&self, host: &HostId) -> usize {
        self.services.iter().filter(|service| self.place(service).is_some_and(|it| it.host == *host)).count()
    }
}

//! What hosts draw, emit and carry: power curves, carbon, throughput between hosts.

use crate::infra::{Host, Infrastructure, Nearness};
use crate::units::BitsPerSecond;

impl Host {
    /// Power in watts at a utilisation in permille (0 to 1,000; more counts as 1,000): along the power curve, straight
    /// between its points, else straight from idle to full power (Fan, Weber & Barroso 2007, Power provisioning for a
    /// warehouse-sized computer, ISCA). `None` = not known.
    ///
    /// # Example
    /// ```
    /// use ecosystem_core::{Host, Resources};
    ///
    /// let mut host = Host::new("h1".parse()?, "r1".parse()?, Resources::default());
    /// host.power_idle_max_w = Some((100, 300));
    /// assert_eq!(host.power_w(500), Some(200.0));
    /// host.power_curve = vec![(0, 60), (500, 250), (1_000, 300)];
    /// assert_eq!(host.power_w(750), Some(275.0));
    /// # Ok::<(), ecosystem_core::InvalidId>(())
    /// ```
    pub fn power_w(&self, utilisation_permille: u32) -> Option<f64> {
        let at = utilisation_permille.min(1_000);
        if let Some(&(last, most)) = self.power_curve.last() {
            let after = self.power_curve.partition_point(|&(permille, _)| permille < at);
            let (x1, y1) = self.power_curve.get(after).copied().unwrap_or((last, most));
            let (x0, y0) = after.checked_sub(1).map_or((x1, y1), |before| self.power_curve[before]);
            if x1 <= x0 {
                return Some(f64::from(y1));
            }
            let share = (f64::from(at) - f64::from(x0)) / (f64::from(x1) - f64::from(x0));
            return Some(f64::from(y0) + (f64::from(y1) - f64::from(y0)) * share);
        }
        let (idle, full) = self.power_idle_max_w?;
        Some(f64::from(idle) + (f64::from(full) - f64::from(idle)) * f64::from(at) / 1_000.0)
    }
}

impl Infrastructure {
    /// Grams of CO₂ per hour of a host at a utilisation in permille; `None` if its power or the carbon intensity of its
    /// zone is not known.
    ///
    /// # Panics
    /// If `host` is not an index below `hosts().len()`.
    pub fn carbon_g_per_hour(&self, host: usize, utilisation_permille: u32) -> Option<f64> {
        let intensity = self.zones()[self.host_zone_index(host)].carbon_g_per_kwh?;
        Some(self.hosts()[host].power_w(utilisation_permille)? / 1_000.0 * f64::from(intensity))
    }

    /// Throughput of a connection between two hosts: the smallest of their network links and the link between their zones,
    /// with the [default](Self::bandwidth_defaults) for their nearness in place of those that are not given. `None` inside one
    /// host, and where nothing is known.
    ///
    /// # Panics
    /// If `a` or `b` is not an index below `hosts().len()`.
    pub fn bandwidth(&self, a: usize, b: usize) -> Option<BitsPerSecond> {
        let near = self.nearness(a, b);
        if near == Nearness::Host {
            return None;
        }
        let default = self.bandwidth_defaults().of(near);
        let or_default = |given: BitsPerSecond| if given == BitsPerSecond::ZERO { default } else { given };
        let mut path = vec![or_default(self.hosts()[a].link), or_default(self.hosts()[b].link)];
        if near >= Nearness::Region {
            let link = self.zone_link(self.host_zone_index(a), self.host_zone_index(b));
            path.push(or_default(link.map_or(BitsPerSecond::ZERO, |link| link.bandwidth)));
        }
        path.into_iter().filter(|bandwidth| bandwidth.get() > 0).min()
    }
}

#[cfg(test)]
mod tests {
    use crate::infra::{BandwidthDefaults, Host, Infrastructure, Link, Rack, Region, Zone};
    use crate::resources::Resources;
    use crate::units::{BitsPerSecond, Micros};

    #[test]
    fn the_narrowest_known_link_is_the_throughput() {
        let mut builder = Infrastructure::builder().region(Region::new("eu".parse().unwrap()));
        for zone in ["a", "b"] {
            let mut it = Zone::new(zone.parse().unwrap(), "eu".parse().unwrap());
            it.carbon_g_per_kwh = (zone == "a").then_some(400);
            builder = builder.zone(it).rack(Rack::new(zone.parse().unwrap(), zone.parse().unwrap()));
        }
        for (name, rack, gbit) in [("h1", "a", 10), ("h2", "a", 25), ("h3", "b", 0)] {
            let mut host = Host::new(name.parse().unwrap(), rack.parse().unwrap(), Resources::default());
            host.link = BitsPerSecond::gbit(gbit);
            host.power_idle_max_w = Some((100, 300));
            builder = builder.host(host);
        }
        let mut link = Link::new(Micros(900));
        link.bandwidth = BitsPerSecond::gbit(5);
        let linked = builder.clone().link("a".parse().unwrap(), "b".parse().unwrap(), link);
        let infra = linked.bandwidth(BandwidthDefaults::UNKNOWN).build().unwrap();
        let gbit = |infra: &Infrastructure, a, b| infra.bandwidth(a, b).map(|it| it.get() / 1_000_000_000);
        assert_eq!(
            [(0, 0), (0, 1), (1, 2), (2, 2)].map(|(a, b)| gbit(&infra, a, b)),
            [None, Some(10), Some(5), None]
        );
        // nothing is given between the zones, nor for the third host
        let unlinked = builder.build().unwrap();
        assert_eq!([(0, 1), (1, 2)].map(|(a, b)| gbit(&unlinked, a, b)), [Some(10), Some(5)]);
        let mut known = BandwidthDefaults::default();
        (known.same_rack, known.same_region) = (BitsPerSecond::gbit(1), BitsPerSecond::gbit(40));
        let stated = unlinked.to_builder().bandwidth(known).build().unwrap();
        assert_eq!([(0, 1), (1, 2)].map(|(a, b)| gbit(&stated, a, b)), [Some(10), Some(25)]);
        assert_eq!((infra.carbon_g_per_hour(0, 500), infra.carbon_g_per_hour(2, 500)), (Some(80.0), None));
    }
}

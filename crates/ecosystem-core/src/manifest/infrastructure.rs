//! Infrastructure files, version 1.1; specified in `docs/infrastructure-format.md`.

use super::Budgets;
use super::native::check_version;
use super::quantity;
use super::read;
use super::report::Report;
use super::tree::{At, Node};
use crate::id::{HostId, InvalidId, RackId, RegionId, ZoneId};
use crate::infra::{
    BandwidthDefaults, Host, HostState, Infrastructure, InfrastructureBuilder, LatencyDefaults, Link, Rack,
    Region, Zone, ZoneKind,
};
use crate::resources::Resources;
use crate::units::{BitsPerSecond, Currency, Micros};
use crate::window::MaintenanceWindow;
use std::collections::BTreeMap;
use std::sync::Arc;

const KEYS: &[&str] =
    &["version", "name", "description", "currency", "latency", "bandwidth", "templates", "regions", "links"];
const HOST_KEYS: &[&str] = &[
    "template",
    "count",
    "first",
    "capacity",
    "reserved",
    "overcommit",
    "price_per_hour",
    "power",
    "link",
    "labels",
    "taints",
    "domains",
    "state",
    "maintenance",
];
/// What all hosts of a zone or rack have.
#[derive(Clone, Debug, Default)]
struct Shared {
    domains: BTreeMap<Arc<str>, Arc<str>>,
    maintenance: Vec<MaintenanceWindow>,
}

/// Reads all documents into one infrastructure.
pub(super) fn read(documents: &[Node], budgets: &Budgets, report: &mut Report) -> Option<Infrastructure> {
    let mut reader = Reader {
        builder: Infrastructure::builder(),
        currency: Currency::default(),
        templates: BTreeMap::new(),
        names: BTreeMap::new(),
        hosts_left: budgets.hosts,
        hosts: 0,
        report,
    };
    for document in documents {
        reader.document(&At::root(document));
    }
    if reader.hosts == 0 && !reader.report.has_errors() {
        let place = documents.first().map(|d| reader.report.place(&At::root(d))).unwrap_or_default();
        reader.report.add_at(
            "E1204",
            place,
            "the infrastructure has no hosts".to_owned(),
            "list them: regions › zones › racks › hosts",
        );
    }
    if reader.report.has_errors() {
        return None;
    }
    match reader.builder.build() {
        Ok(infrastructure) => Some(infrastructure),
        Err(error) => {
            report.add_at("E1201", crate::finding::Place::default(), error.to_string(), "correct the file");
            None
        }
    }
}

struct Reader<'a, 'r> {
    builder: InfrastructureBuilder,
    currency: Currency,
    templates: BTreeMap<&'a str, At<'a>>,
    /// Line of the first definition by kind and name.
    names: BTreeMap<(&'static str, String), u32>,
    hosts_left: usize,
    hosts: usize,
    report: &'r mut Report,
}

impl<'a> Reader<'a, '_> {
    fn document(&mut self, root: &At<'a>) {
        let Some(root) = read::map(root.clone(), self.report) else { return };
        read::known_keys(&root, KEYS, self.report);
        check_version(&root, self.report);
        if let Some(currency) =
            read::value(&root, "currency", "three letters such as `EUR`", self.report, Currency::new)
        {
            self.currency = currency;
            self.with(|b| b.currency(currency));
        }
        if let Some(latency) = root.get("latency").and_then(|at| read::map(at, self.report)) {
            let defaults = self.latency(&latency);
            self.with(|b| b.latency(defaults));
        }
        if let Some(bandwidth) = root.get("bandwidth").and_then(|at| read::map(at, self.report)) {
            let defaults = self.bandwidth(&bandwidth);
            self.with(|b| b.bandwidth(defaults));
        }
        if let Some(templates) = root.get("templates").and_then(|at| read::map(at, self.report)) {
            self.templates.extend(templates.entries().map(|(name, _, at)| (name, at)));
        }
        let Some(regions) = root.get("regions").and_then(|at| read::map(at, self.report)) else {
            self.report.add(
                "E1106",
                &root,
                "`regions` is missing or empty".to_owned(),
                "list regions › zones › racks › hosts below `regions:`",
            );
            return;
        };
        for (name, _, at) in regions.entries() {
            self.region(name, &at);
        }
        for at in root.get("links").iter().flat_map(At::items) {
            self.link(&at);
        }
    }

    fn with(&mut self, change: impl FnOnce(InfrastructureBuilder) -> InfrastructureBuilder) {
        self.builder = change(std::mem::take(&mut self.builder));
    }

    /// A name that is valid and new.
    fn name<T: for<'t> TryFrom<&'t str, Error = InvalidId>>(
        &mut self,
        what: &'static str,
        name: &str,
        at: &At<'_>,
    ) -> Option<T> {
        let line = at.node.pos.line;
        if let Some(first) = self.names.insert((what, name.to_owned()), line) {
            let message = format!("{what} `{name}` is defined twice, first in line {first}");
            self.report.add("E1201", at, message, "choose another name: they are unique in the whole file");
            return None;
        }
        match T::try_from(name) {
            Ok(id) => Some(id),
            Err(error) => {
                self.report.add("E1105", at, error.to_string(), "correct the name");
                None
            }
        }
    }

    fn latency(&mut self, at: &At<'_>) -> LatencyDefaults {
        let mut latency = LatencyDefaults::default();
        let keys = ["same_host", "same_rack", "same_zone", "same_region", "cross_region"];
        read::known_keys(at, &keys, self.report);
        let mut take = |key: &str, target: &mut Micros| {
            if let Some(value) = read::duration_of(at, key, self.report) {
                *target = value;
            }
        };
        take("same_host", &mut latency.same_host);
        take("same_rack", &mut latency.same_rack);
        take("same_zone", &mut latency.same_zone);
        take("same_region", &mut latency.same_region);
        take("cross_region", &mut latency.cross_region);
        latency
    }

    fn bandwidth(&mut self, at: &At<'_>) -> BandwidthDefaults {
        let mut bandwidth = BandwidthDefaults::default();
        read::known_keys(at, &["same_rack", "same_zone", "same_region", "cross_region"], self.report);
        let mut take = |key: &str, target: &mut BitsPerSecond| {
            if let Some(value) = read::bandwidth_of(at, key, self.report) {
                *target = value;
            }
        };
        take("same_rack", &mut bandwidth.same_rack);
        take("same_zone", &mut bandwidth.same_zone);
        take("same_region", &mut bandwidth.same_region);
        take("cross_region", &mut bandwidth.cross_region);
        bandwidth
    }

    fn region(&mut self, name: &str, at: &At<'a>) {
        let Some(id) = self.name::<RegionId>("region", name, at) else { return };
        read::known_keys(at, &["zones", "description"], self.report);
        let region = Region::new(id.clone());
        self.with(|b| b.region(region));
        if let Some(zones) = at.get("zones").and_then(|z| read::map(z, self.report)) {
            for (name, _, zone) in zones.entries() {
                self.zone(name, &id, &zone);
            }
        }
    }

    fn zone(&mut self, name: &str, region: &RegionId, at: &At<'a>) {
        let Some(id) = self.name::<ZoneId>("zone", name, at) else { return };
        read::known_keys(
            at,
            &["kind", "carbon_g_per_kwh", "racks", "maintenance", "description"],
            self.report,
        );
        let mut zone = Zone::new(id.clone(), region.clone());
        let kinds = [("core", ZoneKind::Core), ("edge", ZoneKind::Edge)];
        zone.kind = read::word(at, "kind", &kinds, self.report).unwrap_or_default();
        zone.carbon_g_per_kwh = read::u32_of(at, "carbon_g_per_kwh", self.report);
        self.with(|b| b.zone(zone));
        let maintenance = read::windows_of(at, "maintenance", self.report);
        if let Some(racks) = at.get("racks").and_then(|r| read::map(r, self.report)) {
            for (name, _, rack) in racks.entries() {
                self.rack(name, &id, &maintenance, &rack);
            }
        }
    }

    fn rack(&mut self, name: &str, zone: &ZoneId, windows: &[MaintenanceWindow], at: &At<'a>) {
        let Some(id) = self.name::<RackId>("rack", name, at) else { return };
        read::known_keys(at, &["hosts", "domains", "maintenance", "description"], self.report);
        let rack = Rack::new(id.clone(), zone.clone());
        self.with(|b| b.rack(rack));
        let mut shared =
            Shared { domains: read::labels_of(at, "domains", self.report), maintenance: windows.to_vec() };
        shared.maintenance.extend(read::windows_of(at, "maintenance", self.report));
        if let Some(hosts) = at.get("hosts").and_then(|h| read::map(h, self.report)) {
            for (pattern, _, host) in hosts.entries() {
                self.hosts_of(pattern, &id, &shared, &host);
            }
        }
    }

    /// One host, or `count` of them with `{n}` in the name replaced by a number.
    fn hosts_of(&mut self, pattern: &str, rack: &RackId, shared: &Shared, at: &At<'a>) {
        let Some(at) = read::map(at.clone(), self.report) else { return };
        let count = read::u32_of(&at, "count", self.report).unwrap_or(1) as usize;
        if count > self.hosts_left {
            let message = format!("{count} hosts are too many, expected at most {} more", self.hosts_left);
            self.report.add("E1205", &at, message, "lower `count`, or raise `budgets.hosts`");
            return;
        }
        self.hosts_left -= count;
        self.hosts += count;
        let mut host = Host::new(placeholder(), rack.clone(), Resources::default());
        host.domains.clone_from(&shared.domains);
        host.maintenance.clone_from(&shared.maintenance);
        if let Some(name) = read::text_of(&at, "template", self.report) {
            if let Some(template) = self.templates.get(name).cloned() {
                self.apply(&template, &mut host);
            } else {
                let known = self.templates.keys().copied();
                let remedy = self.report.did_you_mean(name, known, "define it below `templates:`");
                let value = at.get("template").unwrap_or_else(|| at.clone());
                self.report.add("E1202", &value, format!("template `{name}` is not defined"), remedy);
            }
        }
        self.apply(&at, &mut host);
        if host.capacity.is_zero() {
            let message = "the host has no capacity".to_owned();
            self.report.add("E1203", &at, message, "give `capacity: {cpu: 16, memory: 64Gi}` or a template");
        }
        if !host.reserved.fits_in(&host.capacity) {
            let message = format!("{} is reserved, more than the capacity {}", host.reserved, host.capacity);
            self.report.add("E1203", &at, message, "lower `reserved`");
        }
        let first = read::u32_of(&at, "first", self.report).unwrap_or(1) as usize;
        let numbered = count > 1 || pattern.contains("{n}");
        for number in first..first.saturating_add(count) {
            let name = match (numbered, pattern.contains("{n}")) {
                (false, _) => pattern.to_owned(),
                (true, true) => pattern.replace("{n}", &number.to_string()),
                (true, false) => format!("{pattern}-{number}"),
            };
            let Some(id) = self.name::<HostId>("host", &name, &at) else { continue };
            let mut one = host.clone();
            one.id = id;
            self.with(|b| b.host(one));
        }
    }

    /// Overwrites what the map says; labels, taints and domains are added to.
    fn apply(&mut self, at: &At<'a>, host: &mut Host) {
        read::known_keys(at, HOST_KEYS, self.report);
        if let Some(capacity) = at.get("capacity") {
            host.capacity = read::resources(&capacity, self.report);
        }
        if let Some(reserved) = at.get("reserved") {
            host.reserved = read::resources(&reserved, self.report);
        }
        if let Some(all) = at.get("overcommit").and_then(|o| read::map(o, self.report)) {
            for (name, _, _) in all.entries() {
                let expected = "percent such as `150%`";
                if let Some(percent) = read::value(&all, name, expected, self.report, quantity::percent) {
                    host.overcommit_percent.insert(Arc::from(name), percent);
                }
            }
        }
        self.price(at, host);
        if let Some(power) = at.get("power").and_then(|p| read::map(p, self.report)) {
            read::known_keys(&power, &["idle_w", "max_w", "curve"], self.report);
            self.power_curve(&power, host);
            let idle = read::u32_of(&power, "idle_w", self.report);
            let max = read::u32_of(&power, "max_w", self.report);
            if let (Some(idle), Some(max)) = (idle, max) {
                host.power_idle_max_w = Some((idle, max));
            }
        }
        if let Some(link) = read::bandwidth_of(at, "link", self.report) {
            host.link = link;
        }
        host.labels.extend(read::labels_of(at, "labels", self.report));
        host.taints.extend(read::labels_of(at, "taints", self.report));
        host.domains.extend(read::labels_of(at, "domains", self.report));
        host.maintenance.extend(read::windows_of(at, "maintenance", self.report));
        let states = [
            ("ready", HostState::Ready),
            ("cordoned", HostState::Cordoned),
            ("maintenance", HostState::Maintenance),
        ];
        if let Some(state) = read::word(at, "state", &states, self.report) {
            host.state = state;
        }
    }

    /// `curve: {0%: 60, 50%: 250, 100%: 300}`: watts by utilisation.
    fn power_curve(&mut self, power: &At<'_>, host: &mut Host) {
        let Some(curve) = power.get("curve").and_then(|c| read::map(c, self.report)) else { return };
        let mut points = Vec::new();
        for (key, _, at) in curve.entries() {
            let share = quantity::permille(key).and_then(|p| u32::try_from(p).ok()).filter(|&p| p <= 1_000);
            match (share, at.text().and_then(quantity::count).and_then(|w| u32::try_from(w).ok())) {
                (Some(share), Some(watts)) => points.push((share, watts)),
                _ => self.report.add(
                    "E1104",
                    &at,
                    format!("`{}` of the power curve is {}", super::tree::shorten(key), at.node.describe()),
                    "write watts by utilisation such as `{0%: 60, 50%: 250, 100%: 300}`",
                ),
            }
        }
        points.sort_unstable();
        points.dedup_by_key(|(share, _)| *share);
        host.power_curve = points;
    }

    fn price(&mut self, at: &At<'_>, host: &mut Host) {
        let Some(value) = at.get("price_per_hour") else { return };
        match value.text().and_then(quantity::money) {
            Some((price, None)) => host.price_per_hour = price,
            Some((price, Some(code))) if code == self.currency.as_str() => host.price_per_hour = price,
            Some((_, Some(code))) => {
                let message = format!("price is in `{code}`, expected {} as the file says", self.currency);
                self.report.add("E1104", &value, message, "give all prices in one currency");
            }
            None => {
                let message = format!("price is {}, expected a number such as `0.42`", value.node.describe());
                self.report.add("E1104", &value, message, "write a number such as `0.42`");
            }
        }
    }

    fn link(&mut self, at: &At<'_>) {
        read::known_keys(at, &["between", "latency", "bandwidth"], self.report);
        let ends = read::texts_of(at, "between", self.report);
        let ([(a, _), (b, _)], Some(latency)) =
            (ends.as_slice(), read::duration_of(at, "latency", self.report))
        else {
            self.report.add(
                "E1106",
                at,
                "a link needs `between` and `latency`".to_owned(),
                "write `{between: [zone-a, zone-b], latency: 700us}`",
            );
            return;
        };
        for (end, place) in &ends {
            if !self.names.contains_key(&("zone", (*end).to_owned())) {
                let zones =
                    self.names.keys().filter(|(what, _)| *what == "zone").map(|(_, name)| name.as_str());
                let remedy = self.report.did_you_mean(end, zones, "name two zones of the file");
                self.report.add("E1202", place, format!("zone `{end}` is not defined"), remedy);
                return;
            }
        }
        let (Ok(a), Ok(b)) = (ZoneId::new(a), ZoneId::new(b)) else { return };
        let mut link = Link::new(latency);
        link.bandwidth = read::bandwidth_of(at, "bandwidth", self.report).unwrap_or(BitsPerSecond::ZERO);
        self.with(|builder| builder.link(a, b, link));
    }
}

fn placeholder() -> HostId {
    HostId::new("host").expect("a plain word is a valid name")
}

//! The hosts and what runs on them: given, computed, or everything on this machine.

use crate::options::Options;
use std::fmt::Write as _;
use vm_ecosystem::model::export::json;
use vm_ecosystem::model::manifest::{self, ParseOptions, Source};
use vm_ecosystem::model::{
    Ecosystem, Host, Infrastructure, Placement, Rack, Region, ReplicaId, Resources, Zone,
};
use vm_ecosystem::placement::{Problem, Settings, Status, solve};

/// Where a map runs.
pub(crate) struct Ground {
    /// The map with as many agents as there are hosts.
    pub(crate) map: Ecosystem,
    pub(crate) infrastructure: Infrastructure,
    pub(crate) placement: Placement,
}

/// The hosts that the options name, with the placement that they name or the cheapest one.
pub(crate) fn of(map: &Ecosystem, options: &Options) -> Result<Option<Ground>, String> {
    let Some(path) = &options.infrastructure else { return Ok(None) };
    let (name, bytes) = (path.display().to_string(), crate::read(path)?);
    let parsed = manifest::parse_infrastructure(&[Source::new(&name, &bytes)], &ParseOptions::default())
        .map_err(|error| error.to_string())?;
    for finding in &parsed.findings {
        eprintln!("{finding}");
    }
    let infrastructure = parsed.infrastructure;
    let map = map.on_hosts(&infrastructure);
    let placement = match &options.placement {
        Some(path) => {
            let bytes = crate::read(path)?;
            let text = String::from_utf8_lossy(&bytes);
            let placement =
                json::parse_placement(&text).map_err(|error| format!("{}: {error}", path.display()))?;
            known(&placement, &map, &infrastructure)
                .map_err(|problem| format!("{}: {problem}", path.display()))?;
            placement
        }
        None => cheapest(&map, &infrastructure).map_err(|problem| format!("{name}: {problem}"))?,
    };
    Ok(Some(Ground { map, infrastructure, placement }))
}

fn known(placement: &Placement, map: &Ecosystem, infrastructure: &Infrastructure) -> Result<(), String> {
    for (replica, host) in placement.iter() {
        if map.component(replica.component()).is_none() {
            return Err(format!("replica `{replica}` is of no component of this map; correct the name"));
        }
        if infrastructure.host(host).is_none() {
            return Err(format!("replica `{replica}` is on `{host}`, which is no host; correct the name"));
        }
    }
    Ok(())
}

fn cheapest(map: &Ecosystem, infrastructure: &Infrastructure) -> Result<Placement, String> {
    let problem = Problem::builder(map, infrastructure).build().map_err(|error| error.to_string())?;
    let solution = solve(&problem, &Settings::default());
    match &solution.status {
        Status::Infeasible { conflict } => Err(format!("no placement exists: {}", conflict.message)),
        _ if solution.is_feasible() => Ok(solution.placement),
        _ => Err("no placement was found; give more hosts, or --placement".to_owned()),
    }
}

impl Ground {
    /// Everything on this machine.
    pub(crate) fn local(map: &Ecosystem) -> Self {
        let name = "localhost";
        let valid = "a plain word is a valid name";
        let mut size = Resources::default();
        let mut placement = Placement::new();
        for component in map.components().filter(|c| c.is_placed()) {
            for index in 0..component.replicas {
                size = size.saturating_add(&component.requirements.request);
                placement.set(ReplicaId::new(component.id.clone(), index), name.parse().expect(valid));
            }
        }
        let infrastructure = Infrastructure::builder()
            .region(Region::new(name.parse().expect(valid)))
            .zone(Zone::new(name.parse().expect(valid), name.parse().expect(valid)))
            .rack(Rack::new(name.parse().expect(valid), name.parse().expect(valid)))
            .host(Host::new(name.parse().expect(valid), name.parse().expect(valid), size))
            .build()
            .expect("one of each, all names known");
        Self { map: map.clone(), infrastructure, placement }
    }

    /// Which replicas are on which host.
    pub(crate) fn show(&self, text: &mut String) {
        let used = self.infrastructure.hosts().iter().map(|host| {
            let here = self.placement.iter().filter(|(_, on)| **on == host.id);
            (host, here.map(|(replica, _)| replica.to_string()).collect::<Vec<_>>())
        });
        let used: Vec<_> = used.filter(|(_, here)| !here.is_empty()).collect();
        let _ = writeln!(
            text,
            "placement: {} replicas on {} of {} hosts",
            self.placement.len(),
            used.len(),
            self.infrastructure.hosts().len()
        );
        for (host, here) in used {
            let _ = writeln!(text, "  {:20} {}", host.id, here.join(" "));
        }
        text.push('\n');
    }
}

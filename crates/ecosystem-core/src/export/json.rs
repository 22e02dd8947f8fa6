//! JSON that reads back to the same value: maps, infrastructures, placements.
//!
//! Each document says what it is (`format`) and in which version (`version`); readers refuse others.

use crate::component::Component;
use crate::dependency::Dependency;
use crate::ecosystem::{Ecosystem, EcosystemBuilder, EcosystemError};
use crate::id::{HostId, InvalidId, ZoneId};
use crate::infra::{
    BandwidthDefaults, Host, Infrastructure, InfrastructureError, LatencyDefaults, Link, Rack, Region, Zone,
};
use crate::placement::Placement;
use crate::rules::Rule;
use crate::units::Currency;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Version of the documents that this crate writes.
pub const VERSION: u32 = 1;

const MAP: &str = "vm-ecosystem/map";
const INFRASTRUCTURE: &str = "vm-ecosystem/infrastructure";
const PLACEMENT: &str = "vm-ecosystem/placement";

/// Why a text is not one of our JSON documents.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, or a value of the wrong form.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// Another kind of document, or a version this crate does not know.
    #[error("document is `{format}` version {version}, expected `{expected}` version {VERSION}")]
    Format {
        /// What it says it is.
        format: String,
        /// Its version.
        version: u32,
        /// What was expected.
        expected: &'static str,
    },
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] InvalidId),
    /// The parts do not make a map.
    #[error(transparent)]
    Ecosystem(#[from] EcosystemError),
    /// The parts do not make an infrastructure.
    #[error(transparent)]
    Infrastructure(#[from] InfrastructureError),
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        Self::Syntax { line: error.line(), column: error.column(), message }
    }
}

#[derive(Serialize, Deserialize)]
struct MapDocument<'a> {
    format: Cow<'a, str>,
    version: u32,
    name: Arc<str>,
    components: Vec<Cow<'a, Component>>,
    #[serde(default)]
    dependencies: Vec<Cow<'a, Dependency>>,
    #[serde(default)]
    rules: Cow<'a, [Rule]>,
}

/// A map as JSON, indented, with everything in it. [`parse_map`] reads it back.
pub fn map(ecosystem: &Ecosystem) -> String {
    pretty(&MapDocument {
        format: MAP.into(),
        version: VERSION,
        name: ecosystem.name().into(),
        components: ecosystem.components().map(Cow::Borrowed).collect(),
        dependencies: ecosystem.dependencies().map(Cow::Borrowed).collect(),
        rules: ecosystem.rules().into(),
    })
}

/// Reads what [`map`] wrote.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Ecosystem, Kind, export::json};
///
/// let map = Ecosystem::builder("m").component(Component::new("db".parse()?, Kind::Database)).build()?;
/// assert_eq!(json::parse_map(&json::map(&map))?, map);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_map(text: &str) -> Result<Ecosystem, JsonError> {
    let document: MapDocument<'_> = serde_json::from_str(text)?;
    expect_format(&document.format, document.version, MAP)?;
    let components = document.components.into_iter().map(|c| Arc::new(c.into_owned())).collect();
    let dependencies = document.dependencies.into_iter().map(|d| Arc::new(d.into_owned())).collect();
    let rules = document.rules.into_owned();
    Ok(EcosystemBuilder::of_parts(document.name, components, dependencies, rules).build()?)
}

#[derive(Serialize, Deserialize)]
struct LinkDocument {
    a: ZoneId,
    b: ZoneId,
    #[serde(flatten)]
    link: Link,
}

#[derive(Serialize, Deserialize)]
struct InfrastructureDocument<'a> {
    format: Cow<'a, str>,
    version: u32,
    #[serde(default)]
    currency: Currency,
    #[serde(default)]
    latency: LatencyDefaults,
    #[serde(default)]
    bandwidth: BandwidthDefaults,
    regions: Cow<'a, [Region]>,
    zones: Cow<'a, [Zone]>,
    racks: Cow<'a, [Rack]>,
    hosts: Cow<'a, [Host]>,
    #[serde(default)]
    links: Vec<LinkDocument>,
}

/// An infrastructure as JSON, indented, with everything in it. [`parse_infrastructure`] reads it back.
pub fn infrastructure(infrastructure: &Infrastructure) -> String {
    let zones = infrastructure.zones();
    let pairs = (0..zones.len()).flat_map(|a| (a..zones.len()).map(move |b| (a, b)));
    let links = pairs
        .filter_map(|(a, b)| {
            let link = infrastructure.zone_link(a, b)?;
            Some(LinkDocument { a: zones[a].id.clone(), b: zones[b].id.clone(), link })
        })
        .collect();
    pretty(&InfrastructureDocument {
        format: INFRASTRUCTURE.into(),
        version: VERSION,
        currency: infrastructure.currency(),
        latency: infrastructure.latency_defaults(),
        bandwidth: infrastructure.bandwidth_defaults(),
        regions: infrastructure.regions().into(),
        zones: infrastructure.zones().into(),
        racks: infrastructure.racks().into(),
        hosts: infrastructure.hosts().into(),
        links,
    })
}

/// Reads what [`infrastructure`] wrote.
pub fn parse_infrastructure(text: &str) -> Result<Infrastructure, JsonError> {
    let document: InfrastructureDocument<'_> = serde_json::from_str(text)?;
    expect_format(&document.format, document.version, INFRASTRUCTURE)?;
    let mut builder = Infrastructure::builder()
        .currency(document.currency)
        .latency(document.latency)
        .bandwidth(document.bandwidth);
    for region in document.regions.into_owned() {
        builder = builder.region(region);
    }
    for zone in document.zones.into_owned() {
        builder = builder.zone(zone);
    }
    for rack in document.racks.into_owned() {
        builder = builder.rack(rack);
    }
    for host in document.hosts.into_owned() {
        builder = builder.host(host);
    }
    for LinkDocument { a, b, link } in document.links {
        builder = builder.link(a, b, link);
    }
    Ok(builder.build()?)
}

#[derive(Serialize, Deserialize)]
struct PlacementDocument<'a> {
    format: Cow<'a, str>,
    version: u32,
    replicas: BTreeMap<String, HostId>,
}

/// A placement as JSON, indented: host by replica. [`parse_placement`] reads it back.
pub fn placement(placement: &Placement) -> String {
    let replicas = placement.iter().map(|(replica, host)| (replica.to_string(), host.clone())).collect();
    pretty(&PlacementDocument { format: PLACEMENT.into(), version: VERSION, replicas })
}

/// Reads what [`placement`] wrote.
///
/// # Example
/// ```
/// use ecosystem_core::{Placement, ReplicaId, export::json};
///
/// let placement = Placement::new().with(ReplicaId::new("web".parse()?, 0), "h1".parse()?);
/// assert_eq!(json::parse_placement(&json::placement(&placement))?, placement);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_placement(text: &str) -> Result<Placement, JsonError> {
    let document: PlacementDocument<'_> = serde_json::from_str(text)?;
    expect_format(&document.format, document.version, PLACEMENT)?;
    let mut placement = Placement::new();
    for (name, host) in document.replicas {
        placement.set(name.parse()?, host);
    }
    Ok(placement)
}

fn expect_format(format: &str, version: u32, expected: &'static str) -> Result<(), JsonError> {
    if format == expected && version == VERSION {
        return Ok(());
    }
    Err(JsonError::Format { format: format.to_owned(), version, expected })
}

fn pretty<T: Serialize>(document: &T) -> String {
    let mut text = serde_json::to_string_pretty(document)
        .expect("values with string keys and finite numbers always serialize");
    text.push('\n');
    text
}

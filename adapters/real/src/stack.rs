//! The application stack and the hosts it runs on.

use ecosystem_qemu::FleetSettings;
use std::path::Path;
use vm_ecosystem::prelude::*;

/// Twelve virtual machines in four components.
const STACK: &str = "
version: 1
name: shop
components:
  web:
    version: '1'
    replicas: {min: 4, max: 6, count: 4}
    resources: {request: {cpu: 250m, memory: 16Mi}}
    depends_on: [api]
  api:
    version: '1'
    replicas: 4
    resources: {request: {cpu: 250m, memory: 16Mi}}
    depends_on: [db, cache]
  db: {kind: database, version: '1', replicas: 2, resources: {request: {cpu: 250m, memory: 32Mi}}}
  cache: {kind: cache, version: '1', replicas: 2, resources: {request: {cpu: 250m, memory: 16Mi}}}
";

/// Four hosts in two zones, each with room for six machines: one may fail.
const FLEET: &str = "
version: 1
regions:
  eu:
    zones:
      a: {racks: {ra: {hosts: {'a{n}': {count: 2, capacity: {cpu: 1500m, memory: 192Mi}}}}}}
      b: {racks: {rb: {hosts: {'b{n}': {count: 2, capacity: {cpu: 1500m, memory: 192Mi}}}}}}
";

/// Components with the machines of each that run at least when all is well.
pub const LEAST: [(&str, usize); 4] = [("web", 4), ("api", 4), ("db", 2), ("cache", 2)];

/// The map.
pub fn ecosystem() -> Result<Ecosystem, Box<dyn std::error::Error>> {
    Ok(manifest::parse(&[Source::new("stack.yaml", STACK)], &ParseOptions::default())?.ecosystem)
}

/// The hosts.
pub fn infrastructure() -> Result<Infrastructure, Box<dyn std::error::Error>> {
    let read = manifest::parse_infrastructure(&[Source::new("fleet.yaml", FLEET)], &ParseOptions::default())?;
    Ok(read.infrastructure)
}

/// The fleet below a directory; this program is the supervisors' as well.
pub fn fleet(dir: &Path) -> Result<FleetSettings, Box<dyn std::error::Error>> {
    let hosts = infrastructure()?.hosts().iter().map(|host| (host.id.clone(), host.allocatable())).collect();
    let mut settings = FleetSettings::new(dir.join("h"), std::env::current_exe()?, hosts);
    settings.arguments = vec!["host".into()];
    Ok(settings)
}

//! `ecosystem-core` alone: a manifest in, the structure of the application out.

use vm_ecosystem::model::ComponentId;
use vm_ecosystem::model::analysis::{blast_radius, start_order};
use vm_ecosystem::model::manifest::{self, ParseOptions, Source};

const MANIFEST: &str = "
version: 1
name: blog
components:
  proxy: {kind: gateway, image: nginx:1.27, depends_on: [app]}
  app: {image: blog:2.1, replicas: 3, depends_on: [db, {on: cache, strength: soft}]}
  cache: {kind: cache, image: valkey:8}
  db: {kind: database, image: postgres:16}
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parsed = manifest::parse(&[Source::new("blog.yaml", MANIFEST)], &ParseOptions::default())?;
    let blog = parsed.ecosystem;

    println!("start order of {}:\n{}", blog.name(), start_order(&blog));
    let blast = blast_radius(&blog, &ComponentId::new("db")?).ok_or("db is in the map")?;
    println!("{blast}");
    assert_eq!(blast.affected.len(), 2, "app and proxy fail with the database");

    // Wrong input is refused with its place, what was expected, and a remedy.
    let wrong = MANIFEST.replace("[db,", "[bd,");
    let refused = manifest::parse(&[Source::new("blog.yaml", &wrong)], &ParseOptions::default());
    let error = refused.err().ok_or("a wrong name is refused")?;
    println!("\n{error}");
    assert!(error.to_string().starts_with("blog.yaml:6:"));
    Ok(())
}

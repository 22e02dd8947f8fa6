use vm_ecosystem::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shop = "version: 1\nname: shop\ncomponents: {web: {depends_on: [db]}, db: {kind: database}}";
    let parsed = manifest::parse(&[Source::new("shop.yaml", shop)], &ParseOptions::default())?;
    println!("{} components", parsed.ecosystem.len());
    Ok(())
}

use ecosystem_core::{Component, Dependency, DependencyKind, Ecosystem, Kind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shop = Ecosystem::builder("shop")
        .component(Component::new("web".parse()?, Kind::Gateway))
        .component(Component::new("db".parse()?, Kind::Database))
        .dependency(Dependency::new("web".parse()?, "db".parse()?, DependencyKind::Call))
        .build()?;
    println!("{} has {} components", shop.name(), shop.len());
    Ok(())
}

//! All integration tests of this crate in one program: it is compiled and linked once, and a slow test does not hold up the next.

mod balance;
mod edge_sites;
mod live_replicas;
mod neighbours;
mod rule_catalogue;
mod stack;

#[test]
fn every_file_of_tests_is_in_this_program() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    for entry in std::fs::read_dir(here).expect("the folder of the tests").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "all") else { continue };
        assert!(
            include_str!("all.rs").contains(&format!("mod {module};\n")),
            "{name} is not listed in tests/all.rs"
        );
    }
}

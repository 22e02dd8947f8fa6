//! All integration tests of this crate in one program: it is compiled and linked once, and a slow test does not hold up the next.

mod analysis_numbers;
mod analysis_order;
mod diff;
mod directory;
mod export_deploy;
mod export_json;
mod export_round_trip;
mod export_svg;
mod export_validators;
mod host_processes;
mod manifest_data;
mod manifest_golden;
mod manifest_hostile;
mod manifest_native;
mod manifest_schema;
mod registry;
mod revision;
mod traces;

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

//! All integration tests of this crate in one program: it is compiled and linked once, and a slow test does not hold up the next.

mod async_and_threads;
mod carry;
mod cloud;
mod common;
mod conformance;
mod days;
mod drills;
mod goals;
mod journal;
mod memory;
mod orders;
mod planned;
mod plans;
mod storms;

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

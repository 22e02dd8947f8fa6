//! All integration tests of this crate in one program: it is compiled and linked once, and a slow test does not hold up the next.

mod advice_real;
mod alerts_hold;
mod anomaly_real;
mod features_hold;
mod hardware_hold;
mod metamorphic;
mod models_hold;
#[path = "../../../examples/evaluation/nab.rs"]
mod nab;
mod nab_benchmark;
mod network_real;
mod oracle_anomaly;
mod oracle_drift;
mod oracle_feature_selection;
mod oracle_features;
mod oracle_likelihoods;
mod oracle_models;
mod oracle_regressions;
mod oracle_smartcore;
mod oracle_trees;
mod registry_hold;
mod security_hold;
mod serve_hold;
mod serve_queue;
mod symptoms_real;
mod trees_hold;
mod windows_hold;

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

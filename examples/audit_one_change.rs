//! `ecosystem-audit` alone: two entries, a root that stands for both, and a changed byte that is found.

use vm_ecosystem::audit::{Category, Draft, Log, Severity, Value, verify};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut log = Log::new();
    log.append(
        &Draft::new(1_772_409_600_000, "alice", "scale", "component/web")
            .with_category(Category::SCALING)
            .with_reason("black friday")
            .with_before(Value::json("{\"replicas\":3}")?)
            .with_after(Value::json("{\"replicas\":5}")?),
    )?;
    log.append(
        &Draft::new(1_772_409_660_000, "engine", "fence", "host/h7")
            .with_category(Category::RECOVERY)
            .with_severity(Severity::Warning),
    )?;
    println!("{} entries, root {}", log.size(), log.root().to_hex());
    assert!(log.verify().ok());

    // Whoever holds the root can tell that anything was changed, and the verifier says what.
    let mut stored = log.to_bytes();
    let at = stored.windows(2).position(|w| w == b"h7").ok_or("the subject is stored as text")?;
    stored[at + 1] = b'8';
    let report = verify::verify(&stored);
    println!(
        "after changing one byte: {:?} in entry {:?}",
        report.kind().map(verify::Kind::as_str),
        report.first_bad()
    );
    assert_eq!(report.first_bad(), Some(1));
    Ok(())
}

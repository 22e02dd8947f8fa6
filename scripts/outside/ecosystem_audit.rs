use ecosystem_audit::{Draft, Log};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut log = Log::new();
    log.append(&Draft::new(0, "alice", "scale", "component/web"))?;
    assert!(log.verify().ok());
    println!("root {}", log.root().to_hex());
    Ok(())
}

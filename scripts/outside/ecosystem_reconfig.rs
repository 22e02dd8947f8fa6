use ecosystem_reconfig::Settings;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::default();
    settings.validate()?;
    println!("a silent host is suspect after {} s", settings.detection.suspect_after.as_secs());
    Ok(())
}

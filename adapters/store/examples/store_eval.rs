//! How fast a store opens and is read with so many records: `store_eval [RECORDS]`; the last line is JSON.

use ecosystem_core::Journal;
use ecosystem_store::{Durability, Store};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let records: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let dir = std::env::temp_dir().join(format!("store-eval-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let path = dir.join("store.db");
    let ms = |start: Instant| start.elapsed().as_secs_f64() * 1e3;

    let mut journal = Store::open(&path, Durability::OnSync)?.journal();
    let start = Instant::now();
    for number in 0..records {
        journal.append(&number.to_le_bytes().repeat(15))?;
        if number % 1_000 == 999 {
            journal.sync()?;
        }
    }
    journal.sync()?;
    let write_ms = ms(start);
    let start = Instant::now();
    for _ in 0..200 {
        journal.append(&[7; 120])?;
        journal.sync()?;
    }
    let durable_per_s = 200.0 / start.elapsed().as_secs_f64();
    // What kill -9 would leave.
    let crashed = dir.join("crashed.db");
    std::fs::copy(&path, &crashed)?;
    std::fs::copy(dir.join("store.db-wal"), dir.join("crashed.db-wal"))?;
    drop(journal);

    let start = Instant::now();
    drop(Store::open(&crashed, Durability::OnSync)?.journal());
    let open_after_crash_ms = ms(start);
    let start = Instant::now();
    let mut journal = Store::open(&path, Durability::OnSync)?.journal();
    let open_ms = ms(start);
    let start = Instant::now();
    let read = journal.read_all()?.len();
    let read_ms = ms(start);
    let mib = std::fs::metadata(&path)?.len() as f64 / f64::from(1 << 20);
    drop(journal);
    std::fs::remove_dir_all(&dir)?;
    println!(
        "{{\"records\":{read},\"write_ms\":{write_ms:.0},\"durable_appends_per_s\":{durable_per_s:.0},\"open_ms\":{open_ms:.1},\"open_after_crash_ms\":{open_after_crash_ms:.1},\"read_all_ms\":{read_ms:.0},\"mib\":{mib:.1}}}"
    );
    Ok(())
}

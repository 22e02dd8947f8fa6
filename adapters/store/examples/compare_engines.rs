//! redb beside SQLite as the bottom of a journal: durable appends, bulk appends, opening, reading, size.
//!
//! `cargo run --release --manifest-path adapters/Cargo.toml -p ecosystem-store --features compare --example
//! compare_engines -- [RECORDS]`; the last line is JSON.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

const RECORD: [u8; 120] = [0x5a; 120];
const DURABLE: u64 = 300;

/// Milliseconds since `start`.
fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

#[derive(Debug, Default)]
struct Figures {
    durable_per_s: f64,
    bulk_ms: f64,
    open_ms: f64,
    open_unclean_ms: f64,
    read_ms: f64,
    bytes: u64,
}

mod with_redb {
    use super::{DURABLE, Figures, RECORD, ms};
    use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
    use std::error::Error;
    use std::path::Path;
    use std::time::Instant;

    const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");

    fn append(db: &Database, keys: std::ops::Range<u64>) -> Result<(), Box<dyn Error>> {
        let mut write = db.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        // Without this, an unclean end means a walk through the whole file at the next opening.
        write.set_quick_repair(true);
        {
            let mut table = write.open_table(TABLE)?;
            for key in keys {
                table.insert(key, RECORD.as_slice())?;
            }
        }
        write.commit()?;
        Ok(())
    }

    pub(super) fn run(path: &Path, records: u64) -> Result<Figures, Box<dyn Error>> {
        let mut figures = Figures::default();
        let db = Database::create(path)?;
        let start = Instant::now();
        for from in (0..records).step_by(1_000) {
            append(&db, from..from + 1_000)?;
        }
        figures.bulk_ms = ms(start);
        let start = Instant::now();
        for key in records..records + DURABLE {
            append(&db, key..key + 1)?;
        }
        figures.durable_per_s = DURABLE as f64 / start.elapsed().as_secs_f64();
        // A copy of the file while it is open is what a crash leaves.
        let crashed = path.with_extension("crashed");
        std::fs::copy(path, &crashed)?;
        drop(db);
        let start = Instant::now();
        drop(Database::create(&crashed)?);
        figures.open_unclean_ms = ms(start);
        let start = Instant::now();
        let db = Database::create(path)?;
        figures.open_ms = ms(start);
        let start = Instant::now();
        let table = db.begin_read()?.open_table(TABLE)?;
        let mut count = 0_u64;
        for entry in table.iter()? {
            count += u64::from(entry?.1.value().len() == RECORD.len());
        }
        assert_eq!(count, records + DURABLE);
        figures.read_ms = ms(start);
        figures.bytes = std::fs::metadata(path)?.len();
        Ok(figures)
    }
}

mod with_sqlite {
    use super::{DURABLE, Figures, RECORD, ms};
    use rusqlite::Connection;
    use std::error::Error;
    use std::path::Path;
    use std::time::Instant;

    fn open(path: &Path) -> Result<Connection, Box<dyn Error>> {
        let db = Connection::open(path)?;
        db.execute_batch(
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
            CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, record BLOB NOT NULL);",
        )?;
        Ok(db)
    }

    fn append(db: &mut Connection, keys: std::ops::Range<u64>) -> Result<(), Box<dyn Error>> {
        let write = db.transaction()?;
        {
            let mut insert = write.prepare("INSERT INTO journal VALUES (?1, ?2)")?;
            for key in keys {
                insert.execute((i64::try_from(key)?, RECORD.as_slice()))?;
            }
        }
        write.commit()?;
        Ok(())
    }

    pub(super) fn run(path: &Path, records: u64) -> Result<Figures, Box<dyn Error>> {
        let mut figures = Figures::default();
        let mut db = open(path)?;
        let start = Instant::now();
        for from in (0..records).step_by(1_000) {
            append(&mut db, from..from + 1_000)?;
        }
        figures.bulk_ms = ms(start);
        let start = Instant::now();
        for key in records..records + DURABLE {
            append(&mut db, key..key + 1)?;
        }
        figures.durable_per_s = DURABLE as f64 / start.elapsed().as_secs_f64();
        let crashed = path.with_extension("crashed");
        std::fs::copy(path, &crashed)?;
        std::fs::copy(format!("{}-wal", path.display()), format!("{}-wal", crashed.display()))?;
        drop(db);
        let start = Instant::now();
        drop(open(&crashed)?);
        figures.open_unclean_ms = ms(start);
        let start = Instant::now();
        let db = open(path)?;
        figures.open_ms = ms(start);
        let start = Instant::now();
        let mut select = db.prepare("SELECT record FROM journal ORDER BY seq")?;
        let mut rows = select.query([])?;
        let mut count = 0_u64;
        while let Some(row) = rows.next()? {
            count += u64::from(row.get_ref(0)?.as_blob()?.len() == RECORD.len());
        }
        assert_eq!(count, records + DURABLE);
        figures.read_ms = ms(start);
        figures.bytes = std::fs::metadata(path)?.len();
        Ok(figures)
    }
}

fn show(name: &str, f: &Figures) -> String {
    format!(
        "\"{name}\":{{\"durable_appends_per_s\":{:.0},\"bulk_ms\":{:.0},\"open_ms\":{:.1},\"open_after_crash_ms\":{:.1},\"read_all_ms\":{:.0},\"mib\":{:.1}}}",
        f.durable_per_s,
        f.bulk_ms,
        f.open_ms,
        f.open_unclean_ms,
        f.read_ms,
        f.bytes as f64 / (1 << 20) as f64
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    let records = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let dir = std::env::temp_dir().join(format!("compare-engines-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let redb = with_redb::run(&dir.join("redb"), records)?;
    let sqlite = with_sqlite::run(&dir.join("sqlite"), records)?;
    println!("{{\"records\":{records},{},{}}}", show("redb", &redb), show("sqlite", &sqlite));
    Ok(std::fs::remove_dir_all(Path::new(&dir))?)
}

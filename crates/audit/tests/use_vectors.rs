//! Published vectors for the exchange formats; each test prints how many it ran.
#![expect(clippy::unwrap_used, reason = "helpers unwrap what the vectors promise")]

use std::io::Read;
use std::path::PathBuf;

use ecosystem_audit::Json;

/// A file of the shared data, unpacked if need be; `None` (said on standard error) if the data is not there.
fn data(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var("VM_ECOSYSTEM_DATA").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let path = root.join("audit").join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        assert!(std::env::var_os("CI").is_none(), "no data at {}", path.display());
        eprintln!("skipped: no data at {}", path.display());
        return None;
    };
    if !name.ends_with(".gz") {
        return Some(bytes);
    }
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut out).unwrap();
    Some(out)
}

fn text(name: &str) -> Option<String> {
    data(name).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn rfc_8785_documents_are_canonicalised_as_published() {
    let mut count = 0;
    for name in ["arrays", "values", "weird"] {
        let Some(input) = text(&format!("jcs/{name}.input.json")) else { return };
        let expected = text(&format!("jcs/{name}.output.json")).unwrap();
        assert_eq!(Json::parse(&input).unwrap().canonical(), expected.trim_end());
        count += 1;
    }
    println!("RFC 8785: {count} documents");
}

#[test]
fn rfc_8785_numbers_are_printed_as_published() {
    let Some(lines) = text("jcs/es6_numbers_10000.csv.gz") else { return };
    let mut count = 0;
    for line in lines.lines() {
        let (bits, expected) = line.split_once(',').unwrap();
        let number = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
        let json = Json::parse(&format!("{number:e}")).unwrap();
        assert_eq!(json.canonical(), expected, "{bits}");
        count += 1;
    }
    assert_eq!(count, 10_000);
    println!("RFC 8785: {count} numbers");
}

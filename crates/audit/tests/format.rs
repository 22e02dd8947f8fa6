//! The test vectors of `docs/audit-log-format.md`: made anew, printed, and compared with the document.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "the document is read"
)]

use std::fmt::Write as _;

use ecosystem_audit::verify::Head;
use ecosystem_audit::{
    Category, Draft, ForwardKey, Hash, Log, Outcome, Severity, Value, Writer, leaf_hash, prune_segment,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The entries of the vectors: the smallest, one with everything, one with every kind of value.
fn drafts() -> [Draft; 3] {
    [
        Draft::new(0, "a", "b", ""),
        Draft::new(1_767_225_600_000, "alice", "vm.restart", "vm/db-1")
            .with_category(Category::RECOVERY)
            .with_severity(Severity::Warning)
            .with_outcome(Outcome::Failure)
            .with_on_behalf_of("ops")
            .with_correlation_id("op-1")
            .with_reason("host lost")
            .with_before(Value::json("{\"state\":\"running\"}").unwrap())
            .with_after(Value::Json("null".to_owned())),
        Draft::new(u64::MAX, "é", "x", "y")
            .with_field("text", "t")
            .with_field("integer", -2_i64)
            .with_field("bool", true)
            .with_field("json", Value::Json("0.10".to_owned()))
            .with_field("bytes", Value::Bytes(vec![0, 255]))
            .with_field("commitment", Value::Commitment(Hash::ZERO))
            .with_field("sealed", Value::Sealed(vec![1])),
    ]
}

fn vectors() -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| writeln!(text, "{name} = {value}").unwrap();
    let (mut log, mut writer, mut segment) = (Log::new(), Writer::new(), Vec::new());
    writer.begin_segment(&mut segment);
    line("segment.header.0", &hex(&segment));
    for (i, draft) in drafts().iter().enumerate() {
        let before = segment.len();
        let receipt = writer.append(draft, &mut segment).unwrap();
        assert_eq!(log.append(draft).unwrap(), receipt);
        let canonical = log.canonical(i as u64).unwrap();
        assert_eq!(leaf_hash(canonical), receipt.leaf_hash);
        line(&format!("entry.{i}"), &hex(canonical));
        line(&format!("leaf.{i}"), &receipt.leaf_hash.to_hex());
        line(&format!("frame.{i}"), &hex(&segment[before..]));
        line(&format!("root.{}", i + 1), &writer.root().to_hex());
    }
    line("segment.header.3", &hex(&writer.state().to_bytes()));
    let mut key = ForwardKey::new(&[0x0b; 32]);
    let before = segment.len();
    let seal = writer.seal(&mut key, &mut segment);
    assert_eq!(seal.head, Head { size: 3, root: log.root() });
    line("seal.0", &hex(&segment[before..]));
    line("forward.key.1", &hex(key.secret()));
    let before = segment.len();
    writer.end_segment(&mut segment);
    line("segment.end", &hex(&segment[before..]));
    let pruned = prune_segment(&segment).unwrap();
    line("segment.pruned", &hex(&pruned));
    let commitment = ecosystem_audit::seal::commitment(&[0x0c; 32], &Value::text("secret"));
    line("commitment", &commitment.to_hex());
    #[cfg(feature = "seal")]
    {
        use ecosystem_audit::seal::{Aead, Aes256Gcm, KeyMaster, MemoryKeyStore, XChaCha20Poly1305};
        let ciphers: [(&str, &[&dyn Aead]); 2] = [("aes", &[&Aes256Gcm]), ("xchacha", &[&XChaCha20Poly1305])];
        for (name, ciphers) in ciphers {
            let mut next = 0_u8;
            let mut random = |bytes: &mut [u8]| {
                next += 1;
                bytes.fill(next);
            };
            let master = KeyMaster::new(&[0x0d; 32], ciphers);
            let key = master.issue(&mut MemoryKeyStore::new(), "person/1", &mut random).unwrap();
            let Value::Sealed(bytes) = key.seal("after", &Value::text("secret"), &mut random).unwrap() else {
                panic!("it is sealed");
            };
            line(&format!("sealed.{name}"), &hex(&bytes));
        }
    }
    text
}

#[test]
fn the_documented_vectors_are_what_the_code_makes() {
    let vectors = vectors();
    println!("{vectors}");
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit-log-format.md"))
            .unwrap();
    let mut count = 0;
    for line in vectors.lines() {
        assert!(document.lines().any(|known| known == line), "not in docs/audit-log-format.md: {line}");
        count += 1;
    }
    println!("{count} vectors as documented");
}

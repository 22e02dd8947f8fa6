//! Mutated and random input for the decoders of outside text: they answer, and what they accept they write back.
//!
//! `AUDIT_FUZZ_EXECUTIONS` sets how many inputs each decoder gets (default 20,000); the sequence is fixed by the seed.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "the number of executions comes from the environment and the count is printed"
)]

use ecosystem_audit::access::{Cidr, OidcMapping, RoleMap, common_name, from_oidc};
use ecosystem_audit::change::{Patch, Pointer};
use ecosystem_audit::compliance::{Facts, Period};
use ecosystem_audit::export::{Exporter, Format, import, import_log, syslog::Message};
use ecosystem_audit::{Draft, Json, Log, Value, civil};

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap()
    }
}

/// Bytes that mean something to one of the grammars.
const TOKENS: [&[u8]; 20] = [
    b"\"",
    b"\\",
    b"]",
    b"[",
    b"{",
    b"}",
    b",",
    b":",
    b"=",
    b" ",
    b"\n",
    b"\r\n",
    b"-",
    b"null",
    b"1e999",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\"\"",
    b"{\"$json\":\"",
    b"18446744073709551616",
];

/// Some edits of one of the seeds.
fn mutated(seeds: &[Vec<u8>], random: &mut Random, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&seeds[random.below(seeds.len())]);
    for _ in 0..=random.below(6) {
        let at = random.below(out.len() + 1);
        match random.below(6) {
            0 if at < out.len() => out[at] ^= 1 << random.below(8),
            1 if at < out.len() => out[at] = random.next().to_le_bytes()[0],
            2 => {
                let token = TOKENS[random.below(TOKENS.len())];
                out.splice(at..at, token.iter().copied());
            }
            3 => {
                let end = (at + random.below(20)).min(out.len());
                out.drain(at..end);
            }
            4 => out.truncate(at),
            _ => {
                let end = (at + random.below(40)).min(out.len());
                let copy = out[at..end].to_vec();
                let to = random.below(out.len() + 1);
                out.splice(to..to, copy);
            }
        }
    }
}

fn fuzz(name: &str, seeds: &[Vec<u8>], mut decode: impl FnMut(&[u8])) {
    let executions =
        std::env::var("AUDIT_FUZZ_EXECUTIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000_u64);
    let (mut random, mut input) = (Random(name.len() as u64), Vec::new());
    for _ in 0..executions {
        mutated(seeds, &mut random, &mut input);
        decode(&input);
    }
    println!("{name}: {executions} executions");
}

fn log() -> Log {
    let mut log = Log::new();
    log.append(
        &Draft::new(1_700_000_000_000, "ana, \"x\"", "vm.stop", "vm/1")
            .with_reason("a\nb")
            .with_field("n", 1_i64),
    )
    .unwrap();
    log.append(
        &Draft::new(2, "bo", "é]\\", "")
            .with_after(Value::Bytes(vec![1, 2]))
            .with_before(Value::json("[1.5]").unwrap()),
    )
    .unwrap();
    log
}

/// Whatever an import accepts, exports to something that imports to the same log.
fn stable(format: Format, bytes: &[u8]) {
    let _ = import(format, bytes);
    if let Ok(log) = import_log(format, bytes) {
        let text = Exporter::new(format).to_text(log.entries());
        assert_eq!(import_log(format, text.as_bytes()).unwrap().root(), log.root());
    }
}

#[test]
fn exports_that_were_damaged_are_answered() {
    for format in Format::ALL {
        let texts =
            [true, false].map(|h| Exporter::new(format).with_hashes(h).to_text(log().entries()).into_bytes());
        fuzz(format.as_str(), &texts, |bytes| stable(format, bytes));
    }
}

#[test]
fn syslog_messages_are_answered() {
    let seeds = [
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed",
        "<165>1 2003-10-11T22:14:15.003+05:30 host app 1 ID47 [a@1 k=\"v\\]\" l=\"\"][b@2] text",
        "<0>999 - - - - - -",
    ]
    .map(|s| s.as_bytes().to_vec());
    fuzz("syslog message", &seeds, |bytes| {
        let _ = Message::parse(&String::from_utf8_lossy(bytes));
    });
}

#[test]
fn patches_pointers_json_and_facts_are_answered() {
    let document = Json::parse(r#"{"a":[1,{"b":null}],"c/d":"x"}"#).unwrap();
    let seeds = [
        r#"[{"op":"add","path":"/a/-","value":{"x":[]}},{"op":"move","from":"/a","path":"/c~1d"},{"op":"test","path":"","value":1}]"#,
        r#"[{"op":"copy","from":"","path":"/a/0"},{"op":"remove","path":"/a/1/b"},{"op":"replace","path":"/c~1d","value":1.5e300}]"#,
        r#"{"components":["x"],"checkpoints":[{"size":1,"root":"00"}],"present":{"r":{}},"declarations":[{"control":"c","statement":"s"}]}"#,
    ]
    .map(|s| s.as_bytes().to_vec());
    fuzz("patch, pointer, JSON, facts", &seeds, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(patch) = text.parse::<Patch>()
            && let Ok(after) = patch.apply(&document)
        {
            // A patched document can be printed and read back.
            assert!(Json::parse(&after.to_string()).is_ok());
        }
        let _ = text.parse::<Pointer>();
        let _ = Facts::parse(&text);
        if let Ok(json) = Json::parse(&text) {
            let canonical = json.canonical();
            assert_eq!(Json::parse(&canonical).unwrap().canonical(), canonical);
        }
    });
}

#[test]
fn claims_names_addresses_and_times_are_answered() {
    let mapping = OidcMapping::new("i", "a", RoleMap::new().group("g", "r"));
    let seeds = [
        r#"{"iss":"i","aud":["a"],"azp":"a","sub":"s","exp":2000,"iat":1000,"groups":["g"],"amr":["mfa"]}"#,
        r"CN=a\, b\C4\8D,OU=x,DC=y",
        "2001:db8::/32",
        "2026-03-02T06:10:00.123456+01:00",
        "2026-01-01..2026-03-31",
    ]
    .map(|s| s.as_bytes().to_vec());
    fuzz("claims, names, addresses, times", &seeds, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let _ = from_oidc(&text, &mapping, 1_500_000);
        let _ = common_name(&text);
        let _ = text.parse::<Cidr>();
        let _ = Period::parse(&text);
        if let Ok(at) = civil::parse_utc(&text) {
            assert!(!civil::format_utc(at).is_empty());
        }
    });
}

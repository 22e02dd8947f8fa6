//! JSON, patches, pointers, facts, claims, names, networks, times, cursors and secrets: they are answered, and what has a
//! text form keeps it.
//!
//! The first byte is the kind of text.
#![no_main]

use ecosystem_audit::access::{Cidr, OidcMapping, RoleMap, TotpSecret, common_name, from_oidc};
use ecosystem_audit::change::{Patch, Pointer};
use ecosystem_audit::compliance::{Facts, Period};
use ecosystem_audit::query::Cursor;
use ecosystem_audit::{Json, civil};
use vm_ecosystem_fuzz::seeds;

const TEXTS: [(u8, &str); 12] = [
    (0, r#"{"a":[1,{"b":null}],"c/d":"x\u00e9\ud83d\ude00","e":-1.5e300}"#),
    (
        1,
        r#"[{"op":"add","path":"/a/-","value":{"x":[]}},{"op":"move","from":"/a","path":"/c~1d"},{"op":"test","path":"","value":1}]"#,
    ),
    (
        1,
        r#"[{"op":"copy","from":"","path":"/a/0"},{"op":"remove","path":"/a/1/b"},{"op":"replace","path":"/c~1d","value":1.5e300}]"#,
    ),
    (2, "/a~1b/m~0n/-/0"),
    (
        3,
        r#"{"components":["x"],"checkpoints":[{"size":1,"root":"00"}],"present":{"r":{}},"declarations":[{"control":"c","statement":"s"}]}"#,
    ),
    (4, r#"{"iss":"i","aud":["a"],"azp":"a","sub":"s","exp":2000,"iat":1000,"groups":["g"],"amr":["mfa"]}"#),
    (5, r"CN=a\, b\C4\8D,OU=x,DC=y"),
    (6, "2001:db8::/32"),
    (7, "2026-03-02T06:10:00.123456+01:00"),
    (8, "2026-01-01..2026-03-31"),
    (9, "12-00ff00ff"),
    (10, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
];

fn all() -> Vec<Vec<u8>> {
    TEXTS.iter().map(|(kind, text)| [&[*kind][..], text.as_bytes()].concat()).collect()
}

libfuzzer_sys::fuzz_target!(init: seeds(all), |bytes: &[u8]| {
    let Some((kind, text)) = bytes.split_first() else { return };
    let Ok(text) = core::str::from_utf8(text) else { return };
    match kind % 11 {
        0 => json(text),
        1 => patch(text),
        2 => {
            if let Ok(pointer) = text.parse::<Pointer>() {
                assert_eq!(pointer.to_string(), text);
            }
        }
        3 => drop(Facts::parse(text)),
        4 => drop(from_oidc(text, &OidcMapping::new("i", "a", RoleMap::new().group("g", "r")), 1_500_000)),
        5 => drop(common_name(text)),
        6 => {
            if let Ok(network) = text.parse::<Cidr>() {
                assert_eq!(network.to_string().parse(), Ok(network));
            }
        }
        7 => {
            // plain milliseconds may lie after the year 9999, which has no text of RFC 3339
            if let Ok(at) = civil::parse_utc(text)
                && civil::from_unix_ms(at).year <= 9999
            {
                assert_eq!(civil::parse_utc(&civil::format_utc(at)), Ok(at));
            }
        }
        8 => drop(Period::parse(text)),
        9 => {
            if let Ok(cursor) = text.parse::<Cursor>() {
                assert_eq!(cursor.to_string().parse(), Ok(cursor));
            }
        }
        _ => {
            if let Ok(secret) = TotpSecret::from_base32(text) {
                let again = TotpSecret::from_base32(&secret.to_base32()).expect("its own text");
                assert_eq!(again.to_base32(), secret.to_base32());
            }
        }
    }
});

fn json(text: &str) {
    let Ok(json) = Json::parse(text) else { return };
    let canonical = json.canonical();
    assert_eq!(Json::parse(&canonical).expect("it was just printed").canonical(), canonical);
    let printed = Json::parse(&json.to_string()).expect("it was just printed");
    // A patch from anything to it gives it.
    let from = Json::parse(r#"{"a":[1,{"b":null}],"c/d":"x"}"#).expect("it is JSON");
    let patch = ecosystem_audit::change::diff(&from, &printed);
    assert_eq!(patch.apply(&from).expect("it was made for this").canonical(), canonical);
}

fn patch(text: &str) {
    let document = Json::parse(r#"{"a":[1,{"b":null}],"c/d":"x"}"#).expect("it is JSON");
    if let Ok(patch) = text.parse::<Patch>() {
        let again: Patch = patch.to_string().parse().expect("its own text");
        assert_eq!(again.to_string(), patch.to_string());
        if let Ok(after) = patch.apply(&document) {
            assert!(
                Json::parse(&after.to_string()).is_ok(),
                "a patched document can be printed and read back"
            );
        }
    }
}

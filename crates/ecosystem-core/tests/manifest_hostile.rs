//! Inputs that mean harm: each ends in bounded time as a typed error, or as a small map.
#![cfg(feature = "manifest")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test may look at the clock and fail loudly"
)]

use ecosystem_core::manifest::{self, Budgets, ManifestError, ParseOptions, Parsed, Source};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Far more than any case takes on a loaded machine, far less than what is not bounded would.
const SOON: Duration = Duration::from_secs(90);

fn parse(text: &[u8]) -> Result<Parsed, ManifestError> {
    parse_with(text, Budgets::default())
}

fn parse_with(text: &[u8], budgets: Budgets) -> Result<Parsed, ManifestError> {
    let start = Instant::now();
    let options = ParseOptions::default().with_budgets(budgets);
    let result = manifest::parse(&[Source::new("hostile", text)], &options);
    let took = start.elapsed();
    assert!(took < SOON, "{took:?}");
    result
}

fn code(text: &[u8]) -> &'static str {
    let error = parse(text).unwrap_err();
    error.errors().next().unwrap().code
}

#[test]
fn aliases_that_double_at_every_level_are_cut_off() {
    let mut bomb = "a0: &a0 [lol, lol]\n".to_owned();
    for level in 1..40 {
        let _ = writeln!(bomb, "a{level}: &a{level} [*a{0}, *a{0}]", level - 1);
    }
    assert_eq!(code(bomb.as_bytes()), "E1008");
    let mut merges = "x-0: &m0 {k0: 1}\n".to_owned();
    for level in 1..2_000 {
        let _ = writeln!(merges, "x-{level}: &m{level}\n  <<: *m{}\n  k{level}: 1", level - 1);
    }
    assert_eq!(code(merges.as_bytes()), "E1008");
    assert_eq!(code(b"a: &a [*a]\n"), "E1008");
}

#[test]
fn nesting_is_bounded_in_every_syntax() {
    for open in ["[", "{\"a\":", "- ", "{a: ", "<a>"] {
        assert!(["E1007", "E1001", "E1002"].contains(&code(open.repeat(100_000).as_bytes())), "{open}");
    }
    assert_eq!(code("[".repeat(1_000).as_bytes()), "E1007");
    assert_eq!(code("<a>".repeat(1_000).as_bytes()), "E1007");
}

#[test]
fn a_hundred_megabytes_are_refused_before_they_are_read() {
    let large = vec![b'a'; 100 << 20];
    assert_eq!(code(&large), "E1004");
}

#[test]
fn long_lines_keys_and_values_take_linear_time() {
    let mut compose = "services:\n".to_owned();
    for n in 0..20_000 {
        let _ = writeln!(compose, "  s{n}: {{image: x, depends_on: [s{}]}}", n / 2);
    }
    let parsed = parse(compose.as_bytes()).unwrap();
    assert_eq!(parsed.ecosystem.dependencies().len(), 19_999);
    let one_line = format!(
        "{{\"services\": {{{}}}}}",
        (0..20_000).map(|n| format!("\"s{n}\": {{}}")).collect::<Vec<_>>().join(",")
    );
    assert_eq!(parse(one_line.as_bytes()).unwrap().ecosystem.len(), 20_000);
    let long = format!("services: {{web: {{environment: {{A: \"{}\"}}}}}}", "http://web:1,".repeat(50_000));
    assert_eq!(parse(long.as_bytes()).unwrap().ecosystem.len(), 1);
    let key = format!("services: {{{}: {{}}}}", "k".repeat(1 << 20));
    // YAML's own limit of 1,024 characters, or ours of 253
    assert!(["E1001", "E1105"].contains(&code(key.as_bytes())));
}

#[test]
fn findings_without_end_are_counted_not_kept() {
    let mut text = "version: 1\ncomponents:\n  web:\n".to_owned();
    for n in 0..50_000 {
        let _ = writeln!(text, "    imagee{n}: x");
    }
    let parsed = parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.findings.len(), 1_001);
    assert_eq!(parsed.findings.last().unwrap().message, "49000 more findings are left out");
}

#[test]
fn circles_and_long_chains_of_extends_are_errors() {
    assert_eq!(
        code(b"services:\n  a: {extends: b}\n  b: {extends: {service: c}}\n  c: {extends: a}\n"),
        "E1405"
    );
    assert_eq!(code(b"services:\n  a: {extends: a}\n"), "E1405");
    let mut chain = "services:\n  s0: {image: x}\n".to_owned();
    for n in 1..5_000 {
        let _ = writeln!(chain, "  s{n}: {{extends: s{}}}", n - 1);
    }
    // each builds on one that is known already
    assert_eq!(parse(chain.as_bytes()).unwrap().ecosystem.len(), 5_000);
    let mut lines: Vec<&str> = chain.lines().skip(1).collect();
    lines.reverse();
    assert_eq!(code(format!("services:\n{}\n", lines.join("\n")).as_bytes()), "E1405");
}

#[test]
fn variables_that_double_are_cut_off() {
    let mut env = "V0=xxxxxxxxxxxxxxxx\n".to_owned();
    for n in 1..64 {
        let _ = writeln!(env, "V{n}=${{V{0}}}${{V{0}}}", n - 1);
    }
    let options = ParseOptions::default().with_env_file(Source::new("e", &env));
    let start = Instant::now();
    let error =
        manifest::parse(&[Source::new("c", "services: {a: {image: \"${V63}\"}}")], &options).unwrap_err();
    assert_eq!(error.findings[0].code, "E1404");
    assert!(start.elapsed() < SOON);
    let nested = format!("services: {{a: {{image: \"{}x{}\"}}}}", "${A:-".repeat(10_000), "}".repeat(10_000));
    assert!(parse(nested.as_bytes()).is_err());
}

#[test]
fn selectors_that_match_everything_do_not_multiply() {
    let mut text = String::new();
    for n in 0..60 {
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{n}, labels: {{a: b}}}}\nspec: {{containers: [{{name: c, image: x}}]}}\n\
             ---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: n{n}}}\n\
             spec: {{podSelector: {{matchLabels: {{a: b}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{a: b}}}}}}]}}]}}\n"
        );
    }
    let refused = |text: &str| {
        let mut budgets = Budgets::default();
        budgets.edges = 50_000;
        parse_with(text.as_bytes(), budgets).unwrap_err().errors().next().unwrap().code
    };
    assert_eq!(refused(&text), "E1121");
    let hosts = (0..300).map(|n| format!("s{n}:1")).collect::<Vec<_>>().join(",");
    let mut compose = format!("x-e: &e {{ALL: \"{hosts}\"}}\nservices:\n");
    for n in 0..300 {
        let _ = writeln!(compose, "  s{n}: {{environment: *e}}");
    }
    assert_eq!(refused(&compose), "E1121");
}

#[test]
fn bytes_that_are_no_text_are_placed_exactly() {
    let error = parse(b"services:\n  \xc3\xa4b: \xff\n").unwrap_err();
    assert_eq!(error.to_string(), "hostile:2:7: E1003: byte 17 is not valid UTF-8; save the file as UTF-8");
    for text in [
        &b"\x00"[..],
        b"\xef\xbb\xbf",
        b"",
        b"---\n---\n",
        b"# only a comment\n",
        b"\t",
        b"%YAML 9.9\n---\na: 1",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn every_budget_can_be_set_and_names_itself() {
    type Set = fn(&mut Budgets);
    let text = "---\na: [b, c]\n---\nd: e\n";
    let cases: [(Set, &str, &str); 4] = [
        (|b| b.bytes = 10, "E1004", "budgets.bytes"),
        (|b| b.documents = 1, "E1005", "budgets.documents"),
        (|b| b.nodes = 3, "E1006", "budgets.nodes"),
        (|b| b.depth = 1, "E1007", "budgets.depth"),
    ];
    for (set, code, name) in cases {
        let mut budgets = Budgets::default();
        set(&mut budgets);
        let options = ParseOptions::default().with_budgets(budgets);
        let error = manifest::parse(&[Source::new("b", text)], &options).unwrap_err();
        let found = error.findings.iter().find(|f| f.code == code).unwrap();
        assert!(found.remedy.contains(name), "{found}");
    }
}

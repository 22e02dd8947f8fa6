//! An independent verifier, golang.org/x/mod/sumdb, accepts proofs and checkpoints of the example program, and refuses
//! damaged ones. Needs Go and the source packages of a distribution (`golang-go`, `golang-golang-x-mod-dev`): runs when
//! `ECO_REAL` is set to 1.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod audit_example;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

/// The last line a command prints.
fn json_of(folder: &Path, words: &[&str]) -> Json {
    let output = audit_example::run(folder, words, "");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(String::from_utf8(output.stdout).unwrap().lines().last().unwrap()).unwrap()
}

/// Go's verdicts: whether each request is accepted.
fn verdicts(program: &Path, requests: &[Json]) -> Vec<bool> {
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: Vec<String> = requests.iter().map(ToString::to_string).collect();
    let text = lines.join("\n") + "\n";
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line == "ok").collect()
}

/// Copies of a request with one hash character, the index or a proof element changed.
fn damaged(request: &Json) -> Vec<Json> {
    let mut copies = Vec::new();
    let flip = |text: &str, at: usize| -> String {
        text.chars()
            .enumerate()
            .map(|(i, c)| if i == at { if c == 'A' { 'B' } else { 'A' } } else { c })
            .collect()
    };
    for (key, value) in request.as_object().unwrap() {
        let mut change = |value: Json| {
            let mut copy = request.clone();
            copy[key] = value;
            copies.push(copy);
        };
        match value {
            Json::String(text) if text.len() == 44 => change(json!(flip(text, 7))),
            // A proof does not bind the size: neighbouring sizes often share it. It does bind the index.
            Json::Number(number) if key == "index" => change(json!(number.as_u64().unwrap() + 1)),
            Json::Array(items) => {
                change(json!([&items[..], &items[..]].concat()));
                change(json!(
                    items
                        .get(1..)
                        .map_or_else(|| vec![json!(flip(&"B".repeat(43), 0) + "=")], <[Json]>::to_vec)
                ));
                for i in 0..items.len() {
                    let mut other = items.clone();
                    other[i] = json!(flip(items[i].as_str().unwrap(), 11));
                    change(json!(other));
                }
            }
            _ => {}
        }
    }
    copies.retain(|copy| copy != request);
    copies
}

#[test]
fn go_accepts_our_proofs_and_checkpoints_and_refuses_damaged_ones() {
    if std::env::var_os("ECO_REAL").is_none_or(|value| value != "1") {
        println!("skipped: ECO_REAL is not 1");
        return;
    }
    let folder = audit_example::folder("audit_go_verifier");
    let go = folder.join("go-verify");
    let build = Command::new("go")
        .args(["build", "-o"])
        .arg(&go)
        .arg("main.go")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go-verify"))
        .envs([("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode"), ("GOFLAGS", "")])
        .env("GOCACHE", folder.join("go-cache"))
        .status();
    assert!(build.expect("Go is installed").success(), "the Go verifier does not build");

    let log = folder.join("log");
    let entries: String = (0..300).map(audit_example::line).collect();
    assert!(audit_example::run(&log, &["append"], &entries).status.success());
    let key = String::from_utf8(
        audit_example::run(&log, &["key", "new", "--name", "example.com/fleet"], "").stdout,
    )
    .unwrap();
    let key_file = folder.join("key");
    std::fs::write(&key_file, key.lines().next().unwrap()).unwrap();
    let public: Json = serde_json::from_str(key.lines().last().unwrap()).unwrap();

    let mut good = Vec::new();
    for (index, size) in
        [(0, 1), (0, 2), (1, 2), (5, 7), (6, 7), (127, 128), (128, 129), (200, 300), (299, 300)]
    {
        let mut request = json_of(&log, &["inclusion", &index.to_string(), "--size", &size.to_string()]);
        request["op"] = json!("inclusion");
        good.push(request);
    }
    for (from, to) in [(1, 2), (3, 7), (4, 8), (64, 300), (255, 256), (299, 300)] {
        let mut request = json_of(&log, &["consistency", &from.to_string(), &to.to_string()]);
        // Go reads sizes and roots from these names alone.
        for name in ["tree_size", "root"] {
            request.as_object_mut().unwrap().remove(name);
        }
        request["op"] = json!("consistency");
        good.push(request);
    }
    let mut bad: Vec<Json> = good.iter().flat_map(damaged).collect();
    for size in ["1", "7", "300"] {
        let root = json_of(&log, &["root", "--size", size]);
        let words = [
            "checkpoint",
            "--key",
            key_file.to_str().unwrap(),
            "--origin",
            "example.com/fleet",
            "--size",
            size,
        ];
        let note = String::from_utf8(audit_example::run(&log, &words, "").stdout).unwrap();
        let request = |note: &str| {
            json!({"op": "checkpoint", "note": note, "key": public["verifier_key"], "root": root["root"],
                   "tree_size": root["tree_size"]})
        };
        good.push(request(&note));
        // Every character of the text and the signature but for the last two of base64, whose spare bits Go ignores.
        for at in
            (0..note.len() - 4).filter(|at| note.is_char_boundary(*at) && note.as_bytes()[*at].is_ascii())
        {
            let mut bytes = note.clone().into_bytes();
            bytes[at] = if bytes[at] == b'X' { b'Y' } else { b'X' };
            bad.push(request(&String::from_utf8(bytes).unwrap()));
        }
    }
    let accepted = verdicts(&go, &good);
    assert_eq!(accepted, vec![true; good.len()]);
    let refused = verdicts(&go, &bad);
    let mut wrong = String::new();
    for (request, _) in bad.iter().zip(&refused).filter(|(_, accepted)| **accepted) {
        writeln!(wrong, "{request}").unwrap();
    }
    assert!(wrong.is_empty() && refused.len() == bad.len(), "damaged but accepted:\n{wrong}");
    println!("Go accepts {} proofs and checkpoints and refuses {} damaged ones", good.len(), bad.len());
}

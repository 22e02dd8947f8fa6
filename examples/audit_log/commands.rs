//! The commands.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use ecosystem_audit::note::{Note, NoteVerifier};
use ecosystem_audit::proof::{self, EmptyTree};
use ecosystem_audit::seal::{KeyStore as _, Random as _};
use ecosystem_audit::verify::{Head, Kind};
use ecosystem_audit::{Category, Checkpoint, Draft, Ed25519Signer, Ed25519Verifier, Hash, Receipt, Severity};
use serde_json::json;

use crate::cli::{self, Failure, Words, failed, number};
use crate::draft::{self, Sealer};
use crate::keys::{self, FileKeys, OsRandom};
use crate::store::{Store, WritableStore};
use crate::using;

/// Fields that are sealed unless told otherwise: what a subject's data usually comes in.
const SEALED: &str = "before,after,details,payload,personal";

/// Runs the command line `DIR COMMAND …`.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    if arguments.iter().any(|word| word == "--help" || word == "-h") || arguments.is_empty() {
        return Err(Failure::Help);
    }
    let [folder, command, rest @ ..] = arguments else {
        return Err(Failure::Usage("expected DIR COMMAND: see --help".to_owned()));
    };
    let folder = Path::new(folder);
    match command.as_str() {
        "append" => append(folder, rest),
        "verify" => verify(folder, rest),
        "root" => root(folder, rest),
        "inclusion" => inclusion(folder, rest),
        "consistency" => consistency(folder, rest),
        "key" => key(rest),
        "checkpoint" => checkpoint(folder, rest),
        "erase" => erase(folder, rest),
        "query" => using::query(folder, rest),
        "summary" => using::summary(folder, rest),
        "history" => using::history(folder, rest),
        "report" => using::report(folder, rest),
        "export" => using::export(folder, rest),
        "import" => using::import_from(folder, rest),
        other => Err(Failure::Usage(format!("unknown command `{other}`: see --help"))),
    }
}

/// Prints the last line.
fn print(line: &serde_json::Value) -> ExitCode {
    println!("{line}");
    ExitCode::SUCCESS
}

/// Reads entries and acknowledges each after it is on disk. Lines that have arrived together are synced together.
fn append(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &["seal", "segment-bytes"], &["plain"])?;
    words.plain::<0>("no words after `append`")?;
    let mut store = WritableStore::open(folder)?;
    if let Some(bytes) = words.number("segment-bytes")? {
        store.set_segment_len(bytes);
    }
    let fields = if words.has("plain") { "" } else { words.value("seal").unwrap_or(SEALED) };
    let mut sealer = Sealer {
        master: keys::master(folder)?,
        keys: FileKeys::open(folder)?,
        fields: fields.split(',').map(str::to_owned).collect(),
        open: BTreeMap::new(),
    };
    let mut input = cli::input()?;
    let mut receipts = Vec::new();
    let (mut line, mut number, mut appended) = (String::new(), 0_u64, 0_u64);
    let mut failure = None;
    loop {
        line.clear();
        number += 1;
        match input.read_line(&mut line) {
            Ok(0) => break,
            Ok(_) if line.trim().is_empty() => {}
            Ok(_) => match take(&line, &mut sealer, &mut store) {
                Ok(receipt) => receipts.push(receipt),
                Err(message) => failure = Some(format!("line {number}: {message}")),
            },
            Err(error) => failure = Some(format!("line {number}: {error}")),
        }
        if failure.is_some() || !input.buffer().contains(&b'\n') || receipts.len() >= 4096 {
            store.sync()?;
            appended += acknowledge(&mut receipts)?;
        }
        if let Some(message) = failure {
            return Err(Failure::Usage(format!("{message} ({appended} entries before it are stored)")));
        }
    }
    store.sync()?;
    appended += acknowledge(&mut receipts)?;
    Ok(print(
        &json!({"ok": true, "appended": appended, "size": store.size(), "root": store.root().to_base64()}),
    ))
}

fn take(line: &str, sealer: &mut Sealer<'_>, store: &mut WritableStore) -> Result<Receipt, String> {
    let mut draft = draft::parse(line)?;
    sealer.seal(&mut draft).map_err(|failure| format!("{failure:?}"))?;
    store.append(&draft).map_err(|error| error.to_string())
}

fn acknowledge(receipts: &mut Vec<Receipt>) -> Result<u64, Failure> {
    let mut out = std::io::stdout().lock();
    let count = receipts.len() as u64;
    for receipt in receipts.drain(..) {
        let line = json!({"seq": receipt.seq, "leaf_hash": receipt.leaf_hash.to_base64()});
        writeln!(out, "{line}").map_err(failed("standard output"))?;
    }
    out.flush().map_err(failed("standard output"))?;
    Ok(count)
}

fn verify(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &["against", "vkey"], &[])?;
    words.plain::<0>("no words after `verify`")?;
    let key = words.value("vkey").map(Ed25519Verifier::from_text).transpose().map_err(failed("--vkey"))?;
    let mut heads = Vec::new();
    for path in words.values("against") {
        let bytes = fs::read(path).map_err(failed(path))?;
        let note = Note::parse(&bytes).map_err(failed(path))?;
        if let Some(key) = &key {
            note.clone().open(&[key as &dyn NoteVerifier]).map_err(failed(path))?;
        }
        heads.push(Checkpoint::parse(&note.text).map_err(failed(path))?.head);
    }
    let report = Store::open(folder)?.verify(&heads)?;
    if let Some(problem) = &report.problem {
        eprintln!("{problem}; {} bytes after the sound part", report.remaining_bytes);
    }
    print(&json!({
        "ok": report.ok(),
        "size": report.size,
        "root": report.root.to_base64(),
        "first_bad": report.first_bad(),
        "kind": report.kind().map(Kind::as_str),
    }));
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn root(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &["size"], &[])?;
    words.plain::<0>("no words after `root`")?;
    let tree = Store::open(folder)?.tree()?;
    let size = words.number("size")?.unwrap_or_else(|| tree.size());
    let root = tree.root_at(size).ok_or_else(|| too_large(size, tree.size()))?;
    Ok(print(&json!({"tree_size": size, "root": root.to_base64()})))
}

fn too_large(asked: u64, size: u64) -> Failure {
    Failure::Usage(format!("the log has {size} entries, not {asked}"))
}

fn inclusion(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &["size"], &[])?;
    let [index] = words.plain("one index after `inclusion`")?;
    let index = number("index", index)?;
    let tree = Store::open(folder)?.tree()?;
    let size = words.number("size")?.unwrap_or_else(|| tree.size());
    let view = tree.view(size).ok_or_else(|| too_large(size, tree.size()))?;
    let hashes = view.inclusion(index).map_err(failed("inclusion"))?;
    let leaf = tree.leaf(index).ok_or_else(|| too_large(index, tree.size()))?;
    proof::verify_inclusion(index, size, &leaf, &hashes, &view.root()).map_err(failed("own proof"))?;
    Ok(print(&json!({
        "tree_size": size,
        "root": view.root().to_base64(),
        "leaf_hash": leaf.to_base64(),
        "index": index,
        "proof": base64(&hashes),
    })))
}

fn consistency(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &[], &[])?;
    let [from, to] = words.plain("two sizes after `consistency`")?;
    let (from, to) = (number("size", from)?, number("size", to)?);
    let tree = Store::open(folder)?.tree()?;
    let view = tree.view(to).ok_or_else(|| too_large(to, tree.size()))?;
    let hashes = view.consistency(from).map_err(failed("consistency"))?;
    let old = tree.root_at(from).ok_or_else(|| too_large(from, tree.size()))?;
    proof::verify_consistency((from, &old), (to, &view.root()), &hashes, EmptyTree::Accept)
        .map_err(failed("own proof"))?;
    Ok(print(&json!({
        "size1": from,
        "size2": to,
        "root1": old.to_base64(),
        "root2": view.root().to_base64(),
        "tree_size": to,
        "root": view.root().to_base64(),
        "proof": base64(&hashes),
    })))
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_base64).collect()
}

fn key(words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &["name"], &[])?;
    let [what] = words.plain("`key new`")?;
    if what != "new" {
        return Err(Failure::Usage(format!("unknown command `key {what}`: expected `key new`")));
    }
    let mut seed = [0; 32];
    OsRandom.fill(&mut seed);
    let signer = Ed25519Signer::from_seed(words.required("name")?, &seed).map_err(failed("--name"))?;
    let (secret, public) = (signer.to_secret_text(), signer.verifier());
    println!("{secret}");
    Ok(print(&json!({"verifier_key": public.to_text(), "did": public.did()})))
}

fn checkpoint(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &["key", "origin", "size"], &[])?;
    words.plain::<0>("no words after `checkpoint`")?;
    let path = words.required("key")?;
    let text = fs::read_to_string(path).map_err(failed(path))?;
    let secret =
        text.split(|c: char| c.is_whitespace() || c == '"').find(|word| word.starts_with("PRIVATE+KEY+"));
    let secret =
        secret.ok_or_else(|| Failure::Usage(format!("{path}: no key that begins with PRIVATE+KEY+")))?;
    let signer = Ed25519Signer::from_text(secret).map_err(failed(path))?;
    let tree = Store::open(folder)?.tree()?;
    let size = words.number("size")?.unwrap_or_else(|| tree.size());
    let root = tree.root_at(size).ok_or_else(|| too_large(size, tree.size()))?;
    let checkpoint =
        Checkpoint::new(words.required("origin")?, Head { size, root }).map_err(failed("--origin"))?;
    print!("{}", checkpoint.sign(&[&signer]).map_err(failed("signing"))?);
    Ok(ExitCode::SUCCESS)
}

/// Destroys the keys of a subject first and records it then: a crash in between forgets the record, not the erasure, and
/// running the command again makes up for it.
fn erase(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &["subject", "at", "actor"], &[])?;
    words.plain::<0>("no words after `erase`")?;
    let subject = words.required("subject")?;
    let mut store = WritableStore::open(Store::open(folder).map(|_| folder)?)?;
    let destroyed = FileKeys::open(folder)?.erase(subject).map_err(failed("keys"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let at_unix_ms = words.number("at")?.unwrap_or(now);
    let actor = words.value("actor").unwrap_or("audit_log");
    let draft = Draft::new(at_unix_ms, actor, "subject.erase", subject)
        .with_category(Category::COMPLIANCE)
        .with_severity(Severity::Notice)
        .with_field("keys_destroyed", i64::from(destroyed));
    store.append(&draft).map_err(failed("entry"))?;
    store.sync()?;
    Ok(print(&json!({
        "ok": true,
        "subject": subject,
        "keys_destroyed": destroyed,
        "size": store.size(),
        "root": store.root().to_base64(),
    })))
}

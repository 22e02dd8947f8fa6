//! Notes and witness requests: whatever is read prints to something that reads the same; a text signed by a known key
//! opens and no other does; a witness answers.
#![no_main]

use ecosystem_audit::prove::consistency;
use ecosystem_audit::verify::Head;
use ecosystem_audit::witness::{AddCheckpoint, WitnessAnswer};
use ecosystem_audit::{Checkpoint, Ed25519Cosigner, Ed25519Signer, Ed25519Verifier, Log, Note, Witness};
use std::sync::LazyLock;
use vm_ecosystem_fuzz::{log, seeds};

const ORIGIN: &str = "example.com/log";

static SIGNER: LazyLock<Ed25519Signer> =
    LazyLock::new(|| Ed25519Signer::from_seed(ORIGIN, &[3; 32]).expect("the name is fine"));
static VERIFIER: LazyLock<Ed25519Verifier> = LazyLock::new(|| SIGNER.verifier());
static COSIGNER: LazyLock<Ed25519Cosigner> =
    LazyLock::new(|| Ed25519Cosigner::from_seed("witness", &[4; 32]).expect("the name is fine"));
static LOG: LazyLock<Log> = LazyLock::new(log);

fn all() -> Vec<String> {
    let log = log();
    let note =
        Checkpoint::new(ORIGIN, log.head()).expect("the origin is fine").sign(&[&*SIGNER]).expect("it signs");
    let proof = consistency(log.tree(), (0, 3), log.size()).expect("the log was once that small");
    let two = Note::sign("text\n\n more\n", &[&*SIGNER, &*SIGNER]).expect("it signs");
    let first = AddCheckpoint::new(0, Vec::new(), note.clone()).to_string();
    let later = AddCheckpoint::new(3, proof, note.clone()).to_string();
    vec![note.to_string(), two.to_string(), first, later]
}

libfuzzer_sys::fuzz_target!(init: seeds(all), |bytes: &[u8]| {
    if let Ok(note) = Note::parse(bytes) {
        let again = Note::parse(note.to_string().as_bytes()).expect("a printed note is a note");
        assert_eq!(again.text, note.text);
        let text = note.text.clone();
        let known = note.open(&[&*VERIFIER]).is_ok();
        let signed = Note::sign(&text, &[&*SIGNER]).expect("the text of a note can be signed");
        let read = Note::parse(signed.to_string().as_bytes()).expect("a signed note is a note");
        assert_eq!(read.open(&[&*VERIFIER]).expect("it was just signed").text, text);
        assert!(!known || text.starts_with(ORIGIN) || text == "text\n\n more\n", "a forged signature");
    }
    let log = &*LOG;
    let at_three = Head { size: 3, root: log.tree().root_at(3).expect("the log is larger") };
    for head in [None, Some(at_three)] {
        let mut witness = Witness::new(&*COSIGNER).with_log(ORIGIN, vec![&*VERIFIER], head);
        let before: Vec<Head> = witness.heads().map(|(_, head)| head).collect();
        let answer = witness.add_checkpoint(bytes, 1_767_225_600);
        let after: Vec<Head> = witness.heads().map(|(_, head)| head).collect();
        assert!(matches!(answer, WitnessAnswer::Cosigned(_)) || before == after, "a refusal changes nothing");
        assert!(after[0].size == before[0].size || after[0] == log.head(), "only what the log has signed");
    }
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        let again = AddCheckpoint::parse(request.to_string().as_bytes()).expect("a printed request is a request");
        assert_eq!((again.old_size, again.proof, again.note.text), (request.old_size, request.proof, request.note.text));
    }
});

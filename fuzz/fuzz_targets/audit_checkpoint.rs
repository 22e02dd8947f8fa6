//! Checkpoints, keys and tile paths: one text form each.
#![no_main]

use ecosystem_audit::tiles::TileId;
use ecosystem_audit::{Checkpoint, Ed25519Signer, Ed25519Verifier, did};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_text(), text);
    }
    if let Ok(id) = TileId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(key) = did::to_ed25519(text) {
        assert_eq!(did::from_ed25519(&key), text);
    }
    if let Ok(key) = Ed25519Verifier::from_text(text) {
        assert_eq!(key.to_text(), text);
    }
    let _ = Ed25519Signer::from_text(text);
});

//! Checkpoints, keys and tile paths: one text form each.
#![no_main]

use ecosystem_audit::tiles::TileId;
use ecosystem_audit::{
    Checkpoint, Ed25519CosignatureVerifier, Ed25519Cosigner, Ed25519Signer, Ed25519Verifier, did,
};
use vm_ecosystem_fuzz::{log, seeds};

fn all() -> Vec<String> {
    let signer = Ed25519Signer::from_seed("example.com/log", &[3; 32]).expect("the name is fine");
    let cosigner = Ed25519Cosigner::from_seed("witness", &[4; 32]).expect("the name is fine");
    let mut checkpoint = Checkpoint::new("example.com/log", log().head()).expect("the origin is fine");
    let plain = checkpoint.to_text();
    checkpoint.extensions = vec!["a".into(), "b c".into()];
    let paths = ["tile/0/x001/x234/067.p/3", "tile/entries/000", "tile/63/999.p/255"].map(str::to_owned);
    let keys = [
        signer.to_secret_text(),
        signer.verifier().to_text(),
        cosigner.verifier().to_text(),
        did::from_ed25519(&signer.public_key()),
    ];
    [plain, checkpoint.to_text()].into_iter().chain(paths).chain(keys).collect()
}

libfuzzer_sys::fuzz_target!(init: seeds(all), |bytes: &[u8]| {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
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
    if let Ok(key) = Ed25519CosignatureVerifier::from_text(text) {
        assert_eq!(key.to_text(), text);
    }
    if let Ok(key) = Ed25519Signer::from_text(text) {
        assert_eq!(key.to_secret_text(), text);
    }
});

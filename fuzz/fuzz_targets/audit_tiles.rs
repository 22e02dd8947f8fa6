//! Tiles and bundles: what is read is what was written, and a log made from changed tiles has another root or is refused.
//!
//! The first byte is the number of hashes or entries.
#![no_main]

use ecosystem_audit::Hash;
use ecosystem_audit::proof::verify_inclusion;
use ecosystem_audit::prove::{inclusion, subtree_root};
use ecosystem_audit::tiles::{TileError, TileId, TileReader, bundle, parse_bundle, parse_hash_tile};
use vm_ecosystem_fuzz::{log, seeds};

fn all() -> Vec<Vec<u8>> {
    let log = log();
    let entries: Vec<&[u8]> = (0..log.size()).filter_map(|seq| log.canonical(seq)).collect();
    let leaves: Vec<u8> =
        (0..log.size()).filter_map(|seq| log.tree().leaf(seq)).flat_map(|h| *h.as_bytes()).collect();
    let bundle = bundle(entries).expect("entries fit a bundle");
    let all_of_it: Vec<u8> = (0..=255).flat_map(|i| [i; 32]).collect();
    [(5_u8, bundle), (5, leaves), (0, all_of_it)]
        .map(|(width, bytes)| [&[width][..], &bytes].concat())
        .to_vec()
}

libfuzzer_sys::fuzz_target!(init: seeds(all), |bytes: &[u8]| {
    let Some((width, bytes)) = bytes.split_first() else { return };
    let size = if *width == 0 { 256 } else { u64::from(*width) };
    let id = TileId::entries(0, size).expect("the log is that large");
    if let Ok(entries) = parse_bundle(&id, bytes) {
        assert_eq!(entries.len() as u64, size);
        assert_eq!(bundle(entries).expect("it was one"), bytes);
    }
    let id = TileId::hashes(0, 0, size).expect("the log is that large");
    let Ok(hashes) = parse_hash_tile(&id, bytes) else { return };
    let leaf = Hash::from_bytes(hashes[0]);
    let reader = TileReader::new(size, |id: &TileId| -> Result<Vec<u8>, TileError> {
        let missing = || TileError::NotThere { path: id.to_string(), size };
        if *id == TileId::hashes(0, 0, size).expect("as above") { Ok(bytes.to_vec()) } else { Err(missing()) }
    });
    let tree = reader.tree().expect("the tile is whole");
    assert_eq!(tree.leaf(0), Some(leaf));
    // What needs only this tile can be proved from it, and equals the tree's; a full tile has its root in another.
    if size < 256 {
        assert_eq!(subtree_root(&reader, 0, size), Ok(tree.root()));
        let proof = inclusion(&reader, 0, (0, size)).expect("the tile is whole");
        assert_eq!(verify_inclusion(0, size, &leaf, &proof, &tree.root()), Ok(()));
    }
});

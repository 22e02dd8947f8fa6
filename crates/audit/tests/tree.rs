//! The tree's own layout against plain lists of hashes, beyond the size of one chunk of memory.

use ecosystem_audit::prove::ProveError;
use ecosystem_audit::{CompactRange, Hash, Tree, leaf_hash, node_hash, proof};

const LEAVES: u64 = 10_000;

/// All levels of complete subtrees as plain lists.
fn levels(leaves: u64) -> Vec<Vec<Hash>> {
    let mut levels = vec![(0..leaves).map(|i| leaf_hash(&i.to_be_bytes())).collect::<Vec<_>>()];
    while let Some(last) = levels.last().filter(|level| level.len() > 1) {
        let next = last.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
        levels.push(next);
    }
    levels
}

#[test]
fn every_node_is_where_it_belongs_while_the_tree_grows() {
    let levels = levels(LEAVES);
    let (mut tree, mut range) = (Tree::new(), CompactRange::new());
    for (i, leaf) in (0..).zip(&levels[0]) {
        tree.push(*leaf);
        range.push(*leaf);
        assert_eq!(tree.root(), range.root());
        let size: u64 = i + 1;
        // The right edge, where blocks are only partly filled, and one place further left.
        for (level, hashes) in (0..).zip(&levels) {
            let complete = size >> level;
            for index in [complete.saturating_sub(1), complete.saturating_sub(2), complete / 3, complete] {
                let wanted = hashes.get(usize::try_from(index).unwrap()).filter(|_| index < complete);
                assert_eq!(
                    tree.node(level, index).as_ref(),
                    wanted,
                    "level {level}, index {index} of {size}"
                );
            }
        }
    }
    for (level, hashes) in (0..).zip(&levels) {
        for (index, hash) in (0..).zip(hashes) {
            assert_eq!(tree.node(level, index), Some(*hash));
        }
    }
    assert_eq!(tree.node(64, 0), None);
}

#[test]
fn proofs_in_a_buffer_are_the_ones_made_alone_and_all_are_accepted() {
    let mut tree = Tree::new();
    levels(LEAVES)[0].iter().for_each(|leaf| tree.push(*leaf));
    for size in [1, 2, 3, 255, 256, 4_095, 4_096, 4_097, 8_191, LEAVES] {
        let view = tree.view(size).unwrap();
        let indices: Vec<u64> = (0..size).step_by(7).chain([size - 1]).collect();
        let mut buffer = vec![Hash::ZERO; 3];
        for index in &indices {
            let leaf = tree.leaf(*index).unwrap();
            let hashes = view.inclusion(*index).unwrap();
            assert_eq!(proof::verify_inclusion(*index, size, &leaf, &hashes, &view.root()), Ok(()));
            view.inclusion_into(*index, &mut buffer).unwrap();
            assert_eq!(buffer, hashes);
        }
        let beyond = ProveError::OutOfRange { start: size, end: size + 1, size };
        assert_eq!(view.inclusion(size), Err(beyond));
    }
    assert!(tree.view(LEAVES + 1).is_none());
    assert!(Tree::new().view(0).unwrap().inclusion(0).is_err());
}

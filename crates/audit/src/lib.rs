//! A tamper-evident audit log: SHA-256 chain and Merkle tree, proofs, queries, exports.

//! Proof files (C2SP `tlog-proof`): index, inclusion proof and signed checkpoint in one text, so that an entry can
//! be checked offline.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError, parse_size};
use crate::hash::Hash;
use crate::note::NoteVerifier;
use crate::proof::{self, ProofError};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// An inclusion proof together with the checkpoint it leads to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct TlogProof {
    /// Bytes for the application, if any.
    pub extra: Option<Vec<u8>>,
    /// Place of the entry.
    pub index: u64,
    /// The inclusion proof.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, as a note.
    pub checkpoint: String,
}

/// Why a proof file is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlogProofError {
    /// A line is not as the format says.
    #[error("line {line} of the proof: {reason}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is not as it should be.
        reason: &'static str,
    },
    /// The checkpoint is refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The proof does not lead to the root of the checkpoint.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl TlogProof {
    /// A proof of entry `index` with the signed checkpoint it leads to.
    pub fn new(index: u64, hashes: Vec<Hash>, checkpoint: impl Into<String>) -> Self {
        Self { extra: None, index, hashes, checkpoint: checkpoint.into() }
    }

    /// Reads a proof file; the checkpoint is not looked at.
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        let fail = |line, reason| TlogProofError::Line { line, reason };
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or_else(|| fail(1, "no blank line before the checkpoint"))?;
        if checkpoint.is_empty() {
            return Err(fail(head.split('\n').count() + 2, "there is no checkpoint"));
        }
        let mut lines = head.split('\n').zip(1..).peekable();
        if lines.next().map(|(line, _)| line) != Some(FIRST_LINE) {
            return Err(fail(1, "expected `c2sp.org/tlog-proof@v1`"));
        }
        let extra = match lines.peek().and_then(|(line, _)| line.strip_prefix("extra ")) {
            Some(encoded) => {
                lines.next();
                Some(STANDARD.decode(encoded).map_err(|_| fail(2, "the extra bytes are not base64"))?)
            }
            None => None,
        };
        let index = lines
            .next()
            .and_then(|(line, _)| parse_size(line.strip_prefix("index ")?))
            .ok_or_else(|| fail(2 + usize::from(extra.is_some()), "expected `index` and a decimal number"))?;
        let mut hashes = Vec::new();
        for (line, number) in lines {
            if hashes.len() == 63 {
                return Err(fail(number, "more than 63 hashes"));
            }
            let hash =
                Hash::from_base64(line).ok_or_else(|| fail(number, "expected a hash, 32 bytes in base64"))?;
            hashes.push(hash);
        }
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that the entry with this leaf hash is in the log of this origin: the checkpoint is signed by one of
    /// the keys, and the proof leads to its root.
    pub fn verify(
        &self,
        leaf: &Hash,
        origin: &str,
        verifiers: &[&dyn NoteVerifier],
    ) -> Result<Checkpoint, TlogProofError> {
        let (checkpoint, _) = Checkpoint::open(self.checkpoint.as_bytes(), origin, verifiers)?;
        let head = checkpoint.head;
        proof::verify_inclusion(self.index, head.size, leaf, &self.hashes, &head.root)?;
        Ok(checkpoint)
    }
}

impl core::fmt::Display for TlogProof {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

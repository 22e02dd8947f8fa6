//! Checkpoints (C2SP `tlog-checkpoint`): origin, size and root of a log as a text to sign.

use crate::hash::Hash;
use crate::note::{Note, NoteError, NoteSigner, NoteVerifier, OpenedNote, SignError};
use crate::verify::Head;

/// What a log says about itself at some moment.
///
/// ```
/// use ecosystem_audit::{Checkpoint, Draft, Log};
/// let mut log = Log::new();
/// log.append(&Draft::new(0, "alice", "vm.start", "vm/1"))?;
/// let checkpoint = Checkpoint::new("example.com/fleet", log.head())?;
/// let text = checkpoint.to_text();
/// assert!(text.starts_with("example.com/fleet\n1\n"));
/// assert_eq!(Checkpoint::parse(&text)?, checkpoint);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Name of the log: unique, best a URL without scheme.
    pub origin: String,
    /// Size and root.
    pub head: Head,
    /// Further lines; hosts should not use them.
    pub extensions: Vec<String>,
}

/// Why a text is not a checkpoint.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A line is not as the format says.
    #[error("line {line} of the checkpoint: {reason}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is not as it should be.
        reason: &'static str,
    },
    /// The note around it is refused.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is of another log.
    #[error("checkpoint of `{found}`: expected `{expected}`")]
    Origin {
        /// Origin found.
        found: String,
        /// Origin expected.
        expected: String,
    },
}

impl Checkpoint {
    /// A checkpoint without extensions. The origin must be one line that is not empty.
    pub fn new(origin: impl Into<String>, head: Head) -> Result<Self, CheckpointError> {
        let origin = origin.into();
        if origin.is_empty() || origin.chars().any(char::is_control) {
            return Err(CheckpointError::Line {
                line: 1,
                reason: "the origin is empty or has control characters",
            });
        }
        Ok(Self { origin, head, extensions: Vec::new() })
    }

    /// The text to be signed.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.head.size, self.head.root.to_base64());
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Reads the text of a checkpoint.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let fail = |line, reason| CheckpointError::Line { line, reason };
        let lines = text.strip_suffix('\n').ok_or_else(|| fail(1, "the text does not end with a newline"))?;
        let mut lines = lines.split('\n');
        let origin =
            lines.next().filter(|origin| !origin.is_empty()).ok_or_else(|| fail(1, "the origin is empty"))?;
        let size =
            lines.next().and_then(parse_size).ok_or_else(|| fail(2, "expected the size in decimal"))?;
        let root = lines
            .next()
            .and_then(Hash::from_base64)
            .ok_or_else(|| fail(3, "expected the root, 32 bytes in base64"))?;
        let mut extensions = Vec::new();
        for (i, line) in lines.enumerate() {
            if line.is_empty() {
                return Err(fail(i + 4, "an extension line is empty"));
            }
            extensions.push(line.to_owned());
        }
        Ok(Self { origin: origin.to_owned(), head: Head { size, root }, extensions })
    }

    /// The checkpoint as a note signed by all signers.
    pub fn sign(&self, signers: &[&dyn NoteSigner]) -> Result<Note, SignError> {
        Note::sign(&self.to_text(), signers)
    }

    /// Reads a signed checkpoint of a log, checking the signatures and the origin.
    pub fn open(
        note: &[u8],
        origin: &str,
        verifiers: &[&dyn NoteVerifier],
    ) -> Result<(Self, OpenedNote), CheckpointError> {
        let opened = Note::parse(note)?.open(verifiers)?;
        let checkpoint = Self::parse(&opened.text)?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::Origin { found: checkpoint.origin, expected: origin.to_owned() });
        }
        Ok((checkpoint, opened))
    }
}

/// A decimal number without sign and leading zeros.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    if canonical { text.parse().ok() } else { None }
}

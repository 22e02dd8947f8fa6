//! A witness (C2SP `tlog-witness`): cosigns checkpoints of logs that only ever grow, and refuses forks.
//!
//! The state machine is pure: a request and the time come in, the answer and the new head to be remembered go out.
//! What makes a witness worth trusting is that it never forgets: the host must store [`Witness::heads`] durably
//! *before* it sends an answer of status 200.

use std::collections::BTreeMap;

use crate::checkpoint::{Checkpoint, parse_size};
use crate::hash::Hash;
use crate::note::{Note, NoteError, NoteSignature, NoteVerifier, SignError};
use crate::proof::{self, EmptyTree};
use crate::verify::Head;

/// Makes timestamped signatures over checkpoints; the private key stays with the host.
pub trait Cosigner {
    /// Name of the key.
    fn name(&self) -> &str;
    /// Identifier of the key.
    fn key_id(&self) -> u32;
    /// Signs the text of a checkpoint together with the time in seconds since 1970.
    fn cosign(&self, text: &[u8], at_unix_s: u64) -> Result<Vec<u8>, SignError>;
}

/// What a witness knows of each log.
pub struct Witness<'a> {
    cosigner: &'a dyn Cosigner,
    logs: BTreeMap<String, Known<'a>>,
}

struct Known<'a> {
    verifiers: Vec<&'a dyn NoteVerifier>,
    head: Head,
}

/// What a witness answers to a request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WitnessAnswer {
    /// Status 200: the signature line to add to the checkpoint.
    Cosigned(NoteSignature),
    /// Status 400: not a request, or one that contradicts itself.
    Malformed(&'static str),
    /// Status 403: the log or its signature is not trusted.
    Untrusted(&'static str),
    /// Status 409: the request does not start from the size the witness has cosigned last, which is this; or it shows
    /// another tree of that size.
    Conflict(u64),
    /// Status 422: the proof does not show that the log has only grown.
    Inconsistent,
    /// Status 500: the witness could not sign.
    Failed(SignError),
}

impl WitnessAnswer {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::Malformed(_) => 400,
            Self::Untrusted(_) => 403,
            Self::Conflict(_) => 409,
            Self::Inconsistent => 422,
            Self::Failed(_) => 500,
        }
    }

    /// The body of the HTTP answer.
    pub fn body(&self) -> String {
        match self {
            Self::Cosigned(signature) => format!("{signature}\n"),
            Self::Malformed(reason) | Self::Untrusted(reason) => format!("{reason}\n"),
            Self::Conflict(size) => format!("{size}\n"),
            Self::Inconsistent => "invalid consistency proof\n".to_owned(),
            Self::Failed(error) => format!("{error}\n"),
        }
    }
}

/// A request to cosign a checkpoint: the size the sender believes the witness to know, the consistency proof from
/// there, and the checkpoint as a note.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AddCheckpoint {
    /// Size the witness has cosigned last.
    pub old_size: u64,
    /// Consistency proof from that size.
    pub proof: Vec<Hash>,
    /// The checkpoint.
    pub note: Note,
}

impl AddCheckpoint {
    /// A request.
    pub const fn new(old_size: u64, proof: Vec<Hash>, note: Note) -> Self {
        Self { old_size, proof, note }
    }

    /// Reads the body of a request.
    pub fn parse(body: &[u8]) -> Result<Self, &'static str> {
        let body = core::str::from_utf8(body).map_err(|_| "the request is not valid UTF-8")?;
        let (head, note) = body.split_once("\n\n").ok_or("no blank line before the checkpoint")?;
        let mut lines = head.split('\n');
        let old_size = lines
            .next()
            .and_then(|line| parse_size(line.strip_prefix("old ")?))
            .ok_or("expected `old` and a decimal number")?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == 63 {
                return Err("more than 63 hashes in the consistency proof");
            }
            hashes.push(Hash::from_base64(line).ok_or("expected hashes of 32 bytes in base64")?);
        }
        let note = Note::parse(note.as_bytes()).map_err(|_| "the checkpoint is not a signed note")?;
        Ok(Self { old_size, proof: hashes, note })
    }
}

impl core::fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        for hash in &self.proof {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.note)
    }
}

impl<'a> Witness<'a> {
    /// A witness that knows no log yet.
    pub const fn new(cosigner: &'a dyn Cosigner) -> Self {
        Self { cosigner, logs: BTreeMap::new() }
    }

    /// Adds a log with the keys that may sign for it and the head that was cosigned last, if any.
    #[must_use]
    pub fn with_log(
        mut self,
        origin: impl Into<String>,
        verifiers: Vec<&'a dyn NoteVerifier>,
        head: Option<Head>,
    ) -> Self {
        let head = head.unwrap_or(Head { size: 0, root: Hash::EMPTY_ROOT });
        self.logs.insert(origin.into(), Known { verifiers, head });
        self
    }

    /// The heads cosigned last, by origin: what the host must store before it answers.
    pub fn heads(&self) -> impl Iterator<Item = (&str, Head)> {
        self.logs.iter().map(|(origin, known)| (origin.as_str(), known.head))
    }

    /// Answers the body of an `add-checkpoint` request. Any answer but [`WitnessAnswer::Cosigned`] leaves the witness
    /// as it was.
    pub fn add_checkpoint(&mut self, body: &[u8], at_unix_s: u64) -> WitnessAnswer {
        match AddCheckpoint::parse(body) {
            Ok(request) => self.answer(request, at_unix_s).unwrap_or_else(|refusal| refusal),
            Err(reason) => WitnessAnswer::Malformed(reason),
        }
    }

    fn answer(&mut self, request: AddCheckpoint, at_unix_s: u64) -> Result<WitnessAnswer, WitnessAnswer> {
        let origin = request.note.text.split('\n').next().unwrap_or_default();
        let known = self.logs.get_mut(origin).ok_or(WitnessAnswer::Untrusted("unknown log"))?;
        let opened = request.note.open(&known.verifiers).map_err(|error| match error {
            NoteError::Unverified => WitnessAnswer::Untrusted("no signature of a known key"),
            _ => WitnessAnswer::Untrusted("invalid signature"),
        })?;
        let checkpoint = Checkpoint::parse(&opened.text)
            .map_err(|_| WitnessAnswer::Malformed("the note is not a checkpoint"))?;
        let Head { size, root } = checkpoint.head;
        if request.old_size > size {
            return Err(WitnessAnswer::Malformed("the old size is larger than the checkpoint's"));
        }
        if request.old_size != known.head.size || (size == known.head.size && root != known.head.root) {
            return Err(WitnessAnswer::Conflict(known.head.size));
        }
        let from = (known.head.size, &known.head.root);
        proof::verify_consistency(from, (size, &root), &request.proof, EmptyTree::Accept)
            .map_err(|_| WitnessAnswer::Inconsistent)?;
        let signature =
            self.cosigner.cosign(opened.text.as_bytes(), at_unix_s).map_err(WitnessAnswer::Failed)?;
        known.head = checkpoint.head;
        let (name, id) = (self.cosigner.name(), self.cosigner.key_id());
        Ok(WitnessAnswer::Cosigned(NoteSignature::new(name, id, signature)))
    }
}

impl core::fmt::Debug for Witness<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Witness").field("name", &self.cosigner.name()).finish_non_exhaustive()
    }
}

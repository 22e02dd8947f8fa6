//! Signed notes (C2SP `signed-note`): a text, a blank line, and signatures of any number of keys.
//!
//! # Format
//! ```text
//! text, every line ended by a newline
//! <blank line>
//! — <key name> <base64 of key id (4 bytes) and signature>
//! ```
//! Only newlines are allowed as control characters; key names have neither spaces nor `+`. A signature of a known
//! key must be good, or the whole note is refused; signatures of unknown keys are listed and otherwise ignored.
//! How a key signs is open: [`NoteSigner`] and [`NoteVerifier`] are for the host to implement, and the
//! `Ed25519` types (feature `ed25519`) are ready-made ones.
//!
//! # References
//! <https://c2sp.org/signed-note>; golang.org/x/mod/sumdb/note.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Base64 as notes are read by their reference implementation: padding is needed, spare bits may be set.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Longest note that is read, in bytes.
pub const MAX_NOTE_LEN: usize = 1_000_000;

/// Most signatures on one note.
pub const MAX_SIGNATURES: usize = 100;

/// Makes signatures: the private key stays with the host, in a file, a token or a service.
pub trait NoteSigner {
    /// Name of the key, as verifiers know it.
    fn name(&self) -> &str;
    /// Identifier of the key, see [`key_id`].
    fn key_id(&self) -> u32;
    /// Signs the text of a note.
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Checks signatures of one key.
pub trait NoteVerifier {
    /// Name of the key.
    fn name(&self) -> &str;
    /// Identifier of the key, see [`key_id`].
    fn key_id(&self) -> u32;
    /// Whether this is a signature of the text by this key.
    fn verify(&self, text: &[u8], signature: &[u8]) -> bool;
}

/// The signer could not sign.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("key `{name}` could not sign: {reason}")]
pub struct SignError {
    /// Name of the key.
    pub name: String,
    /// What the signer says.
    pub reason: String,
}

/// Why a note is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The bytes are not a note.
    #[error("malformed note: {reason}")]
    Malformed {
        /// What is not as it should be.
        reason: &'static str,
    },
    /// Two of the verifiers given have the same name and key id, and the note uses them.
    #[error("key `{name}` is known twice")]
    AmbiguousKey {
        /// Name of the key.
        name: String,
    },
    /// A known key has not made this signature.
    #[error("invalid signature of key `{name}`")]
    InvalidSignature {
        /// Name of the key.
        name: String,
    },
    /// None of the signatures is of a known key.
    #[error("no signature of a known key")]
    Unverified,
}

/// A signature on a note.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Identifier of the key.
    pub key_id: u32,
    /// The signature itself; its length depends on the kind of key.
    pub signature: Vec<u8>,
    /// Whether the line it was read from is the one that would be written. A known key's must be, so that a good
    /// signature has one form.
    canonical: bool,
}

/// A note whose signatures have not been checked.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Note {
    /// The text; ends with a newline.
    pub text: String,
    /// The signatures in their order.
    pub signatures: Vec<NoteSignature>,
}

/// A note with at least one good signature of a known key and no bad one.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OpenedNote {
    /// The text; ends with a newline.
    pub text: String,
    /// Good signatures, one per key.
    pub verified: Vec<NoteSignature>,
    /// Signatures of unknown keys.
    pub unverified: Vec<NoteSignature>,
}

/// The identifier of a key: the first four bytes of SHA-256 over name, newline, signature type and public key.
pub fn key_id(name: &str, signature_type: u8, public_key: &[u8]) -> u32 {
    let mut bytes = name.as_bytes().to_vec();
    bytes.extend_from_slice(&[b'\n', signature_type]);
    bytes.extend_from_slice(public_key);
    let [a, b, c, d, ..] = *crate::hash::sha256(&bytes).as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Whether a text may name a key: not empty, no white space, no `+`, no control characters.
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

impl NoteSignature {
    /// A signature of a key.
    pub fn new(name: impl Into<String>, key_id: u32, signature: Vec<u8>) -> Self {
        Self { name: name.into(), key_id, signature, canonical: true }
    }
}

impl Note {
    /// Reads a note without checking signatures.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let malformed = |reason| NoteError::Malformed { reason };
        if bytes.len() > MAX_NOTE_LEN {
            return Err(malformed("longer than a million bytes"));
        }
        let whole = core::str::from_utf8(bytes).map_err(|_| malformed("not valid UTF-8"))?;
        if whole.bytes().any(|b| b < b' ' && b != b'\n') {
            return Err(malformed("a control character other than newline"));
        }
        let (text, signatures) =
            whole.rsplit_once("\n\n").ok_or_else(|| malformed("no blank line before signatures"))?;
        let lines = signatures
            .strip_suffix('\n')
            .ok_or_else(|| malformed("no signature, or no newline at the end"))?;
        let signatures = lines.split('\n').map(parse_signature).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(malformed("more than 100 signatures"));
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// Makes a note of a text (which must end with a newline) signed by all signers.
    pub fn sign(text: &str, signers: &[&dyn NoteSigner]) -> Result<Self, SignError> {
        let refused =
            |name: &str, reason: &str| SignError { name: name.to_owned(), reason: reason.to_owned() };
        if !text.ends_with('\n') || text.bytes().any(|b| b < b' ' && b != b'\n') {
            let first = signers.first().map_or("", |signer| signer.name());
            return Err(refused(first, "the text does not end with a newline or has control characters"));
        }
        let mut signatures = Vec::new();
        for signer in signers {
            if !is_key_name(signer.name()) {
                return Err(refused(signer.name(), "the name is empty or has spaces or `+`"));
            }
            let signature = signer.sign(text.as_bytes())?;
            signatures.push(NoteSignature::new(signer.name(), signer.key_id(), signature));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Checks the signatures with the keys given.
    pub fn open(self, verifiers: &[&dyn NoteVerifier]) -> Result<OpenedNote, NoteError> {
        let mut opened = OpenedNote { text: self.text, verified: Vec::new(), unverified: Vec::new() };
        for signature in self.signatures {
            let same =
                |known: &NoteSignature| known.name == signature.name && known.key_id == signature.key_id;
            let mut known =
                verifiers.iter().filter(|v| v.name() == signature.name && v.key_id() == signature.key_id);
            match (known.next(), known.next()) {
                (None, _) => {
                    if !opened.unverified.contains(&signature) {
                        opened.unverified.push(signature);
                    }
                }
                (Some(_), Some(_)) => return Err(NoteError::AmbiguousKey { name: signature.name }),
                (Some(_), None) if opened.verified.iter().any(same) => {}
                (Some(verifier), None) => {
                    if !signature.canonical || !verifier.verify(opened.text.as_bytes(), &signature.signature)
                    {
                        return Err(NoteError::InvalidSignature { name: signature.name });
                    }
                    opened.verified.push(signature);
                }
            }
        }
        if opened.verified.is_empty() { Err(NoteError::Unverified) } else { Ok(opened) }
    }
}

impl core::fmt::Display for Note {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl core::fmt::Display for NoteSignature {
    /// The signature line, without the newline.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut bytes = self.key_id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.signature);
        write!(f, "— {} {}", self.name, BASE64.encode(bytes))
    }
}

fn parse_signature(line: &str) -> Result<NoteSignature, NoteError> {
    let malformed = |reason| NoteError::Malformed { reason };
    let line =
        line.strip_prefix("— ").ok_or_else(|| malformed("a signature line does not begin with a dash"))?;
    let (name, encoded) =
        line.split_once(' ').ok_or_else(|| malformed("a signature line has no signature"))?;
    if !is_key_name(name) {
        return Err(malformed("the name of a key is empty or has spaces or `+`"));
    }
    let bytes = BASE64.decode(encoded).map_err(|_| malformed("a signature is not base64"))?;
    match bytes.split_first_chunk() {
        Some((id, signature)) if !signature.is_empty() => {
            let canonical = BASE64.encode(&bytes) == encoded;
            let signature = NoteSignature::new(name, u32::from_be_bytes(*id), signature.to_vec());
            Ok(NoteSignature { canonical, ..signature })
        }
        _ => Err(malformed("a signature is shorter than a key id and one byte")),
    }
}

#[cfg(feature = "ed25519")]
/// A key as text, `name+id+base64(type ‖ key)`, taken apart and checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeyText {
    pub(crate) name: String,
    pub(crate) key_id: u32,
    pub(crate) signature_type: u8,
    pub(crate) key: Vec<u8>,
}

/// Why a key text is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not `name+id+key`.
    #[error("malformed key: {reason}")]
    Malformed {
        /// What is not as it should be.
        reason: &'static str,
    },
    /// The identifier is not that of the key.
    #[error("key id {found:08x} does not belong to this key: expected {expected:08x}")]
    WrongId {
        /// The identifier in the text.
        found: u32,
        /// The identifier of the key.
        expected: u32,
    },
    /// The key is of another type than asked for.
    #[error("signature type {found}: expected {expected}")]
    WrongType {
        /// The type found.
        found: u8,
        /// The type expected.
        expected: u8,
    },
}

#[cfg(feature = "ed25519")]
impl KeyText {
    pub(crate) fn parse(text: &str) -> Result<Self, KeyError> {
        let malformed = |reason| KeyError::Malformed { reason };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("expected name, id and key with `+` between them"));
        };
        if !is_key_name(name) {
            return Err(malformed("the name is empty or has spaces"));
        }
        let mut id_bytes = [0; 4];
        if id.len() != 8 || base16ct::lower::decode(id, &mut id_bytes).is_err() {
            return Err(malformed("the id is not eight lower-case hexadecimal digits"));
        }
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .map_err(|_| malformed("the key is not base64"))?;
        let Some((&signature_type, key)) = bytes.split_first() else {
            return Err(malformed("the key is empty"));
        };
        Ok(Self {
            name: name.to_owned(),
            key_id: u32::from_be_bytes(id_bytes),
            signature_type,
            key: key.to_vec(),
        })
    }
}

#[cfg(feature = "ed25519")]
pub(crate) fn format_key(name: &str, id: u32, signature_type: u8, key: &[u8]) -> String {
    let mut bytes = vec![signature_type];
    bytes.extend_from_slice(key);
    format!("{name}+{id:08x}+{}", BASE64.encode(bytes))
}

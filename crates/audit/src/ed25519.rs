//! Ed25519 keys for notes, checkpoints and cosignatures (feature `ed25519`).

use ed25519_dalek::Signer as _;

use crate::did;
use crate::note::{self, KeyError, KeyText, NoteSigner, NoteVerifier, SignError};

/// Signature type of an Ed25519 signature over the text of a note.
const PLAIN: u8 = 1;
/// Signature type of a timestamped Ed25519 cosignature.
const COSIGNATURE: u8 = 4;

/// A private Ed25519 key with a name. Its memory is wiped when it is dropped; it prints only its name.
#[derive(Clone)]
pub struct Ed25519Signer {
    name: String,
    id: u32,
    key: ed25519_dalek::SigningKey,
}

impl Ed25519Signer {
    /// A key from 32 random bytes, which the host provides.
    pub fn from_seed(name: impl Into<String>, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let name = name.into();
        if !note::is_key_name(&name) {
            return Err(KeyError::Malformed { reason: "the name is empty or has spaces or `+`" });
        }
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let id = note::key_id(&name, PLAIN, key.verifying_key().as_bytes());
        Ok(Self { name, id, key })
    }

    /// A key that is named by its own `did:key`.
    pub fn from_seed_as_did(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        Self::from_seed(did::from_ed25519(key.verifying_key().as_bytes()), seed)
    }

    /// Reads the text form `PRIVATE+KEY+name+id+base64(1 ‖ seed)` of Go notes.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let malformed = |reason| KeyError::Malformed { reason };
        let rest = text
            .strip_prefix("PRIVATE+KEY+")
            .ok_or_else(|| malformed("expected it to begin with PRIVATE+KEY+"))?;
        let parts = KeyText::parse(rest)?;
        if parts.signature_type != PLAIN {
            return Err(KeyError::WrongType { found: parts.signature_type, expected: PLAIN });
        }
        let seed = parts.key.as_slice().try_into().map_err(|_| malformed("the key is not 32 bytes"))?;
        let signer = Self::from_seed(parts.name, seed)?;
        if signer.id == parts.key_id {
            Ok(signer)
        } else {
            Err(KeyError::WrongId { found: parts.key_id, expected: signer.id })
        }
    }

    /// The text form, to be kept secret.
    pub fn to_secret_text(&self) -> String {
        format!("PRIVATE+KEY+{}", note::format_key(&self.name, self.id, PLAIN, self.key.as_bytes()))
    }

    /// The key that checks this key's signatures.
    pub fn verifier(&self) -> Ed25519Verifier {
        Ed25519Verifier { name: self.name.clone(), id: self.id, key: self.key.verifying_key() }
    }

    /// The public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
}

impl core::fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Ed25519Signer({}+{:08x})", self.name, self.id)
    }
}

impl NoteSigner for Ed25519Signer {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.key.sign(text).to_bytes().to_vec())
    }
}

/// A public Ed25519 key with a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ed25519Verifier {
    name: String,
    id: u32,
    key: ed25519_dalek::VerifyingKey,
}

impl Ed25519Verifier {
    /// A key from its name and bytes; the bytes must be a point of the curve.
    pub fn new(name: impl Into<String>, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        Self::with_type(name.into(), public_key, PLAIN)
    }

    /// The key that a `did:key` names.
    pub fn from_did(did: &str) -> Result<Self, KeyError> {
        let key = did::to_ed25519(did).map_err(|e| KeyError::Malformed { reason: e.reason })?;
        Self::new(did, &key)
    }

    /// Reads the text form `name+id+base64(1 ‖ key)` of Go notes.
    ///
    /// ```
    /// use ecosystem_audit::{Ed25519Signer, Ed25519Verifier};
    /// let signer = Ed25519Signer::from_seed("example.com/fleet", &[1; 32])?;
    /// let text = signer.verifier().to_text();
    /// assert_eq!(Ed25519Verifier::from_text(&text)?, signer.verifier());
    /// # Ok::<(), ecosystem_audit::note::KeyError>(())
    /// ```
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        Self::from_typed_text(text, PLAIN)
    }

    /// The text form.
    pub fn to_text(&self) -> String {
        note::format_key(&self.name, self.id, PLAIN, self.key.as_bytes())
    }

    /// The name as `did:key`.
    pub fn did(&self) -> String {
        did::from_ed25519(self.key.as_bytes())
    }

    fn with_type(name: String, public_key: &[u8; 32], signature_type: u8) -> Result<Self, KeyError> {
        if !note::is_key_name(&name) {
            return Err(KeyError::Malformed { reason: "the name is empty or has spaces or `+`" });
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(public_key)
            .map_err(|_| KeyError::Malformed { reason: "the key is not a point of the curve" })?;
        let id = note::key_id(&name, signature_type, public_key);
        Ok(Self { name, id, key })
    }

    fn from_typed_text(text: &str, signature_type: u8) -> Result<Self, KeyError> {
        let parts = KeyText::parse(text)?;
        if parts.signature_type != signature_type {
            return Err(KeyError::WrongType { found: parts.signature_type, expected: signature_type });
        }
        let expected = note::key_id(&parts.name, signature_type, &parts.key);
        if parts.key_id != expected {
            return Err(KeyError::WrongId { found: parts.key_id, expected });
        }
        let key = parts.key.as_slice().try_into();
        let key = key.map_err(|_| KeyError::Malformed { reason: "the key is not 32 bytes" })?;
        Self::with_type(parts.name, key, signature_type)
    }

    fn check(&self, message: &[u8], signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl NoteVerifier for Ed25519Verifier {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        self.check(text, signature)
    }
}

/// A key that signs checkpoints of others together with the time (C2SP `tlog-cosignature`): a statement that, at
/// that time, this was the largest consistent tree the signer had seen.
#[derive(Clone, Debug)]
pub struct Ed25519Cosigner {
    signer: Ed25519Signer,
    id: u32,
}

impl Ed25519Cosigner {
    /// A key from 32 random bytes, which the host provides.
    pub fn from_seed(name: impl Into<String>, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let signer = Ed25519Signer::from_seed(name, seed)?;
        let id = note::key_id(&signer.name, COSIGNATURE, &signer.public_key());
        Ok(Self { signer, id })
    }

    /// The key that checks this key's cosignatures.
    pub fn verifier(&self) -> Ed25519CosignatureVerifier {
        let key = Ed25519Verifier { id: self.id, ..self.signer.verifier() };
        Ed25519CosignatureVerifier(key)
    }
}

impl crate::witness::Cosigner for Ed25519Cosigner {
    fn name(&self) -> &str {
        &self.signer.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn cosign(&self, text: &[u8], at_unix_s: u64) -> Result<Vec<u8>, SignError> {
        let mut bytes = at_unix_s.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.signer.sign(&cosigned(text, at_unix_s))?);
        Ok(bytes)
    }
}

/// Checks cosignatures of one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ed25519CosignatureVerifier(Ed25519Verifier);

impl Ed25519CosignatureVerifier {
    /// Reads the text form `name+id+base64(4 ‖ key)`.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        Ed25519Verifier::from_typed_text(text, COSIGNATURE).map(Self)
    }

    /// The text form.
    pub fn to_text(&self) -> String {
        note::format_key(&self.0.name, self.0.id, COSIGNATURE, self.0.key.as_bytes())
    }

    /// When the signer says that it has signed, in seconds since 1970, if the signature is good.
    pub fn time(&self, text: &[u8], signature: &[u8]) -> Option<u64> {
        let (time, signature) = signature.split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        self.0.check(&cosigned(text, time), signature).then_some(time)
    }
}

impl NoteVerifier for Ed25519CosignatureVerifier {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn key_id(&self) -> u32 {
        self.0.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        self.time(text, signature).is_some()
    }
}

/// What a cosignature signs: a header with the time, then the text of the checkpoint.
fn cosigned(text: &[u8], at_unix_s: u64) -> Vec<u8> {
    let mut message = format!("cosignature/v1\ntime {at_unix_s}\n").into_bytes();
    message.extend_from_slice(text);
    message
}

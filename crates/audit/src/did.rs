//! `did:key` names for Ed25519 keys: a name that is the key.
//!
//! # Format
//! `did:key:z` and base58btc of the bytes `ed 01` (multicodec for an Ed25519 public key) and the 32 key bytes.
//! Such a name has neither spaces nor `+`, so it can name a signer of notes.

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const PREFIX: &str = "did:key:z";

/// A text is not the `did:key` of an Ed25519 key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not the did:key of an Ed25519 key: {reason}")]
pub struct InvalidDid {
    /// The text, cut after 80 characters.
    pub text: String,
    /// What is not as it should be.
    pub reason: &'static str,
}

/// The `did:key` of an Ed25519 public key.
///
/// ```
/// use ecosystem_audit::did;
/// let key = [7; 32];
/// let name = did::from_ed25519(&key);
/// assert!(name.starts_with("did:key:z6Mk")); // all Ed25519 keys begin like this
/// assert_eq!(did::to_ed25519(&name), Ok(key));
/// ```
pub fn from_ed25519(public_key: &[u8; 32]) -> String {
    let mut bytes = vec![0xed, 0x01];
    bytes.extend_from_slice(public_key);
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let encoded: String =
        digits.iter().rev().map(|digit| char::from(ALPHABET[usize::from(*digit)])).collect();
    format!("{PREFIX}{encoded}")
}

/// The Ed25519 public key of a `did:key`.
pub fn to_ed25519(text: &str) -> Result<[u8; 32], InvalidDid> {
    let fail = |reason| InvalidDid { text: text.chars().take(80).collect(), reason };
    let encoded = text.strip_prefix(PREFIX).ok_or_else(|| fail("expected it to begin with did:key:z"))?;
    // 34 bytes that begin with ed 01 have always 47 digits.
    if encoded.len() != 47 {
        return Err(fail("expected 47 base58 digits"));
    }
    let mut bytes = [0_u8; 34];
    for c in encoded.bytes() {
        let digit = ALPHABET.iter().position(|a| *a == c).ok_or_else(|| fail("a character is not base58"))?;
        let mut carry = digit;
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        if carry > 0 {
            return Err(fail("the number is too large"));
        }
    }
    match bytes.split_first_chunk() {
        Some(([0xed, 0x01], key)) => key.try_into().map_err(|_| fail("the key is not 32 bytes")),
        _ => Err(fail("it is of another kind of key")),
    }
}

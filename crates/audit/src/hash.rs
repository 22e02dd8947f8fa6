//! SHA-256 and the RFC 6962 domain separation of leaves and inner nodes.
//!
//! # Model
//! `leaf = SHA-256(0x00 ‖ data)`, `node = SHA-256(0x01 ‖ left ‖ right)`, and the hash of the empty tree is
//! SHA-256 of nothing. The prefixes keep anybody from presenting an inner node as an entry.
//!
//! # References
//! RFC 6962 section 2.1; FIPS 180-4.

use core::fmt;

use sha2::block_api::compress256;

/// A SHA-256 value: of an entry (leaf), of two subtrees (node) or of a whole log (root).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The `prev_hash` of the first entry: nothing came before it.
    pub const ZERO: Self = Self([0; 32]);

    /// The root of a log without entries, SHA-256 of nothing.
    pub const EMPTY_ROOT: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
        0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// Takes the 32 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The first 32 bytes of a slice that has exactly that length; `None` otherwise.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(bytes).ok().map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Sixty-four lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        base16ct::lower::encode_string(&self.0)
    }

    /// Reads sixty-four hexadecimal digits, upper or lower case.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        match base16ct::mixed::decode(text, &mut bytes) {
            Ok(decoded) if decoded.len() == 32 => Some(Self(bytes)),
            _ => None,
        }
    }

    /// Standard base64 with padding, as checkpoints and proofs write hashes.
    pub fn to_base64(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(self.0)
    }

    /// Reads standard base64 with padding; `None` unless it is exactly 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        use base64::Engine as _;
        if text.len() != 44 {
            return None;
        }
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
        Self::from_slice(&bytes)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_base64(&text).ok_or_else(|| {
            serde::de::Error::custom(format_args!("`{text}` is not a hash: expected 44 base64 characters"))
        })
    }
}

/// Initial state of SHA-256 (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256 of contiguous bytes, without a streaming buffer: whole blocks are compressed where they lie.
///
/// ```
/// use ecosystem_audit::{Hash, sha256};
/// assert_eq!(sha256(b""), Hash::EMPTY_ROOT);
/// assert_eq!(sha256(b"abc").to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
/// ```
pub fn sha256(data: &[u8]) -> Hash {
    let mut state = INITIAL;
    let (blocks, rest) = data.as_chunks::<64>();
    compress256(&mut state, blocks);
    finish(state, rest, data.len())
}

/// The leaf hash of an entry: `SHA-256(0x00 ‖ data)`.
///
/// ```
/// use ecosystem_audit::leaf_hash;
/// let of_nothing = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
/// assert_eq!(leaf_hash(b"").to_hex(), of_nothing);
/// ```
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut state = INITIAL;
    let mut first = [0_u8; 64];
    if data.len() < 63 {
        first[1..=data.len()].copy_from_slice(data);
        return finish(state, &first[..=data.len()], data.len() + 1);
    }
    first[1..].copy_from_slice(&data[..63]);
    compress256(&mut state, &[first]);
    let (blocks, rest) = data[63..].as_chunks::<64>();
    compress256(&mut state, blocks);
    finish(state, rest, data.len() + 1)
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut blocks = [[0_u8; 64]; 2];
    blocks[0][0] = 1;
    blocks[0][1..33].copy_from_slice(&left.0);
    blocks[0][33..].copy_from_slice(&right.0[..31]);
    blocks[1][0] = right.0[31];
    blocks[1][1] = 0x80;
    blocks[1][62..].copy_from_slice(&(65_u16 * 8).to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &blocks);
    output(state)
}

/// Pads the last bytes (fewer than 64) and compresses them.
fn finish(mut state: [u32; 8], rest: &[u8], total_len: usize) -> Hash {
    let bits = (total_len as u64).wrapping_mul(8).to_be_bytes();
    let mut blocks = [[0_u8; 64]; 2];
    blocks[0][..rest.len()].copy_from_slice(rest);
    blocks[0][rest.len()] = 0x80;
    if rest.len() < 56 {
        blocks[0][56..].copy_from_slice(&bits);
        compress256(&mut state, &blocks[..1]);
    } else {
        blocks[1][56..].copy_from_slice(&bits);
        compress256(&mut state, &blocks);
    }
    output(state)
}

fn output(state: [u32; 8]) -> Hash {
    let mut bytes = [0; 32];
    for (slot, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *slot = word.to_be_bytes();
    }
    Hash(bytes)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn one_shot_hashing_equals_the_streaming_reference_at_every_length_around_block_borders() {
        let data: Vec<u8> = (0..400_u16).map(|i| (i * 7 % 251) as u8).collect();
        for len in 0..data.len() {
            let data = &data[..len];
            assert_eq!(sha256(data).0, <[u8; 32]>::from(Sha256::digest(data)), "length {len}");
            let leaf: [u8; 32] = Sha256::new().chain_update([0]).chain_update(data).finalize().into();
            assert_eq!(leaf_hash(data).0, leaf, "leaf of length {len}");
        }
        let (left, right) = (sha256(b"left"), sha256(b"right"));
        let node: [u8; 32] =
            Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into();
        assert_eq!(node_hash(&left, &right).0, node);
    }

    #[test]
    fn text_forms_round_trip_and_refuse_other_lengths() {
        let hash = sha256(b"x");
        assert_eq!(Hash::from_hex(&hash.to_hex()), Some(hash));
        assert_eq!(Hash::from_base64(&hash.to_base64()), Some(hash));
        assert_eq!(Hash::from_hex("00"), None);
        assert_eq!(Hash::from_base64("AAAA"), None);
        assert_eq!(Hash::from_slice(&[0; 31]), None);
    }
}

//! HMAC-SHA256 (RFC 2104) and HKDF-SHA256 (RFC 5869).

use zeroize::Zeroize as _;

use crate::hash::sha256;

/// HMAC-SHA256 over the parts one after the other.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(sha256(key).as_bytes());
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut inner = Vec::with_capacity(64 + len);
    inner.extend(block.iter().map(|b| b ^ 0x36));
    for part in parts {
        inner.extend_from_slice(part);
    }
    let mut outer = [0_u8; 96];
    for (slot, b) in outer.iter_mut().zip(block) {
        *slot = b ^ 0x5c;
    }
    outer[64..].copy_from_slice(sha256(&inner).as_bytes());
    let tag = *sha256(&outer).as_bytes();
    block.zeroize();
    inner.zeroize();
    outer.zeroize();
    tag
}

/// More key material was asked for than HKDF-SHA256 gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{asked} bytes of key material: HKDF-SHA256 gives at most 8160")]
pub struct TooMuchKeyMaterial {
    /// Number of bytes asked for.
    pub asked: usize,
}

/// Derives `out.len()` bytes from a secret, a salt and a purpose.
///
/// ```
/// use ecosystem_audit::kdf::hkdf_sha256;
/// // RFC 5869, A.3: neither salt nor purpose.
/// let mut out = [0; 4];
/// hkdf_sha256(b"", &[0x0b; 22], &[], &mut out)?;
/// assert_eq!(out, [0x8d, 0xa4, 0xe7, 0x75]);
/// # Ok::<(), ecosystem_audit::kdf::TooMuchKeyMaterial>(())
/// ```
pub fn hkdf_sha256(
    salt: &[u8],
    secret: &[u8],
    purpose: &[&[u8]],
    out: &mut [u8],
) -> Result<(), TooMuchKeyMaterial> {
    if out.len() > 255 * 32 {
        return Err(TooMuchKeyMaterial { asked: out.len() });
    }
    let mut key = hmac_sha256(salt, &[secret]);
    let mut previous = [0; 32];
    for (number, chunk) in (1..=255_u8).zip(out.chunks_mut(32)) {
        let counter = [number];
        let mut parts: Vec<&[u8]> = Vec::with_capacity(purpose.len() + 2);
        if number > 1 {
            parts.push(&previous);
        }
        parts.extend_from_slice(purpose);
        parts.push(&counter);
        let next = hmac_sha256(&key, &parts);
        chunk.copy_from_slice(&next[..chunk.len()]);
        previous = next;
    }
    key.zeroize();
    previous.zeroize();
    Ok(())
}

/// Compares without telling by the time it takes where the first difference is.
pub(crate) fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    core::hint::black_box(a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y))) == 0
}

//! Ciphers that seal payloads: a trait for hosts with their own, and two ready-made ones (feature `seal`).

/// A kind of authenticated encryption with associated data.
///
/// Keys are 32 bytes and tags 16 bytes long. Implement it to use a cipher of a hardware module or a certified library.
pub trait Aead {
    /// Number of the cipher in stored payloads: 1 AES-256-GCM, 2 XChaCha20-Poly1305, from 128 on for hosts.
    fn suite(&self) -> u8;
    /// Length of a nonce in bytes, at most 24.
    fn nonce_len(&self) -> usize;
    /// Prepares a key for many payloads.
    fn with_key(&self, key: &[u8; 32]) -> Box<dyn AeadKey>;
}

/// A prepared key.
pub trait AeadKey {
    /// Encrypts in place and gives the tag; `None` if the payload is too long or the nonce has another length.
    fn seal(&self, nonce: &[u8], associated: &[u8], buffer: &mut [u8]) -> Option<[u8; 16]>;
    /// Decrypts in place; false, with the buffer as it was or useless, if anything has been changed.
    fn open(&self, nonce: &[u8], associated: &[u8], buffer: &mut [u8], tag: &[u8; 16]) -> bool;
}

/// AES-256-GCM with 12-byte nonces (NIST SP 800-38D): the default, fast where the processor knows AES.
///
/// With random nonces, seal at most 2³² payloads per key: begin a new epoch well before.
#[cfg(feature = "seal")]
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it names a cipher and has no parts")]
pub struct Aes256Gcm;

/// XChaCha20-Poly1305 with 24-byte nonces (draft-irtf-cfrg-xchacha): random nonces without counting.
#[cfg(feature = "seal")]
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it names a cipher and has no parts")]
pub struct XChaCha20Poly1305;

#[cfg(feature = "seal")]
mod ciphers {
    use aes_gcm::aead::inout::InOutBuf;
    use aes_gcm::aead::{AeadInOut, KeyInit as _};

    use super::{Aead, AeadKey, Aes256Gcm, XChaCha20Poly1305};

    impl Aead for Aes256Gcm {
        fn suite(&self) -> u8 {
            1
        }

        fn nonce_len(&self) -> usize {
            12
        }

        fn with_key(&self, key: &[u8; 32]) -> Box<dyn AeadKey> {
            Box::new(Key(aes_gcm::Aes256Gcm::new(key.into())))
        }
    }

    impl Aead for XChaCha20Poly1305 {
        fn suite(&self) -> u8 {
            2
        }

        fn nonce_len(&self) -> usize {
            24
        }

        fn with_key(&self, key: &[u8; 32]) -> Box<dyn AeadKey> {
            Box::new(Key(chacha20poly1305::XChaCha20Poly1305::new(key.into())))
        }
    }

    /// A cipher of the `aead` family with a key.
    struct Key<C>(C);

    impl<C: AeadInOut> AeadKey for Key<C> {
        fn seal(&self, nonce: &[u8], associated: &[u8], buffer: &mut [u8]) -> Option<[u8; 16]> {
            let nonce = nonce.try_into().ok()?;
            let tag = self.0.encrypt_inout_detached(nonce, associated, InOutBuf::from(buffer)).ok()?;
            tag.as_slice().try_into().ok()
        }

        fn open(&self, nonce: &[u8], associated: &[u8], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
            let (Ok(nonce), Ok(tag)) = (nonce.try_into(), tag.as_slice().try_into()) else { return false };
            self.0.decrypt_inout_detached(nonce, associated, InOutBuf::from(buffer), tag).is_ok()
        }
    }
}

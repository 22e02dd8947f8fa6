//! One-time passwords: HOTP (RFC 4226) and TOTP (RFC 6238), with protection against reuse.
//!
//! # Model
//! `code = truncate(HMAC(secret, counter)) mod 10^digits`, `counter = floor(unix seconds / step)`. The secret
//! comes from the host's random source (at least 128 bit, RFC 4226 R6 recommends 160). Codes are compared in
//! constant time; a code counts once.
//!
//! # Example
//! ```
//! use ecosystem_audit::access::{Totp, TotpSecret, TotpState};
//!
//! let totp = Totp::default();
//! let secret = TotpSecret::new(b"12345678901234567890".to_vec())?;
//! let code = totp.code(&secret, 59_000);
//! assert_eq!(code, "287082");
//! let mut state = TotpState::default();
//! assert!(totp.verify(&secret, &code, 60_000, &mut state), "the step before is still accepted");
//! assert!(!totp.verify(&secret, &code, 60_000, &mut state), "but only once");
//! # Ok::<(), ecosystem_audit::access::TotpError>(())
//! ```

use core::fmt;

use sha2::{Digest, Sha256, Sha512};

use crate::sha1::sha1;

/// Hash underneath. Most authenticator apps know only SHA-1, where the weakness of SHA-1 against collisions
/// does not matter for HMAC.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TotpAlgorithm {
    /// HMAC-SHA-1, the default of RFC 6238.
    #[default]
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

/// Why a secret or setting is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TotpError {
    /// Shorter than 128 bit or absurdly long.
    #[error("secret has {0} bytes: expected 16 to 1024")]
    SecretLength(usize),
    /// Not base32.
    #[error("secret is not base32 (letters A to Z and digits 2 to 7)")]
    NotBase32,
}

/// The shared secret. Never printed; compare nothing with it.
#[derive(Clone, Eq, PartialEq)]
pub struct TotpSecret(Vec<u8>);

impl TotpSecret {
    /// Takes random bytes from the host.
    ///
    /// # Errors
    /// Fewer than 16 or more than 1024 bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, TotpError> {
        if (16..=1024).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(TotpError::SecretLength(bytes.len()))
        }
    }

    /// Reads base32 (RFC 4648) as authenticator apps show it; spaces, case and padding do not matter.
    ///
    /// # Errors
    /// Other characters, or a bad length.
    pub fn from_base32(text: &str) -> Result<Self, TotpError> {
        let (mut out, mut bits, mut have) = (Vec::new(), 0_u32, 0);
        for byte in text.trim_end_matches('=').bytes().filter(|b| *b != b' ' && *b != b'-').take(2048) {
            let value = match byte.to_ascii_uppercase() {
                c @ b'A'..=b'Z' => c - b'A',
                c @ b'2'..=b'7' => c - b'2' + 26,
                _ => return Err(TotpError::NotBase32),
            };
            bits = (bits << 5 | u32::from(value)) & 0xfff;
            have += 5;
            if have >= 8 {
                have -= 8;
                out.push((bits >> have).to_le_bytes()[0]);
            }
        }
        if bits & ((1 << have) - 1) != 0 {
            return Err(TotpError::NotBase32);
        }
        Self::new(out)
    }

    /// The secret in base32 without padding, for the enrolment page.
    pub fn to_base32(&self) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut out = String::new();
        for chunk in self.0.chunks(5) {
            let mut block = [0_u8; 8];
            block[3..3 + chunk.len()].copy_from_slice(chunk);
            let bits = u64::from_be_bytes(block);
            for i in 0..(chunk.len() * 8).div_ceil(5) {
                let index = usize::from((bits >> (35 - 5 * i)).to_le_bytes()[0] & 31);
                out.push(char::from(ALPHABET[index]));
            }
        }
        out
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

/// What has been used: the last accepted step. Keep one per secret.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TotpState {
    /// Steps up to this one are used up.
    pub used_step: Option<u64>,
    /// Wrong codes since the last right one; the host slows down or locks on it.
    pub failures: u32,
}

/// Settings of time-based codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Totp {
    /// Hash; default SHA-1.
    pub algorithm: TotpAlgorithm,
    /// Length of the code, 6 to 9; default 6. Other values are clamped.
    pub digits: u8,
    /// Seconds per step; default 30. 0 counts as 1.
    pub step_s: u64,
    /// Steps before and after now that are accepted; default 1 (RFC 6238 §5.2), at most 10.
    pub window: u8,
}

impl Default for Totp {
    fn default() -> Self {
        Self { algorithm: TotpAlgorithm::Sha1, digits: 6, step_s: 30, window: 1 }
    }
}

impl Totp {
    /// With another hash.
    #[must_use]
    pub const fn with_algorithm(mut self, algorithm: TotpAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// With another number of digits, 6 to 9.
    #[must_use]
    pub const fn with_digits(mut self, digits: u8) -> Self {
        self.digits = digits;
        self
    }

    /// The code of a moment.
    pub fn code(&self, secret: &TotpSecret, at_unix_ms: u64) -> String {
        hotp(self.algorithm, secret, self.step(at_unix_ms), self.digits)
    }

    /// Whether the code is right now and not yet used. Updates the state either way.
    pub fn verify(&self, secret: &TotpSecret, code: &str, at_unix_ms: u64, state: &mut TotpState) -> bool {
        let now = self.step(at_unix_ms);
        let window = u64::from(self.window.min(10));
        let mut accepted = None;
        for step in now.saturating_sub(window)..=now.saturating_add(window) {
            let right = hotp(self.algorithm, secret, step, self.digits);
            // No early exit: the time does not tell which step matched.
            let fresh = state.used_step.is_none_or(|used| step > used);
            if same(right.as_bytes(), code.as_bytes()) && fresh && accepted.is_none() {
                accepted = Some(step);
            }
        }
        match accepted {
            Some(step) => *state = TotpState { used_step: Some(step), failures: 0 },
            None => state.failures = state.failures.saturating_add(1),
        }
        accepted.is_some()
    }

    /// `otpauth://` address for the QR code of an authenticator app. Contains the secret.
    pub fn enrolment_uri(&self, secret: &TotpSecret, issuer: &str, account: &str) -> String {
        let algorithm = match self.algorithm {
            TotpAlgorithm::Sha1 => "SHA1",
            TotpAlgorithm::Sha256 => "SHA256",
            TotpAlgorithm::Sha512 => "SHA512",
        };
        let (issuer, account) = (percent(issuer), percent(account));
        format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm={algorithm}&digits={}&period={}",
            secret.to_base32(),
            self.digits.clamp(6, 9),
            self.step_s.max(1)
        )
    }

    const fn step(&self, at_unix_ms: u64) -> u64 {
        let step = if self.step_s == 0 { 1 } else { self.step_s };
        at_unix_ms / 1000 / step
    }
}

/// HOTP value (RFC 4226 §5.3) with 6 to 9 digits (others are clamped).
pub fn hotp(algorithm: TotpAlgorithm, secret: &TotpSecret, counter: u64, digits: u8) -> String {
    let message = counter.to_be_bytes();
    let mac = match algorithm {
        TotpAlgorithm::Sha1 => hmac::<64>(&secret.0, &message, |d| sha1(d).to_vec()),
        TotpAlgorithm::Sha256 => hmac::<64>(&secret.0, &message, |d| Sha256::digest(d).to_vec()),
        TotpAlgorithm::Sha512 => hmac::<128>(&secret.0, &message, |d| Sha512::digest(d).to_vec()),
    };
    let offset = usize::from(mac[mac.len() - 1] & 15);
    let word = u32::from_be_bytes([mac[offset] & 0x7f, mac[offset + 1], mac[offset + 2], mac[offset + 3]]);
    let digits = digits.clamp(6, 9);
    format!("{:0width$}", word % 10_u32.pow(u32::from(digits)), width = usize::from(digits))
}

/// HMAC (RFC 2104) over a hash with a block of `B` bytes.
fn hmac<const B: usize>(key: &[u8], message: &[u8], hash: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut block = [0_u8; B];
    if key.len() > B {
        let short = hash(key);
        block[..short.len()].copy_from_slice(&short);
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let keyed = |pad: u8, rest: &[u8]| {
        let mut input: Vec<u8> = block.iter().map(|b| b ^ pad).collect();
        input.extend_from_slice(rest);
        hash(&input)
    };
    keyed(0x5c, &keyed(0x36, message))
}

/// Equality whose time depends on the lengths alone.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && core::hint::black_box(a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y))) == 0
}

fn percent(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(b >> 4)]));
            out.push(char::from(HEX[usize::from(b & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        base16ct::lower::encode_string(bytes)
    }

    #[test]
    fn hmac_agrees_with_rfc_2202_case_6() {
        let mac = hmac::<64>(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First", |d| {
            sha1(d).to_vec()
        });
        assert_eq!(hex(&mac), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    }

    #[test]
    fn hotp_agrees_with_rfc_4226_appendix_d() {
        let secret = TotpSecret::new(b"12345678901234567890".to_vec()).unwrap();
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (counter, code) in (0..).zip(expected) {
            assert_eq!(hotp(TotpAlgorithm::Sha1, &secret, counter, 6), code);
        }
    }

    #[test]
    fn totp_agrees_with_rfc_6238_appendix_b() {
        let key =
            |n: usize| TotpSecret::new(b"1234567890".iter().copied().cycle().take(n).collect()).unwrap();
        let rows = [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ];
        for (second, sha1, sha256, sha512) in rows {
            let code = |algorithm, n| {
                Totp::default().with_algorithm(algorithm).with_digits(8).code(&key(n), second * 1000)
            };
            assert_eq!(code(TotpAlgorithm::Sha1, 20), sha1);
            assert_eq!(code(TotpAlgorithm::Sha256, 32), sha256);
            assert_eq!(code(TotpAlgorithm::Sha512, 64), sha512);
        }
    }

    #[test]
    fn codes_outside_the_window_and_old_steps_are_refused() {
        let totp = Totp::default();
        let secret = TotpSecret::new(vec![7; 20]).unwrap();
        let mut state = TotpState::default();
        let at = 1_000_000_000;
        assert!(!totp.verify(&secret, &totp.code(&secret, at - 60_000), at, &mut state));
        assert!(!totp.verify(&secret, &totp.code(&secret, at + 60_000), at, &mut state));
        assert_eq!(state.failures, 2);
        assert!(totp.verify(&secret, &totp.code(&secret, at), at, &mut state));
        assert_eq!(state.failures, 0);
        let earlier = totp.code(&secret, at - 30_000);
        assert!(!totp.verify(&secret, &earlier, at, &mut state), "a step before the used one");
        assert!(!totp.verify(&secret, "", at, &mut state));
        assert!(totp.verify(&secret, &totp.code(&secret, u64::MAX), u64::MAX, &mut state));
    }

    #[test]
    fn base32_is_read_back_and_secrets_are_not_printed() {
        for n in 16..40_u8 {
            let secret = TotpSecret::new((0..n).map(|i| i.wrapping_mul(37)).collect()).unwrap();
            assert_eq!(TotpSecret::from_base32(&secret.to_base32()), Ok(secret.clone()));
            assert_eq!(format!("{secret:?}"), "TotpSecret(..)");
        }
        let rfc = TotpSecret::from_base32("gezd gnbv gy3t qojq gezd gnbv gy3t qojq").unwrap();
        assert_eq!(rfc, TotpSecret::new(b"12345678901234567890".to_vec()).unwrap());
        assert_eq!(TotpSecret::from_base32("GEZD1"), Err(TotpError::NotBase32));
        assert_eq!(TotpSecret::from_base32("GEZDGNBV"), Err(TotpError::SecretLength(5)));
        let uri = Totp::default().enrolment_uri(&rfc, "vm fleet", "ana@example.org");
        assert!(uri.starts_with(
            "otpauth://totp/vm%20fleet:ana%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&"
        ));
    }
}

//! Models as bytes, of whatever kind: a magic word, a version, a kind, a body, a checksum.

use crate::tree::ModelError;

const VERSION: u16 = 1;

/// Writes a model. Numbers are little-endian.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(magic: &[u8], kind: u8) -> Self {
        let mut bytes = magic.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.push(kind);
        Self(bytes)
    }

    pub(crate) fn u8(&mut self, v: u8) {
        self.0.push(v);
    }

    /// Counts and positions are below 2³² by construction (tables and trees refuse more).
    pub(crate) fn u32(&mut self, v: usize) {
        self.0.extend(u32::try_from(v).unwrap_or(u32::MAX).to_le_bytes());
    }

    pub(crate) fn f64(&mut self, v: f64) {
        self.0.extend(v.to_le_bytes());
    }

    /// As many numbers as the reader expects.
    pub(crate) fn all(&mut self, values: &[f64]) {
        values.iter().for_each(|v| self.f64(*v));
    }

    /// Numbers, after how many they are.
    pub(crate) fn numbers(&mut self, values: &[f64]) {
        self.u32(values.len());
        self.all(values);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let sum = crc32(&self.0);
        self.0.extend(sum.to_le_bytes());
        self.0
    }
}

/// Reads bytes of any origin: nothing is reserved that the bytes cannot hold.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The body of a model and its kind.
    pub(crate) fn new(magic: &'static [u8], bytes: &'a [u8]) -> Result<(Self, u8), ModelError> {
        if !bytes.starts_with(magic) {
            return Err(ModelError::Magic);
        }
        let mut reader = Self { bytes, at: magic.len() };
        let found = u16::from_le_bytes(reader.take()?);
        if found != VERSION {
            return Err(ModelError::Version { found, known: VERSION });
        }
        let Some((body, sum)) = bytes.split_last_chunk::<4>() else {
            return Err(ModelError::Size { at: bytes.len(), length: bytes.len() });
        };
        if crc32(body) != u32::from_le_bytes(*sum) {
            return Err(ModelError::Checksum);
        }
        reader.bytes = body;
        let kind = reader.u8()?;
        Ok((reader, kind))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let size = ModelError::Size { at: self.at, length: self.bytes.len() };
        let chunk = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<N>).ok_or(size)?;
        self.at += N;
        Ok(*chunk)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ModelError> {
        Ok(self.take::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub(crate) fn f64(&mut self, name: &'static str) -> Result<f64, ModelError> {
        let v = f64::from_le_bytes(self.take()?);
        if v.is_finite() { Ok(v) } else { Err(ModelError::Field { name }) }
    }

    /// A number of items of at least `least` bytes each: never more than the bytes can hold.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, ModelError> {
        let count = self.u32()? as usize;
        if count > (self.bytes.len() - self.at) / least {
            return Err(ModelError::Size { at: self.at, length: self.bytes.len() });
        }
        Ok(count)
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, ModelError> {
        self.choice(name, &[false, true])
    }

    /// One of some, by its place among them.
    pub(crate) fn choice<T: Copy>(&mut self, name: &'static str, of: &[T]) -> Result<T, ModelError> {
        of.get(usize::from(self.u8()?)).copied().ok_or(ModelError::Field { name })
    }

    /// A number of the range, NaN never.
    pub(crate) fn within(&mut self, name: &'static str, low: f64, high: f64) -> Result<f64, ModelError> {
        let v = self.f64(name)?;
        if (low..=high).contains(&v) { Ok(v) } else { Err(ModelError::Field { name }) }
    }

    /// Finite numbers, after how many they are.
    pub(crate) fn numbers(&mut self, name: &'static str) -> Result<Vec<f64>, ModelError> {
        let count = self.count(8)?;
        (0..count).map(|_| self.f64(name)).collect()
    }

    /// A sum of squares, a number of values, a variance.
    pub(crate) fn positive(&mut self, name: &'static str) -> Result<f64, ModelError> {
        self.within(name, 0.0, f64::MAX)
    }

    /// How well a model fitted, which may be without bound.
    pub(crate) fn known(&mut self, name: &'static str) -> Result<f64, ModelError> {
        let v = f64::from_le_bytes(self.take()?);
        if v.is_nan() { Err(ModelError::Field { name }) } else { Ok(v) }
    }

    /// A position within so many.
    pub(crate) fn position(&mut self, name: &'static str, below: usize) -> Result<usize, ModelError> {
        let at = self.u32()? as usize;
        if at < below { Ok(at) } else { Err(ModelError::Field { name }) }
    }

    pub(crate) fn finish(self) -> Result<(), ModelError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(ModelError::Size { at: self.at, length: self.bytes.len() })
        }
    }
}

/// CRC-32 (IEEE 802.3), bit by bit: models are small and read once.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |c: u32, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 };
    !bytes.iter().fold(!0, |c: u32, &b| (0..8).fold(c ^ u32::from(b), step))
}

//! Reads from the front of a slice, never past its end.

use std::fmt;

use super::FormatError;

/// A cursor over stored bytes.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

/// Shows only the length: the bytes may be plaintext.
impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} bytes)", self.0.len())
    }
}

impl<'a> Reader<'a> {
    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(FormatError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(FormatError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, FormatError> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Bytes that follow their length as `u32be`: `lp` in docs/FORMAT.md.
    pub fn lp(&mut self) -> Result<&'a [u8], FormatError> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| FormatError::Truncated)?)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fails unless everything was read.
    pub fn finish(&self) -> Result<(), FormatError> {
        if self.is_empty() { Ok(()) } else { Err(FormatError::Trailing) }
    }
}

/// Appends the length as `u32be` and the bytes: `lp` in docs/FORMAT.md.
pub fn put_lp(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("DynamoDB's requests end at 16 MiB, far below 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

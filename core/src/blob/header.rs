//! The header of a blob: hostile bytes in, a header that is not authenticated yet or a named fault out.

use std::fmt;

use super::{BlobFault, Stamp};
use crate::crypto::Commitment;
use crate::envelope::OpenFault;
use crate::format::FormatError;
use crate::format::reader::Reader;

/// A blob's header as it was read: **not authenticated**. [`BlobVault::open`](crate::BlobVault::open) checks it.
///
/// `"tsblob" ‖ 00 ‖ 01 ‖ u16be(length) ‖ key record ‖ blob id (32) ‖ commitment (32)`
#[derive(Clone)]
pub struct BlobHeader {
    pub(crate) record: Box<[u8]>,
    pub(crate) id: Stamp,
    pub(crate) commitment: Commitment,
}

impl BlobHeader {
    /// What every blob of this version begins with; the last byte is the version.
    pub(crate) const MAGIC: [u8; 8] = *b"tsblob\x00\x01";
    /// Versions that newer releases may write.
    const RESERVED_VERSIONS: std::ops::RangeInclusive<u8> = 0x02..=0x0f;
    const MAX_RECORD: usize = 16_384;
    /// The length of all but the key record.
    const FIXED: usize = Self::MAGIC.len() + 2 + Stamp::LEN + Commitment::LEN;
    /// The most bytes of a header: whoever has as many need not read on to find it.
    pub const MAX_LEN: usize = Self::FIXED + Self::MAX_RECORD;

    /// Reads the header at the beginning of `stored`; `None` when it goes on behind the end of `stored`.
    ///
    /// # Errors
    ///
    /// [`BlobFault::NotSealed`] and [`BlobFault::UnknownVersion`] as soon as the bytes cannot begin a blob that this
    /// release opens, and [`BlobFault::Key`] when the key record cannot have such a length.
    pub fn parse(stored: &[u8]) -> Result<Option<Self>, BlobFault> {
        let [name @ .., version] = Self::MAGIC;
        let begun = stored.len().min(name.len());
        if stored[..begun] != name[..begun] {
            return Err(BlobFault::NotSealed);
        }
        match stored.get(name.len()) {
            None => return Ok(None),
            Some(found) if *found == version => {}
            Some(found) if Self::RESERVED_VERSIONS.contains(found) => return Err(BlobFault::UnknownVersion(*found)),
            Some(_) => return Err(BlobFault::NotSealed),
        }
        let mut reader = Reader(&stored[Self::MAGIC.len()..]);
        let Ok(length) = reader.u16() else { return Ok(None) };
        let length = usize::from(length);
        if !(1..=Self::MAX_RECORD).contains(&length) {
            return Err(BlobFault::Key(OpenFault::Format(FormatError::NotARecord)));
        }
        let parts = reader.take(length).and_then(|record| Ok((record, reader.array()?, reader.array()?)));
        let Ok((record, id, commitment)) = parts else { return Ok(None) };
        Ok(Some(Self { record: record.into(), id: Stamp::from_bytes(id), commitment: Commitment(commitment) }))
    }

    /// What is wrong with a blob that ends, with `stored`, before its header does.
    pub fn fault_of_end(stored: &[u8]) -> BlobFault {
        if stored.len() < Self::MAGIC.len() { BlobFault::NotSealed } else { BlobFault::Truncated }
    }

    /// How many bytes it has: the first chunk begins behind them.
    #[expect(clippy::len_without_is_empty, reason = "no header is empty")]
    pub fn len(&self) -> usize {
        Self::FIXED + self.record.len()
    }

    /// The blob id as the header claims it. Whoever compares it with the id of a blob that he wrote himself learns
    /// whether it is that blob, as far as the store tells the truth.
    pub fn claimed_stamp(&self) -> Stamp {
        self.id
    }

    /// The bytes to store.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { record, id, commitment } = self;
        let length = u16::try_from(record.len()).expect("key records have at most 12 KiB");
        let mut out = Vec::with_capacity(self.len());
        out.extend_from_slice(&Self::MAGIC);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(record);
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(&commitment.0);
        out
    }
}

impl fmt::Debug for BlobHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobHeader({} bytes)", self.len())
    }
}

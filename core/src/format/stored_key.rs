//! How a stored item names the data key that opens it.

use super::FormatError;
use super::reader::Reader;
use crate::crypto::DataKeyId;

/// What names a data key, **not authenticated**: its key record, or a reference to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoredKey<B> {
    /// The key record: a header that begins with its version, or what form `0x12` carries. Not decoded yet.
    Record(B),
    /// The id of a data key whose key record lies in the key table: a header `0x02 ‖ kid`, or form `0x13`.
    Reference(DataKeyId),
}

/// An owned [`StoredKey`].
pub type OwnedStoredKey = StoredKey<Box<[u8]>>;

impl<'a> StoredKey<&'a [u8]> {
    /// The first byte of a header that is a reference; key records never have this version.
    const REFERENCE: u8 = 0x02;

    /// Reads an item's header.
    pub fn from_header(stored: &'a [u8]) -> Result<Self, FormatError> {
        let Some((&Self::REFERENCE, key_id)) = stored.split_first() else { return Ok(Self::Record(stored)) };
        let mut reader = Reader(key_id);
        let key_id = DataKeyId(reader.array()?);
        reader.finish()?;
        Ok(Self::Reference(key_id))
    }

    /// The header of an item whose attributes need this data key.
    pub fn to_header(self) -> Vec<u8> {
        match self {
            Self::Record(record) => record.to_vec(),
            Self::Reference(key_id) => {
                let mut header = Vec::with_capacity(1 + DataKeyId::LEN);
                header.push(Self::REFERENCE);
                header.extend_from_slice(key_id.as_bytes());
                header
            }
        }
    }

    pub fn to_owned(self) -> OwnedStoredKey {
        match self {
            Self::Record(record) => StoredKey::Record(record.into()),
            Self::Reference(key_id) => StoredKey::Reference(key_id),
        }
    }
}

impl OwnedStoredKey {
    pub fn as_ref(&self) -> StoredKey<&[u8]> {
        match self {
            Self::Record(record) => StoredKey::Record(record),
            Self::Reference(key_id) => StoredKey::Reference(*key_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_reference_of_17_bytes_or_taken_for_a_record() {
        let reference = StoredKey::Reference(DataKeyId([7; 16]));
        let header = reference.to_header();
        assert_eq!(header, [&[2][..], &[7; 16]].concat());
        assert_eq!(StoredKey::from_header(&header), Ok(reference));
        for end in 1..header.len() {
            assert_eq!(StoredKey::from_header(&header[..end]), Err(FormatError::Truncated), "{end}");
        }
        assert_eq!(StoredKey::from_header(&[&header[..], &[0]].concat()), Err(FormatError::Trailing));
        for other in [&b""[..], &[1, 2, 3], &[3; 17]] {
            assert_eq!(StoredKey::from_header(other), Ok(StoredKey::Record(other)));
        }
    }
}

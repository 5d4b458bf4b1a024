//! The lookup record: a lookup key, wrapped under a data key that was made for it.

use zeroize::Zeroizing;

use super::KnownLookups;
use crate::crypto::{LookupKey, LookupWrapKey, NONCE_LEN, TAG_LEN};
use crate::format::fault::RESERVED_VERSIONS;
use crate::format::reader::Reader;
use crate::format::{FormatError, KeyRecord};

/// A lookup record as it was read: **not authenticated**.
///
/// `0x03 ‖ u16be len ‖ key record ‖ nonce (12) ‖ ciphertext ‖ tag (16)`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupRecord<'a> {
    key_record: KeyRecord,
    stored_key_record: &'a [u8],
    nonce: [u8; NONCE_LEN],
    ciphertext: &'a [u8],
    tag: [u8; TAG_LEN],
}

/// What a lookup record holds.
#[derive(Debug)]
pub struct LookupContents {
    /// The lookup key.
    pub key: LookupKey,
    /// The lookups that were ever declared under it.
    pub known: KnownLookups,
}

impl<'a> LookupRecord<'a> {
    const VERSION: u8 = 0x03;

    /// Reads exactly one lookup record.
    ///
    /// # Errors
    ///
    /// [`LookupFault`] names what is wrong.
    pub fn decode(stored: &'a [u8]) -> Result<Self, LookupFault> {
        let mut reader = Reader(stored);
        match reader.u8()? {
            Self::VERSION => {}
            version if RESERVED_VERSIONS.contains(&version) => return Err(LookupFault::UnknownVersion(version)),
            _ => return Err(LookupFault::NotALookupRecord),
        }
        let length = reader.u16()?;
        let stored_key_record = reader.take(length.into())?;
        let key_record = KeyRecord::decode(stored_key_record).map_err(LookupFault::KeyRecord)?;
        let nonce = reader.array()?;
        let (ciphertext, tag) = reader.0.split_last_chunk().ok_or(FormatError::Truncated)?;
        if ciphertext.len() < LookupKey::LEN {
            return Err(FormatError::Truncated.into());
        }
        Ok(Self { key_record, stored_key_record, nonce, ciphertext, tag: *tag })
    }

    /// The record of the data key.
    pub fn key_record(&self) -> &KeyRecord {
        &self.key_record
    }

    /// The same as it is stored.
    pub fn stored_key_record(&self) -> &'a [u8] {
        self.stored_key_record
    }

    /// Opens it under the wrap key of its tenant and number.
    pub(crate) fn open(&self, key: &LookupWrapKey) -> Result<LookupContents, LookupFault> {
        let mut plaintext = Zeroizing::new(self.ciphertext.to_vec());
        key.decrypt(&self.nonce, Self::VERSION, &mut plaintext, &self.tag).map_err(|_| LookupFault::NotAuthentic)?;
        let (key, known) = plaintext.split_first_chunk().ok_or(LookupFault::NotAuthentic)?;
        let known = KnownLookups::decode(known).map_err(|_| LookupFault::NotAuthentic)?;
        Ok(LookupContents { key: LookupKey::copy_from(key), known })
    }

    /// The bytes to store.
    pub(crate) fn seal(
        stored_key_record: &[u8],
        key: &LookupWrapKey,
        nonce: [u8; NONCE_LEN],
        contents: &LookupContents,
    ) -> Vec<u8> {
        let LookupContents { key: lookup_key, known } = contents;
        let length = 3 + stored_key_record.len() + NONCE_LEN + LookupKey::LEN + known.encoded_len() + TAG_LEN;
        // Encrypted in place: a buffer that grew would leave plaintext behind.
        let mut out = Vec::with_capacity(length);
        out.push(Self::VERSION);
        let length = u16::try_from(stored_key_record.len()).expect("a key record has at most 12 KiB");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(stored_key_record);
        out.extend_from_slice(&nonce);
        let start = out.len();
        // Exposed to be encrypted.
        out.extend_from_slice(lookup_key.expose());
        known.encode(&mut out);
        key.encrypt(&nonce, Self::VERSION, &mut out, start);
        out
    }
}

/// What is wrong with the bytes of a lookup record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupFault {
    /// It is of a version that is reserved for newer releases.
    #[error("its version {0:#04x} is unknown to this release: upgrade tenantseal if a newer one wrote it")]
    UnknownVersion(u8),
    /// It begins as no lookup record of any release does.
    #[error("it is not a lookup record")]
    NotALookupRecord,
    /// The bytes end too early.
    #[error("its bytes end too early")]
    Truncated,
    /// The key record in it is malformed.
    #[error("the key record in it: {0}")]
    KeyRecord(#[source] FormatError),
    /// The data key was made for another encryption context: another tenant's or application's, or without `purpose`.
    #[error("its data key was made for another encryption context (tenant, static pairs or purpose)")]
    ForeignContext,
    /// The key service did not unwrap the data key, or the key record does not match it.
    #[error("its data key does not unwrap, or is not the one that its key record names")]
    DataKey,
    /// The lookup key was not wrapped under this data key for this tenant and number.
    #[error("it was altered, or moved from another tenant or number")]
    NotAuthentic,
}

impl From<FormatError> for LookupFault {
    fn from(_: FormatError) -> Self {
        // The reader of a record knows no other fault.
        Self::Truncated
    }
}

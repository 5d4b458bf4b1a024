//! What the ledger says of a data key that was wrapped anew.

use super::reader::Reader;
use super::{FormatError, KeyRecord, put_lp};
use crate::crypto::DataKeyId;

/// A data key's new key record, and the one that it was made from: `lp(old) ‖ lp(new)`.
///
/// The former record stays, so that a mistake can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewrapEntry {
    pub old: KeyRecord,
    pub new: KeyRecord,
}

impl RewrapEntry {
    /// The entry of a data key in a Region.
    pub fn name(key_id: DataKeyId, region: &str) -> String {
        format!("rewrap#{key_id}#{region}")
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_lp(&mut out, &self.old.encode());
        put_lp(&mut out, &self.new.encode());
        out
    }

    /// Parses an entry whose two records differ in KEK and wrapped key alone.
    ///
    /// # Errors
    ///
    /// The fault of the first part that is malformed; [`FormatError::NotARecord`] when the records are of different data
    /// keys.
    pub fn decode(stored: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader(stored);
        let (old, new) = (reader.lp()?, reader.lp()?);
        reader.finish()?;
        let entry = Self { old: KeyRecord::decode(old)?, new: KeyRecord::decode(new)? };
        if entry.new.is_rewrap_of(&entry.old) { Ok(entry) } else { Err(FormatError::NotARecord) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{EncryptionContext, StaticPairs};
    use crate::crypto::{DataKey, PseudorandomKey, WrappedDataKey};
    use crate::format::KekId;
    use crate::tenant::TenantId;

    fn kek(digit: char) -> KekId {
        let id = "1234abcd-12ab-34cd-56ef-1234567890a".to_owned();
        KekId::parse(&format!("arn:aws:kms:us-east-1:111111111111:key/{id}{digit}")).unwrap()
    }

    fn record(byte: u8) -> KeyRecord {
        let context = EncryptionContext::new(&TenantId::parse("acme").unwrap(), &StaticPairs::default());
        let key = PseudorandomKey::extract(&DataKey::take(vec![byte; 32]).unwrap());
        KeyRecord::new(&key, 1_700_000_000, &context, kek('1'), WrappedDataKey::new(vec![9; 184]).unwrap())
    }

    fn entry() -> RewrapEntry {
        let old = record(7);
        let new = old.rewrapped(kek('2'), WrappedDataKey::new(vec![8; 150]).unwrap());
        RewrapEntry { old, new }
    }

    #[test]
    fn an_entry_comes_back() {
        assert_eq!(RewrapEntry::decode(&entry().encode()), Ok(entry()));
    }

    #[test]
    fn no_prefix_and_no_extension_of_an_entry_is_an_entry() {
        let stored = entry().encode();
        for end in 0..stored.len() {
            assert!(RewrapEntry::decode(&stored[..end]).is_err(), "{end}");
        }
        assert_eq!(RewrapEntry::decode(&[&stored[..], &[0]].concat()), Err(FormatError::Trailing));
    }

    #[test]
    fn two_records_of_different_data_keys_are_no_entry() {
        let other = RewrapEntry { new: record(8), ..entry() };
        assert_eq!(RewrapEntry::decode(&other.encode()), Err(FormatError::NotARecord));
    }
}

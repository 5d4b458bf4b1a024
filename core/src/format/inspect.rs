//! Reads what stored bytes say about themselves, without any key: for tools that inspect items.
//!
//! ```
//! use tenantseal_core::inspect::SealedAttribute;
//! use tenantseal_core::keys::InMemoryKeyService;
//! use tenantseal_core::{TenantId, Vault};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let vault = Vault::builder(InMemoryKeyService::new()).build()?;
//! let invoice = vault.tenant(&TenantId::parse("acme")?).item("invoices", ("number", "2026-17"), None)?;
//! let sealed = invoice.seal("iban", b"DE02").await?;
//!
//! let attribute = SealedAttribute::parse(&sealed)?;
//! let record = attribute.key_record().ok_or("it has no key record of its own")?;
//! assert_eq!(record.context(), [("tenant".to_owned(), "acme".to_owned())]);
//! # Ok(())
//! # }
//! ```
//!
//! **Nothing here is authenticated.** Whoever can write to the table can write all of it. Every answer is bounded by
//! the given bytes, and malformed bytes are a [`FormatError`].

use std::time::{Duration, SystemTime};

use super::context::pairs;
use super::lookup::pairs_digest;
use super::{FormatError, KekId, KeyRecord, LookupRecord, Sealed, StoredKey};
use crate::context::EncryptionContext;
use crate::crypto::{DataKeyId, TAG_LEN, WrappedDataKey};

pub use super::{LookupFault, StoredForm};

/// The attribute that holds the key record under which PutItem sealed the item, or a reference to it.
pub const HEADER: &str = super::HEADER;

/// A key record: from an item's header, from an entry of the key table, or from an attribute that UpdateItem wrote
/// (docs/FORMAT.md, section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKeyRecord {
    record: KeyRecord,
    context: Vec<(String, String)>,
    stored_len: usize,
}

impl StoredKeyRecord {
    /// Reads a key record, such as an entry of the key table. An item's header may be a reference instead: use
    /// [`StoredHeader`].
    ///
    /// # Errors
    ///
    /// [`FormatError`] when the bytes are not exactly one key record.
    pub fn parse(stored: &[u8]) -> Result<Self, FormatError> {
        let record = KeyRecord::decode(stored)?;
        let context = pairs(record.context())?;
        let context = context.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { record, context, stored_len: stored.len() })
    }

    /// The id of the data key.
    pub fn key_id(&self) -> DataKeyId {
        self.record.key_id
    }

    /// When the data key was made, to the second.
    pub fn created(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.record.created.into())
    }

    /// The encryption context, ascending by name.
    pub fn context(&self) -> &[(String, String)] {
        &self.context
    }

    /// The key-encryption key.
    pub fn kek(&self) -> &KekId {
        &self.record.kek
    }

    /// The wrapped data key.
    pub fn wrapped_key(&self) -> &WrappedDataKey {
        &self.record.wrapped
    }

    /// The length of the key record as it is stored.
    pub fn stored_len(&self) -> usize {
        self.stored_len
    }
}

/// The contents of the attribute [`HEADER`] (docs/FORMAT.md, sections 5 and 5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredHeader {
    /// The key record itself.
    Record(StoredKeyRecord),
    /// The id of a data key whose record lies in the key table: the item is *compact*.
    Reference(DataKeyId),
}

impl StoredHeader {
    /// Reads the bytes of the attribute [`HEADER`].
    ///
    /// # Errors
    ///
    /// [`FormatError`] when the bytes are not exactly one key record or one reference.
    pub fn parse(stored: &[u8]) -> Result<Self, FormatError> {
        match StoredKey::from_header(stored)? {
            StoredKey::Record(record) => StoredKeyRecord::parse(record).map(Self::Record),
            StoredKey::Reference(key_id) => Ok(Self::Reference(key_id)),
        }
    }

    /// The id of the data key.
    pub fn key_id(&self) -> DataKeyId {
        match self {
            Self::Record(record) => record.key_id(),
            Self::Reference(key_id) => *key_id,
        }
    }
}

/// The name of the key table's entry that holds the key record of a data key (docs/FORMAT.md, section 13).
pub fn record_entry(key_id: DataKeyId) -> String {
    format!("key#{key_id}")
}

/// A lookup record: what an entry `lookup#…` of the key table holds (docs/FORMAT.md, section 15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLookupRecord {
    key_record: StoredKeyRecord,
    digest: String,
}

impl StoredLookupRecord {
    /// What the names of its entries begin with.
    pub const ENTRIES: &str = "lookup#";

    /// Reads a lookup record.
    ///
    /// # Errors
    ///
    /// [`LookupFault`] when the bytes are not exactly one lookup record whose data key was made for lookup keys.
    pub fn parse(stored: &[u8]) -> Result<Self, LookupFault> {
        let record = LookupRecord::decode(stored)?;
        let key_record = StoredKeyRecord::parse(record.stored_key_record()).map_err(LookupFault::KeyRecord)?;
        let (purpose, others): (Vec<_>, Vec<_>) =
            key_record.context.iter().partition(|(name, _)| name == EncryptionContext::PURPOSE);
        if !matches!(purpose[..], [(_, purpose)] if purpose == EncryptionContext::LOOKUP) {
            return Err(LookupFault::ForeignContext);
        }
        let others: Vec<_> = others.into_iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let digest = pairs_digest(&others);
        Ok(Self { key_record, digest })
    }

    /// The key record of the data key that wraps the lookup key.
    pub fn key_record(&self) -> &StoredKeyRecord {
        &self.key_record
    }

    /// The entry in which a record with this context belongs as lookup key `number`.
    pub fn entry(&self, number: u16) -> String {
        format!("{}{}#{number}", Self::ENTRIES, self.digest)
    }
}

/// A sealed attribute (docs/FORMAT.md, section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAttribute {
    form: u8,
    key_record: Option<StoredKeyRecord>,
    reference: Option<DataKeyId>,
    value_len: usize,
    stored_len: usize,
}

impl SealedAttribute {
    /// Reads the bytes of an attribute. Bytes that were never sealed may happen to parse: only the table's schema can
    /// tell. Of arbitrary binaries of at least 46 bytes, one in 128 does.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when they are not a sealed attribute of a known form.
    pub fn parse(stored: &[u8]) -> Result<Self, FormatError> {
        let sealed = Sealed::parse(stored)?;
        let (key_record, reference) = match sealed.key {
            Some(StoredKey::Record(record)) => (Some(StoredKeyRecord::parse(record)?), None),
            Some(StoredKey::Reference(key_id)) => (None, Some(key_id)),
            None => (None, None),
        };
        let value_len = stored.len() - sealed.start - TAG_LEN;
        Ok(Self { form: sealed.form as u8, key_record, reference, value_len, stored_len: stored.len() })
    }

    /// Whether bytes that do not parse still begin with a key record, as UpdateItem writes it; of arbitrary binaries
    /// fewer than one in 300,000 do. In the other forms only the first byte tells a truncated sealed value from a plain
    /// one.
    pub fn is_damaged(stored: &[u8]) -> bool {
        let [0x12, high, low, 0x01, ..] = stored else { return false };
        let length = u16::from_be_bytes([*high, *low]).into();
        Self::parse(stored).is_err() && KeyRecord::LENGTHS.contains(&length)
    }

    /// The form: `0x11` opens with the item's header, `0x12` carries its own key record, `0x13` refers to one in the
    /// key table.
    pub fn form(&self) -> u8 {
        self.form
    }

    /// The id of the attribute's own data key, when the key record lies in the key table.
    pub fn reference(&self) -> Option<DataKeyId> {
        self.reference
    }

    /// The attribute's own key record; `None` when the key record lies in the item's header or in the key table.
    pub fn key_record(&self) -> Option<&StoredKeyRecord> {
        self.key_record.as_ref()
    }

    /// The length of the encoded value: encryption does not hide it.
    pub fn value_len(&self) -> usize {
        self.value_len
    }

    /// The number of stored bytes beyond the encoded value.
    pub fn overhead(&self) -> usize {
        self.stored_len - self.value_len
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::context::{EncryptionContext, StaticPairs};
    use crate::crypto::{DataKey, PseudorandomKey};
    use crate::format::put_prefix;
    use crate::tenant::TenantId;

    fn record() -> Vec<u8> {
        let pairs = StaticPairs::new([("env", "prod")]).unwrap();
        let context = EncryptionContext::new(&TenantId::parse("acme").unwrap(), &pairs);
        let kek = KekId::parse("arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab").unwrap();
        let key = PseudorandomKey::extract(&DataKey::take(vec![7; 32]).unwrap());
        KeyRecord::new(&key, 1_700_000_000, &context, kek, WrappedDataKey::new(vec![9; 184]).unwrap()).encode()
    }

    #[test]
    fn a_key_record_tells_all_but_the_key() {
        let stored = record();
        let read = StoredKeyRecord::parse(&stored).unwrap();
        let context: Vec<_> = read.context().iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(context, [("env", "prod"), ("tenant", "acme")]);
        assert_eq!(read.created(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        assert_eq!(read.kek().key_id(), "1234abcd-12ab-34cd-56ef-1234567890ab");
        assert_eq!((read.wrapped_key().as_bytes().len(), read.stored_len()), (184, stored.len()));
    }

    #[test]
    fn a_header_is_a_key_record_or_refers_to_one() {
        let record = record();
        let read = StoredHeader::parse(&record).unwrap();
        assert_eq!(read, StoredHeader::Record(StoredKeyRecord::parse(&record).unwrap()));
        let compact = StoredHeader::parse(&[&[2][..], &[0xab; 16]].concat()).unwrap();
        assert_eq!(compact, StoredHeader::Reference(DataKeyId([0xab; 16])));
        assert_eq!(record_entry(compact.key_id()), format!("key#{}", "ab".repeat(16)));
        assert_eq!(StoredHeader::parse(&[2; 16]), Err(FormatError::Truncated));
        assert_eq!(StoredHeader::parse(&[2; 18]), Err(FormatError::Trailing));
    }

    #[test]
    fn an_attribute_of_any_form_tells_its_sizes() {
        let record = record();
        let key_id = DataKeyId([3; DataKeyId::LEN]);
        for (form, own, overhead) in [
            (0x11, None, 29),
            (0x12, Some(StoredKey::Record(&record[..])), 31 + record.len()),
            (0x13, Some(StoredKey::Reference(key_id)), 45),
        ] {
            let mut stored = Vec::new();
            put_prefix(own, &[1; 12], &mut stored);
            stored.extend_from_slice(&[2; 5 + TAG_LEN]);
            let read = SealedAttribute::parse(&stored).unwrap();
            assert_eq!((read.form(), read.value_len(), read.overhead()), (form, 5, overhead));
            assert_eq!(read.key_record().is_some(), form == 0x12);
            assert_eq!(read.reference(), (form == 0x13).then_some(key_id));
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_an_error_or_within_their_bounds(
            mut stored in proptest::collection::vec(any::<u8>(), 0..400),
            form in 0x10_u8..0x14,
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            if let Some(first) = stored.first_mut() {
                *first = form;
            }
            if let Ok(read) = SealedAttribute::parse(&stored) {
                prop_assert_eq!(read.value_len() + read.overhead(), stored.len());
            }
            let mut forged = record();
            let at = at.index(forged.len());
            forged[at] = byte;
            if let Ok(read) = StoredKeyRecord::parse(&forged) {
                prop_assert_eq!(read.stored_len(), forged.len());
            }
        }
    }
}

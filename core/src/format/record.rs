//! The key record: it names the data key that sealed an item, and has what is needed to unwrap it.

use std::fmt;

use super::context::{encode_context, take_context, value_of};
use super::fault::RESERVED_VERSIONS;
use super::reader::Reader;
use super::{FormatError, KekId};
use crate::context::{EncryptionContext, Period};
use crate::crypto::{Check, DataKeyId, PseudorandomKey, WrappedDataKey};

/// A key record as it was read: **not authenticated**. Trust nothing in it before `matches_key` returns true.
///
/// `0x01 ‖ kid (16) ‖ created u32be ‖ context ‖ check (16) ‖ KEK ‖ u16be len ‖ wrapped key`
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRecord {
    pub key_id: DataKeyId,
    /// Seconds since 1970.
    pub(crate) created: u32,
    /// As stored: a context has one encoding, so equal bytes are equal contexts.
    context: Box<[u8]>,
    check: Check,
    pub kek: KekId,
    pub(crate) wrapped: WrappedDataKey,
}

impl KeyRecord {
    const VERSION: u8 = 0x01;

    /// From the shortest to the longest key record that the lengths of its parts allow.
    pub(crate) const LENGTHS: std::ops::RangeInclusive<usize> = {
        let fixed = 1 + DataKeyId::LEN + 4 + Check::LEN;
        let (least_context, least_kek) = (1 + (1 + 1 + 2 + 1), 1 + 1 + 1 + 5 + 16);
        let (most_context, most_kek) = (1 + EncryptionContext::MAX_PAIRS * (1 + 255 + 2 + 1024), 1 + 2 + 512);
        fixed + least_context + least_kek + 2 + 1..=fixed + most_context + most_kek + 2 + WrappedDataKey::MAX_LEN
    };

    /// The key record of a new data key.
    pub(crate) fn new(
        key: &PseudorandomKey,
        created: u32,
        context: &EncryptionContext,
        kek: KekId,
        wrapped: WrappedDataKey,
    ) -> Self {
        let context = Self::context_bytes(context);
        let check = key.check(Self::VERSION, created, &context);
        Self { key_id: key.key_id(), created, context, check, kek, wrapped }
    }

    /// A context as key records store it.
    /// The same data key under another KEK: no more than KEK and wrapped key changes.
    pub(crate) fn rewrapped(&self, kek: KekId, wrapped: WrappedDataKey) -> Self {
        Self { kek, wrapped, ..self.clone() }
    }

    /// Whether it differs from `other` in KEK and wrapped key at most.
    pub(crate) fn is_rewrap_of(&self, other: &Self) -> bool {
        let Self { key_id, created, context, check, kek: _, wrapped: _ } = self;
        (key_id, created, context, check) == (&other.key_id, &other.created, &other.context, &other.check)
    }

    pub(crate) fn context_bytes(context: &EncryptionContext) -> Box<[u8]> {
        let mut bytes = Vec::new();
        encode_context(context, &mut bytes);
        bytes.into()
    }

    /// The context as stored, to compare with [`Self::context_bytes`] of a configured one.
    pub(crate) fn context(&self) -> &[u8] {
        &self.context
    }

    /// Whether it was made for exactly this context.
    pub(crate) fn is_for(&self, context: &EncryptionContext) -> bool {
        *self.context == *Self::context_bytes(context)
    }

    /// The period in the context, if there is one in the format of periods.
    pub(crate) fn period(&self) -> Option<Period> {
        Period::parse(value_of(&self.context, Period::NAME)?)
    }

    /// Whether this key record names `key` and was made with it: compares key id and check, each in constant time.
    pub(crate) fn matches_key(&self, key: &PseudorandomKey) -> bool {
        let named = self.key_id.matches(&key.key_id());
        let checked = self.check.matches(&key.check(Self::VERSION, self.created, &self.context));
        named & checked
    }

    /// The bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        let Self { key_id, created, context, check, kek, wrapped } = self;
        let wrapped = wrapped.as_bytes();
        let mut out = Vec::with_capacity(128 + context.len() + wrapped.len());
        out.push(Self::VERSION);
        out.extend_from_slice(key_id.as_bytes());
        out.extend_from_slice(&created.to_be_bytes());
        out.extend_from_slice(context);
        out.extend_from_slice(&check.0);
        kek.encode(&mut out);
        out.extend_from_slice(&u16::try_from(wrapped.len()).expect("at most 1,024").to_be_bytes());
        out.extend_from_slice(wrapped);
        out
    }

    /// The data key id at the place where a key record has it, for lookups. The bytes are not checked.
    pub fn claimed_key_id(stored: &[u8]) -> Option<DataKeyId> {
        stored.get(1..)?.first_chunk().copied().map(DataKeyId)
    }

    /// Reads exactly one key record.
    pub fn decode(stored: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader(stored);
        match reader.u8()? {
            Self::VERSION => {}
            version if RESERVED_VERSIONS.contains(&version) => return Err(FormatError::UnknownVersion(version)),
            _ => return Err(FormatError::NotARecord),
        }
        let key_id = DataKeyId(reader.array()?);
        let created = reader.u32()?;
        let context = take_context(&mut reader)?.into();
        let check = Check(reader.array()?);
        let kek = KekId::decode(&mut reader)?;
        let length = usize::from(reader.u16()?);
        if !(1..=WrappedDataKey::MAX_LEN).contains(&length) {
            return Err(FormatError::WrappedDataKey(length));
        }
        let wrapped = WrappedDataKey::new(reader.take(length)?).map_err(|_| FormatError::WrappedDataKey(length))?;
        reader.finish()?;
        Ok(Self { key_id, created, context, check, kek, wrapped })
    }
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, created, kek, .. } = self;
        f.debug_struct("KeyRecord")
            .field("key_id", key_id)
            .field("created", created)
            .field("kek", kek)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::StaticPairs;
    use crate::crypto::DataKey;
    use crate::tenant::TenantId;

    fn key(byte: u8) -> PseudorandomKey {
        PseudorandomKey::extract(&DataKey::take(vec![byte; 32]).unwrap())
    }

    fn record() -> KeyRecord {
        let context = EncryptionContext::new(&TenantId::parse("acme").unwrap(), &StaticPairs::default());
        let kek = KekId::parse("arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab").unwrap();
        KeyRecord::new(&key(7), 1_700_000_000, &context, kek, WrappedDataKey::new(vec![9; 184]).unwrap())
    }

    #[test]
    fn a_record_comes_back_and_knows_its_key() {
        let record = record();
        assert_eq!(KeyRecord::decode(&record.encode()), Ok(record.clone()));
        assert!(record.matches_key(&key(7)));
        assert!(!record.matches_key(&key(8)));
    }

    #[test]
    fn no_prefix_and_no_extension_of_a_record_is_a_record() {
        let stored = record().encode();
        for end in 0..stored.len() {
            assert_eq!(KeyRecord::decode(&stored[..end]), Err(FormatError::Truncated), "{end}");
        }
        assert_eq!(KeyRecord::decode(&[&stored[..], &[0]].concat()), Err(FormatError::Trailing));
    }

    #[test]
    fn what_a_record_says_of_itself_is_authenticated() {
        let stored = record().encode();
        let kek_starts = 1 + 16 + 4 + record().context.len() + 16;
        for at in 0..kek_starts {
            for bit in 0..8 {
                let mut forged = stored.clone();
                forged[at] ^= 1 << bit;
                assert!(
                    !KeyRecord::decode(&forged).is_ok_and(|forged| forged.matches_key(&key(7))),
                    "byte {at}, bit {bit}"
                );
            }
        }
    }

    #[test]
    fn unknown_versions_and_oversized_parts_are_named() {
        let stored = record().encode();
        let with = |at: usize, byte: u8| {
            let mut forged = stored.clone();
            forged[at] = byte;
            KeyRecord::decode(&forged)
        };
        assert_eq!(with(0, 4), Err(FormatError::UnknownVersion(4)));
        assert_eq!(with(0, 3), Err(FormatError::NotARecord), "a lookup record is not a key record");
        assert_eq!(with(0, 2), Err(FormatError::NotARecord), "a reference is not a record");
        assert_eq!(with(0, 0x10), Err(FormatError::NotARecord));
        assert_eq!(with(21, 0), Err(FormatError::Context));
        assert_eq!(with(21, 9), Err(FormatError::Context));
        let length_at = stored.len() - 186;
        assert_eq!(with(length_at, 0xff), Err(FormatError::WrappedDataKey(0xffb8)));
    }
}

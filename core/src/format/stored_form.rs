//! What a stored attribute is, by its bytes alone: for tables that hold plaintext and sealed values side by side.

use super::{KeyRecord, Sealed, StoredKey};

/// What a stored attribute is, by its bytes alone (docs/FORMAT.md, section 16.1). **Nothing is authenticated.**
///
/// What was sealed is never taken for plaintext. Of random binary values of at least 30 bytes, 1 in 256 is taken for
/// sealed, and 3 in 256 in items with a header; they then do not open.
///
/// ```
/// use tenantseal_core::inspect::StoredForm;
///
/// assert_eq!(StoredForm::of(None, false), StoredForm::Plain);
/// assert_eq!(StoredForm::of(Some(b"just bytes"), true), StoredForm::Plain);
/// assert_eq!(StoredForm::of(Some(&[0x11; 30]), true), StoredForm::HeaderKey);
/// assert_eq!(StoredForm::of(Some(&[0x11; 30]), false), StoredForm::Plain);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StoredForm {
    /// Another type than B, or bytes that no sealed value has.
    Plain,
    /// Form `0x11`: the item's header names its data key.
    HeaderKey,
    /// Form `0x12`: with a key record of its own.
    OwnRecord,
    /// Form `0x13`: with the id of a data key.
    Reference,
    /// Form `0x21`, which is reserved: this release does not open it.
    Member,
}

impl StoredForm {
    /// `stored` has the bytes of an attribute of type B, and is `None` for one of another type. `has_header` says
    /// whether the item has a [header](super::HEADER) of type B.
    pub fn of(stored: Option<&[u8]>, has_header: bool) -> Self {
        let Some(stored) = stored else { return Self::Plain };
        match Sealed::parse(stored) {
            Ok(Sealed { key: None, .. }) if has_header => Self::HeaderKey,
            Ok(Sealed { key: Some(StoredKey::Record(record)), .. }) if KeyRecord::decode(record).is_ok() => {
                Self::OwnRecord
            }
            Ok(Sealed { key: Some(StoredKey::Reference(_)), .. }) => Self::Reference,
            Err(_) if has_header && stored.len() >= MEMBER_LEN && stored[0] == MEMBER => Self::Member,
            _ => Self::Plain,
        }
    }

    /// Whether it is not plaintext.
    pub fn is_sealed(self) -> bool {
        self != Self::Plain
    }
}

/// The first byte of the form that is reserved for members of whole items, and the least that it has: nonce, tag and the
/// type of a value.
const MEMBER: u8 = 0x21;
const MEMBER_LEN: usize = 1 + 12 + 1 + 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::DataKeyId;
    use crate::format::put_prefix;

    /// The shortest value of a form.
    fn stored(first: u8, key: Option<StoredKey<&[u8]>>) -> Vec<u8> {
        let mut stored = Vec::new();
        put_prefix(key, &[7; 12], &mut stored);
        stored[0] = first;
        stored.extend([9; 17]);
        stored
    }

    fn record() -> Vec<u8> {
        let hex = "01a34f390b33903c1ec7bb93470438395a6553f100010674656e616e74000461636d65748809a3bed2a85651d44c9275d6ce80\
                   010975732d656173742d3119df6690e51234abcd12ab34cd56ef1234567890ab0004aabbccdd";
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn each_form_is_told_by_its_bytes_and_the_header() {
        let record = record();
        let reference = StoredKey::Reference(DataKeyId([3; 16]));
        let own = StoredKey::Record(&record[..]);
        for (first, key, without, with) in [
            (0x11, None, StoredForm::Plain, StoredForm::HeaderKey),
            (0x12, Some(own), StoredForm::OwnRecord, StoredForm::OwnRecord),
            (0x12, Some(StoredKey::Record(&b"no record"[..])), StoredForm::Plain, StoredForm::Plain),
            (0x13, Some(reference), StoredForm::Reference, StoredForm::Reference),
            (0x21, None, StoredForm::Plain, StoredForm::Member),
            (0x20, None, StoredForm::Plain, StoredForm::Plain),
            (0x22, None, StoredForm::Plain, StoredForm::Plain),
        ] {
            let stored = stored(first, key);
            assert_eq!(StoredForm::of(Some(&stored), false), without, "{first:#x}");
            assert_eq!(StoredForm::of(Some(&stored), true), with, "{first:#x}");
            let short = &stored[..stored.len() - 1];
            assert_eq!(StoredForm::of(Some(short), true), StoredForm::Plain, "{first:#x}, one byte short");
        }
        assert_eq!(StoredForm::of(None, true), StoredForm::Plain);
        assert_eq!(StoredForm::of(Some(b""), true), StoredForm::Plain);
    }

    #[test]
    fn few_random_values_are_taken_for_sealed_and_by_their_first_byte_alone() {
        // All first bytes, with an arbitrary rest that is long enough: what is taken for sealed is a share of 256.
        let taken = |has_header| {
            let stored = |first| [&[first][..], &[0x5a; 63]].concat();
            (0..=u8::MAX).filter(|first| StoredForm::of(Some(&stored(*first)), has_header).is_sealed()).count()
        };
        assert_eq!((taken(false), taken(true)), (1, 3));
    }
}

//! Sealed attributes as they are stored.

use super::fault::FORMS;
use super::reader::{Reader, put_lp};
use super::{FormatError, KeyRecord, StoredKey};
use crate::crypto::{DataKeyId, NONCE_LEN, TAG_LEN, label};

/// How a sealed attribute names the data key that opens it: its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The key of the item's header: `0x11 ‖ nonce ‖ ciphertext ‖ tag`. Written by PutItem.
    HeaderKey = 0x11,
    /// Its own key record: `0x12 ‖ u16be len ‖ key record ‖ nonce ‖ ciphertext ‖ tag`. Written by UpdateItem.
    OwnRecord = 0x12,
    /// The id of a key whose record lies in the key table: `0x13 ‖ kid ‖ nonce ‖ ciphertext ‖ tag`. Written by
    /// UpdateItem in compact tables.
    Reference = 0x13,
}

/// The parts of a sealed attribute, found but **not authenticated**.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    pub form: Form,
    /// The data key that the attribute names itself; `None` when the header names it.
    pub key: Option<StoredKey<&'a [u8]>>,
    pub nonce: [u8; NONCE_LEN],
    /// Where the ciphertext begins in the stored bytes; it ends before the tag.
    pub start: usize,
    pub tag: [u8; TAG_LEN],
}

impl<'a> Sealed<'a> {
    /// Finds the parts.
    pub fn parse(stored: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader(stored);
        let key = match reader.u8()? {
            0x11 => None,
            0x12 => {
                let length = reader.u16()?;
                Some(StoredKey::Record(reader.take(length.into())?))
            }
            0x13 => Some(StoredKey::Reference(DataKeyId(reader.array()?))),
            unknown if FORMS.contains(&unknown) => return Err(FormatError::UnknownForm(unknown)),
            _ => return Err(FormatError::NotSealed),
        };
        let nonce = reader.array()?;
        let start = stored.len() - reader.0.len();
        let (ciphertext, tag) = reader.0.split_last_chunk().ok_or(FormatError::Truncated)?;
        // An encoded value has at least its type.
        if ciphertext.is_empty() {
            return Err(FormatError::Truncated);
        }
        Ok(Self { form: Form::with(key), key, nonce, start, tag: *tag })
    }

    /// Whether bytes are a sealed attribute, as far as their form tells. A form with a key record is unmistakable. Of
    /// the two other forms, one random value in 128 has the first byte. With `any` these do not count.
    pub fn is_likely(bytes: &'a [u8], any: bool) -> bool {
        match Self::parse(bytes) {
            Ok(Self { key: Some(StoredKey::Record(record)), .. }) => KeyRecord::decode(record).is_ok(),
            Ok(_) => !any,
            Err(_) => false,
        }
    }
}

impl Form {
    /// The form of an attribute that names this data key itself.
    pub fn with(key: Option<StoredKey<&[u8]>>) -> Self {
        match key {
            None => Self::HeaderKey,
            Some(StoredKey::Record(_)) => Self::OwnRecord,
            Some(StoredKey::Reference(_)) => Self::Reference,
        }
    }
}

/// How many bytes [`put_prefix`] writes.
pub fn prefix_len(key: Option<StoredKey<&[u8]>>) -> usize {
    let key = match key {
        None => 0,
        Some(StoredKey::Record(record)) => 2 + record.len(),
        Some(StoredKey::Reference(_)) => DataKeyId::LEN,
    };
    1 + key + NONCE_LEN
}

/// Appends everything before the ciphertext of an attribute that names this data key itself.
pub fn put_prefix(key: Option<StoredKey<&[u8]>>, nonce: &[u8; NONCE_LEN], out: &mut Vec<u8>) {
    out.push(Form::with(key) as u8);
    match key {
        None => {}
        Some(StoredKey::Record(record)) => {
            let length = u16::try_from(record.len()).expect("a key record is far shorter than 64 KiB");
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(record);
        }
        Some(StoredKey::Reference(key_id)) => out.extend_from_slice(key_id.as_bytes()),
    }
    out.extend_from_slice(nonce);
}

/// `label("attribute") ‖ first byte ‖ path`, with the path `0x00 ‖ lp(name)` of a top-level attribute; replaces the
/// contents of `out`.
pub fn attribute_aad(form: Form, name: &str, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(label!("attribute"));
    out.push(form as u8);
    out.push(0x00);
    put_lp(out, name.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [Option<StoredKey<&[u8]>>; 3] =
        [None, Some(StoredKey::Record(b"record")), Some(StoredKey::Reference(DataKeyId([3; DataKeyId::LEN])))];

    #[test]
    fn the_parts_are_found_where_the_specification_puts_them() {
        for (key, form) in KEYS.into_iter().zip([0x11, 0x12, 0x13]) {
            let mut stored = Vec::new();
            put_prefix(key, &[1; 12], &mut stored);
            assert_eq!((stored[0], stored.len()), (form, prefix_len(key)));
            stored.extend_from_slice(b"ciphertext");
            stored.extend_from_slice(&[2; 16]);
            let sealed = Sealed::parse(&stored).unwrap();
            assert_eq!((sealed.form as u8, sealed.key), (form, key));
            assert_eq!((sealed.nonce, sealed.tag), ([1; 12], [2; 16]));
            assert_eq!(&stored[sealed.start..stored.len() - TAG_LEN], b"ciphertext");
        }
    }

    #[test]
    fn nothing_too_short_is_parsed() {
        for key in KEYS {
            let mut stored = Vec::new();
            put_prefix(key, &[1; 12], &mut stored);
            stored.extend_from_slice(&[2; 17]);
            assert!(Sealed::parse(&stored).is_ok());
            for end in 0..stored.len() {
                assert_eq!(Sealed::parse(&stored[..end]), Err(FormatError::Truncated), "{end}");
            }
        }
    }

    #[test]
    fn reserved_forms_are_named_and_what_begins_as_no_form_is_not_sealed() {
        for form in (0..=u8::MAX).filter(|form| ![0x11, 0x12, 0x13].contains(form)) {
            let reserved = (0x10..=0x2f).contains(&form);
            let fault = if reserved { FormatError::UnknownForm(form) } else { FormatError::NotSealed };
            assert_eq!(Sealed::parse(&[form; 64]), Err(fault));
        }
    }
}

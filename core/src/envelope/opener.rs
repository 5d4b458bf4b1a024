//! Opens hostile stored bytes: returns authenticated plaintext or a named fault.

use crate::crypto::{ItemKey, TAG_LEN};
use crate::format::{Identity, Sealed, StoredKey, attribute_aad};

use super::{KeyRing, OpenFault, VerifiedDataKey};

/// Opens the attributes of one item.
#[derive(Debug)]
pub struct Opener<'a> {
    identity: &'a Identity,
    header: Option<&'a [u8]>,
    /// The index in `item_keys` of the header's key, once it was needed.
    header_key: Option<usize>,
    keys: &'a KeyRing,
    /// The item's key under each data key: usually one, a few after updates.
    item_keys: Vec<(&'a VerifiedDataKey, ItemKey)>,
    /// A buffer that is reused.
    aad: Vec<u8>,
}

impl<'a> Opener<'a> {
    /// An opener for the item with this identity and header, with the data keys that it needs.
    pub fn new(identity: &'a Identity, header: Option<&'a [u8]>, keys: &'a KeyRing) -> Self {
        let (item_keys, aad) = (Vec::with_capacity(1), Vec::with_capacity(64));
        Self { identity, header, header_key: None, keys, item_keys, aad }
    }

    /// Opens the attribute `name`. Returns the buffer in which it was stored, and where in it the plaintext begins.
    pub fn open(&mut self, name: &str, mut stored: Vec<u8>) -> Result<(Vec<u8>, usize), OpenFault> {
        let Sealed { form, key, nonce, start, tag } = Sealed::parse(&stored)?;
        let at = match (key, self.header_key) {
            (Some(own), _) => self.item_key(own)?,
            (None, Some(at)) => at,
            (None, None) => {
                let at = self.item_key(StoredKey::from_header(self.header.ok_or(OpenFault::NoHeader)?)?)?;
                *self.header_key.insert(at)
            }
        };
        attribute_aad(form, name, &mut self.aad);
        stored.truncate(stored.len() - TAG_LEN);
        let Self { item_keys, aad, .. } = self;
        item_keys[at].1.decrypt(&nonce, aad, &mut stored[start..], &tag).map_err(|_| OpenFault::NotAuthentic)?;
        Ok((stored, start))
    }

    /// The index in `item_keys` of the item's key under the `named` data key.
    fn item_key(&mut self, named: StoredKey<&[u8]>) -> Result<usize, OpenFault> {
        let key = self.keys.get(named).ok_or(OpenFault::ForgedRecord)?;
        let made = self.item_keys.iter().position(|(made, _)| std::ptr::eq(*made, key));
        Ok(made.unwrap_or_else(|| {
            self.item_keys.push((key, key.item_key(self.identity)));
            self.item_keys.len() - 1
        }))
    }
}

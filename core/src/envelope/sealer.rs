//! Seals bytes.

use crate::crypto::{ItemKey, NONCE_LEN, NonceKey, RandomError, RandomSource, TAG_LEN};
use crate::format::{Form, Identity, StoredKey, attribute_aad, prefix_len, put_prefix};

use super::VerifiedDataKey;

/// Where the nonces of one request come from.
#[derive(Debug, Clone, Copy)]
pub enum Nonces<'a> {
    /// Random, for every attribute and every write.
    Random(&'a dyn RandomSource),
    /// From the caller's ClientRequestToken: the same request is sealed to the same bytes again (docs/FORMAT.md,
    /// section 10).
    FromToken(&'a str),
}

/// Seals the attributes of one item.
#[derive(Debug)]
pub struct Sealer<'a> {
    /// The data key that each attribute names itself; `None` when the header names it.
    own: Option<StoredKey<&'a [u8]>>,
    item_key: ItemKey,
    synthetic: Option<(NonceKey, &'a str)>,
    /// Drawn with one system call for all attributes; unused when nonces are synthetic.
    random: std::vec::IntoIter<[u8; NONCE_LEN]>,
    /// A buffer that is reused.
    aad: Vec<u8>,
}

impl<'a> Sealer<'a> {
    /// A sealer for at most `count` attributes, which are counted as sealed.
    pub fn new(
        own: Option<StoredKey<&'a [u8]>>,
        key: &VerifiedDataKey,
        identity: &Identity,
        nonces: Nonces<'a>,
        count: usize,
    ) -> Result<Self, RandomError> {
        let mut random = vec![[0; NONCE_LEN]; count];
        let synthetic = match nonces {
            Nonces::Random(source) => {
                source.fill(random.as_flattened_mut())?;
                None
            }
            Nonces::FromToken(token) => Some((key.nonce_key(identity), token)),
        };
        key.count_seals(count);
        let item_key = key.item_key(identity);
        Ok(Self { own, item_key, synthetic, random: random.into_iter(), aad: Vec::with_capacity(64) })
    }

    /// Seals the attribute `name` and returns its stored bytes. `encode` appends the plaintext, of `length` bytes, to
    /// the buffer in which it is encrypted.
    pub fn seal<F: From<RandomError>>(
        &mut self,
        name: &str,
        length: usize,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), F>,
    ) -> Result<Vec<u8>, F> {
        let Self { own, item_key, synthetic, random, aad } = self;
        let mut nonce = random.next().ok_or(RandomError)?;
        // Prefix, ciphertext and tag in one allocation.
        let mut sealed = Vec::with_capacity(prefix_len(*own) + length + TAG_LEN);
        put_prefix(*own, &nonce, &mut sealed);
        let start = sealed.len();
        encode(&mut sealed)?;
        attribute_aad(Form::with(*own), name, aad);
        if let Some((key, token)) = synthetic {
            nonce = key.nonce(token, aad, &sealed[start..]);
            sealed[start - NONCE_LEN..start].copy_from_slice(&nonce);
        }
        item_key.encrypt(&nonce, aad, &mut sealed, start);
        Ok(sealed)
    }
}

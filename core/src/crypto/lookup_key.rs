//! Lookup keys, and the keys of tokens that are derived from them (docs/FORMAT.md, section 15).

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::backend::{Aes256Gcm, HkdfSha256, HmacSha256};
use super::{Identity, NONCE_LEN, NotAuthentic, RandomError, RandomSource, TAG_LEN, label};
use crate::six;

/// The salt of the one Extract per lookup key.
const SALT: &[u8] = b"tenantseal v1 lookup";

/// A tenant's lookup key: 32 random bytes, from which the keys of its tokens are derived.
///
/// Unlike a data key it is not rotated: a token has to stay what it was.
pub struct LookupKey(Box<[u8; Self::LEN]>);

impl LookupKey {
    /// Length of a lookup key in bytes.
    pub const LEN: usize = 32;

    /// Draws a lookup key.
    ///
    /// # Errors
    ///
    /// [`RandomError`] when there is no randomness.
    pub fn generate(random: &dyn RandomSource) -> Result<Self, RandomError> {
        let mut key = Self(Box::new([0; Self::LEN]));
        random.fill(&mut *key.0)?;
        Ok(key)
    }

    /// Copies a lookup key out of bytes that the caller wipes.
    pub(crate) fn copy_from(bytes: &[u8; Self::LEN]) -> Self {
        let mut key = Self(Box::new([0; Self::LEN]));
        key.0.copy_from_slice(bytes);
        key
    }

    /// The key bytes. Each call site says what it does with them.
    pub(crate) fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// `PRKL = HKDF-Extract("tenantseal v1 lookup", lookup key)`.
    pub fn extract(&self) -> LookupPrk {
        // Exposed to derive from it.
        LookupPrk(HkdfSha256::extract(SALT, self.expose()))
    }
}

impl Drop for LookupKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for LookupKey {}

impl fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookupKey(..)")
    }
}

/// The pseudorandom key of a lookup key: the keys of tokens are expanded from it. The backend zeroizes what it keeps.
pub struct LookupPrk(HkdfSha256);

impl LookupPrk {
    /// `Expand(PRKL, label("lookup id"), 16)`: says whether two lookup keys are one.
    pub fn id(&self) -> LookupKeyId {
        let mut id = [0; LookupKeyId::LEN];
        self.0.expand(&[label!("lookup id")], &mut id);
        LookupKeyId(id)
    }

    /// The MAC key and the mark of one lookup: `Expand(PRKL, label("lookup") ‖ scope, 32)` and the first 12 bits of
    /// `Expand(PRKL, label("lookup mark") ‖ scope, 2)`. Its tokens keep `bits` bits.
    pub(crate) fn mac_key(&self, scope: &[u8], bits: u8) -> MacKey {
        let mut key = Zeroizing::new([0; MacKey::LEN]);
        self.0.expand(&[label!("lookup"), scope], key.as_mut());
        let (mut marking, mut mark) = ([0; 2], String::with_capacity(six::len(MacKey::MARK_BITS)));
        self.0.expand(&[label!("lookup mark"), scope], &mut marking);
        six::push(&mut mark, &marking, MacKey::MARK_BITS);
        MacKey { key: HmacSha256::new(&key), mark, bits }
    }
}

impl fmt::Debug for LookupPrk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookupPrk(..)")
    }
}

/// The id of a lookup key: 16 bytes derived from it. Not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupKeyId(pub [u8; Self::LEN]);

impl LookupKeyId {
    /// Length of the id in bytes.
    pub const LEN: usize = 16;

    /// Compares in constant time.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Makes the tokens of one tenant and lookup. It keeps HMAC's key schedule, so a token of a short value costs 2
/// compressions.
pub struct MacKey {
    key: HmacSha256,
    mark: String,
    bits: u8,
}

impl MacKey {
    const LEN: usize = 32;
    const MARK_BITS: u8 = 12;

    /// The token of these parts, as it is stored and asked for. A part is a value in its form, cut to the prefix, and
    /// encoded (docs/FORMAT.md, section 4.1). The rendered tenant may be given in pieces.
    pub fn token(&self, rendered_tenant: &[&str], parts: &[&[u8]]) -> String {
        let tag = self.key.mac(|feed| {
            // The second byte is the partition; others are reserved.
            feed(&[0, 0]);
            for part in parts {
                let length = u32::try_from(part.len()).expect("DynamoDB's values are far below 4 GiB");
                feed(&length.to_be_bytes());
                feed(part);
            }
        });
        self.stored(rendered_tenant, &tag)
    }

    /// What is stored where all parts are there, and there is nothing to look up in one of them. Nobody asks for it.
    pub fn filler(&self, rendered_tenant: &[&str], identity: &Identity) -> String {
        let tag = self.key.mac(|feed| {
            feed(&[2]);
            feed(identity.as_bytes());
        });
        self.stored(rendered_tenant, &tag)
    }

    /// Says under which lookup key and definition a token was made: 2 letters, the same in all of a tenant's tokens of
    /// this lookup.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Whether a stored text has the shape and the mark of this lookup's tokens.
    pub fn has_mark(&self, rendered_tenant: &str, stored: &str) -> bool {
        let marked = stored.strip_prefix(rendered_tenant).and_then(|rest| rest.strip_prefix('.'));
        let tag = marked.and_then(|rest| rest.strip_prefix(&*self.mark));
        tag.is_some_and(|tag| tag.len() == six::len(self.bits))
    }

    /// `rendered tenant ‖ "." ‖ six(mark, 12) ‖ six(tag, bits)`, in one allocation.
    fn stored(&self, rendered_tenant: &[&str], tag: &[u8; 32]) -> String {
        let length = rendered_tenant.iter().map(|piece| piece.len()).sum::<usize>();
        let mut stored = String::with_capacity(length + 1 + self.mark.len() + six::len(self.bits));
        stored.extend(rendered_tenant.iter().copied());
        stored.push('.');
        stored.push_str(&self.mark);
        six::push(&mut stored, tag, self.bits);
        stored
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

/// Wraps a lookup key: AES-256-GCM under a key of a data key, for one tenant and number.
///
/// It keeps the key alone and expands it for each use: it is used once, and the expanded key moves while it is made.
pub(crate) struct LookupWrapKey(Box<[u8; Self::LEN]>);

impl LookupWrapKey {
    /// Length of a wrap key in bytes.
    pub(crate) const LEN: usize = 32;

    pub(crate) fn new(key: &[u8; Self::LEN]) -> Self {
        let mut kept = Self(Box::new([0; Self::LEN]));
        kept.0.copy_from_slice(key);
        kept
    }

    /// Encrypts `buffer` from `start` on, in place, and appends the tag. `version` is the lookup record's first byte.
    pub(crate) fn encrypt(&self, nonce: &[u8; NONCE_LEN], version: u8, buffer: &mut Vec<u8>, start: usize) {
        let tag = encrypt(&self.0, nonce, &aad(version), &mut buffer[start..]);
        overwrite_stack();
        buffer.extend_from_slice(&tag);
    }

    /// Decrypts `buffer` in place. On failure it holds no plaintext.
    pub(crate) fn decrypt(
        &self,
        nonce: &[u8; NONCE_LEN],
        version: u8,
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), NotAuthentic> {
        let decrypted = decrypt(&self.0, nonce, &aad(version), buffer, tag);
        overwrite_stack();
        decrypted
    }
}

#[inline(never)]
fn encrypt(key: &[u8; 32], nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut [u8]) -> [u8; TAG_LEN] {
    Aes256Gcm::new(key).encrypt(nonce, aad, buffer)
}

#[inline(never)]
fn decrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    buffer: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), NotAuthentic> {
    Aes256Gcm::new(key).decrypt(nonce, aad, buffer, tag)
}

/// `label("lookup key") ‖ version`.
fn aad(version: u8) -> Vec<u8> {
    [label!("lookup key"), &[version]].concat()
}

/// Overwrites what the previous call left on the stack: the expanded key moves by value, and only its last place is
/// wiped.
#[inline(never)]
fn overwrite_stack() {
    std::hint::black_box([0_u8; 8_192]);
}

impl Drop for LookupWrapKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for LookupWrapKey {}

impl fmt::Debug for LookupWrapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookupWrapKey(..)")
    }
}

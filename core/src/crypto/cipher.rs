//! AES-256-GCM with the key of one item.

use std::fmt;

use super::backend::Aes256Gcm;

/// Length of a nonce in bytes (NIST SP 800-38D, the 96-bit case).
pub const NONCE_LEN: usize = 12;
/// Length of an authentication tag in bytes.
pub const TAG_LEN: usize = 16;

/// The key that encrypts the attributes of one item, with its expanded key schedule.
///
/// It encrypts one item's attributes as long as its data key is used, and the seals of a data key are counted. So it
/// stays below the 2^32 messages that random 96-bit nonces allow (NIST SP 800-38D, section 8.3).
pub struct ItemKey(Aes256Gcm);

impl ItemKey {
    /// Length of an item key in bytes.
    pub(crate) const LEN: usize = 32;

    pub(crate) fn new(key: &[u8; Self::LEN]) -> Self {
        Self(Aes256Gcm::new(key))
    }

    /// Encrypts `buffer` from `start` on, in place, and appends the tag.
    pub fn encrypt(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>, start: usize) {
        let tag = self.0.encrypt(nonce, aad, &mut buffer[start..]);
        buffer.extend_from_slice(&tag);
    }

    /// Decrypts `buffer` in place. On failure `buffer` holds no plaintext.
    pub(crate) fn decrypt(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), NotAuthentic> {
        self.0.decrypt(nonce, aad, buffer, tag)
    }
}

impl fmt::Debug for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ItemKey(..)")
    }
}

/// The ciphertext was not made with this key, nonce and AAD. Deliberately says no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

//! AES-256-GCM with the key of one blob, whose nonces are the positions of its chunks.

use std::fmt;

use subtle::ConstantTimeEq;

use super::backend::Aes256Gcm;
use super::{NONCE_LEN, NotAuthentic, TAG_LEN};

/// The key that encrypts the chunks of one blob, with its expanded key schedule.
///
/// A blob's id is drawn for each write, so no other bytes are ever sealed under its key, and a position is a nonce.
pub(crate) struct BlobKey(Aes256Gcm);

impl BlobKey {
    /// Length of a blob key in bytes.
    pub(crate) const LEN: usize = 32;

    pub(crate) fn new(key: &[u8; Self::LEN]) -> Self {
        Self(Aes256Gcm::new(key))
    }

    /// Encrypts a chunk, which is `buffer` from `start` on, in place, and appends the tag.
    pub(crate) fn encrypt(&self, index: u32, last: bool, buffer: &mut Vec<u8>, start: usize) {
        let tag = self.0.encrypt(&nonce(index, last), &[], &mut buffer[start..]);
        buffer.extend_from_slice(&tag);
    }

    /// Decrypts a chunk in place and cuts off its tag. On failure `buffer` holds no plaintext.
    pub(crate) fn decrypt(&self, index: u32, last: bool, buffer: &mut Vec<u8>) -> Result<(), NotAuthentic> {
        let &tag = buffer.last_chunk().ok_or(NotAuthentic)?;
        buffer.truncate(buffer.len() - TAG_LEN);
        self.0.decrypt(&nonce(index, last), &[], buffer, &tag)
    }
}

/// `00 × 7 ‖ u32be(index) ‖ last`: order, number and end are authenticated without additional data.
fn nonce(index: u32, last: bool) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[7..11].copy_from_slice(&index.to_be_bytes());
    nonce[11] = last.into();
    nonce
}

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobKey(..)")
    }
}

/// Commits to the key of a blob: without it, GCM could be made to open one ciphertext under two keys. Not secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commitment(pub(crate) [u8; Self::LEN]);

impl Commitment {
    /// Length of a commitment in bytes.
    pub(crate) const LEN: usize = 32;

    /// Compares in constant time.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

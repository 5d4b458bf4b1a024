//! AES-256-GCM with the key of one blob, whose nonces are the positions of its chunks.

use std::fmt;

use subtle::ConstantTimeEq;

use super::backend::Aes256Gcm;
use super::{NONCE_LEN, NotAuthentic};

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

    /// Encrypts a chunk, and appends it and its tag to `stored`.
    pub(crate) fn encrypt(&self, index: u32, last: bool, plaintext: &[u8], stored: &mut Vec<u8>) {
        let start = stored.len();
        stored.resize(start + plaintext.len(), 0);
        let tag = self.0.encrypt_into(&nonce(index, last), plaintext, &mut stored[start..]);
        stored.extend_from_slice(&tag);
    }

    /// Decrypts a chunk that its tag follows.
    pub(crate) fn decrypt(&self, index: u32, last: bool, chunk: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let (ciphertext, tag) = chunk.split_last_chunk().ok_or(NotAuthentic)?;
        let mut plaintext = vec![0; ciphertext.len()];
        self.0.decrypt_into(&nonce(index, last), ciphertext, tag, &mut plaintext)?;
        Ok(plaintext)
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

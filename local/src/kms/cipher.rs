//! The layout of a ciphertext.
//!
//! Like those of KMS, ciphertexts are opaque and identify their key. That of a 32-byte data key has 184 bytes:
//!
//! ```text
//! 4 magic · 4 generation of the key material · 36 key id · 12 nonce · 80 random filling · ciphertext · 16 tag
//! ```
//!
//! Everything before the ciphertext is authenticated, together with the encryption context.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};

use crate::{
    random::{self, NoRandomness},
    state::keys::{Key, Material},
};

use super::input::EncryptionContext;

const MAGIC: [u8; 4] = [0x01, 0x02, 0x03, 0x00];
const GENERATION: std::ops::Range<usize> = 4..8;
const KEY_ID: std::ops::Range<usize> = 8..44;
const NONCE: std::ops::Range<usize> = 44..56;
const HEADER_LEN: usize = 136;

/// Encrypts with the newest key material.
pub(super) fn seal(key: &Key, context: &EncryptionContext, plaintext: &[u8]) -> Result<Vec<u8>, NoRandomness> {
    let generation = key.materials.len() - 1;
    let material = &key.materials[generation];
    let generation = u32::try_from(generation).expect("a key rotates at most 25 times");
    let mut header: [u8; HEADER_LEN] = random::array()?;
    header[..4].copy_from_slice(&MAGIC);
    header[GENERATION].copy_from_slice(&generation.to_be_bytes());
    header[KEY_ID].copy_from_slice(key.name.id.as_bytes());
    let aad = aad(&header, context);
    let nonce = nonce(&header);
    let sealed = cipher(material).encrypt(&nonce, Payload { msg: plaintext, aad: &aad });
    let sealed = sealed.expect("AES-GCM encrypts any message that KMS takes");
    Ok([&header[..], &sealed].concat())
}

/// Decrypts, and returns the material that was used. `None` for anything but a ciphertext of this key and context.
pub(super) fn open<'a>(key: &'a Key, context: &EncryptionContext, blob: &[u8]) -> Option<(Vec<u8>, &'a Material)> {
    if key_id(blob)? != key.name.id {
        return None;
    }
    let (header, sealed) = blob.split_first_chunk::<HEADER_LEN>()?;
    let generation = u32::from_be_bytes(header[GENERATION].try_into().ok()?);
    let material = key.materials.get(usize::try_from(generation).ok()?)?;
    let aad = aad(header, context);
    let opened = cipher(material).decrypt(&nonce(header), Payload { msg: sealed, aad: &aad }).ok()?;
    Some((opened, material))
}

/// The id of the key that a ciphertext names. Nothing is authenticated yet.
pub(super) fn key_id(blob: &[u8]) -> Option<&str> {
    if !blob.starts_with(&MAGIC) {
        return None;
    }
    std::str::from_utf8(blob.get(KEY_ID)?).ok()
}

fn cipher(material: &Material) -> Aes256Gcm {
    Aes256Gcm::new(&material.bytes.into())
}

fn nonce(header: &[u8; HEADER_LEN]) -> Nonce<aes_gcm::aead::consts::U12> {
    let nonce: [u8; 12] = header[NONCE].try_into().expect("the nonce has 12 bytes");
    nonce.into()
}

/// The header, and the pairs in the order of their keys. Each string follows its length, so that no two contexts look
/// the same.
fn aad(header: &[u8; HEADER_LEN], EncryptionContext(pairs): &EncryptionContext) -> Vec<u8> {
    let mut aad = header.to_vec();
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        aad.extend_from_slice(&(text.len() as u64).to_be_bytes());
        aad.extend_from_slice(text.as_bytes());
    }
    aad
}

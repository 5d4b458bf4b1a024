//! AWS-LC: C and assembly, faster on large values, and the module that has a FIPS certificate.
//!
//! It zeroizes the key schedule (in memory of its own, which is cleansed before it is freed), the HMAC states, and the
//! copy of the data key from which HKDF starts each time, as the approved interface requires. It does not zeroize
//! `aws_lc_rs::hmac::Tag`, from which only nonces and lookup tokens are ever made, nor what its C code leaves in registers and on the
//! stack.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;

use crate::crypto::{NONCE_LEN, NotAuthentic, TAG_LEN};

/// An expanded key schedule.
pub(crate) struct Aes256Gcm(LessSafeKey);

impl Aes256Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of 32 bytes")))
    }

    /// Encrypts in place.
    pub(crate) fn encrypt(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut [u8]) -> [u8; TAG_LEN] {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), buffer);
        let tag = tag.expect("attributes and chunks are far shorter than the 64 GiB that GCM allows");
        *tag.as_ref().first_chunk().expect("a tag of 16 bytes")
    }

    /// Decrypts in place. On failure `buffer` holds no plaintext.
    pub(crate) fn decrypt(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), NotAuthentic> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0.open_in_place_separate_tag(nonce, Aad::from(aad), tag, buffer).map(|_| ()).map_err(|_| NotAuthentic)
    }

    /// Encrypts `plaintext` into `output`, which is as long. AWS-LC encrypts in place alone.
    pub(crate) fn encrypt_into(&self, nonce: &[u8; NONCE_LEN], plaintext: &[u8], output: &mut [u8]) -> [u8; TAG_LEN] {
        output.copy_from_slice(plaintext);
        self.encrypt(nonce, &[], output)
    }

    /// Decrypts `ciphertext` into `output`, which is as long. On failure `output` holds no plaintext.
    pub(crate) fn decrypt_into(
        &self,
        nonce: &[u8; NONCE_LEN],
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
        output: &mut [u8],
    ) -> Result<(), NotAuthentic> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0.open_separate_gather(nonce, Aad::empty(), ciphertext, tag, output).map_err(|_| NotAuthentic)
    }
}

/// The data key and the salt: AWS-LC extracts anew for every expansion.
pub(crate) struct HkdfSha256(Prk);

impl HkdfSha256 {
    pub(crate) fn extract(salt: &[u8], key: &[u8; 32]) -> Self {
        Self(Salt::new(HKDF_SHA256, salt).extract(key))
    }

    /// Expands to at most 8,160 bytes.
    pub(crate) fn expand(&self, info: &[&[u8]], output: &mut [u8]) {
        self.0
            .expand(info, Length(output.len()))
            .and_then(|expanded| expanded.fill(output))
            .expect("all outputs of the format have at most 64 bytes");
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HMAC with its key schedule kept: the state after the key.
pub(crate) struct HmacSha256(hmac::Key);

impl HmacSha256 {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The MAC of what `message` feeds.
    pub(crate) fn mac(&self, message: impl FnOnce(&mut dyn FnMut(&[u8]))) -> [u8; 32] {
        let mut mac = hmac::Context::with_key(&self.0);
        message(&mut |part| mac.update(part));
        *mac.sign().as_ref().first_chunk().expect("SHA-256 has 32 bytes")
    }
}

/// HMAC of the concatenated parts.
pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| mac.update(part));
    *mac.sign().as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

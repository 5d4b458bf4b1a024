//! RustCrypto: pure Rust, in constant time. Every key and every state made of one is zeroized on drop.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{KeyInit, Nonce, Tag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::crypto::{NONCE_LEN, NotAuthentic, TAG_LEN};

/// An expanded key schedule.
pub(crate) struct Aes256Gcm(aes_gcm::Aes256Gcm);

impl Aes256Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(aes_gcm::Aes256Gcm::new(key.into()))
    }

    /// Encrypts in place.
    pub(crate) fn encrypt(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut [u8]) -> [u8; TAG_LEN] {
        self.0
            .encrypt_inout_detached(&Nonce::from(*nonce), aad, InOutBuf::from(buffer))
            .expect("attributes and chunks are far shorter than the 64 GiB that GCM allows")
            .into()
    }

    /// Decrypts in place. On failure `buffer` holds no plaintext.
    pub(crate) fn decrypt(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), NotAuthentic> {
        self.0
            .decrypt_inout_detached(&Nonce::from(*nonce), aad, InOutBuf::from(buffer), &Tag::from(*tag))
            .map_err(|_| NotAuthentic)
    }

    /// Encrypts `plaintext` into `output`, which is as long.
    pub(crate) fn encrypt_into(&self, nonce: &[u8; NONCE_LEN], plaintext: &[u8], output: &mut [u8]) -> [u8; TAG_LEN] {
        let buffers = InOutBuf::new(plaintext, output).expect("both have one length");
        let tag = self.0.encrypt_inout_detached(&Nonce::from(*nonce), &[], buffers);
        tag.expect("chunks are far shorter than the 64 GiB that GCM allows").into()
    }

    /// Decrypts `ciphertext` into `output`, which is as long. On failure `output` holds no plaintext.
    pub(crate) fn decrypt_into(
        &self,
        nonce: &[u8; NONCE_LEN],
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
        output: &mut [u8],
    ) -> Result<(), NotAuthentic> {
        let buffers = InOutBuf::new(ciphertext, output).expect("both have one length");
        let opened = self.0.decrypt_inout_detached(&Nonce::from(*nonce), &[], buffers, &Tag::from(*tag));
        opened.map_err(|_| NotAuthentic)
    }
}

/// The pseudorandom key, as a keyed HMAC state. It stays in place: a value that moves, with the future that holds it,
/// leaves behind a copy that nobody zeroizes.
pub(crate) struct HkdfSha256(Box<Hkdf<Sha256>>);

impl HkdfSha256 {
    pub(crate) fn extract(salt: &[u8], key: &[u8; 32]) -> Self {
        let extracted = extract(salt, key);
        overwrite_stack();
        Self(extracted)
    }

    /// Expands to at most 8,160 bytes.
    pub(crate) fn expand(&self, info: &[&[u8]], output: &mut [u8]) {
        expand(&self.0, info, output);
        overwrite_stack();
    }
}

#[inline(never)]
fn extract(salt: &[u8], key: &[u8; 32]) -> Box<Hkdf<Sha256>> {
    let (mut prk, hkdf) = Hkdf::<Sha256>::extract(Some(salt), key);
    prk.zeroize();
    Box::new(hkdf)
}

#[inline(never)]
fn expand(hkdf: &Hkdf<Sha256>, info: &[&[u8]], output: &mut [u8]) {
    hkdf.expand_multi_info(info, output).expect("all outputs of the format have at most 64 bytes");
}

/// Overwrites what the previous call left on the stack: HMAC moves its states by value, and zeroizes them only where
/// they end up.
#[inline(never)]
fn overwrite_stack() {
    std::hint::black_box([0_u8; 2_048]);
}

/// HMAC with its key schedule kept: the state after the key. It stays in place, as [`HkdfSha256`] does.
pub(crate) struct HmacSha256(Box<Hmac<Sha256>>);

impl HmacSha256 {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let keyed = schedule(key);
        overwrite_stack();
        Self(keyed)
    }

    /// The MAC of what `message` feeds.
    pub(crate) fn mac(&self, message: impl FnOnce(&mut dyn FnMut(&[u8]))) -> [u8; 32] {
        let mac = finish(&self.0, message);
        overwrite_stack();
        mac
    }
}

#[inline(never)]
fn schedule(key: &[u8; 32]) -> Box<Hmac<Sha256>> {
    Box::new(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
}

#[inline(never)]
fn finish(keyed: &Hmac<Sha256>, message: impl FnOnce(&mut dyn FnMut(&[u8]))) -> [u8; 32] {
    let mut mac = keyed.clone();
    message(&mut |part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// HMAC of the concatenated parts.
pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_state_is_zeroized_on_drop() {
        fn is_zeroized<T: zeroize::ZeroizeOnDrop>() {}
        is_zeroized::<aes_gcm::Aes256Gcm>();
        // An HMAC state, and so HKDF's, is two states of the hash and a buffer.
        is_zeroized::<sha2::Sha256>();
    }
}

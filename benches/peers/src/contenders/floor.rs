//! The least that any library with this format has to do: per item one HKDF-Expand and one AES-256 key schedule, per
//! encrypted attribute one GCM call, in place and without an allocation; for sealing, the nonces, which the operating
//! system draws in one call. The same as in `cargo bench --bench item`.

use std::hint::black_box;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::item::Shape;

/// As long as the AAD of an attribute of these items.
const AAD: [u8; 37] = [3; 37];
/// As long as the info of an item key of these items.
const INFO: [u8; 75] = [5; 75];
/// Always the same, so that what was encrypted opens: which bytes it has changes nothing of the time.
const NONCE: [u8; 12] = [1; 12];
/// More than these items have.
const MOST_ATTRIBUTES: usize = 16;

/// The encoded values of one item.
pub type Buffers = Vec<Vec<u8>>;

/// The primitives for items of one shape.
pub struct Floor {
    derivation: Hkdf<Sha256>,
    buffers: Buffers,
    encrypted: Buffers,
    tag: Tag,
}

impl Floor {
    /// For items of this shape.
    pub fn new(shape: Shape) -> Self {
        let derivation = Hkdf::<Sha256>::new(Some(b"tenantseal v1"), &[7; 32]);
        let buffers: Buffers = shape.encrypted().map(|_| vec![7; shape.length() + 1]).collect();
        let mut floor = Self { derivation, encrypted: buffers.clone(), buffers, tag: Tag::default() };
        let cipher = floor.item_cipher();
        for buffer in &mut floor.encrypted {
            floor.tag = encrypt(&cipher, buffer);
        }
        floor
    }

    /// What [`Floor::seal`] takes.
    pub fn buffers(&self) -> Buffers {
        self.buffers.clone()
    }

    /// What [`Floor::open`] takes.
    pub fn encrypted(&self) -> Buffers {
        self.encrypted.clone()
    }

    /// Encrypts in place.
    pub fn seal(&self, mut buffers: Buffers) -> Buffers {
        let cipher = self.item_cipher();
        let mut drawn = [NONCE; MOST_ATTRIBUTES];
        getrandom::fill(drawn[..buffers.len()].as_flattened_mut()).expect("the operating system has random bytes");
        black_box(drawn);
        for buffer in &mut buffers {
            black_box(encrypt(&cipher, buffer));
        }
        buffers
    }

    /// Decrypts in place. All values are alike, and so are their tags.
    pub fn open(&self, mut buffers: Buffers) -> Buffers {
        let cipher = self.item_cipher();
        for buffer in &mut buffers {
            let opened =
                cipher.decrypt_inout_detached(&Nonce::from(NONCE), &AAD, buffer.as_mut_slice().into(), &self.tag);
            opened.expect("it was encrypted with this key");
        }
        buffers
    }

    fn item_cipher(&self) -> Aes256Gcm {
        let mut key = [0; 32];
        self.derivation.expand(black_box(&INFO), &mut key).expect("32 bytes are few enough");
        Aes256Gcm::new(&key.into())
    }
}

fn encrypt(cipher: &Aes256Gcm, buffer: &mut [u8]) -> Tag {
    cipher.encrypt_inout_detached(&Nonce::from(NONCE), &AAD, buffer.into()).expect("it is short enough")
}

//! The primitives alone, for the encrypted attributes of one item: one HKDF-Expand, one AES-256 key schedule, and one
//! GCM call per attribute. Sealing also draws the nonces in one call to the operating system. It uses the library's own
//! crates and allocates nothing.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;

/// As long as the AAD of an attribute of these items.
const AAD: [u8; 37] = [3; 37];
const NONCE_LENGTH: usize = 12;
/// More than these items have.
const MOST_ATTRIBUTES: usize = 16;

pub(crate) struct Floor(Hkdf<Sha256>);

impl Floor {
    pub(crate) fn new() -> Self {
        Self(Hkdf::new(Some(b"tenantseal v1"), &[7; 32]))
    }

    /// Encrypts the attributes of one item.
    pub(crate) fn seal(&self, buffers: &mut [Vec<u8>]) -> Tag {
        let cipher = self.item_cipher();
        let mut drawn = [[0; NONCE_LENGTH]; MOST_ATTRIBUTES];
        getrandom::fill(drawn[..buffers.len()].as_flattened_mut()).unwrap();
        black_box(drawn);
        let mut last = Tag::default();
        for buffer in buffers {
            last = cipher.encrypt_inout_detached(&nonce(), &AAD, buffer.as_mut_slice().into()).unwrap();
            black_box(last);
        }
        last
    }

    /// Decrypts the attributes of one item, each of which has this tag.
    pub(crate) fn open(&self, buffers: &mut [Vec<u8>], tag: &Tag) {
        let cipher = self.item_cipher();
        for buffer in buffers {
            cipher.decrypt_inout_detached(&nonce(), &AAD, buffer.as_mut_slice().into(), tag).unwrap();
        }
    }

    /// One Expand of an identity's length, one key schedule.
    fn item_cipher(&self) -> Aes256Gcm {
        let mut key = [0; 32];
        self.0.expand(black_box(&[5; 75]), &mut key).unwrap();
        Aes256Gcm::new(&key.into())
    }

    /// How long it takes to open one item with `count` attributes of `length` bytes.
    #[allow(dead_code, reason = "one of the two benchmarks asks")]
    pub(crate) fn time_to_open(count: usize, length: usize) -> Duration {
        let (floor, mut sealed) = (Self::new(), vec![vec![7; length + 1]; count]);
        let tag = floor.seal(&mut sealed);
        let times = (0..2_000).map(|_| {
            let mut buffers = sealed.clone();
            let begun = Instant::now();
            floor.open(&mut buffers, &tag);
            begun.elapsed()
        });
        let mut times: Vec<_> = times.collect();
        times.sort_unstable();
        times[times.len() / 2]
    }
}

/// Constant, so that sealed values open. Its bytes do not affect the time.
fn nonce() -> Nonce<aes_gcm::aead::consts::U12> {
    Nonce::from([1; NONCE_LENGTH])
}

//! The primitives, from two libraries with identical output: RustCrypto, and AWS-LC with the feature `aws-lc-rs`.
//!
//! Each has `Aes256Gcm`, `HkdfSha256`, `HmacSha256` and `hmac_sha256`; only this module decides which is used.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(any(test, not(feature = "aws-lc-rs")))]
mod rust_crypto;

#[cfg(feature = "aws-lc-rs")]
pub(super) use aws_lc::{Aes256Gcm, HkdfSha256, HmacSha256, hmac_sha256};
#[cfg(not(feature = "aws-lc-rs"))]
pub(super) use rust_crypto::{Aes256Gcm, HkdfSha256, HmacSha256, hmac_sha256};

#[cfg(all(test, feature = "aws-lc-rs"))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{aws_lc, rust_crypto};

    proptest! {
        #[test]
        fn either_backend_opens_what_the_other_sealed_and_refuses_what_it_refuses(
            key: [u8; 32],
            nonce: [u8; 12],
            aad in vec(any::<u8>(), 0..80),
            plaintext in vec(any::<u8>(), 0..3000),
            flip in any::<prop::sample::Index>(),
        ) {
            let (ours, theirs) = (rust_crypto::Aes256Gcm::new(&key), aws_lc::Aes256Gcm::new(&key));
            let (mut one, mut other) = (plaintext.clone(), plaintext.clone());
            let tag = ours.encrypt(&nonce, &aad, &mut one);
            prop_assert_eq!(tag, theirs.encrypt(&nonce, &aad, &mut other));
            prop_assert_eq!(&one, &other);
            prop_assert!(ours.decrypt(&nonce, &aad, &mut one, &tag).is_ok());
            prop_assert!(theirs.decrypt(&nonce, &aad, &mut other, &tag).is_ok());
            prop_assert_eq!(&one, &plaintext);
            prop_assert_eq!(&other, &plaintext);

            let mut sealed = plaintext;
            let tag = ours.encrypt(&nonce, &aad, &mut sealed);
            sealed.extend_from_slice(&tag);
            let at = flip.index(sealed.len());
            sealed[at] ^= 1;
            let (ciphertext, tag) = sealed.split_last_chunk().unwrap();
            let (mut one, mut other) = (ciphertext.to_vec(), ciphertext.to_vec());
            prop_assert!(ours.decrypt(&nonce, &aad, &mut one, tag).is_err());
            prop_assert!(theirs.decrypt(&nonce, &aad, &mut other, tag).is_err());
        }

        #[test]
        fn both_backends_agree_between_two_buffers(
            key: [u8; 32],
            nonce: [u8; 12],
            plaintext in vec(any::<u8>(), 0..3000),
            flip in any::<prop::sample::Index>(),
        ) {
            let (ours, theirs) = (rust_crypto::Aes256Gcm::new(&key), aws_lc::Aes256Gcm::new(&key));
            let mut in_place = plaintext.clone();
            let tag = ours.encrypt(&nonce, &[], &mut in_place);
            let (mut one, mut other) = (vec![0; plaintext.len()], vec![0; plaintext.len()]);
            prop_assert_eq!(tag, ours.encrypt_into(&nonce, &plaintext, &mut one));
            prop_assert_eq!(tag, theirs.encrypt_into(&nonce, &plaintext, &mut other));
            prop_assert_eq!((&one, &other), (&in_place, &in_place));
            let (mut one, mut other) = (vec![0; plaintext.len()], vec![0; plaintext.len()]);
            prop_assert!(ours.decrypt_into(&nonce, &in_place, &tag, &mut one).is_ok());
            prop_assert!(theirs.decrypt_into(&nonce, &in_place, &tag, &mut other).is_ok());
            prop_assert_eq!((&one, &other), (&plaintext, &plaintext));
            let mut forged = tag;
            forged[flip.index(tag.len())] ^= 1;
            prop_assert!(ours.decrypt_into(&nonce, &in_place, &forged, &mut one).is_err());
            prop_assert!(theirs.decrypt_into(&nonce, &in_place, &forged, &mut other).is_err());
        }

        #[test]
        fn both_backends_derive_the_same(
            key: [u8; 32],
            info in vec(vec(any::<u8>(), 0..200), 0..5),
            length in 1..97_usize,
        ) {
            let parts: Vec<&[u8]> = info.iter().map(Vec::as_slice).collect();
            let (mut one, mut other) = (vec![0; length], vec![0; length]);
            rust_crypto::HkdfSha256::extract(b"salt", &key).expand(&parts, &mut one);
            aws_lc::HkdfSha256::extract(b"salt", &key).expand(&parts, &mut other);
            prop_assert_eq!(one, other);
            let mac = rust_crypto::hmac_sha256(&key, &parts);
            prop_assert_eq!(mac, aws_lc::hmac_sha256(&key, &parts));
            prop_assert_eq!(mac, rust_crypto::HmacSha256::new(&key).mac(|feed| parts.iter().for_each(|part| feed(part))));
            prop_assert_eq!(mac, aws_lc::HmacSha256::new(&key).mac(|feed| parts.iter().for_each(|part| feed(part))));
        }
    }
}

//! The algorithms of signatures, and the only code that names the crate that checks them.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::JwtVerifier;

#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER as PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER as PROVIDER;

/// An algorithm that signs tokens with a private key (RFC 7518, section 3.1, and RFC 8037).
///
/// `none` and the symmetric algorithms (`HS256` and so on) are none of them, so nobody can allow them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// The keys that an algorithm takes: their `kty` and `crv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    /// The algorithm that a token or a key names, exactly as RFC 7518 spells it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    /// The kind of key that it takes.
    pub(crate) fn key_kind(self) -> KeyKind {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyKind::Rsa,
            Self::Es256 => KeyKind::P256,
            Self::Es384 => KeyKind::P384,
            Self::EdDsa => KeyKind::Ed25519,
        }
    }

    fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Rs384 => jsonwebtoken::Algorithm::RS384,
            Self::Rs512 => jsonwebtoken::Algorithm::RS512,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Ps384 => jsonwebtoken::Algorithm::PS384,
            Self::Ps512 => jsonwebtoken::Algorithm::PS512,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// A public key of one kind.
#[derive(Debug)]
pub(crate) struct PublicKey {
    kind: KeyKind,
    key: DecodingKey,
}

impl PublicKey {
    /// The fewest and the most bits of an RSA modulus. Less is too weak. A check takes time with the third power of it,
    /// and whoever publishes the key set would decide how much: 8,192 bits took 3.5 ms.
    const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

    /// An RSA key of this modulus and exponent, both big-endian.
    ///
    /// None where the size is out of bounds, or where a signature could be forged: an exponent of 1 returns the
    /// signature itself.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        let is_exponent = match exponent {
            [small] => *small >= 3,
            // 65,537 has 3 bytes. Longer ones take longer.
            [_, _, ..] => exponent.len() <= 3,
            [] => false,
        };
        let is_sound = Self::RSA_BITS.contains(&bits(modulus)) && is_odd(modulus) && is_exponent && is_odd(exponent);
        let key = || DecodingKey::from_rsa_raw_components(modulus, exponent);
        is_sound.then(|| Self { kind: KeyKind::Rsa, key: key() })
    }

    /// The coordinates of a point, of the curve's length. Whether it lies on the curve shows when it verifies: not
    /// before with every backend.
    pub(crate) fn point(kind: KeyKind, x: &[u8], y: &[u8]) -> Option<Self> {
        let length = match kind {
            KeyKind::P256 => 32,
            KeyKind::P384 => 48,
            KeyKind::Rsa | KeyKind::Ed25519 => return None,
        };
        // SEC 1, section 2.3.3: uncompressed.
        let key = || DecodingKey::from_ec_der(&[&[4], x, y].concat());
        (x.len() == length && y.len() == length).then(|| Self { kind, key: key() })
    }

    /// An Ed25519 key of 32 bytes.
    pub(crate) fn ed25519(x: &[u8]) -> Option<Self> {
        (x.len() == 32).then(|| Self { kind: KeyKind::Ed25519, key: DecodingKey::from_ed_der(x) })
    }

    /// Whether an algorithm takes this key.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.kind == algorithm.key_kind()
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &Vec<u8>) -> bool {
        let verifier = self.fits(algorithm).then(|| verifier(&self.key, algorithm)).flatten();
        verifier.is_some_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

/// From this build's own provider: the process's default is anybody's to install, and with both features there is none.
fn verifier(key: &DecodingKey, algorithm: Algorithm) -> Option<Box<dyn JwtVerifier>> {
    (PROVIDER.verifier_factory)(&algorithm.of_library(), key).ok()
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

/// The bits of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rsa_key_that_takes_long_or_is_weak_is_no_key() {
        let key = |bytes: usize, exponent: &[u8]| PublicKey::rsa(&vec![0xff; bytes], exponent).is_some();
        assert!(key(256, &[1, 0, 1]) && key(512, &[1, 0, 1]) && key(256, &[3]));
        for bytes in [128, 255, 513, 1_024, 2_048] {
            assert!(!key(bytes, &[1, 0, 1]), "{bytes}");
        }
        for exponent in [&[][..], &[1], &[2], &[1, 0, 0], &[1, 0, 0, 1], &[0xff; 512]] {
            assert!(!key(256, exponent), "{exponent:?}");
        }
    }
}

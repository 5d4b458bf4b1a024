//! An issuer's public keys, parsed from a JSON Web Key Set (RFC 7517).

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::algorithm::{Algorithm, KeyKind, PublicKey};
use crate::{base64url, json};

/// The most keys of a set.
const MAX_KEYS: usize = 100;
/// The most bytes of a key's id, in sets and in tokens.
pub(crate) const MAX_KID: usize = 256;

/// Members that private and symmetric keys have, and public keys have not.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The keys of one issuer that check signatures, by their `kid`.
#[derive(Debug, Default)]
pub(crate) struct KeySet(HashMap<Box<str>, Key>);

/// A key, and the one algorithm that it is for, where it says so.
#[derive(Debug)]
pub(crate) struct Key {
    public: PublicKey,
    algorithm: Option<Algorithm>,
}

/// Why bytes are not a key set. The former set then stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetFault {
    #[error("the key set is not JSON with a list of `keys`")]
    NotAKeySet,
    #[error("the key set has more than 100 keys")]
    TooManyKeys,
    #[error("two keys of the set have the same `kid`")]
    DuplicateKid,
}

impl KeySet {
    /// Parses a set. Leaves out the keys that check no signature here: private and symmetric ones, unknown types and
    /// curves, keys for encryption, keys without a `kid`, RSA below 2,048 bits or above 8,192.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, KeySetFault> {
        let set = json::parse_object(bytes).ok_or(KeySetFault::NotAKeySet)?;
        let listed = set.get("keys").and_then(Value::as_array).ok_or(KeySetFault::NotAKeySet)?;
        if listed.len() > MAX_KEYS {
            return Err(KeySetFault::TooManyKeys);
        }
        let mut keys = HashMap::new();
        for (kid, key) in listed.iter().filter_map(|key| Key::parse(key.as_object()?)) {
            if keys.insert(kid.into(), key).is_some() {
                return Err(KeySetFault::DuplicateKid);
            }
        }
        Ok(Self(keys))
    }

    pub(crate) fn find(&self, kid: &str) -> Option<&Key> {
        self.0.get(kid)
    }

    /// All keys, for properties that hold for each.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Key {
    fn parse(jwk: &Map<String, Value>) -> Option<(&str, Self)> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        let bytes = |name| base64url::decode(text(name)?);
        let kid = text("kid").filter(|kid| !kid.is_empty() && kid.len() <= MAX_KID)?;
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) || !is_for_signatures(jwk) {
            return None;
        }
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => PublicKey::rsa(&bytes("n")?, &bytes("e")?),
            ("EC", Some("P-256")) => PublicKey::point(KeyKind::P256, &bytes("x")?, &bytes("y")?),
            ("EC", Some("P-384")) => PublicKey::point(KeyKind::P384, &bytes("x")?, &bytes("y")?),
            ("OKP", Some("Ed25519")) => PublicKey::ed25519(&bytes("x")?),
            _ => None,
        }?;
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(algorithm) => Some(Algorithm::parse(algorithm.as_str()?)?),
        };
        Some((kid, Self { public, algorithm }))
    }

    /// Whether the key is one for tokens of this algorithm.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.public.fits(algorithm) && self.algorithm.is_none_or(|own| own == algorithm)
    }

    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &Vec<u8>) -> bool {
        self.fits(algorithm) && self.public.verifies(algorithm, message, signature)
    }
}

/// Whether `use` and `key_ops`, where they are there, allow to check signatures.
fn is_for_signatures(jwk: &Map<String, Value>) -> bool {
    let allows = |operations: &Value| operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
    jwk.get("use").is_none_or(|usage| usage == "sig") && jwk.get("key_ops").is_none_or(allows)
}

//! HKDF-SHA256: one Extract per data key, one Expand per purpose.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::backend::{HkdfSha256, hmac_sha256};
use super::{BlobKey, Commitment, DataKey, Identity, ItemKey, LeaveKey, LookupWrapKey, NONCE_LEN, label};
use crate::hex;

/// The salt of the one Extract per data key.
const SALT: &[u8] = b"tenantseal v1";

/// The pseudorandom key that HKDF-Extract derives from a data key: everything else is expanded from it.
///
/// The data key itself is not needed afterwards. The backend zeroizes what it keeps.
pub struct PseudorandomKey(HkdfSha256);

impl PseudorandomKey {
    /// `PRK = HKDF-Extract("tenantseal v1", data key)`.
    pub fn extract(data_key: &DataKey) -> Self {
        // Exposed to derive from it: the only use of a data key.
        Self(HkdfSha256::extract(SALT, data_key.expose()))
    }

    /// `Expand(PRK, label("key id"), 16)`: names the data key and commits to it.
    pub fn key_id(&self) -> DataKeyId {
        let mut id = [0; DataKeyId::LEN];
        self.0.expand(&[label!("key id")], &mut id);
        DataKeyId(id)
    }

    /// `Expand(PRK, label("record") ‖ record version ‖ created ‖ context, 16)`: authenticates what a key record says of
    /// itself.
    pub fn check(&self, version: u8, created: u32, context: &[u8]) -> Check {
        let mut check = [0; Check::LEN];
        self.0.expand(&[label!("record"), &[version], &created.to_be_bytes(), context], &mut check);
        Check(check)
    }

    /// `Expand(PRK, label("item") ‖ identity, 32)`: the key of one item.
    pub fn item_key(&self, identity: &Identity) -> ItemKey {
        let mut key = [0; ItemKey::LEN];
        self.0.expand(&[label!("item"), identity.as_bytes()], &mut key);
        let item_key = ItemKey::new(&key);
        key.zeroize();
        item_key
    }

    /// `Expand(PRK, label("blob") ‖ magic ‖ blob id ‖ identity, 64)`: the key of one blob, and what commits to it.
    pub(crate) fn blob_key(&self, magic: &[u8], blob_id: &[u8], identity: &[u8]) -> (BlobKey, Commitment) {
        let mut okm = Zeroizing::new([0; BlobKey::LEN + Commitment::LEN]);
        self.0.expand(&[label!("blob"), magic, blob_id, identity], okm.as_mut());
        let (key, commitment) = okm.split_first_chunk().expect("64 bytes");
        let mut committed = [0; Commitment::LEN];
        committed.copy_from_slice(commitment);
        (BlobKey::new(key), Commitment(committed))
    }

    /// `Expand(PRK, label("lookup key") ‖ lp(tenant) ‖ u16be(number), 32)`: the key that wraps a lookup key.
    pub(crate) fn lookup_wrap_key(&self, lp_tenant: &[u8], number: u16) -> LookupWrapKey {
        let mut key = Zeroizing::new([0; LookupWrapKey::LEN]);
        self.0.expand(&[label!("lookup key"), lp_tenant, &number.to_be_bytes()], key.as_mut());
        LookupWrapKey::new(&key)
    }

    /// `Expand(PRK, label("leave") ‖ lp(tenant) ‖ lp(table), 32)`: the key that authenticates a tenant's leaves.
    pub(crate) fn leave_key(&self, lp_tenant: &[u8], lp_table: &[u8]) -> LeaveKey {
        let mut key = Zeroizing::new([0; LeaveKey::LEN]);
        self.0.expand(&[label!("leave"), lp_tenant, lp_table], key.as_mut());
        LeaveKey::new(key)
    }

    /// `Expand(PRK, label("nonce") ‖ identity, 32)`: the key of one item's synthetic nonces.
    pub(crate) fn nonce_key(&self, identity: &Identity) -> NonceKey {
        let mut key = Zeroizing::new([0; 32]);
        self.0.expand(&[label!("nonce"), identity.as_bytes()], key.as_mut());
        NonceKey(key)
    }
}

impl fmt::Debug for PseudorandomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudorandomKey(..)")
    }
}

/// Derives synthetic nonces: equal for equal token, attribute and plaintext, different otherwise (docs/FORMAT.md,
/// section 10).
pub struct NonceKey(Zeroizing<[u8; 32]>);

impl NonceKey {
    /// `HMAC-SHA256(nonce key, lp(token) ‖ lp(AAD) ‖ plaintext)`, the first 12 bytes.
    pub(crate) fn nonce(&self, token: &str, aad: &[u8], plaintext: &[u8]) -> [u8; NONCE_LEN] {
        let length = |part: &[u8]| u32::try_from(part.len()).expect("a token has 36 bytes, an AAD less than 64 KiB");
        let (token, lengths) = (token.as_bytes(), [length(token.as_bytes()), length(aad)].map(u32::to_be_bytes));
        let mac = hmac_sha256(&self.0, &[&lengths[0], token, &lengths[1], aad, plaintext]);
        *mac.first_chunk().expect("SHA-256 has 32 bytes")
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(..)")
    }
}

/// The id of a data key: 16 bytes derived from it, so they also commit to it. Not secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataKeyId(pub [u8; Self::LEN]);

impl DataKeyId {
    /// Length of a key id in bytes.
    pub const LEN: usize = 16;

    /// The bytes of the id.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Compares in constant time.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKeyId({self})")
    }
}

impl FromStr for DataKeyId {
    type Err = InvalidDataKeyId;

    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        hex::decode(digits).map(Self).ok_or(InvalidDataKeyId)
    }
}

impl Serialize for DataKeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DataKeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text is not the id of a data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a data key has 32 lower-case hex digits")]
pub struct InvalidDataKeyId;

/// Authenticates the version, the time and the context of a key record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check(pub [u8; Self::LEN]);

impl Check {
    /// Length of a check in bytes.
    pub const LEN: usize = 16;

    /// Compares in constant time.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_key_id_has_one_spelling() {
        let id = DataKeyId([0xa5; DataKeyId::LEN]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "a5", &"A5".repeat(16), &"a5".repeat(17), &"é".repeat(16), &"+1".repeat(16)] {
            assert_eq!(text.parse::<DataKeyId>(), Err(InvalidDataKeyId), "{text}");
        }
    }
}

//! The ids of key-encryption keys, whichever provider keeps them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::FormatError;
use super::reader::Reader;

mod aws;

pub use aws::{InvalidKeyArn, KeyArn, is_account_id};

/// The id of a key-encryption key (KEK): the key that wraps a tenant's data keys and never leaves its key service.
///
/// Key records store it, so every provider's ids have a form in docs/FORMAT.md, "KEK". The only provider so far is AWS
/// KMS, with [`KeyArn`]s.
///
/// ```
/// use tenantseal_core::KekId;
///
/// let kek: KekId = "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
/// assert_eq!(kek.account(), "111111111111");
/// assert_eq!(kek.aws().map(|arn| arn.region()), Some("eu-central-1"));
/// # Ok::<(), tenantseal_core::InvalidKekId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KekId(Provider);

/// The provider, and its id.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Provider {
    Aws(KeyArn),
}

impl KekId {
    /// Parses an id as its provider writes it: for AWS KMS the key's ARN.
    ///
    /// # Errors
    ///
    /// [`InvalidKekId`] when `id` is no provider's.
    pub fn parse(id: &str) -> Result<Self, InvalidKekId> {
        KeyArn::parse(id).map(Self::from).map_err(|_| InvalidKekId)
    }

    /// The ARN, when AWS KMS keeps the key.
    pub fn aws(&self) -> Option<&KeyArn> {
        let Provider::Aws(arn) = &self.0;
        Some(arn)
    }

    /// The account that owns the key, as its provider writes it.
    pub fn account(&self) -> &str {
        let Provider::Aws(arn) = &self.0;
        arn.account()
    }

    /// The id of the key within its account and Region, as its provider writes it.
    pub fn key_id(&self) -> &str {
        let Provider::Aws(arn) = &self.0;
        arn.key_id()
    }

    /// Whether both name the same key material: equal, or replicas of one multi-Region key.
    pub fn is_same_key(&self, other: &Self) -> bool {
        let (Provider::Aws(own), Provider::Aws(other)) = (&self.0, &other.0);
        own.is_same_key(other)
    }

    /// Appends the form that key records store.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let Provider::Aws(arn) = &self.0;
        arn.encode(out);
    }

    /// Reads what [`Self::encode`] writes, and nothing else.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        KeyArn::decode(reader).map(Self::from)
    }
}

impl From<KeyArn> for KekId {
    fn from(arn: KeyArn) -> Self {
        Self(Provider::Aws(arn))
    }
}

impl FromStr for KekId {
    type Err = InvalidKekId;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::parse(id)
    }
}

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Provider::Aws(arn) = &self.0;
        arn.fmt(f)
    }
}

impl fmt::Debug for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KekId({self})")
    }
}

impl Serialize for KekId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KekId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A text is not the id of a key-encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the id of a key-encryption key: for AWS KMS that is arn:<partition>:kms:<region>:<12-digit account>:key/<key id>"
)]
pub struct InvalidKekId;

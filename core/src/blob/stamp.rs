//! The stamp of a blob: names one version of it.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hex;

/// Names one version of a blob: the 32 bytes of its id, which are drawn anew for each write. Not secret.
///
/// Keep it in an encrypted attribute of an item, and give it to the read. Then an older version of the same object,
/// which somebody with write access to the bucket restored, does not open.
///
/// With serde it is bytes: 33 of them, the first of which is `01`. (An id alone could begin as a sealed attribute does,
/// which a client refuses to seal again.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp([u8; Self::LEN]);

impl Stamp {
    /// Length of a stamp in bytes.
    pub const LEN: usize = 32;
    /// The first byte of a stamp with serde.
    const VERSION: u8 = 0x01;

    /// The stamp of these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stamp({self})")
    }
}

impl FromStr for Stamp {
    type Err = InvalidStamp;

    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        hex::decode(digits).map(Self).ok_or(InvalidStamp)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = [Self::VERSION; 1 + Self::LEN];
        bytes[1..].copy_from_slice(&self.0);
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(StampVisitor)
    }
}

struct StampVisitor;

impl<'de> Visitor<'de> for StampVisitor {
    type Value = Stamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stamp: 33 bytes, the first of which is 01")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Stamp, E> {
        let stamp = bytes.strip_prefix(&[Stamp::VERSION]).and_then(|id| id.try_into().ok());
        // Not the bytes that are there: an error holds no data.
        stamp.map(Stamp).ok_or_else(|| E::custom("not a stamp: it has 33 bytes, the first of which is 01"))
    }

    /// Formats without bytes have lists of numbers.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Stamp, A::Error> {
        let mut bytes = Vec::with_capacity(1 + Stamp::LEN);
        while let Some(byte) = list.next_element()? {
            if bytes.len() > Stamp::LEN {
                return Err(A::Error::custom("not a stamp: it has 33 bytes"));
            }
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}

/// A text is not a stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stamp has 64 lower-case hex digits")]
pub struct InvalidStamp;

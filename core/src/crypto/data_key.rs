//! The data key that KMS makes, and its wrapped form.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The key from which a tenant's item keys are derived: 32 bytes that KMS made.
///
/// It is never stored; only its wrapped form ([`WrappedDataKey`]) leaves the process. It never encrypts anything
/// itself.
pub struct DataKey(Box<[u8; Self::LEN]>);

impl Drop for DataKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for DataKey {}

impl DataKey {
    /// Length of a data key in bytes.
    pub const LEN: usize = 32;

    /// Creates a data key; `fill` writes the bytes where they will stay.
    ///
    /// # Errors
    ///
    /// Whatever `fill` fails with.
    pub fn try_from_fn<E>(fill: impl FnOnce(&mut [u8; Self::LEN]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = Self(Box::new([0; Self::LEN]));
        fill(&mut key.0)?;
        Ok(key)
    }

    /// Moves a key out of `bytes`, which is zeroized whatever happens.
    ///
    /// # Errors
    ///
    /// [`WrongLength`] when there are not exactly 32 bytes.
    pub fn take(mut bytes: Vec<u8>) -> Result<Self, WrongLength> {
        let length = bytes.len();
        let key = Self::try_from_fn(|key| {
            if length == Self::LEN {
                key.copy_from_slice(&bytes);
                Ok(())
            } else {
                Err(WrongLength(length))
            }
        });
        bytes.zeroize();
        key
    }

    /// The key bytes. Each call site says what it does with them.
    pub(crate) fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// The bytes offered as a data key are not 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a data key has 32 bytes; this one has {0}")]
pub struct WrongLength(pub usize);

/// A data key as KMS wrapped it: opaque, and stored with the items that it seals.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedDataKey(Box<[u8]>);

impl WrappedDataKey {
    /// The most bytes that a key record holds (docs/FORMAT.md, "Key record"). KMS answers 184 today.
    pub const MAX_LEN: usize = 1024;

    /// Takes the wrapped form, if it has 1 to 1,024 bytes.
    ///
    /// # Errors
    ///
    /// [`WrongLength`] otherwise.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, WrongLength> {
        let bytes = bytes.into();
        if (1..=Self::MAX_LEN).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(WrongLength(bytes.len())) }
    }

    /// The wrapped bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WrappedDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedDataKey({} bytes)", self.0.len())
    }
}

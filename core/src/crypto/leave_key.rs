//! HMAC-SHA256 with the key of one tenant's leaves for one table (docs/FORMAT.md, section 16).

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::TAG_LEN;
use super::backend::hmac_sha256;

/// The key that authenticates the leaves of one tenant and table.
pub(crate) struct LeaveKey(Zeroizing<[u8; Self::LEN]>);

impl LeaveKey {
    /// Length of a leave key in bytes.
    pub(crate) const LEN: usize = 32;

    pub(crate) fn new(key: Zeroizing<[u8; Self::LEN]>) -> Self {
        Self(key)
    }

    /// The tag of a leave: the first 16 bytes of `HMAC-SHA256(leave key, all before the tag)`.
    pub(crate) fn tag(&self, body: &[u8]) -> [u8; TAG_LEN] {
        *hmac_sha256(&self.0, &[body]).first_chunk().expect("SHA-256 has 32 bytes")
    }

    /// Whether it is the tag of this leave. Compares in constant time.
    pub(crate) fn verifies(&self, body: &[u8], tag: &[u8; TAG_LEN]) -> bool {
        self.tag(body).ct_eq(tag).into()
    }
}

impl fmt::Debug for LeaveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaveKey(..)")
    }
}

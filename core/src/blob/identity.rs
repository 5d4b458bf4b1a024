//! The identity of a blob, from which its key is derived.

use crate::format::reader::put_lp;
use crate::tenant::TenantId;

/// `lp(tenant) ‖ lp(logical bucket) ‖ lp(whole object key)`: a blob opens in no other place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobIdentity(Vec<u8>);

impl BlobIdentity {
    /// The identity of the object with this whole key.
    pub fn new(tenant: &TenantId, bucket: &str, key: &str) -> Self {
        let mut bytes = Vec::with_capacity(12 + tenant.as_str().len() + bucket.len() + key.len());
        for part in [tenant.as_str(), bucket, key] {
            put_lp(&mut bytes, part.as_bytes());
        }
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

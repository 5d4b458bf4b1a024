//! The seam for revocation: clients that cache tenants' data keys.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::tenant::TenantId;

/// Caches tenants' data keys, and drops a tenant's on request. The clients of a process implement it.
#[async_trait]
pub trait Revoke: Debug + Send + Sync {
    /// Drops the tenant's data keys and credentials at once.
    async fn revoke(&self, tenant: &TenantId);
}

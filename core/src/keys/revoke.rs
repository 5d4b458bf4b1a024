//! Whoever keeps data keys of tenants and can be told to forget them.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::tenant::TenantId;

/// Keeps data keys of tenants, and forgets a tenant's when it is told to: the clients of a process.
#[async_trait]
pub trait Revoke: Debug + Send + Sync {
    /// Forgets the data keys and credentials of a tenant at once.
    async fn revoke(&self, tenant: &TenantId);
}

//! The seam for wrapping data keys anew, without their plaintext.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::KeyServiceError;
use crate::context::EncryptionContext;
use crate::crypto::WrappedDataKey;
use crate::format::KekId;
use crate::tenant::TenantId;

/// Wraps data keys of tenants' former KEKs anew, under the current ones.
///
/// It is no part of [`KeyService`](super::KeyService): who seals and opens items may wrap no data key that exists already.
///
/// An implementation does nothing else. The caller opens the former key record first, asks once for each data key however
/// many processes there are, and shares calls, retries and limits with those of the key service.
#[async_trait]
pub trait RewrapService: Debug + Send + Sync {
    /// The KEK that the tenant's alias points to.
    async fn current_kek(&self, tenant: &TenantId) -> Result<CurrentKek, KeyServiceError>;

    /// Wraps a data key of `kek` under the tenant's current KEK, for the same context.
    ///
    /// A stored key record names `kek`: it may only choose among the tenant's own KEKs.
    async fn rewrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<RewrappedDataKey, KeyServiceError>;
}

#[async_trait]
impl<S: RewrapService + ?Sized> RewrapService for Arc<S> {
    async fn current_kek(&self, tenant: &TenantId) -> Result<CurrentKek, KeyServiceError> {
        (**self).current_kek(tenant).await
    }

    async fn rewrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<RewrappedDataKey, KeyServiceError> {
        (**self).rewrap_data_key(tenant, context, kek, wrapped).await
    }
}

/// The KEK that a tenant's alias points to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CurrentKek {
    /// The KEK.
    pub kek: KekId,
    /// The id of the request that told it, as the service's own log shows it.
    pub request_id: Option<String>,
}

/// A data key that was wrapped anew.
#[derive(Debug)]
#[non_exhaustive]
pub struct RewrappedDataKey {
    /// The KEK that unwrapped it.
    pub former: KekId,
    /// The KEK that wrapped it.
    pub kek: KekId,
    /// Its new wrapped form.
    pub wrapped: WrappedDataKey,
    /// The id of the request that wrapped it, as the service's own log shows it.
    pub request_id: Option<String>,
}

impl CurrentKek {
    /// The KEK that a tenant's alias points to.
    pub fn new(kek: KekId, request_id: Option<String>) -> Self {
        Self { kek, request_id }
    }
}

impl RewrappedDataKey {
    /// A data key that `former` unwrapped and `kek` wrapped as `wrapped`.
    pub fn new(former: KekId, kek: KekId, wrapped: WrappedDataKey, request_id: Option<String>) -> Self {
        Self { former, kek, wrapped, request_id }
    }
}

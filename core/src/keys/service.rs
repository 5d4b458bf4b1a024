//! The seam to a key service, which makes and unwraps data keys.

mod error;
mod rewrap;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::context::EncryptionContext;
use crate::crypto::{DataKey, WrappedDataKey};
use crate::format::KekId;
use crate::tenant::TenantId;

pub use error::{KeyServiceError, KeyServiceErrorKind, MissingAlias};
pub use rewrap::{CurrentKek, RewrapService, RewrappedDataKey};

/// Makes and unwraps data keys under tenants' key-encryption keys (KEKs).
///
/// ```
/// use tenantseal_core::keys::{GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, UnwrappedDataKey};
/// use tenantseal_core::{EncryptionContext, KekId, TenantId, WrappedDataKey};
///
/// #[derive(Debug)]
/// struct Unreachable;
///
/// #[async_trait::async_trait]
/// impl KeyService for Unreachable {
///     async fn generate_data_key(
///         &self,
///         tenant: &TenantId,
///         _context: &EncryptionContext,
///     ) -> Result<GeneratedDataKey, KeyServiceError> {
///         // On success: `GeneratedDataKey::new(data_key, wrapped, kek)`.
///         Err(KeyServiceError::new(tenant, "GenerateDataKey", KeyServiceErrorKind::Unavailable))
///     }
///
///     async fn unwrap_data_key(
///         &self,
///         tenant: &TenantId,
///         _context: &EncryptionContext,
///         _kek: &KekId,
///         _wrapped: &WrappedDataKey,
///     ) -> Result<UnwrappedDataKey, KeyServiceError> {
///         // On success: `UnwrappedDataKey::new(data_key, kek)`.
///         Err(KeyServiceError::new(tenant, "Decrypt", KeyServiceErrorKind::Unavailable))
///     }
/// }
/// ```
///
/// An implementation does nothing else. The caller caches data keys, shares concurrent calls, retries, and checks that
/// a stored key record belongs to the key, the same way for every implementation.
#[async_trait]
pub trait KeyService: Debug + Send + Sync {
    /// Makes a data key and its wrapped form, both bound to `tenant` and `context`.
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError>;

    /// Unwraps a data key that was wrapped for `tenant` and `context`, with the tenant's current KEK.
    ///
    /// `kek` is the KEK that the stored key record names. It is not authenticated; the caller compares it with the KEK
    /// that answered. Return [`KeyServiceErrorKind::IncorrectKey`] when the current KEK is another one.
    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError>;

    /// Unwraps a data key that a former KEK of the tenant wrapped. The stored key record names `kek`. It is not
    /// authenticated: it may only choose among the tenant's own KEKs. Default:
    /// [`unwrap_data_key`](Self::unwrap_data_key).
    async fn unwrap_former_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        self.unwrap_data_key(tenant, context, kek, wrapped).await
    }

    /// Drops what the service caches for `tenant`, such as credentials. Default: nothing.
    async fn forget(&self, tenant: &TenantId) {
        let _ = tenant;
    }
}

#[async_trait]
impl<S: KeyService + ?Sized> KeyService for Arc<S> {
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        (**self).generate_data_key(tenant, context).await
    }

    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        (**self).unwrap_data_key(tenant, context, kek, wrapped).await
    }

    async fn unwrap_former_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        (**self).unwrap_former_data_key(tenant, context, kek, wrapped).await
    }

    async fn forget(&self, tenant: &TenantId) {
        (**self).forget(tenant).await;
    }
}

/// A new data key.
#[derive(Debug)]
#[non_exhaustive]
pub struct GeneratedDataKey {
    /// The data key.
    pub data_key: DataKey,
    /// Its wrapped form.
    pub wrapped: WrappedDataKey,
    /// The KEK that wrapped it.
    pub kek: KekId,
    /// The id of the request that made it, as the service's own log shows it.
    pub request_id: Option<String>,
}

/// An unwrapped data key.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnwrappedDataKey {
    /// The data key.
    pub data_key: DataKey,
    /// The KEK that unwrapped it.
    pub kek: KekId,
    /// The id of the request that unwrapped it, as the service's own log shows it.
    pub request_id: Option<String>,
}

impl GeneratedDataKey {
    /// A data key that `kek` wrapped as `wrapped`.
    pub fn new(data_key: DataKey, wrapped: WrappedDataKey, kek: KekId) -> Self {
        Self { data_key, wrapped, kek, request_id: None }
    }

    /// Adds the id of the request that made it.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.request_id = request_id;
        self
    }
}

impl UnwrappedDataKey {
    /// A data key that `kek` unwrapped.
    pub fn new(data_key: DataKey, kek: KekId) -> Self {
        Self { data_key, kek, request_id: None }
    }

    /// Adds the id of the request that unwrapped it.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.request_id = request_id;
        self
    }
}

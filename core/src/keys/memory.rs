//! A key service without AWS, for unit tests.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, UnwrappedDataKey};
use crate::context::EncryptionContext;
use crate::crypto::{DataKey, OsRandom, RandomSource, WrappedDataKey};
use crate::format::KekId;
use crate::tenant::TenantId;

/// A key service in memory, for unit tests that need no policies. **Whatever it sealed is lost with the process.**
///
/// A wrapped data key is a random handle. It unwraps only for the tenant and encryption context for which it was made.
/// To test tenant isolation itself use `tenantseal-local`, which evaluates the real policies.
#[derive(Default)]
pub struct InMemoryKeyService {
    keys: Mutex<HashMap<[u8; HANDLE], Held>>,
}

const HANDLE: usize = 32;

struct Held {
    tenant: TenantId,
    context: EncryptionContext,
    data_key: DataKey,
}

impl InMemoryKeyService {
    /// Creates an empty service.
    pub fn new() -> Self {
        Self::default()
    }

    fn kek() -> KekId {
        KekId::parse("arn:aws:kms:local:000000000000:key/00000000-0000-0000-0000-000000000000")
            .expect("it has the shape of a key ARN")
    }
}

#[async_trait]
impl KeyService for InMemoryKeyService {
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        let unavailable = |_| KeyServiceError::new(tenant, "GenerateDataKey", KeyServiceErrorKind::Unavailable);
        let mut handle = [0; HANDLE];
        OsRandom.fill(&mut handle).map_err(unavailable)?;
        let data_key = DataKey::try_from_fn(|bytes| OsRandom.fill(bytes)).map_err(unavailable)?;
        let copy = copy(&data_key);
        let held = Held { tenant: tenant.clone(), context: context.clone(), data_key };
        // A panic elsewhere cannot leave the map half-changed.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(handle, held);
        let wrapped = WrappedDataKey::new(handle).expect("32 bytes are at most 1,024");
        Ok(GeneratedDataKey::new(copy, wrapped, Self::kek()))
    }

    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        _kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let held = <[u8; HANDLE]>::try_from(wrapped.as_bytes()).ok().and_then(|handle| keys.get(&handle));
        match held {
            Some(held) if held.tenant == *tenant && held.context == *context => {
                Ok(UnwrappedDataKey::new(copy(&held.data_key), Self::kek()))
            }
            _ => Err(KeyServiceError::new(tenant, "Decrypt", KeyServiceErrorKind::InvalidCiphertext)),
        }
    }
}

/// `DataKey` is not `Clone`, so that no production code copies one. This service stores and returns the same key.
fn copy(data_key: &DataKey) -> DataKey {
    let Ok(copy) = DataKey::try_from_fn(|bytes| {
        bytes.copy_from_slice(data_key.expose());
        Ok::<_, std::convert::Infallible>(())
    });
    copy
}

impl fmt::Debug for InMemoryKeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InMemoryKeyService(..)")
    }
}

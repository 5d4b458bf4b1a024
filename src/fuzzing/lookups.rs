//! The cache of data keys alone, for the benchmark of its lookups and of its memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tenantseal_core::context::StaticPairs;
use tenantseal_core::envelope::Seals;
use tenantseal_core::envelope::{NeededKey, RecordPlace};
use tenantseal_core::format::StoredKey;
use tenantseal_core::keys::{DataKeys, DataKeysConfig, KeyService, Limits, Retries, TenantHandle, Terms};
use tenantseal_core::tenant::TenantId;
use tenantseal_core::time::SystemTimeSource;

use crate::error::Error;

/// The cache as an application has it unless configured otherwise, without anything around it.
pub struct Lookups(DataKeys);

impl Lookups {
    /// An empty one.
    pub fn new(service: Arc<dyn KeyService>) -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self(DataKeys::new(DataKeysConfig {
            service,
            time: Arc::new(SystemTimeSource),
            shared: None,
            contexts: vec![StaticPairs::default()],
            terms: Terms {
                rotation: minutes(24 * 60),
                revalidation: minutes(15),
                grace: minutes(15),
                seals: Seals::MOST,
            },
            onboarding: minutes(5),
            limits: Limits { data_keys: 200_000, data_keys_per_tenant: 1_000, calls: 256, calls_per_tenant: 8 },
            retries: Retries::default(),
        }))
    }

    /// What a handle of a tenant has.
    pub fn of(&self, tenant: &TenantId) -> TenantLookups {
        TenantLookups(self.0.of(tenant))
    }
}

/// One tenant's, in the hands of one who keeps a handle.
#[derive(Debug)]
pub struct TenantLookups(TenantHandle);

impl TenantLookups {
    /// Has a data key made, and gives its stored record.
    ///
    /// # Errors
    ///
    /// Those of the key service.
    pub async fn fill(&self) -> Result<Box<[u8]>, Error> {
        let key = self.0.sealing_key(None, RecordPlace::Item).await.map_err(Error::from)?;
        Ok(key.stored_record().into())
    }

    /// Looks up the key that seals; whether it is there.
    pub fn sealing(&self) -> bool {
        self.0.warm_sealing_key(RecordPlace::Item).is_some()
    }

    /// Looks up the key of a stored record; whether it is there.
    pub fn opening(&self, record: &[u8]) -> bool {
        let needed = NeededKey { attribute: String::new(), stored: StoredKey::Record(record.into()) };
        self.0.warm_opening_keys(vec![needed]).is_ok()
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookups(..)")
    }
}

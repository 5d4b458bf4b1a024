//! The cache of data keys alone, for the benchmark of its lookups and of its memory.

use std::fmt;
use std::sync::Arc;

use tenantseal_core::envelope::{KeyRecordPlacement, NeededKey};
use tenantseal_core::format::StoredKey;
use tenantseal_core::keys::{DataKeys, KeyService, Retries, Settings, TenantHandle};
use tenantseal_core::tenant::TenantId;
use tenantseal_core::time::SystemTimeSource;

use crate::error::Error;

/// The cache as an application has it unless configured otherwise, without anything around it.
pub struct Lookups(DataKeys);

impl Lookups {
    /// An empty one.
    pub fn new(service: Arc<dyn KeyService>) -> Self {
        let settings = Settings { capacity: Some(200_000), ..Settings::default() };
        let keys = settings.build(service, "", Arc::new(SystemTimeSource), Retries::default());
        Self(keys.expect("the settings are in range"))
    }

    /// What a handle of a tenant has.
    pub fn for_tenant(&self, tenant: &TenantId) -> TenantLookups {
        TenantLookups(self.0.for_tenant(tenant))
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
        let key = self.0.sealing_key(None, KeyRecordPlacement::Item).await.map_err(Error::from)?;
        Ok(key.stored_record().into())
    }

    /// Looks up the key that seals; whether it is there.
    pub fn sealing(&self) -> bool {
        self.0.warm_sealing_key(KeyRecordPlacement::Item).is_some()
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

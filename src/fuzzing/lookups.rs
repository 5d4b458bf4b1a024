//! The cache of data keys alone, for the benchmark of its lookups and of its memory.

use std::fmt;
use std::sync::Arc;

use tenantseal_core::envelope::{KeyRecordPlacement, NeededKey};
use tenantseal_core::format::{LookupDefinition, LookupKind, StoredKey};
use tenantseal_core::keys::{DataKeys, DeclaredLookup, KeyService, KeyTable, Retries, Settings, TenantHandle};
use tenantseal_core::tenant::TenantId;
use tenantseal_core::time::SystemTimeSource;

use crate::error::Error;

/// The table of the declared lookups.
const TABLE: &str = "crm";

/// The cache as an application has it unless configured otherwise, without anything around it.
pub struct Lookups(DataKeys);

impl Lookups {
    /// An empty one.
    pub fn new(service: Arc<dyn KeyService>) -> Self {
        Self::configured(service, Settings::default())
    }

    /// An empty one of an application that declares lookups of these attributes.
    pub fn declaring(service: Arc<dyn KeyService>, table: Arc<dyn KeyTable>, attributes: &[&str]) -> Self {
        let lookup = |name: &&str| DeclaredLookup {
            table: TABLE.to_owned(),
            name: (*name).to_owned(),
            number: 1,
            definition: LookupDefinition::new(LookupKind::Equality, 128, [(*name, "exact")]).expect("a valid one"),
        };
        let lookups = attributes.iter().map(lookup).collect();
        Self::configured(service, Settings { key_table: Some(table), lookups, ..Settings::default() })
    }

    fn configured(service: Arc<dyn KeyService>, settings: Settings) -> Self {
        let settings = Settings { capacity: Some(400_000), ..settings };
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

    /// Has a token made of this attribute's lookup, so that its key stays in memory.
    ///
    /// # Errors
    ///
    /// Those of the key service and the key table.
    pub async fn use_lookup(&self, attribute: &str) -> Result<Option<String>, Error> {
        let keys = self.0.lookup_keys(&[1]).await.map_err(Error::from)?;
        Ok(keys.mac_key(TABLE, attribute).map(|key| key.token(&["acme"], &[b"\x01ada"])))
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

//! The handle on all tenants: what every operation shares.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::TenantId;
use tenantseal_core::time::SharedTimeSource;
use tenantseal_kms::Tenancy;

use super::admin::Admin;
use super::begun::Begun;
use super::entry::{Entry, Timestamp};
use super::error::Error;
use super::fence::Fence;
use super::probe::Probe;
use super::registry::Registry;
use super::settings::Settings;

/// The key team's handle on all tenants. Cheap to clone. Share one handle, so that all its work together stays below
/// KMS's rates.
#[derive(Clone)]
pub struct Tenants(Arc<Shared>);

pub(super) struct Shared {
    pub(super) tenancy: Tenancy,
    pub(super) registry: Arc<dyn Registry>,
    pub(super) admin: Admin,
    pub(super) probe: Option<Probe>,
    pub(super) region: String,
    pub(super) settings: Settings,
    pub(super) time: SharedTimeSource,
    pub(super) sleep: SharedAsyncSleep,
    /// Account and ARN of the credentials, once fetched.
    pub(super) identity: OnceLock<(String, String)>,
}

impl Tenants {
    pub(super) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// The role, the aliases and the policies.
    pub fn tenancy(&self) -> &Tenancy {
        &self.0.tenancy
    }

    /// The Region in which keys are created.
    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// The registry.
    pub fn registry(&self) -> &dyn Registry {
        &*self.0.registry
    }

    pub(super) fn admin(&self) -> &Admin {
        &self.0.admin
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn time(&self) -> &SharedTimeSource {
        &self.0.time
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.0.sleep.sleep(duration).await;
    }

    /// Refuses credentials of another account: a key created with them would belong there.
    pub(super) async fn check_account(&self) -> Result<(), Error> {
        let (actual, _) = self.identity().await?;
        let expected = self.tenancy().role().account();
        if actual == expected {
            return Ok(());
        }
        Err(Error::WrongAccount { expected: expected.to_owned(), actual: actual.to_owned() })
    }

    /// Who the registry names as the writer.
    pub(super) async fn operator(&self) -> Result<String, Error> {
        match &self.settings().operator {
            Some(name) => Ok(name.clone()),
            None => Ok(self.identity().await?.1.clone()),
        }
    }

    async fn identity(&self) -> Result<&(String, String), Error> {
        if let Some(identity) = self.0.identity.get() {
            return Ok(identity);
        }
        let identity = self.admin().identity().await?;
        Ok(self.0.identity.get_or_init(|| identity))
    }

    /// The entry of a tenant that must exist.
    pub(super) async fn entry(&self, tenant: &TenantId) -> Result<Entry, Error> {
        self.find_entry(tenant).await?.ok_or_else(|| Error::UnknownTenant(tenant.clone()))
    }

    /// The entry of a tenant, if there is one.
    pub(super) async fn find_entry(&self, tenant: &TenantId) -> Result<Option<Entry>, Error> {
        Ok(self.registry().entry_of(tenant).await?)
    }

    /// For the steps of an operation.
    pub(super) fn fence<'a>(&'a self, begun: &'a Begun) -> Fence<'a> {
        Fence::for_operation(self.registry(), self.time(), begun)
    }

    /// For the deletion of a KEK that no run has written down.
    pub(super) fn surplus_fence<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyArn) -> Fence<'a> {
        Fence::for_surplus(self.registry(), self.time(), tenant, key)
    }

    pub(super) fn probe(&self) -> Option<&Probe> {
        self.0.probe.as_ref()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.time().now().into()
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { tenancy, region, .. } = &*self.0;
        f.debug_struct("Tenants").field("role", tenancy.role()).field("region", region).finish_non_exhaustive()
    }
}

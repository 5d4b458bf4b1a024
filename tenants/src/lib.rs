//! Tenants' keys from onboarding to offboarding: what the key team runs, in the key account.
//!
//! Every operation writes down what it is about to do before it does it, and can be run again at any time: killed after any request, the
//! next run goes on from there and ends in the same state, with no key left over. Several operators may run the same operation at once.
//!
//! ```no_run
//! # async fn example(config: aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use tenantseal::keys::{RoleArn, Tenancy};
//! use tenantseal_tenants::{DynamoDbRegistry, Tenants};
//! use tenantseal::{AliasTemplate, TenantId};
//!
//! let tenancy = Tenancy::new(RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys")?, AliasTemplate::default());
//! let registry = DynamoDbRegistry::new(&config, "tenants");
//! let tenants = Tenants::builder(tenancy, Arc::new(registry)).build(&config)?;
//!
//! let acme = TenantId::parse("acme")?;
//! let entry = tenants.onboard(&acme).await?;
//! let rotated = tenants.rotate(&acme).on_demand().await?;
//! println!("{} is {}; {}", entry.tenant, entry.state, rotated.cost);
//! let report = tenants.offboard(&acme).window_days(30).await?;
//! # Ok(())
//! # }
//! ```

mod admin;
mod aws_error;
mod begun;
mod builder;
mod cost;
mod entry;
mod error;
mod fence;
mod kek;
mod new_kek;
mod offboard;
mod onboard;
mod pace;
mod pool;
mod probe;
mod reconcile;
mod region_results;
mod registry;
mod rotate;
mod show;
mod state;
mod steps;
mod suspend;
mod verify;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use futures_util::stream::{self, Stream, StreamExt};
use tenantseal_core::time::SharedTimeSource;

pub use aws_error::AwsError;
pub use builder::{InvalidSetting, TenantsBuilder};
pub use cost::MonthlyCost;
pub use entry::{Entry, Generation, OperationId, Pending, Tier, Timestamp};
pub use error::Error;
pub use offboard::{DeletedKey, Offboard, Offboarded};
pub use onboard::Onboard;
pub use pool::POOL_SIZE;
pub use registry::{DynamoDbRegistry, InMemoryRegistry, Page, Registry, RegistryError};
pub use rotate::{Rekey, Rotate, Rotated};
pub use show::{KeyDetails, Shown};
pub use state::{IllegalTransition, Operation, State};

use admin::Admin;
use builder::Settings;
use probe::Probe;
use tenantseal_core::tenant::TenantId;
use tenantseal_kms::Tenancy;

/// How many onboardings of [`Tenants::onboard_many`] are under way at once. KMS's rate for new keys is the bound, not this.
const AT_ONCE: usize = 8;

/// The key team's handle on all tenants. Cheap to clone; share one, so that all its work together keeps KMS's rates.
#[derive(Clone)]
pub struct Tenants(Arc<Shared>);

struct Shared {
    tenancy: Tenancy,
    registry: Arc<dyn Registry>,
    admin: Admin,
    probe: Option<Probe>,
    region: String,
    settings: Settings,
    time: SharedTimeSource,
    sleep: SharedAsyncSleep,
    /// Account and ARN of the credentials, once asked.
    identity: OnceLock<(String, String)>,
}

impl Tenants {
    /// Starts the configuration: the role and the aliases of all tenants, and where they are written down.
    pub fn builder(tenancy: Tenancy, registry: Arc<dyn Registry>) -> TenantsBuilder {
        TenantsBuilder::new(tenancy, registry)
    }

    /// Gives a tenant its key: CreateKey with the tenant's key policy, aliases, automatic rotation, an entry in the registry. A tenant that
    /// has all that is left as it is.
    pub fn onboard(&self, tenant: &TenantId) -> Onboard<'_> {
        Onboard::new(self, tenant)
    }

    /// Onboards many tenants, with keys of their own, at the rate that KMS allows; gives each as it is done, in any order. A failure
    /// concerns its own tenant alone.
    pub fn onboard_many<I>(&self, tenants: I) -> impl Stream<Item = (TenantId, Result<Entry, Error>)> + '_
    where
        I: IntoIterator<Item = TenantId>,
        I::IntoIter: 'static,
    {
        let one = move |tenant: TenantId| async move {
            let result = self.onboard(&tenant).await;
            (tenant, result)
        };
        stream::iter(tenants).map(one).buffer_unordered(AT_ONCE)
    }

    /// Gives a tenant's key new material, or the tenant a new key.
    pub fn rotate(&self, tenant: &TenantId) -> Rotate<'_> {
        Rotate::new(self, tenant)
    }

    /// Moves a tenant from its own key to that of a pool, or to a new one of its own. What the former key sealed opens as before.
    pub fn move_to(&self, tenant: &TenantId, tier: Tier) -> Rekey<'_> {
        Rekey::new(self, tenant, tier)
    }

    /// Ends a tenant: its keys are disabled and, after a while in which that can be cancelled, deleted.
    pub fn offboard(&self, tenant: &TenantId) -> Offboard<'_> {
        Offboard::new(self, tenant)
    }

    /// Whether an operation would be allowed now. Changes nothing; gives the entry as it is.
    ///
    /// # Errors
    ///
    /// The error that the operation would begin with.
    pub async fn check(&self, tenant: &TenantId, operation: Operation) -> Result<Option<Entry>, Error> {
        self.check_account().await?;
        match self.known(tenant).await? {
            None if operation == Operation::Onboard => Ok(None),
            None => Err(Error::Unknown(tenant.clone())),
            Some(entry) => entry.check(operation).map(|()| Some(entry)),
        }
    }

    /// Up to `limit` entries in the order of their tenants' ids, those after `after`.
    ///
    /// # Errors
    ///
    /// [`Error::Registry`].
    pub async fn list(&self, after: Option<&TenantId>, limit: u32) -> Result<Page, Error> {
        Ok(self.registry().list(after, limit).await?)
    }

    /// Every version of a tenant's entry, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when there is none.
    pub async fn history(&self, tenant: &TenantId) -> Result<Vec<Entry>, Error> {
        let history = self.registry().history(tenant).await?;
        if history.is_empty() { Err(Error::Unknown(tenant.clone())) } else { Ok(history) }
    }

    /// The role, the aliases and the policies.
    pub fn tenancy(&self) -> &Tenancy {
        &self.0.tenancy
    }

    /// The Region in which keys are created.
    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// Where the tenants are written down.
    pub fn registry(&self) -> &dyn Registry {
        &*self.0.registry
    }

    fn admin(&self) -> &Admin {
        &self.0.admin
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn time(&self) -> &SharedTimeSource {
        &self.0.time
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep.sleep(duration).await;
    }

    /// Refuses credentials of another account: a key that they create would belong there.
    async fn check_account(&self) -> Result<(), Error> {
        let (actual, _) = self.identity().await?;
        let expected = self.tenancy().role().account();
        if actual == expected {
            return Ok(());
        }
        Err(Error::WrongAccount { expected: expected.to_owned(), actual: actual.to_owned() })
    }

    /// Who is written down.
    async fn operator(&self) -> Result<String, Error> {
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
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { tenancy, region, .. } = &*self.0;
        f.debug_struct("Tenants").field("role", tenancy.role()).field("region", region).finish_non_exhaustive()
    }
}

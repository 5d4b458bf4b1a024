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

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, default_async_sleep};
use aws_types::SdkConfig;
use futures_util::stream::{self, Stream, StreamExt};
use tenantseal_core::time::SharedTimeSource;

pub use cost::MonthlyCost;
pub use entry::{Entry, Generation, OperationId, Pending, Tier, Timestamp};
pub use error::{AwsError, Error};
pub use offboard::{DeletedKey, Offboard, Offboarded};
pub use onboard::Onboard;
pub use pool::POOL_SIZE;
pub use registry::{DynamoDbRegistry, InMemoryRegistry, Page, Registry, RegistryError};
pub use rotate::{Rekey, Rotate, Rotated};
pub use show::{KeyDetails, Shown};
pub use state::{IllegalTransition, Operation, State};

use admin::Admin;
use probe::Probe;
use tenantseal_core::keys::KeyServiceErrorKind;
use tenantseal_core::tenant::TenantId;
use tenantseal_kms::Tenancy;

/// How many onboardings of [`Tenants::onboard_many`] are under way at once. KMS's rate for new keys is the bound, not this.
const AT_ONCE: usize = 8;

/// The key team's handle on all tenants. Cheap to clone; share one, so that all its work together keeps KMS's rates.
#[derive(Clone)]
pub struct Tenants(Arc<Inner>);

struct Inner {
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

/// What can be set with the builder.
#[derive(Debug, Clone)]
struct Settings {
    rotation_days: u32,
    tags: Vec<(String, String)>,
    operator: Option<String>,
    grace: Duration,
    settle: Duration,
    poll: Duration,
    pace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rotation_days: 365,
            tags: Vec::new(),
            operator: None,
            // KMS developer guide, "Controlling access with aliases": changes take up to five minutes to affect authorization.
            grace: Duration::from_secs(300),
            // Longer than a CreateKey may take, and than KMS needs until it lists the key.
            settle: Duration::from_secs(90),
            poll: Duration::from_secs(2),
            pace: Duration::from_millis(250),
        }
    }
}

/// Configures [`Tenants`]. Nothing is checked before [`TenantsBuilder::build`].
#[derive(Debug)]
#[must_use = "nothing is configured before `build`"]
pub struct TenantsBuilder {
    tenancy: Tenancy,
    registry: Arc<dyn Registry>,
    probe: Option<SdkConfig>,
    settings: Settings,
}

impl TenantsBuilder {
    /// The configuration of a service that may assume the role. With it, an operation that changes aliases ends when the tenant's own
    /// session is let through (`DryRun`); without it, changes of keys wait the whole grace period, and onboarding does not wait.
    pub fn probe(mut self, service: &SdkConfig) -> Self {
        self.probe = Some(service.clone());
        self
    }

    /// How often KMS rotates new keys by itself: every 365 days unless configured, 90 to 2,560.
    pub fn rotation_days(mut self, days: u32) -> Self {
        self.settings.rotation_days = days;
        self
    }

    /// Adds a tag to every new key, besides the tenant's own.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.tags.push((key.into(), value.into()));
        self
    }

    /// Who is written down as having done it; the ARN of the credentials unless configured.
    pub fn operator(mut self, name: impl Into<String>) -> Self {
        self.settings.operator = Some(name.into());
        self
    }

    /// How long an alias may take to affect authorization: five minutes unless configured.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// How long after an interrupted CreateKey its key is looked for: 90 seconds unless configured. It must be longer than a CreateKey
    /// takes, and than KMS takes to list the key.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settings.settle = settle;
        self
    }

    /// How often it is looked whether something that is waited for has happened: every two seconds unless configured.
    pub fn poll(mut self, every: Duration) -> Self {
        self.settings.poll = every;
        self
    }

    /// The time between two CreateKey, two CreateAlias or two UpdateAlias: 250 ms unless configured. KMS allows five a second.
    pub fn pace(mut self, interval: Duration) -> Self {
        self.settings.pace = interval;
        self
    }

    /// Checks the configuration. `config` has an administrator's credentials of the key account, and the Region of its keys.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names what is missing.
    pub fn build(self, config: &SdkConfig) -> Result<Tenants, InvalidSetting> {
        let Self { tenancy, registry, probe, settings } = self;
        if !(90..=2560).contains(&settings.rotation_days) {
            return Err(InvalidSetting::RotationPeriod(settings.rotation_days));
        }
        let region = config.region().ok_or(InvalidSetting::NoRegion)?.to_string();
        let sleep = config.sleep_impl().or_else(default_async_sleep).ok_or(InvalidSetting::NoSleep)?;
        let probe = probe.map(|service| Probe::new(&service, tenancy.clone(), &region));
        Ok(Tenants(Arc::new(Inner {
            admin: Admin::new(config, sleep.clone(), settings.pace),
            tenancy,
            registry,
            probe,
            region,
            time: tenantseal_kms::config::time(config),
            sleep,
            settings,
            identity: OnceLock::new(),
        })))
    }
}

/// Why [`Tenants`] could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSetting {
    /// The SDK's configuration has no Region.
    #[error("the SDK configuration has no Region: set the one of the tenants' keys")]
    NoRegion,
    /// The SDK's configuration cannot wait.
    #[error("the SDK configuration has no sleep implementation: load it with `aws_config`, or set one")]
    NoSleep,
    /// The rotation period is out of bounds.
    #[error("KMS rotates a key every 90 to 2,560 days, not {0}")]
    RotationPeriod(u32),
}

impl Tenants {
    /// Starts the configuration: the role and the aliases of all tenants, and where they are written down.
    pub fn builder(tenancy: Tenancy, registry: Arc<dyn Registry>) -> TenantsBuilder {
        TenantsBuilder { tenancy, registry, probe: None, settings: Settings::default() }
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

    /// The entry, once the tenant's own session is let through by its alias, if that can be asked.
    async fn effective(&self, entry: Entry) -> Result<Entry, Error> {
        if self.0.probe.is_some() && entry.state == State::Active {
            self.settled_alias(&entry.tenant, self.tenancy().alias(&entry.tenant).as_str()).await?;
        }
        Ok(entry)
    }

    /// Waits until an alias affects authorization: until the tenant's session is let through, or, when that cannot be asked, as long as
    /// it may take.
    async fn settled_alias(&self, tenant: &TenantId, alias: &str) -> Result<(), Error> {
        let Settings { grace, poll, .. } = *self.settings();
        let Some(probe) = &self.0.probe else {
            self.sleep(grace).await;
            return Ok(());
        };
        let mut waited = Duration::ZERO;
        loop {
            let Err(last) = probe.ask(tenant, alias).await else { return Ok(()) };
            let passing = match last.kind() {
                // Whom STS refuses the role, no alias helps.
                KeyServiceErrorKind::Denied => !last.is_of_session(),
                KeyServiceErrorKind::NotFound | KeyServiceErrorKind::Unavailable => true,
                _ => false,
            };
            if !passing || waited >= grace {
                return Err(Error::NotEffective { alias: alias.to_owned(), waited, last });
            }
            self.sleep(poll).await;
            waited += poll;
        }
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { tenancy, region, .. } = &*self.0;
        f.debug_struct("Tenants").field("role", tenancy.role()).field("region", region).finish_non_exhaustive()
    }
}

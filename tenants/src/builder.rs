//! The configuration of [`Tenants`].

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_async::rt::sleep::default_async_sleep;
use aws_types::SdkConfig;
use tenantseal_kms::Tenancy;

use super::admin::Admin;
use super::handle::{Shared, Tenants};
use super::probe::Probe;
use super::registry::Registry;
use super::settings::Settings;

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
    pub(super) fn new(tenancy: Tenancy, registry: Arc<dyn Registry>) -> Self {
        Self { tenancy, registry, probe: None, settings: Settings::default() }
    }

    /// The SDK configuration of a service that may assume the role. With it, an operation that changes aliases ends
    /// when KMS accepts the tenant's own session (`DryRun`). Without it, a change of keys waits the whole grace period,
    /// and onboarding does not wait.
    pub fn probe(mut self, service: &SdkConfig) -> Self {
        self.probe = Some(service.clone());
        self
    }

    /// Days between automatic rotations of new keys: 90 to 2,560. Default: 365.
    pub fn rotation_days(mut self, days: u32) -> Self {
        self.settings.rotation_days = days;
        self
    }

    /// Adds a tag to every new key, besides the tenant's own.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.tags.push((key.into(), value.into()));
        self
    }

    /// The operator's name in the registry. Default: the ARN of the credentials.
    pub fn operator(mut self, name: impl Into<String>) -> Self {
        self.settings.operator = Some(name.into());
        self
    }

    /// How long an alias may take to affect authorization. Default: 5 minutes.
    pub fn alias_grace_period(mut self, grace: Duration) -> Self {
        self.settings.alias_grace_period = grace;
        self
    }

    /// How long after an interrupted CreateKey another run waits before it looks for that key. Default: 90 s. It must
    /// be longer than a CreateKey takes, and than KMS takes to list the key.
    pub fn create_key_grace_period(mut self, settle: Duration) -> Self {
        self.settings.create_key_grace_period = settle;
        self
    }

    /// Polling interval of every wait. Default: 2 s.
    pub fn poll_interval(mut self, every: Duration) -> Self {
        self.settings.poll_interval = every;
        self
    }

    /// Minimum time between 2 CreateKey, 2 CreateAlias or 2 UpdateAlias calls. Default: 250 ms. KMS allows 5 a second.
    pub fn request_interval(mut self, interval: Duration) -> Self {
        self.settings.request_interval = interval;
        self
    }

    /// Checks the configuration. `config` holds an administrator's credentials of the key account, and the Region in
    /// which keys are created.
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
        Ok(Tenants::new(Shared {
            admin: Admin::new(config, sleep.clone(), settings.request_interval),
            tenancy,
            registry,
            probe,
            region,
            time: tenantseal_kms::config::time(config),
            sleep,
            settings,
            identity: OnceLock::new(),
        }))
    }
}

/// Why [`Tenants`] could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSetting {
    /// The SDK's configuration has no Region.
    #[error("the SDK configuration has no Region: set the one of the tenants' keys")]
    NoRegion,
    /// The SDK's configuration has no sleep implementation.
    #[error("the SDK configuration has no sleep implementation: load it with `aws_config`, or set one")]
    NoSleep,
    /// The rotation period is out of bounds.
    #[error("KMS rotates a key every 90 to 2,560 days, not {0}")]
    RotationPeriod(u32),
}

impl Tenants {
    /// Starts the configuration: the role and the aliases of all tenants, and their registry.
    pub fn builder(tenancy: Tenancy, registry: Arc<dyn Registry>) -> TenantsBuilder {
        TenantsBuilder::new(tenancy, registry)
    }
}

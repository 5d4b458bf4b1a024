//! The builder: setters never fail, `build` checks everything once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Shared, Vault};
use crate::audit::AuditSink;
use crate::keys::{InvalidSettings, KeyService, KeyTable, Retries, Settings};
use crate::time::SystemTimeSource;
use crate::trail::Audit;

/// Configures a [`Vault`]. Nothing is checked before [`VaultBuilder::build`].
#[must_use = "nothing is configured before `build`"]
pub struct VaultBuilder {
    service: Arc<dyn KeyService>,
    settings: Settings,
    region: String,
    audit: Option<Arc<dyn AuditSink>>,
}

impl VaultBuilder {
    pub(super) fn new(service: Arc<dyn KeyService>) -> Self {
        Self { service, settings: Settings::default(), region: String::new(), audit: None }
    }

    /// Adds a static pair to the encryption context, for example `env` and `prod`. The key service logs it: put no
    /// secret into it.
    pub fn context(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.pairs.push((name.into(), value.into()));
        self
    }

    /// Names static pairs that were configured before: values sealed with them still open, new values do not use them.
    pub fn former_context<N: Into<String>, V: Into<String>>(mut self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        self.settings.former.push(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        self
    }

    /// How long one data key seals new values. Default: 24 h; at most 48 h.
    pub fn data_key_rotation(mut self, period: Duration) -> Self {
        self.settings.rotation = Some(period);
        self
    }

    /// How long a data key is used before the key service must allow it again. Default: 15 min.
    ///
    /// Together with [`outage_grace`](Self::outage_grace) this bounds how long a revoked tenant's values stay readable
    /// in a running process. The sum is at most 24 h.
    pub fn data_key_revalidation(mut self, period: Duration) -> Self {
        self.settings.revalidation = Some(period);
        self
    }

    /// How much longer data keys are used while the key service is throttling or unavailable. Default: 15 min.
    pub fn outage_grace(mut self, grace: Duration) -> Self {
        self.settings.grace = Some(grace);
        self
    }

    /// The most data keys cached. Default: 100,000. The least recently used tenants are evicted first.
    pub fn data_key_capacity(mut self, keys: u64) -> Self {
        self.settings.capacity = Some(keys);
        self
    }

    /// The most data keys cached for one tenant. Default: 1,000.
    pub fn data_keys_per_tenant(mut self, keys: usize) -> Self {
        self.settings.share = Some(keys);
        self
    }

    /// Shares data keys with every process that uses this table: one new data key per tenant and rotation period,
    /// instead of one per process. `region` is the Region of the key service: data keys of one Region may not open in
    /// another.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tenantseal_core::Vault;
    /// use tenantseal_core::keys::{InMemoryKeyService, InMemoryKeyTable};
    ///
    /// let table = Arc::new(InMemoryKeyTable::new()); // in production: `tenantseal_kms::DynamoDbKeyTable`
    /// let vault = Vault::builder(InMemoryKeyService::new()).key_table(table, "eu-central-1").build()?;
    /// # Ok::<(), tenantseal_core::keys::InvalidSettings>(())
    /// ```
    pub fn key_table(mut self, table: impl KeyTable + 'static, region: impl Into<String>) -> Self {
        self.settings.key_table = Some(Arc::new(table));
        self.region = region.into();
        self
    }

    /// Calls `sink` for every use of a data key, of cached keys too, before the key seals or opens anything.
    pub fn audit(mut self, sink: impl AuditSink + 'static) -> Self {
        self.audit = Some(Arc::new(sink));
        self
    }

    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`] names the setting that is out of range.
    pub fn build(self) -> Result<Vault, InvalidSettings> {
        let Self { service, settings, region, audit } = self;
        let time = Arc::new(SystemTimeSource);
        let keys = settings.build(service, &region, time.clone(), Retries::default())?;
        Ok(Vault(Arc::new(Shared { keys, audit: Arc::new(Audit::new(audit, time)) })))
    }
}

impl fmt::Debug for VaultBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultBuilder(..)")
    }
}

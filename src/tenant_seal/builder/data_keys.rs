//! Setters: how long data keys are used, and how many the cache holds.

use std::time::Duration;

use super::TenantSealBuilder;

impl TenantSealBuilder {
    /// How long one data key seals new items. Default: 1 day. Maximum: 2 days.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.data_key_rotation(Duration::from_secs(12 * 60 * 60));
    /// ```
    pub fn data_key_rotation(mut self, period: Duration) -> Self {
        self.settings.rotation = Some(period);
        self
    }

    /// How long a data key is used before KMS is asked again whether the tenant still allows it. Default: 15 minutes.
    ///
    /// This period and [`outage_grace`](Self::outage_grace) together bound how long a revoked tenant's items stay readable in
    /// a running process. Together they are at most 1 day.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.data_key_revalidation(Duration::from_secs(5 * 60));
    /// ```
    pub fn data_key_revalidation(mut self, period: Duration) -> Self {
        self.settings.revalidation = Some(period);
        self
    }

    /// How much longer data keys are used while KMS throttles or is unavailable. Default: 15 minutes. Zero is allowed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.outage_grace(Duration::ZERO);
    /// ```
    pub fn outage_grace(mut self, grace: Duration) -> Self {
        self.settings.grace = Some(grace);
        self
    }

    /// How long errors of a tenant whose alias has never worked in this process stay retryable. Default: 5 minutes, because a
    /// new alias takes that long. Afterwards AccessDenied and NotFound are final.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.onboarding_grace(Duration::from_secs(60));
    /// ```
    pub fn onboarding_grace(mut self, grace: Duration) -> Self {
        self.settings.onboarding = Some(grace);
        self
    }

    /// How many data keys the cache holds. Default: 100,000. It evicts the least recently used tenants first.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.data_key_capacity(10_000);
    /// ```
    pub fn data_key_capacity(mut self, keys: u64) -> Self {
        self.settings.capacity = Some(keys);
        self
    }

    /// How many data keys the cache holds for one tenant. Default: 1,000. It evicts the tenant's least recently used first.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.data_keys_per_tenant(100);
    /// ```
    pub fn data_keys_per_tenant(mut self, keys: usize) -> Self {
        self.settings.share = Some(keys);
        self
    }

    /// How many calls to KMS and STS may be in flight. Default: 256.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.key_calls_in_flight(64);
    /// ```
    pub fn key_calls_in_flight(mut self, calls: usize) -> Self {
        self.settings.calls = Some(calls);
        self
    }

    /// How many of these calls may be for one tenant. Default: 8.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.key_calls_per_tenant(4);
    /// ```
    pub fn key_calls_per_tenant(mut self, calls: usize) -> Self {
        self.settings.calls_per_tenant = Some(calls);
        self
    }

    /// Never makes a tenant's lookup key: where the key table has none, look-ups and writes of attributes with lookups
    /// fail with [`NoLookupKey`](tenantseal_core::keys::KeyTableErrorKind::NoLookupKey).
    ///
    /// Set it in all Regions but one of a replicated key table, where two processes could make a key each. Set it, too,
    /// where a lost entry shall be noticed before a new lookup key hides it.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.makes_no_lookup_keys();
    /// ```
    pub fn makes_no_lookup_keys(mut self) -> Self {
        self.settings.makes_no_lookup_keys = true;
        self
    }
}

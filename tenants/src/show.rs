//! A tenant's entry, beside what KMS says of its KEKs.

use aws_sdk_kms::types::KeyState;
use serde::Serialize;
use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::TenantId;

use super::entry::{Entry, Timestamp, is_region};
use super::kek::{KekOwner, is_pending_deletion};
use super::{Error, Operation, Page, Tenants};

/// A tenant and its KEKs. Serializes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TenantDetails {
    /// The registry's entry.
    pub entry: Entry,
    /// Its KEKs in all their Regions, by generation.
    pub keys: Vec<KekDetails>,
}

/// What KMS says of one KEK in one Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KekDetails {
    /// The generation of the KEK, from 1.
    pub generation: u32,
    /// The KEK.
    pub key: KeyArn,
    /// The Region of this copy.
    pub region: String,
    /// Whether the entry lists this Region.
    pub listed: bool,
    /// Why KMS gave no answer there. Then nothing is known of this copy; it need not be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Whether KMS confirms that the tenant or its pool owns it; `None` for a KEK that is gone.
    pub is_tenants: Option<bool>,
    /// Its state as KMS writes it, such as `Enabled`; `None` when KMS has no such key.
    pub state: Option<String>,
    /// When KMS deletes it, if its deletion is scheduled.
    pub deletion: Option<Timestamp>,
    /// The tenant's aliases on it.
    pub aliases: Vec<String>,
    /// Days between automatic rotations, if rotation is on.
    pub rotation_days: Option<u32>,
    /// How often KMS has rotated it.
    pub rotations: Option<u32>,
    /// Whether it has the policy that this library generates; `None` for a KEK that is gone.
    pub policy_is_ours: Option<bool>,
}

impl KekDetails {
    /// A KEK of which nothing has been read.
    fn unread(generation: u32, key: &KeyArn, region: &str) -> Self {
        Self {
            generation,
            key: key.clone(),
            region: region.to_owned(),
            listed: true,
            unknown: None,
            is_tenants: None,
            state: None,
            deletion: None,
            aliases: Vec::new(),
            rotation_days: None,
            rotations: None,
            policy_is_ours: None,
        }
    }
}

impl Tenants {
    /// Checks whether an operation may begin now. Changes nothing; returns the current entry.
    ///
    /// # Errors
    ///
    /// The error with which the operation would begin.
    pub async fn check(&self, tenant: &TenantId, operation: Operation) -> Result<Option<Entry>, Error> {
        self.check_account().await?;
        match self.find_entry(tenant).await? {
            None if operation == Operation::Onboard => Ok(None),
            None => Err(Error::UnknownTenant(tenant.clone())),
            Some(entry) => {
                entry.check(operation)?;
                entry.check_tier(operation)?;
                Ok(Some(entry))
            }
        }
    }

    /// Lists up to `limit` entries after `after`, in the order of tenant ids.
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
    /// [`Error::UnknownTenant`] when there is none.
    pub async fn history(&self, tenant: &TenantId) -> Result<Vec<Entry>, Error> {
        let history = self.registry().history(tenant).await?;
        if history.is_empty() { Err(Error::UnknownTenant(tenant.clone())) } else { Ok(history) }
    }

    /// A tenant, and what KMS says of its KEKs. Changes nothing. A Region that fails is reported, and does not hide the
    /// others.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTenant`], the registry's errors, or credentials that KMS does not know or refuses everywhere.
    pub async fn show(&self, tenant: &TenantId) -> Result<TenantDetails, Error> {
        let entry = self.entry(tenant).await?;
        let (mut keys, mut denied) = (Vec::new(), None);
        for generation in &entry.generations {
            let shared = generation.pool.is_some() || entry.tier == super::Tier::Pool;
            let owner = match &generation.pool {
                Some(pool) => KekOwner::Pool(pool),
                None => KekOwner::TenantOrPool(tenant),
            };
            let (regions, is_tenants, out) = match self.find_kek(owner, &generation.key, &entry.regions).await {
                Ok(kek) if kek.copies().is_empty() => (Vec::new(), None, kek.failed_regions),
                Ok(kek) => (kek.regions().iter().cloned().collect(), Some(true), kek.failed_regions),
                Err(Error::ForeignKek { .. }) => (Vec::new(), Some(false), Vec::new()),
                Err(error) if error.concerns_all_regions() => return Err(error),
                Err(_) => Default::default(),
            };
            let shared_regions = generation.pool.is_some();
            let further = regions.iter().filter(|region| !shared_regions && !entry.regions.contains(region));
            for region in entry.regions.iter().filter(|region| is_region(region)).chain(further) {
                let mut details = KekDetails::unread(generation.number, &generation.key, region);
                let read = match out.iter().find(|(out, _)| out == region) {
                    Some((_, error)) => Err(error.clone()),
                    None => self.read_details(&mut details, tenant, shared).await,
                };
                details.unknown = match read {
                    Ok(()) => None,
                    // Missing credentials fail in every Region.
                    Err(Error::Aws(error)) if error.lacks_credentials() => return Err(error.into()),
                    Err(error) => {
                        let why = error.to_string();
                        denied = denied
                            .or(Some(error).filter(|error| matches!(error, Error::Aws(error) if error.is_denied())));
                        Some(why)
                    }
                };
                details.listed = entry.regions.contains(region);
                details.is_tenants = is_tenants.filter(|_| details.state.is_some());
                keys.push(details);
            }
        }
        match denied {
            // A caller that every Region refuses lacks the permission.
            Some(denied) if keys.iter().all(|key| key.state.is_none()) => Err(denied),
            _ => Ok(TenantDetails { entry, keys }),
        }
    }

    async fn read_details(&self, details: &mut KekDetails, tenant: &TenantId, shared: bool) -> Result<(), Error> {
        let admin = self.admin();
        let (key, region) = (&details.key, details.region.as_str());
        let known = match admin.describe(region, key.key_id()).await {
            Ok(known) => known,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        details.state = known.key_state.as_ref().map(|state: &KeyState| state.to_string());
        details.deletion = known.deletion_date.map(Timestamp::from);
        let own = self.tenancy().alias(tenant);
        let below = format!("{own}/");
        let aliases = admin.aliases_of(region, key).await?;
        details.aliases =
            aliases.into_iter().filter(|alias| alias == own.as_str() || alias.starts_with(&below)).collect();
        if !is_pending_deletion(&known) {
            details.rotation_days = admin.rotation_period(region, key).await?;
        }
        if region == key.region() {
            details.rotations = Some(admin.rotations(key).await?);
        }
        let policy = if shared { self.tenancy().shared_key_policy()? } else { self.tenancy().key_policy(tenant)? };
        details.policy_is_ours = Some(policy.is_same(&admin.key_policy(region, key).await?));
        Ok(())
    }

    /// Restores the generated policy on every KEK of the tenant: after an upgrade, or after someone has changed it.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTenant`], or what KMS refused.
    pub async fn restore_policies(&self, tenant: &TenantId) -> Result<(), Error> {
        self.check_account().await?;
        let entry = self.entry(tenant).await?;
        let (owner, policy) = match entry.tier {
            super::Tier::Pool => (KekOwner::Pool(tenant), self.tenancy().shared_key_policy()?),
            _ => (KekOwner::Tenant(tenant), self.tenancy().key_policy(tenant)?),
        };
        let mut keks = Vec::new();
        for generation in entry.generations.iter().filter(|generation| generation.pool.is_none()) {
            let kek = self.find_kek(owner, &generation.key, &entry.regions).await?;
            for copy in kek.copies().iter().filter(|_| entry.tier != super::Tier::Pool) {
                // A pool's KEK from the time when all descriptions said `tenant`: its members need its policy.
                if self.is_shared(copy).await? {
                    return Err(Error::ForeignKek { tenant: tenant.clone(), key: generation.key.clone() });
                }
            }
            keks.push(kek);
        }
        for kek in &keks {
            for copy in kek.copies() {
                self.admin().put_key_policy(copy, &policy).await?;
            }
            if let Some((region, _)) = kek.failed_regions.first() {
                return Err(kek.missing_copy(region));
            }
        }
        Ok(())
    }
}

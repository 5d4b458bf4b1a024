//! A tenant as it is written down, beside what KMS says of its keys.

use aws_sdk_kms::types::KeyState;
use serde::Serialize;

use super::admin::{check_made_for, is_pending_deletion};
use super::entry::{Entry, Timestamp};
use super::{Error, Tenants};
use crate::format::KeyArn;
use crate::tenant::TenantId;

/// A tenant and its keys. Serializes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Shown {
    /// The registry's entry.
    pub entry: Entry,
    /// Its keys in all their Regions, by generation.
    pub keys: Vec<KeyDetails>,
}

/// What KMS says of one key in one Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyDetails {
    /// Which of the tenant's keys, counted from 1.
    pub generation: u32,
    /// The key.
    pub key: KeyArn,
    /// The Region of this copy.
    pub region: String,
    /// KMS's word for its state, such as `Enabled`; `None` when there is no such key any more.
    pub state: Option<String>,
    /// When it is deleted, if it is going to be.
    pub deletion: Option<Timestamp>,
    /// The tenant's aliases on it.
    pub aliases: Vec<String>,
    /// The days between automatic rotations, if there are any.
    pub rotation_days: Option<u32>,
    /// How often it has been rotated.
    pub rotations: Option<u32>,
    /// Whether its policy is the one that this library prints; `None` for a key that is gone.
    pub policy_is_ours: Option<bool>,
}

impl Tenants {
    /// A tenant, and what KMS says of its keys. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], or what KMS or the registry refused.
    pub async fn show(&self, tenant: &TenantId) -> Result<Shown, Error> {
        let entry = self.entry(tenant).await?;
        let mut keys = Vec::new();
        for generation in &entry.generations {
            for region in &entry.regions {
                let shared = generation.pool.is_some() || entry.tier == super::Tier::Pool;
                keys.push(self.details(tenant, generation.number, &generation.key, region, shared).await?);
            }
        }
        Ok(Shown { entry, keys })
    }

    async fn details(
        &self,
        tenant: &TenantId,
        generation: u32,
        key: &KeyArn,
        region: &str,
        shared: bool,
    ) -> Result<KeyDetails, Error> {
        let admin = self.admin();
        let mut details = KeyDetails {
            generation,
            key: key.clone(),
            region: region.to_owned(),
            state: None,
            deletion: None,
            aliases: Vec::new(),
            rotation_days: None,
            rotations: None,
            policy_is_ours: None,
        };
        let known = match admin.describe(region, key.key_id()).await {
            Ok(known) => known,
            Err(error) if error.is("NotFoundException") => return Ok(details),
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
        Ok(details)
    }

    /// Puts the policy that this library prints on every key of the tenant: after an upgrade, or to mend what someone has changed.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], or what KMS refused.
    pub async fn mend_policies(&self, tenant: &TenantId) -> Result<(), Error> {
        self.check_account().await?;
        let entry = self.entry(tenant).await?;
        for generation in entry.generations.iter().filter(|generation| generation.pool.is_none()) {
            let policy = match entry.tier {
                super::Tier::Pool => self.tenancy().shared_key_policy()?,
                _ => self.tenancy().key_policy(tenant)?,
            };
            for region in &entry.regions {
                let known = self.admin().describe(region, generation.key.key_id()).await?;
                check_made_for(tenant, &generation.key, &known)?;
                self.admin().put_key_policy(region, &generation.key, &policy).await?;
            }
        }
        Ok(())
    }
}

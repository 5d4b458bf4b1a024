//! Calls to KMS and STS as the key account's administrator. Every call but CreateKey can be repeated.

mod changes;

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::types::{AliasListEntry, KeyMetadata, KeyState, OriginType, RotationType};
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_types::SdkConfig;
use aws_types::region::Region;
use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::Alias;
use tenantseal_kms::Policy;
use tenantseal_kms::config::quiet;

use super::aws_error::AwsError;
use super::error::Error;
use super::fence::Fence;
use super::kek::is_pending_deletion;
use super::pace::Pace;

/// KMS may not know a key that it has created moments ago (KMS developer guide, "Eventual consistency").
const CONSISTENT: Duration = Duration::from_secs(30);
/// How long a key may be in a transient state: KMS creates a replica within seconds, and changes a primary within
/// minutes.
const PASSING: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(500);

/// KMS clients in every Region, with the administrator's credentials.
#[derive(Debug)]
pub(super) struct Admin {
    config: SdkConfig,
    sleep: SharedAsyncSleep,
    pace: Pace,
}

/// The parameters of CreateKey.
#[derive(Debug)]
pub(super) struct NewKey<'a> {
    pub(super) policy: &'a Policy,
    pub(super) description: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) multi_region: bool,
}

impl Admin {
    pub(super) fn new(config: &SdkConfig, sleep: SharedAsyncSleep, pace: Duration) -> Self {
        Self { config: quiet(config), pace: Pace::new(pace, sleep.clone()), sleep }
    }

    fn kms(&self, region: &str) -> Client {
        Client::new(&self.in_region(region))
    }

    /// A client for exactly one call that changes something: the fence is passed here.
    async fn fenced_client(&self, region: &str, fence: &Fence<'_>) -> Result<Client, Error> {
        let passed = fence.pass().await?;
        let config = aws_sdk_kms::config::Builder::from(&self.in_region(region)).interceptor(passed);
        Ok(Client::from_conf(config.build()))
    }

    fn in_region(&self, region: &str) -> SdkConfig {
        self.config.to_builder().region(Region::new(region.to_owned())).build()
    }

    /// Account and ARN of the credentials.
    pub(super) async fn identity(&self) -> Result<(String, String), AwsError> {
        let answer = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        let answer = answer.map_err(|error| AwsError::new("sts:GetCallerIdentity", None, &error))?;
        Ok((answer.account.unwrap_or_default(), answer.arn.unwrap_or_default()))
    }

    /// The key that an alias points to, if the alias exists.
    pub(super) async fn alias_target(&self, region: &str, alias: &str) -> Result<Option<KeyArn>, AwsError> {
        match self.describe(region, alias).await {
            Ok(key) => Ok(key.arn.and_then(|arn| KeyArn::parse(&arn).ok())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn describe(&self, region: &str, key_id: &str) -> Result<KeyMetadata, AwsError> {
        const ACTION: &str = "kms:DescribeKey";
        let answer = self.kms(region).describe_key().key_id(key_id).send().await;
        let answer = answer.map_err(|error| AwsError::new(ACTION, Some(region), &error))?;
        answer.key_metadata.ok_or_else(|| AwsError::unexpected(ACTION, region))
    }

    /// Describes a copy of a key, once its state is no longer transient.
    pub(super) async fn describe_stable(&self, region: &str, key: &KeyArn) -> Result<KeyMetadata, Error> {
        let mut waited = Duration::ZERO;
        loop {
            let known = self.describe(region, key.key_id()).await?;
            if !matches!(known.key_state, Some(KeyState::Creating | KeyState::Updating)) {
                return Ok(known);
            }
            if waited >= PASSING {
                return Err(unusable_state(region, key, known.key_state.as_ref()));
            }
            self.sleep.sleep(POLL).await;
            waited += POLL;
        }
    }

    /// Like [`Admin::describe_stable`], but `None` when KMS has no such key.
    pub(super) async fn describe_stable_if_any(
        &self,
        region: &str,
        key: &KeyArn,
    ) -> Result<Option<KeyMetadata>, Error> {
        match self.describe_stable(region, key).await {
            Err(Error::Aws(error)) if error.is_not_found() => Ok(None),
            known => known.map(Some),
        }
    }

    /// Days between automatic rotations, if rotation is on.
    pub(super) async fn rotation_period(&self, region: &str, key: &KeyArn) -> Result<Option<u32>, AwsError> {
        let answer = self.kms(region).get_key_rotation_status().key_id(key.key_id()).send().await;
        let answer = answer.map_err(|error| AwsError::new("kms:GetKeyRotationStatus", Some(region), &error))?;
        let days = answer.rotation_period_in_days.and_then(|days| u32::try_from(days).ok()).unwrap_or(365);
        Ok(answer.key_rotation_enabled.then_some(days))
    }

    /// Whether a rotation on demand was requested and is not finished: KMS rotates in the background.
    pub(super) async fn is_rotating(&self, key: &KeyArn) -> Result<bool, AwsError> {
        let answer = self.kms(key.region()).get_key_rotation_status().key_id(key.key_id()).send().await;
        let answer = answer.map_err(|error| AwsError::new("kms:GetKeyRotationStatus", Some(key.region()), &error))?;
        Ok(answer.on_demand_rotation_start_date.is_some())
    }

    /// How often KMS has rotated the key, automatically or on demand.
    pub(super) async fn rotations(&self, key: &KeyArn) -> Result<u32, AwsError> {
        const ACTION: &str = "kms:ListKeyRotations";
        let kms = self.kms(key.region());
        let mut pages = kms.list_key_rotations().key_id(key.key_id()).into_paginator().send();
        let mut rotations = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::new(ACTION, Some(key.region()), &error))?;
            let kinds = page.rotations().iter().filter_map(|rotation| rotation.rotation_type());
            rotations += kinds.filter(|kind| matches!(kind, RotationType::Automatic | RotationType::OnDemand)).count();
        }
        Ok(u32::try_from(rotations).unwrap_or(u32::MAX))
    }

    pub(super) async fn key_policy(&self, region: &str, key: &KeyArn) -> Result<String, AwsError> {
        let answer = self.kms(region).get_key_policy().key_id(key.key_id()).policy_name("default").send().await;
        let answer = answer.map_err(|error| AwsError::new("kms:GetKeyPolicy", Some(region), &error))?;
        Ok(answer.policy.unwrap_or_default())
    }

    pub(super) async fn aliases_of(&self, region: &str, key: &KeyArn) -> Result<Vec<String>, AwsError> {
        let aliases = self.list_aliases(region, Some(key.key_id())).await?;
        Ok(aliases.into_iter().filter_map(|alias| alias.alias_name).collect())
    }

    /// Finds keys by description: without an alias, with key material of KMS's own, and not pending deletion.
    ///
    /// ListKeys returns 1,000 keys a call and ListAliases 100 aliases. Only keys without an alias are described one by
    /// one.
    pub(super) async fn search(&self, region: &str, description: &str) -> Result<Vec<KeyArn>, AwsError> {
        const ACTION: &str = "kms:ListKeys";
        let kms = self.kms(region);
        let mut bare = Vec::new();
        let mut pages = kms.list_keys().limit(1000).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::new(ACTION, Some(region), &error))?;
            bare.extend(page.keys.unwrap_or_default().into_iter().filter_map(|key| key.key_id));
        }
        let aliases = self.list_aliases(region, None).await?;
        let named: HashSet<_> = aliases.into_iter().filter_map(|alias| alias.target_key_id).collect();
        bare.retain(|key_id| !named.contains(key_id));
        let mut found = Vec::new();
        for key_id in bare {
            match self.describe(region, &key_id).await {
                Ok(key)
                    if key.description.as_deref() == Some(description)
                        && key.origin == Some(OriginType::AwsKms)
                        && !is_pending_deletion(&key) =>
                {
                    found.extend(key.arn.and_then(|arn| KeyArn::parse(&arn).ok()));
                }
                Ok(_) => {}
                // Our administrators can describe our keys; other keys may refuse.
                Err(error) if error.is_denied() || error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        found.sort_by(|a, b| a.key_id().cmp(b.key_id()));
        Ok(found)
    }

    pub(super) async fn list_aliases(
        &self,
        region: &str,
        key_id: Option<&str>,
    ) -> Result<Vec<AliasListEntry>, AwsError> {
        let kms = self.kms(region);
        let request = kms.list_aliases().limit(100).set_key_id(key_id.map(str::to_owned));
        let mut pages = request.into_paginator().send();
        let mut aliases = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::new("kms:ListAliases", Some(region), &error))?;
            aliases.extend(page.aliases.unwrap_or_default());
        }
        Ok(aliases)
    }

    /// Repeats a call on a new key until KMS knows that key.
    pub(super) async fn retry_until_known<T, F>(&self, call: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut waited = Duration::ZERO;
        loop {
            match call().await {
                Err(error) if error.is_of_missing_key() && waited < CONSISTENT => {
                    self.sleep.sleep(POLL).await;
                    waited += POLL;
                }
                result => return result,
            }
        }
    }
}

/// The error for a copy whose state allows no operation.
pub(super) fn unusable_state(region: &str, key: &KeyArn, state: Option<&KeyState>) -> Error {
    let state = state.map_or("unknown", KeyState::as_str).to_owned();
    Error::KekState { key: key.clone(), region: region.to_owned(), state }
}

/// The tenant's aliases on one key. The per-key alias comes first, so that the tenant's alias never exists without it.
pub(super) fn aliases(alias: &Alias, key: &KeyArn) -> [String; 2] {
    [alias.for_key(key.key_id()).to_string(), alias.to_string()]
}

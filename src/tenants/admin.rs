//! The calls to KMS and STS as the key account's administrator, each safe to repeat but for CreateKey.
//!
//! What changes something goes through a [`Fence`]. PutKeyPolicy alone does not: a key's policy is the same for every operation.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::types::{AliasListEntry, KeyMetadata, KeyState, OriginType, RotationType, Tag};
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::entry::Timestamp;
use super::error::{AwsError, Error};
use super::fence::Fence;
use super::pace::Pace;
use crate::format::KeyArn;
use crate::keys::{Policy, quiet};
use crate::tenant::Alias;

const NOT_FOUND: &str = "NotFoundException";
/// KMS may not know a key yet that it has just created (KMS developer guide, "Eventual consistency").
const CONSISTENT: Duration = Duration::from_secs(30);
/// How long a key may be in a state that passes: KMS makes a replica within seconds, and moves a primary key within minutes.
const PASSING: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(500);

/// The administrator's way to KMS in every Region.
#[derive(Debug)]
pub(super) struct Admin {
    config: SdkConfig,
    sleep: SharedAsyncSleep,
    pace: Pace,
}

/// A key that is to be created.
#[derive(Debug)]
pub(super) struct NewKey<'a> {
    pub(super) policy: &'a Policy,
    pub(super) description: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) multi_region: bool,
}

/// When a key is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    /// It is gone already.
    Gone,
    /// On this day.
    At(Timestamp),
    /// As many days after its last replica.
    AfterReplicas,
}

impl Admin {
    pub(super) fn new(config: &SdkConfig, sleep: SharedAsyncSleep, pace: Duration) -> Self {
        Self { config: quiet(config), pace: Pace::new(pace, sleep.clone()), sleep }
    }

    fn kms(&self, region: &str) -> Client {
        Client::new(&self.config.to_builder().region(Region::new(region.to_owned())).build())
    }

    /// The account and the ARN of the credentials.
    pub(super) async fn identity(&self) -> Result<(String, String), AwsError> {
        let answer = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        let answer = answer.map_err(|error| AwsError::new("sts:GetCallerIdentity", None, &error))?;
        Ok((answer.account.unwrap_or_default(), answer.arn.unwrap_or_default()))
    }

    pub(super) async fn create_key(&self, region: &str, new: &NewKey<'_>, fence: &Fence<'_>) -> Result<KeyArn, Error> {
        const ACTION: &str = "kms:CreateKey";
        self.pace.turn(ACTION).await;
        fence.pass().await?;
        let request = self
            .kms(region)
            .create_key()
            .policy(new.policy.to_string())
            .description(&new.description)
            .multi_region(new.multi_region)
            .set_tags(Some(tags(&new.tags)));
        // One attempt: the SDK would repeat a CreateKey whose answer was lost, and so make a second key.
        let once = aws_sdk_kms::Config::builder().retry_config(aws_sdk_kms::config::retry::RetryConfig::disabled());
        let answer = request.customize().config_override(once).send().await;
        let answer = answer.map_err(|error| AwsError::new(ACTION, Some(region), &error))?;
        let arn = answer.key_metadata.and_then(|key| KeyArn::parse(&key.arn?).ok());
        Ok(arn.ok_or_else(|| AwsError::unexpected(ACTION, region))?)
    }

    /// Makes a replica in `region`, and waits until it can be used.
    pub(super) async fn ensure_replica(
        &self,
        key: &KeyArn,
        region: &str,
        new: &NewKey<'_>,
        fence: &Fence<'_>,
    ) -> Result<(), Error> {
        self.patiently(|| async {
            fence.pass().await?;
            let request = self.kms(key.region()).replicate_key().key_id(key.key_id()).replica_region(region);
            let request =
                request.policy(new.policy.to_string()).description(&new.description).set_tags(Some(tags(&new.tags)));
            Ok(done("kms:ReplicateKey", key.region(), request.send().await, "AlreadyExistsException")?)
        })
        .await?;
        self.patiently(|| async { self.settled(region, key).await.map(drop) }).await
    }

    /// Creates the alias on the key, unless it is there.
    pub(super) async fn ensure_alias(
        &self,
        region: &str,
        alias: &str,
        key: &KeyArn,
        fence: &Fence<'_>,
    ) -> Result<(), Error> {
        const ACTION: &str = "kms:CreateAlias";
        let created = self.patiently(|| async {
            self.pace.turn(ACTION).await;
            fence.pass().await?;
            let answer = self.kms(region).create_alias().alias_name(alias).target_key_id(key.key_id()).send().await;
            Ok(answer.map(drop).map_err(|error| AwsError::new(ACTION, Some(region), &error))?)
        });
        match created.await {
            Err(Error::Aws(error)) if error.is("AlreadyExistsException") => match self.behind(region, alias).await? {
                Some(other) if !other.is_same_key(key) => {
                    Err(Error::AliasTaken { alias: alias.to_owned(), key: other })
                }
                _ => Ok(()),
            },
            result => result,
        }
    }

    /// Points the alias to the key, whichever it points to now.
    pub(super) async fn point_alias(
        &self,
        region: &str,
        alias: &str,
        key: &KeyArn,
        fence: &Fence<'_>,
    ) -> Result<(), Error> {
        const ACTION: &str = "kms:UpdateAlias";
        match self.behind(region, alias).await? {
            Some(present) if present.is_same_key(key) => Ok(()),
            Some(_) => {
                self.pace.turn(ACTION).await;
                fence.pass().await?;
                let answer = self.kms(region).update_alias().alias_name(alias).target_key_id(key.key_id()).send().await;
                Ok(answer.map(drop).map_err(|error| AwsError::new(ACTION, Some(region), &error))?)
            }
            None => self.ensure_alias(region, alias, key, fence).await,
        }
    }

    /// Removes the alias, if it is on this key.
    pub(super) async fn remove_alias(
        &self,
        region: &str,
        alias: &str,
        key: &KeyArn,
        fence: &Fence<'_>,
    ) -> Result<(), Error> {
        if !self.behind(region, alias).await?.is_some_and(|present| present.is_same_key(key)) {
            return Ok(());
        }
        fence.pass().await?;
        Ok(done("kms:DeleteAlias", region, self.kms(region).delete_alias().alias_name(alias).send().await, NOT_FOUND)?)
    }

    /// The key behind an alias, if there is such an alias.
    pub(super) async fn behind(&self, region: &str, alias: &str) -> Result<Option<KeyArn>, AwsError> {
        match self.describe(region, alias).await {
            Ok(key) => Ok(key.arn.and_then(|arn| KeyArn::parse(&arn).ok())),
            Err(error) if error.is(NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn describe(&self, region: &str, key_id: &str) -> Result<KeyMetadata, AwsError> {
        const ACTION: &str = "kms:DescribeKey";
        let answer = self.kms(region).describe_key().key_id(key_id).send().await;
        let answer = answer.map_err(|error| AwsError::new(ACTION, Some(region), &error))?;
        answer.key_metadata.ok_or_else(|| AwsError::unexpected(ACTION, region))
    }

    /// A copy of a key, once it is in a state that lasts.
    async fn settled(&self, region: &str, key: &KeyArn) -> Result<KeyMetadata, Error> {
        let mut waited = Duration::ZERO;
        loop {
            let known = self.describe(region, key.key_id()).await?;
            if !matches!(known.key_state, Some(KeyState::Creating | KeyState::Updating)) {
                return Ok(known);
            }
            if waited >= PASSING {
                return Err(in_state(region, key, &known));
            }
            self.sleep.sleep(POLL).await;
            waited += POLL;
        }
    }

    /// As [`Admin::settled`]; nothing when there is no such key any more.
    async fn settled_if_any(&self, region: &str, key: &KeyArn) -> Result<Option<KeyMetadata>, Error> {
        match self.settled(region, key).await {
            Err(Error::Aws(error)) if error.is(NOT_FOUND) => Ok(None),
            known => known.map(Some),
        }
    }

    /// Disables the key, unless that or more has happened to it.
    pub(super) async fn ensure_disabled(&self, region: &str, key: &KeyArn, fence: &Fence<'_>) -> Result<(), Error> {
        let Some(known) = self.settled_if_any(region, key).await? else { return Ok(()) };
        match known.key_state {
            Some(KeyState::Enabled) => {
                fence.pass().await?;
                let answer = self.kms(region).disable_key().key_id(key.key_id()).send().await;
                Ok(answer.map(drop).map_err(|error| AwsError::new("kms:DisableKey", Some(region), &error))?)
            }
            Some(KeyState::Disabled | KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => Ok(()),
            _ => Err(in_state(region, key, &known)),
        }
    }

    pub(super) async fn ensure_enabled(&self, region: &str, key: &KeyArn, fence: &Fence<'_>) -> Result<(), Error> {
        let known = self.settled(region, key).await?;
        match known.key_state {
            Some(KeyState::Enabled) => Ok(()),
            Some(KeyState::Disabled) => {
                fence.pass().await?;
                let answer = self.kms(region).enable_key().key_id(key.key_id()).send().await;
                Ok(answer.map(drop).map_err(|error| AwsError::new("kms:EnableKey", Some(region), &error))?)
            }
            _ => Err(in_state(region, key, &known)),
        }
    }

    /// Has the key deleted after `days`, unless it is going to be already.
    pub(super) async fn ensure_deletion(
        &self,
        region: &str,
        key: &KeyArn,
        days: u32,
        fence: &Fence<'_>,
    ) -> Result<Deletion, Error> {
        const ACTION: &str = "kms:ScheduleKeyDeletion";
        let Some(known) = self.settled_if_any(region, key).await? else { return Ok(Deletion::Gone) };
        let date = if is_pending_deletion(&known) {
            known.deletion_date
        } else {
            fence.pass().await?;
            let days = i32::try_from(days).unwrap_or(i32::MAX);
            let request = self.kms(region).schedule_key_deletion().key_id(key.key_id()).pending_window_in_days(days);
            request.send().await.map_err(|error| AwsError::new(ACTION, Some(region), &error))?.deletion_date
        };
        Ok(date.map_or(Deletion::AfterReplicas, |date| Deletion::At(date.into())))
    }

    /// Keeps a key that was to be deleted. Gives whether it is still there.
    pub(super) async fn cancel_deletion(&self, region: &str, key: &KeyArn, fence: &Fence<'_>) -> Result<bool, Error> {
        let Some(known) = self.settled_if_any(region, key).await? else { return Ok(false) };
        if is_pending_deletion(&known) {
            fence.pass().await?;
            let answer = self.kms(region).cancel_key_deletion().key_id(key.key_id()).send().await;
            answer.map_err(|error| AwsError::new("kms:CancelKeyDeletion", Some(region), &error))?;
        }
        Ok(true)
    }

    pub(super) async fn ensure_rotation(&self, key: &KeyArn, days: u32, fence: &Fence<'_>) -> Result<(), Error> {
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        self.patiently(|| async {
            fence.pass().await?;
            let request =
                self.kms(key.region()).enable_key_rotation().key_id(key.key_id()).rotation_period_in_days(days);
            let answer = request.send().await;
            Ok(answer.map(drop).map_err(|error| AwsError::new("kms:EnableKeyRotation", Some(key.region()), &error))?)
        })
        .await
    }

    /// The days between automatic rotations, if there are any.
    pub(super) async fn rotation_period(&self, region: &str, key: &KeyArn) -> Result<Option<u32>, AwsError> {
        let answer = self.kms(region).get_key_rotation_status().key_id(key.key_id()).send().await;
        let answer = answer.map_err(|error| AwsError::new("kms:GetKeyRotationStatus", Some(region), &error))?;
        let days = answer.rotation_period_in_days.and_then(|days| u32::try_from(days).ok()).unwrap_or(365);
        Ok(answer.key_rotation_enabled.then_some(days))
    }

    pub(super) async fn rotate_on_demand(&self, key: &KeyArn, fence: &Fence<'_>) -> Result<(), Error> {
        fence.pass().await?;
        let answer = self.kms(key.region()).rotate_key_on_demand().key_id(key.key_id()).send().await;
        Ok(answer.map(drop).map_err(|error| AwsError::new("kms:RotateKeyOnDemand", Some(key.region()), &error))?)
    }

    /// Whether a rotation on demand has been asked for and not happened yet: KMS rotates in the background.
    pub(super) async fn is_rotating(&self, key: &KeyArn) -> Result<bool, AwsError> {
        let answer = self.kms(key.region()).get_key_rotation_status().key_id(key.key_id()).send().await;
        let answer = answer.map_err(|error| AwsError::new("kms:GetKeyRotationStatus", Some(key.region()), &error))?;
        Ok(answer.on_demand_rotation_start_date.is_some())
    }

    /// How often the key has been rotated, automatically or on demand.
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

    pub(super) async fn put_key_policy(&self, region: &str, key: &KeyArn, policy: &Policy) -> Result<(), AwsError> {
        let answer = self.kms(region).put_key_policy().key_id(key.key_id()).policy(policy.to_string()).send().await;
        answer.map(drop).map_err(|error| AwsError::new("kms:PutKeyPolicy", Some(region), &error))
    }

    pub(super) async fn aliases_of(&self, region: &str, key: &KeyArn) -> Result<Vec<String>, AwsError> {
        let aliases = self.list_aliases(region, Some(key.key_id())).await?;
        Ok(aliases.into_iter().filter_map(|alias| alias.alias_name).collect())
    }

    /// The keys without an alias whose description is `description`, whose material is KMS's own and that are not about to be deleted.
    ///
    /// ListKeys answers 1,000 keys a call and ListAliases 100 aliases; only keys without an alias are described one by one.
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
                // A key of ours can be described by its administrators; others' need not.
                Err(error) if error.is_denied() || error.is(NOT_FOUND) => {}
                Err(error) => return Err(error),
            }
        }
        found.sort_by(|a, b| a.key_id().cmp(b.key_id()));
        Ok(found)
    }

    async fn list_aliases(&self, region: &str, key_id: Option<&str>) -> Result<Vec<AliasListEntry>, AwsError> {
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

    /// Repeats a call on a new key until KMS knows the key.
    async fn patiently<F>(&self, call: impl Fn() -> F) -> Result<(), Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        let mut waited = Duration::ZERO;
        loop {
            match call().await {
                Err(Error::Aws(error)) if error.is(NOT_FOUND) && waited < CONSISTENT => {
                    self.sleep.sleep(POLL).await;
                    waited += POLL;
                }
                result => return result,
            }
        }
    }
}

pub(super) fn is_pending_deletion(key: &KeyMetadata) -> bool {
    matches!(key.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion))
}

/// Why nothing can be done with a copy of a key.
fn in_state(region: &str, key: &KeyArn, known: &KeyMetadata) -> Error {
    let state = known.key_state.as_ref().map_or("unknown", KeyState::as_str).to_owned();
    Error::KeyState { key: key.clone(), region: region.to_owned(), state }
}

/// The tenant's aliases of one key: that of the key first, so that the other one never stands alone.
pub(super) fn aliases(alias: &Alias, key: &KeyArn) -> [String; 2] {
    [alias.of_key(key.key_id()).to_string(), alias.to_string()]
}

/// A call that is also done when AWS says that it has been done before.
fn done<T, E>(action: &'static str, region: &str, answer: Result<T, SdkError<E>>, before: &str) -> Result<(), AwsError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match answer.map_err(|error| AwsError::new(action, Some(region), &error)) {
        Err(error) if !error.is(before) => Err(error),
        _ => Ok(()),
    }
}

fn tags(tags: &[(String, String)]) -> Vec<Tag> {
    let tag = |(key, value): &(String, String)| Tag::builder().tag_key(key).tag_value(value).build().ok();
    tags.iter().filter_map(tag).collect()
}

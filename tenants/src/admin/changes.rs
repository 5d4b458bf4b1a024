//! The calls that change something at KMS. Each call takes a copy of a key whose owner KMS has confirmed, and passes a
//! [`Fence`].
//!
//! Only PutKeyPolicy has no fence: a key's policy is the same for every operation.

use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::types::{KeyState, Tag};
use tenantseal_kms::Policy;
use tenantseal_kms::errors::AwsErrorClass;

use super::{Admin, NewKey, unusable_state};
use crate::aws_error::AwsError;
use crate::error::Error;
use crate::fence::Fence;
use crate::kek::KekCopy;

impl Admin {
    pub(crate) async fn create_key(&self, region: &str, new: &NewKey<'_>, fence: &Fence<'_>) -> Result<KekCopy, Error> {
        const ACTION: &str = "kms:CreateKey";
        self.pace.turn(ACTION).await;
        let kms = self.fenced_client(region, fence).await?;
        let request = kms
            .create_key()
            .policy(new.policy.to_string())
            .description(&new.description)
            .multi_region(new.multi_region)
            .set_tags(Some(tags(&new.tags)));
        // One attempt: the SDK would repeat a CreateKey whose answer was lost, and create a second key.
        let once = aws_sdk_kms::Config::builder().retry_config(aws_sdk_kms::config::retry::RetryConfig::disabled());
        let answer = request.customize().config_override(once).send().await;
        let answer = answer.map_err(|error| AwsError::new(ACTION, Some(region), &error))?;
        let copy = answer.key_metadata.and_then(|known| KekCopy::from_created(known, &new.description));
        Ok(copy.ok_or_else(|| AwsError::unexpected(ACTION, region))?)
    }

    /// Creates a replica with this policy in `region`, and waits until it is usable.
    pub(crate) async fn ensure_replica(
        &self,
        primary: &KekCopy,
        region: &str,
        new: &NewKey<'_>,
        fence: &Fence<'_>,
    ) -> Result<KekCopy, Error> {
        const ACTION: &str = "kms:ReplicateKey";
        let key = primary.key();
        if !primary.is_multi_region() {
            return Err(Error::SingleRegion(key.clone()));
        }
        let made = self.retry_until_known(|| async {
            let kms = self.fenced_client(key.region(), fence).await?;
            let request = kms.replicate_key().key_id(key.key_id()).replica_region(region);
            let request =
                request.policy(new.policy.to_string()).description(&new.description).set_tags(Some(tags(&new.tags)));
            Ok(request.send().await.map(drop).map_err(|error| AwsError::new(ACTION, Some(key.region()), &error))?)
        });
        let was_there = match made.await {
            Err(Error::Aws(error)) if error.is(AwsErrorClass::AlreadyExists) => true,
            result => result.map(|()| false)?,
        };
        let known = self.retry_until_known(|| self.describe_stable(region, key)).await?;
        let copy = primary.replica(known).ok_or_else(|| AwsError::unexpected("kms:DescribeKey", region))?;
        if was_there {
            // Whoever created it may have given it another policy.
            self.put_key_policy(&copy, new.policy).await?;
        }
        Ok(copy)
    }

    /// Creates the alias on the key, unless it exists.
    pub(crate) async fn ensure_alias(&self, copy: &KekCopy, alias: &str, fence: &Fence<'_>) -> Result<(), Error> {
        const ACTION: &str = "kms:CreateAlias";
        let region = copy.region();
        let created = self.retry_until_known(|| async {
            self.pace.turn(ACTION).await;
            let kms = self.fenced_client(region, fence).await?;
            let answer = kms.create_alias().alias_name(alias).target_key_id(copy.key().key_id()).send().await;
            Ok(answer.map(drop).map_err(|error| AwsError::new(ACTION, Some(region), &error))?)
        });
        match created.await {
            Err(Error::Aws(error)) if error.is(AwsErrorClass::AlreadyExists) => {
                match self.alias_target(region, alias).await? {
                    Some(other) if !other.is_same_key(copy.key()) => {
                        Err(Error::AliasTaken { alias: alias.to_owned(), key: other })
                    }
                    _ => Ok(()),
                }
            }
            result => result,
        }
    }

    /// Points the tenant's alias to the key, whatever it points to now.
    pub(crate) async fn point_alias(&self, copy: &KekCopy, alias: &str, fence: &Fence<'_>) -> Result<(), Error> {
        const ACTION: &str = "kms:UpdateAlias";
        let region = copy.region();
        match self.alias_target(region, alias).await? {
            Some(present) if present.is_same_key(copy.key()) => Ok(()),
            Some(_) => {
                self.pace.turn(ACTION).await;
                let kms = self.fenced_client(region, fence).await?;
                let answer = kms.update_alias().alias_name(alias).target_key_id(copy.key().key_id()).send().await;
                Ok(answer.map(drop).map_err(|error| AwsError::new(ACTION, Some(region), &error))?)
            }
            None => self.ensure_alias(copy, alias, fence).await,
        }
    }

    /// Removes the alias if it points to this key.
    pub(crate) async fn remove_alias(&self, copy: &KekCopy, alias: &str, fence: &Fence<'_>) -> Result<(), Error> {
        let region = copy.region();
        if !self.alias_target(region, alias).await?.is_some_and(|present| present.is_same_key(copy.key())) {
            return Ok(());
        }
        let kms = self.fenced_client(region, fence).await?;
        Ok(ignore_code(
            "kms:DeleteAlias",
            region,
            kms.delete_alias().alias_name(alias).send().await,
            AwsErrorClass::NotFound,
        )?)
    }

    /// Disables the key, unless it is disabled or pending deletion.
    pub(crate) async fn ensure_disabled(&self, copy: &KekCopy, fence: &Fence<'_>) -> Result<(), Error> {
        match copy.state() {
            Some(KeyState::Enabled) => self.disable(copy, fence).await,
            Some(KeyState::Disabled | KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => Ok(()),
            state => Err(unusable_state(copy.region(), copy.key(), state)),
        }
    }

    async fn disable(&self, copy: &KekCopy, fence: &Fence<'_>) -> Result<(), Error> {
        let kms = self.fenced_client(copy.region(), fence).await?;
        let answer = kms.disable_key().key_id(copy.key().key_id()).send().await;
        Ok(answer.map(drop).map_err(|error| AwsError::new("kms:DisableKey", Some(copy.region()), &error))?)
    }

    pub(crate) async fn ensure_enabled(&self, copy: &KekCopy, fence: &Fence<'_>) -> Result<(), Error> {
        match copy.state() {
            Some(KeyState::Enabled) => Ok(()),
            Some(KeyState::Disabled) => {
                let kms = self.fenced_client(copy.region(), fence).await?;
                let answer = kms.enable_key().key_id(copy.key().key_id()).send().await;
                Ok(answer.map(drop).map_err(|error| AwsError::new("kms:EnableKey", Some(copy.region()), &error))?)
            }
            state => Err(unusable_state(copy.region(), copy.key(), state)),
        }
    }

    /// Schedules the key's deletion, unless it is scheduled. Returns its date: KMS knows that of a primary only when
    /// its last replica is gone.
    pub(crate) async fn ensure_deletion(
        &self,
        copy: &KekCopy,
        days: u32,
        fence: &Fence<'_>,
    ) -> Result<Option<crate::Timestamp>, Error> {
        const ACTION: &str = "kms:ScheduleKeyDeletion";
        if copy.is_pending_deletion() {
            return Ok(copy.deletion());
        }
        let kms = self.fenced_client(copy.region(), fence).await?;
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        let request = kms.schedule_key_deletion().key_id(copy.key().key_id()).pending_window_in_days(days);
        let answer = request.send().await.map_err(|error| AwsError::new(ACTION, Some(copy.region()), &error))?;
        Ok(answer.deletion_date.map(Into::into))
    }

    /// Cancels the deletion of a key. The key is disabled then.
    pub(crate) async fn ensure_kept(&self, copy: &KekCopy, fence: &Fence<'_>) -> Result<(), Error> {
        if !copy.is_pending_deletion() {
            return self.ensure_disabled(copy, fence).await;
        }
        // KMS returns the key disabled (KMS API reference, CancelKeyDeletion).
        let kms = self.fenced_client(copy.region(), fence).await?;
        let answer = kms.cancel_key_deletion().key_id(copy.key().key_id()).send().await;
        Ok(answer.map(drop).map_err(|error| AwsError::new("kms:CancelKeyDeletion", Some(copy.region()), &error))?)
    }

    /// Has KMS rotate the key every `asked` days; otherwise as often as it does already, or every `default` days.
    pub(crate) async fn ensure_rotation(
        &self,
        copy: &KekCopy,
        asked: Option<u32>,
        default: u32,
        fence: &Fence<'_>,
    ) -> Result<(), Error> {
        let region = copy.region();
        self.retry_until_known(|| async {
            let is = self.rotation_period(region, copy.key()).await?;
            let days = asked.or(is).unwrap_or(default);
            if is == Some(days) {
                return Ok(());
            }
            let days = i32::try_from(days).unwrap_or(i32::MAX);
            let kms = self.fenced_client(region, fence).await?;
            let request = kms.enable_key_rotation().key_id(copy.key().key_id()).rotation_period_in_days(days);
            let answer = request.send().await;
            Ok(answer.map(drop).map_err(|error| AwsError::new("kms:EnableKeyRotation", Some(region), &error))?)
        })
        .await
    }

    pub(crate) async fn rotate_on_demand(&self, copy: &KekCopy, fence: &Fence<'_>) -> Result<(), Error> {
        let kms = self.fenced_client(copy.region(), fence).await?;
        let answer = kms.rotate_key_on_demand().key_id(copy.key().key_id()).send().await;
        Ok(answer.map(drop).map_err(|error| AwsError::new("kms:RotateKeyOnDemand", Some(copy.region()), &error))?)
    }

    pub(crate) async fn put_key_policy(&self, copy: &KekCopy, policy: &Policy) -> Result<(), AwsError> {
        let kms = self.kms(copy.region());
        let answer = kms.put_key_policy().key_id(copy.key().key_id()).policy(policy.to_string()).send().await;
        answer.map(drop).map_err(|error| AwsError::new("kms:PutKeyPolicy", Some(copy.region()), &error))
    }
}

/// Turns the error that says "done before" into success.
fn ignore_code<T, E>(
    action: &'static str,
    region: &str,
    answer: Result<T, SdkError<E>>,
    before: AwsErrorClass,
) -> Result<(), AwsError>
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

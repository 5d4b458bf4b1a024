//! The life cycle of a key.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::epoch_seconds,
    policy::{Kind, Policy},
    random,
    refusal::{Refusal, kms as code},
    state::keys::{Deletion, Key, KeyName, KeyPolicy, KeyState, Material},
};

use super::{
    input::{OnlyKeyId, Tag, only, within},
    page::Page,
    session::Session,
    tags::{add_tag_keys, check_tags},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateKey {
    policy: Option<String>,
    #[serde(default)]
    description: String,
    key_usage: Option<String>,
    key_spec: Option<String>,
    customer_master_key_spec: Option<String>,
    origin: Option<String>,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    multi_region: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ScheduleKeyDeletion {
    key_id: String,
    pending_window_in_days: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateKeyDescription {
    key_id: String,
    description: String,
}

/// The maximum length of a key's description.
const MAX_DESCRIPTION: usize = 8192;

impl Session<'_> {
    pub(super) fn create_key(&mut self, input: CreateKey) -> Result<Value, Refusal> {
        only("KeyUsage", input.key_usage.as_deref(), "ENCRYPT_DECRYPT")?;
        only("KeySpec", input.key_spec.as_deref(), "SYMMETRIC_DEFAULT")?;
        only("CustomerMasterKeySpec", input.customer_master_key_spec.as_deref(), "SYMMETRIC_DEFAULT")?;
        only("Origin", input.origin.as_deref(), "AWS_KMS")?;
        within("the length of Description", input.description.len(), 0..=MAX_DESCRIPTION)?;
        check_tags(&input.tags, 0)?;
        let bypass = input.bypass_policy_lockout_safety_check;
        self.authorise_own("kms:CreateKey", "*", |context| {
            context.set("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string());
            context.set("kms:KeySpec", "SYMMETRIC_DEFAULT");
            context.set("kms:KeyUsage", "ENCRYPT_DECRYPT");
            context.set("kms:KeyOrigin", "AWS_KMS");
            context.set("kms:MultiRegion", input.multi_region.to_string());
            add_tag_keys(context, &input.tags);
        })?;
        let check = input.policy.is_some() && !bypass;
        let id = if input.multi_region { format!("mrk-{}", random::hex(16)?) } else { random::uuid()? };
        let key = Key {
            account: self.account().to_owned(),
            name: KeyName { region: self.region.to_owned(), id },
            description: input.description,
            created: self.now,
            enabled: true,
            deletion: None,
            policy: KeyPolicy::read_or_default(input.policy, self.account())?,
            tags: BTreeMap::new(),
            primary_region: input.multi_region.then(|| self.region.to_owned()),
            materials: vec![Material::new(self.now)?],
            rotation_days: None,
            rotation_since: None,
            grants: BTreeMap::new(),
        };
        let metadata = self.add_key(key, input.tags, check)?;
        Ok(json!({ "KeyMetadata": metadata }))
    }

    pub(super) fn describe_key(&mut self, input: OnlyKeyId) -> Result<Value, Refusal> {
        let target = self.resolve(&input.key_id)?;
        self.authorise("kms:DescribeKey", &target)?;
        Ok(json!({ "KeyMetadata": self.metadata(self.key(&target.key)?) }))
    }

    pub(super) fn list_keys(&mut self, page: Page) -> Result<Value, Refusal> {
        self.authorise_own("kms:ListKeys", "*", |_| ())?;
        let keys = self.state.keys.in_region(self.account(), self.region, self.now);
        let keys = keys.map(|key| (key.name.id.as_str(), json!({ "KeyId": key.name.id, "KekId": key.arn() })));
        page.answer("Keys", 100, 1000, keys)
    }

    pub(super) fn enable_key(&mut self, input: OnlyKeyId) -> Result<(), Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:EnableKey", &target)?;
        self.changeable(&target)?.enabled = true;
        Ok(())
    }

    pub(super) fn disable_key(&mut self, input: OnlyKeyId) -> Result<(), Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:DisableKey", &target)?;
        self.changeable(&target)?.enabled = false;
        Ok(())
    }

    pub(super) fn update_key_description(&mut self, input: UpdateKeyDescription) -> Result<(), Refusal> {
        within("the length of Description", input.description.len(), 0..=MAX_DESCRIPTION)?;
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:UpdateKeyDescription", &target)?;
        self.changeable(&target)?.description = input.description;
        Ok(())
    }

    pub(super) fn schedule_key_deletion(&mut self, input: ScheduleKeyDeletion) -> Result<Value, Refusal> {
        let window = input.pending_window_in_days.unwrap_or(30);
        if !(7..=30).contains(&window) {
            return Err(code::VALIDATION.because("PendingWindowInDays must be between 7 and 30"));
        }
        let target = self.resolve_key(&input.key_id)?;
        self.authorise_with("kms:ScheduleKeyDeletion", &target, |context| {
            context.set("kms:ScheduleKeyDeletionPendingWindowInDays", window.to_string());
        })?;
        self.changeable(&target)?;
        let days = Duration::from_secs(u64::from(window) * 24 * 60 * 60);
        self.state.keys.schedule(&target.key, Some(days), self.now);
        let key = self.key(&target.key)?;
        let mut answer = json!({
            "KeyId": key.arn(),
            "KeyState": key.state(self.now).name(),
            "PendingWindowInDays": window,
        });
        add_deletion_date(&mut answer, key, self.now);
        Ok(answer)
    }

    pub(super) fn cancel_key_deletion(&mut self, input: OnlyKeyId) -> Result<Value, Refusal> {
        let target = self.resolve_key(&input.key_id)?;
        self.authorise("kms:CancelKeyDeletion", &target)?;
        let key = self.key_mut(&target.key)?;
        if key.deletion.is_none() {
            return Err(code::INVALID_STATE.because(format!("{} is not pending deletion.", key.arn())));
        }
        // A key whose deletion is cancelled comes back disabled.
        key.enabled = false;
        let arn = key.arn();
        self.state.keys.schedule(&target.key, None, self.now);
        Ok(json!({ "KeyId": arn }))
    }

    /// Adds a new key with its tags, and returns its metadata. A policy that the caller chose is checked for a lockout.
    pub(super) fn add_key(&mut self, mut key: Key, tags: Vec<Tag>, check_lockout: bool) -> Result<Value, Refusal> {
        if !tags.is_empty() {
            self.authorise_own("kms:TagResource", &key.arn(), |context| add_tag_keys(context, &tags))?;
        }
        key.tags = tags.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect();
        if check_lockout {
            self.check_lockout(&key, &key.policy.policy)?;
        }
        let name = key.name.clone();
        self.state.keys.insert(key);
        Ok(self.metadata(self.key(&name)?))
    }

    /// Refuses a policy under which the caller could not replace it.
    pub(super) fn check_lockout(&self, key: &Key, policy: &Policy) -> Result<(), Refusal> {
        let check = self.authorise_under("kms:PutKeyPolicy", key, policy, None, |_| ());
        check.map_err(|_| {
            code::MALFORMED_POLICY
                .because("The new key policy will not allow you to update the key policy in the future.")
        })
    }

    fn metadata(&self, key: &Key) -> Value {
        let state = key.state(self.now);
        let mut metadata = json!({
            "AWSAccountId": key.account,
            "KeyId": key.name.id,
            "Arn": key.arn(),
            "CreationDate": epoch_seconds(key.created),
            "Enabled": state == KeyState::Enabled,
            "Description": key.description,
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeyState": state.name(),
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "MultiRegion": key.primary_region.is_some(),
            "CurrentKeyMaterialId": key.current_material().id,
        });
        add_deletion_date(&mut metadata, key, self.now);
        if let (KeyState::PendingReplicaDeletion, Some(deletion)) = (state, key.deletion) {
            metadata["PendingDeletionWindowInDays"] = (deletion.window.as_secs() / (24 * 60 * 60)).into();
        }
        if let Some(primary) = &key.primary_region {
            metadata["MultiRegionConfiguration"] = self.multi_region_configuration(key, primary);
        }
        metadata
    }
}

/// A primary key that waits for its replicas has no date yet.
fn add_deletion_date(answer: &mut Value, key: &Key, now: SystemTime) {
    if let (KeyState::PendingDeletion, Some(date)) = (key.state(now), key.deletion.and_then(Deletion::date)) {
        answer["DeletionDate"] = epoch_seconds(date).into();
    }
}

impl KeyPolicy {
    pub(super) fn read_or_default(text: Option<String>, account: &str) -> Result<Self, Refusal> {
        Self::read(text.unwrap_or_else(|| default_policy(account)))
    }

    pub(super) fn read(text: String) -> Result<Self, Refusal> {
        // AWS accepts up to 32 KB.
        if text.len() > 32 * 1024 {
            return Err(code::LIMIT_EXCEEDED.because("the key policy is longer than 32768 bytes"));
        }
        let policy =
            Policy::parse(&text, Kind::Key).map_err(|error| code::MALFORMED_POLICY.because(error.to_string()))?;
        Ok(Self { text, policy: Arc::new(policy) })
    }
}

/// The policy of a key that is created without one. It leaves the decision to the account's identity policies.
fn default_policy(account: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
    .to_string()
}

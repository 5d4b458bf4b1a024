//! Multi-Region keys: one id and one key material in several Regions. In each, the key has its own policy, aliases and
//! tags.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    refusal::{Refusal, kms as code},
    state::keys::{Key, KeyName, KeyPolicy},
};

use super::{
    input::Tag,
    session::Session,
    tags::{add_tag_keys, check_tags},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReplicateKey {
    key_id: String,
    replica_region: String,
    policy: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
    #[serde(default)]
    tags: Vec<Tag>,
}

impl Session<'_> {
    pub(super) fn replicate_key(&mut self, input: ReplicateKey) -> Result<Value, Refusal> {
        check_tags(&input.tags, 0)?;
        let target = self.resolve_key(&input.key_id)?;
        self.authorise_with("kms:ReplicateKey", &target, |context| {
            context.set("kms:ReplicaRegion", &input.replica_region);
        })?;
        // The replica is also created, in its own Region.
        self.authorise_own("kms:CreateKey", "*", |context| {
            context.set("aws:RequestedRegion", &input.replica_region);
            context.set("kms:MultiRegion", "true");
            context.set("kms:MultiRegionKeyType", "REPLICA");
            add_tag_keys(context, &input.tags);
        })?;
        let primary = self.usable(&target)?;
        if primary.primary_region.is_none() || primary.is_replica() {
            return Err(code::UNSUPPORTED.because(format!("{} is not a multi-Region primary key", primary.arn())));
        }
        let name = KeyName { region: input.replica_region, id: target.key.id.clone() };
        if self.key(&name).is_ok() {
            return Err(code::ALREADY_EXISTS.because(format!("a replica in {} already exists", name.region)));
        }
        let check = input.policy.is_some() && !input.bypass_policy_lockout_safety_check;
        let replica = Key {
            name,
            description: input.description,
            created: self.now,
            policy: KeyPolicy::read_or_default(input.policy, &primary.account)?,
            grants: BTreeMap::new(),
            ..primary.clone()
        };
        let policy = replica.policy.text.clone();
        let tags: Vec<_> = input.tags.iter().map(Tag::to_json).collect();
        let metadata = self.add_key(replica, input.tags, check)?;
        Ok(json!({ "ReplicaKeyMetadata": metadata, "ReplicaPolicy": policy, "ReplicaTags": tags }))
    }

    /// The keys that belong together, as the metadata of each lists them.
    pub(super) fn multi_region_configuration(&self, key: &Key, primary: &str) -> Value {
        let family = self.state.keys.family(&key.name.id, self.now);
        let (replicas, primaries): (Vec<_>, Vec<_>) = family.partition(|key| key.name.region != primary);
        let describe = |key: &&Key| json!({ "Arn": key.arn(), "Region": key.name.region });
        json!({
            "MultiRegionKeyType": key.multi_region_type(),
            "PrimaryKey": primaries.first().map(describe),
            "ReplicaKeys": replicas.iter().map(describe).collect::<Vec<_>>(),
        })
    }
}

impl Key {
    /// The value of `kms:MultiRegionKeyType` for a multi-Region key.
    pub(super) fn multi_region_type(&self) -> &'static str {
        if self.is_replica() { "REPLICA" } else { "PRIMARY" }
    }
}

//! Keys and aliases.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::policy::Policy;

/// The identity of a key. Multi-Region keys share their id, but not their Region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyName {
    pub(crate) region: String,
    pub(crate) id: String,
}

/// The identity of an alias. `name` begins with `alias/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AliasName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub(crate) target: KeyName,
    pub(crate) created: SystemTime,
    pub(crate) updated: SystemTime,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) account: String,
    pub(crate) name: KeyName,
    pub(crate) description: String,
    pub(crate) created: SystemTime,
    pub(crate) enabled: bool,
    /// How and when it will be deleted, if deletion is scheduled.
    pub(crate) deletion: Option<Deletion>,
    pub(crate) policy: KeyPolicy,
    pub(crate) tags: BTreeMap<String, String>,
    /// The Region of the primary key, if this is a multi-Region key.
    pub(crate) primary_region: Option<String>,
    /// Oldest first, never empty: a rotation adds one.
    pub(crate) materials: Vec<Material>,
    /// The period of automatic rotation in days, when it is on.
    pub(crate) rotation_days: Option<u32>,
    /// When automatic rotation was enabled.
    pub(crate) rotation_since: Option<SystemTime>,
    /// Sorted by id.
    pub(crate) grants: BTreeMap<String, Grant>,
}

/// A scheduled deletion. The waiting period of a primary key begins when the last of its replicas is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    pub(crate) window: Duration,
    /// When the waiting period begins; `None` while a replica exists.
    pub(crate) from: Option<SystemTime>,
}

impl Deletion {
    /// When the key will be deleted, if that is known.
    pub(crate) fn date(self) -> Option<SystemTime> {
        Some(self.from? + self.window)
    }
}

/// A key policy: as written, which is how it is returned, and as parsed.
#[derive(Clone, Debug)]
pub(crate) struct KeyPolicy {
    pub(crate) text: String,
    pub(crate) policy: Arc<Policy>,
}

/// One generation of key material.
#[derive(Clone)]
pub(crate) struct Material {
    pub(crate) bytes: [u8; 32],
    /// The value of `KeyMaterialId`.
    pub(crate) id: String,
    pub(crate) since: SystemTime,
}

/// A permission that a key's administrator has given to one principal, independent of all policies.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// The ARN of a user, a role or a session.
    pub(crate) grantee: String,
    pub(crate) retiring: Option<String>,
    /// Without `kms:`.
    pub(crate) operations: Vec<String>,
    pub(crate) constraint: Option<Constraint>,
    pub(crate) created: SystemTime,
}

/// The encryption context that a grant requires.
#[derive(Clone, Debug)]
pub(crate) enum Constraint {
    Subset(BTreeMap<String, String>),
    Equals(BTreeMap<String, String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    Enabled,
    Disabled,
    PendingDeletion,
    /// A primary key that waits for its replicas.
    PendingReplicaDeletion,
    /// Past its deletion date. Kept only to tell its ciphertexts from garbage.
    Deleted,
}

#[derive(Debug, Default)]
pub(crate) struct Keys {
    keys: BTreeMap<KeyName, Key>,
    aliases: BTreeMap<AliasName, Alias>,
    /// The reverse of `aliases`, which every authorisation needs.
    names: BTreeMap<KeyName, BTreeSet<String>>,
    /// How long calls that name an alias do not see its change.
    propagation: Duration,
    /// The previous targets of changed aliases, and until when they still apply.
    former: BTreeMap<AliasName, (Option<KeyName>, SystemTime)>,
}

impl Key {
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:kms:{}:{}:key/{}", self.name.region, self.account, self.name.id)
    }

    /// Whether this is a replica of a multi-Region key.
    pub(crate) fn is_replica(&self) -> bool {
        self.primary_region.as_ref().is_some_and(|primary| *primary != self.name.region)
    }

    pub(crate) fn state(&self, now: SystemTime) -> KeyState {
        match self.deletion {
            Some(deletion) if deletion.date().is_some_and(|date| now >= date) => KeyState::Deleted,
            Some(Deletion { from: Some(from), .. }) if now >= from => KeyState::PendingDeletion,
            Some(_) => KeyState::PendingReplicaDeletion,
            None if self.enabled => KeyState::Enabled,
            None => KeyState::Disabled,
        }
    }
}

impl KeyState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
            Self::PendingDeletion | Self::Deleted => "PendingDeletion",
        }
    }
}

impl AliasName {
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:kms:{}:{}:{}", self.region, self.account, self.name)
    }
}

impl Keys {
    /// A key by its name, unless its deletion date has passed.
    pub(crate) fn get(&self, name: &KeyName, now: SystemTime) -> Option<&Key> {
        self.keys.get(name).filter(|key| key.state(now) != KeyState::Deleted)
    }

    pub(crate) fn get_mut(&mut self, name: &KeyName, now: SystemTime) -> Option<&mut Key> {
        self.keys.get_mut(name).filter(|key| key.state(now) != KeyState::Deleted)
    }

    /// The key and its replicas in other Regions, which share its id.
    pub(crate) fn family(&self, id: &str, now: SystemTime) -> impl Iterator<Item = &Key> {
        self.keys.values().filter(move |key| key.name.id == id && key.state(now) != KeyState::Deleted)
    }

    pub(crate) fn family_mut(&mut self, id: &str) -> impl Iterator<Item = &mut Key> {
        self.keys.values_mut().filter(move |key| key.name.id == id)
    }

    /// Schedules a key's deletion after this waiting period, or cancels it. A primary key waits for its replicas.
    pub(crate) fn schedule(&mut self, name: &KeyName, window: Option<Duration>, now: SystemTime) {
        if let Some(key) = self.keys.get_mut(name) {
            let from = key.is_replica().then_some(now);
            key.deletion = window.map(|window| Deletion { window, from });
        }
        let replicas = self.family(&name.id, now).filter(|key| key.is_replica());
        let last =
            replicas.map(|key| key.deletion.and_then(Deletion::date)).try_fold(now, |last, date| Some(last.max(date?)));
        for primary in self.family_mut(&name.id).filter(|key| !key.is_replica()) {
            // A deletion whose waiting period has begun has no replica left.
            if let Some(deletion) =
                primary.deletion.as_mut().filter(|deletion| deletion.from.is_none_or(|from| now < from))
            {
                deletion.from = last;
            }
        }
    }

    /// Whether such a key exists or ever existed.
    pub(crate) fn was_ever(&self, name: &KeyName) -> bool {
        self.keys.contains_key(name)
    }

    pub(crate) fn insert(&mut self, key: Key) {
        self.keys.insert(key.name.clone(), key);
    }

    /// The keys of an account in a Region, sorted by id.
    pub(crate) fn in_region(&self, account: &str, region: &str, now: SystemTime) -> impl Iterator<Item = &Key> {
        self.keys.values().filter(move |key| {
            key.account == account && key.name.region == region && key.state(now) != KeyState::Deleted
        })
    }

    pub(crate) fn alias(&self, name: &AliasName) -> Option<&Alias> {
        self.aliases.get(name)
    }

    /// The key that calls see behind an alias. Changes of aliases take time to propagate.
    pub(crate) fn known_target(&self, name: &AliasName, now: SystemTime) -> Option<&KeyName> {
        match self.former.get(name) {
            Some((former, until)) if now < *until => former.as_ref(),
            _ => self.aliases.get(name).map(|alias| &alias.target),
        }
    }

    /// Sets how long changes of aliases take from now on.
    pub(crate) fn propagate_aliases_within(&mut self, delay: Duration) {
        self.propagation = delay;
    }

    /// Remembers the target of an alias before it changes.
    pub(crate) fn alias_changes(&mut self, name: &AliasName, now: SystemTime) {
        if !self.propagation.is_zero() {
            let known = self.known_target(name, now).cloned();
            self.former.insert(name.clone(), (known, now + self.propagation));
        }
    }

    /// Points an alias at a key, whether it exists or not.
    pub(crate) fn put_alias(&mut self, name: AliasName, alias: Alias) {
        self.remove_alias(&name);
        self.names.entry(alias.target.clone()).or_default().insert(name.name.clone());
        self.aliases.insert(name, alias);
    }

    pub(crate) fn remove_alias(&mut self, name: &AliasName) -> Option<Alias> {
        let alias = self.aliases.remove(name)?;
        if let Some(names) = self.names.get_mut(&alias.target) {
            names.remove(&name.name);
        }
        Some(alias)
    }

    /// The aliases of an account in a Region, sorted by name, without those of deleted keys.
    pub(crate) fn aliases_of(
        &self,
        account: &str,
        region: &str,
        now: SystemTime,
    ) -> impl Iterator<Item = (&AliasName, &Alias)> {
        self.aliases.iter().filter(move |(name, alias)| {
            name.account == account && name.region == region && self.get(&alias.target, now).is_some()
        })
    }

    /// The names of a key's aliases.
    pub(crate) fn aliases_to(&self, key: &KeyName) -> impl ExactSizeIterator<Item = &String> {
        const NONE: &BTreeSet<String> = &BTreeSet::new();
        self.names.get(key).unwrap_or(NONE).iter()
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").field("id", &self.id).finish_non_exhaustive()
    }
}

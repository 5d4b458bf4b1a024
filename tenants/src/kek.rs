//! A KEK in one of its Regions, and its owner.
//!
//! Anyone who writes the registry can claim that a key is a tenant's. So every call that changes a key takes a
//! [`KekCopy`]. Only this module creates one, after KMS has confirmed the owner.

pub(super) mod copies;

use aws_sdk_kms::types::{KeyMetadata, KeyState};
use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::TenantId;

use super::entry::{Entry, Tier, Timestamp};

/// Who must own a KEK.
#[derive(Debug, Clone, Copy)]
pub(super) enum KekOwner<'a> {
    /// This tenant.
    Tenant(&'a TenantId),
    /// This pool.
    Pool(&'a TenantId),
    /// The tenant or the pool of this name, where either is right.
    TenantOrPool(&'a TenantId),
    /// Any pool on whose KEK the tenant has an alias.
    AnyPool(&'a TenantId),
}

impl<'a> KekOwner<'a> {
    fn name(self) -> &'a TenantId {
        let (Self::Tenant(name) | Self::Pool(name) | Self::TenantOrPool(name) | Self::AnyPool(name)) = self;
        name
    }

    /// How the descriptions of this owner's KEKs begin.
    pub(super) fn description(self) -> String {
        let kind = if matches!(self, Self::Pool(_)) { "pool" } else { "tenant" };
        format!("{DESCRIPTION_PREFIX}{kind} {}", self.name())
    }
}

impl Entry {
    /// The owner of its own KEKs.
    pub(super) fn owner(&self) -> KekOwner<'_> {
        match self.tier {
            Tier::Pool => KekOwner::Pool(&self.tenant),
            _ => KekOwner::Tenant(&self.tenant),
        }
    }
}

const DESCRIPTION_PREFIX: &str = "tenantseal: ";

/// The owner in a key's description: `tenantseal: tenant acme` or `tenantseal: pool small-1`. More may follow after a
/// comma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Description<'a> {
    Tenant(&'a str),
    Pool(&'a str),
}

impl<'a> Description<'a> {
    fn parse(known: &'a KeyMetadata) -> Option<Self> {
        let words = known.description()?.strip_prefix(DESCRIPTION_PREFIX)?;
        let words = words.split_once(',').map_or(words, |(words, _)| words);
        match words.split_once(' ')? {
            ("tenant", name) => Some(Self::Tenant(name)),
            ("pool", name) => Some(Self::Pool(name)),
            _ => None,
        }
    }
}

/// A KEK in one of its Regions, with a confirmed owner.
#[derive(Debug, Clone)]
pub(super) struct KekCopy {
    key: KeyArn,
    known: KeyMetadata,
}

impl KekCopy {
    fn read(known: KeyMetadata) -> Option<Self> {
        let key = KeyArn::parse(known.arn.as_deref()?).ok()?;
        Some(Self { key, known })
    }

    /// A KEK that was created moments ago with this description.
    pub(super) fn from_created(known: KeyMetadata, description: &str) -> Option<Self> {
        Self::read(known).filter(|copy| copy.known.description() == Some(description))
    }

    /// A replica of this KEK.
    pub(super) fn replica(&self, known: KeyMetadata) -> Option<Self> {
        Self::read(known).filter(|copy| copy.key.is_same_key(&self.key))
    }

    /// Its ARN in this Region.
    pub(super) fn key(&self) -> &KeyArn {
        &self.key
    }

    pub(super) fn region(&self) -> &str {
        self.key.region()
    }

    pub(super) fn state(&self) -> Option<&KeyState> {
        self.known.key_state.as_ref()
    }

    /// When KMS deletes it, if known.
    pub(super) fn deletion(&self) -> Option<Timestamp> {
        self.known.deletion_date.map(Timestamp::from)
    }

    /// The id of its key material, if KMS names it.
    pub(super) fn material(&self) -> Option<&str> {
        self.known.current_key_material_id.as_deref()
    }

    pub(super) fn is_pending_deletion(&self) -> bool {
        is_pending_deletion(&self.known)
    }

    /// Whether it can have replicas.
    pub(super) fn is_multi_region(&self) -> bool {
        self.known.multi_region_configuration.is_some()
    }

    /// All Regions in which KMS names copies, its own included. The primary's comes first.
    pub(super) fn regions(&self) -> Vec<&str> {
        let kek = self.known.multi_region_configuration.as_ref();
        let primary = kek.and_then(|kek| kek.primary_key.as_ref()).into_iter();
        let replicas = kek.map_or(&[][..], |kek| kek.replica_keys()).iter();
        let mut regions: Vec<_> = primary.chain(replicas).filter_map(|key| key.region.as_deref()).collect();
        if !regions.contains(&self.region()) {
            regions.push(self.region());
        }
        regions
    }
}

pub(super) fn is_pending_deletion(key: &KeyMetadata) -> bool {
    matches!(key.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion))
}

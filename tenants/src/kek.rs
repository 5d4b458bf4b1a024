//! A key as KMS has it: for whom it was made, and in which Regions there are copies of it.
//!
//! The registry says which keys are a tenant's, and whoever writes it can say anything. So what changes a key takes a [`KeyCopy`], and
//! nothing outside this file makes one: KMS has said that the key was made for whom the step is about.

use std::collections::BTreeSet;

use aws_sdk_kms::types::{KeyMetadata, KeyState};
use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::TenantId;

use super::admin::Admin;
use super::entry::Timestamp;
use super::error::{AwsError, Error};
use super::{Tenants, region_results};

/// For whom a key must have been made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    /// For this tenant alone.
    Tenants(&'a TenantId),
    /// For the members of this pool.
    Pools(&'a TenantId),
    /// For this tenant, or for the pool of this name: for what is right in either case.
    Either(&'a TenantId),
    /// For the members of some pool; the tenant has an alias on it.
    SomePools(&'a TenantId),
}

impl<'a> Whose<'a> {
    fn name(self) -> &'a TenantId {
        let (Self::Tenants(name) | Self::Pools(name) | Self::Either(name) | Self::SomePools(name)) = self;
        name
    }

    /// With what the descriptions of keys begin that are made for them.
    pub(super) fn mark(self) -> String {
        let kind = if matches!(self, Self::Pools(_)) { "pool" } else { "tenant" };
        format!("{MARK}{kind} {}", self.name())
    }
}

const MARK: &str = "tenantseal: ";

/// What a key's description says, `tenantseal: tenant acme` or `tenantseal: pool small-1`, with or without more after a comma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark<'a> {
    Tenant(&'a str),
    Pool(&'a str),
}

impl<'a> Mark<'a> {
    fn read(known: &'a KeyMetadata) -> Option<Self> {
        let words = known.description()?.strip_prefix(MARK)?;
        let words = words.split_once(',').map_or(words, |(words, _)| words);
        match words.split_once(' ')? {
            ("tenant", name) => Some(Self::Tenant(name)),
            ("pool", name) => Some(Self::Pool(name)),
            _ => None,
        }
    }
}

/// A key in one of its Regions, made for whom the step is about.
#[derive(Debug, Clone)]
pub(super) struct KeyCopy {
    key: KeyArn,
    known: KeyMetadata,
}

impl KeyCopy {
    fn read(known: KeyMetadata) -> Option<Self> {
        let key = KeyArn::parse(known.arn.as_deref()?).ok()?;
        Some(Self { key, known })
    }

    /// A key that has just been created with this description.
    pub(super) fn created(known: KeyMetadata, description: &str) -> Option<Self> {
        Self::read(known).filter(|copy| copy.known.description() == Some(description))
    }

    /// A replica of this key.
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

    /// When KMS deletes it, if that is known.
    pub(super) fn deletion(&self) -> Option<Timestamp> {
        self.known.deletion_date.map(Timestamp::from)
    }

    /// Which key material it has, if KMS says so.
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

    /// Its own Region and all others in which KMS says that there are copies of it, that of the primary first.
    pub(super) fn regions(&self) -> Vec<&str> {
        let family = self.known.multi_region_configuration.as_ref();
        let primary = family.and_then(|family| family.primary_key.as_ref()).into_iter();
        let replicas = family.map_or(&[][..], |family| family.replica_keys()).iter();
        let mut regions: Vec<_> = primary.chain(replicas).filter_map(|key| key.region.as_deref()).collect();
        if !regions.contains(&self.region()) {
            regions.push(self.region());
        }
        regions
    }
}

/// A key in all of its Regions.
#[derive(Debug)]
pub(super) struct Family {
    key: KeyArn,
    copies: Vec<KeyCopy>,
    named: BTreeSet<String>,
    /// The Regions that could not be asked, and why.
    pub(super) out: Vec<(String, Error)>,
}

impl Family {
    /// That of a key which has just been created.
    pub(super) fn of(copy: KeyCopy) -> Self {
        let named = copy.regions().into_iter().map(str::to_owned).collect();
        Self { key: copy.key.clone(), copies: vec![copy], named, out: Vec::new() }
    }

    /// The key, as it was asked for.
    pub(super) fn key(&self) -> &KeyArn {
        &self.key
    }

    /// Its copies, the primary first.
    pub(super) fn copies(&self) -> &[KeyCopy] {
        &self.copies
    }

    pub(super) fn copy_in(&self, region: &str) -> Option<&KeyCopy> {
        self.copies.iter().find(|copy| copy.region() == region)
    }

    /// The Regions that KMS names.
    pub(super) fn named(&self) -> &BTreeSet<String> {
        &self.named
    }

    /// Whether KMS has no such key, as far as every Region could be asked.
    pub(super) fn is_gone(&self) -> bool {
        self.copies.is_empty() && self.out.is_empty()
    }

    /// The copy that is rotated and replicated.
    ///
    /// # Errors
    ///
    /// Why it cannot be seen.
    pub(super) fn primary(&self) -> Result<&KeyCopy, Error> {
        let first = self.copies.first();
        let primary = first.and_then(|copy| copy.regions().first().copied().map(str::to_owned));
        let region = primary.unwrap_or_else(|| self.key.region().to_owned());
        match self.copy_in(&region) {
            Some(copy) => Ok(copy),
            None => Err(self.why_not(&region)),
        }
    }

    /// Why there is no copy in a Region.
    pub(super) fn why_not(&self, region: &str) -> Error {
        match self.out.iter().find(|(out, _)| out == region).or(self.out.first()) {
            Some((_, error)) => error.clone(),
            None => Error::KeyMissing { key: self.key.clone(), region: region.to_owned() },
        }
    }
}

impl Tenants {
    /// A key in every Region that KMS names, the registry lists or its ARN has, when it was made for `whose`. Gives no copies when KMS
    /// has none.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignKey`] when KMS says that the key was made for somebody else.
    pub(super) async fn family(&self, whose: Whose<'_>, key: &KeyArn, listed: &[String]) -> Result<Family, Error> {
        let mut family = Family { key: key.clone(), copies: Vec::new(), named: BTreeSet::new(), out: Vec::new() };
        let mut regions: Vec<String> = vec![key.region().to_owned()];
        regions.extend(listed.iter().filter(|region| is_region(region)).cloned());
        let mut next = 0;
        while let Some(region) = regions.get(next).cloned() {
            next += 1;
            if regions[..next - 1].contains(&region) {
                continue;
            }
            match self.admin().settled_if_any(&region, key).await {
                Ok(Some(known)) => {
                    let copy = KeyCopy::read(known).filter(|copy| copy.key.key_id() == key.key_id());
                    let copy = copy.ok_or_else(|| AwsError::unexpected("kms:DescribeKey", &region))?;
                    for region in copy.regions() {
                        family.named.insert(region.to_owned());
                        regions.push(region.to_owned());
                    }
                    family.copies.push(copy);
                }
                Ok(None) => {}
                Err(error) if region_results::concerns_all(&error) => return Err(error),
                Err(error) => family.out.push((region, error)),
            }
        }
        for region in &family.named {
            // KMS says elsewhere that there is a copy: it is not gone.
            if family.copy_in(region).is_none() && !family.out.iter().any(|(out, _)| out == region) {
                family.out.push((region.clone(), Error::KeyMissing { key: key.clone(), region: region.clone() }));
            }
        }
        let first = family.copies.first().and_then(|copy| copy.regions().first().copied().map(str::to_owned));
        family.copies.sort_by_key(|copy| (first.as_deref() != Some(copy.region()), copy.region().to_owned()));
        match self.foreign(whose, &family.copies).await? {
            None => Ok(family),
            // Whoever corrects its description must do it there.
            Some(copy) => Err(Error::ForeignKey { tenant: whose.name().clone(), key: copy.key.clone() }),
        }
    }

    /// As [`Tenants::family`], of a key that KMS may not know yet.
    pub(super) async fn new_family(&self, whose: Whose<'_>, key: &KeyArn, listed: &[String]) -> Result<Family, Error> {
        let look = || async {
            let family = self.family(whose, key, listed).await?;
            if family.is_gone() { Err(family.why_not(key.region())) } else { Ok(family) }
        };
        self.admin().patiently(look).await
    }

    /// The copy by which a key was not made for `whose`: one says otherwise, or none says so.
    async fn foreign<'a>(&self, whose: Whose<'_>, copies: &'a [KeyCopy]) -> Result<Option<&'a KeyCopy>, Error> {
        let name = whose.name().as_str();
        let mut said = false;
        for copy in copies {
            let Some(mark) = Mark::read(&copy.known) else { continue };
            said = match (whose, mark) {
                (Whose::Tenants(_) | Whose::Either(_), Mark::Tenant(says)) => says == name,
                (Whose::Pools(_) | Whose::Either(_), Mark::Pool(says)) => says == name,
                (Whose::SomePools(_), Mark::Pool(_)) => true,
                // Keys of pools said `tenant` once; their policies tell them apart.
                (Whose::Pools(_), Mark::Tenant(says)) => says == name && self.is_shared(copy).await?,
                (Whose::SomePools(_), Mark::Tenant(_)) => self.is_shared(copy).await?,
                (Whose::Tenants(_), Mark::Pool(_)) => false,
            };
            if !said {
                return Ok(Some(copy));
            }
        }
        if !said && let Whose::Tenants(tenant) | Whose::Either(tenant) = whose {
            // A key that was made by hand says so by its policy, which names the tenant in each statement.
            let policy = self.tenancy().key_policy(tenant)?;
            for copy in copies {
                said |= policy.is_same(&self.admin().key_policy(copy.region(), &copy.key).await?);
            }
        }
        Ok(copies.first().filter(|_| !said))
    }

    /// Whether the policy of a key is that of pools.
    pub(super) async fn is_shared(&self, copy: &KeyCopy) -> Result<bool, Error> {
        let policy = self.admin().key_policy(copy.region(), &copy.key).await?;
        Ok(self.tenancy().shared_key_policy()?.is_same(&policy))
    }
}

impl Admin {
    /// As [`Admin::settled`]; nothing when there is no such key.
    async fn settled_if_any(&self, region: &str, key: &KeyArn) -> Result<Option<KeyMetadata>, Error> {
        match self.settled(region, key).await {
            Err(Error::Aws(error)) if error.is_not_found() => Ok(None),
            known => known.map(Some),
        }
    }
}

/// Whether a text can be the name of a Region: what is sent there is signed, and goes to a host of this name.
pub(super) fn is_region(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(word)
}

pub(super) fn is_pending_deletion(key: &KeyMetadata) -> bool {
    matches!(key.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion))
}

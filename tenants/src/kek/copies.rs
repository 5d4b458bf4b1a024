//! A KEK in all of its Regions, as KMS has it.

use std::collections::BTreeSet;

use tenantseal_core::format::KeyArn;

use super::{KeyCopy, Mark, Whose};
use crate::Tenants;
use crate::aws_error::AwsError;
use crate::entry::is_region;
use crate::error::Error;

/// A key in all of its Regions.
#[derive(Debug)]
pub(crate) struct Family {
    key: KeyArn,
    copies: Vec<KeyCopy>,
    named: BTreeSet<String>,
    /// The Regions that could not be asked, and why.
    pub(crate) out: Vec<(String, Error)>,
}

impl Family {
    /// That of a key which has just been created.
    pub(crate) fn of(copy: KeyCopy) -> Self {
        let named = copy.regions().into_iter().map(str::to_owned).collect();
        Self { key: copy.key.clone(), copies: vec![copy], named, out: Vec::new() }
    }

    /// The key, as it was asked for.
    pub(crate) fn key(&self) -> &KeyArn {
        &self.key
    }

    /// Its copies, the primary first.
    pub(crate) fn copies(&self) -> &[KeyCopy] {
        &self.copies
    }

    pub(crate) fn copy_in(&self, region: &str) -> Option<&KeyCopy> {
        self.copies.iter().find(|copy| copy.region() == region)
    }

    /// The Regions that KMS names.
    pub(crate) fn named(&self) -> &BTreeSet<String> {
        &self.named
    }

    /// Whether KMS has no such key, as far as every Region could be asked.
    pub(crate) fn is_gone(&self) -> bool {
        self.copies.is_empty() && self.out.is_empty()
    }

    /// The copy that is rotated and replicated.
    ///
    /// # Errors
    ///
    /// Why it cannot be seen.
    pub(crate) fn primary(&self) -> Result<&KeyCopy, Error> {
        let first = self.copies.first();
        let primary = first.and_then(|copy| copy.regions().first().copied().map(str::to_owned));
        let region = primary.unwrap_or_else(|| self.key.region().to_owned());
        match self.copy_in(&region) {
            Some(copy) => Ok(copy),
            None => Err(self.why_not(&region)),
        }
    }

    /// Why there is no copy in a Region.
    pub(crate) fn why_not(&self, region: &str) -> Error {
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
    pub(crate) async fn family(&self, whose: Whose<'_>, key: &KeyArn, listed: &[String]) -> Result<Family, Error> {
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
                Err(error) if error.concerns_all_regions() => return Err(error),
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
    pub(crate) async fn new_family(&self, whose: Whose<'_>, key: &KeyArn, listed: &[String]) -> Result<Family, Error> {
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
    pub(crate) async fn is_shared(&self, copy: &KeyCopy) -> Result<bool, Error> {
        let policy = self.admin().key_policy(copy.region(), &copy.key).await?;
        Ok(self.tenancy().shared_key_policy()?.is_same(&policy))
    }
}

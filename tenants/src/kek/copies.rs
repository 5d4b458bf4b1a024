//! A KEK in all of its Regions, as KMS has it.

use std::collections::BTreeSet;

use tenantseal_core::format::KeyArn;

use super::{Description, KekCopy, KekOwner};
use crate::Tenants;
use crate::aws_error::AwsError;
use crate::entry::is_region;
use crate::error::Error;

/// A KEK in all of its Regions.
#[derive(Debug)]
pub(crate) struct Kek {
    key: KeyArn,
    copies: Vec<KekCopy>,
    regions: BTreeSet<String>,
    /// The Regions that failed, each with its error.
    pub(crate) failed_regions: Vec<(String, Error)>,
}

impl Kek {
    /// A KEK that was created moments ago.
    pub(crate) fn with_copy(copy: KekCopy) -> Self {
        let regions = copy.regions().into_iter().map(str::to_owned).collect();
        Self { key: copy.key.clone(), copies: vec![copy], regions, failed_regions: Vec::new() }
    }

    /// The ARN that was looked up.
    pub(crate) fn key(&self) -> &KeyArn {
        &self.key
    }

    /// Its copies, the primary first.
    pub(crate) fn copies(&self) -> &[KekCopy] {
        &self.copies
    }

    pub(crate) fn copy_in(&self, region: &str) -> Option<&KekCopy> {
        self.copies.iter().find(|copy| copy.region() == region)
    }

    /// The Regions that KMS names.
    pub(crate) fn regions(&self) -> &BTreeSet<String> {
        &self.regions
    }

    /// Whether no Region has a copy and every Region answered.
    pub(crate) fn is_gone(&self) -> bool {
        self.copies.is_empty() && self.failed_regions.is_empty()
    }

    /// The primary, which is rotated and replicated.
    ///
    /// # Errors
    ///
    /// The error of its Region.
    pub(crate) fn primary(&self) -> Result<&KekCopy, Error> {
        let first = self.copies.first();
        let primary = first.and_then(|copy| copy.regions().first().copied().map(str::to_owned));
        let region = primary.unwrap_or_else(|| self.key.region().to_owned());
        match self.copy_in(&region) {
            Some(copy) => Ok(copy),
            None => Err(self.missing_copy(&region)),
        }
    }

    /// The error for a Region without a copy.
    pub(crate) fn missing_copy(&self, region: &str) -> Error {
        match self.failed_regions.iter().find(|(out, _)| out == region).or(self.failed_regions.first()) {
            Some((_, error)) => error.clone(),
            None => Error::KekMissing { key: self.key.clone(), region: region.to_owned() },
        }
    }
}

impl Tenants {
    /// Finds a KEK in all Regions that KMS names, the registry lists, or its ARN contains, and confirms its owner. It
    /// has no copies when KMS knows none.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignKek`] when KMS names another owner.
    pub(crate) async fn find_kek(&self, owner: KekOwner<'_>, key: &KeyArn, listed: &[String]) -> Result<Kek, Error> {
        let mut kek =
            Kek { key: key.clone(), copies: Vec::new(), regions: BTreeSet::new(), failed_regions: Vec::new() };
        let mut regions: Vec<String> = vec![key.region().to_owned()];
        regions.extend(listed.iter().filter(|region| is_region(region)).cloned());
        let mut next = 0;
        while let Some(region) = regions.get(next).cloned() {
            next += 1;
            if regions[..next - 1].contains(&region) {
                continue;
            }
            match self.admin().describe_stable_if_any(&region, key).await {
                Ok(Some(known)) => {
                    let copy = KekCopy::read(known).filter(|copy| copy.key.key_id() == key.key_id());
                    let copy = copy.ok_or_else(|| AwsError::unexpected("kms:DescribeKey", &region))?;
                    for region in copy.regions() {
                        kek.regions.insert(region.to_owned());
                        regions.push(region.to_owned());
                    }
                    kek.copies.push(copy);
                }
                Ok(None) => {}
                Err(error) if error.concerns_all_regions() => return Err(error),
                Err(error) => kek.failed_regions.push((region, error)),
            }
        }
        for region in &kek.regions {
            // Another Region names this copy: it is not gone.
            if kek.copy_in(region).is_none() && !kek.failed_regions.iter().any(|(out, _)| out == region) {
                kek.failed_regions
                    .push((region.clone(), Error::KekMissing { key: key.clone(), region: region.clone() }));
            }
        }
        let first = kek.copies.first().and_then(|copy| copy.regions().first().copied().map(str::to_owned));
        kek.copies.sort_by_key(|copy| (first.as_deref() != Some(copy.region()), copy.region().to_owned()));
        match self.find_foreign_copy(owner, &kek.copies).await? {
            None => Ok(kek),
            // The description must be corrected in that Region.
            Some(copy) => Err(Error::ForeignKek { tenant: owner.name().clone(), key: copy.key.clone() }),
        }
    }

    /// Like [`Tenants::find_kek`], for a new KEK that KMS may not know yet.
    pub(crate) async fn find_new_kek(
        &self,
        owner: KekOwner<'_>,
        key: &KeyArn,
        listed: &[String],
    ) -> Result<Kek, Error> {
        let look = || async {
            let kek = self.find_kek(owner, key, listed).await?;
            if kek.is_gone() { Err(kek.missing_copy(key.region())) } else { Ok(kek) }
        };
        self.admin().retry_until_known(look).await
    }

    /// The copy that disproves `owner`: one names another owner, or none names this one.
    async fn find_foreign_copy<'a>(
        &self,
        owner: KekOwner<'_>,
        copies: &'a [KekCopy],
    ) -> Result<Option<&'a KekCopy>, Error> {
        let name = owner.name().as_str();
        let mut said = false;
        for copy in copies {
            let Some(mark) = Description::parse(&copy.known) else { continue };
            said = match (owner, mark) {
                (KekOwner::Tenant(_) | KekOwner::TenantOrPool(_), Description::Tenant(says)) => says == name,
                (KekOwner::Pool(_) | KekOwner::TenantOrPool(_), Description::Pool(says)) => says == name,
                (KekOwner::AnyPool(_), Description::Pool(_)) => true,
                // Older KEKs of pools say `tenant`: their policies distinguish them.
                (KekOwner::Pool(_), Description::Tenant(says)) => says == name && self.is_shared(copy).await?,
                (KekOwner::AnyPool(_), Description::Tenant(_)) => self.is_shared(copy).await?,
                (KekOwner::Tenant(_), Description::Pool(_)) => false,
            };
            if !said {
                return Ok(Some(copy));
            }
        }
        if !said && let KekOwner::Tenant(tenant) | KekOwner::TenantOrPool(tenant) = owner {
            // A KEK that was created by hand has no such description. Its policy names the tenant in each statement.
            let policy = self.tenancy().key_policy(tenant)?;
            for copy in copies {
                said |= policy.is_same(&self.admin().key_policy(copy.region(), &copy.key).await?);
            }
        }
        Ok(copies.first().filter(|_| !said))
    }

    /// Whether the KEK has the policy of pools.
    pub(crate) async fn is_shared(&self, copy: &KekCopy) -> Result<bool, Error> {
        let policy = self.admin().key_policy(copy.region(), &copy.key).await?;
        Ok(self.tenancy().shared_key_policy()?.is_same(&policy))
    }
}

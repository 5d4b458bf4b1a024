//! Reconciles the registry's Regions with those in which KMS has the tenant's KEKs.

use std::collections::BTreeSet;

use super::begun::Begun;
use super::entry::Entry;
use super::kek::KekOwner;
use super::kek::copies::Kek;
use super::{Error, Tenants};

/// The Regions in which registry and KMS differ.
#[derive(Debug, Default)]
pub(super) struct RegionMismatch {
    unlisted: Vec<String>,
    unfounded: Vec<String>,
    /// The Regions that KMS names, the current primary's first.
    regions: Vec<String>,
}

impl RegionMismatch {
    /// Compares an entry with its own KEKs. Copies whose deletion is due may be missing.
    pub(super) fn between(entry: &Entry, own: &[Kek], is_due: bool) -> Option<Self> {
        // A KEK that is being created may lack copies.
        let is_made = |kek: &&Kek| entry.generations.iter().any(|made| made.key.is_same_key(kek.key()));
        let own: Vec<&Kek> = own.iter().filter(is_made).collect();
        if own.iter().all(|kek| kek.copies().is_empty()) {
            return None;
        }
        let named: BTreeSet<&String> = own.iter().flat_map(|kek| kek.regions()).collect();
        let out: BTreeSet<&String> = own.iter().flat_map(|kek| &kek.failed_regions).map(|(region, _)| region).collect();
        let homes = own.iter().filter(|kek| !kek.copies().is_empty()).map(|kek| kek.key().region());
        let listed: BTreeSet<&str> = entry.regions.iter().map(String::as_str).chain(homes).collect();
        let unlisted: Vec<_> = named.iter().filter(|region| !entry.regions.contains(region)).collect();
        let mut unfounded: Vec<_> =
            listed.iter().filter(|region| !named.iter().any(|named| named == *region)).collect();
        unfounded.retain(|region| !is_due && !out.iter().any(|out| out == *region));
        if unlisted.is_empty() && unfounded.is_empty() {
            return None;
        }
        let primary = own.iter().rev().find_map(|kek| kek.copies().first()).map(|copy| copy.region().to_owned());
        let mut regions: Vec<String> = primary.into_iter().collect();
        for region in entry.regions.iter().filter(|region| named.contains(region)).chain(named.iter().copied()) {
            if !regions.contains(region) {
                regions.push(region.clone());
            }
        }
        // Regions without an answer stay as they are.
        regions.extend(entry.regions.iter().filter(|region| out.contains(region) && !named.contains(region)).cloned());
        let unlisted = unlisted.into_iter().map(|region| (*region).clone()).collect();
        let unfounded = unfounded.into_iter().map(|region| (*region).to_owned()).collect();
        Some(Self { unlisted, unfounded, regions })
    }
}

impl Tenants {
    /// The tenant's own KEKs as KMS has them, before any step.
    ///
    /// # Errors
    ///
    /// A contradiction between a KEK and the registry.
    pub(super) async fn reconcile_keks(&self, begun: &Begun, owner: KekOwner<'_>) -> Result<Vec<Kek>, Error> {
        let mut own = Vec::new();
        for key in begun.entry.own_keys() {
            let kek = self.find_kek(owner, key, &begun.entry.regions).await?;
            if kek.is_gone() && !self.is_due(&begun.entry) {
                return Err(kek.missing_copy(key.region()));
            }
            own.push(kek);
        }
        self.reconcile_regions(begun, &own).await?;
        Ok(own)
    }

    /// Corrects the entry's Regions to those that KMS names.
    ///
    /// # Errors
    ///
    /// [`Error::RegionMismatch`] when they differed.
    pub(super) async fn reconcile_regions(&self, begun: &Begun, own: &[Kek]) -> Result<(), Error> {
        let is_due = self.is_due(&begun.entry);
        let Some(found) = RegionMismatch::between(&begun.entry, own, is_due) else { return Ok(()) };
        let homes: Vec<_> = own.iter().filter_map(|kek| Some((kek.key(), kek.copies().first()?.key()))).collect();
        let correct = |entry: &mut Entry| {
            entry.regions.clone_from(&found.regions);
            for generation in &mut entry.generations {
                let home = homes.iter().find(|(key, _)| **key == generation.key).map(|(_, home)| (*home).clone());
                if let Some(home) =
                    home.filter(|_| found.unfounded.iter().any(|region| region == generation.key.region()))
                {
                    generation.key = home;
                }
            }
        };
        self.advance(begun.entry.clone(), &begun.id, correct).await?;
        let RegionMismatch { unlisted, unfounded, .. } = found;
        Err(Error::RegionMismatch { tenant: begun.entry.tenant.clone(), unlisted, unfounded })
    }

    /// Whether the deletion of the tenant's KEKs is due.
    pub(super) fn is_due(&self, entry: &Entry) -> bool {
        entry.deletion.is_some_and(|deletion| deletion <= self.now())
    }
}

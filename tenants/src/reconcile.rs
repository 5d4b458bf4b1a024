//! Whether the registry lists the Regions in which KMS has the tenant's keys.

use std::collections::BTreeSet;

use super::begun::Begun;
use super::entry::Entry;
use super::kek::Whose;
use super::kek::copies::Family;
use super::{Error, Tenants};

/// In which Regions registry and KMS disagree.
#[derive(Debug, Default)]
pub(super) struct Disagreement {
    unlisted: Vec<String>,
    unfounded: Vec<String>,
    /// What KMS says, the Region of the current key's primary first.
    regions: Vec<String>,
}

impl Disagreement {
    /// Between an entry and its own keys. Regions of copies whose day of deletion has come are missed by nobody.
    pub(super) fn between(entry: &Entry, own: &[Family], is_due: bool) -> Option<Self> {
        // A key that is being made is not yet where it will be.
        let is_made = |family: &&Family| entry.generations.iter().any(|made| made.key.is_same_key(family.key()));
        let own: Vec<&Family> = own.iter().filter(is_made).collect();
        if own.iter().all(|family| family.copies().is_empty()) {
            return None;
        }
        let named: BTreeSet<&String> = own.iter().flat_map(|family| family.named()).collect();
        let out: BTreeSet<&String> = own.iter().flat_map(|family| &family.out).map(|(region, _)| region).collect();
        let homes = own.iter().filter(|family| !family.copies().is_empty()).map(|family| family.key().region());
        let listed: BTreeSet<&str> = entry.regions.iter().map(String::as_str).chain(homes).collect();
        let unlisted: Vec<_> = named.iter().filter(|region| !entry.regions.contains(region)).collect();
        let mut unfounded: Vec<_> =
            listed.iter().filter(|region| !named.iter().any(|named| named == *region)).collect();
        unfounded.retain(|region| !is_due && !out.iter().any(|out| out == *region));
        if unlisted.is_empty() && unfounded.is_empty() {
            return None;
        }
        let primary = own.iter().rev().find_map(|family| family.copies().first()).map(|copy| copy.region().to_owned());
        let mut regions: Vec<String> = primary.into_iter().collect();
        for region in entry.regions.iter().filter(|region| named.contains(region)).chain(named.iter().copied()) {
            if !regions.contains(region) {
                regions.push(region.clone());
            }
        }
        // Of Regions that did not answer nothing is known.
        regions.extend(entry.regions.iter().filter(|region| out.contains(region) && !named.contains(region)).cloned());
        let unlisted = unlisted.into_iter().map(|region| (*region).clone()).collect();
        let unfounded = unfounded.into_iter().map(|region| (*region).to_owned()).collect();
        Some(Self { unlisted, unfounded, regions })
    }
}

impl Tenants {
    /// The tenant's own keys as KMS has them, before anything is done with them.
    ///
    /// # Errors
    ///
    /// What one of them or the registry says that cannot be so.
    pub(super) async fn agreed(&self, begun: &Begun, whose: Whose<'_>) -> Result<Vec<Family>, Error> {
        let mut own = Vec::new();
        for key in begun.entry.own_keys() {
            let family = self.family(whose, key, &begun.entry.regions).await?;
            if family.is_gone() && !self.is_due(&begun.entry) {
                return Err(family.why_not(key.region()));
            }
            own.push(family);
        }
        self.agree(begun, &own).await?;
        Ok(own)
    }

    /// Has the entry list the Regions that KMS names.
    ///
    /// # Errors
    ///
    /// [`Error::Regions`] when it did not.
    pub(super) async fn agree(&self, begun: &Begun, own: &[Family]) -> Result<(), Error> {
        let is_due = self.is_due(&begun.entry);
        let Some(found) = Disagreement::between(&begun.entry, own, is_due) else { return Ok(()) };
        let homes: Vec<_> =
            own.iter().filter_map(|family| Some((family.key(), family.copies().first()?.key()))).collect();
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
        let Disagreement { unlisted, unfounded, .. } = found;
        Err(Error::Regions { tenant: begun.entry.tenant.clone(), unlisted, unfounded })
    }

    /// Whether the day has come on which keys of the tenant were to be deleted.
    pub(super) fn is_due(&self, entry: &Entry) -> bool {
        entry.deletion.is_some_and(|deletion| deletion <= self.now())
    }
}

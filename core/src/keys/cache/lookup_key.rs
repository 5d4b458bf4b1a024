//! A tenant's lookup keys in memory, under the leases of its data keys.

use std::fmt;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::crypto::{LookupKeyId, LookupPrk, MacKey};
use crate::envelope::VerifiedDataKey;
use crate::keys::cache::clock::Moment;
use crate::keys::declared_lookups::DeclaredLookups;
use crate::tenant::TenantId;

/// One of a tenant's lookup keys. The keys of its tokens are derived once, when they are needed.
pub struct TenantLookupKey {
    tenant: TenantId,
    number: u16,
    /// It wraps the lookup key.
    data_key: Arc<VerifiedDataKey>,
    prk: LookupPrk,
    id: LookupKeyId,
    declared: Arc<DeclaredLookups>,
    /// By the place of the lookup among all that are declared.
    mac_keys: Box<[OnceLock<Box<MacKey>>]>,
}

impl TenantLookupKey {
    pub(crate) fn new(
        tenant: &TenantId,
        number: u16,
        data_key: &Arc<VerifiedDataKey>,
        prk: LookupPrk,
        declared: &Arc<DeclaredLookups>,
    ) -> Self {
        let mac_keys = (0..declared.len()).map(|_| OnceLock::new()).collect();
        let (tenant, data_key, declared, id) = (tenant.clone(), Arc::clone(data_key), Arc::clone(declared), prk.id());
        Self { tenant, number, data_key, prk, id, declared, mac_keys }
    }

    pub(crate) fn id(&self) -> LookupKeyId {
        self.id
    }

    /// The data key that wraps it.
    pub(crate) fn data_key(&self) -> &Arc<VerifiedDataKey> {
        &self.data_key
    }

    /// The key of the tokens of the lookup at this place among all that are declared.
    fn mac_key(&self, at: usize) -> &MacKey {
        self.mac_keys[at].get_or_init(|| {
            let lookup = self.declared.get(at);
            Box::new(lookup.definition.mac_key(&self.prk, &self.tenant, &lookup.table, &lookup.name))
        })
    }
}

impl fmt::Debug for TenantLookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantLookupKey({}, {})", self.tenant, self.number)
    }
}

/// The lookup keys that an operation needs: usually one.
#[derive(Debug, Default)]
pub struct LookupKeys(SmallVec<[Arc<TenantLookupKey>; 2]>);

impl LookupKeys {
    pub(crate) fn new(keys: SmallVec<[Arc<TenantLookupKey>; 2]>) -> Self {
        Self(keys)
    }

    /// The key of the tokens of a declared lookup. `None` when it is not declared, or its lookup key is not among these.
    pub fn mac_key(&self, table: &str, name: &str) -> Option<&MacKey> {
        let (at, lookup) = self.0.first()?.declared.find(table, name)?;
        Some(self.0.iter().find(|key| key.number == lookup.number)?.mac_key(at))
    }

    /// Tells, in tests, whether anything still holds them.
    #[cfg(test)]
    pub(crate) fn downgrade(&self) -> Vec<std::sync::Weak<TenantLookupKey>> {
        self.0.iter().map(Arc::downgrade).collect()
    }

    /// The data keys that wrap them.
    pub fn data_keys(&self) -> impl Iterator<Item = &VerifiedDataKey> {
        self.0.iter().map(|key| &**key.data_key())
    }
}

/// A lookup key in the cache.
#[derive(Debug)]
pub(crate) struct LookupSlot {
    pub(crate) key: Arc<TenantLookupKey>,
    /// The index of the context under whose pairs its entry lies.
    pub(crate) context: usize,
    pub(crate) lease: u64,
    /// The lookup record, as its entry was last seen: it is stored again when the entry is lost.
    pub(crate) stored: Box<[u8]>,
    /// When its entry was last read, or when reading it was last tried.
    pub(crate) checked: Moment,
    /// Whether its entry has to be read again soon: the last try failed.
    pub(crate) is_unchecked: bool,
}

/// The lookup keys in the cache: as few as the schemas declare.
#[derive(Debug, Default)]
pub(crate) struct LookupKeySlots(Vec<LookupSlot>);

impl LookupKeySlots {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn get(&self, number: u16) -> Option<&LookupSlot> {
        self.0.iter().find(|slot| slot.key.number == number)
    }

    pub(crate) fn get_mut(&mut self, number: u16) -> Option<&mut LookupSlot> {
        self.0.iter_mut().find(|slot| slot.key.number == number)
    }

    pub(crate) fn insert(&mut self, slot: LookupSlot) {
        self.remove(slot.key.number);
        self.0.push(slot);
    }

    pub(crate) fn remove(&mut self, number: u16) -> usize {
        let before = self.0.len();
        self.0.retain(|slot| slot.key.number != number);
        before - self.0.len()
    }

    pub(crate) fn retain_leases(&mut self, keep: impl Fn(u64) -> bool) {
        self.0.retain(|slot| keep(slot.lease));
    }

    pub(crate) fn data_key_for_lease(&self, lease: u64) -> Option<&Arc<VerifiedDataKey>> {
        self.0.iter().find(|slot| slot.lease == lease).map(|slot| slot.key.data_key())
    }
}

//! The fleet's agreement on a tenant's lookup key, by compare-and-swap in the key table.

use std::sync::Arc;

use crate::crypto::LookupPrk;
use crate::format::{KnownLookups, LookupContents};
use crate::keys::cache::data_key_cache::CURRENT_CONTEXT;
use crate::keys::cache::fetches::LookupKeyResult;
use crate::keys::cache::lookup_key::{LookupSlot, TenantLookupKey};
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::declared_lookups::DeclaredLookup;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::lookup_entry::{LookupEntry, WrappingKey, draw_lookup_key};
use crate::keys::fetch::shared_keys::SharedKeys;
use crate::keys::outcome::UnwrapError;
use crate::keys::{KeyTableError, KeyTableErrorKind as Kind};
use crate::telemetry;

/// How often to start again when others keep changing the entry: in a deployment, each service adds its lookups.
const ROUNDS: usize = 12;

/// The agreement on the lookup key of one number.
pub(crate) struct Agreement<'a> {
    engine: &'a Arc<Engine>,
    keys: &'a Arc<TenantKeys>,
    shared: &'a SharedKeys,
    number: u16,
    entry: LookupEntry,
    /// The data key that wraps what the entry holds.
    wrapping: Option<WrappingKey>,
}

impl<'a> Agreement<'a> {
    /// Takes the lookup key that the fleet has, or makes it. Adds the lookups that are new under it, and wraps it under
    /// the KEK that the tenant's alias points to.
    pub(crate) async fn reach(
        engine: &'a Arc<Engine>,
        keys: &'a Arc<TenantKeys>,
        shared: &'a SharedKeys,
        number: u16,
    ) -> LookupKeyResult {
        if let Some(before) = number.checked_sub(1).filter(|before| *before > 0) {
            Self::read(engine, keys, shared, before).await?.check_before().await?;
        }
        Self::read(engine, keys, shared, number).await?.settle().await
    }

    async fn read(
        engine: &'a Arc<Engine>,
        keys: &'a Arc<TenantKeys>,
        shared: &'a SharedKeys,
        number: u16,
    ) -> Result<Self, KeyTableError> {
        let entry = engine.read_lookup_entry(keys, shared, number).await?;
        Ok(Self { engine, keys, shared, number, entry, wrapping: None })
    }

    async fn settle(mut self) -> LookupKeyResult {
        for _ in 0..ROUNDS {
            let Some(mut contents) = self.open().await? else {
                self.fill().await?;
                continue;
            };
            let prk = contents.key.extract();
            self.compare_id(&prk)?;
            let unknown = self.engine.lookups.unknown(self.number, &contents.known);
            let unknown = unknown.map_err(|lookup| self.redefined(lookup))?;
            let is_known = unknown.is_empty();
            if !is_known {
                self.check_after().await?;
            }
            unknown.into_iter().for_each(|lookup| lookup.add_to(&mut contents.known));
            if !self.renew(&contents, is_known).await? {
                // Another process was faster.
                continue;
            }
            // The tenant may have been evicted meanwhile: then its lease is over.
            if let Some(wrapping) = self.wrapping.take()
                && let Some(key) = self.insert(&wrapping, prk)
            {
                return Ok(key);
            }
        }
        Err(UnwrapError::Table(self.shared.unsettled_error()))
    }

    /// A name keeps its lookup key too: no lookup of the next number may be known under this one.
    async fn check_before(mut self) -> Result<(), UnwrapError> {
        let Some(contents) = self.open().await? else { return Ok(()) };
        if let Some(lookup) = self.engine.lookups.under(self.number + 1).find(|lookup| is_known(&contents, lookup)) {
            return Err(self.redefined(lookup));
        }
        // Perhaps no process uses it any more; but it must open as long as it is there.
        self.renew(&contents, true).await?;
        Ok(())
    }

    /// No lookup that is new under this number may be known under the next one: a process without the declaration of a
    /// change would make tokens that nobody else asks for.
    async fn check_after(&self) -> Result<(), UnwrapError> {
        let Some(after) = self.number.checked_add(1) else { return Ok(()) };
        let mut after = Self::read(self.engine, self.keys, self.shared, after).await?;
        let Some(contents) = after.open().await? else { return Ok(()) };
        match self.engine.lookups.under(self.number).find(|lookup| is_known(&contents, lookup)) {
            Some(lookup) => Err(self.redefined(lookup)),
            None => Ok(()),
        }
    }

    /// What the entry holds; `None` when there is none.
    async fn open(&mut self) -> Result<Option<LookupContents>, UnwrapError> {
        let Self { engine, keys, shared, number, entry, wrapping } = self;
        let Some(stored) = entry.stored.as_deref() else { return Ok(None) };
        engine.open_lookup_entry(keys, shared, *number, (entry.context, stored), wrapping).await.map(Some)
    }

    /// Fills an entry that is not there: with the record that this process knows of it, or with a new lookup key.
    async fn fill(&mut self) -> Result<(), UnwrapError> {
        let Self { engine, keys, shared, number, entry, .. } = self;
        let number = *number;
        let (is_used, cached) = {
            let state = keys.read();
            let cached = state.cache.lookup_slot(number).map(|slot| (slot.context, slot.stored.to_vec()));
            (state.lookup_ids.iter().any(|(other, _)| *other == number), cached)
        };
        match cached {
            _ if !engine.makes_lookup_keys => {}
            Some((context, record)) => {
                *entry = engine.lost_lookup_entry(keys, context, number);
                if entry.replace(keys, shared, record).await? {
                    telemetry::record_lookup_key_restored(&keys.tenant, number);
                }
                return Ok(());
            }
            None => {}
        }
        // This process has used another one, which must come back.
        if is_used || !engine.makes_lookup_keys {
            let kind = Kind::NoLookupKey { tenant: keys.tenant.clone(), number };
            return Err(UnwrapError::Table(shared.error(kind)));
        }
        self.check_after().await?;
        let Self { engine, keys, shared, entry, wrapping, .. } = self;
        shared.ensure_recoverable().await?;
        let made = engine.generate_wrapping_key(keys, CURRENT_CONTEXT).await?;
        let mut contents = LookupContents { key: draw_lookup_key(keys)?, known: KnownLookups::default() };
        engine.lookups.under(number).for_each(|lookup| lookup.add_to(&mut contents.known));
        let record = made.seal(keys, number, &contents)?;
        if entry.replace(keys, shared, record).await? {
            telemetry::record_lookup_key_made(&keys.tenant, number, &made.key.record().kek);
            *wrapping = Some(made);
            if engine.contexts.len() > 1 {
                // A process with other static pairs may have made one at the same time.
                engine.read_lookup_entry(keys, shared, number).await?;
            }
        }
        Ok(())
    }

    /// Stores the lookup key anew when lookups were added to it, or when a former KEK wraps it. Returns whether the entry
    /// holds it now; otherwise another process was faster.
    async fn renew(&mut self, contents: &LookupContents, is_known: bool) -> Result<bool, UnwrapError> {
        let Self { engine, keys, shared, number, entry, wrapping } = self;
        let number = *number;
        let present = wrapping.as_ref().filter(|wrapping| engine.is_former(keys, &wrapping.key));
        let renewed = match present {
            None => None,
            Some(_) => match engine.generate_wrapping_key(keys, entry.context).await {
                Ok(renewed) => Some(renewed),
                // It opens as before.
                Err(error) if !error.concerns_tenant() => {
                    telemetry::record_lookup_key_not_rewrapped(&keys.tenant, number, &error);
                    None
                }
                Err(error) => return Err(error.into()),
            },
        };
        let Some(sealing) = renewed.as_ref().or(wrapping.as_ref().filter(|_| !is_known)) else { return Ok(true) };
        let record = sealing.seal(keys, number, contents)?;
        match entry.replace(keys, shared, record).await {
            Ok(false) => Ok(false),
            Ok(true) => {
                if let Some(renewed) = renewed {
                    telemetry::record_lookup_key_rewrapped(&keys.tenant, number, &renewed.key.record().kek);
                    *wrapping = Some(renewed);
                }
                Ok(true)
            }
            Err(error) if is_known && error.is_retryable() => {
                telemetry::record_lookup_key_not_rewrapped(&keys.tenant, number, &error);
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The entry must hold the lookup key that this process has used before, also before an eviction.
    fn compare_id(&self, prk: &LookupPrk) -> Result<(), KeyTableError> {
        let Self { keys, shared, number, .. } = self;
        let state = keys.read();
        match state.lookup_ids.iter().find(|(other, _)| other == number) {
            Some((_, id)) if !id.matches(&prk.id()) => {
                Err(shared.error(Kind::LookupKeyChanged { tenant: keys.tenant.clone(), number: *number }))
            }
            _ => Ok(()),
        }
    }

    /// Caches the lookup key, unless the tenant was evicted since its lease was granted.
    fn insert(&self, wrapping: &WrappingKey, prk: LookupPrk) -> Option<Arc<TenantLookupKey>> {
        let Self { engine, keys, number, entry, .. } = self;
        let number = *number;
        let stored = entry.stored.clone()?;
        let key = TenantLookupKey::new(&keys.tenant, number, &wrapping.key, prk, &engine.lookups);
        let key = {
            let mut state = keys.write();
            if state.epoch != wrapping.epoch {
                return None;
            }
            let present = state.cache.lookup_slot(number).map(|slot| &slot.key);
            // The keys of tokens that it has derived stay.
            let same = present.filter(|present| Arc::ptr_eq(present.data_key(), &wrapping.key));
            let key = same.map_or_else(|| Arc::new(key), Arc::clone);
            if !state.lookup_ids.iter().any(|(other, _)| *other == number) {
                state.lookup_ids.push((number, key.id()));
            }
            let (key_of_slot, context, lease) = (Arc::clone(&key), entry.context, wrapping.lease);
            let checked = engine.clock.now();
            let slot = LookupSlot { key: key_of_slot, context, lease, stored, checked, is_unchecked: false };
            state.cache.insert_lookup_key(slot);
            key
        };
        engine.track(keys);
        Some(key)
    }
    /// The error for a lookup that was declared otherwise before.
    fn redefined(&self, lookup: &DeclaredLookup) -> UnwrapError {
        let DeclaredLookup { table, name, .. } = lookup.clone();
        UnwrapError::Table(self.shared.error(Kind::LookupRedefined { table, name }))
    }
}

/// Whether a lookup of this name was declared under a lookup key.
fn is_known(contents: &LookupContents, lookup: &DeclaredLookup) -> bool {
    contents.known.get(&lookup.table, &lookup.name).is_some()
}

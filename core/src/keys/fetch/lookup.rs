//! A tenant's lookup keys: from the cache, or from the key table, where the fleet agrees on one of each number.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use tokio::runtime::Handle;

use crate::crypto::LookupPrk;
use crate::envelope::Purpose;
use crate::format::{KnownLookups, LookupContents};
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::{CURRENT_CONTEXT, CachedKey};
use crate::keys::cache::fetches::LookupKeyResult;
use crate::keys::cache::key_health::Route;
use crate::keys::cache::lookup_key::{LookupKeys, LookupSlot, TenantLookupKey};
use crate::keys::cache::tenant_state::{State, TenantKeys};
use crate::keys::declared_lookups::DeclaredLookup;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::lookup_entry::{LookupEntry, WrappingKey, draw_lookup_key};
use crate::keys::fetch::sealing_key::sealing_error;
use crate::keys::fetch::shared_keys::SharedKeys;
use crate::keys::outcome::{KeyError, UnwrapError};
use crate::keys::{KeyServiceError, KeyServiceErrorKind, KeyTableError, KeyTableErrorKind as Kind};
use crate::telemetry::{self, Eviction};

/// How often to start again when others keep changing the entry: in a deployment, each service adds its lookups.
const LOOKUP_ROUNDS: usize = 12;
/// When to read an entry again after that failed, or while a former KEK wraps the lookup key.
const SOON: Duration = Duration::from_secs(60);

impl Engine {
    /// The lookup key of this number, if it is cached. Its entry is read again in the background once per rotation
    /// period.
    pub(crate) fn cached_lookup_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        number: u16,
        now: Moment,
    ) -> Option<Arc<TenantLookupKey>> {
        let (key, neglected, is_due) = {
            let state = keys.read();
            match state.cache.lookup_key(number, &self.terms, state.health.outage(), now)? {
                CachedKey::Usable(key, neglected) => (key, neglected, self.is_check_due(&state, number, now)),
                CachedKey::Expired { .. } => return None,
            }
        };
        self.tenants.touch(keys, now);
        if neglected {
            self.replace_refresher(keys);
        }
        if is_due && !self.check_in_background(keys, number, now) {
            return None;
        }
        Some(key)
    }

    fn is_check_due(&self, state: &State, number: u16, now: Moment) -> bool {
        state.cache.lookup_slot(number).is_some_and(|slot| {
            let age = now.since(slot.checked);
            let is_former = || state.health.route(&slot.key.data_key().record().kek) == Route::KeyAlias;
            // In this order: the first is all that is compared on most uses.
            age >= SOON.min(self.terms.rotation) && (age >= self.terms.rotation || slot.is_unchecked || is_former())
        })
    }

    /// Reads the entry again while the cached lookup key serves on. Returns whether there is a runtime for that.
    fn check_in_background(self: &Arc<Self>, keys: &Arc<TenantKeys>, number: u16, now: Moment) -> bool {
        let Ok(runtime) = Handle::try_current() else { return false };
        {
            let mut state = keys.write();
            // Another caller may have been faster.
            if !self.is_check_due(&state, number, now) {
                return true;
            }
            if let Some(slot) = state.cache.lookup_slot_mut(number) {
                (slot.checked, slot.is_unchecked) = (now, true);
            }
        }
        let (engine, keys) = (Arc::clone(self), Arc::clone(keys));
        runtime.spawn(async move {
            if let Err(failure) = engine.join_lookup_key_fetch(&keys, number, true).await {
                telemetry::record_lookup_key_unchecked(&keys.tenant, number, &sealing_error(&keys, failure));
            }
        });
        true
    }

    /// The lookup keys of these numbers.
    pub(crate) async fn fetch_lookup_keys(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        numbers: &[u16],
    ) -> Result<LookupKeys, KeyError> {
        let _recovery_probe = keys.admit_request(self.clock.now())?;
        let _waiting = telemetry::record_miss(&keys.tenant, Purpose::Lookup, numbers.len());
        let fetched = try_join_all(numbers.iter().map(|number| self.fetch_lookup_key(keys, *number))).await;
        fetched.map(LookupKeys::new).map_err(|failure| sealing_error(keys, failure))
    }

    async fn fetch_lookup_key(self: &Arc<Self>, keys: &Arc<TenantKeys>, number: u16) -> LookupKeyResult {
        if let Some(CachedKey::Expired { lease, .. }) = self.look_up_lookup_key(keys, number) {
            let renewed = self.renew_lease(keys, lease, false).await;
            // Also when the renewal failed: in an outage cached keys remain usable for a while.
            if let Some(CachedKey::Usable(key, _)) = self.look_up_lookup_key(keys, number) {
                return Ok(key);
            }
            match renewed {
                Err(UnwrapError::Service(error)) if error.is_revoked() || error.is_retryable() => {
                    return Err(error.into());
                }
                // A former KEK does not answer any more: another process may have wrapped the lookup key again.
                _ => {}
            }
        }
        match self.join_lookup_key_fetch(keys, number, false).await {
            // Its entry was to be read again, and cannot be read.
            Err(failure) if failure.is_retryable() => match self.look_up_lookup_key(keys, number) {
                Some(CachedKey::Usable(key, _)) => Ok(key),
                _ => Err(failure),
            },
            fetched => fetched,
        }
    }

    fn look_up_lookup_key(&self, keys: &TenantKeys, number: u16) -> Option<CachedKey<TenantLookupKey>> {
        let state = keys.read();
        state.cache.lookup_key(number, &self.terms, state.health.outage(), self.clock.now())
    }

    async fn join_lookup_key_fetch(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        number: u16,
        ahead: bool,
    ) -> LookupKeyResult {
        let fetched = keys.lookup_fetches().join(&keys.tenant, number, || {
            let (engine, keys) = (Arc::clone(self), Arc::clone(keys));
            async move { engine.run_lookup_key_fetch(&keys, number, ahead).await }.boxed()
        });
        fetched.await
    }

    async fn run_lookup_key_fetch(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        number: u16,
        ahead: bool,
    ) -> LookupKeyResult {
        let now = self.clock.now();
        // A fetch that has ended meanwhile may have brought it.
        if !ahead
            && let Some(CachedKey::Usable(key, _)) = self.look_up_lookup_key(keys, number)
            && !self.is_check_due(&keys.read(), number, now)
        {
            return Ok(key);
        }
        let Some(shared) = &self.shared else {
            let error = KeyServiceError::new(&keys.tenant, "KeyTable", KeyServiceErrorKind::Unexpected);
            return Err(UnwrapError::Service(error));
        };
        let agreed = self.agree_on_lookup_key(keys, shared, number).await;
        if agreed.is_err()
            && let Some(slot) = keys.write().cache.lookup_slot_mut(number)
        {
            (slot.checked, slot.is_unchecked) = (now, true);
        }
        if matches!(&agreed, Err(UnwrapError::Table(error)) if error.forbids_lookup_key()) {
            let dropped = keys.write().cache.remove_lookup_key(number);
            telemetry::record_eviction(&keys.tenant, dropped, Eviction::LookupKey);
            self.track(keys);
        }
        agreed
    }

    /// Takes the lookup key that the fleet has, or makes it. Adds the lookups that are new under it, and wraps it under
    /// the KEK that the tenant's alias points to.
    async fn agree_on_lookup_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        shared: &SharedKeys,
        number: u16,
    ) -> LookupKeyResult {
        self.check_number_before(keys, shared, number).await?;
        let mut entry = self.read_lookup_entry(keys, shared, number).await?;
        let mut wrapping = None;
        for _ in 0..LOOKUP_ROUNDS {
            let Some(stored) = entry.stored.clone() else {
                self.fill_lookup_entry(keys, shared, number, &mut entry, &mut wrapping).await?;
                continue;
            };
            let at = (entry.context, &*stored);
            let mut contents = self.open_lookup_entry(keys, shared, number, at, &mut wrapping).await?;
            let prk = contents.key.extract();
            self.compare_lookup_id(keys, shared, number, &prk)?;
            let unknown = self.lookups.unknown(number, &contents.known).map_err(|lookup| redefined(shared, lookup))?;
            let is_known = unknown.is_empty();
            unknown.into_iter().for_each(|lookup| lookup.add_to(&mut contents.known));
            let contents = (&contents, is_known);
            if !self.renew_lookup_entry(keys, shared, number, &mut entry, &mut wrapping, contents).await? {
                // Another process was faster.
                continue;
            }
            // The tenant may have been evicted meanwhile: then its lease is over.
            if let Some(wrapping) = wrapping.take()
                && let Some(key) = self.insert_lookup_key(keys, number, &entry, &wrapping, prk)
            {
                return Ok(key);
            }
        }
        Err(UnwrapError::Table(shared.unsettled_error()))
    }

    /// A name keeps its lookup key too: no lookup of `number` may be known under the number before.
    async fn check_number_before(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        shared: &SharedKeys,
        number: u16,
    ) -> Result<(), UnwrapError> {
        if number < 2 {
            return Ok(());
        }
        let before = number - 1;
        let mut entry = self.read_lookup_entry(keys, shared, before).await?;
        let Some(stored) = entry.stored.clone() else { return Ok(()) };
        let mut wrapping = None;
        let at = (entry.context, &*stored);
        let contents = self.open_lookup_entry(keys, shared, before, at, &mut wrapping).await?;
        let is_known = |lookup: &&DeclaredLookup| contents.known.get(&lookup.table, &lookup.name).is_some();
        if let Some(lookup) = self.lookups.under(number).find(is_known) {
            return Err(redefined(shared, lookup));
        }
        // Perhaps no process uses it any more; but it must open as long as it is there.
        self.renew_lookup_entry(keys, shared, before, &mut entry, &mut wrapping, (&contents, true)).await?;
        Ok(())
    }

    /// Fills an entry that is not there: with the record that this process knows of it, or with a new lookup key.
    async fn fill_lookup_entry(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        shared: &SharedKeys,
        number: u16,
        entry: &mut LookupEntry,
        wrapping: &mut Option<WrappingKey>,
    ) -> Result<(), UnwrapError> {
        let (is_used, cached) = {
            let state = keys.read();
            let cached = state.cache.lookup_slot(number).map(|slot| (slot.context, slot.stored.to_vec()));
            (state.lookup_ids.iter().any(|(other, _)| *other == number), cached)
        };
        match cached {
            _ if !self.makes_lookup_keys => {}
            Some((context, record)) => {
                *entry = self.lost_lookup_entry(keys, context, number);
                if entry.replace(keys, shared, record).await? {
                    telemetry::record_lookup_key_restored(&keys.tenant, number);
                }
                return Ok(());
            }
            None => {}
        }
        // This process has used another one, which must come back.
        if is_used || !self.makes_lookup_keys {
            let kind = Kind::NoLookupKey { tenant: keys.tenant.clone(), number };
            return Err(UnwrapError::Table(shared.error(kind)));
        }
        shared.ensure_recoverable().await?;
        let made = self.generate_wrapping_key(keys, CURRENT_CONTEXT).await?;
        let mut contents = LookupContents { key: draw_lookup_key(keys)?, known: KnownLookups::default() };
        self.lookups.under(number).for_each(|lookup| lookup.add_to(&mut contents.known));
        let record = made.seal(keys, number, &contents)?;
        if entry.replace(keys, shared, record).await? {
            telemetry::record_lookup_key_made(&keys.tenant, number, &made.key.record().kek);
            *wrapping = Some(made);
            if self.contexts.len() > 1 {
                // A process with other static pairs may have made one at the same time.
                self.read_lookup_entry(keys, shared, number).await?;
            }
        }
        Ok(())
    }

    /// Stores a lookup key anew when lookups were added to it, or when a former KEK wraps it. Returns whether the entry
    /// holds it now; otherwise another process was faster.
    async fn renew_lookup_entry(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        shared: &SharedKeys,
        number: u16,
        entry: &mut LookupEntry,
        wrapping: &mut Option<WrappingKey>,
        (contents, is_known): (&LookupContents, bool),
    ) -> Result<bool, UnwrapError> {
        let present = wrapping.as_ref().filter(|wrapping| self.is_former(keys, &wrapping.key));
        let renewed = match present {
            None => None,
            Some(_) => match self.generate_wrapping_key(keys, entry.context).await {
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
    fn compare_lookup_id(
        &self,
        keys: &TenantKeys,
        shared: &SharedKeys,
        number: u16,
        prk: &LookupPrk,
    ) -> Result<(), KeyTableError> {
        let state = keys.read();
        let used = state.lookup_ids.iter().find(|(other, _)| *other == number);
        match used {
            Some((_, id)) if !id.matches(&prk.id()) => {
                Err(shared.error(Kind::LookupKeyChanged { tenant: keys.tenant.clone(), number }))
            }
            _ => Ok(()),
        }
    }

    /// Caches a lookup key, unless the tenant was evicted since its lease was granted.
    fn insert_lookup_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        number: u16,
        entry: &LookupEntry,
        wrapping: &WrappingKey,
        prk: LookupPrk,
    ) -> Option<Arc<TenantLookupKey>> {
        let stored = entry.stored.clone()?;
        let key = TenantLookupKey::new(&keys.tenant, number, &wrapping.key, prk, &self.lookups);
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
            let checked = self.clock.now();
            let slot = LookupSlot { key: key_of_slot, context, lease, stored, checked, is_unchecked: false };
            state.cache.insert_lookup_key(slot);
            key
        };
        self.track(keys);
        Some(key)
    }
}

/// The error for a lookup that was declared otherwise before.
fn redefined(shared: &SharedKeys, lookup: &DeclaredLookup) -> UnwrapError {
    let DeclaredLookup { table, name, .. } = lookup.clone();
    UnwrapError::Table(shared.error(Kind::LookupRedefined { table, name }))
}

//! A tenant's lookup keys: from the cache, or from the key table, where the fleet agrees on one of each number.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use tokio::runtime::Handle;

use crate::envelope::Purpose;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::CachedKey;
use crate::keys::cache::fetches::LookupKeyResult;
use crate::keys::cache::key_health::Route;
use crate::keys::cache::lookup_key::{LookupKeys, TenantLookupKey};
use crate::keys::cache::tenant_state::{State, TenantKeys};
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::lookup_agreement::Agreement;
use crate::keys::fetch::sealing_key::sealing_error;
use crate::keys::outcome::{KeyError, UnwrapError};
use crate::keys::{KeyServiceError, KeyServiceErrorKind};
use crate::telemetry::{self, Eviction};

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

    /// The lookup keys of these numbers, if all are cached. It does not count as a use: nothing is kept valid for it, and
    /// no entry is read again.
    pub(crate) fn peek_lookup_keys(&self, keys: &TenantKeys, numbers: &[u16]) -> Option<LookupKeys> {
        let (state, now) = (keys.read(), self.clock.now());
        let peek = |number: &u16| state.cache.peek_lookup_key(*number, &self.terms, state.health.outage(), now);
        numbers.iter().map(|number| peek(number).cloned()).collect::<Option<_>>().map(LookupKeys::new)
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
        fetched.map(|keys| LookupKeys::new(keys.into())).map_err(|failure| sealing_error(keys, failure))
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
        let agreed = Agreement::reach(self, keys, shared, number).await;
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
}

//! Renews leases, and applies KMS's answers to them.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::envelope::OpenFault;
use crate::format::KekId;
use crate::keys::cache::data_key_cache::{LeaseRenewal, LeasedKey};
use crate::keys::cache::fetches::{FetchResult, KeyFetch};
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::{CallStart, TenantKeys};
use crate::keys::fetch::decrypt::{Answer, DECRYPT};
use crate::keys::fetch::engine::Engine;
use crate::keys::outcome::UnwrapError;
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind};
use crate::telemetry::{self, Eviction};

impl Engine {
    /// Renews a lease, `ahead` of its end or after it: one data key stands for all keys of the lease.
    pub(crate) async fn renew_lease(self: &Arc<Self>, keys: &Arc<TenantKeys>, lease: u64, ahead: bool) -> FetchResult {
        let fetched = keys.fetches.join(&keys.tenant, KeyFetch::Lease(lease), || {
            let (engine, keys) = (Arc::clone(self), Arc::clone(keys));
            async move { engine.run_lease_renewal(&keys, lease, ahead).await }.boxed()
        });
        fetched.await
    }

    async fn run_lease_renewal(self: &Arc<Self>, keys: &Arc<TenantKeys>, lease: u64, ahead: bool) -> FetchResult {
        let leased = keys.read().cache.key_for_lease(lease);
        let Some(LeasedKey { context, for_lookups, key }) = leased else {
            return Err(UnwrapError::Service(KeyServiceError::new(&keys.tenant, DECRYPT, Kind::Unavailable)));
        };
        let asked = {
            let _slot = keys.acquire_slot().await;
            let is_renewed = {
                let state = keys.read();
                state.cache.is_allowed(lease, &self.terms, self.clock.now())
            };
            if !ahead && is_renewed {
                return Ok(key);
            }
            let encryption_context = match for_lookups {
                false => Some(self.context_for(keys, context, key.record())),
                true => self.lookup_context(keys, context),
            };
            match encryption_context {
                Some(context) => self.decrypt(keys, &context, key.record(), true).await,
                // A lookup key is cached only under a context with room for the pair.
                None => Err(UnwrapError::Rejected(OpenFault::ForeignContext)),
            }
        };
        telemetry::record_revalidation(ahead, asked.is_ok());
        let failure = match asked {
            Ok(answer) => {
                self.renew_from(keys, context, &answer);
                return Ok(key);
            }
            Err(UnwrapError::Service(error)) if error.is_refusal() => {
                UnwrapError::Service(self.apply_refusal(keys, error).await)
            }
            Err(failure) => failure,
        };
        let is_over = match &failure {
            UnwrapError::Rejected(_) => true,
            // The lease of a former KEK. A refusal of the tenant's own alias has dropped all keys already.
            UnwrapError::Service(error) => error.concerns_former_key() && !error.is_outage(),
            UnwrapError::Table(_) => false,
        };
        if is_over {
            let evicted = keys.write().cache.retain_leases(|other| other.id != lease);
            telemetry::record_eviction(&keys.tenant, evicted, Eviction::FormerKey);
            self.track(keys);
        }
        Err(failure)
    }

    /// Renews the lease of a data key that KMS unwrapped, unless the tenant was evicted since the call began. Returns
    /// its id.
    pub(crate) fn renew_from(&self, keys: &TenantKeys, context: usize, answer: &Answer) -> Option<u64> {
        let by_alias = answer.route == Route::TenantAlias;
        self.renew_after(keys, context, &answer.key.record().kek, by_alias, answer.start)
    }

    /// Renews the lease of the KEK that answered a call, unless the tenant was evicted since it began. Returns its id.
    pub(crate) fn renew_after(
        &self,
        keys: &TenantKeys,
        context: usize,
        kek: &KekId,
        by_alias: bool,
        start: CallStart,
    ) -> Option<u64> {
        let mut state = keys.write();
        if state.epoch != start.epoch {
            return None;
        }
        let repointed = by_alias && state.health.record_answering_kek(kek);
        let lease = state.cache.renew(context, kek, LeaseRenewal { granted: start.at, by_alias }, &self.terms);
        drop(state);
        if repointed {
            telemetry::record_repointing(&keys.tenant, kek);
        }
        Some(lease)
    }
}

//! Leases that are asked for again, and what an answer of KMS means for them.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::keys::cache::data_key_cache::Renewal;
use crate::keys::cache::fetches::{Brought, Flight};
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::decrypt::{Answer, DECRYPT};
use crate::keys::fetch::engine::Engine;
use crate::keys::outcome::Unwrapping;
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind};
use crate::telemetry::{self, Eviction};

impl Engine {
    /// Asks KMS for a lease again, `ahead` of its end or because it is over: one key of it stands for all.
    pub(crate) async fn renew_lease(self: &Arc<Self>, keys: &Arc<TenantKeys>, lease: u64, ahead: bool) -> Brought {
        let flight = keys.flights.join(&keys.tenant, Flight::Lease(lease), || {
            let (engine, keys) = (Arc::clone(self), Arc::clone(keys));
            async move { engine.fly_lease(&keys, lease, ahead).await }.boxed()
        });
        flight.await
    }

    async fn fly_lease(self: &Arc<Self>, keys: &Arc<TenantKeys>, lease: u64, ahead: bool) -> Brought {
        let of_lease = keys.read().cache.of_lease(lease);
        let Some((context, key)) = of_lease else {
            return Err(Unwrapping::Failed(KeyServiceError::new(&keys.tenant, DECRYPT, Kind::Unavailable)));
        };
        let asked = {
            let _place = keys.place().await;
            let is_renewed = {
                let state = keys.read();
                state.cache.is_allowed(lease, &self.terms, self.clock.now())
            };
            if !ahead && is_renewed {
                return Ok(key);
            }
            self.decrypt(keys, context, key.record(), true).await
        };
        telemetry::revalidated(ahead, asked.is_ok());
        let failure = match asked {
            Ok(answer) => {
                self.renew_from(keys, context, &answer);
                return Ok(key);
            }
            Err(Unwrapping::Failed(error)) if error.is_refusal() => Unwrapping::Failed(self.judged(keys, error).await),
            Err(failure) => failure,
        };
        let is_over = match &failure {
            Unwrapping::Refused(_) => true,
            // The lease of a former key: the tenant's own has taken all keys with it.
            Unwrapping::Failed(error) => error.is_of_former_key() && error.kind() != Kind::Unavailable,
            Unwrapping::Unshared(_) => false,
        };
        if is_over {
            let evicted = keys.write().cache.retain_leases(|other| other.id != lease);
            telemetry::evicted(&keys.tenant, evicted, Eviction::FormerKey);
            self.taken_in(keys);
        }
        Err(failure)
    }

    /// Renews the lease of a key with which KMS has answered, unless the tenant was evicted since it was asked; gives its id.
    pub(crate) fn renew_from(&self, keys: &TenantKeys, context: usize, answer: &Answer) -> Option<u64> {
        let begun = answer.begun;
        let by_alias = answer.route == Route::Configured;
        let mut state = keys.write();
        if state.epoch != begun.epoch {
            return None;
        }
        let kek = &answer.key.record().kek;
        let repointed = by_alias && state.health.answers_with(kek);
        let lease = state.cache.renew(context, kek, Renewal { begun: begun.at, by_alias }, &self.terms);
        drop(state);
        if repointed {
            telemetry::repointed(&keys.tenant, kek);
        }
        Some(lease)
    }
}

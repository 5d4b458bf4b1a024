//! Stored records that nobody has verified.
//!
//! What is stored in a table is hostile: a record can cost its own reader a few calls, and nothing else.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use crate::envelope::DataKeySource;
use crate::envelope::{OpenFault, Serves, VerifiedDataKey};
use crate::format::KeyRecord;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::Lookup;
use crate::keys::cache::fetches::{Brought, Flight};
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::decrypt::{Answer, DECRYPT};
use crate::keys::fetch::engine::Engine;
use crate::keys::outcome::Unwrapping;
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind};
use crate::telemetry::{self, Eviction};

/// A record that was read, for one of the configured contexts.
pub(crate) struct Claim {
    pub(crate) context: usize,
    pub(crate) record: KeyRecord,
    pub(crate) stored: Arc<[u8]>,
    /// Where the key comes from when KMS has unwrapped it.
    pub(crate) source: DataKeySource,
}

/// What the cache says of a record.
enum Known {
    Usable(Arc<VerifiedDataKey>),
    /// The lease of a key that was verified once.
    Over(u64),
    No,
}

impl Engine {
    /// The key of a record, from the cache or from KMS.
    pub(crate) async fn unwrap(self: &Arc<Self>, keys: &Arc<TenantKeys>, claim: Claim) -> Brought {
        match self.known(keys, &claim)? {
            Known::Usable(key) => return Ok(key),
            Known::Over(lease) => {
                let renewed = self.renew_lease(keys, lease, false).await;
                match (self.known(keys, &claim)?, renewed) {
                    // Also when KMS cannot be asked: in an outage keys serve on for a while.
                    (Known::Usable(key), _) => return Ok(key),
                    (_, Err(failure)) => return Err(failure),
                    (_, Ok(_)) => {}
                }
            }
            Known::No => {}
        }
        let id = (claim.context, Sha256::digest(&claim.stored).into());
        if let Some(refusal) = keys.refused(&id, self.clock.now()) {
            return Err(refusal);
        }
        let flight = keys.flights.join(&keys.tenant, Flight::Record(id.0, id.1), || {
            let (engine, keys) = (Arc::clone(self), Arc::clone(keys));
            async move { engine.fly_record(&keys, id, claim).await }.boxed()
        });
        flight.await
    }

    /// What the cache says of a record.
    fn known(&self, keys: &TenantKeys, claim: &Claim) -> Result<Known, Unwrapping> {
        let Claim { context, record, stored, source: _ } = claim;
        let state = keys.read();
        let outage = state.health.outage();
        let found = state.cache.opening(*context, record.key_id, &self.terms, outage, self.clock.now());
        drop(state);
        let (key, known) = match found {
            Some(Lookup::Usable(key, _)) => (Arc::clone(&key), Known::Usable(key)),
            Some(Lookup::Over { key, lease }) => (key, Known::Over(lease)),
            None => return Ok(Known::No),
        };
        match key.serves(record, stored) {
            Serves::Yes => Ok(known),
            Serves::Forged => Err(Unwrapping::Refused(OpenFault::ForgedRecord)),
            Serves::AskAgain => Ok(Known::No),
        }
    }

    /// Asks for a record that nobody has verified.
    async fn fly_record(self: &Arc<Self>, keys: &Arc<TenantKeys>, id: (usize, [u8; 32]), claim: Claim) -> Brought {
        if let Known::Usable(key) = self.known(keys, &claim)? {
            return Ok(key);
        }
        let Claim { context, record, stored: _, source } = claim;
        for round in 0..Self::ROUNDS {
            let started = self.clock.now();
            let asked = {
                let _place = keys.place().await;
                let Some(trial) = Trial::begin(keys, started) else {
                    return Err(Unwrapping::Failed(KeyServiceError::new(&keys.tenant, DECRYPT, Kind::TooManyRefused)));
                };
                // Also when no handle outlives the request: what is tried counts.
                self.tenants.remember(keys);
                let asked = self.decrypt(keys, context, &record, false).await;
                trial.end(&asked);
                asked
            };
            let failure = match asked {
                Ok(answer) => match self.take_in(keys, context, answer, source) {
                    Some(key) => return Ok(key),
                    // The tenant was evicted meanwhile.
                    None => continue,
                },
                Err(Unwrapping::Failed(error)) if error.is_refusal() => {
                    let error = self.suspected(keys, &record, error, started).await;
                    // The tenant was suspended or resumed between the two answers.
                    if round == 0 && error.kind() == Kind::Contradictory {
                        continue;
                    }
                    Unwrapping::Failed(error)
                }
                Err(failure) => failure,
            };
            if is_of_the_record(&failure) {
                keys.write().refused.insert(id, failure.clone(), self.clock.now());
            }
            return Err(failure);
        }
        Err(Unwrapping::Failed(KeyServiceError::new(&keys.tenant, DECRYPT, Kind::Unavailable)))
    }

    /// A refusal of a record that nobody has verified: the record may be the reason, so the tenant's own key is asked for, and that
    /// decides.
    fn suspected<'a>(
        self: &'a Arc<Self>,
        keys: &'a Arc<TenantKeys>,
        record: &'a KeyRecord,
        error: KeyServiceError,
        started: Moment,
    ) -> BoxFuture<'a, KeyServiceError> {
        async move {
            let (epoch, own, is_doubtful) = {
                let state = keys.read();
                (state.epoch, state.cache.own_lease(state.health.current()), state.health.is_doubtful())
            };
            let vouched = match own {
                // KMS has vouched for the tenant since.
                Some((_, _, asked)) if asked.is_after(started) => true,
                Some((_, true, _)) => self.renew_sealing(keys, true).await.is_ok(),
                Some((lease, false, _)) => self.renew_lease(keys, lease, true).await.is_ok(),
                None => {
                    // A refusal is what this can find out: a key that is made does not show that others can be unwrapped.
                    if is_doubtful {
                        let _ = self.renew_sealing(keys, true).await;
                    }
                    false
                }
            };
            let mut state = keys.write();
            match state.health.refusal() {
                Some(refusal) if state.epoch != epoch => refusal,
                // Of the key that the alias stands for: it is refused and vouched for.
                _ if vouched && (error.kind() == Kind::Revoked || state.health.answers_now_with(&record.kek)) => {
                    error.contradicted()
                }
                _ if vouched => error.of_former_key(),
                _ => state.health.doubted(error, self.onboarding, started),
            }
        }
        .boxed()
    }

    /// Takes in a key, unless the tenant was evicted since it was asked for.
    fn take_in(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        context: usize,
        answer: Answer,
        source: DataKeySource,
    ) -> Option<Arc<VerifiedDataKey>> {
        let lease = self.renew_from(keys, context, &answer)?;
        let Answer { key, begun, route: _, request_id } = answer;
        let key = Arc::new(key);
        key.brought_by(request_id, source);
        let evicted = {
            let mut state = keys.write();
            if state.epoch != begun.epoch {
                return None;
            }
            state.cache.insert(context, &key, lease, self.clock.now())
        };
        telemetry::evicted(&keys.tenant, evicted, Eviction::TenantLimit);
        self.taken_in(keys);
        Some(key)
    }
}

/// Whether a failure is remembered of the record.
fn is_of_the_record(failure: &Unwrapping) -> bool {
    match failure {
        Unwrapping::Refused(_) => true,
        Unwrapping::Failed(error) => {
            use Kind::{Contradictory, Denied, FormerKeyDisabled, MissingAlias, NotFound, Revoked};
            let of_a_former_key = matches!(error.kind(), MissingAlias | FormerKeyDisabled);
            let kinds = of_a_former_key || matches!(error.kind(), Contradictory | Revoked | Denied | NotFound);
            kinds && !error.is_of_session()
        }
        Unwrapping::Unshared(_) => false,
    }
}

/// One try of a record that nobody has verified. It costs a token unless something else than the record is seen to decide: also when
/// nobody waits any more, for KMS may have been asked all the same.
struct Trial<'k>(&'k TenantKeys);

impl<'k> Trial<'k> {
    fn begin(keys: &'k TenantKeys, now: Moment) -> Option<Self> {
        keys.write().refused.allow(now).then_some(Self(keys))
    }

    fn end(self, asked: &Result<Answer, Unwrapping>) {
        let failed = match asked {
            Ok(_) => false,
            // The tenant was refused before anyone looked at the record.
            Err(Unwrapping::Failed(error)) if error.is_of_tenant() => false,
            Err(failure) => is_of_the_record(failure),
        };
        if !failed {
            self.0.write().refused.give_back();
        }
    }
}

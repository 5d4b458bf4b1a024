//! Unwraps unverified key records.
//!
//! Stored bytes are hostile: a key record can cost its own reader a few calls, and nothing else.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use crate::envelope::{DataKeySource, OpenFault, RecordMatch, VerifiedDataKey};
use crate::format::KeyRecord;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::CachedKey;
use crate::keys::cache::fetches::{FetchResult, KeyFetch};
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::decrypt::{Answer, DECRYPT};
use crate::keys::fetch::engine::Engine;
use crate::keys::outcome::UnwrapError;
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind};
use crate::telemetry::{self, Eviction};

/// A key record, with the configured context for which it was made.
pub(crate) struct UnverifiedRecord {
    pub(crate) context: usize,
    pub(crate) record: KeyRecord,
    pub(crate) stored: Arc<[u8]>,
    /// Where the data key comes from once KMS has unwrapped it.
    pub(crate) source: DataKeySource,
}

/// What the cache knows of a key record.
enum CachedRecord {
    Usable(Arc<VerifiedDataKey>),
    /// The data key was verified, and its lease has expired.
    Expired(u64),
    Missing,
}

impl Engine {
    /// The data key of a key record, from the cache or from KMS.
    pub(crate) async fn unwrap(self: &Arc<Self>, keys: &Arc<TenantKeys>, unverified: UnverifiedRecord) -> FetchResult {
        match self.look_up_record(keys, &unverified)? {
            CachedRecord::Usable(key) => return Ok(key),
            CachedRecord::Expired(lease) => {
                let renewed = self.renew_lease(keys, lease, false).await;
                match (self.look_up_record(keys, &unverified)?, renewed) {
                    // Also when the renewal failed: in an outage cached keys remain usable for a while.
                    (CachedRecord::Usable(key), _) => return Ok(key),
                    (_, Err(failure)) => return Err(failure),
                    (_, Ok(_)) => {}
                }
            }
            CachedRecord::Missing => {}
        }
        let id = (unverified.context, Sha256::digest(&unverified.stored).into());
        if let Some(refusal) = keys.find_rejection(&id, self.clock.now()) {
            return Err(refusal);
        }
        let fetched = keys.fetches.join(&keys.tenant, KeyFetch::Record(id.0, id.1), || {
            let (engine, keys) = (Arc::clone(self), Arc::clone(keys));
            async move { engine.run_record_fetch(&keys, id, unverified).await }.boxed()
        });
        fetched.await
    }

    /// Looks a key record up in the cache.
    fn look_up_record(&self, keys: &TenantKeys, unverified: &UnverifiedRecord) -> Result<CachedRecord, UnwrapError> {
        let UnverifiedRecord { context, record, stored, source: _ } = unverified;
        let state = keys.read();
        let outage = state.health.outage();
        let found = state.cache.opening_key(*context, record.key_id, &self.terms, outage, self.clock.now());
        drop(state);
        let (key, known) = match found {
            Some(CachedKey::Usable(key, _)) => (Arc::clone(&key), CachedRecord::Usable(key)),
            Some(CachedKey::Expired { key, lease }) => (key, CachedRecord::Expired(lease)),
            None => return Ok(CachedRecord::Missing),
        };
        match key.match_record(record, stored) {
            RecordMatch::Same => Ok(known),
            RecordMatch::Forged => Err(UnwrapError::Rejected(OpenFault::ForgedRecord)),
            RecordMatch::OtherKek => Ok(CachedRecord::Missing),
        }
    }

    /// Has KMS unwrap an unverified key record.
    async fn run_record_fetch(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        id: (usize, [u8; 32]),
        unverified: UnverifiedRecord,
    ) -> FetchResult {
        if let CachedRecord::Usable(key) = self.look_up_record(keys, &unverified)? {
            return Ok(key);
        }
        let UnverifiedRecord { context, record, stored: _, source } = unverified;
        let encryption_context = self.context_for(keys, context, &record);
        for round in 0..Self::ROUNDS {
            let started = self.clock.now();
            let asked = {
                let _slot = keys.acquire_slot().await;
                let Some(trial) = Trial::begin(keys, started) else {
                    return Err(UnwrapError::Service(KeyServiceError::new(
                        &keys.tenant,
                        DECRYPT,
                        Kind::TooManyRefused,
                    )));
                };
                // Remembered even when no handle outlives the request: tries count.
                self.tenants.remember(keys);
                let asked = self.decrypt(keys, &encryption_context, &record, false).await;
                trial.end(&asked);
                asked
            };
            let failure = match asked {
                Ok(answer) => match self.insert_key(keys, context, answer, source) {
                    Some(key) => return Ok(key),
                    // The tenant was evicted meanwhile.
                    None => continue,
                },
                Err(UnwrapError::Service(error)) if error.is_refusal() => {
                    let error = self.explain_refusal(keys, &record, error, started).await;
                    // The tenant was suspended or resumed between the two answers.
                    if round == 0 && error.kind() == Kind::Contradictory {
                        continue;
                    }
                    UnwrapError::Service(error)
                }
                Err(failure) => failure,
            };
            if concerns_record(&failure) {
                keys.write().rejected.insert(id, failure.clone(), self.clock.now());
            }
            return Err(failure);
        }
        Err(UnwrapError::Service(KeyServiceError::new(&keys.tenant, DECRYPT, Kind::Unavailable)))
    }

    /// Explains a refusal of an unverified key record. The record may be the cause, so the tenant's own key is tested,
    /// and that decides.
    pub(crate) fn explain_refusal<'a>(
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
            let confirmed = match own {
                // KMS has confirmed the tenant since.
                Some((_, _, asked)) if asked.is_after(started) => true,
                Some((_, true, _)) => self.renew_sealing(keys, true).await.is_ok(),
                Some((lease, false, _)) => self.renew_lease(keys, lease, true).await.is_ok(),
                None => {
                    // This can only find a refusal: a new data key does not show that others can be unwrapped.
                    if is_doubtful {
                        let _ = self.renew_sealing(keys, true).await;
                    }
                    false
                }
            };
            let mut state = keys.write();
            match state.health.refusal() {
                Some(refusal) if state.epoch != epoch => refusal,
                // The KEK of the tenant's alias: KMS refuses it and confirms it.
                _ if confirmed && (error.kind() == Kind::Revoked || state.health.is_current(&record.kek)) => {
                    error.into_contradiction()
                }
                _ if confirmed => error.for_former_key(),
                _ => state.health.apply_doubt(error, self.onboarding, started),
            }
        }
        .boxed()
    }

    /// Caches a data key, unless the tenant was evicted since the call began.
    fn insert_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        context: usize,
        answer: Answer,
        source: DataKeySource,
    ) -> Option<Arc<VerifiedDataKey>> {
        let lease = self.renew_from(keys, context, &answer)?;
        let Answer { key, start, route: _, request_id } = answer;
        let key = Arc::new(key);
        key.set_origin(request_id, source);
        let evicted = {
            let mut state = keys.write();
            if state.epoch != start.epoch {
                return None;
            }
            state.cache.insert(context, &key, lease, self.clock.now())
        };
        telemetry::record_eviction(&keys.tenant, evicted, Eviction::TenantLimit);
        self.track(keys);
        Some(key)
    }
}

/// Whether a failure is remembered for the key record.
pub(crate) fn concerns_record(failure: &UnwrapError) -> bool {
    match failure {
        UnwrapError::Rejected(_) => true,
        UnwrapError::Service(error) => {
            use Kind::{Contradictory, Denied, FormerKeyDisabled, MissingAlias, NotFound, Revoked};
            let of_a_former_key = matches!(error.kind(), MissingAlias | FormerKeyDisabled);
            let kinds = of_a_former_key || matches!(error.kind(), Contradictory | Revoked | Denied | NotFound);
            kinds && !error.is_session_error()
        }
        UnwrapError::Table(_) => false,
    }
}

/// One try of an unverified key record. It costs a token unless something other than the record is seen to decide, also
/// when the caller gave up: KMS may have been called all the same.
struct Trial<'k>(&'k TenantKeys);

impl<'k> Trial<'k> {
    fn begin(keys: &'k TenantKeys, now: Moment) -> Option<Self> {
        keys.write().rejected.allow(now).then_some(Self(keys))
    }

    fn end(self, asked: &Result<Answer, UnwrapError>) {
        let failed = match asked {
            Ok(_) => false,
            // The tenant was refused before KMS looked at the record.
            Err(UnwrapError::Service(error)) if error.concerns_tenant() => false,
            Err(failure) => concerns_record(failure),
        };
        if !failed {
            self.0.write().rejected.refund();
        }
    }
}

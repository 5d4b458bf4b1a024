//! The key that seals a tenant's new items.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::context::EncryptionContext;
use crate::envelope::DataKeySource;
use crate::envelope::KeyRecordPlacement;
use crate::envelope::Purpose;
use crate::envelope::VerifiedDataKey;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::{CURRENT_CONTEXT, Lookup, Renewal};
use crate::keys::cache::fetches::{Brought, Flight};
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::{Begun, TenantKeys};
use crate::keys::fetch::call::KeyRequest;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::shared_keys::SharedKeys;
use crate::keys::outcome::KeyError;
use crate::keys::outcome::Unwrapping;
use crate::keys::{GeneratedDataKey, KeyServiceError, KeyServiceErrorKind as Kind};
use crate::telemetry::{self, Eviction};

const GENERATE: &str = "GenerateDataKey";

impl Engine {
    /// So often is asked again when the tenant was evicted meanwhile.
    pub(crate) const ROUNDS: usize = 3;

    /// The key that seals, when nothing has to be waited for.
    pub(crate) fn sealing_now(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        place: KeyRecordPlacement,
    ) -> Option<Arc<VerifiedDataKey>> {
        let now = self.clock.now();
        let (key, neglected) = {
            let state = keys.read();
            state.cache.sealing(&self.terms, state.health.outage(), now)?
        };
        self.tenants.used(keys, now);
        if neglected {
            self.keep_again(keys);
        }
        self.may_seal(&key, place).then_some(key)
    }

    pub(crate) async fn sealing(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        place: KeyRecordPlacement,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        let _probing = keys.enter(self.clock.now())?;
        if let (KeyRecordPlacement::KeyTable, Some(shared)) = (place, &self.shared) {
            shared.ensure_recoverable().await?;
        }
        if let Some(key) = self.sealing_now(keys, place) {
            telemetry::hit(&keys.tenant, Purpose::Seal, 1);
            return Ok(key);
        }
        let _waiting = telemetry::missed(&keys.tenant, Purpose::Seal, 1);
        let sealing = match self.renew_sealing(keys, false).await {
            // A key of this process alone does not do.
            Ok(key) if !self.may_seal(&key, place) => self.agreement(keys, false).await,
            sealing => sealing,
        };
        match sealing {
            // In an outage keys serve on for a while.
            Err(KeyError::Service(error)) if error.kind() == Kind::Unavailable => {
                self.sealing_now(keys, place).ok_or(error.into())
            }
            sealing => sealing,
        }
    }

    /// Whether what a key seals can be opened when its record lies there.
    fn may_seal(&self, key: &VerifiedDataKey, place: KeyRecordPlacement) -> bool {
        let is_safe = match place {
            KeyRecordPlacement::Item => true,
            KeyRecordPlacement::KeyTable => self.shared.as_ref().is_some_and(SharedKeys::is_recoverable),
        };
        is_safe && key.is_at(place)
    }

    /// The key that was current when `token` was first seen. One that could not be remembered would be of no use to a repetition, so it
    /// is an error.
    pub(crate) async fn sealing_pinned(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        token: &str,
        place: KeyRecordPlacement,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        let may = |key: &VerifiedDataKey| self.may_seal(key, place);
        let pinned = keys.read().cache.pinned(token, self.clock.now(), may);
        if let Some(pinned) = pinned {
            let look_up = || {
                let state = keys.read();
                state.cache.look_up_pinned(&pinned, &self.terms, state.health.outage(), self.clock.now())
            };
            let renewed = match look_up() {
                Some(Lookup::Usable(key, _)) => {
                    telemetry::hit(&keys.tenant, Purpose::Seal, 1);
                    return Ok(key);
                }
                Some(Lookup::Over { lease, .. }) => {
                    let _waiting = telemetry::missed(&keys.tenant, Purpose::Seal, 1);
                    self.renew_lease(keys, lease, false).await
                }
                None => Err(Unwrapping::Failed(KeyServiceError::new(&keys.tenant, GENERATE, Kind::Unexpected))),
            };
            match (look_up(), renewed) {
                (Some(Lookup::Usable(key, _)), _) => return Ok(key),
                (_, Err(Unwrapping::Failed(error))) if error.is_retryable() || error.is_revoked() => {
                    return Err(error.into());
                }
                _ => {
                    let forgotten = keys.write().cache.unpin(token);
                    telemetry::tokens_forgotten(&keys.tenant, forgotten, Eviction::FormerKey);
                }
            }
        }
        for _ in 0..Self::ROUNDS {
            let key = self.sealing(keys, place).await?;
            let now = self.clock.now();
            let pinned = {
                let mut state = keys.write();
                // Another caller with this token may have been faster.
                if let Some(pinned) = state.cache.pinned(token, now, may) {
                    return Ok(pinned.key);
                }
                state.cache.pin(token, &key, now)
            };
            if let Some(forgotten) = pinned {
                self.tenants.weigh(keys);
                telemetry::tokens_forgotten(&keys.tenant, forgotten, Eviction::TenantLimit);
                return Ok(key);
            }
            // Another key has come, or the tenant was evicted meanwhile.
        }
        Err(KeyServiceError::new(&keys.tenant, GENERATE, Kind::Unavailable).into())
    }

    /// Asks KMS for the key that seals, `ahead` of the end of its lease or because it is over; makes one when there is none, when
    /// it is to be rotated, or when the alias answers with another KEK.
    pub(crate) async fn renew_sealing(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        ahead: bool,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        let flight = keys.flights.join(&keys.tenant, Flight::Sealing, || {
            let (engine, keys) = (Arc::clone(self), Arc::clone(keys));
            async move { engine.fly_sealing(&keys, ahead).await }.boxed()
        });
        flight.await.map_err(|failure| unsealed(keys, failure))
    }

    async fn fly_sealing(self: &Arc<Self>, keys: &Arc<TenantKeys>, ahead: bool) -> Brought {
        // Who came while the former flight landed needs no other.
        if !ahead && let Some(key) = self.sealing_now(keys, KeyRecordPlacement::Item) {
            return Ok(key);
        }
        for _ in 0..Self::ROUNDS {
            let mut to_renew = keys.read().cache.to_renew(&self.terms, self.clock.now());
            let is_shared = to_renew.as_ref().is_some_and(|(key, _)| key.is_at(KeyRecordPlacement::KeyTable));
            if self.shared.is_some() && !is_shared {
                match self.agreement(keys, ahead).await {
                    Err(KeyError::Table(error)) if !error.is_integrity() => {
                        tracing::warn!(tenant = keys.tenant.as_str(), %error, "sealing with a data key of this process alone");
                    }
                    agreed => return Ok(agreed?),
                }
                // Rather the one that it has than another.
                to_renew = keys.read().cache.to_renew(&self.terms, self.clock.now());
            }
            let asked = match to_renew {
                Some((key, born)) => self.vouched(keys, key, born, ahead).await,
                None => Ok(None),
            };
            let asked = match asked {
                // The fleet needs another key as well.
                Ok(None) if is_shared => {
                    keys.write().cache.seal_no_more();
                    continue;
                }
                Ok(None) => self.made(keys).await.map(Some),
                asked => asked,
            };
            match asked {
                Ok(Some(key)) if self.is_held(keys, &key) => return Ok(key),
                // The tenant was evicted meanwhile.
                Ok(_) => {}
                Err(error) => return Err(Unwrapping::Failed(self.judged(keys, error).await)),
            }
        }
        Err(Unwrapping::Failed(KeyServiceError::new(&keys.tenant, GENERATE, Kind::Unavailable)))
    }

    /// The key again, when KMS still takes it for the tenant's by the configured alias; none after that was re-pointed. What KMS
    /// says then of the former key is not clear (it may be NotFound too), so making a new one decides.
    async fn vouched(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        key: Arc<VerifiedDataKey>,
        born: Moment,
        ahead: bool,
    ) -> Result<Option<Arc<VerifiedDataKey>>, KeyServiceError> {
        let record = key.record();
        let _place = keys.place().await;
        let asked = self.ask(keys, CURRENT_CONTEXT, record, Route::Configured, true).await;
        telemetry::revalidated(ahead, asked.is_ok());
        match asked {
            Ok((answer, begun)) if answer.kek.is_same_key(&record.kek) => {
                let same = VerifiedDataKey::verify(record.clone(), &answer.data_key).is_some();
                if same {
                    self.renewed(keys, &key, begun, born);
                }
                Ok(same.then_some(key))
            }
            Ok(_) => Ok(None),
            Err(error) => match error.kind() {
                Kind::IncorrectKey | Kind::InvalidCiphertext => Ok(None),
                Kind::NotFound if error.is_refusal() => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// A new key.
    async fn made(self: &Arc<Self>, keys: &Arc<TenantKeys>) -> Result<Arc<VerifiedDataKey>, KeyServiceError> {
        let context = EncryptionContext::new(&keys.tenant, &self.contexts[CURRENT_CONTEXT]);
        let (key, begun) = self.generated(keys, &context).await?;
        self.renewed(keys, &key, begun, begun.at);
        Ok(key)
    }

    /// Has KMS make a data key.
    pub(crate) async fn generated(
        &self,
        keys: &TenantKeys,
        context: &EncryptionContext,
    ) -> Result<(Arc<VerifiedDataKey>, Begun), KeyServiceError> {
        let _place = keys.place().await;
        let request = KeyRequest { operation: GENERATE, route: Route::Configured, verified: true };
        let generate = || self.service.generate_data_key(&keys.tenant, context);
        let (made, begun) = self.call(keys, request, generate).await?;
        let GeneratedDataKey { data_key, wrapped, kek, request_id } = made;
        let created = self.clock.now().unix_seconds();
        let key = Arc::new(VerifiedDataKey::generated(&data_key, created, context, kek, wrapped));
        key.brought_by(request_id, DataKeySource::Kms);
        Ok((key, begun))
    }

    /// Takes in what the configured alias has answered, unless the tenant was evicted since it was asked. The rotation of a key that
    /// is new here counts from `born`.
    pub(crate) fn renewed(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        key: &Arc<VerifiedDataKey>,
        begun: Begun,
        born: Moment,
    ) {
        let now = self.clock.now();
        let kek = &key.record().kek;
        let (repointed, evicted) = {
            let mut state = keys.write();
            if state.epoch != begun.epoch {
                return;
            }
            let repointed = state.health.answers_with(kek);
            let renewal = Renewal { begun: begun.at, by_alias: true };
            let lease = state.cache.renew(CURRENT_CONTEXT, kek, renewal, &self.terms);
            state.cache.seal_with(key, lease, born);
            (repointed, state.cache.insert(CURRENT_CONTEXT, key, lease, now))
        };
        if repointed {
            telemetry::repointed(&keys.tenant, kek);
        }
        telemetry::evicted(&keys.tenant, evicted, Eviction::TenantLimit);
        self.taken_in(keys);
    }

    pub(crate) fn is_held(&self, keys: &TenantKeys, key: &Arc<VerifiedDataKey>) -> bool {
        keys.read().cache.seals_with(key)
    }
}

/// What a flight brought in place of a key that seals.
pub(crate) fn unsealed(keys: &TenantKeys, failure: Unwrapping) -> KeyError {
    match failure {
        Unwrapping::Failed(error) => error.into(),
        Unwrapping::Unshared(error) => error.into(),
        Unwrapping::Refused(_) => KeyServiceError::new(&keys.tenant, GENERATE, Kind::Unexpected).into(),
    }
}

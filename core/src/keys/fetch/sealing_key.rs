//! The data key that seals a tenant's new items.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::context::EncryptionContext;
use crate::envelope::{DataKeySource, KeyRecordPlacement, Purpose, VerifiedDataKey};
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::{CURRENT_CONTEXT, CachedKey, LeaseRenewal};
use crate::keys::cache::fetches::{FetchResult, KeyFetch};
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::{CallStart, TenantKeys};
use crate::keys::fetch::call::KeyRequest;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::shared_keys::SharedKeys;
use crate::keys::outcome::{KeyError, UnwrapError};
use crate::keys::{GeneratedDataKey, KeyServiceError, KeyServiceErrorKind as Kind};
use crate::telemetry::{self, Eviction};

pub(crate) const GENERATE: &str = "GenerateDataKey";

impl Engine {
    /// How often to start again when the tenant was evicted meanwhile.
    pub(crate) const ROUNDS: usize = 3;

    /// The sealing key, if it is cached.
    pub(crate) fn cached_sealing_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        place: KeyRecordPlacement,
    ) -> Option<Arc<VerifiedDataKey>> {
        let now = self.clock.now();
        let (key, neglected) = {
            let state = keys.read();
            state.cache.sealing_key(&self.terms, state.health.outage(), now)?
        };
        self.tenants.touch(keys, now);
        if neglected {
            self.replace_refresher(keys);
        }
        self.may_seal(&key, place).then_some(key)
    }

    pub(crate) async fn fetch_sealing_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        place: KeyRecordPlacement,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        let _recovery_probe = keys.admit_request(self.clock.now())?;
        if let (KeyRecordPlacement::KeyTable, Some(shared)) = (place, &self.shared) {
            shared.ensure_recoverable().await?;
        }
        if let Some(key) = self.cached_sealing_key(keys, place) {
            telemetry::record_hit(&keys.tenant, Purpose::Seal, 1);
            return Ok(key);
        }
        let _waiting = telemetry::record_miss(&keys.tenant, Purpose::Seal, 1);
        let sealing = match self.renew_sealing(keys, false).await {
            // A data key of this process alone does not suffice.
            Ok(key) if !self.may_seal(&key, place) => self.fetch_fleet_key(keys, false).await,
            sealing => sealing,
        };
        match sealing {
            // In an outage cached keys remain usable for a while.
            Err(KeyError::Service(error)) if error.is_outage() => {
                self.cached_sealing_key(keys, place).ok_or(error.into())
            }
            sealing => sealing,
        }
    }

    /// Whether items sealed with this data key can be opened when the key record lies in `place`.
    fn may_seal(&self, key: &VerifiedDataKey, place: KeyRecordPlacement) -> bool {
        let is_safe = match place {
            KeyRecordPlacement::Item => true,
            KeyRecordPlacement::KeyTable => self.shared.as_ref().is_some_and(SharedKeys::is_recoverable),
        };
        is_safe && key.is_at(place)
    }

    /// The data key that was current when `token` was first seen. A key that cannot be pinned is an error: a repetition
    /// could not find it.
    pub(crate) async fn fetch_pinned_sealing_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        token: &str,
        place: KeyRecordPlacement,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        let may = |key: &VerifiedDataKey| self.may_seal(key, place);
        let pinned = keys.read().cache.find_pinned(token, self.clock.now(), may);
        if let Some(pinned) = pinned {
            let look_up = || {
                let state = keys.read();
                state.cache.look_up_pinned(&pinned, &self.terms, state.health.outage(), self.clock.now())
            };
            let renewed = match look_up() {
                Some(CachedKey::Usable(key, _)) => {
                    telemetry::record_hit(&keys.tenant, Purpose::Seal, 1);
                    return Ok(key);
                }
                Some(CachedKey::Expired { lease, .. }) => {
                    let _waiting = telemetry::record_miss(&keys.tenant, Purpose::Seal, 1);
                    self.renew_lease(keys, lease, false).await
                }
                None => Err(UnwrapError::Service(KeyServiceError::new(&keys.tenant, GENERATE, Kind::Unexpected))),
            };
            match (look_up(), renewed) {
                (Some(CachedKey::Usable(key, _)), _) => return Ok(key),
                (_, Err(UnwrapError::Service(error))) if error.is_retryable() || error.is_revoked() => {
                    return Err(error.into());
                }
                _ => {
                    let forgotten = keys.write().cache.unpin(token);
                    telemetry::record_forgotten_tokens(&keys.tenant, forgotten, Eviction::FormerKey);
                }
            }
        }
        for _ in 0..Self::ROUNDS {
            let key = self.fetch_sealing_key(keys, place).await?;
            let now = self.clock.now();
            let pinned = {
                let mut state = keys.write();
                // Another caller with this token may have been faster.
                if let Some(pinned) = state.cache.find_pinned(token, now, may) {
                    return Ok(pinned.key);
                }
                state.cache.pin(token, &key, now)
            };
            if let Some(forgotten) = pinned {
                self.tenants.weigh(keys);
                telemetry::record_forgotten_tokens(&keys.tenant, forgotten, Eviction::TenantLimit);
                return Ok(key);
            }
            // The sealing key has changed, or the tenant was evicted meanwhile.
        }
        Err(KeyServiceError::new(&keys.tenant, GENERATE, Kind::Unavailable).into())
    }

    /// Revalidates the sealing key, `ahead` of the end of its lease or after it. Makes a new one when there is none,
    /// when rotation is due, or when the alias points to another KEK.
    pub(crate) async fn renew_sealing(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        ahead: bool,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        let fetched = keys.fetches.join(&keys.tenant, KeyFetch::SealingKey, || {
            let (engine, keys) = (Arc::clone(self), Arc::clone(keys));
            async move { engine.run_sealing_renewal(&keys, ahead).await }.boxed()
        });
        fetched.await.map_err(|failure| sealing_error(keys, failure))
    }

    async fn run_sealing_renewal(self: &Arc<Self>, keys: &Arc<TenantKeys>, ahead: bool) -> FetchResult {
        // A fetch that has ended meanwhile may have brought it.
        if !ahead && let Some(key) = self.cached_sealing_key(keys, KeyRecordPlacement::Item) {
            return Ok(key);
        }
        for _ in 0..Self::ROUNDS {
            let mut renewable = keys.read().cache.renewable_sealing_key(&self.terms, self.clock.now());
            let is_shared = renewable.as_ref().is_some_and(|(key, _)| key.is_at(KeyRecordPlacement::KeyTable));
            if self.shared.is_some() && !is_shared {
                match self.fetch_fleet_key(keys, ahead).await {
                    Err(KeyError::Table(error)) if !error.is_integrity() => {
                        tracing::warn!(tenant = keys.tenant.as_str(), %error, "sealing with a data key of this process alone");
                    }
                    agreed => return Ok(agreed?),
                }
                // Keep the present key rather than make another.
                renewable = keys.read().cache.renewable_sealing_key(&self.terms, self.clock.now());
            }
            let asked = match renewable {
                Some((key, rotation_start)) => self.revalidate(keys, key, rotation_start, ahead).await,
                None => Ok(None),
            };
            let asked = match asked {
                // The fleet needs another key as well.
                Ok(None) if is_shared => {
                    keys.write().cache.stop_sealing();
                    continue;
                }
                Ok(None) => self.make_key(keys).await.map(Some),
                asked => asked,
            };
            match asked {
                Ok(Some(key)) if self.is_sealing_with(keys, &key) => return Ok(key),
                // The tenant was evicted meanwhile.
                Ok(_) => {}
                Err(error) => return Err(UnwrapError::Service(self.apply_refusal(keys, error).await)),
            }
        }
        Err(UnwrapError::Service(KeyServiceError::new(&keys.tenant, GENERATE, Kind::Unavailable)))
    }

    /// Revalidates a data key: returns it when the tenant's alias still answers for it, and `None` after the alias was
    /// re-pointed. KMS's answer about a former KEK is ambiguous (it may be NotFound as well), so making a new key
    /// decides.
    async fn revalidate(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        key: Arc<VerifiedDataKey>,
        rotation_start: Moment,
        ahead: bool,
    ) -> Result<Option<Arc<VerifiedDataKey>>, KeyServiceError> {
        let record = key.record();
        let _slot = keys.acquire_slot().await;
        let context = self.context_for(keys, CURRENT_CONTEXT, record);
        let asked = self.request_unwrap(keys, &context, record, Route::TenantAlias, true).await;
        telemetry::record_revalidation(ahead, asked.is_ok());
        match asked {
            Ok((answer, start)) if answer.kek.is_same_key(&record.kek) => {
                let same = VerifiedDataKey::verify(record.clone(), &answer.data_key).is_some();
                if same {
                    self.install_sealing_key(keys, &key, start, rotation_start);
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

    /// Makes a new data key.
    async fn make_key(self: &Arc<Self>, keys: &Arc<TenantKeys>) -> Result<Arc<VerifiedDataKey>, KeyServiceError> {
        let context = EncryptionContext::new(&keys.tenant, &self.contexts[CURRENT_CONTEXT]);
        let (key, start) = self.generate(keys, &context).await?;
        self.install_sealing_key(keys, &key, start, start.at);
        Ok(key)
    }

    /// Has KMS make a data key.
    pub(crate) async fn generate(
        &self,
        keys: &TenantKeys,
        context: &EncryptionContext,
    ) -> Result<(Arc<VerifiedDataKey>, CallStart), KeyServiceError> {
        let _slot = keys.acquire_slot().await;
        let request = KeyRequest { operation: GENERATE, route: Route::TenantAlias, verified: true };
        let generate = || self.service.generate_data_key(&keys.tenant, context);
        let (made, start) = self.call(keys, request, generate).await?;
        let GeneratedDataKey { data_key, wrapped, kek, request_id } = made;
        let created = self.clock.now().unix_seconds();
        let key = Arc::new(VerifiedDataKey::from_generated(&data_key, created, context, kek, wrapped));
        key.set_origin(request_id, DataKeySource::Kms);
        Ok((key, start))
    }

    /// Makes `key` the sealing key after an answer of the tenant's alias, unless the tenant was evicted since the call
    /// began. The rotation of a key that is new here counts from `rotation_start`.
    pub(crate) fn install_sealing_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        key: &Arc<VerifiedDataKey>,
        start: CallStart,
        rotation_start: Moment,
    ) {
        let now = self.clock.now();
        let kek = &key.record().kek;
        let (repointed, evicted) = {
            let mut state = keys.write();
            if state.epoch != start.epoch {
                return;
            }
            let repointed = state.health.record_answering_kek(kek);
            let renewal = LeaseRenewal { granted: start.at, by_alias: true };
            let lease = state.cache.renew(CURRENT_CONTEXT, kek, renewal, &self.terms);
            state.cache.seal_with(key, lease, rotation_start);
            (repointed, state.cache.insert(CURRENT_CONTEXT, key, lease, now))
        };
        if repointed {
            telemetry::record_repointing(&keys.tenant, kek);
        }
        telemetry::record_eviction(&keys.tenant, evicted, Eviction::TenantLimit);
        self.track(keys);
    }

    pub(crate) fn is_sealing_with(&self, keys: &TenantKeys, key: &Arc<VerifiedDataKey>) -> bool {
        keys.read().cache.seals_with(key)
    }
}

/// Why a fetch brought no sealing key.
pub(crate) fn sealing_error(keys: &TenantKeys, failure: UnwrapError) -> KeyError {
    match failure {
        UnwrapError::Service(error) => error.into(),
        UnwrapError::Table(error) => error.into(),
        UnwrapError::Rejected(_) => KeyServiceError::new(&keys.tenant, GENERATE, Kind::Unexpected).into(),
    }
}

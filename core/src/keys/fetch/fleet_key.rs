//! The data key with which the whole fleet seals a tenant's new items.

use std::sync::Arc;

use futures_util::FutureExt;
use sha2::{Digest, Sha256};

use crate::context::{EncryptionContext, Period};
use crate::envelope::{DataKeySource, KeyRecordPlacement, OpenFault, VerifiedDataKey};
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::CURRENT_CONTEXT;
use crate::keys::cache::fetches::{FetchResult, KeyFetch};
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::decrypt::verify_answer;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::sealing_key::sealing_error;
use crate::keys::fetch::shared_keys::{PointerTarget, SharedKeys};
use crate::keys::outcome::{KeyError, UnwrapError};
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind};

impl Engine {
    /// Finds the fleet's sealing key for this period, or makes it.
    pub(crate) async fn fetch_fleet_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        ahead: bool,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        let fetched = keys.fetches.join(&keys.tenant, KeyFetch::FleetKey, || {
            let (engine, keys) = (Arc::clone(self), Arc::clone(keys));
            async move { engine.run_fleet_key_fetch(&keys, ahead).await }.boxed()
        });
        fetched.await.map_err(|failure| sealing_error(keys, failure))
    }

    async fn run_fleet_key_fetch(self: &Arc<Self>, keys: &Arc<TenantKeys>, ahead: bool) -> FetchResult {
        let Some(shared) = &self.shared else {
            return Err(UnwrapError::Service(KeyServiceError::new(&keys.tenant, "KeyTable", Kind::Unexpected)));
        };
        // A fetch that has ended meanwhile may have brought it.
        if !ahead && let Some(key) = self.cached_sealing_key(keys, KeyRecordPlacement::KeyTable) {
            return Ok(key);
        }
        match self.agree_on_fleet_key(keys, shared).await {
            Ok(key) => Ok(key),
            Err(KeyError::Service(error)) => Err(UnwrapError::Service(self.apply_refusal(keys, error).await)),
            Err(KeyError::Table(error)) => Err(UnwrapError::Table(error)),
        }
    }

    async fn agree_on_fleet_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        shared: &SharedKeys,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        let now = self.clock.now();
        let period = Period::at(now.wall(), self.terms.rotation).ok_or_else(|| shared.unsettled_error())?;
        // Its rotation counts from the start of the period, whoever made it.
        let rotation_start = now.earlier_by(period.elapsed(now.wall()));
        let context = EncryptionContext::new(&keys.tenant, &self.contexts[CURRENT_CONTEXT]);
        let pointer = shared.pointer_for(&keys.tenant, &context, period);
        let mut pointed = shared.read_pointer(&pointer).await?;
        for _ in 0..Self::ROUNDS {
            if let Some(there) = &pointed
                && !self.is_used_up(keys, there)
                && let Some(key) = self.adopt(keys, shared, there, rotation_start).await?
            {
                if self.is_sealing_with(keys, &key) {
                    return Ok(key);
                }
                // The tenant was evicted meanwhile.
                continue;
            }
            let (key, start) = self.generate(keys, &context.in_period(period)).await?;
            pointed = shared.set_pointer(&pointer, key.record().key_id, key.stored_record(), pointed.as_ref()).await?;
            if pointed.is_none() {
                key.mark_in_key_table();
                self.install_sealing_key(keys, &key, start, rotation_start);
                if self.is_sealing_with(keys, &key) {
                    return Ok(key);
                }
                pointed = shared.read_pointer(&pointer).await?;
            }
        }
        Err(shared.unsettled_error().into())
    }

    /// The data key that a pointer names. `None` when the tenant's alias does not answer for it, for example after it
    /// was re-pointed. Then making a new key decides, also about a refusal, which this key record may have caused.
    async fn adopt(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        shared: &SharedKeys,
        pointed: &PointerTarget,
        rotation_start: Moment,
    ) -> Result<Option<Arc<VerifiedDataKey>>, KeyError> {
        let PointerTarget { record, stored } = pointed;
        let forged = || Err(shared.forged_error(&keys.tenant).into());
        let id = (CURRENT_CONTEXT, Sha256::digest(stored).into());
        if let Some(UnwrapError::Rejected(_)) = keys.find_rejection(&id, self.clock.now()) {
            return forged();
        }
        if let Some(key) = self.adopt_cached(keys, pointed, rotation_start) {
            return Ok(Some(key));
        }
        let asked = {
            let _slot = keys.acquire_slot().await;
            let context = self.context_for(keys, CURRENT_CONTEXT, record);
            self.request_unwrap(keys, &context, record, Route::TenantAlias, false).await
        };
        let key = match asked {
            Ok((answer, start)) => {
                let key = verify_answer(record, &answer).map(|key| (Arc::new(key), start));
                if let Some((key, _)) = &key {
                    key.set_origin(answer.request_id, DataKeySource::KeyTable);
                }
                key
            }
            Err(error) if error.kind() == Kind::InvalidCiphertext => None,
            Err(error) if error.kind() == Kind::IncorrectKey || error.is_refusal() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some((key, start)) = key else {
            let fault = UnwrapError::Rejected(OpenFault::ForgedRecord);
            keys.write().rejected.insert(id, fault, self.clock.now());
            self.tenants.remember(keys);
            return forged();
        };
        key.mark_in_key_table();
        self.install_sealing_key(keys, &key, start, rotation_start);
        Ok(Some(key))
    }

    /// Whether this process has used up its share of seals under the key that a pointer names: then the fleet moves on
    /// to another.
    fn is_used_up(&self, keys: &TenantKeys, PointerTarget { record, stored }: &PointerTarget) -> bool {
        keys.read().cache.is_used_up(record.key_id, stored, &self.terms)
    }

    /// The data key that a pointer names, when it is cached for opening.
    fn adopt_cached(
        &self,
        keys: &TenantKeys,
        pointed: &PointerTarget,
        rotation_start: Moment,
    ) -> Option<Arc<VerifiedDataKey>> {
        let now = self.clock.now();
        let mut state = keys.write();
        let outage = state.health.outage();
        let usable = |granted| self.terms.allow(granted, outage, now);
        let PointerTarget { record, stored } = pointed;
        let key = state.cache.seal_with_opened(CURRENT_CONTEXT, record.key_id, stored, rotation_start, usable)?;
        key.mark_in_key_table();
        Some(key)
    }
}

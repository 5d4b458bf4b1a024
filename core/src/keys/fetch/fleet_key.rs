//! The key with which the whole fleet seals a tenant's new items.

use std::sync::Arc;

use futures_util::FutureExt;
use sha2::{Digest, Sha256};

use crate::context::{EncryptionContext, Period};
use crate::envelope::DataKeySource;
use crate::envelope::KeyRecordPlacement;
use crate::envelope::{OpenFault, VerifiedDataKey};
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::CURRENT_CONTEXT;
use crate::keys::cache::fetches::{Brought, Flight};
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::sealing_key::unsealed;
use crate::keys::fetch::shared_keys::Pointed;
use crate::keys::fetch::shared_keys::SharedKeys;
use crate::keys::outcome::KeyError;
use crate::keys::outcome::Unwrapping;
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind};

impl Engine {
    /// Finds out which key the fleet seals with in this period; makes it when there is none.
    pub(crate) async fn agreement(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        ahead: bool,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        let flight = keys.flights.join(&keys.tenant, Flight::Agreement, || {
            let (engine, keys) = (Arc::clone(self), Arc::clone(keys));
            async move { engine.fly_agreement(&keys, ahead).await }.boxed()
        });
        flight.await.map_err(|failure| unsealed(keys, failure))
    }

    async fn fly_agreement(self: &Arc<Self>, keys: &Arc<TenantKeys>, ahead: bool) -> Brought {
        let Some(shared) = &self.shared else {
            return Err(Unwrapping::Failed(KeyServiceError::new(&keys.tenant, "KeyTable", Kind::Unexpected)));
        };
        // Who came while the former flight landed needs no other.
        if !ahead && let Some(key) = self.sealing_now(keys, KeyRecordPlacement::KeyTable) {
            return Ok(key);
        }
        match self.agreed(keys, shared).await {
            Ok(key) => Ok(key),
            Err(KeyError::Service(error)) => Err(Unwrapping::Failed(self.judged(keys, error).await)),
            Err(KeyError::Table(error)) => Err(Unwrapping::Unshared(error)),
        }
    }

    async fn agreed(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        shared: &SharedKeys,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        let now = self.clock.now();
        let period = Period::at(now.wall(), self.terms.rotation).ok_or_else(|| shared.unsettled())?;
        // As old as its period, whoever made it when.
        let born = now.earlier_by(period.passed(now.wall()));
        let context = EncryptionContext::new(&keys.tenant, &self.contexts[CURRENT_CONTEXT]);
        let pointer = shared.pointer(&keys.tenant, &context, period);
        let mut pointed = shared.pointed(&pointer).await?;
        for _ in 0..Self::ROUNDS {
            if let Some(there) = &pointed
                && !self.is_used_up(keys, there)
                && let Some(key) = self.adopted(keys, shared, there, born).await?
            {
                if self.is_held(keys, &key) {
                    return Ok(key);
                }
                // The tenant was evicted meanwhile.
                continue;
            }
            let (key, begun) = self.generated(keys, &context.in_period(period)).await?;
            pointed = shared.point(&pointer, key.record().key_id, key.stored_record(), pointed.as_ref()).await?;
            if pointed.is_none() {
                key.mark_in_key_table();
                self.renewed(keys, &key, begun, born);
                if self.is_held(keys, &key) {
                    return Ok(key);
                }
                pointed = shared.pointed(&pointer).await?;
            }
        }
        Err(shared.unsettled().into())
    }

    /// The key that a pointer names; none when the configured alias does not answer for it, as after it was re-pointed: then making a
    /// new one decides, for a refusal too, which this record may have brought about.
    async fn adopted(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        shared: &SharedKeys,
        pointed: &Pointed,
        born: Moment,
    ) -> Result<Option<Arc<VerifiedDataKey>>, KeyError> {
        let Pointed { record, stored } = pointed;
        let forged = || Err(shared.forged(&keys.tenant).into());
        let id = (CURRENT_CONTEXT, Sha256::digest(stored).into());
        if let Some(Unwrapping::Refused(_)) = keys.refused(&id, self.clock.now()) {
            return forged();
        }
        if let Some(key) = self.opened(keys, pointed, born) {
            return Ok(Some(key));
        }
        let asked = {
            let _place = keys.place().await;
            self.ask(keys, CURRENT_CONTEXT, record, Route::Configured, false).await
        };
        let key = match asked {
            Ok((answer, begun)) => {
                let genuine = answer.kek.is_same_key(&record.kek);
                let key = genuine.then(|| VerifiedDataKey::verify(record.clone(), &answer.data_key)).flatten();
                let key = key.map(|key| (Arc::new(key), begun));
                if let Some((key, _)) = &key {
                    key.brought_by(answer.request_id, DataKeySource::KeyTable);
                }
                key
            }
            Err(error) if error.kind() == Kind::InvalidCiphertext => None,
            Err(error) if error.kind() == Kind::IncorrectKey || error.is_refusal() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some((key, begun)) = key else {
            let fault = Unwrapping::Refused(OpenFault::ForgedRecord);
            keys.write().refused.insert(id, fault, self.clock.now());
            self.tenants.remember(keys);
            return forged();
        };
        key.mark_in_key_table();
        self.renewed(keys, &key, begun, born);
        Ok(Some(key))
    }

    /// Whether this process has sealed under the key that a pointer names as much as its share is: then the fleet goes on with another.
    fn is_used_up(&self, keys: &TenantKeys, Pointed { record, stored }: &Pointed) -> bool {
        keys.read().cache.is_used_up(record.key_id, stored, &self.terms)
    }

    /// The key that a pointer names, when it has opened items here already.
    fn opened(&self, keys: &TenantKeys, pointed: &Pointed, born: Moment) -> Option<Arc<VerifiedDataKey>> {
        let now = self.clock.now();
        let mut state = keys.write();
        let outage = state.health.outage();
        let usable = |begun| self.terms.allow(begun, outage, now);
        let Pointed { record, stored } = pointed;
        let key = state.cache.seal_with_opened(CURRENT_CONTEXT, record.key_id, stored, born, usable)?;
        key.mark_in_key_table();
        Some(key)
    }
}

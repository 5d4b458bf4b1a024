//! The entries of lookup keys in the key table: reads, opens, makes and replaces them.

use std::sync::Arc;

use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

use crate::context::EncryptionContext;
use crate::crypto::{LookupKey, NONCE_LEN, OsRandom, RandomError, RandomSource};
use crate::envelope::{DataKeySource, VerifiedDataKey};
use crate::format::{LookupContents, LookupFault, LookupRecord, lookup_entry};
use crate::keys::cache::data_key_cache::CachedKey;
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::decrypt::Answer;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::sealing_key::GENERATE;
use crate::keys::fetch::shared_keys::SharedKeys;
use crate::keys::fetch::unwrap::concerns_record;
use crate::keys::outcome::UnwrapError;
use crate::keys::{KeyServiceError, KeyServiceErrorKind, KeyTableError, KeyTableErrorKind as Kind, Swap};

/// The entry of one of a tenant's lookup keys.
pub(crate) struct LookupEntry {
    /// The index of the context under whose pairs it lies.
    pub(crate) context: usize,
    name: String,
    /// The lookup record, **not authenticated**; `None` when there is no entry.
    pub(crate) stored: Option<Box<[u8]>>,
}

/// A data key that wraps a lookup key, and the lease under which it may be used.
pub(crate) struct WrappingKey {
    pub(crate) key: Arc<VerifiedDataKey>,
    pub(crate) lease: u64,
    /// How often the tenant had been evicted when the lease was granted.
    pub(crate) epoch: u64,
}

impl Engine {
    /// The encryption context of the data keys that wrap lookup keys, with the pairs of a configured context.
    pub(crate) fn lookup_context(&self, keys: &TenantKeys, context: usize) -> Option<EncryptionContext> {
        EncryptionContext::new(&keys.tenant, &self.contexts[context]).for_lookups()
    }

    /// Reads the entry of lookup key `number`: under the current static pairs, or else under former ones.
    pub(crate) async fn read_lookup_entry(
        &self,
        keys: &TenantKeys,
        shared: &SharedKeys,
        number: u16,
    ) -> Result<LookupEntry, KeyTableError> {
        let mut names: Vec<(usize, String)> = Vec::with_capacity(self.contexts.len());
        for (context, pairs) in self.contexts.iter().enumerate() {
            let pairs = EncryptionContext::new(&keys.tenant, pairs);
            let name = lookup_entry(&pairs, number);
            // The current pairs may be listed as former ones too. Former ones without room have no lookup keys.
            if !names.iter().any(|(_, other)| *other == name) && pairs.for_lookups().is_some() {
                names.push((context, name));
            }
        }
        let read = names.into_iter().map(|(context, name)| async move {
            let stored = shared.table().get(&keys.tenant, &name).await?.map(Into::into);
            Ok::<_, KeyTableError>(LookupEntry { context, name, stored })
        });
        let mut entries = try_join_all(read).await?;
        match entries.iter().filter(|entry| entry.stored.is_some()).count() {
            0 => {}
            1 => entries.retain(|entry| entry.stored.is_some()),
            _ => return Err(shared.error(Kind::TwoLookupKeys { tenant: keys.tenant.clone(), number })),
        }
        Ok(entries.swap_remove(0))
    }

    /// The entry of a lookup key that is lost, under the pairs of the context where it lay.
    pub(crate) fn lost_lookup_entry(&self, keys: &TenantKeys, context: usize, number: u16) -> LookupEntry {
        let name = lookup_entry(&EncryptionContext::new(&keys.tenant, &self.contexts[context]), number);
        LookupEntry { context, name, stored: None }
    }

    /// Opens what an entry holds. `wrapping` is the data key that opened it before, if any, and the one that opens it
    /// now. Whatever does not open is forged.
    pub(crate) async fn open_lookup_entry(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        shared: &SharedKeys,
        number: u16,
        (context, stored): (usize, &[u8]),
        wrapping: &mut Option<WrappingKey>,
    ) -> Result<LookupContents, UnwrapError> {
        let forged = |fault: LookupFault| {
            let kind = Kind::ForgedLookupKey { tenant: keys.tenant.clone(), number };
            UnwrapError::Table(shared.error(kind).with_source(fault))
        };
        let record = LookupRecord::decode(stored).map_err(forged)?;
        let expected = self.lookup_context(keys, context);
        let expected = expected.filter(|expected| record.key_record().is_for(expected));
        let expected = expected.ok_or_else(|| forged(LookupFault::ForeignContext))?;
        let wraps = |wrapping: &WrappingKey| wrapping.key.stored_record() == record.stored_key_record();
        if !wrapping.as_ref().is_some_and(wraps) {
            *wrapping = self.cached_wrapping_key(keys, number).filter(wraps);
        }
        let wrapping = match wrapping {
            Some(wrapping) => wrapping,
            None => {
                let id = (context, Sha256::digest(stored).into());
                if let Some(rejection) = keys.find_rejection(&id, self.clock.now()) {
                    return Err(rejection);
                }
                match self.unwrap_lookup_record(keys, context, &expected, &record).await {
                    Ok(unwrapped) => wrapping.insert(unwrapped),
                    Err(failure) => {
                        let is_of_record = concerns_record(&failure);
                        let failure = match failure {
                            UnwrapError::Rejected(_) => forged(LookupFault::DataKey),
                            failure => failure,
                        };
                        if is_of_record {
                            keys.write().rejected.insert(id, failure.clone(), self.clock.now());
                            self.tenants.remember(keys);
                        }
                        return Err(failure);
                    }
                }
            }
        };
        wrapping.key.unwrap_lookup_key(&keys.tenant, number, &record).map_err(forged)
    }

    /// The data key of the cached lookup key of this number.
    fn cached_wrapping_key(&self, keys: &TenantKeys, number: u16) -> Option<WrappingKey> {
        let state = keys.read();
        match state.cache.lookup_key(number, &self.terms, state.health.outage(), self.clock.now())? {
            CachedKey::Usable(key, _) => {
                let lease = state.cache.lookup_slot(number)?.lease;
                Some(WrappingKey { key: Arc::clone(key.data_key()), lease, epoch: state.epoch })
            }
            CachedKey::Expired { .. } => None,
        }
    }

    /// Has KMS unwrap the data key of a lookup record.
    async fn unwrap_lookup_record(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        context: usize,
        encryption_context: &EncryptionContext,
        record: &LookupRecord<'_>,
    ) -> Result<WrappingKey, UnwrapError> {
        for round in 0..Self::ROUNDS {
            let started = self.clock.now();
            let asked = {
                let _slot = keys.acquire_slot().await;
                self.decrypt(keys, encryption_context, record.key_record(), false).await
            };
            match asked {
                Ok(answer) => {
                    // Else the tenant was evicted meanwhile.
                    if let Some(lease) = self.renew_from(keys, context, &answer) {
                        let Answer { key, start, route: _, request_id } = answer;
                        let key = Arc::new(key);
                        key.set_origin(request_id, DataKeySource::KeyTable);
                        return Ok(WrappingKey { key, lease, epoch: start.epoch });
                    }
                }
                Err(UnwrapError::Service(error)) if error.is_refusal() => {
                    let error = self.explain_refusal(keys, record.key_record(), error, started).await;
                    // The tenant was suspended or resumed between the two answers.
                    if round > 0 || error.kind() != KeyServiceErrorKind::Contradictory {
                        return Err(UnwrapError::Service(error));
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(UnwrapError::Service(KeyServiceError::new(&keys.tenant, "Decrypt", KeyServiceErrorKind::Unavailable)))
    }

    /// Has KMS make a data key that wraps a lookup key.
    pub(crate) async fn generate_wrapping_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        context: usize,
    ) -> Result<WrappingKey, KeyServiceError> {
        let unavailable = || KeyServiceError::new(&keys.tenant, GENERATE, KeyServiceErrorKind::Unavailable);
        let encryption_context = self.lookup_context(keys, context).ok_or_else(unavailable)?;
        for _ in 0..Self::ROUNDS {
            match self.generate(keys, &encryption_context).await {
                Ok((key, start)) => {
                    // Else the tenant was evicted meanwhile.
                    if let Some(lease) = self.renew_after(keys, context, &key.record().kek, true, start) {
                        return Ok(WrappingKey { key, lease, epoch: start.epoch });
                    }
                }
                Err(error) => return Err(self.apply_refusal(keys, error).await),
            }
        }
        Err(unavailable())
    }

    /// Whether the KEK of this data key is not the one that the tenant's alias points to.
    pub(crate) fn is_former(&self, keys: &TenantKeys, key: &VerifiedDataKey) -> bool {
        keys.read().health.route(&key.record().kek) == Route::KeyAlias
    }
}

impl LookupEntry {
    /// Replaces what the entry holds. Returns whether it did; otherwise `stored` is what is there by now.
    pub(crate) async fn replace(
        &mut self,
        keys: &TenantKeys,
        shared: &SharedKeys,
        record: Vec<u8>,
    ) -> Result<bool, KeyTableError> {
        let swap = shared.table().compare_and_swap(&keys.tenant, &self.name, self.stored.as_deref(), &record).await?;
        let (stored, is_ours) = match swap {
            Swap::Stored => (Some(record), true),
            // A retried write whose first answer was lost.
            Swap::Found(found) => {
                let is_ours = found.as_ref() == Some(&record);
                (found, is_ours)
            }
        };
        self.stored = stored.map(Into::into);
        Ok(is_ours)
    }
}

impl WrappingKey {
    /// The lookup record to store.
    pub(crate) fn seal(
        &self,
        keys: &TenantKeys,
        number: u16,
        contents: &LookupContents,
    ) -> Result<Vec<u8>, KeyServiceError> {
        let mut nonce = [0; NONCE_LEN];
        OsRandom.fill(&mut nonce).map_err(|error| no_randomness(keys, error))?;
        Ok(self.key.wrap_lookup_key(&keys.tenant, number, nonce, contents))
    }
}

/// A new lookup key.
pub(crate) fn draw_lookup_key(keys: &TenantKeys) -> Result<LookupKey, KeyServiceError> {
    LookupKey::generate(&OsRandom).map_err(|error| no_randomness(keys, error))
}

fn no_randomness(keys: &TenantKeys, error: RandomError) -> KeyServiceError {
    KeyServiceError::new(&keys.tenant, GENERATE, KeyServiceErrorKind::Unexpected).with_source(error)
}

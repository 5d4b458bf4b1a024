//! The data keys that open stored items: from the cache, or unwrapped from their key records.

use std::sync::{Arc, OnceLock};

use futures_util::{StreamExt, stream};

use crate::context::EncryptionContext;
use crate::envelope::{DataKeySource, KeyRing, NeededKey, OpenFault, Purpose, VerifiedDataKey};
use crate::format::{KeyRecord, OwnedStoredKey, StoredKey};
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::CachedKey;
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::unwrap::UnverifiedRecord;
use crate::keys::outcome::{OpeningKeyError, UnwrapError};
use crate::telemetry;

/// How many data keys one operation may unwrap at once. Failures are bounded per tenant, so a table full of forged key
/// records costs a bounded number of calls.
const CONCURRENT_UNWRAPS: usize = 16;

/// What to fetch once it is known that one of the data keys is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpeningMode {
    /// Nothing more: the other keys are useless without it. Keys that were not fetched are not reported as failed.
    AllOrNothing,
    /// The other keys.
    BestEffort,
}

/// Data keys that are not available, and why.
pub(crate) type FailedKeys = Vec<(OwnedStoredKey, OpeningKeyError)>;

/// Whether the other keys of this operation will fail as well: the tenant is refused, or KMS is unavailable. A key
/// record that does not unwrap says nothing about the others; how many of those are tried is bounded per tenant.
fn concerns_all(error: &OpeningKeyError) -> bool {
    matches!(error, OpeningKeyError::Service(error) if error.is_revoked() || error.is_retryable())
}

/// A data key that is not cached.
struct UncachedKey {
    attribute: String,
    named: OwnedStoredKey,
    record: UnverifiedRecord,
}

impl Engine {
    /// The cached data key that is named so. A key record is compared with the verified bytes. A key id, which commits
    /// to the key, counts only when the key table is known to hold the record.
    pub(crate) fn cached_opening_key(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        named: StoredKey<&[u8]>,
        now: Moment,
    ) -> Option<Arc<VerifiedDataKey>> {
        let key_id = match named {
            StoredKey::Record(stored) => KeyRecord::claimed_key_id(stored)?,
            // Without a key table references open nothing, even if the key is cached.
            StoredKey::Reference(key_id) => self.shared.is_some().then_some(key_id)?,
        };
        let names = |key: &VerifiedDataKey| match named {
            StoredKey::Record(stored) => key.stored_record() == stored,
            // The record of a key that came with an item may be in no key table: elsewhere the reference would open
            // nothing.
            StoredKey::Reference(_) => key.is_in_key_table(),
        };
        self.tenants.touch(keys, now);
        let state = keys.read();
        let found = (0..self.contexts.len()).find_map(|context| {
            match state.cache.opening_key(context, key_id, &self.terms, state.health.outage(), now)? {
                CachedKey::Usable(key, neglected) if names(&key) => Some((key, neglected)),
                _ => None,
            }
        });
        drop(state);
        let (key, neglected) = found?;
        if neglected {
            self.replace_refresher(keys);
        }
        Some(key)
    }

    /// The data keys that items need, and those that are not available.
    pub(crate) async fn fetch_opening_keys(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        needed: Vec<NeededKey>,
        mode: OpeningMode,
    ) -> (KeyRing, FailedKeys) {
        let (mut found, mut missing) = (Vec::with_capacity(needed.len()), Vec::new());
        let now = self.clock.now();
        for needed in needed {
            match self.cached_opening_key(keys, needed.stored.as_ref(), now) {
                Some(key) => found.push((needed.stored, key)),
                None => missing.push(needed),
            }
        }
        telemetry::record_hit(&keys.tenant, Purpose::Open, found.len());
        let _waiting =
            (!missing.is_empty()).then(|| telemetry::record_miss(&keys.tenant, Purpose::Open, missing.len()));
        // A refused tenant may first fetch one key, to test whether it is back.
        let recovery_probe = match keys.admit_request(now) {
            Ok(recovery_probe) => recovery_probe,
            Err(refusal) => {
                let refused = |needed: NeededKey| (needed.stored, refusal.clone().into());
                return (KeyRing::new(found), missing.into_iter().map(refused).collect());
            }
        };
        // All contexts are compared before the first call to KMS.
        let uncached = stream::iter(missing).map(|needed| async {
            let named = needed.stored.clone();
            self.resolve(keys, needed).await.map_err(|error| (named, error))
        });
        let resolved: Vec<_> = uncached.buffer_unordered(CONCURRENT_UNWRAPS).collect().await;
        let (mut uncached, mut failures) = (Vec::new(), Vec::new());
        for resolved in resolved {
            match resolved {
                Ok(found) => uncached.push(found),
                Err(error) => failures.push(error),
            }
        }
        if mode == OpeningMode::AllOrNothing && !failures.is_empty() {
            return (KeyRing::new(found), failures);
        }
        if recovery_probe.is_some()
            && let Some(first) = uncached.pop()
        {
            match self.obtain(keys, first).await {
                Ok(key) => found.push(key),
                Err((named, error)) => {
                    if mode == OpeningMode::BestEffort && concerns_all(&error) {
                        let refused = |uncached: UncachedKey| (uncached.named, error.clone());
                        failures.extend(std::mem::take(&mut uncached).into_iter().map(refused));
                    }
                    failures.push((named, error));
                    if mode == OpeningMode::AllOrNothing {
                        return (KeyRing::new(found), failures);
                    }
                }
            }
        }
        let failed = &OnceLock::new();
        // Fetches in flight are awaited: KMS answers them anyway, and the next try finds those keys.
        let asked: Vec<_> = stream::iter(uncached)
            .map(|uncached| async move {
                if let Some(error) = failed.get().cloned() {
                    return (mode == OpeningMode::BestEffort).then_some(Err((uncached.named, error)));
                }
                let result = self.obtain(keys, uncached).await;
                if let Err((_, error)) = &result
                    && (mode == OpeningMode::AllOrNothing || concerns_all(error))
                {
                    failed.get_or_init(|| error.clone());
                }
                Some(result)
            })
            .buffer_unordered(CONCURRENT_UNWRAPS)
            .collect()
            .await;
        for asked in asked.into_iter().flatten() {
            match asked {
                Ok(key) => found.push(key),
                Err(error) => failures.push(error),
            }
        }
        (KeyRing::new(found), failures)
    }

    /// Fetches a data key that was not cached.
    async fn obtain(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        UncachedKey { attribute, named, record }: UncachedKey,
    ) -> Result<(OwnedStoredKey, Arc<VerifiedDataKey>), (OwnedStoredKey, OpeningKeyError)> {
        match self.unwrap(keys, record).await {
            Ok(key) => {
                if matches!(named, StoredKey::Reference(_)) {
                    key.mark_in_key_table();
                }
                Ok((named, key))
            }
            Err(UnwrapError::Rejected(fault)) => Err((named, OpeningKeyError::Open { attribute, fault })),
            Err(UnwrapError::Service(error)) => Err((named, OpeningKeyError::Service(error))),
            Err(UnwrapError::Table(error)) => Err((named, OpeningKeyError::Table(error))),
        }
    }

    /// Reads a key record, from the key table if it lies there, and finds the configured context for which it was made,
    /// in whatever period.
    async fn resolve(&self, keys: &TenantKeys, needed: NeededKey) -> Result<UncachedKey, OpeningKeyError> {
        let NeededKey { attribute, stored: named } = needed;
        let faulty = |fault| OpeningKeyError::Open { attribute: attribute.clone(), fault };
        let (stored, source): (Arc<[u8]>, _) = match &named {
            StoredKey::Record(stored) => (Arc::from(&**stored), DataKeySource::Kms),
            StoredKey::Reference(key_id) => {
                let shared = self.shared.as_ref().ok_or_else(|| faulty(OpenFault::NoKeyTable))?;
                let record = shared.read_record(&keys.tenant, *key_id).await?;
                (record.ok_or_else(|| faulty(OpenFault::UnknownKey))?, DataKeySource::KeyTable)
            }
        };
        let record = KeyRecord::decode(&stored).map_err(|fault| faulty(fault.into()))?;
        if matches!(named, StoredKey::Reference(key_id) if key_id != record.key_id) {
            return Err(faulty(OpenFault::ForgedRecord));
        }
        let bytes = |context| KeyRecord::context_bytes(&self.context_for(keys, context, &record));
        match (0..self.contexts.len()).find(|context| *record.context() == *bytes(*context)) {
            Some(context) => {
                Ok(UncachedKey { attribute, named, record: UnverifiedRecord { context, record, stored, source } })
            }
            None => Err(faulty(OpenFault::ForeignContext)),
        }
    }

    /// The same, without what the error needs.
    pub(crate) async fn resolve_record(
        &self,
        keys: &TenantKeys,
        needed: NeededKey,
    ) -> Result<UnverifiedRecord, OpeningKeyError> {
        self.resolve(keys, needed).await.map(|uncached| uncached.record)
    }

    /// A configured context, in the period that a key record names. Before any other use the two are compared.
    pub(crate) fn context_for(&self, keys: &TenantKeys, context: usize, record: &KeyRecord) -> EncryptionContext {
        let context = EncryptionContext::new(&keys.tenant, &self.contexts[context]);
        match record.period() {
            Some(period) => context.in_period(period),
            None => context,
        }
    }
}

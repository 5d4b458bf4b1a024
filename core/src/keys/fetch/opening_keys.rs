//! The keys that open stored items: from the cache, or by the records that the items name.

use std::sync::{Arc, OnceLock};

use futures_util::{StreamExt, stream};

use crate::context::EncryptionContext;
use crate::envelope::DataKeySource;
use crate::envelope::Purpose;
use crate::envelope::{KeyRing, NeededKey, OpenFault, VerifiedDataKey};
use crate::format::{KeyRecord, OwnedStoredKey, StoredKey};
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::Lookup;
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::unwrap::Claim;
use crate::keys::outcome::OpeningKeyError;
use crate::keys::outcome::Unwrapping;
use crate::telemetry;

/// How many distinct data keys one answer may ask KMS for at once. How many may fail is bounded for each tenant, so a table full of
/// forged records costs a bounded number of calls.
const CONCURRENT_UNWRAPS: usize = 16;

/// What is asked for when one key is known not to be had before KMS is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing more: without it the others are of no use. Those that are not asked for then are not said to be lacking.
    All,
    /// The others.
    Each,
}

/// Keys that could not be had, and why.
pub(crate) type Lacking = Vec<(OwnedStoredKey, OpeningKeyError)>;

/// Whether the other keys of an answer cannot be had either: the tenant is refused, or KMS is not to be had. A record that does not open
/// says nothing of the others; how many of those are tried is bounded for each tenant.
fn concerns_all(error: &OpeningKeyError) -> bool {
    matches!(error, OpeningKeyError::Service(error) if error.is_revoked() || error.is_retryable())
}

/// A key that is not in the cache.
struct Wanted {
    attribute: String,
    named: OwnedStoredKey,
    claim: Claim,
}

impl Engine {
    /// The key in the cache that is named so: by the very bytes of its record, which were verified when it came there, or by its id,
    /// which commits to it, where the key table is known to hold the record.
    pub(crate) fn verified(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        named: StoredKey<&[u8]>,
        now: Moment,
    ) -> Option<Arc<VerifiedDataKey>> {
        let key_id = match named {
            StoredKey::Record(stored) => KeyRecord::claimed_key_id(stored)?,
            // Without a key table references open nothing, whatever is in memory.
            StoredKey::Reference(key_id) => self.shared.is_some().then_some(key_id)?,
        };
        let names = |key: &VerifiedDataKey| match named {
            StoredKey::Record(stored) => key.stored_record() == stored,
            // A key that came with an item's own record may be in no key table: elsewhere the reference would open nothing.
            StoredKey::Reference(_) => key.is_in_key_table(),
        };
        self.tenants.used(keys, now);
        let state = keys.read();
        let found = (0..self.contexts.len()).find_map(|context| {
            match state.cache.opening(context, key_id, &self.terms, state.health.outage(), now)? {
                Lookup::Usable(key, neglected) if names(&key) => Some((key, neglected)),
                _ => None,
            }
        });
        drop(state);
        let (key, neglected) = found?;
        if neglected {
            self.keep_again(keys);
        }
        Some(key)
    }

    /// The keys that items name so, and those that could not be had.
    pub(crate) async fn opening(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        needed: Vec<NeededKey>,
        want: Want,
    ) -> (KeyRing, Lacking) {
        let (mut found, mut missing) = (Vec::with_capacity(needed.len()), Vec::new());
        let now = self.clock.now();
        for needed in needed {
            match self.verified(keys, needed.stored.as_ref(), now) {
                Some(key) => found.push((needed.stored, key)),
                None => missing.push(needed),
            }
        }
        telemetry::hit(&keys.tenant, Purpose::Open, found.len());
        let _waiting = (!missing.is_empty()).then(|| telemetry::missed(&keys.tenant, Purpose::Open, missing.len()));
        // A tenant that was refused may ask for one key first, whether it is back.
        let probing = match keys.enter(now) {
            Ok(probing) => probing,
            Err(refusal) => {
                let refused = |needed: NeededKey| (needed.stored, refusal.clone().into());
                return (KeyRing::new(found), missing.into_iter().map(refused).collect());
            }
        };
        // All contexts are compared before the first call to KMS.
        let wanted = stream::iter(missing).map(|needed| async {
            let named = needed.stored.clone();
            self.wanted(keys, needed).await.map_err(|error| (named, error))
        });
        let looked_at: Vec<_> = wanted.buffer_unordered(CONCURRENT_UNWRAPS).collect().await;
        let (mut wanted, mut lacking) = (Vec::new(), Vec::new());
        for looked_at in looked_at {
            match looked_at {
                Ok(found) => wanted.push(found),
                Err(error) => lacking.push(error),
            }
        }
        if want == Want::All && !lacking.is_empty() {
            return (KeyRing::new(found), lacking);
        }
        if probing.is_some()
            && let Some(first) = wanted.pop()
        {
            match self.obtained(keys, first).await {
                Ok(key) => found.push(key),
                Err((named, error)) => {
                    if want == Want::Each && concerns_all(&error) {
                        let refused = |wanted: Wanted| (wanted.named, error.clone());
                        lacking.extend(std::mem::take(&mut wanted).into_iter().map(refused));
                    }
                    lacking.push((named, error));
                    if want == Want::All {
                        return (KeyRing::new(found), lacking);
                    }
                }
            }
        }
        let failed = &OnceLock::new();
        // What is under way is waited for: KMS answers it all the same, and the next try finds those keys.
        let asked: Vec<_> = stream::iter(wanted)
            .map(|wanted| async move {
                if let Some(error) = failed.get().cloned() {
                    return (want == Want::Each).then_some(Err((wanted.named, error)));
                }
                let obtained = self.obtained(keys, wanted).await;
                if let Err((_, error)) = &obtained
                    && (want == Want::All || concerns_all(error))
                {
                    failed.get_or_init(|| error.clone());
                }
                Some(obtained)
            })
            .buffer_unordered(CONCURRENT_UNWRAPS)
            .collect()
            .await;
        for asked in asked.into_iter().flatten() {
            match asked {
                Ok(key) => found.push(key),
                Err(error) => lacking.push(error),
            }
        }
        (KeyRing::new(found), lacking)
    }

    /// A key that was not in the cache.
    async fn obtained(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        Wanted { attribute, named, claim }: Wanted,
    ) -> Result<(OwnedStoredKey, Arc<VerifiedDataKey>), (OwnedStoredKey, OpeningKeyError)> {
        match self.unwrap(keys, claim).await {
            Ok(key) => {
                if matches!(named, StoredKey::Reference(_)) {
                    key.mark_in_key_table();
                }
                Ok((named, key))
            }
            Err(Unwrapping::Refused(fault)) => Err((named, OpeningKeyError::Open { attribute, fault })),
            Err(Unwrapping::Failed(error)) => Err((named, OpeningKeyError::Service(error))),
            Err(Unwrapping::Unshared(error)) => Err((named, OpeningKeyError::Table(error))),
        }
    }

    /// Reads the record of a key, from the key table where it lies there, and finds out which configured context it was made for,
    /// in whatever period.
    async fn wanted(&self, keys: &TenantKeys, needed: NeededKey) -> Result<Wanted, OpeningKeyError> {
        let NeededKey { attribute, stored: named } = needed;
        let faulty = |fault| OpeningKeyError::Open { attribute: attribute.clone(), fault };
        let (stored, source): (Arc<[u8]>, _) = match &named {
            StoredKey::Record(stored) => (Arc::from(&**stored), DataKeySource::Kms),
            StoredKey::Reference(key_id) => {
                let shared = self.shared.as_ref().ok_or_else(|| faulty(OpenFault::NoKeyTable))?;
                let record = shared.record(&keys.tenant, *key_id).await?;
                (record.ok_or_else(|| faulty(OpenFault::UnknownKey))?, DataKeySource::KeyTable)
            }
        };
        let record = KeyRecord::decode(&stored).map_err(|fault| faulty(fault.into()))?;
        if matches!(named, StoredKey::Reference(key_id) if key_id != record.key_id) {
            return Err(faulty(OpenFault::ForgedRecord));
        }
        let bytes = |context| KeyRecord::context_bytes(&self.context_of(keys, context, &record));
        match (0..self.contexts.len()).find(|context| *record.context() == *bytes(*context)) {
            Some(context) => Ok(Wanted { attribute, named, claim: Claim { context, record, stored, source } }),
            None => Err(faulty(OpenFault::ForeignContext)),
        }
    }

    /// A configured context, in the period that a record names: before any other use the two are compared.
    pub(crate) fn context_of(&self, keys: &TenantKeys, context: usize, record: &KeyRecord) -> EncryptionContext {
        let context = EncryptionContext::new(&keys.tenant, &self.contexts[context]);
        match record.period() {
            Some(period) => context.in_period(period),
            None => context,
        }
    }
}

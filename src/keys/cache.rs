//! The data keys of all tenants in memory: bounded, one flight per key, each with a maximum age.
//!
//! Two caches make two clocks. `current` remembers under which *record* a tenant's new items are sealed, for as long as one data
//! key may serve; `unwrapped` holds the keys themselves, for as long as they may be used before KMS is asked again. Sealing looks
//! into both, so a key that KMS no longer gives out stops sealing when it stops opening.
//!
//! What is stored in a table is hostile: one flight is keyed by the whole record (its SHA-256), so a forged record fails alone.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::SharedTimeSource;
use futures_util::{StreamExt, TryStreamExt, stream};
use moka::future::Cache;
use sha2::{Digest, Sha256};

use super::{KeyService, KeyServiceError, KeyServiceErrorKind};
use crate::context::{EncryptionContext, StaticPairs};
use crate::crypto::KeyId;
use crate::format::KeyRecord;
use crate::item::{KeyRing, NeededRecord, OpenError, OpenFault, Serves, UnwrappedKey};
use crate::tenant::TenantId;

/// How many distinct data keys one answer may ask KMS for at once. The first failure ends them all, so a table full of forged
/// records costs a bounded number of calls.
const CONCURRENT_UNWRAPS: usize = 16;

/// How the cache is set up.
#[derive(Debug)]
pub(crate) struct DataKeysConfig {
    pub(crate) service: Arc<dyn KeyService>,
    pub(crate) time: SharedTimeSource,
    /// The pairs of new records, then those of former ones that still open.
    pub(crate) contexts: Vec<StaticPairs>,
    pub(crate) capacity: u64,
    /// How long one data key seals new items.
    pub(crate) rotation: Duration,
    /// How long a data key is used before KMS is asked again.
    pub(crate) max_age: Duration,
}

/// Data keys by tenant, asked for once and kept for a while.
#[derive(Debug)]
pub(crate) struct DataKeys {
    service: Arc<dyn KeyService>,
    time: SharedTimeSource,
    contexts: Vec<StaticPairs>,
    current: Cache<TenantId, Arc<StoredRecord>>,
    /// By the caller's idempotency token.
    pinned: Cache<(TenantId, String), Arc<StoredRecord>>,
    unwrapped: Cache<Slot, Arc<UnwrappedKey>>,
    /// One flight per record; what arrives moves to `unwrapped`.
    flights: Cache<(Slot, [u8; 32]), Arc<UnwrappedKey>>,
}

/// A record beside its bytes.
#[derive(Debug)]
struct StoredRecord {
    record: KeyRecord,
    stored: Box<[u8]>,
}

/// A record that was read and may be asked for.
struct Wanted {
    attribute: String,
    slot: Slot,
    record: KeyRecord,
    stored: Box<[u8]>,
}

/// Which key, of which tenant, under which of the configured contexts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Slot {
    tenant: TenantId,
    context: usize,
    key_id: KeyId,
}

impl DataKeys {
    /// Where in `contexts` the pairs of new records are.
    const CURRENT: usize = 0;

    pub(crate) fn new(config: DataKeysConfig) -> Self {
        let DataKeysConfig { service, time, contexts, capacity, rotation, max_age } = config;
        Self {
            service,
            time,
            contexts,
            current: Cache::builder().max_capacity(capacity).time_to_live(rotation).build(),
            pinned: Cache::builder().max_capacity(capacity).time_to_live(PINNED).build(),
            unwrapped: Cache::builder().max_capacity(capacity).time_to_live(max_age).build(),
            flights: Cache::builder().max_capacity(capacity).time_to_live(FLIGHT).build(),
        }
    }

    /// The key under which the tenant's new items are sealed; with an idempotency `token`, the one that was current when the token
    /// was first seen, for [`PINNED`].
    pub(crate) async fn sealing_key(
        &self,
        tenant: &TenantId,
        token: Option<&str>,
    ) -> Result<Arc<UnwrappedKey>, KeyServiceError> {
        let current = self.pinned_record(tenant, token).await?;
        match self.unwrap_current(tenant, &current).await {
            Ok(Some(key)) => return Ok(key),
            // The alias was re-pointed, or the record is not what KMS says it is: seal under a new key.
            Ok(None) => {}
            Err(error) if error.kind() == KeyServiceErrorKind::IncorrectKey => {}
            Err(error) => return Err(error),
        }
        self.current.invalidate(tenant).await;
        if let Some(token) = token {
            self.pinned.invalidate(&(tenant.clone(), token.to_owned())).await;
        }
        let current = self.pinned_record(tenant, token).await?;
        let key = self.unwrap_current(tenant, &current).await?;
        key.ok_or_else(|| KeyServiceError::new(tenant, "Decrypt", KeyServiceErrorKind::Unexpected))
    }

    async fn pinned_record(
        &self,
        tenant: &TenantId,
        token: Option<&str>,
    ) -> Result<Arc<StoredRecord>, KeyServiceError> {
        let Some(token) = token else { return self.current_record(tenant).await };
        let pin = (tenant.clone(), token.to_owned());
        let pinned = self.pinned.try_get_with(pin, self.current_record(tenant)).await;
        pinned.map_err(|shared: Arc<KeyServiceError>| (*shared).clone())
    }

    async fn unwrap_current(
        &self,
        tenant: &TenantId,
        current: &StoredRecord,
    ) -> Result<Option<Arc<UnwrappedKey>>, KeyServiceError> {
        let StoredRecord { record, stored } = current;
        self.unwrap(self.slot(tenant, Self::CURRENT, record.key_id), record, stored).await
    }

    /// The record of the tenant's current data key; makes one when there is none.
    async fn current_record(&self, tenant: &TenantId) -> Result<Arc<StoredRecord>, KeyServiceError> {
        let made = self.current.try_get_with_by_ref(tenant, self.generate(tenant)).await;
        made.map_err(|shared: Arc<KeyServiceError>| (*shared).clone())
    }

    async fn generate(&self, tenant: &TenantId) -> Result<Arc<StoredRecord>, KeyServiceError> {
        let context = EncryptionContext::new(tenant, &self.contexts[Self::CURRENT]);
        let made = self.service.generate_data_key(tenant, &context).await?;
        let key = UnwrappedKey::generated(&made.data_key, self.now(), &context, made.kek, made.wrapped);
        let current = StoredRecord { record: key.record().clone(), stored: key.stored_record().into() };
        self.unwrapped.insert(self.slot(tenant, Self::CURRENT, current.record.key_id), Arc::new(key)).await;
        Ok(Arc::new(current))
    }

    /// The keys that open items relying on these stored records, each asked for once and all at the same time.
    ///
    /// Each record comes with the attribute in which it was found, for the error's sake.
    pub(crate) async fn opening_keys(
        &self,
        tenant: &TenantId,
        records: Vec<NeededRecord>,
    ) -> Result<KeyRing, OpeningKeyError> {
        let (mut keys, mut wanted) = (Vec::with_capacity(records.len()), Vec::new());
        for needed in records {
            match self.verified(tenant, &needed.record).await {
                Some(key) => keys.push((needed.record, key)),
                // All contexts are compared before the first call to KMS.
                None => wanted.push(self.wanted(tenant, needed)?),
            }
        }
        let asked = stream::iter(wanted)
            .map(|Wanted { attribute, slot, record, stored }| async move {
                let key = self.unwrap(slot, &record, &stored).await?;
                let key = key.ok_or_else(|| OpenError::attribute(&attribute, OpenFault::ForgedRecord))?;
                Ok::<_, OpeningKeyError>((stored, key))
            })
            .buffer_unordered(CONCURRENT_UNWRAPS)
            .try_collect::<Vec<_>>()
            .await?;
        keys.extend(asked);
        Ok(KeyRing::new(keys))
    }

    /// The key in the cache whose record has these very bytes: they were verified when it came there.
    async fn verified(&self, tenant: &TenantId, stored: &[u8]) -> Option<Arc<UnwrappedKey>> {
        let key_id = KeyRecord::claimed_key_id(stored)?;
        for context in 0..self.contexts.len() {
            let key = self.unwrapped.get(&self.slot(tenant, context, key_id)).await;
            if key.as_ref().is_some_and(|key| key.stored_record() == stored) {
                return key;
            }
        }
        None
    }

    /// Reads a stored record and finds out which configured context it was made for.
    fn wanted(&self, tenant: &TenantId, needed: NeededRecord) -> Result<Wanted, OpenError> {
        let NeededRecord { attribute, record: stored } = needed;
        let record = KeyRecord::decode(&stored).map_err(|fault| OpenError::attribute(&attribute, fault))?;
        match self.configured_context(tenant, &record) {
            Some(context) => Ok(Wanted { slot: self.slot(tenant, context, record.key_id), attribute, record, stored }),
            None => Err(OpenError::attribute(&attribute, OpenFault::ForeignContext)),
        }
    }

    /// Which of the configured contexts, if any, a record was made for. Compared before anything is asked of KMS.
    fn configured_context(&self, tenant: &TenantId, record: &KeyRecord) -> Option<usize> {
        self.contexts
            .iter()
            .position(|pairs| *record.context() == *KeyRecord::context_bytes(&EncryptionContext::new(tenant, pairs)))
    }

    /// The key of a record, from the cache or from KMS; none when the record does not belong to the key that it names.
    async fn unwrap(
        &self,
        slot: Slot,
        record: &KeyRecord,
        stored: &[u8],
    ) -> Result<Option<Arc<UnwrappedKey>>, KeyServiceError> {
        if let Some(key) = self.unwrapped.get(&slot).await {
            match key.serves(record, stored) {
                Serves::Yes => return Ok(Some(key)),
                Serves::Forged => return Ok(None),
                Serves::AskAgain => {}
            }
        }
        let digest: [u8; 32] = Sha256::digest(stored).into();
        let flight = self.flights.try_get_with((slot.clone(), digest), self.ask(&slot, record)).await;
        match flight {
            Ok(key) => {
                self.unwrapped.insert(slot, Arc::clone(&key)).await;
                Ok(Some(key))
            }
            Err(error) => match &*error {
                Unwrapping::Forged => Ok(None),
                Unwrapping::Failed(error) => Err(error.clone()),
            },
        }
    }

    async fn ask(&self, slot: &Slot, record: &KeyRecord) -> Result<Arc<UnwrappedKey>, Unwrapping> {
        let context = EncryptionContext::new(&slot.tenant, &self.contexts[slot.context]);
        let asked = self.service.unwrap_data_key(&slot.tenant, &context, &record.kek, &record.wrapped);
        let answer = asked.await.map_err(Unwrapping::Failed)?;
        if !answer.kek.is_same_key(&record.kek) {
            return Err(Unwrapping::Forged);
        }
        UnwrappedKey::verify(record.clone(), &answer.data_key).map(Arc::new).ok_or(Unwrapping::Forged)
    }

    fn slot(&self, tenant: &TenantId, context: usize, key_id: KeyId) -> Slot {
        Slot { tenant: tenant.clone(), context, key_id }
    }

    /// Seconds since 1970, as key records store them.
    fn now(&self) -> u32 {
        let since = self.time.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
    }
}

/// DynamoDB takes a repeated ClientRequestToken for the same request for ten minutes (API reference, TransactWriteItems).
const PINNED: Duration = Duration::from_secs(600);

/// How long what a flight brought is kept beside `unwrapped`: as good as not at all.
const FLIGHT: Duration = Duration::from_millis(1);

#[derive(Debug)]
enum Unwrapping {
    Failed(KeyServiceError),
    Forged,
}

/// Why the keys for an answer could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OpeningKeyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Key(#[from] KeyServiceError),
}

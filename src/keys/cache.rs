//! The data keys of all tenants in memory: bounded, one flight per key, each with a maximum age.
//!
//! Two clocks: `rotation` is how long one data key seals new items, `max_age` how long any data key is used before KMS is asked for it
//! again. A key has a lease that ends `max_age` after the request that brought it was begun; sealing and opening both end with it.
//!
//! What is stored in a table is hostile: one flight is keyed by the whole record (its SHA-256), so a forged record fails alone.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_async::time::SharedTimeSource;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use moka::Expiry;
use moka::future::{Cache, CacheBuilder};
use moka::policy::EvictionPolicy;
use sha2::{Digest, Sha256};

use super::evictions::Evictions;
use super::table::{KeyTableError, Pointed, SharedKeys};
use super::{KeyService, KeyServiceError, KeyServiceErrorKind};
use crate::context::{EncryptionContext, Period, StaticPairs};
use crate::crypto::KeyId;
use crate::format::{KeyRecord, OwnedStoredKey, StoredKey};
use crate::item::{KeyRing, NeededKey, OpenError, OpenFault, Serves, UnwrappedKey};
use crate::schema::RecordPlace;
use crate::tenant::TenantId;

/// How many distinct data keys one answer may ask KMS for at once. The first failure ends them all, so a table full of forged
/// records costs a bounded number of calls.
const CONCURRENT_UNWRAPS: usize = 16;

/// DynamoDB takes a repeated ClientRequestToken for the same request for ten minutes (API reference, TransactWriteItems).
const PINNED: Duration = Duration::from_secs(600);

/// How long what a flight brought is kept beside `unwrapped`: as good as not at all.
const FLIGHT: Duration = Duration::from_millis(1);

/// In how many rounds a process comes to an agreement with its fleet.
const ROUNDS: usize = 3;

/// How long a record that did not open is refused without asking KMS again.
const REFUSED: Duration = Duration::from_secs(60);
/// The most such records remembered.
const REFUSED_CAPACITY: u64 = 10_000;

/// How long a tenant whose key is disabled is refused without asking KMS again: its retries must not use up everyone's quota.
const REVOKED: Duration = Duration::from_secs(1);

/// How the cache is set up.
#[derive(Debug)]
pub(crate) struct DataKeysConfig {
    pub(crate) service: Arc<dyn KeyService>,
    pub(crate) time: SharedTimeSource,
    /// The fleet's keys, when it shares them.
    pub(crate) shared: Option<SharedKeys>,
    /// The pairs of new records, then those of former ones that still open.
    pub(crate) contexts: Vec<StaticPairs>,
    pub(crate) capacity: u64,
    /// How long one data key seals new items.
    pub(crate) rotation: Duration,
    /// How long a data key is used before KMS is asked again.
    pub(crate) max_age: Duration,
}

/// Data keys by tenant, asked for once and kept for a while.
pub(crate) struct DataKeys {
    service: Arc<dyn KeyService>,
    time: SharedTimeSource,
    shared: Option<SharedKeys>,
    contexts: Vec<StaticPairs>,
    rotation: Duration,
    max_age: Duration,
    /// Under which key each tenant's new items are sealed.
    current: Cache<TenantId, Current>,
    /// The same, by the caller's idempotency token.
    pinned: Cache<(TenantId, String), Current>,
    /// One agreement with the fleet per tenant; what it brings moves to `current`.
    agreements: Cache<TenantId, Current>,
    unwrapped: Cache<Slot, Leased>,
    /// One flight per record; what arrives moves to `unwrapped`, or to `refused`.
    flights: Cache<(Slot, [u8; 32]), Leased>,
    refused: Cache<(Slot, [u8; 32]), OpenFault>,
    revoked: Cache<TenantId, KeyServiceError>,
    evictions: Evictions,
}

/// Which key, of which tenant, under which of the configured contexts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Slot {
    tenant: TenantId,
    context: usize,
    key_id: KeyId,
}

/// A data key that may be used for a while.
#[derive(Debug, Clone)]
struct Leased {
    key: Arc<UnwrappedKey>,
    /// When the request that brought it was begun.
    begun: Instant,
    until: Instant,
}

/// The key that seals a tenant's new items.
#[derive(Debug, Clone)]
struct Current {
    leased: Leased,
    rotates: Instant,
    /// During which the fleet seals with it: the wall clock counts as well.
    period: Option<Period>,
}

/// A record that was read and may be asked for.
struct Wanted {
    attribute: String,
    named: OwnedStoredKey,
    slot: Slot,
    record: KeyRecord,
    stored: Arc<[u8]>,
}

impl DataKeys {
    /// Where in `contexts` the pairs of new records are.
    const CURRENT: usize = 0;

    pub(crate) fn new(config: DataKeysConfig) -> Self {
        let DataKeysConfig { service, time, shared, contexts, capacity, rotation, max_age } = config;
        fn bounded<K, V>(capacity: u64) -> CacheBuilder<K, V, Cache<K, V>>
        where
            K: Hash + Eq + Send + Sync + 'static,
            V: Clone + Send + Sync + 'static,
        {
            Cache::builder().max_capacity(capacity)
        }
        Self {
            service,
            time,
            shared,
            contexts,
            rotation,
            max_age,
            current: bounded(capacity).eviction_policy(EvictionPolicy::lru()).expire_after(UntilItRotates).build(),
            pinned: bounded(capacity).eviction_policy(EvictionPolicy::lru()).time_to_live(PINNED).build(),
            agreements: bounded(capacity).time_to_live(FLIGHT).build(),
            unwrapped: bounded(capacity).time_to_live(max_age).build(),
            flights: bounded(capacity).time_to_live(FLIGHT).build(),
            revoked: bounded(capacity).time_to_live(REVOKED).build(),
            evictions: Evictions::default(),
            refused: Cache::builder().max_capacity(REFUSED_CAPACITY).time_to_live(REFUSED).build(),
        }
    }

    /// The key under which the tenant's new items are sealed whose key record lies in `place`; with an idempotency `token`, the one
    /// that was current when the token was first seen, for [`PINNED`].
    pub(crate) async fn sealing_key(
        &self,
        tenant: &TenantId,
        token: Option<&str>,
        place: RecordPlace,
    ) -> Result<Arc<UnwrappedKey>, KeyError> {
        if let (RecordPlace::KeyTable, Some(shared)) = (place, &self.shared) {
            shared.ensure_recoverable().await?;
        }
        let current = match token {
            None => self.current(tenant, place).await?,
            Some(token) => {
                let pinned =
                    self.pinned.try_get_with((tenant.clone(), token.to_owned()), self.current(tenant, place)).await;
                pinned.map_err(unshared)?
            }
        };
        if self.is_usable(tenant, &current.leased) {
            return Ok(current.leased.key);
        }
        match self.renewed(tenant, &current).await? {
            Some(leased) => {
                let key = Arc::clone(&leased.key);
                let renewed = Current { leased, ..current };
                match token {
                    None => self.current.insert(tenant.clone(), renewed).await,
                    Some(token) => self.pinned.insert((tenant.clone(), token.to_owned()), renewed).await,
                }
                Ok(key)
            }
            None => {
                // Unless another caller has put a new one there already.
                let there = self.current.get(tenant).await;
                if there.is_some_and(|there| Arc::ptr_eq(&there.leased.key, &current.leased.key)) {
                    self.current.invalidate(tenant).await;
                }
                if let Some(token) = token {
                    self.pinned.invalidate(&(tenant.clone(), token.to_owned())).await;
                }
                Ok(self.current(tenant, place).await?.leased.key)
            }
        }
    }

    /// The key that [`Self::sealing_key`] gives without a token, when it is at hand without waiting.
    pub(crate) fn warm_sealing_key(&self, tenant: &TenantId, place: RecordPlace) -> Option<Arc<UnwrappedKey>> {
        let current = self.current.get(tenant).now_or_never()??;
        let ended = current.period.is_some_and(|period| period.left(self.time.now()).is_none());
        let usable = !ended && self.is_usable(tenant, &current.leased) && current.leased.key.is_at(place);
        usable.then_some(current.leased.key)
    }

    /// What [`Self::opening_keys`] gives, when all of it is at hand without waiting.
    pub(crate) fn warm_opening_keys(&self, tenant: &TenantId, needed: &[NeededKey]) -> Option<KeyRing> {
        let key = |needed: &NeededKey| {
            let key = self.verified(tenant, needed.stored.as_ref()).now_or_never()??;
            Some((needed.stored.clone(), key))
        };
        needed.iter().map(key).collect::<Option<_>>().map(KeyRing::new)
    }

    /// The tenant's current key; makes one when there is none.
    async fn current(&self, tenant: &TenantId, place: RecordPlace) -> Result<Current, KeyError> {
        if let Some(current) = self.current.get(tenant).await {
            if current.period.is_some_and(|period| period.left(self.time.now()).is_none()) {
                self.current.invalidate(tenant).await;
            } else if current.leased.key.is_at(place) {
                return Ok(current);
            }
        }
        match (place, &self.shared) {
            (RecordPlace::KeyTable, Some(shared)) => {
                let agreed = self.agreed(shared, tenant).await?;
                self.current.insert(tenant.clone(), agreed.clone()).await;
                Ok(agreed)
            }
            _ => self.current.try_get_with_by_ref(tenant, self.make(tenant)).await.map_err(unshared),
        }
    }

    /// The fleet's key; while the key table fails, one that this process alone seals with.
    async fn make(&self, tenant: &TenantId) -> Result<Current, KeyError> {
        if let Some(shared) = &self.shared {
            match self.agreed(shared, tenant).await {
                Err(KeyError::Table(error)) if !error.is_integrity() => {
                    tracing::warn!(tenant = tenant.as_str(), %error, "sealing with a data key of this process alone");
                }
                agreed => return agreed,
            }
        }
        let begun = Instant::now();
        let leased = self.generate(tenant, &self.context(tenant)).await?;
        let slot = self.slot(tenant, Self::CURRENT, leased.key.record().key_id);
        self.unwrapped.insert(slot, leased.clone()).await;
        // The key table is tried again when the lease ends.
        let lasts = if self.shared.is_some() { self.rotation.min(self.max_age) } else { self.rotation };
        Ok(Current { leased, rotates: begun + lasts, period: None })
    }

    async fn agreed(&self, shared: &SharedKeys, tenant: &TenantId) -> Result<Current, KeyError> {
        let agreed = self.agreements.try_get_with_by_ref(tenant, self.agree(shared, tenant)).await;
        self.agreements.invalidate(tenant).await;
        agreed.map_err(unshared)
    }

    /// Finds out which key the fleet seals with in this period; makes it when there is none.
    async fn agree(&self, shared: &SharedKeys, tenant: &TenantId) -> Result<Current, KeyError> {
        let (begun, now) = (Instant::now(), self.time.now());
        let period = Period::at(now, self.rotation).ok_or_else(|| shared.unsettled())?;
        let rotates = begun + period.left(now).unwrap_or_default();
        let context = self.context(tenant);
        let pointer = shared.pointer(tenant, &context, period);
        let mut pointed = shared.pointed(&pointer).await?;
        for _ in 0..ROUNDS {
            if let Some(Pointed { record, stored }) = &pointed {
                let slot = self.slot(tenant, Self::CURRENT, record.key_id);
                match self.unwrap(slot, record, stored).await {
                    Ok(leased) => {
                        leased.key.mark_in_key_table();
                        return Ok(Current { leased, rotates, period: Some(period) });
                    }
                    // The alias was re-pointed: new items need a key of the new KEK, and so does the fleet.
                    Err(Unwrapping::Refused(OpenFault::OtherKek)) => {}
                    Err(Unwrapping::Refused(_)) => return Err(shared.forged(tenant).into()),
                    Err(Unwrapping::Failed(error)) => return Err(error.into()),
                }
            }
            let leased = self.generate(tenant, &context.in_period(period)).await?;
            let key = &leased.key;
            pointed = shared.point(&pointer, key.record().key_id, key.stored_record(), pointed.as_ref()).await?;
            if pointed.is_none() {
                key.mark_in_key_table();
                let slot = self.slot(tenant, Self::CURRENT, key.record().key_id);
                self.unwrapped.insert(slot, leased.clone()).await;
                return Ok(Current { leased, rotates, period: Some(period) });
            }
        }
        Err(shared.unsettled().into())
    }

    /// The context of new records, without a period.
    fn context(&self, tenant: &TenantId) -> EncryptionContext {
        EncryptionContext::new(tenant, &self.contexts[Self::CURRENT])
    }

    /// Has KMS make a data key.
    async fn generate(&self, tenant: &TenantId, context: &EncryptionContext) -> Result<Leased, KeyServiceError> {
        let begun = Instant::now();
        self.not_just_revoked(tenant).await?;
        let made = match self.service.generate_data_key(tenant, context).await {
            Ok(made) => made,
            Err(error) => return Err(self.evicted_if_revoked(error).await),
        };
        let key = UnwrappedKey::generated(&made.data_key, self.now(), context, made.kek, made.wrapped);
        Ok(Leased { key: Arc::new(key), begun, until: begun + self.max_age })
    }

    /// A current key whose lease has ended, asked for again; none when KMS does not take it for the tenant's any more, as after the
    /// alias was re-pointed: then new items need a new key.
    async fn renewed(&self, tenant: &TenantId, current: &Current) -> Result<Option<Leased>, KeyError> {
        let key = &current.leased.key;
        let slot = self.slot(tenant, Self::CURRENT, key.record().key_id);
        match self.unwrap(slot, key.record(), key.stored_record()).await {
            Ok(leased) => Ok(Some(leased)),
            Err(Unwrapping::Refused(_)) => Ok(None),
            Err(Unwrapping::Failed(error)) => Err(error.into()),
        }
    }

    /// The keys that open items which name them so, each asked for once and all at the same time.
    pub(crate) async fn opening_keys(
        &self,
        tenant: &TenantId,
        needed: Vec<NeededKey>,
    ) -> Result<KeyRing, OpeningKeyError> {
        let (mut keys, mut missing) = (Vec::with_capacity(needed.len()), Vec::new());
        for needed in needed {
            match self.verified(tenant, needed.stored.as_ref()).await {
                Some(key) => keys.push((needed.stored, key)),
                None => missing.push(needed),
            }
        }
        // All contexts are compared before the first call to KMS.
        let resolved = stream::iter(missing).map(|needed| self.wanted(tenant, needed));
        let wanted = resolved.buffer_unordered(CONCURRENT_UNWRAPS).try_collect::<Vec<_>>().await?;
        let asked = stream::iter(wanted)
            .map(|Wanted { attribute, named, slot, record, stored }| async move {
                match self.unwrap(slot, &record, &stored).await {
                    Ok(leased) => Ok((named, leased.key)),
                    Err(Unwrapping::Refused(fault)) => Err(OpenError::attribute(&attribute, fault).into()),
                    Err(Unwrapping::Failed(error)) => Err(OpeningKeyError::Key(error.into())),
                }
            })
            .buffer_unordered(CONCURRENT_UNWRAPS)
            .try_collect::<Vec<_>>()
            .await?;
        keys.extend(asked);
        Ok(KeyRing::new(keys))
    }

    /// The key in the cache that is named so: by the very bytes of its record, which were verified when it came there, or by its id,
    /// which commits to it.
    async fn verified(&self, tenant: &TenantId, named: StoredKey<&[u8]>) -> Option<Arc<UnwrappedKey>> {
        let key_id = match named {
            StoredKey::Record(stored) => KeyRecord::claimed_key_id(stored)?,
            // What was switched off opens nothing, as after a restart.
            StoredKey::Reference(key_id) => self.shared.is_some().then_some(key_id)?,
        };
        for context in 0..self.contexts.len() {
            let leased = self.leased(&self.slot(tenant, context, key_id)).await;
            let names = |key: &Arc<UnwrappedKey>| match named {
                StoredKey::Record(stored) => key.stored_record() == stored,
                StoredKey::Reference(_) => true,
            };
            if let Some(key) = leased.map(|leased| leased.key).filter(names) {
                return Some(key);
            }
        }
        None
    }

    /// Reads the record of a key, from the key table where it lies there, and finds out which configured context it was made for.
    async fn wanted(&self, tenant: &TenantId, needed: NeededKey) -> Result<Wanted, OpeningKeyError> {
        let NeededKey { attribute, stored: named } = needed;
        let faulty = |fault: OpenFault| OpenError::attribute(&attribute, fault);
        let stored: Arc<[u8]> = match &named {
            StoredKey::Record(stored) => Arc::from(&**stored),
            StoredKey::Reference(key_id) => {
                let shared = self.shared.as_ref().ok_or_else(|| faulty(OpenFault::NoKeyTable))?;
                let record = shared.record(tenant, *key_id).await.map_err(KeyError::from)?;
                record.ok_or_else(|| faulty(OpenFault::UnknownKey))?
            }
        };
        let record = KeyRecord::decode(&stored).map_err(|fault| faulty(fault.into()))?;
        if matches!(named, StoredKey::Reference(key_id) if key_id != record.key_id) {
            return Err(faulty(OpenFault::ForgedRecord).into());
        }
        match self.configured_context(tenant, &record) {
            Some(context) => {
                Ok(Wanted { slot: self.slot(tenant, context, record.key_id), attribute, named, record, stored })
            }
            None => Err(faulty(OpenFault::ForeignContext).into()),
        }
    }

    /// Which of the configured contexts, if any, a record was made for, in whatever period.
    fn configured_context(&self, tenant: &TenantId, record: &KeyRecord) -> Option<usize> {
        let bytes = |pairs| KeyRecord::context_bytes(&in_period_of(record, EncryptionContext::new(tenant, pairs)));
        self.contexts.iter().position(|pairs| *record.context() == *bytes(pairs))
    }

    /// The key of a record, from the cache or from KMS.
    async fn unwrap(&self, slot: Slot, record: &KeyRecord, stored: &[u8]) -> Result<Leased, Unwrapping> {
        if let Some(leased) = self.leased(&slot).await {
            match leased.key.serves(record, stored) {
                Serves::Yes => return Ok(leased),
                Serves::Forged => return Err(Unwrapping::Refused(OpenFault::ForgedRecord)),
                Serves::AskAgain => {}
            }
        }
        let flight = (slot.clone(), Sha256::digest(stored).into());
        if let Some(fault) = self.refused.get(&flight).await {
            return Err(Unwrapping::Refused(fault));
        }
        match self.flights.try_get_with_by_ref(&flight, self.ask(&slot, record)).await {
            Ok(leased) => {
                self.unwrapped.insert(slot, leased.clone()).await;
                self.flights.invalidate(&flight).await;
                Ok(leased)
            }
            Err(error) => {
                if let Unwrapping::Refused(fault) = &*error {
                    self.refused.insert(flight, *fault).await;
                }
                Err((*error).clone())
            }
        }
    }

    /// Drops the tenant's keys when `error` says that its own key is disabled: every call names the tenant's own alias, so no stored
    /// record can bring this about. Called within the flight, once for all who wait.
    async fn evicted_if_revoked(&self, error: KeyServiceError) -> KeyServiceError {
        if error.is_revoked() {
            self.revoked.insert(error.tenant().clone(), error.clone()).await;
            self.evict(error.tenant()).await;
        }
        error
    }

    async fn not_just_revoked(&self, tenant: &TenantId) -> Result<(), KeyServiceError> {
        match self.revoked.get(tenant).await {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Forgets everything of a tenant, the key service's credentials included.
    pub(crate) async fn revoke(&self, tenant: &TenantId) {
        self.evict(tenant).await;
        self.service.forget(tenant).await;
    }

    /// Drops a tenant's keys. Zeroized when the last operation that uses them ends.
    async fn evict(&self, tenant: &TenantId) {
        // First of all, and without waiting: what a request that is under way brings later is not used.
        self.evictions.record(tenant, self.max_age);
        self.current.invalidate(tenant).await;
        let pins: Vec<_> = self.pinned.iter().filter(|(pin, _)| pin.0 == *tenant).map(|(pin, _)| pin).collect();
        for pin in pins {
            self.pinned.invalidate(&*pin).await;
        }
        let slots: Vec<_> =
            self.unwrapped.iter().filter(|(slot, _)| slot.tenant == *tenant).map(|(slot, _)| slot).collect();
        for slot in slots {
            self.unwrapped.invalidate(&*slot).await;
        }
        // moka drops what was removed with its next pending tasks.
        self.current.run_pending_tasks().await;
        self.pinned.run_pending_tasks().await;
        self.unwrapped.run_pending_tasks().await;
        self.flights.run_pending_tasks().await;
        self.agreements.run_pending_tasks().await;
    }

    /// Whether a key may be used: its lease has not ended, and it was asked for after the tenant's latest eviction.
    fn is_usable(&self, tenant: &TenantId, leased: &Leased) -> bool {
        Instant::now() < leased.until && self.evictions.allow(tenant, leased.begun)
    }

    /// What is in the cache and may still be used.
    async fn leased(&self, slot: &Slot) -> Option<Leased> {
        self.unwrapped.get(slot).await.filter(|leased| self.is_usable(&slot.tenant, leased))
    }

    async fn ask(&self, slot: &Slot, record: &KeyRecord) -> Result<Leased, Unwrapping> {
        let begun = Instant::now();
        self.not_just_revoked(&slot.tenant).await.map_err(Unwrapping::Failed)?;
        let context = EncryptionContext::new(&slot.tenant, &self.contexts[slot.context]);
        let context = in_period_of(record, context);
        let asked = self.service.unwrap_data_key(&slot.tenant, &context, &record.kek, &record.wrapped);
        let answer = match asked.await {
            Ok(answer) => answer,
            Err(error) => {
                return Err(match error.kind() {
                    KeyServiceErrorKind::IncorrectKey => Unwrapping::Refused(OpenFault::OtherKek),
                    KeyServiceErrorKind::InvalidCiphertext => Unwrapping::Refused(OpenFault::WrappedKey),
                    _ => Unwrapping::Failed(self.evicted_if_revoked(error).await),
                });
            }
        };
        if !answer.kek.is_same_key(&record.kek) {
            return Err(Unwrapping::Refused(OpenFault::ForgedRecord));
        }
        let forged = Unwrapping::Refused(OpenFault::ForgedRecord);
        let key = UnwrappedKey::verify(record.clone(), &answer.data_key).ok_or(forged)?;
        Ok(Leased { key: Arc::new(key), begun, until: begun + self.max_age })
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

/// A context with the period that a record names: before any other use the two are compared.
fn in_period_of(record: &KeyRecord, context: EncryptionContext) -> EncryptionContext {
    match record.period() {
        Some(period) => context.in_period(period),
        None => context,
    }
}

/// An error that several callers waited for.
fn unshared(error: Arc<KeyError>) -> KeyError {
    (*error).clone()
}

/// Renewing a lease does not put off the rotation.
struct UntilItRotates;

impl Expiry<TenantId, Current> for UntilItRotates {
    fn expire_after_create(&self, _: &TenantId, current: &Current, now: Instant) -> Option<Duration> {
        Some(current.rotates.saturating_duration_since(now))
    }

    fn expire_after_update(
        &self,
        tenant: &TenantId,
        current: &Current,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(tenant, current, now)
    }
}

#[derive(Debug, Clone)]
enum Unwrapping {
    /// The key service did not answer, or not with a key.
    Failed(KeyServiceError),
    /// The record does not open, and will not: it says so of itself alone.
    Refused(OpenFault),
}

/// Why the keys for an answer could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OpeningKeyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why a data key could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    Service(#[from] KeyServiceError),
    #[error(transparent)]
    Table(#[from] KeyTableError),
}

/// Says nothing of what is in the caches: a tenant's `Debug` must not name another.
impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKeys(..)")
    }
}

//! Wraps data keys of former KEKs anew: each once for the whole fleet, and only under a key record that opens.
//!
//! A key record's `check` covers neither KEK nor wrapped key, so a new record is as good as the former one for everything
//! that the data key has sealed. Which new record there is, the fleet agrees on in a ledger.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::crypto::DataKeyId;
use crate::envelope::{DataKeySource, NeededKey, OpenFault};
use crate::format::inspect::record_entry;
use crate::format::{KekId, KeyRecord, RewrapEntry, StoredKey};
use crate::keys::cache::key_health::Route;
use crate::keys::cache::single_flight::{DetachedLimit, SingleFlight};
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::call::KeyRequest;
use crate::keys::fetch::counted_table::CountedTable;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::unwrap::UnverifiedRecord;
use crate::keys::outcome::{OpeningKeyError, UnwrapError};
use crate::keys::service::RewrapService;
use crate::keys::table::{KeyTable, KeyTableError, KeyTableErrorKind, Swap};
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind};
use crate::tenant::TenantId;

const DESCRIBE: &str = "DescribeKey";
const REWRAP: &str = "ReEncrypt";
/// How long the KEK behind an alias counts as known.
const CURRENT_TTL: Duration = Duration::from_secs(60);
/// The most tenants whose KEK is cached, and the most new key records.
const CAPACITY: u64 = 10_000;
/// The most detached work.
const MAX_DETACHED: usize = 64;
/// How often to retry an entry that others keep changing.
const ROUNDS: usize = 3;

/// Wraps data keys of former KEKs anew, under the tenants' current ones.
///
/// All processes that wrap anew agree through one ledger, a [`KeyTable`]: each data key gets one new key record, made by one
/// ReEncrypt, or by two when a process ends between the answer and the ledger. The ledger keeps the former record too, so
/// that a mistake can be undone. It is no authority: a record that is read there must open as the same data key.
///
/// One serves a whole process, for all tenants.
pub struct Rewrapper {
    service: Arc<dyn RewrapService>,
    ledger: CountedTable,
    current: Cache<TenantId, KekId>,
    /// The new record of each data key, known to open.
    agreed: Cache<(TenantId, DataKeyId), Arc<KeyRecord>>,
    flights: SingleFlight<(TenantId, [u8; 32]), Result<Arc<KeyRecord>, UnwrapError>>,
}

impl Rewrapper {
    /// Wraps by `service`, and agrees with other processes in `ledger`.
    pub fn new(service: Arc<dyn RewrapService>, ledger: Arc<dyn KeyTable>) -> Self {
        Self {
            service,
            ledger: CountedTable::new(ledger),
            current: Cache::builder().max_capacity(CAPACITY).time_to_live(CURRENT_TTL).build(),
            agreed: Cache::builder().max_capacity(CAPACITY).build(),
            flights: SingleFlight::new(DetachedLimit::new(MAX_DETACHED)),
        }
    }

    /// What the ledger agreed on, if it may replace `record`. Whoever writes the ledger may have written it.
    fn agreement(&self, stored: Option<&[u8]>, record: &KeyRecord, current: &KekId) -> Option<KeyRecord> {
        let entry = RewrapEntry::decode(stored?).ok()?;
        let replaces = entry.new.is_rewrap_of(record) && entry.new.kek.is_same_key(current);
        replaces.then_some(entry.new)
    }

    fn error(&self, kind: KeyTableErrorKind) -> UnwrapError {
        UnwrapError::Table(KeyTableError::new(self.ledger.name(), kind))
    }
}

impl Engine {
    /// The key record that replaces the one that is stored; `None` when that is of the tenant's current KEK, or lies in
    /// the key table. There it is replaced at once.
    pub(crate) async fn rewrap(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        rewrapper: &Arc<Rewrapper>,
        needed: NeededKey,
    ) -> Result<Option<Arc<KeyRecord>>, OpeningKeyError> {
        let (attribute, named) = (needed.attribute.clone(), needed.stored.clone());
        let unverified = self.resolve_record(keys, needed).await?;
        let current = self.current_kek(keys, rewrapper).await?;
        if unverified.record.kek.is_same_key(&current) {
            return Ok(None);
        }
        let former = Arc::clone(&unverified.stored);
        let new = match self.agree_on_rewrap(keys, rewrapper, unverified, current).await {
            Ok(new) => new,
            Err(UnwrapError::Rejected(fault)) => return Err(OpeningKeyError::Open { attribute, fault }),
            Err(UnwrapError::Service(error)) => return Err(error.into()),
            Err(UnwrapError::Table(error)) => return Err(error.into()),
        };
        let (StoredKey::Reference(key_id), Some(shared)) = (named, &self.shared) else { return Ok(Some(new)) };
        let stored = new.encode();
        let swap = shared.table().compare_and_swap(&keys.tenant, &record_entry(key_id), Some(&former), &stored).await?;
        shared.forget_record(&keys.tenant, key_id);
        match swap {
            Swap::Stored => Ok(None),
            Swap::Found(Some(found)) if found == stored => Ok(None),
            Swap::Found(_) => Err(shared.unsettled_error().into()),
        }
    }

    /// Whether a stored key record is of a former KEK, so that [`rewrap`](Self::rewrap) would replace it.
    pub(crate) async fn is_of_former_kek(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        rewrapper: &Rewrapper,
        needed: NeededKey,
    ) -> Result<bool, OpeningKeyError> {
        let unverified = self.resolve_record(keys, needed).await?;
        Ok(!unverified.record.kek.is_same_key(&self.current_kek(keys, rewrapper).await?))
    }

    async fn current_kek(&self, keys: &Arc<TenantKeys>, rewrapper: &Rewrapper) -> Result<KekId, KeyServiceError> {
        if let Some(kek) = rewrapper.current.get(&keys.tenant) {
            return Ok(kek);
        }
        let _slot = keys.acquire_slot().await;
        let (current, _) = self.call(keys, request(DESCRIBE), || rewrapper.service.current_kek(&keys.tenant)).await?;
        rewrapper.current.insert(keys.tenant.clone(), current.kek.clone());
        Ok(current.kek)
    }

    /// The new record of a data key. Concurrent callers with the same former record share one run.
    async fn agree_on_rewrap(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        rewrapper: &Arc<Rewrapper>,
        unverified: UnverifiedRecord,
        current: KekId,
    ) -> Result<Arc<KeyRecord>, UnwrapError> {
        let id = (keys.tenant.clone(), unverified.record.key_id);
        let known = rewrapper.agreed.get(&id);
        if let Some(known) = known
            && known.is_rewrap_of(&unverified.record)
            && known.kek.is_same_key(&current)
        {
            return Ok(known);
        }
        let flight = (keys.tenant.clone(), Sha256::digest(&unverified.stored).into());
        let run = rewrapper.flights.run(flight, |_| {
            let (engine, keys, rewrapper) = (Arc::clone(self), Arc::clone(keys), Arc::clone(rewrapper));
            async move {
                let new = Arc::new(engine.run_rewrap(&keys, &rewrapper, unverified, &current).await?);
                rewrapper.agreed.insert(id, Arc::clone(&new));
                Ok(new)
            }
            .boxed()
        });
        run.await
    }

    async fn run_rewrap(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        rewrapper: &Rewrapper,
        unverified: UnverifiedRecord,
        current: &KekId,
    ) -> Result<KeyRecord, UnwrapError> {
        let UnverifiedRecord { context, record, .. } = &unverified;
        let (context, record) = (*context, record.clone());
        let region = current.aws().map_or("", |arn| arn.region());
        let entry = RewrapEntry::name(record.key_id, region);
        let ledger = &rewrapper.ledger;
        let mut stored = ledger.get(&keys.tenant, &entry).await.map_err(UnwrapError::Table)?;
        let mut unverified = Some(unverified);
        let mut made: Option<KeyRecord> = None;
        for _ in 0..ROUNDS {
            if let Some(new) = rewrapper.agreement(stored.as_deref(), &record, current) {
                // The ledger is no authority: what replaces a key record must open as the same data key.
                self.unwrap(keys, unverified_record(context, new.clone())).await?;
                return Ok(new);
            }
            // Nothing is wrapped anew that does not open: a forged record is found here.
            if let Some(former) = unverified.take() {
                self.unwrap(keys, former).await?;
            }
            let new = match made.take() {
                Some(new) => new,
                None => {
                    let new = self.wrap_anew(keys, rewrapper, context, &record, current).await?;
                    // The new key may not answer by its own alias yet, or not under the data role.
                    self.unwrap(keys, unverified_record(context, new.clone())).await?;
                    new
                }
            };
            let agreed = RewrapEntry { old: record.clone(), new };
            let bytes = agreed.encode();
            let swap = ledger.compare_and_swap(&keys.tenant, &entry, stored.as_deref(), &bytes).await;
            stored = match swap.map_err(UnwrapError::Table)? {
                Swap::Stored => return Ok(agreed.new),
                // The first answer of a retried write was lost.
                Swap::Found(Some(found)) if found == bytes => return Ok(agreed.new),
                // Another process was first: what it made counts.
                Swap::Found(found) => found,
            };
            made = Some(agreed.new);
        }
        Err(rewrapper.error(KeyTableErrorKind::Unavailable))
    }

    /// Has the key service wrap a data key anew, whose record is known to open.
    async fn wrap_anew(
        &self,
        keys: &Arc<TenantKeys>,
        rewrapper: &Rewrapper,
        context: usize,
        record: &KeyRecord,
        current: &KekId,
    ) -> Result<KeyRecord, UnwrapError> {
        let context = self.context_for(keys, context, record);
        let KeyRecord { kek, wrapped, .. } = record;
        let _slot = keys.acquire_slot().await;
        let rewrap = || rewrapper.service.rewrap_data_key(&keys.tenant, &context, kek, wrapped);
        let (answer, _) = self.call(keys, request(REWRAP), rewrap).await?;
        if !answer.former.is_same_key(kek) {
            return Err(UnwrapError::Rejected(OpenFault::OtherKek));
        }
        if !answer.kek.is_same_key(current) {
            // The alias is being pointed to another key.
            rewrapper.current.invalidate(&keys.tenant);
            return Err(KeyServiceError::new(&keys.tenant, REWRAP, Kind::Unavailable).into());
        }
        Ok(record.rewrapped(answer.kek, answer.wrapped))
    }
}

/// By the aliases of former KEKs, as far as the tenant's health goes: a refusal says nothing about its data.
fn request(operation: &'static str) -> KeyRequest {
    KeyRequest { operation, route: Route::KeyAlias, verified: false }
}

fn unverified_record(context: usize, record: KeyRecord) -> UnverifiedRecord {
    let stored = record.encode().into();
    UnverifiedRecord { context, record, stored, source: DataKeySource::Kms }
}

/// Shows nothing of the caches: they name tenants.
impl fmt::Debug for Rewrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewrapper").field("service", &self.service).field("ledger", &self.ledger).finish()
    }
}

//! The handle to one tenant's data keys: every use of a data key gets it here.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::envelope::{KeyRecordPlacement, KeyRing, NeededKey, Purpose, VerifiedDataKey};
use crate::format::KeyRecord;
use crate::keys::cache::lookup_key::LookupKeys;
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::opening_keys::{FailedKeys, OpeningMode};
use crate::keys::fetch::rewrap::Rewrapper;
use crate::keys::outcome::{KeyError, OpeningKeyError};
use crate::keys::{KeyServiceError, KeyServiceErrorKind};
use crate::telemetry;
use crate::tenant::TenantId;

/// One tenant's data keys. While the handle lives, the sealing key is kept valid in the background.
///
/// It holds the tenant's state, so a lookup needs nothing that tenants share.
pub struct TenantHandle {
    engine: Arc<Engine>,
    keys: Arc<TenantKeys>,
    _live: Arc<()>,
}

impl TenantHandle {
    pub(crate) fn new(engine: &Arc<Engine>, keys: Arc<TenantKeys>) -> Self {
        let live = keys.count_handle();
        Self { engine: Arc::clone(engine), keys, _live: live }
    }

    /// The tenant.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.keys.tenant
    }

    /// The data key for the tenant's new items whose key record lies in `place`. With an idempotency `token`, for 10
    /// minutes, the key that was current when the token was first seen.
    pub async fn sealing_key(
        &self,
        token: Option<&str>,
        place: KeyRecordPlacement,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        if let Some(token) = token {
            return self.engine.fetch_pinned_sealing_key(&self.keys, token, place).await;
        }
        match self.warm_sealing_key(place) {
            Some(key) => Ok(key),
            None => self.engine.fetch_sealing_key(&self.keys, place).await,
        }
    }

    /// The sealing key without a token, if it is cached.
    pub fn warm_sealing_key(&self, place: KeyRecordPlacement) -> Option<Arc<VerifiedDataKey>> {
        let key = self.engine.cached_sealing_key(&self.keys, place)?;
        telemetry::record_hit(self.tenant(), Purpose::Seal, 1);
        Some(key)
    }

    /// Fetches the data keys that these items need: concurrently, each at most once. Returns failures as well.
    pub async fn opening_keys(&self, needed: Vec<NeededKey>, mode: OpeningMode) -> (KeyRing, FailedKeys) {
        match self.warm_opening_keys(needed) {
            Ok(keys) => (keys, Vec::new()),
            Err(needed) => self.engine.fetch_opening_keys(&self.keys, needed, mode).await,
        }
    }

    /// The same of one data key that a caller of the application names, and no stored item. Callers may try a part of the
    /// unverified key records that stored items may, so that they cannot use all of it up.
    pub async fn opening_key_for_caller(&self, needed: NeededKey) -> (KeyRing, FailedKeys) {
        let needed = match self.warm_opening_keys(vec![needed]) {
            Ok(keys) => return (keys, Vec::new()),
            Err(needed) => needed,
        };
        if !self.keys.write().rejected.allow_caller(self.engine.clock.now()) {
            let kind = KeyServiceErrorKind::TooManyRefused;
            let refused = KeyServiceError::new(self.tenant(), "Decrypt", kind);
            let failed = needed.into_iter().map(|needed| (needed.stored, refused.clone().into())).collect();
            return (KeyRing::new(Vec::new()), failed);
        }
        let (keys, failed) = self.engine.fetch_opening_keys(&self.keys, needed, OpeningMode::AllOrNothing).await;
        // Genuine, or a failure that says nothing of the key record.
        let is_of_the_tenant = |error: &OpeningKeyError| matches!(error, OpeningKeyError::Service(error) if error.is_revoked() || error.is_outage());
        if failed.iter().all(|(_, error)| is_of_the_tenant(error)) {
            self.keys.write().rejected.refund_caller();
        }
        (keys, failed)
    }

    /// The same from the cache alone; returns `needed` when a key is missing.
    pub fn warm_opening_keys(&self, needed: Vec<NeededKey>) -> Result<KeyRing, Vec<NeededKey>> {
        let now = self.engine.clock.now();
        let warm = |needed: &NeededKey| self.engine.cached_opening_key(&self.keys, needed.stored.as_ref(), now);
        let Some(found) = needed.iter().map(warm).collect::<Option<Vec<_>>>() else { return Err(needed) };
        telemetry::record_hit(self.tenant(), Purpose::Open, found.len());
        Ok(KeyRing::new(needed.into_iter().map(|needed| needed.stored).zip(found).collect()))
    }

    /// The key record that replaces the one that is named: the same data key, wrapped under the tenant's current KEK.
    ///
    /// `None` when nothing is to be replaced where the name stands: the record is of the current KEK already, or it lies
    /// in the key table, where it is replaced at once.
    pub async fn rewrap(
        &self,
        rewrapper: &Arc<Rewrapper>,
        needed: NeededKey,
    ) -> Result<Option<Arc<KeyRecord>>, OpeningKeyError> {
        self.engine.rewrap(&self.keys, rewrapper, needed).await
    }

    /// Whether the named key record is of a former KEK, so that [`rewrap`](Self::rewrap) would replace it.
    pub async fn is_of_former_kek(&self, rewrapper: &Rewrapper, needed: NeededKey) -> Result<bool, OpeningKeyError> {
        self.engine.is_of_former_kek(&self.keys, rewrapper, needed).await
    }

    /// Fetches the tenant's lookup keys of these numbers: concurrently, each at most once. One that is not there is
    /// made.
    pub async fn lookup_keys(&self, numbers: &[u16]) -> Result<LookupKeys, KeyError> {
        match self.warm_lookup_keys(numbers) {
            Some(keys) => Ok(keys),
            None => self.engine.fetch_lookup_keys(&self.keys, numbers).await,
        }
    }

    /// The same from the cache alone; `None` when one is missing.
    pub fn warm_lookup_keys(&self, numbers: &[u16]) -> Option<LookupKeys> {
        let now = self.engine.clock.now();
        let warm = |number: &u16| self.engine.cached_lookup_key(&self.keys, *number, now);
        let found = numbers.iter().map(warm).collect::<Option<SmallVec<_>>>()?;
        telemetry::record_hit(self.tenant(), Purpose::Lookup, found.len());
        Some(LookupKeys::new(found))
    }

    /// The same for metrics: it counts as no use, so nothing is kept valid for it.
    pub fn peek_lookup_keys(&self, numbers: &[u16]) -> Option<LookupKeys> {
        self.engine.peek_lookup_keys(&self.keys, numbers)
    }
}

/// Shows nothing of the cache.
impl fmt::Debug for TenantHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantHandle({})", self.tenant())
    }
}

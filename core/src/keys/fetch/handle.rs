//! The way to one tenant's keys: whatever uses a data key got it from here.

use std::fmt;
use std::sync::Arc;

use crate::envelope::KeyRecordPlacement;
use crate::envelope::Purpose;
use crate::envelope::{KeyRing, NeededKey, VerifiedDataKey};
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::opening_keys::{Lacking, Want};
use crate::keys::outcome::KeyError;
use crate::telemetry;
use crate::tenant::TenantId;

/// One tenant's keys. While it lives, the sealing key is kept valid in the background.
///
/// It holds the tenant's state, so a look-up needs nothing that tenants share.
pub struct TenantHandle {
    engine: Arc<Engine>,
    keys: Arc<TenantKeys>,
    _live: Arc<()>,
}

impl TenantHandle {
    pub(crate) fn new(engine: &Arc<Engine>, keys: Arc<TenantKeys>) -> Self {
        let live = keys.live();
        Self { engine: Arc::clone(engine), keys, _live: live }
    }

    /// The tenant.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.keys.tenant
    }

    /// The key under which the tenant's new items are sealed whose key record lies in `place`; with an idempotency `token`, the one that
    /// was current when the token was first seen, for ten minutes.
    pub async fn sealing_key(
        &self,
        token: Option<&str>,
        place: KeyRecordPlacement,
    ) -> Result<Arc<VerifiedDataKey>, KeyError> {
        if let Some(token) = token {
            return self.engine.sealing_pinned(&self.keys, token, place).await;
        }
        match self.warm_sealing_key(place) {
            Some(key) => Ok(key),
            None => self.engine.sealing(&self.keys, place).await,
        }
    }

    /// The same without a token, when nothing has to be waited for.
    pub fn warm_sealing_key(&self, place: KeyRecordPlacement) -> Option<Arc<VerifiedDataKey>> {
        let key = self.engine.sealing_now(&self.keys, place)?;
        telemetry::hit(self.tenant(), Purpose::Seal, 1);
        Some(key)
    }

    /// The keys that open items which name them so, each asked for once and all at the same time; and those that could not be had.
    pub async fn opening_keys(&self, needed: Vec<NeededKey>, want: Want) -> (KeyRing, Lacking) {
        match self.warm_opening_keys(needed) {
            Ok(keys) => (keys, Vec::new()),
            Err(needed) => self.engine.opening(&self.keys, needed, want).await,
        }
    }

    /// The same, when nothing has to be waited for; or what is needed.
    pub fn warm_opening_keys(&self, needed: Vec<NeededKey>) -> Result<KeyRing, Vec<NeededKey>> {
        let now = self.engine.clock.now();
        let warm = |needed: &NeededKey| self.engine.verified(&self.keys, needed.stored.as_ref(), now);
        let Some(found) = needed.iter().map(warm).collect::<Option<Vec<_>>>() else { return Err(needed) };
        telemetry::hit(self.tenant(), Purpose::Open, found.len());
        Ok(KeyRing::new(needed.into_iter().map(|needed| needed.stored).zip(found).collect()))
    }
}

/// Says nothing of what is held.
impl fmt::Debug for TenantHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantHandle({})", self.tenant())
    }
}

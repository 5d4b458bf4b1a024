//! The health of a tenant's KEK: whether it answers, which KEK it is, and whether the tenant was revoked.

use std::time::Duration;

use crate::format::KekId;
use crate::keys::cache::backoff;
use crate::keys::cache::circuit::{Admission, Circuit};
use crate::keys::cache::clock::Moment;
use crate::keys::cache::token_bucket::TokenBucket;
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind};
use crate::tenant::TenantId;

/// How long a refusal is returned from memory, so that a refused tenant's traffic does not use up the shared quota.
/// Doubled with each refusal, less jitter.
const REFUSED: Duration = Duration::from_secs(1);
/// The longest such pause: a resumed tenant is served within a minute.
const REFUSED_AT_MOST: Duration = Duration::from_secs(60);
/// The longest such pause for a tenant that may be new: after onboarding it is served within seconds.
const NEW_AT_MOST: Duration = Duration::from_secs(4);
/// After this many refused, unverified key records the tenant's own key is tested, even when no cached key can test it.
const DOUBTS: u32 = 3;
/// The burst of retries, and their rate per second.
const RETRIES: f64 = 10.0;
const RETRIES_PER_SECOND: f64 = 1.0;

#[derive(Debug)]
pub(crate) struct KeyHealth {
    circuit: Circuit,
    /// When KMS was last unavailable, unless it has answered since.
    outage: Option<Moment>,
    retries: TokenBucket,
    /// Whether any call by the tenant's alias has succeeded.
    succeeded: bool,
    /// When an alias that never worked was first refused: it may be new.
    refused_since: Option<Moment>,
    refusal: Option<Refusal>,
    /// The number of unverified key records refused since the tenant's alias last answered.
    doubts: u32,
    /// The KEK that the tenant's alias points to.
    current: Option<KekId>,
    /// KEKs that the tenant's alias no longer points to, and that answered by their own alias.
    former: Vec<KekId>,
}

/// The last refusal by the tenant's alias.
#[derive(Debug)]
struct Refusal {
    error: KeyServiceError,
    at: Moment,
    /// How long the refusal is returned from memory.
    pause: Duration,
    /// How many refusals preceded it.
    times: u32,
    /// Whether a request is testing it now.
    probing: bool,
}

impl Refusal {
    fn is_fresh(&self, now: Moment) -> bool {
        now.since(self.at) < self.pause
    }
}

/// The alias by which a call names a tenant's KEK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// The tenant's alias, which points to the current KEK.
    TenantAlias,
    /// The alias that stays on the KEK which a key record names.
    KeyAlias,
}

impl Route {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::TenantAlias => Self::KeyAlias,
            Self::KeyAlias => Self::TenantAlias,
        }
    }
}

impl KeyHealth {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            circuit: Circuit::default(),
            outage: None,
            retries: TokenBucket::new(RETRIES, RETRIES_PER_SECOND, now),
            succeeded: false,
            refused_since: None,
            refusal: None,
            doubts: 0,
            current: None,
            former: Vec::new(),
        }
    }

    pub(crate) fn outage(&self) -> Option<Moment> {
        self.outage
    }

    pub(crate) fn admit_call(
        &mut self,
        tenant: &TenantId,
        operation: &'static str,
        own: bool,
        now: Moment,
    ) -> Result<Admission, KeyServiceError> {
        // A request that was admitted goes on.
        if let Some(refusal) = self.refusal.as_ref().filter(|refusal| refusal.is_fresh(now) && !refusal.probing) {
            return Err(refusal.error.clone());
        }
        match self.circuit.admit(now, own) {
            Admission::Refused => {
                Err(KeyServiceError::new(tenant, operation, Kind::Unavailable).with_source(CircuitOpen))
            }
            admission => Ok(admission),
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// Admits a request that needs KMS. While the tenant is refused, only one request at a time is admitted, after a
    /// pause. Returns whether this is that request.
    pub(crate) fn admit_request(&mut self, now: Moment) -> Result<bool, KeyServiceError> {
        match &mut self.refusal {
            None => Ok(false),
            Some(refusal) if refusal.probing || refusal.is_fresh(now) => Err(refusal.error.clone()),
            Some(refusal) => {
                refusal.probing = true;
                Ok(true)
            }
        }
    }

    /// Ends the request that tests a refusal.
    pub(crate) fn end_recovery_probe(&mut self) {
        if let Some(refusal) = &mut self.refusal {
            refusal.probing = false;
        }
    }

    pub(crate) fn end_probe(&mut self) {
        self.circuit.end_probe();
    }

    pub(crate) fn may_retry(&mut self, now: Moment) -> bool {
        self.retries.take(now)
    }

    /// Records an answer of KMS or STS; only `own` calls concern the circuit. Returns whether this closed it.
    pub(crate) fn record_answer(&mut self, own: bool) -> bool {
        self.outage = None;
        own && self.circuit.close()
    }

    /// Records that KMS or STS could not answer. Returns whether this opened the circuit.
    pub(crate) fn record_outage(&mut self, own: bool, now: Moment) -> bool {
        self.outage = Some(now);
        own && self.circuit.record_failure(now)
    }

    /// Records the KEK that the tenant's alias points to. Returns whether it pointed to another one before.
    pub(crate) fn record_answering_kek(&mut self, kek: &KekId) -> bool {
        let repointed = self.current.as_ref().is_some_and(|current| !current.is_same_key(kek));
        self.succeeded = true;
        self.refused_since = None;
        self.refusal = None;
        self.doubts = 0;
        self.former.retain(|former| !former.is_same_key(kek));
        self.current = Some(kek.clone());
        repointed
    }

    /// Records a KEK that answers by its own alias and not by the tenant's. Returns whether that is new.
    pub(crate) fn add_former(&mut self, kek: &KekId) -> bool {
        self.current.take_if(|current| current.is_same_key(kek));
        let is_new = !self.former.iter().any(|former| former.is_same_key(kek));
        if is_new {
            self.former.push(kek.clone());
        }
        is_new
    }

    /// The alias to try first for a data key that `kek` wrapped.
    pub(crate) fn route(&self, kek: &KekId) -> Route {
        match &self.current {
            Some(current) if current.is_same_key(kek) => Route::TenantAlias,
            Some(_) => Route::KeyAlias,
            None if self.former.iter().any(|former| former.is_same_key(kek)) => Route::KeyAlias,
            None => Route::TenantAlias,
        }
    }

    /// The KEK of the tenant's alias, if known.
    pub(crate) fn current(&self) -> Option<&KekId> {
        self.current.as_ref()
    }

    /// Whether the tenant's alias is known to point to this KEK.
    pub(crate) fn is_current(&self, kek: &KekId) -> bool {
        self.current.as_ref().is_some_and(|current| current.is_same_key(kek))
    }

    /// The last refusal by the tenant's alias.
    pub(crate) fn refusal(&self) -> Option<KeyServiceError> {
        self.refusal.as_ref().map(|refusal| refusal.error.clone())
    }

    /// Whether to test the tenant's own key although none is cached: key records are refused one after another.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.refusal.is_some() || self.doubts >= DOUBTS
    }

    /// Decides what a refusal by the tenant's alias means. Returns the error, whether the tenant loses its data keys,
    /// and whether that is new.
    ///
    /// An alias that never worked in this process may be new: AWS takes up to 5 minutes to apply changes.
    pub(crate) fn apply_refusal(
        &mut self,
        error: KeyServiceError,
        onboarding: Duration,
        now: Moment,
    ) -> (KeyServiceError, bool, bool) {
        let since = *self.refused_since.get_or_insert(now);
        let is_final = error.kind() == Kind::Revoked || self.succeeded || now.since(since) >= onboarding;
        let error = if is_final { error.into_revocation() } else { error.into_onboarding() };
        let former = self.refusal.take();
        let is_new = is_final && former.as_ref().is_none_or(|former| !former.error.is_revoked());
        let (at, pause, times) = match former.filter(|_| !is_new) {
            // The same refusal: several calls were in flight.
            Some(Refusal { at, pause, times, probing: false, .. }) if now.since(at) < pause => (at, pause, times),
            former => {
                let times = former.map_or(0, |former| former.times.saturating_add(1));
                let most = if is_final { REFUSED_AT_MOST } else { NEW_AT_MOST };
                (now, backoff::about(backoff::double(REFUSED, times, most)), times)
            }
        };
        self.refusal = Some(Refusal { error: error.clone(), at, pause, times, probing: false });
        if is_final {
            self.current = None;
            self.former.clear();
        }
        (error, is_final, is_new)
    }

    /// The same for an unverified key record. The record may be the cause, so the tenant loses nothing.
    pub(crate) fn apply_doubt(&mut self, error: KeyServiceError, onboarding: Duration, now: Moment) -> KeyServiceError {
        self.doubts = self.doubts.saturating_add(1);
        if self.refusal.as_ref().is_some_and(|refusal| refusal.error.is_revoked()) {
            // The tenant was revoked before, and its own alias has not answered since.
            return error.into_revocation();
        }
        let is_new = !self.succeeded && now.since(*self.refused_since.get_or_insert(now)) < onboarding;
        if is_new && error.kind() != Kind::Revoked { error.into_onboarding() } else { error }
    }
}

/// The circuit is open: the tenant's calls failed several times in a row.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("several calls in a row failed, so the circuit breaker holds calls back for a moment")]
struct CircuitOpen;

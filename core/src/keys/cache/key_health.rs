//! What is known of a tenant's KMS key: whether it answers, which KEK it is, and whether the tenant was revoked.

use std::time::Duration;

use crate::format::KekId;
use crate::keys::cache::backoff;
use crate::keys::cache::circuit::{Admission, Circuit};
use crate::keys::cache::clock::Moment;
use crate::keys::cache::token_bucket::TokenBucket;
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind};
use crate::tenant::TenantId;

/// How long a tenant that was refused is refused without asking again: its traffic must not use up everyone's quota. Doubled with each
/// refusal, less jitter.
const REFUSED: Duration = Duration::from_secs(1);
/// No longer than this, so that a tenant that is resumed is served within a minute.
const REFUSED_AT_MOST: Duration = Duration::from_secs(60);
/// No longer than this while it may be new: who is onboarded is served within seconds.
const NEW_AT_MOST: Duration = Duration::from_secs(4);
/// So many records that nobody has verified are refused before the tenant's own key is asked for, when none is held that could be.
const DOUBTS: u32 = 3;
/// So many retries at once, and so many a second.
const RETRIES: f64 = 10.0;
const RETRIES_PER_SECOND: f64 = 1.0;

#[derive(Debug)]
pub(crate) struct KeyHealth {
    circuit: Circuit,
    /// When KMS was last found unavailable, unless it has answered since.
    outage: Option<Moment>,
    retries: TokenBucket,
    /// Whether a call by the configured alias has ever succeeded.
    succeeded: bool,
    /// Since when an alias that never worked is refused: it may be new.
    refused_since: Option<Moment>,
    refusal: Option<Refusal>,
    /// How many records were refused that nobody has verified, since the configured alias has answered last.
    doubts: u32,
    /// The KEK with which the configured alias answers.
    current: Option<KekId>,
    /// KEKs that it was found not to answer with, and that answered by an alias of their own.
    former: Vec<KekId>,
}

/// How the configured alias refused last.
#[derive(Debug)]
struct Refusal {
    error: KeyServiceError,
    at: Moment,
    /// For how long it is believed.
    pause: Duration,
    /// How many preceded it.
    times: u32,
    /// Whether a request asks just now.
    probing: bool,
}

impl Refusal {
    fn is_fresh(&self, now: Moment) -> bool {
        now.since(self.at) < self.pause
    }
}

/// By which of a tenant's aliases a call names its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// The configured one.
    Configured,
    /// The one that stays on the key which a record names.
    OfKey,
}

impl Route {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Configured => Self::OfKey,
            Self::OfKey => Self::Configured,
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

    pub(crate) fn admit(
        &mut self,
        tenant: &TenantId,
        operation: &'static str,
        own: bool,
        now: Moment,
    ) -> Result<Admission, KeyServiceError> {
        // What a request asks that was let in goes on.
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

    /// Whether a request is let in that has to ask: of a tenant that was refused one at a time, after a while. Whether it is that one.
    pub(crate) fn enter(&mut self, now: Moment) -> Result<bool, KeyServiceError> {
        match &mut self.refusal {
            None => Ok(false),
            Some(refusal) if refusal.probing || refusal.is_fresh(now) => Err(refusal.error.clone()),
            Some(refusal) => {
                refusal.probing = true;
                Ok(true)
            }
        }
    }

    /// That request has ended.
    pub(crate) fn left(&mut self) {
        if let Some(refusal) = &mut self.refusal {
            refusal.probing = false;
        }
    }

    pub(crate) fn probed(&mut self) {
        self.circuit.probed();
    }

    pub(crate) fn may_retry(&mut self, now: Moment) -> bool {
        self.retries.take(now)
    }

    /// KMS, or STS, answered; what `own` calls say is the circuit's. Whether that closes it.
    pub(crate) fn answered(&mut self, own: bool) -> bool {
        self.outage = None;
        own && self.circuit.answered()
    }

    /// They did not. Whether that opens the circuit.
    pub(crate) fn unavailable(&mut self, own: bool, now: Moment) -> bool {
        self.outage = Some(now);
        own && self.circuit.failed(now)
    }

    /// The configured alias answered with this KEK. Whether it answered with another one before.
    pub(crate) fn answers_with(&mut self, kek: &KekId) -> bool {
        let repointed = self.current.as_ref().is_some_and(|current| !current.is_same_key(kek));
        self.succeeded = true;
        self.refused_since = None;
        self.refusal = None;
        self.doubts = 0;
        self.former.retain(|former| !former.is_same_key(kek));
        self.current = Some(kek.clone());
        repointed
    }

    /// The configured alias does not answer with this KEK, and its own does. Whether that is new.
    pub(crate) fn is_former(&mut self, kek: &KekId) -> bool {
        self.current.take_if(|current| current.is_same_key(kek));
        let is_new = !self.former.iter().any(|former| former.is_same_key(kek));
        if is_new {
            self.former.push(kek.clone());
        }
        is_new
    }

    /// By which alias to ask first for a key that `kek` wrapped.
    pub(crate) fn route(&self, kek: &KekId) -> Route {
        match &self.current {
            Some(current) if current.is_same_key(kek) => Route::Configured,
            Some(_) => Route::OfKey,
            None if self.former.iter().any(|former| former.is_same_key(kek)) => Route::OfKey,
            None => Route::Configured,
        }
    }

    /// The KEK of the configured alias, when it is known.
    pub(crate) fn current(&self) -> Option<&KekId> {
        self.current.as_ref()
    }

    /// Whether the configured alias is known to answer with this KEK.
    pub(crate) fn answers_now_with(&self, kek: &KekId) -> bool {
        self.current.as_ref().is_some_and(|current| current.is_same_key(kek))
    }

    /// How the configured alias refused last.
    pub(crate) fn refusal(&self) -> Option<KeyServiceError> {
        self.refusal.as_ref().map(|refusal| refusal.error.clone())
    }

    /// Whether the tenant's own key should be asked for although none is held: records are refused one after the other.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.refusal.is_some() || self.doubts >= DOUBTS
    }

    /// What a refusal by the configured alias means for the tenant; whether its keys go, and whether that is new.
    ///
    /// An alias that has never worked here may be new: changes take up to five minutes at AWS.
    pub(crate) fn refused(
        &mut self,
        error: KeyServiceError,
        onboarding: Duration,
        now: Moment,
    ) -> (KeyServiceError, bool, bool) {
        let since = *self.refused_since.get_or_insert(now);
        let is_final = error.kind() == Kind::Revoked || self.succeeded || now.since(since) >= onboarding;
        let error = if is_final { error.revoking() } else { error.onboarding() };
        let former = self.refusal.take();
        let is_new = is_final && former.as_ref().is_none_or(|former| !former.error.is_revoked());
        let (at, pause, times) = match former.filter(|_| !is_new) {
            // Of the same moment: several calls were under way.
            Some(Refusal { at, pause, times, probing: false, .. }) if now.since(at) < pause => (at, pause, times),
            former => {
                let times = former.map_or(0, |former| former.times.saturating_add(1));
                let most = if is_final { REFUSED_AT_MOST } else { NEW_AT_MOST };
                (now, backoff::about(backoff::doubled(REFUSED, times, most)), times)
            }
        };
        self.refusal = Some(Refusal { error: error.clone(), at, pause, times, probing: false });
        if is_final {
            self.current = None;
            self.former.clear();
        }
        (error, is_final, is_new)
    }

    /// The same of a record that nobody has verified: it may be the record, so nothing follows for the tenant.
    pub(crate) fn doubted(&mut self, error: KeyServiceError, onboarding: Duration, now: Moment) -> KeyServiceError {
        self.doubts = self.doubts.saturating_add(1);
        if self.refusal.as_ref().is_some_and(|refusal| refusal.error.is_revoked()) {
            // The tenant was revoked before, and its own alias has not answered since.
            return error.revoking();
        }
        let is_new = !self.succeeded && now.since(*self.refused_since.get_or_insert(now)) < onboarding;
        if is_new && error.kind() != Kind::Revoked { error.onboarding() } else { error }
    }
}

/// The tenant's calls failed several times in a row, so for a moment none is made.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("several calls in a row have failed, so for a moment none is made")]
struct CircuitOpen;

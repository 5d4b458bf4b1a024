//! KeyRequest the key service: in turn, not in vain, and again when that makes sense.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use tracing::Instrument;

use crate::keys::cache::backoff;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::{Admitted, Begun, TenantKeys};
use crate::keys::fetch::engine::Engine;
use crate::keys::{KeyServiceError, KeyServiceErrorKind};
use crate::telemetry::{self, Answered, Eviction, KeyCall};

/// A refusal that would cost a tenant its keys is asked for once more, after full jitter below this: KMS contradicts itself for some seconds
/// after a key was enabled or disabled.
const RECONSIDERED: Duration = Duration::from_millis(200);

/// A call of the key service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyRequest {
    pub(crate) operation: &'static str,
    pub(crate) route: Route,
    /// Whether what is asked for is known to be the tenant's own; a stored record may be anything.
    pub(crate) verified: bool,
}

impl Engine {
    /// Calls the key service: the only place that does, and so the only one where KMS and STS are called.
    ///
    /// It waits for its turn among all calls in flight; the caller has one of the tenant's places already.
    pub(crate) async fn call<'c, T: Answered>(
        &self,
        keys: &TenantKeys,
        request: KeyRequest,
        call: impl Fn() -> BoxFuture<'c, Result<T, KeyServiceError>> + Send + Sync,
    ) -> Result<(T, Begun), KeyServiceError> {
        let KeyRequest { operation, route, verified } = request;
        // What is asked for by an alias that a stored record names says nothing of the tenant.
        let own = route == Route::Configured;
        let telling = own || verified;
        let mut started = Instant::now();
        let mut refusal: Option<KeyServiceError> = None;
        for attempt in 1.. {
            let waiting = Instant::now();
            let (turn, admitted) = match (self.turn(keys, operation, own).await, &refusal) {
                (Err(_), Some(refusal)) => return Err(refusal.clone()),
                (turn, _) => turn?,
            };
            // Only what KMS takes is KMS's.
            started += waiting.elapsed();
            let left = self.retries.total.saturating_sub(started.elapsed());
            let seen = KeyCall::begin(&keys.tenant, operation, attempt);
            let result = within(left, self.in_turn(turn, call())).instrument(seen.span()).await.unwrap_or_else(|| {
                Err(KeyServiceError::new(&keys.tenant, operation, KeyServiceErrorKind::Unavailable))
            });
            seen.end(&result);
            let error = match result {
                Ok(answer) => {
                    if telling {
                        answered(keys, own);
                    }
                    // No call takes that long: the machine slept meanwhile, and what KMS allowed is over.
                    let slept =
                        self.clock.now().since(admitted.begun.at) >= self.terms.revalidation.max(self.retries.total);
                    if !slept {
                        if let Some(refusal) = &refusal {
                            telemetry::contradicted(refusal);
                        }
                        return Ok((answer, admitted.begun));
                    }
                    if attempt < self.retries.attempts {
                        telemetry::retried(operation);
                        started = Instant::now();
                        continue;
                    }
                    KeyServiceError::new(&keys.tenant, operation, KeyServiceErrorKind::Unavailable)
                }
                Err(error) => error,
            };
            let error = match &refusal {
                // Who did not look at the key again takes nothing back.
                Some(refusal) if !error.is_of_the_key() => refusal.clone(),
                _ => error,
            };
            if error.kind() != KeyServiceErrorKind::Unavailable {
                if telling {
                    answered(keys, own);
                }
                let costs = own && verified && error.is_refusal() && refusal.is_none();
                if !(costs && keys.may_reconsider(self.clock.now())) {
                    return Err(error);
                }
                drop(admitted);
                telemetry::retried(operation);
                refusal = Some(error);
                if Handle::try_current().is_ok() {
                    tokio::time::sleep(backoff::up_to(RECONSIDERED)).await;
                }
                continue;
            }
            let pause = backoff::backoff(self.retries.initial, attempt - 1, self.retries.most);
            let now = self.clock.now();
            let again = attempt < self.retries.attempts
                && !admitted.is_probe
                && started.elapsed() + pause < self.retries.total
                && Handle::try_current().is_ok()
                && keys.write().health.may_retry(now);
            if !again {
                if telling {
                    self.unavailable(keys, own, now);
                }
                return Err(error);
            }
            drop(admitted);
            telemetry::retried(operation);
            tokio::time::sleep(pause).await;
        }
        Err(KeyServiceError::new(&keys.tenant, operation, KeyServiceErrorKind::Unavailable))
    }

    /// A turn among all calls in flight, and leave to use it.
    async fn turn<'k>(
        &self,
        keys: &'k TenantKeys,
        operation: &'static str,
        own: bool,
    ) -> Result<(Option<SemaphorePermit<'_>>, Admitted<'k>), KeyServiceError> {
        loop {
            // Nobody closes them.
            let queue = keys.queue.acquire().await;
            let turn = self.calls.acquire().await.ok();
            drop(queue);
            // From before the question on, so that the end of no probe is missed.
            let probed = keys.probed.notified();
            if let Some(admitted) = keys.admit(operation, own, self.clock.now())? {
                return Ok((turn, admitted));
            }
            drop(turn);
            probed.await;
        }
    }

    /// Waits for a call, which gives its turn to others when it hangs.
    async fn in_turn<T>(&self, turn: Option<SemaphorePermit<'_>>, mut call: impl Future<Output = T> + Unpin) -> T {
        match within(self.retries.turn, &mut call).await {
            Some(answer) => answer,
            None => {
                drop(turn);
                call.await
            }
        }
    }

    /// KMS, or STS, was not to be had, retries included.
    fn unavailable(&self, keys: &TenantKeys, own: bool, now: Moment) {
        let (opened, in_grace) = {
            let mut state = keys.write();
            let opened = state.health.unavailable(own, now);
            (opened, state.cache.leases().iter().any(|lease| self.terms.is_in_grace(lease.begun, now)))
        };
        self.tenants.remember(keys);
        if opened {
            telemetry::circuit_opened(&keys.tenant);
        }
        if in_grace {
            telemetry::grace_in_use(&keys.tenant);
        }
    }

    /// What a refusal by the configured alias means, when no stored record can have brought it about. A tenant that is revoked
    /// loses its keys at once, and its session when that may be why it is denied: a key that is disabled says nothing against it.
    pub(crate) async fn judged(&self, keys: &TenantKeys, error: KeyServiceError) -> KeyServiceError {
        if !error.is_refusal() {
            return error;
        }
        let now = self.clock.now();
        let (error, is_new, evicted) = {
            let mut state = keys.write();
            let (error, evicts, is_new) = state.health.refused(error, self.onboarding, now);
            (error, is_new, evicts.then(|| state.evict()))
        };
        self.tenants.weigh(keys);
        self.tenants.remember(keys);
        if is_new {
            telemetry::revoked(&error);
        }
        if let Some(evicted) = evicted {
            if is_new || evicted.keys > 0 || evicted.tokens > 0 {
                telemetry::evicted(&keys.tenant, evicted, Eviction::Revoked);
            }
            if error.kind() == KeyServiceErrorKind::Denied {
                self.service.forget(&keys.tenant).await;
            }
        }
        error
    }
}

/// KMS, or STS, answered.
fn answered(keys: &TenantKeys, own: bool) {
    let closed = keys.write().health.answered(own);
    if closed {
        telemetry::circuit_closed(&keys.tenant);
    }
}

/// Waits no longer than this. Without a runtime nothing can tell when that is.
async fn within<T>(limit: Duration, call: impl Future<Output = T>) -> Option<T> {
    match Handle::try_current() {
        Ok(_) => tokio::time::timeout(limit, call).await.ok(),
        Err(_) => Some(call.await),
    }
}

//! Calls the key service: bounded in number, through the circuit breaker, and with retries.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use tracing::Instrument;

use crate::keys::cache::backoff;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::{CallPermit, CallStart, TenantKeys};
use crate::keys::fetch::engine::Engine;
use crate::keys::{KeyServiceError, KeyServiceErrorKind};
use crate::telemetry::{self, Eviction, HasRequestId, KeyCall};

/// A refusal that would cost a tenant its data keys is confirmed by a second call, after full jitter up to this: for
/// some seconds after a key was enabled or disabled, KMS contradicts itself.
const CONFIRMATION_PAUSE: Duration = Duration::from_millis(200);

/// A call of the key service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyRequest {
    pub(crate) operation: &'static str,
    pub(crate) route: Route,
    /// Whether the key record is known to be the tenant's own; an unverified one may be anything.
    pub(crate) verified: bool,
}

impl Engine {
    /// Calls the key service. Every call of KMS and STS goes through here.
    ///
    /// Waits for a global permit; the caller already holds one of the tenant's slots.
    pub(crate) async fn call<'c, T: HasRequestId>(
        &self,
        keys: &TenantKeys,
        request: KeyRequest,
        call: impl Fn() -> BoxFuture<'c, Result<T, KeyServiceError>> + Send + Sync,
    ) -> Result<(T, CallStart), KeyServiceError> {
        let KeyRequest { operation, route, verified } = request;
        // A refusal by an alias that a key record names says nothing about the tenant.
        let own = route == Route::TenantAlias;
        let telling = own || verified;
        let mut started = Instant::now();
        let mut refusal: Option<KeyServiceError> = None;
        for attempt in 1.. {
            let waiting = Instant::now();
            let (turn, permit) = match (self.turn(keys, operation, own).await, &refusal) {
                (Err(_), Some(refusal)) => return Err(refusal.clone()),
                (turn, _) => turn?,
            };
            // Waiting for a permit does not count as KMS's time.
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
                        record_answer(keys, own);
                    }
                    // No call takes that long: the machine slept meanwhile, and the lease is over.
                    let slept =
                        self.clock.now().since(permit.start.at) >= self.terms.revalidation.max(self.retries.total);
                    if !slept {
                        if let Some(refusal) = &refusal {
                            telemetry::record_contradiction(refusal);
                        }
                        return Ok((answer, permit.start));
                    }
                    if attempt < self.retries.attempts {
                        telemetry::record_retry(operation);
                        started = Instant::now();
                        continue;
                    }
                    KeyServiceError::new(&keys.tenant, operation, KeyServiceErrorKind::Unavailable)
                }
                Err(error) => error,
            };
            let error = match &refusal {
                // An answer that did not concern the KEK takes no refusal back.
                Some(refusal) if !error.concerns_key() => refusal.clone(),
                _ => error,
            };
            if !error.is_outage() {
                if telling {
                    record_answer(keys, own);
                }
                let costs = own && verified && error.is_refusal() && refusal.is_none();
                if !(costs && keys.allow_confirmation(self.clock.now())) {
                    return Err(error);
                }
                drop(permit);
                telemetry::record_retry(operation);
                refusal = Some(error);
                if Handle::try_current().is_ok() {
                    tokio::time::sleep(backoff::up_to(CONFIRMATION_PAUSE)).await;
                }
                continue;
            }
            let pause = backoff::backoff(self.retries.initial, attempt - 1, self.retries.most);
            let now = self.clock.now();
            let again = attempt < self.retries.attempts
                && !permit.is_probe
                && started.elapsed() + pause < self.retries.total
                && Handle::try_current().is_ok()
                && keys.write().health.may_retry(now);
            if !again {
                if telling {
                    self.apply_outage(keys, own, now);
                }
                return Err(error);
            }
            drop(permit);
            telemetry::record_retry(operation);
            tokio::time::sleep(pause).await;
        }
        Err(KeyServiceError::new(&keys.tenant, operation, KeyServiceErrorKind::Unavailable))
    }

    /// Waits for a global permit and for the circuit breaker.
    async fn turn<'k>(
        &self,
        keys: &'k TenantKeys,
        operation: &'static str,
        own: bool,
    ) -> Result<(Option<SemaphorePermit<'_>>, CallPermit<'k>), KeyServiceError> {
        loop {
            // The semaphores are never closed.
            let queue = keys.queue.acquire().await;
            let turn = self.calls.acquire().await.ok();
            drop(queue);
            // Registered before the check, so that the end of a probe is not missed.
            let probed = keys.probe_ended.notified();
            if let Some(permit) = keys.admit_call(operation, own, self.clock.now())? {
                return Ok((turn, permit));
            }
            drop(turn);
            probed.await;
        }
    }

    /// Awaits a call. A call that hangs gives its permit to others.
    async fn in_turn<T>(&self, turn: Option<SemaphorePermit<'_>>, mut call: impl Future<Output = T> + Unpin) -> T {
        match within(self.retries.turn, &mut call).await {
            Some(answer) => answer,
            None => {
                drop(turn);
                call.await
            }
        }
    }

    /// Records that KMS or STS was unavailable, retries included.
    fn apply_outage(&self, keys: &TenantKeys, own: bool, now: Moment) {
        let (opened, in_grace) = {
            let mut state = keys.write();
            let opened = state.health.record_outage(own, now);
            (opened, state.cache.leases().iter().any(|lease| self.terms.is_in_grace(lease.granted, now)))
        };
        self.tenants.remember(keys);
        if opened {
            telemetry::record_circuit_opened(&keys.tenant);
        }
        if in_grace {
            telemetry::record_grace_use(&keys.tenant);
        }
    }

    /// Applies a refusal by the tenant's alias that no unverified key record can have caused. A revoked tenant loses
    /// its data keys at once. It loses its session too when that may be why access is denied: a disabled key says
    /// nothing against the session.
    pub(crate) async fn apply_refusal(&self, keys: &TenantKeys, error: KeyServiceError) -> KeyServiceError {
        if !error.is_refusal() {
            return error;
        }
        let now = self.clock.now();
        let (error, is_new, evicted) = {
            let mut state = keys.write();
            let (error, evicts, is_new) = state.health.apply_refusal(error, self.onboarding, now);
            (error, is_new, evicts.then(|| state.evict()))
        };
        self.tenants.weigh(keys);
        self.tenants.remember(keys);
        if is_new {
            telemetry::record_revocation(&error);
        }
        if let Some(evicted) = evicted {
            if is_new || evicted.keys > 0 || evicted.tokens > 0 {
                telemetry::record_eviction(&keys.tenant, evicted, Eviction::Revoked);
            }
            if error.kind() == KeyServiceErrorKind::Denied {
                self.service.forget(&keys.tenant).await;
            }
        }
        error
    }
}

/// Records that KMS or STS answered.
fn record_answer(keys: &TenantKeys, own: bool) {
    let closed = keys.write().health.record_answer(own);
    if closed {
        telemetry::record_circuit_closed(&keys.tenant);
    }
}

/// Awaits a call for at most this long. Without a runtime there is no timer.
async fn within<T>(limit: Duration, call: impl Future<Output = T>) -> Option<T> {
    match Handle::try_current() {
        Ok(_) => tokio::time::timeout(limit, call).await.ok(),
        Err(_) => Some(call.await),
    }
}

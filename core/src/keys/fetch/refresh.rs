//! The refresher of a tenant's data keys: renews leases ahead of time, so that no request waits, and drops unused keys.
//!
//! Correctness does not depend on it: each use of a data key checks whether the key may be used.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::keys::cache::clock::Moment;
use crate::keys::cache::lease::Terms;
use crate::keys::cache::tenant_state::{State, TenantKeys};
use crate::keys::cache::{backoff, circuit};
use crate::keys::fetch::engine::Engine;
use crate::keys::outcome::UnwrapError;

/// In an outage the refresher retries after full jitter up to this, doubled each time.
const PAUSE: Duration = Duration::from_secs(1);

/// The refresher's next step.
enum NextStep {
    Wait(Duration),
    /// Renew the lease of this id, by way of the sealing key if `sealing`.
    Renew {
        lease: u64,
        sealing: bool,
    },
    /// Stop: there is nothing to refresh, or another refresher runs.
    Stop,
}

impl Engine {
    /// Starts a refresher unless one runs.
    pub(crate) fn ensure_refresher(self: &Arc<Self>, keys: &Arc<TenantKeys>) {
        self.start(keys, |_| false);
    }

    /// Starts another refresher: the present one is overdue. Its runtime may have stopped or may hang.
    pub(crate) fn replace_refresher(self: &Arc<Self>, keys: &Arc<TenantKeys>) {
        let patience = self.terms.revalidation / 10;
        let may_be_gone = |age| age >= patience;
        let is_early =
            keys.read().refresher.started.is_some_and(|started| !may_be_gone(self.clock.now().since(started)));
        if !is_early {
            self.start(keys, may_be_gone);
        }
    }

    fn start(self: &Arc<Self>, keys: &Arc<TenantKeys>, gone: impl Fn(Duration) -> bool) {
        let Ok(runtime) = Handle::try_current() else { return };
        let now = self.clock.now();
        let number = {
            let mut state = keys.write();
            let State { refresher, cache, .. } = &mut *state;
            if cache.leases().is_empty() || refresher.started.is_some_and(|started| !gone(now.since(started))) {
                return;
            }
            for lease in cache.leases_mut() {
                lease.expiring &= !lease.used.load(Ordering::Relaxed);
            }
            refresher.number += 1;
            refresher.started = Some(now);
            refresher.number
        };
        let guard = RefresherGuard { keys: Arc::downgrade(keys), number };
        runtime.spawn(run_refresher(Arc::downgrade(self), guard));
    }

    fn next_step(&self, keys: &TenantKeys, number: u64) -> NextStep {
        let now = self.clock.now();
        let live = keys.has_handles();
        keys.drop_expired(now, &self.terms);
        self.tenants.weigh(keys);
        let mut state = keys.write();
        let State { refresher, cache, .. } = &mut *state;
        if refresher.number != number {
            return NextStep::Stop;
        }
        let sealing = cache.sealing_lease();
        let mut wait = None;
        for lease in cache.leases_mut() {
            let seals = sealing == Some(lease.id);
            let due = lease.due_in(seals, now);
            if due.is_zero() && !lease.expiring {
                if lease.used.load(Ordering::Relaxed) || (seals && live) {
                    return NextStep::Renew { lease: lease.id, sealing: seals };
                }
                lease.expiring = true;
            }
            let next = if lease.expiring { self.terms.time_to_end(lease.granted, now) } else { due };
            wait = Some(wait.map_or(next, |wait: Duration| wait.min(next)));
        }
        // Data keys that only tokens need expire in time.
        let pins = cache.next_pin_expiry(now);
        wait.map_or(NextStep::Stop, |wait| NextStep::Wait(pins.map_or(wait, |pins| wait.min(pins))))
    }
}

async fn run_refresher(engine: Weak<Engine>, guard: RefresherGuard) {
    let mut failures = 0;
    loop {
        let pause = {
            let (Some(engine), Some(keys)) = (engine.upgrade(), guard.keys.upgrade()) else { return };
            match engine.next_step(&keys, guard.number) {
                NextStep::Stop => return,
                // Never zero: the clocks may differ a little.
                NextStep::Wait(pause) => pause.max(Duration::from_millis(1)),
                NextStep::Renew { lease, sealing } => {
                    let asked = if sealing {
                        engine.renew_sealing(&keys, true).await.map_err(UnwrapError::from)
                    } else {
                        engine.renew_lease(&keys, lease, true).await
                    };
                    match asked {
                        Ok(_) => {
                            failures = 0;
                            continue;
                        }
                        Err(UnwrapError::Service(error)) if error.is_outage() => {
                            let pause = backoff::backoff(PAUSE, failures, circuit::CAP);
                            failures += 1;
                            // Data keys expire on time, outage or not.
                            pause.min(engine.time_to_first_end(&keys)).max(Duration::from_millis(1))
                        }
                        Err(_) => {
                            keys.write().let_expire(lease);
                            continue;
                        }
                    }
                }
            }
        };
        tokio::time::sleep(pause).await;
    }
}

impl Engine {
    /// The time until the first lease ends for good.
    fn time_to_first_end(&self, keys: &TenantKeys) -> Duration {
        let now = self.clock.now();
        let state = keys.read();
        let ends = state.cache.leases().iter().map(|lease| self.terms.time_to_end(lease.granted, now));
        ends.min().unwrap_or_default()
    }
}

impl State {
    fn let_expire(&mut self, id: u64) {
        if let Some(lease) = self.cache.leases_mut().iter_mut().find(|lease| lease.id == id) {
            lease.expiring = true;
            lease.used.store(false, Ordering::Relaxed);
        }
    }
}

impl Terms {
    /// The time until a lease ends, even in an outage.
    fn time_to_end(&self, granted: Moment, now: Moment) -> Duration {
        (self.revalidation + self.grace).saturating_sub(now.since(granted))
    }
}

/// Records the end of the refresher, also when its runtime stops.
struct RefresherGuard {
    keys: Weak<TenantKeys>,
    number: u64,
}

impl Drop for RefresherGuard {
    fn drop(&mut self) {
        if let Some(keys) = self.keys.upgrade() {
            let mut state = keys.write();
            if state.refresher.number == self.number {
                state.refresher.started = None;
            }
        }
    }
}

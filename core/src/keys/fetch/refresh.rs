//! The refresher of a tenant's keys: asks KMS again before a lease ends, so that no request waits for it, and drops what nobody uses.
//!
//! Nothing is right or wrong because of it: whether a key may be used is decided where it is used.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::keys::KeyServiceErrorKind;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::lease::Terms;
use crate::keys::cache::tenant_state::{State, TenantKeys};
use crate::keys::cache::{backoff, circuit};
use crate::keys::fetch::engine::Engine;
use crate::keys::outcome::Unwrapping;

/// In an outage it asks again after full jitter below this, doubled each time.
const PAUSE: Duration = Duration::from_secs(1);

/// What is to be done next.
enum Next {
    Wait(Duration),
    /// Ask for the lease of this id, by way of the sealing key if that is it.
    Ask {
        lease: u64,
        sealing: bool,
    },
    /// There is nothing to look after, or another refresher does.
    Nothing,
}

impl Engine {
    /// Starts a refresher unless there is one.
    pub(crate) fn keep(self: &Arc<Self>, keys: &Arc<TenantKeys>) {
        self.start(keys, |_| false);
    }

    /// Starts a refresher although there is one: it should have asked by now. Its runtime may be gone, or stand still.
    pub(crate) fn keep_again(self: &Arc<Self>, keys: &Arc<TenantKeys>) {
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
                lease.lapsing &= !lease.used.load(Ordering::Relaxed);
            }
            refresher.number += 1;
            refresher.started = Some(now);
            refresher.number
        };
        let off_duty = OffDuty { keys: Arc::downgrade(keys), number };
        runtime.spawn(look_after(Arc::downgrade(self), off_duty));
    }

    fn next(&self, keys: &TenantKeys, number: u64) -> Next {
        let now = self.clock.now();
        let live = keys.is_live();
        keys.settle(now, &self.terms);
        self.tenants.weigh(keys);
        let mut state = keys.write();
        let State { refresher, cache, .. } = &mut *state;
        if refresher.number != number {
            return Next::Nothing;
        }
        let sealing = cache.sealing_lease();
        let mut wait = None;
        for lease in cache.leases_mut() {
            let seals = sealing == Some(lease.id);
            let due = lease.due_in(seals, now);
            if due.is_zero() && !lease.lapsing {
                if lease.used.load(Ordering::Relaxed) || (seals && live) {
                    return Next::Ask { lease: lease.id, sealing: seals };
                }
                lease.lapsing = true;
            }
            let next = if lease.lapsing { self.terms.ends_for_good_in(lease.begun, now) } else { due };
            wait = Some(wait.map_or(next, |wait: Duration| wait.min(next)));
        }
        // Keys that tokens alone need go in time.
        let pins = cache.pins_end_in(now);
        wait.map_or(Next::Nothing, |wait| Next::Wait(pins.map_or(wait, |pins| wait.min(pins))))
    }
}

async fn look_after(engine: Weak<Engine>, off_duty: OffDuty) {
    let mut failures = 0;
    loop {
        let pause = {
            let (Some(engine), Some(keys)) = (engine.upgrade(), off_duty.keys.upgrade()) else { return };
            match engine.next(&keys, off_duty.number) {
                Next::Nothing => return,
                // Never without any pause: clocks may disagree by a little.
                Next::Wait(pause) => pause.max(Duration::from_millis(1)),
                Next::Ask { lease, sealing } => {
                    let asked = if sealing {
                        engine.renew_sealing(&keys, true).await.map_err(Unwrapping::from)
                    } else {
                        engine.renew_lease(&keys, lease, true).await
                    };
                    match asked {
                        Ok(_) => {
                            failures = 0;
                            continue;
                        }
                        Err(Unwrapping::Failed(error)) if error.kind() == KeyServiceErrorKind::Unavailable => {
                            let pause = backoff::backoff(PAUSE, failures, circuit::CAP);
                            failures += 1;
                            // Keys go when their time is over, outage or not.
                            pause.min(engine.last_end(&keys)).max(Duration::from_millis(1))
                        }
                        Err(_) => {
                            keys.write().let_lapse(lease);
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
    /// How long until the first lease is over for good.
    fn last_end(&self, keys: &TenantKeys) -> Duration {
        let now = self.clock.now();
        let state = keys.read();
        let ends = state.cache.leases().iter().map(|lease| self.terms.ends_for_good_in(lease.begun, now));
        ends.min().unwrap_or_default()
    }
}

impl State {
    fn let_lapse(&mut self, id: u64) {
        if let Some(lease) = self.cache.leases_mut().iter_mut().find(|lease| lease.id == id) {
            lease.lapsing = true;
            lease.used.store(false, Ordering::Relaxed);
        }
    }
}

impl Terms {
    /// How long until a lease ends, also in an outage.
    fn ends_for_good_in(&self, begun: Moment, now: Moment) -> Duration {
        (self.revalidation + self.grace).saturating_sub(now.since(begun))
    }
}

/// Says that the refresher is gone, also when its runtime goes.
struct OffDuty {
    keys: Weak<TenantKeys>,
    number: u64,
}

impl Drop for OffDuty {
    fn drop(&mut self) {
        if let Some(keys) = self.keys.upgrade() {
            let mut state = keys.write();
            if state.refresher.number == self.number {
                state.refresher.started = None;
            }
        }
    }
}

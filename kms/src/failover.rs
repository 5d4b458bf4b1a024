//! Which of several Regions is asked next: the near one first, another only while that is out.
//!
//! Pure: it takes what Regions said, and never awaits. Who asks holds a [`Walk`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tenantseal_core::keys::cache::backoff;
use tenantseal_core::keys::{Clock, Moment};
use tenantseal_core::telemetry;
use tenantseal_core::tenant::TenantId;

#[cfg(test)]
mod tests;

/// A circuit opens at this many failures from as many different tenants, or as many as ask, within [`WINDOW`].
const FAILURES: usize = 3;
const WINDOW: Duration = Duration::from_secs(30);
/// A Region that is out is asked again after full jitter up to this, doubled each time.
const PAUSE: Duration = Duration::from_secs(1);
const MOST_PAUSE: Duration = Duration::from_secs(30);
/// The most failures that a circuit remembers.
const REMEMBERED: usize = 64;
/// The most tenants of which is known in which Regions their keys have worked; the least recently used go first.
const TENANTS: u64 = 10_000;

/// What a Region said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// It did what was asked.
    Done,
    /// It does not answer, or failed itself.
    Out,
    /// Too many calls.
    Throttled,
    /// The key is disabled or pending deletion.
    Revoked,
    /// The alias does not exist, or its use is denied.
    Refused,
    /// Anything else.
    Other,
}

/// What follows from a Region's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the answer.
    Final,
    /// The next Region is asked, if there is one.
    Next,
}

/// Why a Region was left, or not asked at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Left {
    /// It was out a moment ago, and is not asked until its next probe.
    Open,
    /// A nearer Region refuses the tenant, so no farther one may serve it.
    RefusedNearer,
    /// It is out: how it failed.
    Out(String),
    /// It refused, and no key of the tenant has ever worked there in this process: that says nothing of the tenant.
    NeverWorked(String),
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("not asked, it was out a moment ago"),
            Self::RefusedNearer => f.write_str("not asked, because a nearer Region refused the tenant"),
            Self::Out(said) => f.write_str(said),
            Self::NeverWorked(said) => write!(f, "{said}, and no key of the tenant has worked there"),
        }
    }
}

/// The health of some Regions, and what they have said of tenants.
pub(crate) struct Failover {
    regions: Vec<String>,
    clock: Clock,
    state: Mutex<State>,
    tenants: Cache<TenantId, Known>,
}

#[derive(Default)]
struct State {
    circuits: Vec<Circuit>,
    /// The tenants that asked last, each once: enough to know whether fewer than [`FAILURES`] ask.
    asked: VecDeque<(Moment, TenantId)>,
}

/// A Region's circuit breaker, over all tenants.
#[derive(Default)]
struct Circuit {
    failures: VecDeque<(Moment, TenantId)>,
    open: Option<Open>,
    is_probing: bool,
}

#[derive(Clone, Copy)]
struct Open {
    since: Moment,
    pause: Duration,
    times: u32,
}

/// What Regions have said of a tenant.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// A bit for each Region in which its key has worked.
    worked: u8,
    /// The nearest Region that has refused it; those behind it are not asked until it, or a nearer one, has a key.
    refused: Option<usize>,
}

impl Known {
    fn has_worked(self, region: usize) -> bool {
        self.worked & bit(region) != 0
    }
}

fn bit(region: usize) -> u8 {
    u32::try_from(region).ok().and_then(|region| 1_u8.checked_shl(region)).unwrap_or(0)
}

impl Failover {
    /// For 1 to 8 Regions, the near one first.
    pub(crate) fn new(regions: Vec<String>, clock: Clock) -> Self {
        let state = State { circuits: regions.iter().map(|_| Circuit::default()).collect(), asked: VecDeque::new() };
        let tenants = Cache::builder().max_capacity(TENANTS).eviction_policy(EvictionPolicy::lru()).build();
        Self { regions, clock, state: Mutex::new(state), tenants }
    }

    /// Starts to ask for a tenant. `of_tenant` is whether a refusal says something of the tenant: one of a former key
    /// does not.
    pub(crate) fn walk<'f>(&'f self, tenant: &'f TenantId, of_tenant: bool) -> Walk<'f> {
        let now = self.clock.now();
        self.lock().ask(now, tenant);
        let refused = self.tenants.get(tenant).and_then(|known| known.refused);
        Walk { failover: self, tenant, of_tenant, refused, next: 0, asking: None, was_asked: false, left: Vec::new() }
    }

    /// The name of a Region.
    pub(crate) fn region(&self, at: usize) -> &str {
        self.regions.get(at).map_or("", String::as_str)
    }

    /// Drops what is known of a tenant.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.tenants.invalidate(tenant);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, tenant: &TenantId) -> Known {
        self.tenants.get(tenant).unwrap_or_default()
    }

    /// Changes what is known of a tenant; callers at the same time do not undo each other's changes.
    fn learn(&self, tenant: &TenantId, learn: impl FnOnce(&mut Known)) {
        self.tenants.entry_by_ref(tenant).and_upsert_with(|entry| {
            let mut known = entry.map(moka::Entry::into_value).unwrap_or_default();
            learn(&mut known);
            known
        });
    }
}

impl fmt::Debug for Failover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failover({})", self.regions.join(", "))
    }
}

impl State {
    fn ask(&mut self, now: Moment, tenant: &TenantId) {
        self.asked.retain(|(_, asked)| asked != tenant);
        self.asked.push_back((now, tenant.clone()));
        if self.asked.len() > FAILURES {
            self.asked.pop_front();
        }
    }

    fn asking(&self, now: Moment) -> usize {
        self.asked.iter().filter(|(at, _)| now.since(*at) <= WINDOW).count()
    }
}

impl Circuit {
    /// Whether the Region may be asked: it is well, or this call finds out whether it is.
    fn admit(&mut self, now: Moment) -> bool {
        match self.open {
            None => true,
            Some(open) if now.since(open.since) < open.pause || self.is_probing => false,
            Some(_) => {
                self.is_probing = true;
                true
            }
        }
    }

    fn answered(&mut self) {
        *self = Self::default();
    }

    /// Returns whether the circuit has opened.
    fn failed(&mut self, now: Moment, tenant: &TenantId, asking: usize) -> bool {
        self.is_probing = false;
        self.failures.retain(|(at, _)| now.since(*at) <= WINDOW);
        self.failures.push_back((now, tenant.clone()));
        if self.failures.len() > REMEMBERED {
            self.failures.pop_front();
        }
        let mut tenants: Vec<_> = self.failures.iter().map(|(_, tenant)| tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let opens = self.failures.len() >= FAILURES && tenants.len() >= asking.min(FAILURES);
        let was_open = self.open.is_some();
        if was_open || opens {
            let times = self.open.map_or(0, |open| open.times + 1);
            self.open = Some(Open { since: now, pause: backoff::backoff(PAUSE, times, MOST_PAUSE), times });
        }
        opens && !was_open
    }
}

/// One tenant's way from Region to Region. Dropping it gives its probe to the next caller.
pub(crate) struct Walk<'f> {
    failover: &'f Failover,
    tenant: &'f TenantId,
    of_tenant: bool,
    /// The Region behind which none is asked.
    refused: Option<usize>,
    next: usize,
    asking: Option<usize>,
    /// Whether a Region was asked.
    was_asked: bool,
    left: Vec<(usize, Left)>,
}

/// A Region to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Its place in the list.
    pub(crate) region: usize,
    /// Whether none comes after it.
    pub(crate) is_last: bool,
}

impl Walk<'_> {
    /// The next Region to ask; none when all were left.
    pub(crate) fn next(&mut self) -> Option<Turn> {
        let last = self.failover.regions.len() - 1;
        while self.next <= last {
            let region = self.next;
            self.next += 1;
            if self.refused.is_some_and(|refused| region > refused) {
                self.left.push((region, Left::RefusedNearer));
                continue;
            }
            let admitted = self.failover.lock().circuits[region].admit(self.failover.clock.now());
            // Never nobody: when all are out, the last is asked.
            if !admitted && (self.was_asked || region != last) {
                self.left.push((region, Left::Open));
                continue;
            }
            if region > 0 {
                telemetry::record_region_failover(self.failover.region(region));
            }
            (self.asking, self.was_asked) = (Some(region), true);
            return Some(Turn { region, is_last: region == last });
        }
        None
    }

    /// Takes the word of the Region that was asked, and what it said.
    pub(crate) fn hear(&mut self, word: Word, said: impl FnOnce() -> String) -> Verdict {
        let Some(region) = self.asking.take() else { return Verdict::Final };
        let (failover, tenant) = (self.failover, self.tenant);
        let known = failover.known(tenant);
        if word == Word::Out {
            let now = failover.clock.now();
            let mut state = failover.lock();
            let asking = state.asking(now);
            if state.circuits[region].failed(now, tenant, asking) {
                telemetry::record_region_circuit_opened(failover.region(region));
            }
            drop(state);
            self.left.push((region, Left::Out(said())));
            return Verdict::Next;
        }
        failover.lock().circuits[region].answered();
        let has_worked = known.has_worked(region);
        if !self.of_tenant {
            // A near Region's word is final; a far one may have no replica of a former key.
            return if word == Word::Refused && self.is_far() { self.leave(region, said()) } else { Verdict::Final };
        }
        match word {
            Word::Done => {
                if !has_worked || known.refused.is_some() {
                    failover.learn(tenant, |known| {
                        known.worked |= bit(region);
                        known.refused = None;
                    });
                }
                Verdict::Final
            }
            Word::Revoked => self.remember_refusal(region),
            Word::Refused if has_worked => self.remember_refusal(region),
            Word::Refused if self.is_far() => self.leave(region, said()),
            _ => Verdict::Final,
        }
    }

    /// Whether a nearer Region was left, so that this one was asked in its place.
    fn is_far(&self) -> bool {
        !self.left.is_empty()
    }

    fn leave(&mut self, region: usize, said: String) -> Verdict {
        self.left.push((region, Left::NeverWorked(said)));
        Verdict::Next
    }

    /// Otherwise a Region farther away, which a suspension has not reached, would serve the tenant once this one is out.
    fn remember_refusal(&self, region: usize) -> Verdict {
        self.failover.learn(self.tenant, |known| {
            known.refused = Some(known.refused.map_or(region, |refused| refused.min(region)));
        });
        Verdict::Final
    }

    /// Why each Region was left.
    pub(crate) fn left(&self) -> impl Iterator<Item = (&str, &Left)> {
        self.left.iter().map(|(region, why)| (self.failover.region(*region), why))
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        if let Some(region) = self.asking {
            self.failover.lock().circuits[region].is_probing = false;
        }
    }
}

//! Leases: how long KMS's answer lets a tenant's data keys be used.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::envelope::Seals;
use crate::format::KekId;
use crate::keys::cache::backoff;
use crate::keys::cache::clock::Moment;

/// How long data keys may be used.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long one data key seals new items.
    pub(crate) rotation: Duration,
    /// How long data keys are used before KMS is asked again.
    pub(crate) revalidation: Duration,
    /// How much longer, while KMS is unavailable.
    pub(crate) grace: Duration,
    /// How much one data key seals.
    pub(crate) seals: Seals,
}

impl Terms {
    /// No data key seals for longer, outage or not.
    pub(crate) const MAX_ROTATION: Duration = Duration::from_secs(48 * 60 * 60);
    /// How long an observed outage counts: longer than the refresher's longest pause and a call together.
    const OUTAGE_TTL: Duration = Duration::from_secs(60);

    /// Whether a lease that KMS granted to a request begun at `granted` is still valid. `outage` is when KMS was last
    /// unavailable; a process that was frozen in an outage asks again.
    pub(crate) fn allow(&self, granted: Moment, outage: Option<Moment>, now: Moment) -> bool {
        let age = now.since(granted);
        age < self.revalidation || (age < self.revalidation + self.grace && Self::is_outage(outage, now))
    }

    /// Whether the lease is valid only because of the outage grace.
    pub(crate) fn is_in_grace(&self, granted: Moment, now: Moment) -> bool {
        !self.allow(granted, None, now) && self.allow(granted, Some(now), now)
    }

    /// Whether a data key whose rotation period began at `rotation_start` still seals new items.
    pub(crate) fn seal(&self, rotation_start: Moment, outage: Option<Moment>, now: Moment) -> bool {
        let age = now.since(rotation_start);
        age < self.rotation
            || (age < (self.rotation + self.grace).min(Self::MAX_ROTATION) && Self::is_outage(outage, now))
    }

    fn is_outage(outage: Option<Moment>, now: Moment) -> bool {
        outage.is_some_and(|seen| now.since(seen) < Self::OUTAGE_TTL)
    }
}

/// A lease on one context and KEK of a tenant: one successful call renews it for all data keys under it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) id: u64,
    pub(crate) context: usize,
    pub kek: KekId,
    /// When the latest request began that KMS answered with this KEK.
    pub(crate) granted: Moment,
    /// The same, by the tenant's alias alone. Sealing counts from here: the alias decides which KEK new items use.
    pub(crate) granted_by_alias: Option<Moment>,
    /// The age at which the refresher asks again.
    due: Duration,
    /// Whether a data key was used since the last renewal. Most keys open an item once, and renewing them ahead of time
    /// would be wasted.
    pub(crate) used: AtomicBool,
    /// Whether the refresher lets the lease expire.
    pub(crate) expiring: bool,
}

impl Lease {
    pub(crate) fn new(id: u64, context: usize, kek: KekId, granted: Moment, terms: &Terms) -> Self {
        Self {
            id,
            context,
            kek,
            granted,
            granted_by_alias: None,
            due: due(terms),
            used: AtomicBool::new(false),
            expiring: false,
        }
    }

    /// Renews the lease after an answer of KMS.
    pub(crate) fn renew(&mut self, granted: Moment, by_alias: bool, terms: &Terms) {
        self.granted = self.granted.later(granted);
        if by_alias {
            self.granted_by_alias = Some(self.granted_by_alias.map_or(granted, |latest| latest.later(granted)));
        }
        self.due = due(terms);
        self.expiring = false;
        self.used.store(false, Ordering::Relaxed);
    }

    /// The moment from which the lease counts, for sealing or for opening.
    fn granted_for(&self, seals: bool) -> Moment {
        if seals { self.granted_by_alias.unwrap_or(self.granted) } else { self.granted }
    }

    /// The time until the refresher should ask; zero when it is due.
    pub(crate) fn due_in(&self, seals: bool, now: Moment) -> Duration {
        self.due.saturating_sub(now.since(self.granted_for(seals)))
    }

    /// Marks the lease as used. Returns whether the refresher is overdue, and so seems to be gone.
    pub(crate) fn touch(&self, seals: bool, now: Moment, terms: &Terms) -> bool {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        self.expiring || now.since(self.granted_for(seals)) >= self.due + terms.revalidation / 10
    }
}

/// About 4/5 of the revalidation period.
fn due(terms: &Terms) -> Duration {
    terms.revalidation * 3 / 4 + backoff::up_to(terms.revalidation / 10)
}

//! Leases: for how long KMS has let a tenant's keys be used.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::envelope::Seals;
use crate::format::KekId;
use crate::keys::cache::backoff;
use crate::keys::cache::clock::Moment;

/// For how long keys may be used.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long one data key seals new items.
    pub(crate) rotation: Duration,
    /// How long keys are used before KMS is asked again.
    pub(crate) revalidation: Duration,
    /// How much longer, while KMS cannot be asked.
    pub(crate) grace: Duration,
    /// How much is sealed under one data key.
    pub(crate) seals: Seals,
}

impl Terms {
    /// No data key seals for longer, outage or not.
    pub(crate) const MAX_ROTATION: Duration = Duration::from_secs(48 * 60 * 60);
    /// That KMS cannot be asked is believed for this long: longer than the refresher's longest pause and a call together.
    const OUTAGE_SEEN: Duration = Duration::from_secs(60);

    /// Whether what KMS allowed with a request begun at `begun` is still allowed. `outage` is when KMS was last found unavailable;
    /// who was frozen in an outage asks again.
    pub(crate) fn allow(&self, begun: Moment, outage: Option<Moment>, now: Moment) -> bool {
        let age = now.since(begun);
        age < self.revalidation || (age < self.revalidation + self.grace && Self::is_out(outage, now))
    }

    /// Whether it is allowed only because KMS cannot be asked.
    pub(crate) fn is_in_grace(&self, begun: Moment, now: Moment) -> bool {
        !self.allow(begun, None, now) && self.allow(begun, Some(now), now)
    }

    /// Whether a data key made at `born` seals new items.
    pub(crate) fn seal(&self, born: Moment, outage: Option<Moment>, now: Moment) -> bool {
        let age = now.since(born);
        age < self.rotation || (age < (self.rotation + self.grace).min(Self::MAX_ROTATION) && Self::is_out(outage, now))
    }

    fn is_out(outage: Option<Moment>, now: Moment) -> bool {
        outage.is_some_and(|seen| now.since(seen) < Self::OUTAGE_SEEN)
    }
}

/// What KMS allowed for one context and KEK of a tenant: one success serves all data keys under it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) id: u64,
    pub(crate) context: usize,
    pub kek: KekId,
    /// When the latest request was begun that KMS answered with a key of this KEK.
    pub(crate) begun: Moment,
    /// The same by the configured alias alone: it says where new items go, so sealing counts by this one.
    pub(crate) aliased: Option<Moment>,
    /// At which age the refresher asks again.
    due: Duration,
    /// Whether a key was used again since: most keys that open an item are wanted once, and asking again ahead of time would be in vain.
    pub(crate) used: AtomicBool,
    /// Whether the refresher lets it end.
    pub(crate) lapsing: bool,
}

impl Lease {
    pub(crate) fn new(id: u64, context: usize, kek: KekId, begun: Moment, terms: &Terms) -> Self {
        Self { id, context, kek, begun, aliased: None, due: due(terms), used: AtomicBool::new(false), lapsing: false }
    }

    /// KMS has allowed it again.
    pub(crate) fn renew(&mut self, begun: Moment, by_alias: bool, terms: &Terms) {
        self.begun = self.begun.later(begun);
        if by_alias {
            self.aliased = Some(self.aliased.map_or(begun, |latest| latest.later(begun)));
        }
        self.due = due(terms);
        self.lapsing = false;
        self.used.store(false, Ordering::Relaxed);
    }

    /// The moment from which it counts, for sealing or for opening.
    fn counted(&self, seals: bool) -> Moment {
        if seals { self.aliased.unwrap_or(self.begun) } else { self.begun }
    }

    /// How long until the refresher should ask; nothing when it is time.
    pub(crate) fn due_in(&self, seals: bool, now: Moment) -> Duration {
        self.due.saturating_sub(now.since(self.counted(seals)))
    }

    /// Says that a key of it is used. Whether the refresher, which should have asked by now, seems to be gone.
    pub(crate) fn touch(&self, seals: bool, now: Moment, terms: &Terms) -> bool {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        self.lapsing || now.since(self.counted(seals)) >= self.due + terms.revalidation / 10
    }
}

/// About four fifths of the time.
fn due(terms: &Terms) -> Duration {
    terms.revalidation * 3 / 4 + backoff::up_to(terms.revalidation / 10)
}

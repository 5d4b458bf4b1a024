//! One tenant's circuit: when its KMS fails again and again, calls fail at once until a probe says otherwise.

use std::time::Duration;

use crate::keys::cache::backoff;
use crate::keys::cache::clock::Moment;

/// So many failed calls in a row open the circuit.
const THRESHOLD: u32 = 3;
/// It stays open for full jitter below this, doubled with each failed probe.
const BASE: Duration = Duration::from_secs(1);
/// It stays open no longer.
pub(crate) const CAP: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Circuit {
    failures: u32,
    /// Since when it is open, and for how long.
    open: Option<(Moment, Duration)>,
    probing: bool,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Closed,
    /// The single call that tries whether KMS is back.
    Probe,
    /// Another call tries that: what it finds decides. Were this one refused, an answer that needs several keys would fail on it, give
    /// up the probe too, and never open again.
    Wait,
    Refused,
}

impl Circuit {
    pub(crate) fn admit(&mut self, now: Moment, may_probe: bool) -> Admission {
        match self.open {
            None => Admission::Closed,
            Some((since, pause)) if now.since(since) < pause => Admission::Refused,
            Some(_) if self.probing => Admission::Wait,
            // It says nothing of the circuit, and need not wait for a call that may never be made.
            Some(_) if !may_probe => Admission::Closed,
            Some(_) => {
                self.probing = true;
                Admission::Probe
            }
        }
    }

    /// KMS answered, whatever it said. Whether the circuit was open.
    pub(crate) fn answered(&mut self) -> bool {
        std::mem::take(self).open.is_some()
    }

    /// A call failed, its retries included. Whether the circuit was closed and is open now.
    pub(crate) fn failed(&mut self, now: Moment) -> bool {
        let was_open = self.open.is_some();
        self.failures = self.failures.saturating_add(1);
        self.probing = false;
        if let Some(times) = self.failures.checked_sub(THRESHOLD) {
            self.open = Some((now, backoff::backoff(BASE, times, CAP)));
        }
        !was_open && self.open.is_some()
    }

    /// The probe ended, perhaps because nobody waits for it any more.
    pub(crate) fn probed(&mut self) {
        self.probing = false;
    }
}

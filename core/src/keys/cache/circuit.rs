//! One tenant's circuit breaker: after repeated failures of its KMS, calls fail at once until a probe succeeds.

use std::time::Duration;

use crate::keys::cache::backoff;
use crate::keys::cache::clock::Moment;

/// This many failed calls in a row open the circuit.
const THRESHOLD: u32 = 3;
/// The circuit stays open for full jitter up to this, doubled with each failed probe.
const BASE: Duration = Duration::from_secs(1);
/// The longest time that the circuit stays open between probes.
pub(crate) const CAP: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Circuit {
    failures: u32,
    /// When the circuit opened, and for how long.
    open: Option<(Moment, Duration)>,
    probing: bool,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Closed,
    /// The one call that tests whether KMS is back.
    Probe,
    /// Another call is probing, and its result decides. Refusing this call would be wrong: an operation that needs
    /// several keys would fail on it, abandon the probe too, and the circuit would never close.
    Wait,
    Refused,
}

impl Circuit {
    pub(crate) fn admit(&mut self, now: Moment, may_probe: bool) -> Admission {
        match self.open {
            None => Admission::Closed,
            Some((since, pause)) if now.since(since) < pause => Admission::Refused,
            Some(_) if self.probing => Admission::Wait,
            // Its result says nothing about this circuit, so it does not wait for a call that may never be made.
            Some(_) if !may_probe => Admission::Closed,
            Some(_) => {
                self.probing = true;
                Admission::Probe
            }
        }
    }

    /// Closes the circuit: KMS answered, whatever it said. Returns whether the circuit was open.
    pub(crate) fn close(&mut self) -> bool {
        std::mem::take(self).open.is_some()
    }

    /// Records a call that failed, retries included. Returns whether this opened the circuit.
    pub(crate) fn record_failure(&mut self, now: Moment) -> bool {
        let was_open = self.open.is_some();
        self.failures = self.failures.saturating_add(1);
        self.probing = false;
        if let Some(times) = self.failures.checked_sub(THRESHOLD) {
            self.open = Some((now, backoff::backoff(BASE, times, CAP)));
        }
        !was_open && self.open.is_some()
    }

    /// Ends the probe, also when its callers gave up.
    pub(crate) fn end_probe(&mut self) {
        self.probing = false;
    }
}

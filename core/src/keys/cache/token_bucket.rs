//! A token bucket: a burst, and a rate per second.

use crate::keys::cache::clock::Moment;

#[derive(Debug)]
pub(crate) struct TokenBucket {
    burst: f64,
    per_second: f64,
    taken: f64,
    at: Moment,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(burst: f64, per_second: f64, now: Moment) -> Self {
        Self { burst, per_second, taken: 0.0, at: now }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Moment) -> bool {
        self.taken = (self.taken - now.since(self.at).as_secs_f64() * self.per_second).max(0.0);
        self.at = now;
        let there = self.taken + 1.0 <= self.burst;
        if there {
            self.taken += 1.0;
        }
        there
    }

    /// Returns an unused token.
    pub(crate) fn refund(&mut self) {
        self.taken = (self.taken - 1.0).max(0.0);
    }
}

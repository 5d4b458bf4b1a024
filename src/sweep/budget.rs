//! A budget of capacity units a second. What a request takes is known after its answer, so the budget may go into debt.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much of a second's units the budget holds at most.
const HELD: f64 = 0.5;
/// The share of the rate that a throttled budget regains in a second.
const CLIMB: f64 = 0.05;
/// A throttled budget keeps at least this share of its rate.
const LEAST: f64 = 1.0 / 64.0;

/// Capacity units a second, shared by all requests of one kind. Without a rate it lets everything pass.
#[derive(Debug)]
pub(super) struct Budget(Option<Mutex<Bucket>>);

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    /// What is left of the rate after throttles.
    share: f64,
    balance: f64,
    /// What a request takes, on average.
    expected: f64,
    at: Instant,
}

impl Budget {
    pub(super) fn new(per_second: Option<f64>) -> Self {
        let bucket = per_second.map(|per_second| Bucket {
            per_second,
            share: 1.0,
            balance: per_second * HELD,
            expected: 1.0,
            at: Instant::now(),
        });
        Self(bucket.map(Mutex::new))
    }

    /// Waits until a request may be sent. What it is expected to take is taken at once, so that requests which wait
    /// together do not all pass at the same time.
    pub(super) async fn take(&self) -> Taken<'_> {
        let Some(bucket) = &self.0 else { return Taken { bucket: None, units: 0.0 } };
        loop {
            let wait = {
                let mut state = lock(bucket);
                state.refill(Instant::now());
                if state.balance > 0.0 {
                    state.balance -= state.expected;
                    return Taken { bucket: Some(bucket), units: state.expected };
                }
                -state.balance / (state.per_second * state.share)
            };
            // A millisecond more, or rounding might leave a debt that is waited for again and again.
            tokio::time::sleep(Duration::from_secs_f64(wait) + Duration::from_millis(1)).await;
        }
    }

    /// DynamoDB throttled: halves the rate, which then climbs back.
    pub(super) fn slow_down(&self) {
        if let Some(bucket) = &self.0 {
            let mut state = lock(bucket);
            state.refill(Instant::now());
            state.share = (state.share / 2.0).max(LEAST);
        }
    }
}

impl Bucket {
    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        let rate = self.per_second * self.share;
        self.balance = (self.balance + elapsed * rate).min(rate * HELD);
        self.share = (self.share + elapsed * CLIMB).min(1.0);
        self.at = now;
    }
}

fn lock(bucket: &Mutex<Bucket>) -> MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request that may be sent. Unless it is settled, what it was expected to take stays charged.
#[must_use]
#[derive(Debug)]
pub(super) struct Taken<'a> {
    bucket: Option<&'a Mutex<Bucket>>,
    units: f64,
}

impl Taken<'_> {
    /// Charges what the request has really taken, if its answer says so.
    pub(super) fn settle(self, units: Option<f64>) {
        let (Some(bucket), Some(units)) = (self.bucket, units) else { return };
        let mut state = lock(bucket);
        state.balance += self.units - units;
        state.expected += (units - state.expected) / 8.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds(budget: &Budget, requests: usize, units: f64) -> f64 {
        let began = Instant::now();
        for _ in 0..requests {
            budget.take().await.settle(Some(units));
        }
        began.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_take_their_units_a_second_and_no_more() {
        let budget = Budget::new(Some(50.0));
        let took = seconds(&budget, 100, 5.0).await;
        assert!((9.0..10.5).contains(&took), "500 units at 50 a second took {took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_budget_holds_half_a_second() {
        let budget = Budget::new(Some(50.0));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let took = seconds(&budget, 50, 1.0).await;
        assert!((0.4..0.6).contains(&took), "50 units at 50 a second, 25 of them held, took {took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_wait_together_do_not_pass_together() {
        let budget = Budget::new(Some(10.0));
        budget.take().await.settle(Some(20.0));
        let began = Instant::now();
        futures_util::future::join_all((0..20).map(|_| async { budget.take().await.settle(Some(1.0)) })).await;
        let took = began.elapsed().as_secs_f64();
        assert!((2.5..4.0).contains(&took), "the debt of 15 units and 20 more at 10 a second took {took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_budget_is_halved_and_climbs_back() {
        let budget = Budget::new(Some(100.0));
        budget.slow_down();
        let halved = seconds(&budget, 200, 1.0).await;
        assert!(halved > 2.0, "{halved}");
        tokio::time::sleep(Duration::from_secs(30)).await;
        let full = seconds(&budget, 200, 1.0).await;
        // Half a second of the rate that it had regained by then was held; at half the rate it would take 3.5 s.
        assert!(full < 1.8, "{full}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        assert_eq!(seconds(&Budget::new(None), 1_000, 100.0).await, 0.0);
    }
}

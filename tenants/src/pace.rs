//! Paces calls below KMS's rates for new keys and aliases.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};

/// KMS allows 5 CreateKey, 5 CreateAlias and 5 UpdateAlias a second, counted separately (KMS developer guide, "Request
/// quotas"). Calls are spaced evenly.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Mutex<HashMap<&'static str, Instant>>,
    sleep: SharedAsyncSleep,
}

impl Pace {
    pub(super) fn new(interval: Duration, sleep: SharedAsyncSleep) -> Self {
        Self { interval, next: Mutex::default(), sleep }
    }

    /// Waits for this action's turn.
    pub(super) async fn turn(&self, action: &'static str) {
        let wait = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let turn = next.get(action).copied().unwrap_or(now).max(now);
            next.insert(action, turn + self.interval);
            turn - now
        };
        if !wait.is_zero() {
            self.sleep.sleep(wait).await;
        }
    }
}

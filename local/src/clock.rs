//! The stack's own time, which a test can move.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_smithy_async::time::TimeSource;

/// The time at which credentials expire and keys are deleted. DynamoDB does not follow it.
///
/// It runs with the system's clock, plus any time by which it was advanced. All clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead: Arc<Mutex<Duration>>,
}

impl Clock {
    /// The stack's current time.
    pub fn now(&self) -> SystemTime {
        SystemTime::now() + *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the current time forward.
    pub fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        self.now()
    }
}

/// Seconds since the epoch.
pub(crate) fn epoch_seconds(time: SystemTime) -> u64 {
    // The stack's time is never before the system's time, which is after 1970.
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A time as ISO 8601, in whole seconds.
pub(crate) fn iso_8601(time: SystemTime) -> String {
    let seconds = i64::try_from(epoch_seconds(time)).unwrap_or(i64::MAX);
    let date = aws_smithy_types::DateTime::from_secs(seconds);
    date.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap_or_default()
}

//! Reads two clocks: the monotonic clock stops while a machine sleeps, and an operator can set the wall clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::time::SharedTimeSource;

/// A moment on the monotonic and on the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    /// The time since `earlier`, by the clock that shows more: an expiry counts as soon as either clock reaches it.
    pub fn since(self, earlier: Self) -> Duration {
        let monotonic = self.monotonic.saturating_duration_since(earlier.monotonic);
        monotonic.max(self.wall.duration_since(earlier.wall).unwrap_or_default())
    }

    /// The moment `by` earlier. On the wall clock it may precede the machine's start, where the monotonic clock begins.
    pub(crate) fn earlier_by(self, by: Duration) -> Self {
        Self { monotonic: self.monotonic.checked_sub(by).unwrap_or(self.monotonic), wall: self.wall - by }
    }

    pub(crate) fn wall(self) -> SystemTime {
        self.wall
    }

    /// The later of two moments of this process.
    pub(crate) fn later(self, other: Self) -> Self {
        if other.monotonic >= self.monotonic { other } else { self }
    }

    /// Whether it was after `other`, a moment of this process.
    pub fn is_after(self, other: Self) -> bool {
        self.monotonic > other.monotonic
    }

    /// Seconds since 1970, as key records store them.
    pub fn unix_seconds(self) -> u32 {
        let since = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
    }
}

/// Tells the time: by Tokio's clock, which tests can pause, and by the SDK configuration's clock.
#[derive(Debug, Clone)]
pub struct Clock(SharedTimeSource);

impl Clock {
    pub fn new(wall: SharedTimeSource) -> Self {
        Self(wall)
    }

    pub fn now(&self) -> Moment {
        Moment { monotonic: Instant::now(), wall: self.0.now() }
    }
}

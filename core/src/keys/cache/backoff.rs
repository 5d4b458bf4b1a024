//! Randomness in time, so that a fleet does not ask at once.

use std::time::Duration;

use crate::crypto::{OsRandom, RandomSource};

/// Between nothing and `most`: full jitter.
pub fn up_to(most: Duration) -> Duration {
    let mut random = [0; 2];
    // Without randomness the latest moment is as good as any.
    if OsRandom.fill(&mut random).is_err() {
        return most;
    }
    most * u32::from(u16::from_be_bytes(random)) / u32::from(u16::MAX)
}

/// Between three quarters of `most` and `most`: what should be about so long, and not at once for a whole fleet.
pub(crate) fn about(most: Duration) -> Duration {
    most - up_to(most / 4)
}

/// Full jitter below `base` doubled `times` times, and below `cap`.
pub fn backoff(base: Duration, times: u32, cap: Duration) -> Duration {
    up_to(doubled(base, times, cap))
}

/// `base` doubled `times` times, and `cap` at most.
pub(crate) fn doubled(base: Duration, times: u32, cap: Duration) -> Duration {
    base.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(cap)
}

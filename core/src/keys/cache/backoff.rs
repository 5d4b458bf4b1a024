//! Jitter, so that a fleet does not call at the same moment.

use std::time::Duration;

use crate::crypto::{OsRandom, RandomSource};

/// Full jitter: between zero and `most`.
pub fn up_to(most: Duration) -> Duration {
    let mut random = [0; 2];
    // Without randomness the latest moment is as good as any other.
    if OsRandom.fill(&mut random).is_err() {
        return most;
    }
    most * u32::from(u16::from_be_bytes(random)) / u32::from(u16::MAX)
}

/// Between 3/4 of `most` and `most`: for a pause that should be about that long but differ across the fleet.
pub(crate) fn about(most: Duration) -> Duration {
    most - up_to(most / 4)
}

/// Full jitter up to `base` doubled `times` times, capped at `cap`.
pub fn backoff(base: Duration, times: u32, cap: Duration) -> Duration {
    up_to(double(base, times, cap))
}

/// `base` doubled `times` times, capped at `cap`.
pub(crate) fn double(base: Duration, times: u32, cap: Duration) -> Duration {
    base.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(cap)
}

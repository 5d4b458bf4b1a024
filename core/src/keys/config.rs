//! The configuration of fetching and caching data keys.

use std::time::Duration;

/// Limits for all tenants together, and for one tenant.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Data keys in memory.
    pub(crate) data_keys: u64,
    pub(crate) data_keys_per_tenant: usize,
    /// Calls to KMS and STS in flight.
    pub(crate) calls: usize,
    pub(crate) calls_per_tenant: usize,
}

/// How often, and when, a call that found KMS unavailable is repeated.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    pub attempts: u32,
    pub initial: Duration,
    pub most: Duration,
    /// For all attempts together.
    pub total: Duration,
    /// How long an attempt holds its global permit.
    pub turn: Duration,
}

impl Retries {
    /// At most `attempts` attempts of a call. The pauses between them are full jitter up to `initial`, doubled each
    /// time, and at most `most`. All attempts together take at most `total`, and each at most `attempt`.
    pub fn new(attempts: u32, initial: Duration, most: Duration, total: Duration, attempt: Duration) -> Self {
        Self { attempts, initial, most, total, turn: attempt / TURNS }
    }
}

/// As the AWS SDK: 3 attempts.
impl Default for Retries {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self::new(3, seconds(1), seconds(20), seconds(15), seconds(5))
    }
}

/// An attempt holds its global permit for 1/10 of its timeout, then gives it up, so that a hanging KMS cannot starve
/// other tenants. When all calls hang, up to 10 times the configured number are in flight.
const TURNS: u32 = 10;

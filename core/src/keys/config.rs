//! What is configured of fetching and keeping data keys.

use std::time::Duration;

/// What all tenants share, and what one may have of it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Data keys in memory.
    pub(crate) data_keys: u64,
    pub(crate) data_keys_per_tenant: usize,
    /// Calls to KMS and STS in flight.
    pub(crate) calls: usize,
    pub(crate) calls_per_tenant: usize,
}

/// How often a call is repeated that found KMS unavailable, and when.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    pub attempts: u32,
    pub initial: Duration,
    pub most: Duration,
    /// For all attempts together.
    pub total: Duration,
    /// How long an attempt keeps its turn among all calls in flight.
    pub turn: Duration,
}

impl Retries {
    /// So many attempts of a call at most, with full jitter below `initial`, doubled each time, and below `most` between them. All attempts
    /// together take no longer than `total`, and each no longer than `attempt`.
    pub fn new(attempts: u32, initial: Duration, most: Duration, total: Duration, attempt: Duration) -> Self {
        Self { attempts, initial, most, total, turn: attempt / TURNS }
    }
}

/// As the AWS SDK would: three attempts.
impl Default for Retries {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self::new(3, seconds(1), seconds(20), seconds(15), seconds(5))
    }
}

/// An attempt keeps its turn for one part in so many of the time that it may take. Then it hangs, and a tenant whose KMS hangs delays nobody
/// else. So when all hang, at most so many times the configured number of calls are in flight.
const TURNS: u32 = 10;

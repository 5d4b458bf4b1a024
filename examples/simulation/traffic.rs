//! The traffic of a fleet: which tenant requests what, and when. A seed makes it reproducible.

use std::f64::consts::TAU;
use std::time::Duration;

use fastrand::Rng;

/// The volume of traffic.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) tenants: u32,
    pub(crate) processes: u32,
    pub(crate) length: Duration,
    /// Visits of users; each is a number of requests.
    pub(crate) visits: u32,
    pub(crate) seed: u64,
}

/// The average number of requests per visit.
pub(crate) const REQUESTS_A_VISIT: f64 = 20.0;
/// The average time between two requests of a visit.
pub(crate) const BETWEEN_REQUESTS: Duration = Duration::from_secs(15);
/// One request in this many writes.
pub(crate) const REQUESTS_A_WRITE: u32 = 5;
/// The number of items that a read opens, if there are enough.
pub(crate) const ITEMS_A_READ: u32 = 5;

const DAY: f64 = 24.0 * 60.0 * 60.0;

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    /// The time since the start.
    pub(crate) at: Duration,
    pub(crate) tenant: u32,
    /// One item; otherwise a page of them is read.
    pub(crate) writes: bool,
    /// Decides which process serves it, and which items it reads.
    pub(crate) lot: u64,
}

impl Load {
    /// All requests, in their order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let mut rng = Rng::with_seed(self.seed);
        // The n-th tenant has 1/n of the first one's visits.
        let mut shares: Vec<f64> = Vec::new();
        for rank in 1..=self.tenants {
            shares.push(shares.last().copied().unwrap_or_default() + 1.0 / f64::from(rank));
        }
        let all = shares.last().copied().unwrap_or_default();
        let length = self.length.as_secs_f64();
        let mut requests = Vec::new();
        for _ in 0..self.visits {
            let lot = rng.f64() * all;
            let tenant = u32::try_from(shares.partition_point(|share| *share < lot)).unwrap_or(u32::MAX);
            let tenant = tenant.min(self.tenants - 1);
            let mut at = begins(&mut rng, length);
            while at < length {
                let (writes, lot) = (rng.u32(..REQUESTS_A_WRITE) == 0, rng.u64(..));
                requests.push(Request { at: Duration::from_secs_f64(at), tenant, writes, lot });
                if rng.f64() < 1.0 / REQUESTS_A_VISIT {
                    break;
                }
                at -= BETWEEN_REQUESTS.as_secs_f64() * (1.0 - rng.f64()).ln();
            }
        }
        requests.sort_by_key(|request| request.at);
        requests
    }
}

/// When a visit begins. The rate peaks at 14:00; at 02:00 it is 1/20 of the peak. On days 6 and 7 it is 3/10 as high.
fn begins(rng: &mut Rng, length: f64) -> f64 {
    loop {
        let at = rng.f64() * length;
        let of_day = 0.05 + 0.95 * (1.0 - (TAU * (at / DAY - 2.0 / 24.0)).cos()) / 2.0;
        let of_week = if (at / DAY) % 7.0 < 5.0 { 1.0 } else { 0.3 };
        if rng.f64() < of_day * of_week {
            return at;
        }
    }
}

//! Stored records that did not open: remembered for a while, and bounded in number.

use std::collections::HashMap;
use std::time::Duration;

use crate::keys::cache::clock::Moment;
use crate::keys::cache::token_bucket::TokenBucket;
use crate::keys::outcome::Unwrapping;

/// How long a record that did not open is refused without asking KMS again.
const REFUSED: Duration = Duration::from_secs(60);
/// How long, when it may be the tenant and not the record.
const DOUBTFUL: Duration = Duration::from_secs(1);
/// The most such records remembered for a tenant.
const CAPACITY: usize = 1_000;
/// So many records may fail at once, and so many a second.
const BURST: f64 = 100.0;
const PER_SECOND: f64 = 10.0;

#[derive(Debug)]
pub(crate) struct RejectedRecords {
    records: HashMap<(usize, [u8; 32]), (Unwrapping, Moment, Duration)>,
    allowance: TokenBucket,
}

impl RejectedRecords {
    pub(crate) fn new(now: Moment) -> Self {
        Self { records: HashMap::new(), allowance: TokenBucket::new(BURST, PER_SECOND, now) }
    }

    pub(crate) fn get(&self, record: &(usize, [u8; 32]), now: Moment) -> Option<Unwrapping> {
        let (what, at, keep) = self.records.get(record)?;
        (now.since(*at) < *keep).then(|| what.clone())
    }

    pub(crate) fn insert(&mut self, record: (usize, [u8; 32]), what: Unwrapping, now: Moment) {
        let keep = match &what {
            Unwrapping::Refused(_) => REFUSED,
            Unwrapping::Failed(error) if error.missing_alias().is_some() => REFUSED,
            Unwrapping::Failed(_) | Unwrapping::Unshared(_) => DOUBTFUL,
        };
        if self.records.len() >= CAPACITY {
            self.records.retain(|_, (_, at, keep)| now.since(*at) < *keep);
        }
        if self.records.len() < CAPACITY {
            self.records.insert(record, (what, now, keep));
        }
    }

    /// Whether one more record may be tried that nobody has verified.
    pub(crate) fn allow(&mut self, now: Moment) -> bool {
        self.allowance.take(now)
    }

    /// The record that was tried was not at fault.
    pub(crate) fn give_back(&mut self) {
        self.allowance.give_back();
    }
}

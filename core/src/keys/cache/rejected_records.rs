//! Remembers key records that did not unwrap, for a while and in bounded number.

use std::collections::HashMap;
use std::time::Duration;

use crate::keys::cache::clock::Moment;
use crate::keys::cache::token_bucket::TokenBucket;
use crate::keys::outcome::UnwrapError;

/// How long a rejected key record is refused without asking KMS again.
const REFUSED: Duration = Duration::from_secs(60);
/// How long, when the tenant may be the cause and not the record.
const DOUBTFUL: Duration = Duration::from_secs(1);
/// The most rejected key records remembered for a tenant.
const CAPACITY: usize = 1_000;
/// The burst of key records that may fail, and their rate per second.
const BURST: f64 = 100.0;
const PER_SECOND: f64 = 10.0;
/// The same of those that an application's callers name, as in page tokens: a part of the above.
const CALLERS_BURST: f64 = 20.0;
const CALLERS_PER_SECOND: f64 = 2.0;

#[derive(Debug)]
pub(crate) struct RejectedRecords {
    records: HashMap<(usize, [u8; 32]), (UnwrapError, Moment, Duration)>,
    allowance: TokenBucket,
    callers: TokenBucket,
}

impl RejectedRecords {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            records: HashMap::new(),
            allowance: TokenBucket::new(BURST, PER_SECOND, now),
            callers: TokenBucket::new(CALLERS_BURST, CALLERS_PER_SECOND, now),
        }
    }

    pub(crate) fn get(&self, record: &(usize, [u8; 32]), now: Moment) -> Option<UnwrapError> {
        let (what, at, keep) = self.records.get(record)?;
        (now.since(*at) < *keep).then(|| what.clone())
    }

    pub(crate) fn insert(&mut self, record: (usize, [u8; 32]), what: UnwrapError, now: Moment) {
        let keep = match &what {
            UnwrapError::Rejected(_) => REFUSED,
            UnwrapError::Service(error) if error.missing_alias().is_some() => REFUSED,
            UnwrapError::Service(_) | UnwrapError::Table(_) => DOUBTFUL,
        };
        if self.records.len() >= CAPACITY {
            self.records.retain(|_, (_, at, keep)| now.since(*at) < *keep);
        }
        if self.records.len() < CAPACITY {
            self.records.insert(record, (what, now, keep));
        }
    }

    /// Takes a token for trying one more unverified key record. Returns whether there was one.
    pub(crate) fn allow(&mut self, now: Moment) -> bool {
        self.allowance.take(now)
    }

    /// Takes a token for one more key record that a caller of the application names. Returns whether there was one.
    pub(crate) fn allow_caller(&mut self, now: Moment) -> bool {
        self.callers.take(now)
    }

    /// Returns the caller's token: the key record was genuine.
    pub(crate) fn refund_caller(&mut self) {
        self.callers.refund();
    }

    /// Returns the token: the key record was not at fault.
    pub(crate) fn refund(&mut self) {
        self.allowance.refund();
    }
}

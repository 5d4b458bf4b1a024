//! The calls that the stack received: counts, and a trail like CloudTrail's.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, mem,
    sync::{Mutex, PoisonError},
};

/// One of the services that the stack speaks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Service {
    /// The Key Management Service.
    Kms,
    /// The Security Token Service.
    Sts,
    /// The Simple Storage Service.
    #[cfg(feature = "s3")]
    S3,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kms => "kms",
            Self::Sts => "sts",
            #[cfg(feature = "s3")]
            Self::S3 => "s3",
        })
    }
}

/// A call as it arrives. A field is `None` or empty when the request does not carry it, or not legibly.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The service.
    pub service: Service,
    /// The operation, such as `Decrypt` or `AssumeRole`.
    pub operation: String,
    /// The Region that the call was signed for.
    pub region: String,
    /// The caller's ARN: that of a user or of a role's session. `None` when the credentials are unknown.
    pub principal: Option<String>,
    /// The session name: that of the calling session, or the one that AssumeRole requests.
    pub session_name: Option<String>,
    /// The key, as the request names it: a key id, an alias or an ARN. For ReEncrypt, it is the source key. For
    /// operations on aliases, it is the alias.
    pub key_id: Option<String>,
    /// The ARN of that key, or of the key that the ciphertext names. For AssumeRole, it is the role's ARN. For S3, it is
    /// that of the bucket or the object.
    pub resource: Option<String>,
    /// The encryption context. For ReEncrypt, it is that of the source.
    pub encryption_context: BTreeMap<String, String>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It has not ended yet.
    Pending,
    /// It was answered.
    Answered,
    /// It was answered with this error code.
    Refused(String),
    /// A fault or the client closed its connection.
    Dropped,
}

/// A call and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRecord {
    /// The call.
    pub call: Call,
    /// How it ended.
    pub outcome: Outcome,
}

/// Counts and records the calls to KMS, STS and S3, from the moment they arrive.
///
/// The counts are exact. Of the records, only the latest [`Calls::KEPT`] are kept.
#[derive(Debug, Default)]
pub struct Calls {
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    counts: BTreeMap<(Service, String), u64>,
    answered: BTreeMap<(String, BTreeMap<String, String>), u64>,
    records: VecDeque<CallRecord>,
    /// The sequence number of the first of `records`, counted from the start of the stack.
    first: u64,
    in_flight: usize,
    most_in_flight: usize,
}

/// A call in progress. Dropping it unanswered records that the client has gone away.
#[derive(Debug)]
pub(crate) struct Ongoing<'a> {
    calls: &'a Calls,
    number: u64,
    operation: String,
    encryption_context: BTreeMap<String, String>,
    outcome: Outcome,
}

impl Calls {
    /// The number of records that are kept.
    pub const KEPT: usize = 10_000;

    /// The number of calls, by service and operation.
    pub fn counts(&self) -> BTreeMap<(Service, String), u64> {
        self.lock().counts.clone()
    }

    /// The number of calls of this operation, of whichever service.
    pub fn count(&self, operation: &str) -> u64 {
        self.lock().counts.iter().filter(|((_, name), _)| name == operation).map(|(_, count)| count).sum()
    }

    /// The number of answered calls of this operation, by encryption context.
    pub fn answered(&self, operation: &str) -> BTreeMap<BTreeMap<String, String>, u64> {
        let log = self.lock();
        let of = log.answered.iter().filter(|((name, _), _)| name == operation);
        of.map(|((_, context), count)| (context.clone(), *count)).collect()
    }

    /// The maximum number of concurrent calls since the start or the last [`reset`](Self::reset).
    pub fn most_in_flight(&self) -> usize {
        self.lock().most_in_flight
    }

    /// The latest calls, in the order of their arrival.
    pub fn records(&self) -> Vec<CallRecord> {
        self.lock().records.iter().cloned().collect()
    }

    /// Forgets all counts and records.
    pub fn reset(&self) {
        let mut log = self.lock();
        log.counts.clear();
        log.answered.clear();
        log.first += log.records.len() as u64;
        log.records.clear();
        log.most_in_flight = log.in_flight;
    }

    pub(crate) fn begin(&self, call: Call) -> Ongoing<'_> {
        let mut log = self.lock();
        *log.counts.entry((call.service, call.operation.clone())).or_default() += 1;
        log.in_flight += 1;
        log.most_in_flight = log.most_in_flight.max(log.in_flight);
        if log.records.len() == Self::KEPT {
            log.records.pop_front();
            log.first += 1;
        }
        let (operation, encryption_context) = (call.operation.clone(), call.encryption_context.clone());
        log.records.push_back(CallRecord { call, outcome: Outcome::Pending });
        let number = log.first + log.records.len() as u64 - 1;
        Ongoing { calls: self, number, operation, encryption_context, outcome: Outcome::Dropped }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ongoing<'_> {
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Ongoing<'_> {
    fn drop(&mut self) {
        let mut log = self.calls.lock();
        log.in_flight -= 1;
        if self.outcome == Outcome::Answered {
            let what = (mem::take(&mut self.operation), mem::take(&mut self.encryption_context));
            *log.answered.entry(what).or_default() += 1;
        }
        // Meanwhile the record may have been reset or pushed out.
        let index = self.number.checked_sub(log.first).and_then(|index| usize::try_from(index).ok());
        if let Some(record) = index.and_then(|index| log.records.get_mut(index)) {
            record.outcome = mem::replace(&mut self.outcome, Outcome::Dropped);
        }
    }
}

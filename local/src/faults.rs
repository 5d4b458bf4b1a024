//! Delays calls, or makes them fail.

use std::{
    borrow::Cow,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{calls::Call, refusal::Refusal};

/// The faults that the stack injects into calls to KMS and STS, and to S3 where the stack serves it.
///
/// A call meets every fault that matches it, in the order in which they were added, until one of them ends it.
///
/// ```no_run
/// # async fn example(stack: tenantseal_local::Stack) {
/// use std::time::Duration;
///
/// stack.faults().on("AssumeRole").delay(Duration::from_millis(200));
/// stack.faults().on("Decrypt").times(2).fail("ThrottlingException", 400);
/// stack.faults().on("AssumeRole").beyond(600).fail("Throttling", 400);
/// stack.faults().on("*").in_region("eu-central-1").disconnect();
/// stack.faults().on("GenerateDataKey").when(|call| call.key_id.as_deref() == Some("alias/customer-a")).hang();
/// # }
/// ```
#[derive(Debug)]
pub struct Faults {
    faults: Mutex<Vec<Fault>>,
    /// Changes when the faults are cleared, which releases hanging calls.
    cleared: watch::Sender<()>,
}

/// Builds a fault; see [`Faults::on`]. It takes effect with [`delay`](Self::delay), [`fail`](Self::fail),
/// [`hang`](Self::hang), [`disconnect`](Self::disconnect), [`lose_answer`](Self::lose_answer) or
/// [`cut_answer`](Self::cut_answer).
#[derive(Debug)]
#[must_use = "a fault takes effect when it is told what to do"]
pub struct FaultBuilder<'a> {
    faults: &'a Faults,
    matching: Matching,
}

#[derive(Debug)]
struct Fault {
    matching: Matching,
    effect: Effect,
}

type Predicate = Box<dyn Fn(&Call) -> bool + Send + Sync>;

struct Matching {
    operation: String,
    region: Option<String>,
    predicate: Option<Predicate>,
    left: Option<usize>,
    quota: Option<Quota>,
}

/// The calls that pass: a token bucket with a capacity of 1 second's calls.
#[derive(Debug)]
struct Quota {
    per_second: f64,
    left: f64,
    at: Instant,
}

/// What a fault does to a call.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Delay(Duration),
    Fail(Refusal),
    Hang,
    Disconnect,
    /// Serves the call, and breaks off the answer after so many bytes of its body; before its head, if none.
    CutAnswer(usize),
}

impl Default for Faults {
    fn default() -> Self {
        Self { faults: Mutex::default(), cleared: watch::Sender::new(()) }
    }
}

impl Faults {
    /// Starts to build a fault of an operation, such as `Decrypt`, `GenerateDataKey` or `AssumeRole`. `*` matches every
    /// operation.
    pub fn on(&self, operation: impl Into<String>) -> FaultBuilder<'_> {
        let matching = Matching { operation: operation.into(), region: None, predicate: None, left: None, quota: None };
        FaultBuilder { faults: self, matching }
    }

    /// Removes all faults. Calls that hang go on as if nothing had happened.
    pub fn clear(&self) {
        self.lock().clear();
        self.cleared.send_replace(());
    }

    /// The effects that this call meets. Uses up faults that are limited in number.
    pub(crate) fn meet(&self, call: &Call) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut faults = self.lock();
        for fault in faults.iter_mut() {
            if !fault.matching.takes(call) {
                continue;
            }
            effects.push(fault.effect.clone());
            if matches!(fault.effect, Effect::Fail(_) | Effect::Disconnect) {
                break;
            }
        }
        faults.retain(|fault| fault.matching.left != Some(0));
        effects
    }

    /// Resolves when the faults are cleared after this call. Subscribe before [`meet`](Self::meet), or a clearing in
    /// between may be missed.
    pub(crate) fn watch_clearing(&self) -> watch::Receiver<()> {
        self.cleared.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultBuilder<'_> {
    /// Limits the fault to calls that match the predicate, such as those of one tenant. The predicate must not call the
    /// stack.
    pub fn when(mut self, predicate: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.matching.predicate = Some(Box::new(predicate));
        self
    }

    /// Limits the fault to calls that are signed for this Region. With `*` as the operation, the Region is down.
    pub fn in_region(mut self, region: impl Into<String>) -> Self {
        self.matching.region = Some(region.into());
        self
    }

    /// Limits the fault to the next `calls` calls.
    pub fn times(mut self, calls: usize) -> Self {
        self.matching.left = Some(calls);
        self
    }

    /// Limits the fault to calls beyond this rate per second. As at AWS, a token bucket with a capacity of 1 second's
    /// calls decides.
    pub fn beyond(mut self, per_second: u32) -> Self {
        let per_second = per_second.into();
        self.matching.quota = Some(Quota { per_second, left: per_second, at: Instant::now() });
        self
    }

    /// Serves the calls later.
    pub fn delay(self, by: Duration) {
        self.add(Effect::Delay(by));
    }

    /// Answers the calls with this error code and HTTP status, instead of serving them.
    pub fn fail(self, code: impl Into<String>, status: u16) {
        self.fail_saying(code, status, "injected by the local stack");
    }

    /// The same with AWS's message, which for some errors says more than the code.
    pub fn fail_saying(self, code: impl Into<String>, status: u16, message: impl Into<String>) {
        self.add(Effect::Fail(Refusal { code: Cow::Owned(code.into()), status, message: message.into() }));
    }

    /// Leaves the calls unanswered until the faults are [cleared](Faults::clear), and then serves them.
    pub fn hang(self) {
        self.add(Effect::Hang);
    }

    /// Does not serve the calls, and breaks off their connections within the answer.
    pub fn disconnect(self) {
        self.add(Effect::Disconnect);
    }

    /// Serves the calls, and breaks off their connections before the answer: what was asked for has happened, and the
    /// client does not learn it.
    pub fn lose_answer(self) {
        self.add(Effect::CutAnswer(0));
    }

    /// Serves the calls, and breaks off their connections after so many bytes of the answer's body.
    pub fn cut_answer(self, after: usize) {
        self.add(Effect::CutAnswer(after));
    }

    fn add(self, effect: Effect) {
        let Self { faults, matching } = self;
        faults.lock().push(Fault { matching, effect });
    }
}

impl Matching {
    fn takes(&mut self, call: &Call) -> bool {
        let means = self.left != Some(0)
            && (self.operation == "*" || self.operation == call.operation)
            && self.region.as_ref().is_none_or(|region| *region == call.region)
            && self.predicate.as_ref().is_none_or(|predicate| predicate(call))
            && self.quota.as_mut().is_none_or(|quota| !quota.take());
        if means && let Some(left) = &mut self.left {
            *left -= 1;
        }
        means
    }
}

impl Quota {
    fn take(&mut self) -> bool {
        let now = Instant::now();
        let regained = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + regained).min(self.per_second);
        self.at = now;
        let goes_through = self.left >= 1.0;
        if goes_through {
            self.left -= 1.0;
        }
        goes_through
    }
}

impl fmt::Debug for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matching").field("operation", &self.operation).field("left", &self.left).finish_non_exhaustive()
    }
}

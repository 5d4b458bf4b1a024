//! Making calls late, or making them fail.

use std::{
    borrow::Cow,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{calls::Call, refusal::Refusal};

/// The faults that the stack injects into calls to KMS and STS.
///
/// A call meets every fault that means it, in the order in which they were added, until one of them ends it.
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
    /// Changes when the faults are cleared, which lets hanging calls go on.
    cleared: watch::Sender<()>,
}

/// A fault being described; see [`Faults::on`]. It takes effect with [`delay`](Self::delay), [`fail`](Self::fail),
/// [`hang`](Self::hang) or [`disconnect`](Self::disconnect).
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

/// Calls that go through: as many at once as in a second.
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
}

impl Default for Faults {
    fn default() -> Self {
        Self { faults: Mutex::default(), cleared: watch::Sender::new(()) }
    }
}

impl Faults {
    /// Begins to describe a fault of an operation, such as `Decrypt`, `GenerateDataKey` or `AssumeRole`; `*` is every one.
    pub fn on(&self, operation: impl Into<String>) -> FaultBuilder<'_> {
        let matching = Matching { operation: operation.into(), region: None, predicate: None, left: None, quota: None };
        FaultBuilder { faults: self, matching }
    }

    /// Removes all faults. Calls that hang go on as if nothing had happened.
    pub fn clear(&self) {
        self.lock().clear();
        self.cleared.send_replace(());
    }

    /// What this call meets. Uses up faults that are limited in number.
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

    /// Resolves when the faults are cleared after this call. Subscribe before [`meet`](Self::meet), or a clearing may
    /// slip between.
    pub(crate) fn watch_clearing(&self) -> watch::Receiver<()> {
        self.cleared.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultBuilder<'_> {
    /// Only calls for which this holds: of one tenant, say. It must not call the stack.
    pub fn when(mut self, predicate: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.matching.predicate = Some(Box::new(predicate));
        self
    }

    /// Only calls that are signed for this Region: with `*`, the Region is out.
    pub fn in_region(mut self, region: impl Into<String>) -> Self {
        self.matching.region = Some(region.into());
        self
    }

    /// Only the next so many calls.
    pub fn times(mut self, calls: usize) -> Self {
        self.matching.left = Some(calls);
        self
    }

    /// Only calls beyond this many a second: of a token bucket that holds as many, as those of AWS do.
    pub fn beyond(mut self, per_second: u32) -> Self {
        let per_second = per_second.into();
        self.matching.quota = Some(Quota { per_second, left: per_second, at: Instant::now() });
        self
    }

    /// The calls are served, but later.
    pub fn delay(self, by: Duration) {
        self.add(Effect::Delay(by));
    }

    /// The calls are not served, but answered with this error code and HTTP status.
    pub fn fail(self, code: impl Into<String>, status: u16) {
        self.fail_saying(code, status, "injected by the local stack");
    }

    /// The same with AWS's message, which says more than the code of some errors.
    pub fn fail_saying(self, code: impl Into<String>, status: u16, message: impl Into<String>) {
        self.add(Effect::Fail(Refusal { code: Cow::Owned(code.into()), status, message: message.into() }));
    }

    /// The calls are not answered until the faults are [cleared](Faults::clear); then they are served.
    pub fn hang(self) {
        self.add(Effect::Hang);
    }

    /// The calls are not served, and their connections break off within the answer.
    pub fn disconnect(self) {
        self.add(Effect::Disconnect);
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

//! Single flight: callers that need the same work share one run of it.
//!
//! The waiting callers drive the work. When the last one gives up, a task on its runtime drives the work on, within
//! bounds, so that an impatient caller's work still serves the next caller. The result is dropped with the last waiter,
//! at once: data keys do not linger here.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::{FutureExt, Shared, WeakShared};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

#[cfg(test)]
mod tests;

/// How long detached work may run: twice what a call of KMS and its retries take by default.
const MAX_DETACHED_TIME: Duration = Duration::from_secs(30);

/// Limits detached work: work that goes on although no caller waits for it.
#[derive(Debug, Clone)]
pub struct DetachedLimit {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

impl DetachedLimit {
    /// At most this much at a time.
    pub fn new(most: usize) -> Self {
        let all = Arc::new(Semaphore::new(most));
        Self { own: Arc::clone(&all), all }
    }

    /// A share of this limit: at most `most`, within the same total.
    pub(crate) fn share(&self, most: usize) -> Self {
        Self { own: Arc::new(Semaphore::new(most)), all: Arc::clone(&self.all) }
    }

    fn take(&self) -> Option<[Option<OwnedSemaphorePermit>; 2]> {
        let all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        if Arc::ptr_eq(&self.all, &self.own) {
            return Some([Some(all), None]);
        }
        let own = Arc::clone(&self.own).try_acquire_owned().ok()?;
        Some([Some(all), Some(own)])
    }
}

/// Work in flight, by key.
#[derive(Debug)]
pub struct SingleFlight<K, V> {
    in_flight: Arc<Mutex<InFlight<K, V>>>,
    limit: DetachedLimit,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Debug)]
struct InFlight<K, V> {
    entries: HashMap<K, Entry<V>>,
    next: u64,
}

#[derive(Debug)]
struct Entry<V> {
    number: u64,
    work: WeakShared<Work>,
    waiters: Arc<Mutex<Waiters<V>>>,
}

/// The waiters of one piece of work, and its result.
#[derive(Debug)]
struct Waiters<V> {
    waiting: usize,
    /// Whether a detached task drives the work.
    detached: bool,
    done: bool,
    /// `None` when nobody waits.
    result: Option<V>,
}

impl<K, V> SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    pub fn new(limit: DetachedLimit) -> Self {
        Self { in_flight: Arc::new(Mutex::new(InFlight { entries: HashMap::new(), next: 0 })), limit }
    }

    /// Joins the work in flight for `key`, or starts `body`, which must not panic.
    pub fn run<F>(&self, key: K, body: impl FnOnce(Registration<K, V>) -> F) -> Waiter<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut in_flight = lock(&self.in_flight);
        if let Some(Entry { work, waiters, .. }) = in_flight.entries.get(&key)
            && let Some(work) = work.upgrade()
            && lock(waiters).join()
        {
            return Waiter::new(work, Arc::clone(waiters), &self.limit);
        }
        let number = in_flight.next;
        in_flight.next += 1;
        let registration = || Registration { in_flight: Arc::downgrade(&self.in_flight), key: key.clone(), number };
        let (deregister, body) = (Deregister(registration()), body(registration()));
        let waiters = Arc::new(Mutex::new(Waiters { waiting: 1, detached: false, done: false, result: None }));
        let work: Work = Box::pin({
            let waiters = Arc::clone(&waiters);
            async move {
                let _deregister = deregister;
                let result = body.await;
                lock(&waiters).complete(result);
            }
        });
        let work = work.shared();
        if let Some(weak) = work.downgrade() {
            in_flight.entries.insert(key, Entry { number, work: weak, waiters: Arc::clone(&waiters) });
        }
        Waiter::new(work, waiters, &self.limit)
    }

    /// Lets no more callers join the work in flight for `key`: its waiters go on waiting, and the next caller starts
    /// anew.
    pub fn abandon(&self, key: &K) {
        lock(&self.in_flight).entries.remove(key);
    }
}

impl<V> Waiters<V> {
    /// Adds a waiter, unless the work is done.
    fn join(&mut self) -> bool {
        self.waiting += usize::from(!self.done);
        !self.done
    }

    fn complete(&mut self, result: V) {
        self.done = true;
        self.result = (self.waiting > 0).then_some(result);
    }

    /// Removes a waiter. Returns a result that nobody needs any more, and whether the work is now abandoned.
    fn leave(&mut self) -> (Option<V>, bool) {
        self.waiting -= 1;
        let is_abandoned = self.waiting == 0 && !self.done && !self.detached;
        self.detached |= is_abandoned;
        (if self.waiting == 0 { self.result.take() } else { None }, is_abandoned)
    }
}

/// Waits for one piece of work.
pub struct Waiter<V> {
    work: Shared<Work>,
    waiters: Arc<Mutex<Waiters<V>>>,
    limit: DetachedLimit,
    /// The runtime that drives the work on when nobody waits.
    runtime: Option<Handle>,
}

impl<V> Waiter<V> {
    fn new(work: Shared<Work>, waiters: Arc<Mutex<Waiters<V>>>, limit: &DetachedLimit) -> Self {
        Self { work, waiters, limit: limit.clone(), runtime: Handle::try_current().ok() }
    }
}

impl<V: Clone> Future for Waiter<V> {
    type Output = V;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<V> {
        ready!(self.work.poll_unpin(context));
        let result = lock(&self.waiters).result.clone();
        Poll::Ready(result.expect("the result is there while somebody waits"))
    }
}

impl<V> Drop for Waiter<V> {
    fn drop(&mut self) {
        let (_unneeded, is_abandoned) = lock(&self.waiters).leave();
        if !is_abandoned {
            return;
        }
        let work = self.work.clone();
        match (&self.runtime, self.limit.take()) {
            (Some(runtime), Some(limit)) => {
                let driving = async move {
                    let _permits = limit;
                    // The waiters get the result.
                    let _ = tokio::time::timeout(MAX_DETACHED_TIME, work).await;
                };
                runtime.spawn(driving.in_current_span());
            }
            // The work ends here, unless a caller joins it at this moment.
            _ => lock(&self.waiters).detached = false,
        }
    }
}

/// The entry of one piece of work among those in flight.
pub struct Registration<K, V> {
    in_flight: Weak<Mutex<InFlight<K, V>>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, V> Registration<K, V> {
    /// Whether a new caller would still join this work.
    pub fn is_current(&self) -> bool {
        self.in_flight.upgrade().is_some_and(|in_flight| self.holds_entry(&lock(&in_flight)))
    }

    fn holds_entry(&self, in_flight: &InFlight<K, V>) -> bool {
        in_flight.entries.get(&self.key).is_some_and(|entry| entry.number == self.number)
    }
}

/// Removes the entry when the work is done, or when nobody drives it any more.
struct Deregister<K: Eq + Hash, V>(Registration<K, V>);

impl<K: Eq + Hash, V> Drop for Deregister<K, V> {
    fn drop(&mut self) {
        let Self(registration) = self;
        if let Some(in_flight) = registration.in_flight.upgrade() {
            let mut in_flight = lock(&in_flight);
            if registration.holds_entry(&in_flight) {
                in_flight.entries.remove(&registration.key);
            }
        }
    }
}

/// A panic leaves nothing half-changed here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<V> fmt::Debug for Waiter<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiter(..)")
    }
}

impl<K, V> fmt::Debug for Registration<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({})", self.number)
    }
}

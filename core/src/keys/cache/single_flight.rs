//! Single flight: work under way that others can join, by what it is for.
//!
//! Whoever waits drives the work. When the last one goes away, a task of its runtime drives it on, within bounds: so what was begun for
//! somebody with little patience is there for who comes next. What it brings is dropped with the last who waited, at once: data keys do not
//! linger here.

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

/// For so long work goes on for which nobody waits: twice what a call of KMS and its repetitions may take, unless configured otherwise.
const LIMIT: Duration = Duration::from_secs(30);

/// How much work may go on for which nobody waits.
#[derive(Debug, Clone)]
pub struct Allowance {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

impl Allowance {
    /// So much at a time.
    pub fn new(most: usize) -> Self {
        let all = Arc::new(Semaphore::new(most));
        Self { own: Arc::clone(&all), all }
    }

    /// So much of it and no more.
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

/// Work under way.
#[derive(Debug)]
pub struct SingleFlight<K, V> {
    airborne: Arc<Mutex<Airborne<K, V>>>,
    allowance: Allowance,
}

type Flying = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Debug)]
struct Airborne<K, V> {
    flights: HashMap<K, Listed<V>>,
    next: u64,
}

#[derive(Debug)]
struct Listed<V> {
    number: u64,
    flying: WeakShared<Flying>,
    seats: Arc<Mutex<Seats<V>>>,
}

/// Who waits for a piece of work, and what it has brought them.
#[derive(Debug)]
struct Seats<V> {
    waiting: usize,
    /// Whether a task drives it because nobody waited.
    driven: bool,
    landed: bool,
    /// Nothing when nobody waits.
    brought: Option<V>,
}

impl<K, V> SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    pub fn new(allowance: Allowance) -> Self {
        Self { airborne: Arc::new(Mutex::new(Airborne { flights: HashMap::new(), next: 0 })), allowance }
    }

    /// Joins what is under way for `key`, or starts `body`, which must not panic.
    pub fn run<F>(&self, key: K, body: impl FnOnce(Listing<K, V>) -> F) -> Waiter<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut airborne = lock(&self.airborne);
        if let Some(Listed { flying, seats, .. }) = airborne.flights.get(&key)
            && let Some(flying) = flying.upgrade()
            && lock(seats).join()
        {
            return Waiter::new(flying, Arc::clone(seats), &self.allowance);
        }
        let number = airborne.next;
        airborne.next += 1;
        let listing = || Listing { airborne: Arc::downgrade(&self.airborne), key: key.clone(), number };
        let (landing, body) = (Landing(listing()), body(listing()));
        let seats = Arc::new(Mutex::new(Seats { waiting: 1, driven: false, landed: false, brought: None }));
        let flying: Flying = Box::pin({
            let seats = Arc::clone(&seats);
            async move {
                let _landing = landing;
                let brought = body.await;
                lock(&seats).land(brought);
            }
        });
        let flying = flying.shared();
        if let Some(weak) = flying.downgrade() {
            airborne.flights.insert(key, Listed { number, flying: weak, seats: Arc::clone(&seats) });
        }
        Waiter::new(flying, seats, &self.allowance)
    }

    /// Lets nobody join what is under way for `key` any more: whoever waits for it goes on waiting, and whoever asks next starts anew.
    pub fn abandon(&self, key: &K) {
        lock(&self.airborne).flights.remove(key);
    }
}

impl<V> Seats<V> {
    /// One more waits, unless it is too late for that.
    fn join(&mut self) -> bool {
        self.waiting += usize::from(!self.landed);
        !self.landed
    }

    fn land(&mut self, brought: V) {
        self.landed = true;
        self.brought = (self.waiting > 0).then_some(brought);
    }

    /// One waits no longer. Gives what nobody needs any more, and whether the work is left to itself.
    fn leave(&mut self) -> (Option<V>, bool) {
        self.waiting -= 1;
        let is_left = self.waiting == 0 && !self.landed && !self.driven;
        self.driven |= is_left;
        (if self.waiting == 0 { self.brought.take() } else { None }, is_left)
    }
}

/// Waits for a piece of work.
pub struct Waiter<V> {
    flying: Shared<Flying>,
    seats: Arc<Mutex<Seats<V>>>,
    allowance: Allowance,
    /// Where it goes on when nobody waits.
    runtime: Option<Handle>,
}

impl<V> Waiter<V> {
    fn new(flying: Shared<Flying>, seats: Arc<Mutex<Seats<V>>>, allowance: &Allowance) -> Self {
        Self { flying, seats, allowance: allowance.clone(), runtime: Handle::try_current().ok() }
    }
}

impl<V: Clone> Future for Waiter<V> {
    type Output = V;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<V> {
        ready!(self.flying.poll_unpin(context));
        let brought = lock(&self.seats).brought.clone();
        Poll::Ready(brought.expect("who waits when the work is done is brought what it came to"))
    }
}

impl<V> Drop for Waiter<V> {
    fn drop(&mut self) {
        let (_unneeded, is_left) = lock(&self.seats).leave();
        if !is_left {
            return;
        }
        let flying = self.flying.clone();
        match (&self.runtime, self.allowance.take()) {
            (Some(runtime), Some(allowance)) => {
                let driving = async move {
                    let _allowance = allowance;
                    // The result is with those who wait.
                    let _ = tokio::time::timeout(LIMIT, flying).await;
                };
                runtime.spawn(driving.in_current_span());
            }
            // It ends here, unless somebody joins it at this moment.
            _ => lock(&self.seats).driven = false,
        }
    }
}

/// Where a piece of work is listed.
pub struct Listing<K, V> {
    airborne: Weak<Mutex<Airborne<K, V>>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, V> Listing<K, V> {
    /// Whether who asks now would still join it.
    pub fn is_current(&self) -> bool {
        self.airborne.upgrade().is_some_and(|airborne| self.is_listed(&lock(&airborne)))
    }

    fn is_listed(&self, airborne: &Airborne<K, V>) -> bool {
        airborne.flights.get(&self.key).is_some_and(|listed| listed.number == self.number)
    }
}

/// Takes a piece of work off the list when it is done, or nobody drives it any more.
struct Landing<K: Eq + Hash, V>(Listing<K, V>);

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let Self(listing) = self;
        if let Some(airborne) = listing.airborne.upgrade() {
            let mut airborne = lock(&airborne);
            if listing.is_listed(&airborne) {
                airborne.flights.remove(&listing.key);
            }
        }
    }
}

/// Nothing in here is half done when someone panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<V> fmt::Debug for Waiter<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiter(..)")
    }
}

impl<K, V> fmt::Debug for Listing<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listing({})", self.number)
    }
}

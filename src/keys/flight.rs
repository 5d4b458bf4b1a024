//! Single flight: who asks for the same thing at the same time waits for one answer.
//!
//! Whoever waits drives the flight, so it goes on when the first caller goes away, and ends when the last one does. What it brought
//! is dropped with the last who waited, at once: data keys do not linger here.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};

use super::tenant::TenantKeys;
use super::{KeyError, KeyServiceError, KeyServiceErrorKind, KeyTableError};
use crate::item::{OpenFault, UnwrappedKey};

/// What is on its way for a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Flight {
    /// The key that seals, made or asked for again.
    Sealing,
    /// The key with which the whole fleet seals.
    Agreement,
    /// A lease, by its id.
    Lease(u64),
    /// The key of a stored record that is not known yet: its context, and the SHA-256 of the whole record, so that a forged one
    /// fails alone.
    Record(usize, [u8; 32]),
}

/// What a flight brings.
pub(super) type Brought = Result<Arc<UnwrappedKey>, Unwrapping>;

/// Why a data key was not unwrapped.
#[derive(Debug, Clone)]
pub(super) enum Unwrapping {
    /// The key service did not answer, or not with a key.
    Failed(KeyServiceError),
    /// The record does not open, and will not: it says so of itself alone.
    Refused(OpenFault),
    /// The key table did not answer, or not with a key of the fleet.
    Unshared(KeyTableError),
}

impl From<KeyError> for Unwrapping {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Service(error) => Self::Failed(error),
            KeyError::Table(error) => Self::Unshared(error),
        }
    }
}

/// The flights of one tenant.
pub(super) type Flights = Shares<Flight, Brought>;

impl Flights {
    /// Joins the flight that is under way, or starts `body`.
    pub(super) fn join<F>(keys: &Arc<TenantKeys>, flight: Flight, body: impl FnOnce() -> F) -> Shared<Flying<Brought>>
    where
        F: Future<Output = Brought> + Send + 'static,
    {
        keys.flights.share(flight, || {
            let tenant = keys.tenant.clone();
            // A panic in a key service ends this flight and nothing else.
            AssertUnwindSafe(body()).catch_unwind().map(move |brought| {
                brought.unwrap_or_else(|_| {
                    let error = KeyServiceError::new(&tenant, "KeyService", KeyServiceErrorKind::Unexpected);
                    Err(Unwrapping::Failed(error.with_source(Panicked)))
                })
            })
        })
    }
}

/// Work under way that others can join, by what it is for.
#[derive(Debug)]
pub(super) struct Shares<K, V>(Arc<Mutex<Airborne<K, V>>>);

pub(super) type Flying<V> = Pin<Box<dyn Future<Output = V> + Send>>;

#[derive(Debug)]
struct Airborne<K, V> {
    flights: HashMap<K, (u64, WeakShared<Flying<V>>)>,
    next: u64,
}

impl<K, V> Shares<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins what is under way for `key`, or starts `body`, which must not panic.
    pub(super) fn share<F>(&self, key: K, body: impl FnOnce() -> F) -> Shared<Flying<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut airborne = lock(&self.0);
        if let Some((_, under_way)) = airborne.flights.get(&key)
            && let Some(under_way) = under_way.upgrade()
            && under_way.peek().is_none()
        {
            return under_way;
        }
        let number = airborne.next;
        airborne.next += 1;
        let landing = Landing { airborne: Arc::downgrade(&self.0), key: key.clone(), number };
        let body = body();
        let flying: Flying<V> = Box::pin(async move {
            let _landing = landing;
            body.await
        });
        let flying = flying.shared();
        if let Some(weak) = flying.downgrade() {
            airborne.flights.insert(key, (number, weak));
        }
        flying
    }

    /// Lets nobody join what is under way for `key` any more: whoever waits for it goes on waiting, and whoever asks next starts anew.
    pub(super) fn abandon(&self, key: &K) {
        lock(&self.0).flights.remove(key);
    }
}

impl<K, V> Default for Shares<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Airborne { flights: HashMap::new(), next: 0 })))
    }
}

/// Nothing in here is half done when someone panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key service panicked.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the key service panicked")]
struct Panicked;

/// Takes a flight off the list when it ends or nobody waits for it any more.
struct Landing<K: Eq + Hash, V: Clone> {
    airborne: Weak<Mutex<Airborne<K, V>>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, V: Clone> Drop for Landing<K, V> {
    fn drop(&mut self) {
        if let Some(airborne) = self.airborne.upgrade() {
            let mut airborne = lock(&airborne);
            if airborne.flights.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
                airborne.flights.remove(&self.key);
            }
        }
    }
}

//! Single flight: who asks for the same thing at the same time waits for one answer.
//!
//! Whoever waits drives the flight, so it goes on when the first caller goes away, and ends when the last one does. What it brought
//! is dropped with the last who waited, at once: data keys do not linger here.

use std::collections::HashMap;
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
type Flying = Pin<Box<dyn Future<Output = Brought> + Send>>;

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
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<Airborne>);

#[derive(Debug, Default)]
struct Airborne {
    flights: HashMap<Flight, (u64, WeakShared<Flying>)>,
    next: u64,
}

impl Flights {
    /// Joins the flight that is under way, or starts `body`.
    pub(super) fn join<F>(keys: &Arc<TenantKeys>, flight: Flight, body: impl FnOnce() -> F) -> Shared<Flying>
    where
        F: Future<Output = Brought> + Send + 'static,
    {
        let mut airborne = keys.flights.lock();
        if let Some((_, under_way)) = airborne.flights.get(&flight)
            && let Some(under_way) = under_way.upgrade()
            && under_way.peek().is_none()
        {
            return under_way;
        }
        let number = airborne.next;
        airborne.next += 1;
        let landing = Landing { keys: Arc::downgrade(keys), flight, number };
        let body = body();
        let tenant = keys.tenant.clone();
        let flying: Flying = Box::pin(async move {
            let _landing = landing;
            // A panic in a key service ends this flight and nothing else.
            AssertUnwindSafe(body).catch_unwind().await.unwrap_or_else(|_| {
                let error = KeyServiceError::new(&tenant, "KeyService", KeyServiceErrorKind::Unexpected);
                Err(Unwrapping::Failed(error.with_source(Panicked)))
            })
        });
        let flying = flying.shared();
        if let Some(weak) = flying.downgrade() {
            airborne.flights.insert(flight, (number, weak));
        }
        flying
    }

    fn lock(&self) -> MutexGuard<'_, Airborne> {
        // Nothing in here is half done when someone panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key service panicked.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the key service panicked")]
struct Panicked;

/// Takes a flight off the list when it ends or nobody waits for it any more.
struct Landing {
    keys: Weak<TenantKeys>,
    flight: Flight,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        if let Some(keys) = self.keys.upgrade() {
            let mut airborne = keys.flights.lock();
            if airborne.flights.get(&self.flight).is_some_and(|(number, _)| *number == self.number) {
                airborne.flights.remove(&self.flight);
            }
        }
    }
}

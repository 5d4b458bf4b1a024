//! The flights of a tenant: who asks for the same data key at the same time waits for one answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::envelope::VerifiedDataKey;
use crate::keys::cache::single_flight::{SingleFlight, Waiter};
use crate::keys::outcome::Unwrapping;
use crate::keys::{KeyServiceError, KeyServiceErrorKind};
use crate::tenant::TenantId;

/// What is on its way for a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flight {
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
pub(crate) type Brought = Result<Arc<VerifiedDataKey>, Unwrapping>;

/// The flights of one tenant.
pub(crate) type Flights = SingleFlight<Flight, Brought>;

impl Flights {
    /// Joins the flight that is under way, or starts `body`.
    pub fn join<F>(&self, tenant: &TenantId, flight: Flight, body: impl FnOnce() -> F) -> Waiter<Brought>
    where
        F: Future<Output = Brought> + Send + 'static,
    {
        self.run(flight, |_| {
            let tenant = tenant.clone();
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

/// The key service panicked.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the key service panicked")]
struct Panicked;

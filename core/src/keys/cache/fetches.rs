//! A tenant's fetches in flight: concurrent callers that need the same data key share one.

use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::envelope::VerifiedDataKey;
use crate::keys::cache::lookup_key::TenantLookupKey;
use crate::keys::cache::single_flight::{SingleFlight, Waiter};
use crate::keys::outcome::UnwrapError;
use crate::keys::{KeyServiceError, KeyServiceErrorKind};
use crate::tenant::TenantId;

/// What a fetch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum KeyFetch {
    /// The sealing key: made, or revalidated.
    SealingKey,
    /// The sealing key that the whole fleet shares.
    FleetKey,
    /// The renewal of a lease, by its id.
    Lease(u64),
    /// The data key of an unverified key record: the context's index, and the SHA-256 of the whole record, so that a
    /// forged record fails alone.
    Record(usize, [u8; 32]),
}

/// The result of a fetch.
pub(crate) type FetchResult = Result<Arc<VerifiedDataKey>, UnwrapError>;

/// The fetches in flight of one tenant.
pub(crate) type KeyFetches = SingleFlight<KeyFetch, FetchResult>;

/// The fetches in flight of one tenant's lookup keys, by their numbers.
pub(crate) type LookupKeyFetches = SingleFlight<u16, LookupKeyResult>;

/// The result of fetching a lookup key.
pub(crate) type LookupKeyResult = Result<Arc<TenantLookupKey>, UnwrapError>;

impl<K, T> SingleFlight<K, Result<T, UnwrapError>>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + 'static,
{
    /// Joins the fetch in flight, or starts `body`.
    pub fn join<F>(&self, tenant: &TenantId, fetch: K, body: impl FnOnce() -> F) -> Waiter<Result<T, UnwrapError>>
    where
        F: Future<Output = Result<T, UnwrapError>> + Send + 'static,
    {
        self.run(fetch, |_| {
            let tenant = tenant.clone();
            // A panic in a key service ends this fetch and nothing else.
            AssertUnwindSafe(body()).catch_unwind().map(move |brought| {
                brought.unwrap_or_else(|_| {
                    let error = KeyServiceError::new(&tenant, "KeyService", KeyServiceErrorKind::Unexpected);
                    Err(UnwrapError::Service(error.with_source(Panicked)))
                })
            })
        })
    }
}

/// The key service panicked.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the key service panicked")]
struct Panicked;

//! All state of the stack, behind one lock.

pub(crate) mod iam;
pub(crate) mod keys;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{calls::Calls, clock::Clock, faults::Faults};
use iam::Iam;
use keys::Keys;

/// The accounts' users, roles and keys.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) iam: Iam,
    pub(crate) keys: Keys,
}

/// Shared by all parts of a running stack.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) region: String,
    pub(crate) clock: Clock,
    pub(crate) calls: Calls,
    pub(crate) faults: Faults,
    #[cfg(feature = "s3")]
    pub(crate) s3: crate::s3::store::Store,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(region: String) -> Self {
        Self {
            region,
            clock: Clock::default(),
            calls: Calls::default(),
            faults: Faults::default(),
            #[cfg(feature = "s3")]
            s3: crate::s3::store::Store::default(),
            state: Mutex::default(),
        }
    }

    /// The state, for one synchronous step. A panic in such a step is a bug, but no reason to stop answering.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The interface between a service's protocol and the server that speaks it.

use axum::{body::Bytes, http::HeaderMap};

use crate::{
    calls::{Call, Service},
    refusal::Refusal,
    state::Shared,
};

/// A request that has arrived completely.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A request that was parsed as far as possible, and the way to answer it.
///
/// The faults act on the call between these 2 steps. No lock is held meanwhile.
pub(crate) trait Protocol: Sized {
    const SERVICE: Service;
    const CONTENT_TYPE: &'static str;

    /// Parses a message. `answer` later reports its defects.
    fn read(message: Message, shared: &Shared) -> Self;

    /// The call that the message makes.
    fn call(&self, shared: &Shared) -> Call;

    /// Does what the message asks for, and returns the body of the answer.
    fn answer(self, shared: &Shared, request_id: &str) -> Result<String, Refusal>;

    /// The body of an error.
    fn refuse(refusal: &Refusal, request_id: &str) -> String;
}

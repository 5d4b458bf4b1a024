//! What a service's protocol is to the server that speaks it.

use axum::{body::Bytes, http::HeaderMap};

use crate::{
    calls::{Call, Service},
    refusal::Refusal,
    state::Shared,
};

/// A request that has arrived in full.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A request that has been read as far as it could be, and the way to answer it.
///
/// Between the two lies whatever the faults do to the call; no lock is held meanwhile.
pub(crate) trait Protocol: Sized {
    const SERVICE: Service;
    const CONTENT_TYPE: &'static str;

    /// Reads a message. Its defects are answered later, by `answer`.
    fn read(message: Message, shared: &Shared) -> Self;

    /// What is being called.
    fn call(&self, shared: &Shared) -> Call;

    /// Does what the message asks for, and gives the body of the answer.
    fn answer(self, shared: &Shared, request_id: &str) -> Result<String, Refusal>;

    /// The body of an error.
    fn refuse(refusal: &Refusal, request_id: &str) -> String;
}

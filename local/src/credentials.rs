//! Finds the credentials that signed a request, and their owner.
//!
//! The signature itself is not verified. The stack listens on loopback only, and a wrong secret key is not what its
//! users test.

use std::time::SystemTime;

use axum::http::HeaderMap;

use crate::{
    authorise::Caller,
    state::{Shared, iam::Rejected},
};

/// The sender of a request and its Region. The Region is the stack's own, where the request does not give one.
pub(crate) fn authenticate(
    headers: &HeaderMap,
    shared: &Shared,
    now: SystemTime,
) -> (Result<Caller, Rejected>, String) {
    let Some(SignedBy { access_key, region, session_token }) = SignedBy::read(headers) else {
        return (Err(Rejected::Missing), shared.region.clone());
    };
    (shared.state().iam.authenticate(access_key, session_token, now), region.to_owned())
}

/// What the `Authorization` header of AWS Signature Version 4 says about the caller.
struct SignedBy<'a> {
    access_key: &'a str,
    /// The Region that the client addresses, which is part of what it signs.
    region: &'a str,
    session_token: Option<&'a str>,
}

impl<'a> SignedBy<'a> {
    /// Reads `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …`.
    fn read(headers: &'a HeaderMap) -> Option<Self> {
        let authorization = headers.get("authorization")?.to_str().ok()?;
        let (_, fields) = authorization.strip_prefix("AWS4-HMAC-SHA256")?.split_once("Credential=")?;
        let scope = fields.split([',', ' ']).next()?;
        let mut parts = scope.split('/');
        let (access_key, _date, region) = (parts.next()?, parts.next()?, parts.next()?);
        let session_token = headers.get("x-amz-security-token").and_then(|token| token.to_str().ok());
        Some(Self { access_key, region, session_token })
    }
}

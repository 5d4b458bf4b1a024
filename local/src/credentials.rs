//! Which credentials a request was signed with.
//!
//! The signature itself is not verified: the stack listens on loopback only, and a wrong secret key is not what its users test.

use axum::http::HeaderMap;

/// What the `Authorization` header of AWS Signature Version 4 says about the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignedBy<'a> {
    pub(crate) access_key: &'a str,
    /// The Region that the client means; it is part of what is signed.
    pub(crate) region: &'a str,
    pub(crate) session_token: Option<&'a str>,
}

impl<'a> SignedBy<'a> {
    /// Reads `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …`.
    pub(crate) fn read(headers: &'a HeaderMap) -> Option<Self> {
        let authorization = headers.get("authorization")?.to_str().ok()?;
        let (_, fields) = authorization.strip_prefix("AWS4-HMAC-SHA256")?.split_once("Credential=")?;
        let scope = fields.split([',', ' ']).next()?;
        let mut parts = scope.split('/');
        let (access_key, _date, region) = (parts.next()?, parts.next()?, parts.next()?);
        let session_token = headers.get("x-amz-security-token").and_then(|token| token.to_str().ok());
        Some(Self { access_key, region, session_token })
    }
}

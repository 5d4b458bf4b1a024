//! Parts of a request, checked before a handler runs. What is wrong with them is an [`AppError`].

use axum::extract::{FromRequest, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use crate::error::AppError;

/// The names in the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(AppError))]
pub(crate) struct Path<T>(pub(crate) T);

/// The query.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(AppError))]
pub(crate) struct Query<T>(pub(crate) T);

/// A body in JSON.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(AppError))]
pub(crate) struct Json<T>(pub(crate) T);

/// Which version of a contact a change is meant for. A change without one could undo another caller's: it is answered
/// with 428 (RFC 6585, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// `If-None-Match: *`: there is none yet.
    IsNew,
    /// `If-Match: "3"`: this one.
    Version(u64),
}

impl Precondition {
    fn read(headers: &HeaderMap) -> Result<Self, StatusCode> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
            (None, None) => Err(StatusCode::PRECONDITION_REQUIRED),
            (None, Some("*")) => Ok(Self::IsNew),
            (Some(tag), None) => {
                let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
                // A tag that this service never gave is that of no version.
                let version = number.and_then(|number| number.parse().ok());
                version.map(Self::Version).ok_or(StatusCode::PRECONDITION_FAILED)
            }
            _ => Err(StatusCode::BAD_REQUEST),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AppError> {
        Ok(Self::read(&parts.headers)?)
    }
}

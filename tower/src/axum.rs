//! The extractor for axum.

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::refused::Refused;
use crate::verified_tenant::{OtherTenant, VerifiedTenant};

/// The handler is not under the layer: a mistake of the program, so the caller gets 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the handler takes a `VerifiedTenant`, but no `TenantLayer` lies around its route: add `tenants.layer()` there"
)]
pub struct MissingLayer;

impl<S: Sync> FromRequestParts<S> for VerifiedTenant {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingLayer> {
        parts.extensions.get::<Self>().cloned().ok_or(MissingLayer)
    }
}

impl IntoResponse for MissingLayer {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "a handler cannot be reached");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl IntoResponse for OtherTenant {
    fn into_response(self) -> Response {
        StatusCode::FORBIDDEN.into_response()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.http_response()
    }
}

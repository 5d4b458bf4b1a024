//! Why a request fails: a status for the caller, the cause for the log.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tenantseal::blobs;
use tenantseal::error::Written;

/// Why a request fails. A caller gets the status and its name, and nothing of what was sent or stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// The request cannot be carried out as it is.
    #[error("{0}")]
    Request(StatusCode),
    /// The range lies behind the end of the attachment.
    #[error("the range lies behind the end")]
    Range {
        /// Bytes of the attachment.
        len: u64,
    },
    /// The library refused, or DynamoDB, S3 or KMS failed.
    #[error(transparent)]
    Tenantseal(#[from] tenantseal::Error),
}

impl AppError {
    /// The error of a write that names a version: another writer was faster, or there is no such contact.
    pub(crate) fn of_versioned_write(error: tenantseal::Error) -> Self {
        // Where an answer was lost, this very write may have stored the new version.
        let was_not_written = error.written() == Written::No;
        if error.is_conflict() && was_not_written { StatusCode::PRECONDITION_FAILED.into() } else { error.into() }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Request(status) => *status,
            Self::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            // The caller's own body broke off.
            Self::Tenantseal(tenantseal::Error::S3(blobs::Error::Source(_))) => StatusCode::BAD_REQUEST,
            Self::Tenantseal(error) => {
                StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(error = %self, %status, "a request failed");
        } else {
            tracing::info!(error = %self, %status, "a request was refused");
        }
        let mut response = (status, Json(json!({ "error": status.canonical_reason() }))).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Self::Range { len } = self
            && let Ok(range) = HeaderValue::from_str(&format!("bytes */{len}"))
        {
            headers.insert(header::CONTENT_RANGE, range);
        }
        response
    }
}

impl From<StatusCode> for AppError {
    fn from(status: StatusCode) -> Self {
        Self::Request(status)
    }
}

impl From<blobs::Error> for AppError {
    fn from(error: blobs::Error) -> Self {
        Self::Tenantseal(error.into())
    }
}

// The text of a rejection may quote the request, so its status is all that is kept.
impl From<JsonRejection> for AppError {
    fn from(rejection: JsonRejection) -> Self {
        Self::Request(rejection.status())
    }
}

impl From<PathRejection> for AppError {
    fn from(rejection: PathRejection) -> Self {
        Self::Request(rejection.status())
    }
}

impl From<QueryRejection> for AppError {
    fn from(rejection: QueryRejection) -> Self {
        Self::Request(rejection.status())
    }
}

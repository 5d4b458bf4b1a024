//! Which operation a request asks for, for faults and counts.

use axum::{extract::Request, http::Method};

/// The operation; `Other` when it is none that is served here.
pub(super) fn operation(request: &Request) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let of_object =
        request.uri().path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let copies = request.headers().contains_key("x-amz-copy-source");
    match (request.method(), of_object) {
        (&Method::PUT, true) if has("partNumber") => "UploadPart",
        (&Method::PUT, true) if copies => "CopyObject",
        (&Method::PUT, true) => "PutObject",
        (&Method::GET, true) => "GetObject",
        (&Method::HEAD, true) => "HeadObject",
        (&Method::DELETE, true) if has("uploadId") => "AbortMultipartUpload",
        (&Method::DELETE, true) => "DeleteObject",
        (&Method::POST, true) if has("uploads") => "CreateMultipartUpload",
        (&Method::POST, true) if has("uploadId") => "CompleteMultipartUpload",
        (&Method::PUT, false) => "CreateBucket",
        (&Method::HEAD, false) => "HeadBucket",
        (&Method::GET, false) if has("uploads") => "ListMultipartUploads",
        (&Method::GET, false) if has("list-type") => "ListObjectsV2",
        _ => "Other",
    }
}

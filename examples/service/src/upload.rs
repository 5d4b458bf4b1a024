//! The body of an upload on its way to S3, of exactly the length that its request declares.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use sync_wrapper::SyncWrapper;
use tenantseal::blobs::aws_sdk_s3::primitives::{ByteStream, SdkBody};

/// The declared length of a body. As in S3, there is no upload without one: a body that ends early then never counts
/// as the whole.
pub(crate) fn declared_len(headers: &HeaderMap, most: u64) -> Result<u64, StatusCode> {
    let declared = headers.get(header::CONTENT_LENGTH).ok_or(StatusCode::LENGTH_REQUIRED)?;
    let len = declared.to_str().ok().and_then(|text| text.parse().ok()).ok_or(StatusCode::BAD_REQUEST)?;
    if len > most { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(len) }
}

/// The body as the SDK takes it. It fails when it has not exactly `len` bytes.
pub(crate) fn byte_stream(body: Body, len: u64) -> ByteStream {
    ByteStream::new(SdkBody::from_body_1_x(Upload { body: SyncWrapper::new(body), left: len }))
}

struct Upload {
    body: SyncWrapper<Body>,
    left: u64,
}

/// The body is longer or shorter than its request declares.
#[derive(Debug, thiserror::Error)]
#[error("the body does not have the length that its request declares")]
struct OtherLength;

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(this.body.get_mut()).poll_frame(cx)).transpose()?;
        let bytes = frame.as_ref().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        match this.left.checked_sub(bytes) {
            Some(left) if frame.is_some() || left == 0 => this.left = left,
            _ => return Poll::Ready(Some(Err(axum::Error::new(OtherLength)))),
        }
        Poll::Ready(frame.map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

//! Bodies that end when the token of their request expires.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::Buf;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tenantseal_core::time::SharedTimeSource;
use tokio::time::{Sleep, sleep};

use crate::claims::LEEWAY;
use crate::refused::{GRPC_STATUS, Protocol, Refused};

/// The error of a body whose token has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token of this request has expired: send the request again with a new one")]
pub struct TokenExpired;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// When a token is no longer accepted, by the configuration's clock.
pub(crate) struct Deadline {
    end: Option<SystemTime>,
    time: SharedTimeSource,
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    pub(crate) fn new(expires: SystemTime, time: &SharedTimeSource) -> Self {
        let end = expires.checked_add(LEEWAY);
        let left = end.and_then(|end| end.duration_since(time.now()).ok()).unwrap_or_default();
        Self { end, time: Arc::clone(time), sleep: Box::pin(sleep(left)) }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(end) = self.end else { return Poll::Pending };
        loop {
            match end.duration_since(self.time.now()) {
                Ok(left) if !left.is_zero() => {
                    // Clocks differ from the timer: it may ring early.
                    if self.sleep.is_elapsed() {
                        self.sleep.set(sleep(left));
                    }
                    ready!(self.sleep.as_mut().poll(context));
                }
                _ => return Poll::Ready(()),
            }
        }
    }
}

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Request,
    Response,
}

pin_project! {
    /// A body that ends when the token of its request expires.
    ///
    /// A request's body then fails with [`TokenExpired`], in gRPC with the status 16. A response's body ends with the
    /// status 16 in gRPC, and fails with [`TokenExpired`] in HTTP.
    pub struct ExpiringBody<B> {
        // None when the token has expired: what the inner body holds is dropped.
        #[pin]
        inner: Option<B>,
        deadline: Option<Deadline>,
        part: Part,
        protocol: Protocol,
        late_frames: u8,
    }
}

/// What is ready when the token expires still passes, as far as it may be the whole: the message and the trailers of an
/// answer whose request has happened.
const LATE_FRAMES: u8 = 2;

impl<B> ExpiringBody<B> {
    pub(crate) fn of_request(inner: B, deadline: Option<Deadline>, protocol: Protocol) -> Self {
        Self { inner: Some(inner), deadline, part: Part::Request, protocol, late_frames: LATE_FRAMES }
    }

    pub(crate) fn of_response(inner: B, deadline: Option<Deadline>, protocol: Protocol) -> Self {
        Self { inner: Some(inner), deadline, part: Part::Response, protocol, late_frames: LATE_FRAMES }
    }
}

/// An empty body, for answers without one.
impl<B: Default> Default for ExpiringBody<B> {
    fn default() -> Self {
        Self::of_response(B::default(), None, Protocol::Http)
    }
}

impl<B> Body for ExpiringBody<B>
where
    B: Body,
    B::Data: Buf,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let is_over = this.deadline.as_mut().is_some_and(|deadline| deadline.poll(context).is_ready());
        if !is_over || *this.late_frames > 0 {
            *this.late_frames -= u8::from(is_over);
            let polled = inner.poll_frame(context);
            if !is_over || polled.is_ready() {
                return polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)));
            }
        }
        this.inner.set(None);
        Poll::Ready(Some(end(*this.part, *this.protocol)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// The last frame of what ends too early.
fn end<D>(part: Part, protocol: Protocol) -> Result<Frame<D>, BoxError> {
    match (part, protocol) {
        (Part::Response, Protocol::Grpc) => {
            let status = HeaderValue::from(Refused::Expired.grpc_code());
            Ok(Frame::trailers(HeaderMap::from_iter([(http::HeaderName::from_static(GRPC_STATUS), status)])))
        }
        #[cfg(feature = "tonic")]
        (Part::Request, Protocol::Grpc) => Err(Box::new(tonic::Status::from(Refused::Expired))),
        _ => Err(Box::new(TokenExpired)),
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline").field("end", &self.end).finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for ExpiringBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpiringBody").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

//! Reads stored bytes of one version of an object, and goes on where a connection broke.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tenantseal_core::blob::BlobFault;

use crate::blobs::Place;
use crate::error::{Error, Refusal, ServiceError};

/// How often in a row a connection may break without a byte.
const BREAKS: u32 = 4;
/// The pause before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(50);

/// What the caller asked for, without a range. Each request is one of these.
pub(crate) struct Request {
    place: Arc<Place>,
    request: GetObjectFluentBuilder,
}

/// The version of an object that was read first.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) etag: String,
    /// How many bytes it takes where it is stored, as S3 says.
    pub(crate) stored: u64,
}

/// The stored bytes of a range, or of the whole object, in order.
pub(crate) struct Reader {
    request: Request,
    version: Version,
    left: Range<u64>,
    body: ByteStream,
    breaks: u32,
}

impl Request {
    /// A request that the caller has changed.
    pub(crate) fn new(place: &Arc<Place>, key: String, request: GetObjectFluentBuilder) -> Result<Self, Error> {
        let set = [("range", request.get_range().is_some()), ("part_number", request.get_part_number().is_some())];
        if let Some((field, _)) = set.into_iter().find(|(_, set)| *set) {
            return Err(Error::Refused(Refusal::Customized(field)));
        }
        let request = request.bucket(&place.physical).key(key);
        Ok(Self { place: Arc::clone(place), request })
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// The first request: of the whole object, or of so many bytes of its beginning. Its answer comes without its body.
    pub(crate) async fn begin(&self, most: Option<u64>) -> Result<(Reader, GetObjectOutput), Error> {
        let range = most.map(|most| format!("bytes=0-{}", most - 1));
        let answer = self.request.clone().set_range(range).send().await;
        let mut answer = match answer {
            Ok(answer) => answer,
            // There is no byte to begin with.
            Err(error) if most.is_some() && status_of(&error) == Some(416) => {
                return Err(self.place.fault(BlobFault::NotSealed));
            }
            Err(error) => return Err(Error::S3(ServiceError::new(error))),
        };
        let etag = answer.e_tag.clone().ok_or_else(|| self.answer("it names no ETag"))?;
        let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let (left, stored) = match (answer.content_range(), length) {
            (Some(range), _) => {
                let (range, stored) = content_range(range).ok_or_else(|| self.answer("its range is malformed"))?;
                if most.is_none_or(|most| range != (0..most.min(stored))) {
                    return Err(self.answer("it gives another range"));
                }
                (range, stored)
            }
            (None, Some(length)) => (0..length, length),
            (None, None) => return Err(self.answer("it does not say how long the object is")),
        };
        let body = std::mem::replace(&mut answer.body, ByteStream::from_static(b""));
        let version = Version { etag, stored };
        Ok((Reader { request: self.clone(), version, left, body, breaks: 0 }, answer))
    }

    /// A request of a range of the version that was read first.
    pub(crate) async fn range(&self, version: &Version, range: Range<u64>) -> Result<Reader, Error> {
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let answer = self.request.clone().range(asked).if_match(&version.etag).send().await;
        let answer = answer.map_err(|error| match status_of(&error) {
            Some(404 | 412 | 416) => self.place.fault(BlobFault::Changed),
            _ => Error::S3(ServiceError::new(error)),
        })?;
        if answer.e_tag() != Some(&version.etag) {
            return Err(self.place.fault(BlobFault::Changed));
        }
        let given = answer.content_range().and_then(content_range);
        if given.as_ref() != Some(&(range.clone(), version.stored)) {
            return Err(self.answer("it gives another range"));
        }
        Ok(Reader { request: self.clone(), version: version.clone(), left: range, body: answer.body, breaks: 0 })
    }

    fn answer(&self, what: &'static str) -> Error {
        Error::Answer { bucket: self.place.bucket.clone(), what }
    }
}

impl Clone for Request {
    fn clone(&self) -> Self {
        Self { place: Arc::clone(&self.place), request: self.request.clone() }
    }
}

impl Reader {
    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// The next bytes; none at the end of the range.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.left.is_empty() {
                return Ok(None);
            }
            match self.body.next().await {
                Some(Ok(bytes)) => {
                    let most = usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX);
                    if bytes.len() > most {
                        return Err(self.request.answer("it gives more bytes than it said"));
                    }
                    if bytes.is_empty() {
                        continue;
                    }
                    self.left.start += bytes.len() as u64;
                    self.breaks = 0;
                    return Ok(Some(bytes));
                }
                broken => self.resume(broken.and_then(Result::err)).await?,
            }
        }
    }

    /// Asks for the rest, if S3 still has the same version.
    async fn resume(&mut self, why: Option<aws_sdk_s3::primitives::ByteStreamError>) -> Result<(), Error> {
        self.breaks += 1;
        if self.breaks > BREAKS {
            return Err(Error::BrokenOff { bucket: self.request.place.bucket.clone() });
        }
        tracing::debug!(
            error = why.map(tracing::field::display),
            "the body of an answer broke off: asking for the rest"
        );
        if self.breaks > 1 {
            tokio::time::sleep(PAUSE * 2_u32.pow(self.breaks - 2)).await;
        }
        let Self { request, version, left, breaks, .. } = self;
        let rest = request.range(version, left.clone()).await?;
        *self = Self { breaks: *breaks, ..rest };
        Ok(())
    }
}

/// `bytes <first>-<last>/<size>`.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size) = (first.parse().ok()?, last.parse::<u64>().ok()?, size.parse().ok()?);
    (first <= last && last < size).then(|| (first..last + 1, size))
}

fn status_of<E>(error: &aws_sdk_s3::error::SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

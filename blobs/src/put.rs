//! Seals a body and stores it: in one request, or in parts.

mod fields;
mod sealing;
mod upload;

use std::collections::VecDeque;
use std::sync::Arc;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use tenantseal_core::blob::{BlobHeader, Stamp};
use tenantseal_core::error::Written;
use tracing::Instrument;

use crate::blobs::{Blobs, Place};
use crate::changes::{Changes, awaits};
use crate::doubt::Doubt;
use crate::error::{Error, ServiceError};
pub(crate) use fields::{Fields, like};
pub(crate) use sealing::Source;
use sealing::{PART_CHUNKS, Sealing};
use upload::{Upload, check_len};

/// How often a put begins anew when S3 answers that requests conflicted.
const ROUNDS: u32 = 3;

/// Seals a body and stores it; see [`Blobs::put`]. It gives a [`PutBlob`].
///
/// Up to 16 MiB are one request, from memory. More, and what does not say its length and turns out to be more, is a
/// multipart upload: parts of 8 MiB, 4 at a time. Nobody sees an object before all of it is there. A put that fails or
/// is dropped aborts its upload.
#[must_use = "nothing is stored before it is awaited"]
pub struct Put {
    blobs: Blobs,
    key: String,
    body: ByteStream,
    changes: Changes<PutObjectFluentBuilder>,
}

/// An object that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBlob {
    etag: Option<String>,
    version_id: Option<String>,
    stamp: Stamp,
    len: u64,
}

impl Blobs {
    /// Seals `body` and stores it. At most 33 MiB of it are in memory at a time. Beyond 78 GiB, or 8 GiB when it does not
    /// know its length, S3 wants larger parts: then it is 4 parts, each a 10,000th of the whole.
    ///
    /// A body that has more or fewer bytes than it says is not stored.
    ///
    /// `body` is bytes in memory, a file ([`ByteStream::from_path`], with the feature `rt-tokio` of `aws-sdk-s3`), or any
    /// stream.
    pub fn put(&self, key: impl Into<String>, body: impl Into<ByteStream>) -> Put {
        Put::new(self.clone(), key.into(), body.into())
    }
}

impl PutBlob {
    /// S3's ETag of the version, for conditions.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// S3's id of the version, where the bucket has versions.
    pub fn version_id(&self) -> Option<&str> {
        self.version_id.as_deref()
    }

    /// Names the version; keep it in an item.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// How many bytes of plaintext.
    #[expect(clippy::len_without_is_empty, reason = "it is no collection")]
    pub fn len(&self) -> u64 {
        self.len
    }
}

impl Put {
    pub(crate) fn new(blobs: Blobs, key: String, body: ByteStream) -> Self {
        Self { blobs, key, body, changes: Changes::none() }
    }

    /// Stores it only where there is no object. Otherwise the error [is a failed
    /// condition](Error::is_condition_failed).
    pub fn if_none_match(self) -> Self {
        self.customize(|request| request.if_none_match("*"))
    }

    /// Stores it only in place of the version with this ETag. When there is another, the error [is a failed
    /// condition](Error::is_condition_failed).
    pub fn if_match(self, etag: impl Into<String>) -> Self {
        let etag = etag.into();
        self.customize(|request| request.if_match(etag))
    }

    /// Changes the SDK's own request: content type, metadata, storage class, conditions. What it sets also holds for a
    /// multipart upload. Bucket, key and body are set afterwards.
    ///
    /// **Content type and metadata are plaintext and not authenticated.**
    ///
    /// ```
    /// # fn example(blobs: tenantseal_blobs::Blobs, pdf: Vec<u8>) {
    /// let put = blobs.put("report", pdf).customize(|put| put.content_type("application/pdf"));
    /// # }
    /// ```
    pub fn customize(
        mut self,
        change: impl FnOnce(PutObjectFluentBuilder) -> PutObjectFluentBuilder + Send + 'static,
    ) -> Self {
        self.changes.push(change);
        self
    }

    /// Seals and stores it.
    ///
    /// # Errors
    ///
    /// When the tenant's data key is not available, when S3 refuses, and when the body gives an error.
    /// [`Error::written`] says whether the object may be there all the same.
    pub async fn send(self) -> Result<PutBlob, Error> {
        let place = self.blobs.place()?.clone();
        let span = place.span("PutObject");
        async move {
            let key = place.key(&self.key)?;
            let fields = Fields::read(&self.changes.apply(place.client.put_object()))?;
            let (mut body, mut round) = (self.body.into_inner(), 0);
            loop {
                round += 1;
                // A stream can be read once only, so it cannot begin anew.
                let again = body.try_clone().filter(|_| round < ROUNDS);
                match put(&place, &key, &fields, Source::body(body)).await {
                    Err(error) if error.is_conflict_of_requests() => body = again.ok_or(error)?,
                    done => return done,
                }
            }
        }
        .instrument(span)
        .await
    }
}

/// Seals a source under a new blob id, and stores it.
pub(crate) async fn put(place: &Arc<Place>, key: &str, fields: &Fields, source: Source) -> Result<PutBlob, Error> {
    let known = source.len();
    check_len(known)?;
    let mut sealing = Sealing::start(place, key, source).await?;
    let target = Target { place, key, fields };
    let mut sealed = VecDeque::new();
    match known.map(sealing::chunks_of) {
        // One buffer of its size.
        Some(chunks) if chunks <= 2 * PART_CHUNKS => sealed.push_back(sealing.fill(2 * PART_CHUNKS, known).await?),
        // It would not fit anyway: no need for the memory.
        Some(_) => {}
        // Buffers of parts, because it may be more.
        None => {
            sealed.push_back(sealing.fill(PART_CHUNKS, None).await?);
            if !sealing.has_ended() {
                sealed.push_back(sealing.fill(PART_CHUNKS, None).await?);
            }
        }
    }
    if sealing.has_ended() {
        target.put_whole(sealing, sealed).await
    } else {
        target.put_in_parts(sealing, sealed, known).await
    }
}

/// Where sealed bytes go.
struct Target<'a> {
    place: &'a Arc<Place>,
    key: &'a str,
    fields: &'a Fields,
}

impl Target<'_> {
    async fn put_whole(self, sealing: Sealing, sealed: VecDeque<Bytes>) -> Result<PutBlob, Error> {
        let Self { place, key, fields } = self;
        let sealed = match Vec::from(sealed) {
            one if one.len() == 1 => one.into_iter().next().unwrap_or_default(),
            several => several.concat().into(),
        };
        let request = fields.put(place.client.put_object().bucket(&place.physical).key(key));
        let doubt = Doubt::default();
        let request = request.body(ByteStream::new(SdkBody::from(sealed))).customize().interceptor(doubt.clone());
        match request.send().await {
            Ok(answer) => Ok(sealing.stored(answer.e_tag, answer.version_id)),
            Err(error) => self.settle(sealing, ServiceError::of_a_write(error, &doubt)).await,
        }
    }

    async fn put_in_parts(
        self,
        mut sealing: Sealing,
        sealed: VecDeque<Bytes>,
        known: Option<u64>,
    ) -> Result<PutBlob, Error> {
        let upload = Upload::begin(self.place, self.key, self.fields).await?;
        let completed = match upload.send_parts(&mut sealing, sealed, known).await {
            Ok(parts) => upload.complete(parts).await,
            Err(error) => {
                upload.abort().await;
                return Err(error);
            }
        };
        let stored = match completed {
            Ok(answer) => Ok(sealing.stored(answer.e_tag, answer.version_id)),
            Err(error) => self.settle(sealing, error).await,
        };
        match &stored {
            Ok(_) => upload.forget(),
            Err(_) => upload.abort().await,
        }
        stored
    }

    /// Finds out what a write did whose answer says that it failed, although an earlier attempt may have succeeded: it
    /// succeeded if the object has its own header.
    async fn settle(&self, sealing: Sealing, error: ServiceError) -> Result<PutBlob, Error> {
        // A condition does not hold after the attempt whose answer was lost, and its upload is gone.
        let is_condition = error.status() == Some(412);
        let is_in_doubt = error.written() != Written::No;
        if !is_condition && !is_in_doubt && error.code() != Some("NoSuchUpload") {
            return Err(Error::S3(error));
        }
        match self.read_header(sealing.header()).await {
            Ok(Some((etag, version_id))) => Ok(sealing.stored(etag, version_id)),
            Ok(None) if is_condition && !is_in_doubt => Err(Error::S3(error)),
            Ok(None) | Err(_) => Err(Error::S3(error.in_doubt())),
        }
    }

    /// The ETag and version of the object, if its header is this one.
    async fn read_header(&self, own: &BlobHeader) -> Result<Option<(Option<String>, Option<String>)>, Error> {
        let Self { place, key, fields } = self;
        let range = format!("bytes=0-{}", own.len() - 1);
        let request = fields.get(place.client.get_object().bucket(&place.physical).key(*key)).range(range);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = ServiceError::new(error);
                return if error.status() == Some(404) { Ok(None) } else { Err(Error::S3(error)) };
            }
        };
        let (etag, version_id) = (answer.e_tag, answer.version_id);
        let (mut body, mut stored) = (answer.body, Vec::with_capacity(own.len()));
        // S3 need not heed the range.
        while stored.len() < own.len()
            && let Some(bytes) = body.next().await
        {
            let bytes = bytes.map_err(|_| Error::Answer {
                bucket: place.bucket.clone(),
                what: "the header of the object broke off",
            })?;
            stored.extend_from_slice(&bytes[..bytes.len().min(own.len() - stored.len())]);
        }
        let stored = BlobHeader::parse(&stored);
        let is_own = stored.is_ok_and(|found| found.is_some_and(|found| found.claimed_stamp() == own.claimed_stamp()));
        Ok(is_own.then_some((etag, version_id)))
    }
}

impl Error {
    /// Whether S3 refused the write because another one was under way: it changed nothing, and may be begun anew. Where
    /// an earlier attempt was not answered, that other one may be it.
    pub(crate) fn is_conflict_of_requests(&self) -> bool {
        matches!(self, Self::S3(error) if error.status() == Some(409)) && self.written() == Written::No
    }
}

awaits!(Put gives PutBlob);

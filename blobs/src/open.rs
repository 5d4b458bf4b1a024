//! Opens an object for reads of ranges.

use std::fmt;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use bytes::{Buf, Bytes, BytesMut};
use tenantseal_core::BlobVault;
use tenantseal_core::blob::{BlobHeader, Extent, OpenedBlob, SEALED_CHUNK_LEN, Span, Stamp};
use tracing::Instrument;

use crate::blobs::{Blobs, Place};
use crate::body::{Beginning, BlobBody, Opening};
use crate::changes::{Changes, awaits};
use crate::error::Error;
use crate::reader::{Reader, Request, Version};

/// What the first request asks for: any usual header, and the only chunk of a small blob.
const FIRST: u64 = 66 * 1024;

/// Opens an object for reads of ranges; see [`Blobs::open`]. It gives an [`OpenBlob`].
#[must_use = "nothing is read before it is awaited"]
pub struct Open {
    blobs: Blobs,
    key: String,
    stamp: Option<Stamp>,
    changes: Changes<GetObjectFluentBuilder>,
}

/// One version of an object, whose header and end are authentic.
///
/// It holds no key and no connection. Each read asks for the tenant's data key again, so it fails once the tenant was
/// revoked. After the object was overwritten, each read fails with [`BlobFault::Changed`](crate::BlobFault::Changed).
pub struct OpenBlob {
    request: Request,
    vault: BlobVault,
    header: BlobHeader,
    extent: Extent,
    version: Version,
    stamp: Stamp,
    output: GetObjectOutput,
}

impl Blobs {
    /// Opens an object for reads of ranges.
    pub fn open(&self, key: impl Into<String>) -> Open {
        Open::new(self.clone(), key.into())
    }
}

impl Open {
    pub(crate) fn new(blobs: Blobs, key: String) -> Self {
        Self { blobs, key, stamp: None, changes: Changes::none() }
    }

    /// Opens only the version of this stamp; another is
    /// [`BlobFault::OtherVersion`](crate::BlobFault::OtherVersion).
    pub fn stamp(mut self, stamp: Stamp) -> Self {
        self.stamp = Some(stamp);
        self
    }

    /// Changes the SDK's own request, of which each read sends one. Bucket, key and range are set afterwards.
    pub fn customize(
        mut self,
        change: impl FnOnce(GetObjectFluentBuilder) -> GetObjectFluentBuilder + Send + 'static,
    ) -> Self {
        self.changes.push(change);
        self
    }

    /// Reads the header and the last chunk, which proves how long the object is: 2 requests, or 1 for an object of at
    /// most 64 KiB.
    ///
    /// # Errors
    ///
    /// When S3 refuses, when either does not open, and when the tenant's data key is not available.
    pub async fn send(self) -> Result<OpenBlob, Error> {
        let place = self.blobs.place()?.clone();
        let span = place.span("GetObject");
        async move {
            let key = place.key(&self.key)?;
            let vault = place.vault(&key);
            let request = Request::new(&place, key, self.changes.apply(place.client.get_object()))?;
            let (mut reader, output) = request.begin(Some(FIRST)).await?;
            let beginning = Beginning::read(&place, &mut reader).await?;
            let version = reader.version().clone();
            let extent = Extent::new(version.stored, &beginning.header).map_err(|fault| place.fault(fault))?;
            let opened = beginning.open(&place, &vault, self.stamp).await?;
            let Beginning { header, behind } = beginning;
            let blob = OpenBlob { request, vault, header, extent, version, stamp: opened.stamp(), output };
            blob.check_end(&opened, reader, behind).await?;
            Ok(blob)
        }
        .instrument(span)
        .await
    }
}

impl OpenBlob {
    /// How many bytes of plaintext. It is authentic.
    pub fn len(&self) -> u64 {
        self.extent.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.extent.is_empty()
    }

    /// S3's ETag of the version, for conditions.
    pub fn etag(&self) -> &str {
        &self.version.etag
    }

    /// Names the version; keep it in an item. It is authentic.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// S3's first answer, without the body. Its content type, metadata and times are plaintext and **not
    /// authenticated**.
    pub fn as_sdk(&self) -> &GetObjectOutput {
        &self.output
    }

    /// The bytes of a range, as far as the object has them: one request.
    ///
    /// ```
    /// # use tenantseal_blobs::{Error, OpenBlob};
    /// # async fn example(video: OpenBlob) -> Result<(), Error> {
    /// let piece = video.range(9_000_000..9_000_500).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the object was overwritten, when a chunk of the range does not open, and when the tenant's data key is not
    /// available.
    pub async fn range(&self, range: impl RangeBounds<u64>) -> Result<Bytes, Error> {
        self.stream(range).await?.bytes(u64::MAX).await
    }

    /// The same as a stream, for ranges that are too long for memory.
    ///
    /// # Errors
    ///
    /// As [`OpenBlob::range`]; those of later chunks are the stream's.
    pub async fn stream(&self, range: impl RangeBounds<u64>) -> Result<BlobBody, Error> {
        let Some(span) = self.extent.span(bounds(&range)) else { return Ok(BlobBody::empty()) };
        async {
            let opened = self.vault.open_for("GetObject", &self.header).await;
            let opened = opened.map_err(|error| self.place().vault_error(error))?;
            Ok(BlobBody::new(self.opening(&opened, &span).await?))
        }
        .instrument(self.place().span("GetObject"))
        .await
    }

    async fn opening(&self, opened: &OpenedBlob, span: &Span) -> Result<Opening, Error> {
        let reader = self.request.range(&self.version, span.stored()).await?;
        let (vault, header) = (self.vault.clone(), self.header.clone());
        Ok(Opening::span(self.place(), vault, header, reader, opened, span))
    }

    /// Opens the last chunk, which is behind the header where that is all.
    async fn check_end(&self, opened: &OpenedBlob, mut rest: Reader, behind: Bytes) -> Result<(), Error> {
        let last = self.extent.last_chunk();
        let start = self.header.len() as u64;
        if last.stored().end > FIRST {
            return BlobBody::new(self.opening(opened, &last).await?).bytes(SEALED_CHUNK_LEN as u64).await.map(|_| ());
        }
        let mut stored = BytesMut::from(&behind[..]);
        while let Some(bytes) = rest.next().await? {
            stored.extend_from_slice(&bytes);
        }
        // A header as long as it may be leaves room for no more than one chunk and a part of another.
        stored.advance(usize::try_from(last.stored().start - start).unwrap_or(usize::MAX).min(stored.len()));
        let mut opener = opened.opener(&last);
        let fault = |fault| self.place().fault(fault);
        opener.push(&mut &stored[..]).map_err(fault)?;
        opener.finish().map_err(fault).map(|_| ())
    }

    fn place(&self) -> &Arc<Place> {
        self.request.place()
    }
}

/// The range in numbers; empty when it ends before it starts.
fn bounds(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

/// Shows no key.
impl fmt::Debug for OpenBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenBlob")
            .field("bucket", &self.place().bucket)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

awaits!(Open gives OpenBlob);

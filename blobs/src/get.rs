//! Opens an object and gives it out from its beginning to its end.

use std::fmt;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use bytes::Bytes;
use tenantseal_core::blob::{Extent, Stamp};
use tracing::Instrument;

use crate::blobs::Blobs;
use crate::body::{Beginning, BlobBody, Opening};
use crate::changes::{Changes, awaits};
use crate::error::Error;
use crate::reader::Request;

/// A read of an object; see [`Blobs::get`]. It gives a [`StoredBlob`] when the object's header is authentic.
#[must_use = "nothing is read before it is awaited"]
pub struct Get {
    blobs: Blobs,
    key: String,
    stamp: Option<Stamp>,
    changes: Changes<GetObjectFluentBuilder>,
}

/// A read of an object as bytes; see [`Get::bytes`].
#[must_use = "nothing is read before it is awaited"]
pub struct GetBytes {
    blobs: Blobs,
    get: Get,
    most: u64,
}

/// An object whose header is authentic, and whose chunks are on their way.
pub struct StoredBlob {
    body: BlobBody,
    output: GetObjectOutput,
    etag: String,
    stamp: Stamp,
    len: u64,
}

impl Blobs {
    /// Opens an object and gives it out as a stream, or as bytes.
    pub fn get(&self, key: impl Into<String>) -> Get {
        Get::new(self.clone(), key.into())
    }
}

impl Get {
    pub(crate) fn new(blobs: Blobs, key: String) -> Self {
        Self { blobs, key, stamp: None, changes: Changes::none() }
    }

    /// Opens only the version of this stamp; another is [`BlobFault::OtherVersion`](crate::BlobFault).
    pub fn stamp(mut self, stamp: Stamp) -> Self {
        self.stamp = Some(stamp);
        self
    }

    /// Changes the SDK's own request: a version, a condition, an owner. Bucket and key are set afterwards.
    ///
    /// ```
    /// # fn example(blobs: tenantseal_blobs::Blobs) {
    /// let get = blobs.get("report").customize(|get| get.version_id("3HL4kqtJlcpXroDTDmJ"));
    /// # }
    /// ```
    pub fn customize(
        mut self,
        change: impl FnOnce(GetObjectFluentBuilder) -> GetObjectFluentBuilder + Send + 'static,
    ) -> Self {
        self.changes.push(change);
        self
    }

    /// All of it as bytes, or an error: at most `most` bytes.
    pub fn bytes(self, most: u64) -> GetBytes {
        GetBytes { blobs: self.blobs.clone(), get: self, most }
    }

    /// Reads the header. The body is read as it is taken.
    ///
    /// # Errors
    ///
    /// When S3 refuses, when the header does not open, and when the tenant's data key is not available.
    pub async fn send(self) -> Result<StoredBlob, Error> {
        let place = self.blobs.place()?.clone();
        let span = place.span("GetObject");
        async move {
            let key = place.key(&self.key)?;
            let vault = place.vault(&key);
            let request = Request::new(&place, key, self.changes.apply(place.client.get_object()))?;
            let (mut reader, output) = request.begin(None).await?;
            let beginning = Beginning::read(&place, &mut reader).await?;
            // Lengths first, as FORMAT says: what cannot be a blob costs no call to KMS.
            let extent = Extent::new(reader.version().stored, &beginning.header);
            let len = extent.map_err(|fault| place.fault(fault))?.len();
            let opened = beginning.open(&place, &vault, self.stamp).await?;
            let stamp = opened.stamp();
            let etag = reader.version().etag.clone();
            let body = BlobBody::new(Opening::whole(&place, vault, reader, beginning, opened));
            Ok(StoredBlob { body, output, etag, stamp, len })
        }
        .instrument(span)
        .await
    }
}

impl GetBytes {
    /// Reads all of it.
    ///
    /// # Errors
    ///
    /// As [`Get::send`], and [`Error::TooLarge`].
    pub async fn send(self) -> Result<Bytes, Error> {
        let stored = self.get.send().await?;
        // What S3 says of the length decides nothing but how early to give up.
        if stored.len > self.most {
            return Err(Error::TooLarge { most: self.most });
        }
        stored.body.bytes(self.most).await
    }
}

impl StoredBlob {
    /// The plaintext.
    pub fn into_body(self) -> BlobBody {
        self.body
    }

    /// S3's ETag of the version, for conditions.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Names the version; keep it in an item. It is authentic.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// How many bytes of plaintext there are if S3 tells the truth: known for sure at the end of the body.
    pub fn unverified_len(&self) -> u64 {
        self.len
    }

    /// S3's answer, without the body. Its content type, metadata and times are plaintext and **not authenticated**:
    /// whoever writes to the bucket can change them. Serve none of them to a browser unchecked.
    pub fn as_sdk(&self) -> &GetObjectOutput {
        &self.output
    }

    pub(crate) fn into_parts(self) -> (BlobBody, GetObjectOutput, String, u64) {
        (self.body, self.output, self.etag, self.len)
    }
}

/// Shows no metadata, which may say something about a person.
impl fmt::Debug for StoredBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredBlob").field("unverified_len", &self.len).finish_non_exhaustive()
    }
}

awaits!(Get gives StoredBlob);
awaits!(GetBytes gives Bytes);

//! Asks what S3 knows of an object.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::head_object::builders::HeadObjectFluentBuilder;
use tracing::Instrument;

use crate::blobs::Blobs;
use crate::changes::{Changes, awaits};
use crate::error::{Error, ServiceError};

/// Asks what S3 knows of an object; see [`Blobs::head`]. It gives S3's own answer.
///
/// **Nothing of it is authenticated**, and `content_length` counts the stored bytes. [`Blobs::open`] tells the length of
/// the plaintext.
#[must_use = "nothing is asked before it is awaited"]
pub struct Head {
    blobs: Blobs,
    key: String,
    changes: Changes<HeadObjectFluentBuilder>,
}

impl Blobs {
    /// Asks what S3 knows of an object, which is not authenticated: its stored size, ETag, content type and metadata.
    pub fn head(&self, key: impl Into<String>) -> Head {
        Head::new(self.clone(), key.into())
    }
}

impl Head {
    pub(crate) fn new(blobs: Blobs, key: String) -> Self {
        Self { blobs, key, changes: Changes::none() }
    }

    /// Changes the SDK's own request. Bucket and key are set afterwards.
    pub fn customize(
        mut self,
        change: impl FnOnce(HeadObjectFluentBuilder) -> HeadObjectFluentBuilder + Send + 'static,
    ) -> Self {
        self.changes.push(change);
        self
    }

    /// Asks.
    ///
    /// # Errors
    ///
    /// S3's; [`Error::is_not_found`] when there is no such object.
    pub async fn send(self) -> Result<HeadObjectOutput, Error> {
        let place = self.blobs.place()?;
        let key = place.key(&self.key)?;
        let request = self.changes.apply(place.client.head_object()).bucket(&place.physical).key(key);
        let answer = request.send().instrument(place.span("HeadObject")).await;
        answer.map_err(|error| Error::S3(ServiceError::new(error)))
    }
}

awaits!(Head gives HeadObjectOutput);

//! Deletes an object.

use aws_sdk_s3::operation::delete_object::DeleteObjectOutput;
use aws_sdk_s3::operation::delete_object::builders::DeleteObjectFluentBuilder;
use tracing::Instrument;

use crate::blobs::Blobs;
use crate::changes::{Changes, awaits};
use crate::doubt::Doubt;
use crate::error::{Error, ServiceError};

/// Deletes an object; see [`Blobs::delete`]. It gives S3's own answer.
#[must_use = "nothing is deleted before it is awaited"]
pub struct Delete {
    blobs: Blobs,
    key: String,
    changes: Changes<DeleteObjectFluentBuilder>,
}

impl Blobs {
    /// Deletes an object. It is no error when there is none.
    pub fn delete(&self, key: impl Into<String>) -> Delete {
        Delete::new(self.clone(), key.into())
    }
}

impl Delete {
    pub(crate) fn new(blobs: Blobs, key: String) -> Self {
        Self { blobs, key, changes: Changes::none() }
    }

    /// Deletes only the version with this ETag. When there is another, the error
    /// [is a failed condition](Error::is_condition_failed).
    pub fn if_match(self, etag: impl Into<String>) -> Self {
        let etag = etag.into();
        self.customize(|request| request.if_match(etag))
    }

    /// Changes the SDK's own request. Bucket and key are set afterwards.
    pub fn customize(
        mut self,
        change: impl FnOnce(DeleteObjectFluentBuilder) -> DeleteObjectFluentBuilder + Send + 'static,
    ) -> Self {
        self.changes.push(change);
        self
    }

    /// Deletes.
    ///
    /// # Errors
    ///
    /// S3's.
    pub async fn send(self) -> Result<DeleteObjectOutput, Error> {
        let place = self.blobs.place()?;
        let key = place.key(&self.key)?;
        let request = self.changes.apply(place.client.delete_object()).bucket(&place.physical).key(key);
        let doubt = Doubt::default();
        let request = request.customize().interceptor(doubt.clone());
        let answer = request.send().instrument(place.span("DeleteObject")).await;
        answer.map_err(|error| Error::S3(ServiceError::of_a_write(error, &doubt)))
    }
}

awaits!(Delete gives DeleteObjectOutput);

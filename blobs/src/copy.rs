//! Opens an object and seals it again: under another key, or in its place.

use std::sync::Arc;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use tenantseal_core::blob::Stamp;
use tenantseal_core::error::Written;

use crate::blobs::{Blobs, Place};
use crate::changes::awaits;
use crate::error::{Error, Refusal};
use crate::put::{Fields, PutBlob, Source, put};

/// How often a copy begins anew when S3 answers that requests conflicted.
const ROUNDS: u32 = 3;

/// Copies an object; see [`Blobs::copy`]. It gives the copy's [`PutBlob`], whose stamp is a new one.
///
/// The copy keeps content type and other headers, and metadata; it keeps no tags, storage class or encryption by S3.
/// Nothing is stored unless the original was opened to its end.
#[must_use = "nothing is copied before it is awaited"]
pub struct Copy {
    blobs: Blobs,
    from: String,
    to: String,
    stamp: Option<Stamp>,
    changes: Vec<Change>,
}

/// Renames an object; see [`Blobs::rename`]. It gives the new object's [`PutBlob`].
///
/// It is a copy, then a delete of the version that was read. When the delete fails, the error is
/// [`Error::NotDeleted`], and both are there; or [`Error::PerhapsDeleted`], and the copy is there.
#[must_use = "nothing is renamed before it is awaited"]
pub struct Rename {
    blobs: Blobs,
    copy: Copy,
}

/// Seals an object again in its place; see [`Blobs::reseal`]. It gives the new version's [`PutBlob`].
///
/// When somebody overwrites the object meanwhile, the error [is a failed condition](Error::is_condition_failed).
/// **The stamp changes**: an item that holds the old one has to be updated.
#[must_use = "nothing is sealed before it is awaited"]
pub struct Reseal {
    blobs: Blobs,
    copy: Copy,
}

type Change = Arc<dyn Fn(PutObjectFluentBuilder) -> PutObjectFluentBuilder + Send + Sync>;

impl Blobs {
    /// Opens an object and seals it again under another key of the same bucket. S3's own CopyObject cannot: what it
    /// copies to another key does not open.
    pub fn copy(&self, from: impl Into<String>, to: impl Into<String>) -> Copy {
        Copy::new(self.clone(), from.into(), to.into())
    }

    /// Copies an object, and then deletes the original if it is still the one that was read.
    pub fn rename(&self, from: impl Into<String>, to: impl Into<String>) -> Rename {
        Rename::new(self.clone(), from.into(), to.into())
    }

    /// Opens an object and seals it again in its place, under the tenant's current data key, if it is still the one
    /// that was read. Its stamp changes.
    pub fn reseal(&self, key: impl Into<String>) -> Reseal {
        Reseal::new(self.clone(), key.into())
    }
}

impl Copy {
    pub(crate) fn new(blobs: Blobs, from: String, to: String) -> Self {
        Self { blobs, from, to, stamp: None, changes: Vec::new() }
    }

    /// Copies only the version of this stamp; another is
    /// [`BlobFault::OtherVersion`](crate::BlobFault::OtherVersion).
    pub fn stamp(mut self, stamp: Stamp) -> Self {
        self.stamp = Some(stamp);
        self
    }

    /// Stores the copy only where there is no object.
    pub fn if_none_match(self) -> Self {
        self.customize(|request| request.if_none_match("*"))
    }

    /// Changes the put of the copy. It may run more than once.
    pub fn customize(
        mut self,
        change: impl Fn(PutObjectFluentBuilder) -> PutObjectFluentBuilder + Send + Sync + 'static,
    ) -> Self {
        self.changes.push(Arc::new(change));
        self
    }

    /// Copies.
    ///
    /// # Errors
    ///
    /// When the original does not open, as [`Get::send`](crate::Get::send); when the copy is not stored, as
    /// [`Put::send`](crate::Put::send).
    pub async fn send(self) -> Result<PutBlob, Error> {
        self.run(false).await.map(|(copy, _)| copy)
    }

    /// The copy, and the ETag of the version that was read; `in_place` only while it is still there.
    async fn run(self, in_place: bool) -> Result<(PutBlob, String), Error> {
        let place = self.blobs.place()?.clone();
        let mut round = 0;
        loop {
            round += 1;
            match self.once(&place, in_place).await {
                Err(error) if error.is_conflict_of_requests() && round < ROUNDS => {}
                done => return done,
            }
        }
    }

    async fn once(&self, place: &Arc<Place>, in_place: bool) -> Result<(PutBlob, String), Error> {
        let to = place.key(&self.to)?;
        let mut get = self.blobs.get(&self.from);
        if let Some(stamp) = self.stamp {
            get = get.stamp(stamp);
        }
        let (body, original, etag, len) = get.send().await?.into_parts();
        let mut request = crate::put::like(&original, place.client.put_object());
        request = self.changes.iter().fold(request, |request, change| change(request));
        if in_place {
            request = request.if_match(&etag);
        }
        let fields = Fields::read(&request)?;
        Ok((put(place, &to, &fields, Source::Blob { body, len }).await?, etag))
    }
}

impl Rename {
    pub(crate) fn new(blobs: Blobs, from: String, to: String) -> Self {
        Self { copy: Copy::new(blobs.clone(), from, to), blobs }
    }

    /// Stores the new object only where there is none.
    pub fn if_none_match(mut self) -> Self {
        self.copy = self.copy.if_none_match();
        self
    }

    /// Changes the put of the new object. It may run more than once.
    pub fn customize(
        mut self,
        change: impl Fn(PutObjectFluentBuilder) -> PutObjectFluentBuilder + Send + Sync + 'static,
    ) -> Self {
        self.copy = self.copy.customize(change);
        self
    }

    /// Renames.
    ///
    /// # Errors
    ///
    /// As [`Copy::send`], and [`Error::NotDeleted`] or [`Error::PerhapsDeleted`].
    pub async fn send(self) -> Result<PutBlob, Error> {
        let Self { blobs, copy } = self;
        if copy.from == copy.to {
            return Err(Error::Refused(Refusal::SameKey));
        }
        let from = copy.from.clone();
        let (renamed, etag) = copy.run(false).await?;
        let Err(error) = blobs.delete(&from).if_match(etag).send().await else { return Ok(renamed) };
        // The answer to a delete that happened may be lost, and there is nothing to delete for the attempt after it.
        if error.written() == Written::No && !error.is_not_found() {
            return Err(Error::NotDeleted(Arc::new(error)));
        }
        match blobs.head(&from).send().await {
            Err(absent) if absent.is_not_found() => Ok(renamed),
            Ok(_) => Err(Error::NotDeleted(Arc::new(error))),
            Err(_) => Err(Error::PerhapsDeleted(Arc::new(error))),
        }
    }
}

impl Reseal {
    pub(crate) fn new(blobs: Blobs, key: String) -> Self {
        Self { copy: Copy::new(blobs.clone(), key.clone(), key), blobs }
    }

    /// Changes the put of the new version. It may run more than once.
    pub fn customize(
        mut self,
        change: impl Fn(PutObjectFluentBuilder) -> PutObjectFluentBuilder + Send + Sync + 'static,
    ) -> Self {
        self.copy = self.copy.customize(change);
        self
    }

    /// Seals it again.
    ///
    /// # Errors
    ///
    /// As [`Copy::send`].
    pub async fn send(self) -> Result<PutBlob, Error> {
        self.copy.run(true).await.map(|(resealed, _)| resealed)
    }
}

awaits!(Copy gives PutBlob);
awaits!(Rename gives PutBlob);
awaits!(Reseal gives PutBlob);

//! Lists the tenant's objects.

use std::collections::VecDeque;
use std::fmt;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use aws_sdk_s3::primitives::DateTime;
use futures_util::{Stream, stream};
use tracing::Instrument;

use crate::blobs::{Blobs, Place};
use crate::changes::{Changes, awaits};
use crate::error::{Error, Refusal, ServiceError};

/// Lists the tenant's objects; see [`Blobs::list`]. Awaited, it gives a [`Page`]; [`List::stream`] gives all.
///
/// **Nothing of a list is authenticated**: whoever writes to the bucket can delete, copy and restore objects. What a
/// list names outside of the tenant's prefix is an error.
#[must_use = "nothing is listed before it is awaited"]
pub struct List {
    blobs: Blobs,
    prefix: String,
    start_after: Option<String>,
    changes: Changes<ListObjectsV2FluentBuilder>,
}

/// A page of a list.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Page {
    /// The objects.
    pub blobs: Vec<Listed>,
    /// The common prefixes, without the tenant's, where a delimiter was set.
    pub prefixes: Vec<String>,
    /// Where the next page begins; none when this is the last.
    pub next_token: Option<String>,
}

/// An object of a list.
#[derive(Clone)]
pub struct Listed {
    key: String,
    stored_len: u64,
    etag: Option<String>,
    modified: Option<DateTime>,
}

impl Blobs {
    /// Lists the tenant's objects whose keys begin with `prefix`; all for an empty one.
    pub fn list(&self, prefix: impl Into<String>) -> List {
        List::new(self.clone(), prefix.into())
    }
}

impl List {
    pub(crate) fn new(blobs: Blobs, prefix: String) -> Self {
        Self { blobs, prefix, start_after: None, changes: Changes::none() }
    }

    /// Lists only what comes after this key, which need not exist.
    pub fn start_after(mut self, key: impl Into<String>) -> Self {
        self.start_after = Some(key.into());
        self
    }

    /// Goes on where a page has ended.
    pub fn page_token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.customize(|request| request.continuation_token(token))
    }

    /// Changes the SDK's own request: a delimiter, the size of pages. Bucket and prefix are set afterwards.
    pub fn customize(
        mut self,
        change: impl FnOnce(ListObjectsV2FluentBuilder) -> ListObjectsV2FluentBuilder + Send + 'static,
    ) -> Self {
        self.changes.push(change);
        self
    }

    /// Fetches one page.
    ///
    /// # Errors
    ///
    /// S3's, and [`Error::Outside`] when the page names what is not the tenant's.
    pub async fn send(self) -> Result<Page, Error> {
        let (blobs, request) = self.request()?;
        fetch(blobs.place()?, request).await
    }

    /// All objects, in the order of their keys. A page is fetched when the one before it is taken. Common prefixes are
    /// left out.
    ///
    /// ```
    /// # use futures_util::TryStreamExt;
    /// # use tenantseal_blobs::{Blobs, Error};
    /// # async fn example(blobs: Blobs) -> Result<(), Error> {
    /// let mut reports = blobs.list("reports/").stream();
    /// while let Some(report) = reports.try_next().await? {
    ///     println!("{} takes {} bytes", report.key(), report.stored_len());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn stream(self) -> impl Stream<Item = Result<Listed, Error>> + Send + Unpin {
        let start = self.request().map(|(blobs, request)| (blobs, Some(request), VecDeque::new()));
        Box::pin(stream::try_unfold(Some(start), |state| async move {
            let Some(state) = state else { return Ok(None) };
            let (blobs, mut request, mut listed) = state?;
            loop {
                if let Some(next) = listed.pop_front() {
                    return Ok(Some((next, Some(Ok((blobs, request, listed))))));
                }
                let Some(asked) = request.take() else { return Ok(None) };
                let page = fetch(blobs.place()?, asked.clone()).await?;
                listed = page.blobs.into();
                request = page.next_token.map(|token| asked.continuation_token(token));
            }
        }))
    }

    fn request(self) -> Result<(Blobs, ListObjectsV2FluentBuilder), Error> {
        let Self { blobs, prefix, start_after, changes } = self;
        let place = blobs.place()?;
        let prefix = place.list_prefix(&prefix)?;
        let mut request = changes.apply(place.client.list_objects_v2());
        for (field, is_set) in [
            ("encoding_type", request.get_encoding_type().is_some()),
            ("start_after", request.get_start_after().is_some()),
        ] {
            if is_set {
                return Err(Error::Refused(Refusal::Customized(field)));
            }
        }
        if let Some(key) = start_after {
            request = request.start_after(place.key(&key)?);
        }
        let request = request.bucket(&place.physical).prefix(prefix);
        Ok((blobs, request))
    }
}

async fn fetch(place: &Place, request: ListObjectsV2FluentBuilder) -> Result<Page, Error> {
    let asked = request.get_continuation_token().clone();
    let prefix = request.get_prefix().clone().unwrap_or_default();
    let answer = request.send().instrument(place.span("ListObjectsV2")).await;
    let answer = answer.map_err(|error| Error::S3(ServiceError::new(error)))?;
    let page = read(place, &prefix, answer).ok_or_else(|| Error::Outside { bucket: place.bucket.clone() })?;
    if page.next_token.is_some() && page.next_token == asked {
        return Err(Error::Answer { bucket: place.bucket.clone(), what: "the list goes on where it began" });
    }
    Ok(page)
}

/// The page, if all of it lies under the prefix that was asked for.
fn read(place: &Place, asked: &str, answer: ListObjectsV2Output) -> Option<Page> {
    let own = |key: &str| key.starts_with(asked).then(|| key.strip_prefix(place.prefix())).flatten().map(str::to_owned);
    let next_token = answer.next_continuation_token.filter(|_| answer.is_truncated != Some(false));
    let listed = answer.contents.unwrap_or_default().into_iter().map(|object| {
        Some(Listed {
            key: own(object.key()?)?,
            stored_len: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            etag: object.e_tag,
            modified: object.last_modified,
        })
    });
    let prefixes = answer.common_prefixes.unwrap_or_default().into_iter().map(|common| own(common.prefix()?));
    Some(Page { blobs: listed.collect::<Option<_>>()?, prefixes: prefixes.collect::<Option<_>>()?, next_token })
}

impl Listed {
    /// The key, without the tenant's prefix, as the other operations take it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How many bytes it takes where it is stored: some hundred more than the plaintext, and 16 for each 64 KiB.
    pub fn stored_len(&self) -> u64 {
        self.stored_len
    }

    /// S3's ETag of the version.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// When it was written, by S3's clock.
    pub fn last_modified(&self) -> Option<&DateTime> {
        self.modified.as_ref()
    }
}

/// Shows no key.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blobs, prefixes, next_token } = self;
        let (blobs, prefixes, is_last) = (blobs.len(), prefixes.len(), next_token.is_none());
        write!(f, "Page {{ blobs: {blobs}, prefixes: {prefixes}, is_last: {is_last} }}")
    }
}

/// Shows no key.
impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed").field("stored_len", &self.stored_len).finish_non_exhaustive()
    }
}

awaits!(List gives Page);

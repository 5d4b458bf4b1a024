//! A bucket, and the prefix under which each tenant's objects lie in it.

use tenantseal_core::TenantId;
use tenantseal_core::tenant_template::{InvalidTenantTemplate, TenantTemplate};

use crate::key::{InvalidKey, MAX_LEN, check_segments};

/// A bucket of tenants' objects. Nothing is checked before a handle is made of it.
///
/// ```
/// use tenantseal_blobs::Bucket;
///
/// let documents = Bucket::new("documents").physical("prod-documents-7f3").prefix("tenants/{tenant}/");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Bucket {
    name: String,
    physical: Option<String>,
    prefix: String,
}

impl Bucket {
    /// The logical bucket `name`, to which its objects are bound. By default it is S3's name as well, and the prefix is
    /// `{tenant}/`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), physical: None, prefix: "{tenant}/".to_owned() }
    }

    /// S3's name of the bucket, or the ARN of an access point. Objects do not depend on it: a copy of the whole bucket
    /// opens where it is configured under the same logical name.
    pub fn physical(mut self, physical: impl Into<String>) -> Self {
        self.physical = Some(physical.into());
        self
    }

    /// With what the keys of a tenant's objects begin. It has `{tenant}` exactly once, followed by a character that no
    /// tenant id has.
    pub fn prefix(mut self, template: impl Into<String>) -> Self {
        self.prefix = template.into();
        self
    }

    /// The logical name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// S3's name.
    pub(crate) fn physical_name(&self) -> &str {
        self.physical.as_deref().unwrap_or(&self.name)
    }

    /// Checks the bucket's configuration.
    ///
    /// # Errors
    ///
    /// [`InvalidBucket`] is the rule that it breaks.
    pub fn check(&self) -> Result<(), InvalidBucket> {
        self.template().map(|_| ())
    }

    /// Checks that no key of an object is one of this bucket and of `other`, whosever the objects are.
    ///
    /// In one bucket of S3, `{tenant}/` and `docs/{tenant}/` would give the tenant `docs` the objects of all tenants.
    ///
    /// # Errors
    ///
    /// [`InvalidBucket::Overlap`].
    pub fn check_apart(&self, other: &Self) -> Result<(), InvalidBucket> {
        let head = |bucket: &Self| bucket.prefix.split("{tenant}").next().unwrap_or_default().to_owned();
        let (own, others) = (head(self), head(other));
        if self.physical_name() == other.physical_name() && (own.starts_with(&others) || others.starts_with(&own)) {
            return Err(InvalidBucket::Overlap(self.name.clone(), other.name.clone()));
        }
        Ok(())
    }

    /// With what the keys of this tenant's objects begin.
    pub(crate) fn prefix_of(&self, tenant: &TenantId) -> Result<String, InvalidBucket> {
        Ok(self.template()?.render(tenant))
    }

    fn template(&self) -> Result<TenantTemplate, InvalidBucket> {
        let Self { name, prefix, .. } = self;
        if name.is_empty() || self.physical_name().is_empty() {
            return Err(InvalidBucket::NoName);
        }
        let template = TenantTemplate::parse(prefix).map_err(|error| match error {
            InvalidTenantTemplate::Ambiguous => InvalidBucket::Ambiguous(name.clone()),
            _ => InvalidBucket::Placeholder(name.clone()),
        })?;
        if !template.is_prefix() {
            return Err(InvalidBucket::Ambiguous(name.clone()));
        }
        check_segments(prefix).map_err(|error| InvalidBucket::Prefix(name.clone(), error))?;
        // A tenant id has at most 48 characters. Something must be left for the keys.
        if prefix.len() + 48 > MAX_LEN / 2 {
            return Err(InvalidBucket::Prefix(name.clone(), InvalidKey::TooLong));
        }
        Ok(template)
    }
}

/// Why a bucket's configuration does not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBucket {
    /// The logical or the physical name is empty.
    #[error("a bucket has a name: give `Bucket::new` one, and `physical` if it is another in S3")]
    NoName,
    /// `{tenant}` does not appear exactly once in the prefix.
    #[error("bucket `{0}`: its prefix must have `{{tenant}}` exactly once, for example `{{tenant}}/`")]
    Placeholder(String),
    /// The text after `{tenant}` is none, or could be part of a longer tenant id.
    #[error(
        "bucket `{0}`: in its prefix a character that is not one of [A-Za-z0-9_-] must follow `{{tenant}}`, for example `{{tenant}}/`, or tenant `12` would own the objects of `123`"
    )]
    Ambiguous(String),
    /// No key can begin so.
    #[error("bucket `{0}`: its prefix: {1}")]
    Prefix(String, InvalidKey),
    /// Two buckets lie in one of S3's, and their prefixes could give one tenant another's objects.
    #[error(
        "buckets `{0}` and `{1}` lie in one bucket of S3: begin their prefixes with different text before `{{tenant}}`, neither of which begins with the other, for example `docs/{{tenant}}/` and `pictures/{{tenant}}/`"
    )]
    Overlap(String, String),
    /// Two buckets have one logical name.
    #[error("bucket `{0}` is configured twice: give each another logical name")]
    Twice(String),
}

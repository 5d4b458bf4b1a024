//! One tenant's objects in one bucket.

use std::fmt;
use std::sync::Arc;

use aws_sdk_s3::Client;
use tenantseal_core::{BlobVault, TenantVault, telemetry};
use tracing::Span;

use crate::bucket::{Bucket, InvalidBucket};
use crate::error::{Error, Refusal};
use crate::key::{whole_key, whole_prefix};

/// One tenant's objects in one bucket, sealed. Cheap to clone; keep it for a request or for a process.
///
/// Keys are given without the tenant's prefix. All operations are builders that you await.
///
/// ```
/// # use tenantseal_blobs::{Blobs, Error};
/// # async fn example(blobs: Blobs, pdf: Vec<u8>) -> Result<(), Error> {
/// let put = blobs.put("reports/2026.pdf", pdf).if_none_match().await?;
/// let pdf = blobs.get("reports/2026.pdf").stamp(put.stamp()).bytes(16 << 20).await?;
///
/// let report = blobs.open("reports/2026.pdf").await?;
/// let trailer = report.range(report.len().saturating_sub(500)..).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Blobs(Result<Arc<Place>, Refusal>);

pub(crate) struct Place {
    pub(crate) client: Client,
    /// The logical bucket.
    pub(crate) bucket: String,
    /// S3's name of it.
    pub(crate) physical: String,
    prefix: String,
    vault: TenantVault,
}

impl Blobs {
    /// The objects of this tenant. `client` is any client of S3: it sends and receives sealed bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidBucket`] is the rule that the bucket's configuration breaks.
    ///
    /// ```
    /// use tenantseal_blobs::{Blobs, Bucket};
    /// use tenantseal_core::{TenantId, Vault};
    ///
    /// # fn example(vault: Vault, client: aws_sdk_s3::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let acme = vault.tenant(&TenantId::parse("acme")?);
    /// let documents = Blobs::new(client, &Bucket::new("documents"), acme)?;
    /// # Ok(()) }
    /// ```
    pub fn new(client: Client, bucket: &Bucket, tenant: TenantVault) -> Result<Self, InvalidBucket> {
        let prefix = bucket.prefix_of(tenant.id())?;
        let (name, physical) = (bucket.name().to_owned(), bucket.physical_name().to_owned());
        Ok(Self(Ok(Arc::new(Place { client, bucket: name, physical, prefix, vault: tenant }))))
    }

    /// The handle to a bucket that is not configured: all operations fail.
    #[doc(hidden)]
    pub fn unknown(bucket: &str) -> Self {
        Self(Err(Refusal::UnknownBucket(bucket.to_owned())))
    }

    pub(crate) fn place(&self) -> Result<&Arc<Place>, Error> {
        self.0.as_ref().map_err(|refusal| Error::Refused(refusal.clone()))
    }
}

impl Place {
    /// The whole key of an object.
    pub(crate) fn key(&self, key: &str) -> Result<String, Error> {
        whole_key(&self.prefix, key).map_err(|error| Error::Refused(Refusal::Key(error)))
    }

    /// The whole prefix of a list.
    pub(crate) fn list_prefix(&self, prefix: &str) -> Result<String, Error> {
        whole_prefix(&self.prefix, prefix).map_err(|error| Error::Refused(Refusal::Key(error)))
    }

    /// With what the keys of all of the tenant's objects begin.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What seals and opens the object with this whole key.
    pub(crate) fn vault(&self, whole_key: &str) -> BlobVault {
        self.vault.blob(&self.bucket, whole_key)
    }

    pub(crate) fn span(&self, operation: &'static str) -> Span {
        let span = telemetry::operation_span(self.vault.id(), operation);
        telemetry::record_tables(&span, || vec![self.bucket.as_str()]);
        span
    }

    /// The error of an object that does not open, which is counted.
    pub(crate) fn fault(&self, fault: tenantseal_core::blob::BlobFault) -> Error {
        if fault.is_integrity() {
            telemetry::record_integrity_failure(self.vault.id(), &self.bucket, fault);
        }
        Error::Blob { bucket: self.bucket.clone(), fault }
    }

    /// The error of a vault.
    pub(crate) fn vault_error(&self, error: tenantseal_core::Error) -> Error {
        match error {
            tenantseal_core::Error::Blob(fault) => self.fault(fault),
            other => Error::from_vault(other),
        }
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(place) => write!(f, "Blobs({}, {})", place.vault.id(), place.bucket),
            Err(_) => f.write_str("Blobs(unknown bucket)"),
        }
    }
}

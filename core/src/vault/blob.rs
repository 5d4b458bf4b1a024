//! Seals and opens one blob: fetches its data key, and reports the use.

use std::fmt;
use std::sync::Arc;

use super::{Error, TenantVault};
use crate::blob::{BlobFault, BlobHeader, BlobIdentity, BlobSealer, OpenedBlob};
use crate::crypto::OsRandom;
use crate::envelope::{KeyRecordPlacement, KeyRing, NeededKey};
use crate::format::StoredKey;
use crate::keys::{OpeningKeyError, OpeningMode};

/// Seals and opens the blob of one key in one bucket. Cheap to clone.
///
/// [`blob`](crate::blob) has an example.
#[derive(Clone)]
pub struct BlobVault {
    vault: TenantVault,
    bucket: Arc<str>,
    identity: Arc<BlobIdentity>,
}

impl TenantVault {
    /// The handle to one blob. `bucket` names a bucket, disk or container, and `key` the whole key of the object in it.
    ///
    /// To open a blob, name the same bucket and key again: a blob that was moved to another key does not open.
    pub fn blob(&self, bucket: &str, key: &str) -> BlobVault {
        let identity = Arc::new(BlobIdentity::new(self.id(), bucket, key));
        BlobVault { vault: self.clone(), bucket: bucket.into(), identity }
    }
}

impl BlobVault {
    /// A sealer for a new version of the blob, under the tenant's current data key.
    ///
    /// # Errors
    ///
    /// When no data key is available, and when the operating system gives no random bytes.
    pub async fn seal(&self) -> Result<BlobSealer, Error> {
        self.seal_for("seal").await
    }

    /// The same, for the audit of this operation.
    #[doc(hidden)]
    pub async fn seal_for(&self, operation: &'static str) -> Result<BlobSealer, Error> {
        let TenantVault { audit, keys } = &self.vault;
        // Always with the whole record: beside an object its size does not count, and it opens without the key table.
        let key = keys.sealing_key(None, KeyRecordPlacement::Item).await?;
        audit.record_seals(keys.tenant(), operation, &key, &[(&*self.bucket, 1)])?;
        Ok(BlobSealer::start(&key, &self.identity, &OsRandom)?)
    }

    /// Opens a blob's header, which says nothing of the chunks behind it yet.
    ///
    /// # Errors
    ///
    /// [`Error::Blob`] when the header was not made for this tenant, bucket and key, or was altered; others when its
    /// data key is not available.
    pub async fn open(&self, header: &BlobHeader) -> Result<OpenedBlob, Error> {
        self.open_for("open", header).await
    }

    /// The same, for the audit of this operation.
    #[doc(hidden)]
    pub async fn open_for(&self, operation: &'static str, header: &BlobHeader) -> Result<OpenedBlob, Error> {
        let keys = self.opening_key(header).await?;
        let TenantVault { audit, keys: tenant } = &self.vault;
        audit.record_opens_of_item(tenant.tenant(), operation, &keys, &self.bucket)?;
        let key = keys.get(StoredKey::Record(&header.record)).ok_or(Error::Blob(BlobFault::ForeignBlob))?;
        OpenedBlob::new(header, key, &self.identity).map_err(Error::Blob)
    }

    /// Whether the data key may still be used: it asks the key service anew when that is due.
    ///
    /// Whoever seals or opens for long, or again and again with what is open already, asks from time to time. So a
    /// tenant that was revoked is not read any longer than data keys are cached.
    ///
    /// # Errors
    ///
    /// When the tenant was revoked, and when the data key is not available for another reason.
    pub async fn revalidate(&self, header: &BlobHeader) -> Result<(), Error> {
        self.opening_key(header).await.map(|_| ())
    }

    async fn opening_key(&self, header: &BlobHeader) -> Result<KeyRing, Error> {
        let stored = StoredKey::Record(&*header.record).to_owned();
        let needed = vec![NeededKey { attribute: String::new(), stored }];
        let (keys, failures) = self.vault.keys.opening_keys(needed, OpeningMode::AllOrNothing).await;
        match failures.into_iter().next() {
            None => Ok(keys),
            Some((_, OpeningKeyError::Open { fault, .. })) => Err(Error::Blob(BlobFault::Key(fault))),
            Some((_, error)) => Err(error.into()),
        }
    }
}

/// Shows no key of an object, which may say something about a person.
impl fmt::Debug for BlobVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobVault({}, {})", self.vault.id(), self.bucket)
    }
}

//! A blob whose header is authentic: opens its chunks, all of them or some.

use std::sync::Arc;

use super::identity::BlobIdentity;
use super::{BlobFault, BlobHeader, BlobOpener, BlobSealer, Span, Stamp};
use crate::crypto::{BlobKey, RandomError, RandomSource};
use crate::envelope::VerifiedDataKey;

/// A blob whose header is authentic: it was sealed for this bucket, key and tenant. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenedBlob {
    key: Arc<BlobKey>,
    stamp: Stamp,
}

impl OpenedBlob {
    /// Derives the blob's key, and compares the commitment before anything is decrypted.
    #[doc(hidden)]
    pub fn new(header: &BlobHeader, data_key: &VerifiedDataKey, identity: &BlobIdentity) -> Result<Self, BlobFault> {
        let (key, commitment) = data_key.blob_key(&BlobHeader::MAGIC, header.id.as_bytes(), identity.as_bytes());
        if !commitment.matches(&header.commitment) {
            return Err(BlobFault::ForeignBlob);
        }
        Ok(Self { key: Arc::new(key), stamp: header.id })
    }

    /// Names this version of the blob, and no other.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Opens the whole blob, from the byte behind its header to its end.
    pub fn into_opener(self) -> BlobOpener {
        BlobOpener::new(self.key, 0, true)
    }

    /// Opens the chunks of a [`Span`], from the first of its stored bytes to the last.
    pub fn opener(&self, span: &Span) -> BlobOpener {
        BlobOpener::new(Arc::clone(&self.key), span.first_chunk, span.ends_the_blob)
    }
}

impl BlobSealer {
    /// Draws the id of a new blob, and derives its key from it.
    #[doc(hidden)]
    pub fn start(
        data_key: &VerifiedDataKey,
        identity: &BlobIdentity,
        random: &dyn RandomSource,
    ) -> Result<Self, RandomError> {
        let mut id = [0; Stamp::LEN];
        random.fill(&mut id)?;
        let id = Stamp::from_bytes(id);
        let (key, commitment) = data_key.blob_key(&BlobHeader::MAGIC, id.as_bytes(), identity.as_bytes());
        Ok(Self::new(key, BlobHeader { record: data_key.stored_record().into(), id, commitment }))
    }
}

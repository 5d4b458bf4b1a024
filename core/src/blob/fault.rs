//! Faults of stored blobs.

use crate::envelope::OpenFault;

/// What is wrong with a stored blob. Shows nothing of its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobFault {
    /// What is stored does not begin as a blob does.
    #[error(
        "it is not sealed: it is plaintext, empty, or its beginning was altered. If you know who wrote it as plaintext, read it with a plain client and put it with the tenant's"
    )]
    NotSealed,
    /// A blob of a version that is reserved for newer releases. It is not authenticated.
    #[error(
        "blob version {0:#04x} is unknown to this release: upgrade tenantseal if a newer one wrote it; if none did, it was altered"
    )]
    UnknownVersion(u8),
    /// The stored bytes end within the header or within a tag.
    #[error("it ends too early: it was cut short")]
    Truncated,
    /// The key record in the header does not lead to a data key.
    #[error("the key record in its header is refused: {0}")]
    Key(#[source] OpenFault),
    /// The header was made for another bucket, key or tenant, or was altered.
    #[error(
        "it was sealed for another bucket, key or tenant, or its header was altered: read it at the key that it was put to. An object that S3 copied to another key does not open: use `copy` or `rename`"
    )]
    ForeignBlob,
    /// A chunk is not the one that was sealed in this place of this blob.
    #[error(
        "it is not authentic: a chunk was altered, moved or mixed with another blob's, or the end was cut off or added to"
    )]
    NotAuthentic,
    /// It has more chunks than a blob can have.
    #[error("it is longer than the 256 TiB that a blob can have")]
    TooLong,
    /// The blob is authentic, and not the version that the stamp names.
    #[error(
        "it is another version than the stamp names: it was put again since, or somebody restored an older one. Read the item that holds the stamp again"
    )]
    OtherVersion,
    /// The object was overwritten or deleted between two reads.
    #[error("the object was overwritten or deleted since it was opened: open it again")]
    Changed,
}

impl BlobFault {
    /// Whether stored bytes are not what was sealed there: altered, moved, cut, replayed, or not sealed at all.
    ///
    /// It is false for what a newer release may have written, for what an operator probably did (an alias that was
    /// re-pointed), and for an object that somebody else has overwritten in time.
    pub fn is_integrity(self) -> bool {
        match self {
            Self::NotSealed | Self::Truncated | Self::ForeignBlob | Self::NotAuthentic | Self::OtherVersion => true,
            Self::Key(fault) => fault.is_integrity(),
            Self::UnknownVersion(_) | Self::TooLong | Self::Changed => false,
        }
    }
}

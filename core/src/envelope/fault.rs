//! Faults of stored attributes.

use crate::format::FormatError;

/// What is wrong with a stored attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenFault {
    /// The schema says encrypted, but what is stored is not sealed: another type than B, or bytes that begin as no
    /// sealed value does.
    #[error(
        "the schema says it is encrypted, but what is stored is not sealed: it is plaintext, or was altered. If you know who wrote it as plaintext, read it with a plain client and put it with the tenant's"
    )]
    NotSealed,
    /// The same of an attribute that the code adopts, while the tenant has no leave in force.
    #[error(
        "it is plaintext, and the tenant has no leave for this table: none was issued, or it is closed or has expired (`tenantseal migrate status`). A process without `adopt` may have written it, or someone who is not to write it"
    )]
    NoLeave,
    /// The item's record type does not encrypt this attribute, another record type of the table does, and what is
    /// stored is binary.
    #[error("it is binary, and another record of the table encrypts it: the discriminator may have been changed")]
    Binary,
    /// The stored bytes are malformed.
    #[error("{0}")]
    Format(#[source] FormatError),
    /// The attribute relies on the item's header, which is missing.
    #[error("it relies on the header `_seal`, which is missing (an index must project it)")]
    NoHeader,
    /// The key record names an encryption context that is not configured: another tenant's, or another application's.
    #[error("its key record was made for another encryption context (tenant or static pairs)")]
    ForeignContext,
    /// The data key was wrapped by another KMS key than the tenant's alias points to.
    #[error(
        "its wrapped key belongs to another KMS key than the tenant's alias points to: the alias was re-pointed, or the record forged"
    )]
    OtherKek,
    /// KMS does not accept the wrapped data key for this tenant and context.
    #[error("its wrapped key is corrupt, or was made for another tenant or encryption context")]
    WrappedDataKey,
    /// The key record does not match the data key that KMS unwrapped, or names another KMS key than the one that
    /// unwrapped it.
    #[error("its key record is forged: it does not match the key that KMS unwrapped")]
    ForgedRecord,
    /// The item refers to a key table, and none is configured.
    #[error("its key record lies in a key table: configure it with `TenantSealBuilder::key_table`")]
    NoKeyTable,
    /// The key table has no key record for the data key id that the item names.
    #[error("the key table has no record of its key for this tenant: it was deleted, or the reference is forged")]
    UnknownKey,
    /// The value is authentic, but of another type than binary: a DynamoDB client sealed it.
    #[error("it is a value of a DynamoDB item, and not binary: open the item with the tenant's DynamoDB client")]
    NotBinary,
    /// The ciphertext was not made for this attribute of this item under this key.
    #[error("it is not authentic: altered, moved from another attribute, item, table or tenant, or never sealed")]
    NotAuthentic,
}

impl OpenFault {
    /// Whether someone seems to have tampered with what is stored. What a newer release may have written does not
    /// count. In a fleet that is being upgraded, that is an everyday case, and it does not open either way.
    pub fn is_integrity(self) -> bool {
        match self {
            Self::OtherKek | Self::NoKeyTable => false,
            Self::Format(fault) => !fault.may_be_newer(),
            _ => true,
        }
    }
}

impl From<FormatError> for OpenFault {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::NotSealed => Self::NotSealed,
            other => Self::Format(other),
        }
    }
}

//! What can be wrong with stored bytes.

/// Why stored bytes are not what they should be. Says nothing of the bytes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end too early.
    #[error("the stored bytes end too early")]
    Truncated,
    /// There are bytes after the end.
    #[error("there are bytes after the end of the stored value")]
    Trailing,
    /// A key record of a version that this release does not know.
    #[error("key record version {0:#04x} is unknown to this release: upgrade tenantseal")]
    UnknownVersion(u8),
    /// A sealed attribute of a form that this release does not know.
    #[error("sealed form {0:#04x} is unknown to this release: upgrade tenantseal")]
    UnknownForm(u8),
    /// A value of a type that this release does not know.
    #[error("value type {0:#04x} is unknown to this release: upgrade tenantseal")]
    UnknownType(u8),
    /// The encryption context of a record is empty, too large, unordered or not UTF-8.
    #[error("the encryption context in the key record is malformed")]
    Context,
    /// The key ARN of a record is malformed, or standard and not stored compactly.
    #[error("the key ARN in the key record is malformed")]
    KeyArn,
    /// The wrapped key has no or more than 1,024 bytes.
    #[error("the wrapped key in the key record has {0} bytes; 1 to 1,024 are allowed")]
    WrappedKey(usize),
    /// The value decodes, but is not written as this version writes it.
    #[error("the value is not in canonical form")]
    NotCanonical,
    /// Lists and maps are nested more deeply than DynamoDB allows.
    #[error("the value is nested more deeply than DynamoDB allows")]
    TooDeep,
}

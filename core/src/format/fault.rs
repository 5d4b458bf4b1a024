//! Faults of stored bytes.

/// The first bytes of records and headers that newer releases may write (docs/FORMAT.md, section 10).
pub(crate) const RESERVED_VERSIONS: std::ops::RangeInclusive<u8> = 0x04..=0x0f;
/// The first bytes of sealed attributes; this release knows 3 of them.
pub(crate) const FORMS: std::ops::RangeInclusive<u8> = 0x10..=0x2f;

/// Why stored bytes are not what they should be. Shows nothing of the bytes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end too early.
    #[error("the stored bytes end too early")]
    Truncated,
    /// There are bytes after the end.
    #[error("there are bytes after the end of the stored value")]
    Trailing,
    /// A key record of a version that is reserved for newer releases. It is not authenticated.
    #[error(
        "key record version {0:#04x} is unknown to this release: upgrade tenantseal if a newer one wrote it; if none did, it was altered"
    )]
    UnknownVersion(u8),
    /// The bytes begin as no key record of any release does.
    #[error("it is not a key record: it was altered, or something other than tenantseal wrote it")]
    NotARecord,
    /// A sealed attribute of a form that is reserved for newer releases. It is not authenticated.
    #[error(
        "sealed form {0:#04x} is unknown to this release: upgrade tenantseal if a newer one wrote it; if none did, it is not sealed, or was altered"
    )]
    UnknownForm(u8),
    /// The bytes begin as no sealed attribute of any release does.
    #[error("it is not sealed: it is plaintext, or its first byte was altered")]
    NotSealed,
    /// A value of a type that this release does not know. It is authentic, so a newer release wrote it.
    #[error("value type {0:#04x} is unknown to this release: upgrade tenantseal")]
    UnknownType(u8),
    /// The encryption context of a record is empty, too large, unordered or not UTF-8.
    #[error("the encryption context in the key record is malformed")]
    Context,
    /// The KEK of a record is malformed, or standard and not stored compactly.
    #[error("the KEK in the key record is malformed")]
    Kek,
    /// The wrapped key has no or more than 1,024 bytes.
    #[error("the wrapped key in the key record has {0} bytes; 1 to 1,024 are allowed")]
    WrappedDataKey(usize),
    /// The value decodes, but this version would have encoded it differently.
    #[error("the value is not in canonical form")]
    NotCanonical,
    /// Lists and maps are nested more deeply than DynamoDB allows.
    #[error("the value is nested more deeply than DynamoDB allows")]
    TooDeep,
}

impl FormatError {
    /// Whether a newer release may have written the bytes: then nobody need have tampered with them.
    pub fn may_be_newer(self) -> bool {
        matches!(self, Self::UnknownVersion(_) | Self::UnknownForm(_) | Self::UnknownType(_))
    }
}

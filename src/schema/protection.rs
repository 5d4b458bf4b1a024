//! What a schema declares about one attribute.

/// The role of an attribute in its item, and whether it is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Protection {
    /// The role of the attribute in its item.
    pub role: Role,
    /// Whether it is encrypted.
    pub secrecy: Secrecy,
}

/// The role of an attribute in its item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// A key attribute, which is part of the item's identity.
    Key,
    /// Any other attribute.
    Value,
}

/// Whether an attribute is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Secrecy {
    /// Stored as it is.
    Plain,
    /// Encrypted before it leaves the process.
    Encrypted,
    /// The table's records disagree, so an item's discriminator decides.
    Varies,
}

impl Protection {
    pub(crate) const KEY: Self = Self { role: Role::Key, secrecy: Secrecy::Plain };
    pub(crate) const PLAIN: Self = Self { role: Role::Value, secrecy: Secrecy::Plain };
    pub(crate) const ENCRYPTED: Self = Self { role: Role::Value, secrecy: Secrecy::Encrypted };
    pub(crate) const VARIES: Self = Self { role: Role::Value, secrecy: Secrecy::Varies };

    /// Whether it is a key attribute.
    pub fn is_key(self) -> bool {
        self.role == Role::Key
    }

    /// Whether it is stored as it is, in all items.
    pub fn is_plain(self) -> bool {
        self.secrecy == Secrecy::Plain
    }

    /// Whether it is encrypted, in all items.
    pub fn is_encrypted(self) -> bool {
        self.secrecy == Secrecy::Encrypted
    }

    /// Whether an item's discriminator decides if it is encrypted.
    pub fn varies(self) -> bool {
        self.secrecy == Secrecy::Varies
    }

    /// Whether it is encrypted, in all items or in some.
    pub(crate) fn may_encrypt(self) -> bool {
        !self.is_plain()
    }
}

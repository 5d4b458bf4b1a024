//! What is wrong with a lookup's declaration by itself.

use std::fmt;

/// Why a lookup cannot be declared like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupFault {
    /// A compound lookup has fewer than 2 or more than 8 parts.
    Parts,
    /// A compound lookup has a part twice.
    RepeatedPart,
    /// A form of one's own has no name.
    NamelessForm,
    /// A compound lookup has no name.
    NoName,
    /// The name is empty or too long for the key of an index.
    Name,
    /// A compound lookup has a prefix, or a token per member.
    KindOfCompound,
    /// A lookup answers `begins_with` or `contains`, not both.
    PrefixAndEach,
    /// The prefix is out of range.
    Prefix,
    /// A prefix or a token per member keeps all bits.
    NoBits,
    /// The bits are out of range.
    Bits,
    /// A unique lookup is not exact.
    Unique,
    /// A lookup with a token per member has an index.
    IndexOfEach,
    /// A lookup has two indexes.
    TwoIndexes,
    /// DynamoDB has no index of this name.
    IndexName,
    /// The number of the lookup key is 0.
    Key,
}

impl LookupFault {
    /// What to write instead.
    pub(in crate::schema) const fn advice(self) -> &'static str {
        match self {
            Self::Parts => "a compound lookup has 2 to 8 parts; a lookup of one attribute belongs on that attribute",
            Self::RepeatedPart => "one attribute is a part of it twice: remove one",
            Self::NamelessForm => "a form of your own needs a name, which is a part of every token",
            Self::NoName => "a compound lookup needs a name",
            Self::Name => {
                "its name must have 1 to 246 bytes, because `_seal_by_` and the name are an index's key: give it another"
            }
            Self::KindOfCompound => "`prefix` and `each` are for lookups of one attribute: remove them",
            Self::PrefixAndEach => "`prefix` and `each` do not go together: declare two lookups",
            Self::Prefix => "`prefix` must be 1 to 16",
            Self::NoBits => "`prefix` and `each` need `bits` (3 to 40): many items share a beginning or a member",
            Self::Bits => "`bits` must be 3 to 40; without it, all 128 bits are kept",
            Self::Unique => "`unique` is for exact lookups: remove `bits`, `prefix` and `each`",
            Self::IndexOfEach => "`each` has no index, because no set is the key of one: remove the index",
            Self::TwoIndexes => "a lookup has `index` or `tenant_index`: remove one",
            Self::IndexName => "the name of an index has 3 to 255 of the characters a-z, A-Z, 0-9, `_`, `-` and `.`",
            Self::Key => "`key` must be 1 to 65535",
        }
    }
}

impl fmt::Display for LookupFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.advice())
    }
}

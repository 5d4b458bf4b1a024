//! What a token is made of: the definition of a lookup. It is part of the key of its tokens.

use sha2::{Digest, Sha256};

use crate::crypto::{LookupPrk, MacKey};
use crate::format::put_lp;
use crate::tenant::TenantId;

/// Which values have one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LookupKind {
    /// Those that are equal in their form.
    Equality,
    /// Those whose forms begin with the same characters: so many Unicode scalar values.
    Prefix(u8),
    /// Sets: each member has a token.
    Each,
}

/// The definition of a lookup (docs/FORMAT.md, section 15): its kind, how many bits its tokens keep, and its parts, each
/// an attribute and the name of a form.
///
/// It is part of the key of the tokens. So tokens of 2 definitions have nothing in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LookupDefinition {
    encoded: Box<[u8]>,
    bits: u8,
}

impl LookupDefinition {
    const VERSION: u8 = 1;
    /// Tokens of an exact lookup keep so many bits.
    pub const EXACT: u8 = 128;
    /// Tokens of other lookups keep so many bits.
    pub const BITS: std::ops::RangeInclusive<u8> = 3..=40;
    /// The longest prefix.
    pub const MAX_PREFIX: u8 = 16;
    /// The most parts.
    pub const MAX_PARTS: u8 = 8;
    /// How many tokens a value may have; more are reserved.
    const PARTITIONS: u8 = 1;

    /// Checks a definition. `parts` are the attributes' stored names and the names of their forms, in this order.
    ///
    /// # Errors
    ///
    /// [`InvalidLookup`] names the rule that it breaks.
    pub fn new<A: AsRef<str>, F: AsRef<str>>(
        kind: LookupKind,
        bits: u8,
        parts: impl IntoIterator<Item = (A, F)>,
    ) -> Result<Self, InvalidLookup> {
        let is_exact = kind == LookupKind::Equality && bits == Self::EXACT;
        if !is_exact && !Self::BITS.contains(&bits) {
            return Err(InvalidLookup::Bits(bits));
        }
        let mut encoded = vec![Self::VERSION];
        match kind {
            LookupKind::Equality => encoded.push(1),
            LookupKind::Prefix(length) if !(1..=Self::MAX_PREFIX).contains(&length) => {
                return Err(InvalidLookup::Prefix(length));
            }
            LookupKind::Prefix(length) => encoded.extend_from_slice(&[2, length]),
            LookupKind::Each => encoded.push(3),
        }
        encoded.extend_from_slice(&[bits, Self::PARTITIONS]);
        let count_at = encoded.len();
        encoded.push(0);
        for (attribute, form) in parts {
            encoded[count_at] += 1;
            if encoded[count_at] > Self::MAX_PARTS {
                return Err(InvalidLookup::Parts);
            }
            put_lp(&mut encoded, attribute.as_ref().as_bytes());
            put_lp(&mut encoded, form.as_ref().as_bytes());
        }
        match (kind, encoded[count_at]) {
            (_, 0) => Err(InvalidLookup::Parts),
            (LookupKind::Prefix(_) | LookupKind::Each, 2..) => Err(InvalidLookup::Compound),
            _ => Ok(Self { encoded: encoded.into(), bits }),
        }
    }

    /// `01 ‖ kind ‖ u8(bits) ‖ 01 ‖ u8(count) ‖ part …`.
    pub fn encode(&self) -> &[u8] {
        &self.encoded
    }

    /// The first 16 bytes of the SHA-256 of the definition, by which a lookup record knows it.
    pub fn digest(&self) -> [u8; 16] {
        *Sha256::digest(&self.encoded).first_chunk().expect("SHA-256 has 32 bytes")
    }

    /// How many bits tokens keep.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The key of the tokens of a tenant's lookup: `name` is what follows `_seal_by_`, `table` the logical table.
    pub fn mac_key(&self, key: &LookupPrk, tenant: &TenantId, table: &str, name: &str) -> MacKey {
        let parts = [tenant.as_str().as_bytes(), table.as_bytes(), name.as_bytes(), &self.encoded];
        let mut scope = Vec::with_capacity(parts.iter().map(|part| 4 + part.len()).sum());
        parts.iter().for_each(|part| put_lp(&mut scope, part));
        key.mac_key(&scope, self.bits)
    }
}

/// Why something is not the definition of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLookup {
    /// The bits are out of range.
    #[error("tokens keep 3 to 40 bits, or 128 where values are equal; this lookup says {0}")]
    Bits(u8),
    /// The prefix is out of range.
    #[error("a prefix has 1 to 16 characters; this one has {0}")]
    Prefix(u8),
    /// There is no part, or there are too many.
    #[error("a lookup has 1 to 8 parts")]
    Parts,
    /// A prefix or a set is a part of several.
    #[error("a lookup of prefixes, or of each member of a set, has 1 part")]
    Compound,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(kind: LookupKind, bits: u8, parts: usize) -> Result<LookupDefinition, InvalidLookup> {
        LookupDefinition::new(kind, bits, std::iter::repeat_n(("a", "exact"), parts))
    }

    #[test]
    fn what_is_no_definition_is_refused_by_its_rule() {
        use LookupKind::{Each, Equality, Prefix};
        for bits in [0, 2, 41, 127, 129] {
            assert_eq!(definition(Equality, bits, 1), Err(InvalidLookup::Bits(bits)));
        }
        for kind in [Prefix(3), Each] {
            assert_eq!(definition(kind, 128, 1), Err(InvalidLookup::Bits(128)), "{kind:?}");
            assert_eq!(definition(kind, 8, 2), Err(InvalidLookup::Compound), "{kind:?}");
            assert!(definition(kind, 8, 1).is_ok(), "{kind:?}");
        }
        assert_eq!(definition(Prefix(0), 8, 1), Err(InvalidLookup::Prefix(0)));
        assert_eq!(definition(Prefix(17), 8, 1), Err(InvalidLookup::Prefix(17)));
        assert_eq!(definition(Equality, 128, 0), Err(InvalidLookup::Parts));
        assert_eq!(definition(Equality, 128, 9), Err(InvalidLookup::Parts));
        assert_eq!(definition(Equality, 128, 1_000), Err(InvalidLookup::Parts));
        assert!([3, 40, 128].into_iter().all(|bits| definition(Equality, bits, 8).is_ok()));
    }
}

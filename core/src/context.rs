//! The KMS encryption context: what a data key is bound to, and what CloudTrail shows of it.

use std::fmt;

use crate::tenant::TenantId;

mod period;

pub use period::Period;

/// The encryption context of a tenant's data keys: the pair `tenant`, and the application's static pairs.
///
/// Coarse on purpose: one data key serves all of a tenant's tables, so it can be cached. CloudTrail shows the context
/// in plain text: put no secret into it. Pairs are stored in strictly ascending order of their names (docs/FORMAT.md,
/// "Context").
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EncryptionContext(Box<[(String, String)]>);

impl EncryptionContext {
    /// The name of the pair that holds the tenant's id.
    pub const TENANT: &'static str = "tenant";
    /// The name of the pair of data keys that are not for items.
    pub(crate) const PURPOSE: &'static str = "purpose";
    /// The value of `purpose` for data keys that wrap lookup keys.
    pub(crate) const LOOKUP: &'static str = "lookup";
    /// The most pairs, `tenant` included.
    pub const MAX_PAIRS: usize = 8;

    /// The context of `tenant` with the application's static pairs.
    pub fn new(tenant: &TenantId, pairs: &StaticPairs) -> Self {
        let mut all = pairs.0.clone();
        all.push((Self::TENANT.to_owned(), tenant.as_str().to_owned()));
        all.sort();
        Self(all.into())
    }

    /// The same context for data keys that a fleet shares during `period`.
    pub fn in_period(&self, period: Period) -> Self {
        let mut all = self.0.to_vec();
        all.push((Period::NAME.to_owned(), period.to_string()));
        all.sort();
        Self(all.into())
    }

    /// The same context for the data key that wraps a lookup key. No item opens under it. `None` when there is no room
    /// for the pair.
    pub fn for_lookups(&self) -> Option<Self> {
        if self.0.len() == Self::MAX_PAIRS {
            return None;
        }
        let mut all = self.0.to_vec();
        all.push((Self::PURPOSE.to_owned(), Self::LOOKUP.to_owned()));
        all.sort();
        Some(Self(all.into()))
    }

    /// The pairs, ascending by name.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for EncryptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.pairs()).finish()
    }
}

/// The static pairs that the application adds to every encryption context, for example `service` and `env`.
///
/// Environments that share a KMS key, a tenant, a table name and these pairs are interchangeable: set a pair that tells
/// them apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaticPairs(Vec<(String, String)>);

impl StaticPairs {
    const RESERVED: [&'static str; 4] = [EncryptionContext::TENANT, "table", Period::NAME, EncryptionContext::PURPOSE];

    /// Whether the key record of a shared data key has room for these pairs beside `tenant` and `period`.
    pub(crate) fn has_room_for_period(&self) -> bool {
        self.0.len() + 2 <= EncryptionContext::MAX_PAIRS
    }

    /// Checks the pairs.
    ///
    /// # Errors
    ///
    /// [`InvalidContext`] names the rule that they break.
    pub fn new<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidContext> {
        let mut checked: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            let (name, value) = (name.into(), value.into());
            if !(1..=usize::from(u8::MAX)).contains(&name.len()) || !(1..=1024).contains(&value.len()) {
                return Err(InvalidContext::Length(name));
            }
            if Self::RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) || starts_with_aws(&name) {
                return Err(InvalidContext::Reserved(name));
            }
            // KMS condition keys ignore the case of the name (KMS developer guide,
            // "kms:EncryptionContext:context-key").
            if checked.iter().any(|(other, _)| name.eq_ignore_ascii_case(other)) {
                return Err(InvalidContext::Repeated(name));
            }
            checked.push((name, value));
        }
        if checked.len() >= EncryptionContext::MAX_PAIRS {
            return Err(InvalidContext::TooMany(checked.len()));
        }
        checked.sort();
        Ok(Self(checked))
    }
}

fn starts_with_aws(name: &str) -> bool {
    name.as_bytes().get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"aws:"))
}

/// Why the application's pairs cannot be part of an encryption context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidContext {
    /// A name or value is empty or too long.
    #[error("encryption context pair `{0}`: a name has 1 to 255 bytes and a value 1 to 1,024")]
    Length(String),
    /// The library or AWS uses this name.
    #[error(
        "encryption context name `{0}` is reserved (`tenant`, `table`, `period`, `purpose`, `aws:…`); choose another"
    )]
    Reserved(String),
    /// Two names are equal when ASCII case is ignored, as KMS condition keys do.
    #[error("encryption context name `{0}` appears twice, ignoring case")]
    Repeated(String),
    /// There are more pairs than a key record holds.
    #[error("an encryption context has room for 7 static pairs; {0} were configured")]
    TooMany(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_pair_is_always_there_and_pairs_are_sorted() {
        let pairs = StaticPairs::new([("zone", "b"), ("env", "prod")]).unwrap();
        let context = EncryptionContext::new(&TenantId::parse("acme").unwrap(), &pairs);
        assert_eq!(context.pairs().collect::<Vec<_>>(), [("env", "prod"), ("tenant", "acme"), ("zone", "b")]);
    }

    #[test]
    fn reserved_repeated_and_oversized_pairs_are_refused() {
        assert!(matches!(StaticPairs::new([("Tenant", "x")]), Err(InvalidContext::Reserved(_))));
        assert!(matches!(StaticPairs::new([("purpose", "lookup")]), Err(InvalidContext::Reserved(_))));
        assert!(matches!(StaticPairs::new([("AWS:x", "y")]), Err(InvalidContext::Reserved(_))));
        assert!(matches!(StaticPairs::new([("env", "a"), ("ENV", "b")]), Err(InvalidContext::Repeated(_))));
        assert!(matches!(StaticPairs::new([("env", "")]), Err(InvalidContext::Length(_))));
        let many = (0..8).map(|i| (format!("p{i}"), "x"));
        assert!(matches!(StaticPairs::new(many), Err(InvalidContext::TooMany(8))));
    }
}

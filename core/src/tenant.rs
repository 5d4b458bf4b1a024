//! Tenant ids and the aliases made of them, parsed once and never a bare `String` afterwards.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod encoding;

/// The id of one tenant: 1 to 48 characters of `[A-Za-z0-9_-]`, case-sensitive.
///
/// The alphabet has no character with a meaning in an alias, a policy or a key template (`*`, `?`, `$`, `/`, quotes),
/// so an id cannot inject. The length leaves room for the session name `tenant-<id>` (STS allows 64). For ids of
/// another alphabet use [`TenantId::encode`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The most characters a tenant id has.
    pub const MAX_LEN: usize = 48;

    /// Parses a tenant id.
    ///
    /// ```
    /// use tenantseal_core::TenantId;
    ///
    /// let acme = TenantId::parse("acme")?;
    /// assert_eq!(acme.session_name(), "tenant-acme");
    /// assert!(TenantId::parse("acme/*").is_err());
    /// # Ok::<(), tenantseal_core::InvalidTenantId>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidTenantId`] names the rule that `id` breaks.
    pub fn parse(id: &str) -> Result<Self, InvalidTenantId> {
        if id.is_empty() {
            return Err(InvalidTenantId::Empty);
        }
        if id.len() > Self::MAX_LEN && id.bytes().all(is_tenant_byte) {
            return Err(InvalidTenantId::TooLong(id.len()));
        }
        match id.chars().position(|c| !u8::try_from(c).is_ok_and(is_tenant_byte)) {
            Some(position) => Err(InvalidTenantId::Character { position }),
            None => Ok(Self(id.into())),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The STS session name under which this tenant's calls appear in CloudTrail: `tenant-<id>`.
    pub fn session_name(&self) -> String {
        format!("{SESSION_NAME_PREFIX}{}", self.0)
    }
}

/// The prefix of each session's name; the tenant's id follows. Deployed trust policies compare it.
pub const SESSION_NAME_PREFIX: &str = "tenant-";

/// Whether a byte may be part of a tenant id.
pub(crate) const fn is_tenant_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::parse(id)
    }
}

impl AsRef<str> for TenantId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({})", self.0)
    }
}

impl Serialize for TenantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TenantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Why a text is not a tenant id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTenantId {
    /// It is empty.
    #[error("a tenant id has 1 to 48 characters of [A-Za-z0-9_-]; this one is empty")]
    Empty,
    /// It has more than [`TenantId::MAX_LEN`] characters.
    #[error("a tenant id has 1 to 48 characters of [A-Za-z0-9_-]; this one has {0}")]
    TooLong(usize),
    /// Encoded, it has more than [`TenantId::MAX_LEN`] characters: this many.
    #[error(
        "encoded as a tenant id, this id has {0} characters, and at most 48 are allowed: use a shorter id, such as a \
         number or a hash"
    )]
    TooLongEncoded(usize),
    /// A character is outside the alphabet.
    #[error(
        "a tenant id has 1 to 48 characters of [A-Za-z0-9_-]; the character at index {position} is none of them \
         (`TenantId::encode` takes any)"
    )]
    Character {
        /// Index of the first such character, counted in characters.
        position: usize,
    },
}

/// How a tenant's alias is made of the tenant's id. Default: `alias/customer-{tenant}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasTemplate {
    prefix: Box<str>,
    suffix: Box<str>,
}

impl AliasTemplate {
    /// KMS aliases have at most 256 characters.
    const MAX_ALIAS: usize = 256;
    /// `/` and a key id, which [`Alias::for_key`] appends.
    const KEY_SUFFIX: usize = 37;

    /// Parses a template such as `alias/customer-{tenant}`.
    ///
    /// ```
    /// use tenantseal_core::{AliasTemplate, TenantId};
    ///
    /// let aliases = AliasTemplate::parse("alias/prod/{tenant}")?;
    /// assert_eq!(aliases.alias(&TenantId::parse("acme")?).as_str(), "alias/prod/acme");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidAliasTemplate`] names the rule that `template` breaks.
    pub fn parse(template: &str) -> Result<Self, InvalidAliasTemplate> {
        let name = template.strip_prefix("alias/").ok_or(InvalidAliasTemplate::Prefix)?;
        if name.starts_with("aws/") || name.starts_with("{tenant}") {
            return Err(InvalidAliasTemplate::Reserved);
        }
        let (prefix, suffix) = template.split_once("{tenant}").ok_or(InvalidAliasTemplate::Placeholder)?;
        if suffix.contains("{tenant}") {
            return Err(InvalidAliasTemplate::Placeholder);
        }
        if prefix.len() + TenantId::MAX_LEN + suffix.len() + Self::KEY_SUFFIX > Self::MAX_ALIAS {
            return Err(InvalidAliasTemplate::TooLong);
        }
        if !prefix.bytes().chain(suffix.bytes()).all(|b| is_tenant_byte(b) || b == b'/') {
            return Err(InvalidAliasTemplate::Character);
        }
        Ok(Self { prefix: prefix.into(), suffix: suffix.into() })
    }

    /// The alias of a tenant's current key.
    pub fn alias(&self, tenant: &TenantId) -> Alias {
        Alias(self.with(tenant.as_str()))
    }

    /// The tenant to which an alias belongs, if it is a tenant's: the alias of the current key, or that of a particular
    /// key.
    pub fn tenant_of(&self, alias: &str) -> Option<TenantId> {
        let rest = alias.strip_prefix(&*self.prefix)?;
        let of_key = rest.rsplit_once('/').map(|(alias, _)| alias);
        let tenant = |rest: &str| TenantId::parse(rest.strip_suffix(&*self.suffix)?).ok();
        tenant(rest).or_else(|| tenant(of_key?))
    }

    /// The patterns of [`Alias::patterns`] with a policy variable in place of the tenant id.
    pub fn patterns_for(&self, variable: &str) -> [String; 2] {
        Alias(self.with(variable)).patterns()
    }

    fn with(&self, tenant: &str) -> String {
        format!("{}{tenant}{}", self.prefix, self.suffix)
    }
}

impl Default for AliasTemplate {
    fn default() -> Self {
        Self { prefix: "alias/customer-".into(), suffix: "".into() }
    }
}

/// Why a text is not an alias template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAliasTemplate {
    /// It does not begin with `alias/`.
    #[error("an alias template must begin with `alias/`")]
    Prefix,
    /// It would name aliases that belong to AWS, or could for some tenant id.
    #[error(
        "an alias template must have text of its own between `alias/` and `{{tenant}}`; `alias/aws/` belongs to AWS"
    )]
    Reserved,
    /// `{tenant}` does not appear exactly once.
    #[error("an alias template must have `{{tenant}}` exactly once")]
    Placeholder,
    /// The aliases could be longer than KMS allows.
    #[error("an alias template must leave room: KMS allows 256 characters with the tenant id and a key id")]
    TooLong,
    /// A character that KMS does not allow in aliases, or that means something in a policy.
    #[error("an alias template may have only characters of [A-Za-z0-9/_-] around `{{tenant}}`")]
    Character,
}

/// The alias of one tenant's KMS key, for example `alias/customer-acme`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alias(String);

impl Alias {
    /// The alias as KMS names it, beginning with `alias/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The second alias, which stays on one particular key after the first was re-pointed: `alias/customer-acme/<key
    /// id>`.
    ///
    /// A tenant id cannot contain `/`, so everything below the alias belongs to the same tenant.
    pub fn for_key(&self, key_id: &str) -> Self {
        Self(format!("{}/{key_id}", self.0))
    }

    /// The `StringLike` patterns that match the alias of each of the tenant's keys, and no other tenant's.
    pub fn patterns(&self) -> [String; 2] {
        [self.0.clone(), format!("{}/*", self.0)]
    }
}

impl AsRef<str> for Alias {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Alias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tenant_id_is_1_to_48_characters_of_its_alphabet_and_nothing_else(id in "[A-Za-z0-9_-]{0,60}|\\PC{0,60}") {
            let valid = (1..=48).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            prop_assert_eq!(TenantId::parse(&id).is_ok(), valid);
        }

        #[test]
        fn no_tenants_aliases_match_another_tenants_patterns(
            a in "[A-Za-z0-9_-]{1,4}",
            b in "[A-Za-z0-9_-]{1,4}",
            template in "alias/[a-z/-]{1,3}\\{tenant\\}[a-z/-]{0,3}",
        ) {
            prop_assume!(a != b);
            let Ok(template) = AliasTemplate::parse(&template) else { return Ok(()) };
            let (a, b) = (TenantId::parse(&a).unwrap(), TenantId::parse(&b).unwrap());
            let [exact, below] = template.alias(&a).patterns();
            for alias in [template.alias(&b), template.alias(&b).for_key("k"), template.alias(&b).for_key("a/b")] {
                prop_assert_ne!(alias.as_str(), exact.as_str());
                prop_assert!(!alias.as_str().starts_with(below.trim_end_matches('*')));
            }
        }
    }

    #[test]
    fn a_session_name_fits_for_the_longest_tenant_id() {
        assert!(TenantId::parse(&"x".repeat(48)).unwrap().session_name().len() <= 64);
    }

    #[test]
    fn a_refused_tenant_id_is_told_the_rule() {
        for id in ["", "acme*", "a/b", "${x}", &"x".repeat(49), "é"] {
            assert!(
                TenantId::parse(id).unwrap_err().to_string().contains("1 to 48 characters of [A-Za-z0-9_-]"),
                "{id}"
            );
        }
    }

    #[test]
    fn alias_templates_are_checked() {
        for (template, fault) in [
            ("customer-{tenant}", InvalidAliasTemplate::Prefix),
            ("alias/aws/{tenant}", InvalidAliasTemplate::Reserved),
            ("alias/{tenant}", InvalidAliasTemplate::Reserved),
            ("alias/customer", InvalidAliasTemplate::Placeholder),
            ("alias/x-{tenant}-{tenant}", InvalidAliasTemplate::Placeholder),
            ("alias/customer-*-{tenant}", InvalidAliasTemplate::Character),
            (&format!("alias/{}{{tenant}}", "x".repeat(200)), InvalidAliasTemplate::TooLong),
        ] {
            assert_eq!(AliasTemplate::parse(template), Err(fault), "{template}");
        }
        assert_eq!(AliasTemplate::parse("alias/customer-{tenant}"), Ok(AliasTemplate::default()));
    }
}

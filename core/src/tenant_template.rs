//! How a partition key shows the tenant.

use std::fmt;

use crate::tenant::{TenantId, is_tenant_byte};

const PLACEHOLDER: &str = "{tenant}";

/// The rule that a template breaks.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateFault {
    /// `{tenant}` does not appear exactly once.
    NotOnce,
    /// There is a brace beside `{tenant}`.
    OtherPlaceholder,
    /// The text after `{tenant}` could be part of a longer tenant id.
    Ambiguous,
}

/// Where `{tenant}` stands in a template that tells tenants apart, in bytes.
///
/// A key belongs to a tenant when it equals the rendered template, or begins with it where text follows the placeholder. Text that could
/// continue the id would let tenant `12` own the items of tenant `123`.
///
/// # Errors
///
/// [`TemplateFault`] is the rule that `template` breaks.
#[doc(hidden)]
pub const fn check(template: &str) -> Result<usize, TemplateFault> {
    let (text, placeholder) = (template.as_bytes(), PLACEHOLDER.as_bytes());
    let (mut at, mut found, mut other) = (0, None, false);
    while at < text.len() {
        let mut alike = 0;
        while alike < placeholder.len() && at + alike < text.len() && text[at + alike] == placeholder[alike] {
            alike += 1;
        }
        if alike == placeholder.len() {
            if found.is_some() {
                return Err(TemplateFault::NotOnce);
            }
            found = Some(at);
            at += placeholder.len();
        } else {
            other = other || matches!(text[at], b'{' | b'}');
            at += 1;
        }
    }
    match found {
        None => Err(TemplateFault::NotOnce),
        Some(_) if other => Err(TemplateFault::OtherPlaceholder),
        Some(at) if at + placeholder.len() < text.len() && is_tenant_byte(text[at + placeholder.len()]) => {
            Err(TemplateFault::Ambiguous)
        }
        Some(at) => Ok(at),
    }
}

/// How a partition key shows the tenant: as the whole value (`{tenant}`) or at its beginning (`TENANT#{tenant}#`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantTemplate {
    prefix: String,
    suffix: String,
}

impl TenantTemplate {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// [`InvalidTenantTemplate`] names the rule that `template` breaks.
    pub fn parse(template: &str) -> Result<Self, InvalidTenantTemplate> {
        match check(template) {
            Ok(at) => {
                let (prefix, rest) = template.split_at(at);
                Ok(Self { prefix: prefix.to_owned(), suffix: rest.split_at(PLACEHOLDER.len()).1.to_owned() })
            }
            Err(TemplateFault::NotOnce | TemplateFault::OtherPlaceholder) => Err(InvalidTenantTemplate::Placeholder),
            Err(TemplateFault::Ambiguous) => Err(InvalidTenantTemplate::Ambiguous),
        }
    }

    /// The tenant's key value; when [`Self::is_prefix`], the text with which all of its key values begin.
    pub fn render(&self, tenant: &TenantId) -> String {
        self.pieces(tenant).concat()
    }

    /// What [`render`](Self::render) puts together, for those who need no copy of it.
    pub fn pieces<'a>(&'a self, tenant: &'a TenantId) -> [&'a str; 3] {
        [&self.prefix, tenant.as_str(), &self.suffix]
    }

    /// Whether more may follow the rendered text. Without text after `{tenant}` nothing may: tenant `12` would own the
    /// items of `123`.
    pub fn is_prefix(&self) -> bool {
        !self.suffix.is_empty()
    }

    /// Whether a key value belongs to the tenant.
    pub fn owns(&self, tenant: &TenantId, value: &str) -> bool {
        let rest = value
            .strip_prefix(self.prefix.as_str())
            .and_then(|rest| rest.strip_prefix(tenant.as_str()))
            .and_then(|rest| rest.strip_prefix(self.suffix.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || self.is_prefix())
    }
}

impl TenantTemplate {
    /// The tenant to whom a key value belongs: the template read backwards. `None` when the value is no tenant's.
    pub fn tenant_of(&self, value: &str) -> Option<TenantId> {
        let rest = value.strip_prefix(self.prefix.as_str())?;
        // What follows `{tenant}` begins with a character that no id has, so the id ends where its alphabet does.
        let end = rest.bytes().position(|byte| !is_tenant_byte(byte)).unwrap_or(rest.len());
        let tenant = TenantId::parse(&rest[..end]).ok()?;
        self.owns(&tenant, value).then_some(tenant)
    }
}

impl fmt::Display for TenantTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{tenant}}{}", self.prefix, self.suffix)
    }
}

/// Why a text is not a tenant template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTenantTemplate {
    /// `{tenant}` does not appear exactly once.
    #[error("it must have `{{tenant}}` exactly once, for example `{{tenant}}` or `TENANT#{{tenant}}#`")]
    Placeholder,
    /// The text after `{tenant}` could be part of a longer tenant id.
    #[error(
        "the character after `{{tenant}}` must not be one of [A-Za-z0-9_-], or tenant `12` would own the items of `123`"
    )]
    Ambiguous,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    proptest! {
        #[test]
        fn no_key_value_belongs_to_two_tenants(
            a in "[A-Za-z0-9_-]{1,3}",
            b in "[A-Za-z0-9_-]{1,3}",
            template in "[T#]{0,2}\\{tenant\\}[T#]{0,2}",
            rest in "[A-Za-z0-9_#-]{0,3}",
        ) {
            prop_assume!(a != b);
            let Ok(template) = TenantTemplate::parse(&template) else { return Ok(()) };
            let value = template.render(&tenant(&a)) + if template.is_prefix() { &rest } else { "" };
            prop_assert!(template.owns(&tenant(&a), &value));
            prop_assert!(!template.owns(&tenant(&b), &value));
        }

        #[test]
        fn a_key_value_names_the_tenant_that_owns_it(
            id in "[A-Za-z0-9_-]{1,48}",
            template in "[T#é]{0,2}\\{tenant\\}([#é][T#]{0,2})?",
            rest in "[A-Za-z0-9_#é-]{0,3}",
        ) {
            let template = TenantTemplate::parse(&template).unwrap();
            let value = template.render(&tenant(&id)) + if template.is_prefix() { &rest } else { "" };
            prop_assert_eq!(template.tenant_of(&value), Some(tenant(&id)));
        }

        #[test]
        fn a_key_value_that_names_a_tenant_is_its_own(
            value in "[T1#é]{0,6}",
            template in "[T#]{0,2}\\{tenant\\}([#é][T#]{0,2})?",
        ) {
            let template = TenantTemplate::parse(&template).unwrap();
            if let Some(tenant) = template.tenant_of(&value) {
                prop_assert!(template.owns(&tenant, &value));
            }
        }
    }

    #[test]
    fn an_exact_template_owns_nothing_longer() {
        let template = TenantTemplate::parse("{tenant}").unwrap();
        assert!(template.owns(&tenant("12"), "12"));
        assert!(!template.owns(&tenant("12"), "123"));
        assert!(!template.owns(&tenant("12"), "12#x"));
    }
}

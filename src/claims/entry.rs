//! One claim: its key, and what it holds (docs/FORMAT.md, section 15.8).

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::tenant::TenantId;

use crate::error::Error;
use crate::item::{Item, identity};
use crate::schema::{Lookup, TableSchema};

pub(super) const TENANT: &str = "tenant";
pub(super) const ENTRY: &str = "entry";
pub(super) const KEY: &str = "key";

/// The letters of a token behind the tenant and the dot: 2 of the mark, and 22 of its 128 bits.
const TOKEN: usize = 24;

/// A unique lookup of a table, and under which name requests reach the table.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub(crate) physical: Arc<str>,
    pub(crate) schema: Arc<TableSchema>,
    /// The lookup's place among the table's.
    pub(crate) lookup: usize,
}

impl Spot {
    pub(crate) fn lookup(&self) -> &Lookup {
        &self.schema.lookups()[self.lookup]
    }

    /// The entry that claims a stored token; `None` of what is no token of this tenant's.
    pub(super) fn entry(&self, tenant: &TenantId, stored: &str) -> Option<String> {
        let rendered = self.schema.tenant().render(tenant);
        let token = stored.strip_prefix(&rendered)?.strip_prefix('.')?;
        let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
        let is_token = token.len() == TOKEN && token.bytes().all(is_letter);
        is_token.then(|| format!("{}#{}#{token}", self.schema.name(), self.lookup().name()))
    }
}

/// The claims of one tenant, in the claims table of this name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claims<'a> {
    pub(crate) table: &'a str,
    pub(crate) tenant: &'a TenantId,
}

impl Claims<'_> {
    /// The primary key of a claim.
    pub(super) fn key(self, entry: &str) -> Item {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        [(TENANT.to_owned(), text(self.tenant.as_str())), (ENTRY.to_owned(), text(entry))].into()
    }

    /// The primary key of the item that a claim names. A claim of another shape, or of another tenant's item, is
    /// nobody's: whoever reads the item that it names would read what is not the tenant's.
    pub(super) fn holder(self, schema: &TableSchema, entry: &str, claim: &Item) -> Result<Item, Error> {
        let key = claim.get(KEY).and_then(|key| key.as_m().ok());
        let is_key = |key: &&HashMap<String, AttributeValue>| {
            key.len() == schema.key_names().count() && identity(schema, self.tenant, key).is_ok()
        };
        key.filter(is_key).cloned().ok_or_else(|| self.forged(entry))
    }

    /// That a claim names no item of this tenant.
    pub(super) fn forged(self, entry: &str) -> Error {
        Error::ForgedClaim { table: self.table.to_owned(), entry: entry.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Form, Lookup};

    fn spot(template: &str) -> Spot {
        let schema = TableSchema::builder("crm").partition_key("pk", template).encrypt("email");
        let schema = schema.lookup(Lookup::on("email", Form::EMAIL).unique()).build().unwrap();
        Spot { physical: "prod-crm".into(), schema: Arc::new(schema), lookup: 0 }
    }

    #[test]
    fn the_example_of_the_section_on_claims() {
        let (acme, entry) = (TenantId::parse("acme").unwrap(), "crm#email#_Eh-hgbpmXDW9XJUBA3Uf-Pg");
        assert_eq!(spot("{tenant}").entry(&acme, "acme._Eh-hgbpmXDW9XJUBA3Uf-Pg").as_deref(), Some(entry));
        let prefix = spot("TENANT#{tenant}#").entry(&acme, "TENANT#acme#._Eh-hgbpmXDW9XJUBA3Uf-Pg");
        assert_eq!(prefix.as_deref(), Some(entry));
        assert!(include_str!("../../docs/FORMAT.md").contains(&format!("entry        {entry}\n")));
    }

    #[test]
    fn what_is_no_token_of_the_tenant_has_no_entry() {
        let acme = TenantId::parse("acme").unwrap();
        for stored in [
            "",
            "acme",
            "acme.",
            "acme._Eh-hgbpmXDW9XJUBA3Uf-P",
            "acme._Eh-hgbpmXDW9XJUBA3Uf-PgA",
            "acme._Eh-hgbpmXDW9XJUBA3Uf-P#",
            "acme._Eh-hgbpmXDW9XJUBA3Uf-P.",
            "globex._Eh-hgbpmXDW9XJUBA3Uf-Pg",
            "acme2._Eh-hgbpmXDW9XJUBA3Uf-Pg",
        ] {
            assert_eq!(spot("{tenant}").entry(&acme, stored), None, "{stored}");
        }
    }
}

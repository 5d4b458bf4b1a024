//! One claim: its key, what it holds, and the actions on it (docs/FORMAT.md, section 15.8).

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};
use tenantseal_core::tenant::TenantId;

use super::plan::ClaimWrite;
use crate::error::{Error, Refusal};
use crate::item::{Item, identity};
use crate::schema::{Lookup, TableSchema};

pub(super) const TENANT: &str = "tenant";
pub(super) const ENTRY: &str = "entry";
const KEY: &str = "key";

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
        let forged = || Error::ForgedClaim { table: self.table.to_owned(), entry: entry.to_owned() };
        key.filter(is_key).cloned().ok_or_else(forged)
    }

    /// The action that stores or deletes a claim, unless another item has it.
    pub(crate) fn action(self, write: &ClaimWrite) -> Result<TransactWriteItem, Error> {
        let ClaimWrite { entry, to, from, .. } = write;
        let mut condition = "attribute_not_exists(#entry)".to_owned();
        let mut values = Item::new();
        for (at, key) in from.iter().enumerate() {
            condition.push_str(&format!(" OR #key = :key{at}"));
            values.insert(format!(":key{at}"), AttributeValue::M(key.clone()));
        }
        let names = names([("#entry", ENTRY), ("#key", KEY)]);
        let action = TransactWriteItem::builder();
        Ok(match to {
            Some(key) => {
                let mut item = self.key(entry);
                item.insert(KEY.to_owned(), AttributeValue::M(key.clone()));
                let put = Put::builder().table_name(self.table).set_item(Some(item)).condition_expression(condition);
                let put = put.set_expression_attribute_names(Some(names)).set_expression_attribute_values(Some(values));
                action.put(put.build().map_err(|_| Refusal::Action)?)
            }
            None => {
                let key = Some(self.key(entry));
                let delete = Delete::builder().table_name(self.table).set_key(key).condition_expression(condition);
                let delete = delete.set_expression_attribute_names(Some(names));
                action
                    .delete(delete.set_expression_attribute_values(Some(values)).build().map_err(|_| Refusal::Action)?)
            }
        }
        .build())
    }
}

/// A check of an item's token: that it is this one, or that it is not.
pub(super) fn check(spot: &Spot, key: &Item, token: &str, is_there: bool) -> Result<TransactWriteItem, Error> {
    let condition = match is_there {
        true => "#token = :token",
        false => "attribute_not_exists(#token) OR #token <> :token",
    };
    let check = ConditionCheck::builder().table_name(&*spot.physical).set_key(Some(key.clone()));
    let check = check
        .condition_expression(condition)
        .set_expression_attribute_names(Some(names([("#token", spot.lookup().stored())])))
        .expression_attribute_values(":token", AttributeValue::S(token.to_owned()));
    let check = check.build().map_err(|_| Refusal::Action)?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

fn names<const N: usize>(names: [(&str, &str); N]) -> HashMap<String, String> {
    names.map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned())).into()
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

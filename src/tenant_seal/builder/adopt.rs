//! Setters of adoption: the ledger, and which attributes of existing tables may still be plaintext.

use std::sync::Arc;

use tenantseal_core::keys::KeyTable;

use super::TenantSealBuilder;
use crate::client::Tables;
use crate::error::{AdoptFault, ConfigError};
use crate::schema::TableSchema;

impl TenantSealBuilder {
    /// The ledger, which holds the leaves of tenants whose items are being adopted: a key table, best one of its own.
    /// Services need `dynamodb:GetItem` on it, and no other permission.
    ///
    /// ```
    /// use tenantseal::keys::DynamoDbKeyTable;
    ///
    /// # fn example(config: &aws_types::SdkConfig) {
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.ledger(DynamoDbKeyTable::new(config, "tenantseal-ledger"));
    /// # }
    /// ```
    pub fn ledger(mut self, table: impl KeyTable + 'static) -> Self {
        self.ledger = Some(Arc::new(table));
        self
    }

    /// Lets these encrypted attributes of the logical table `table` be plaintext in the items of a tenant, while the
    /// tenant has a leave for the table. Without a leave nothing changes.
    ///
    /// Expressions treat the attributes as encrypted whatever the leave says. An attribute with a lookup is refused.
    /// [`TenantSeal::adoption`](crate::TenantSeal::adoption) issues leaves; docs/ADOPTING.md goes through the steps.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.adopt("crm", ["email", "phone"]);
    /// ```
    pub fn adopt<A: Into<String>>(mut self, table: impl Into<String>, attributes: impl IntoIterator<Item = A>) -> Self {
        let table = table.into();
        self.adopted.extend(attributes.into_iter().map(|attribute| (table.clone(), attribute.into())));
        self
    }
}

/// Marks the adopted attributes. Returns whether there are any.
pub(super) fn apply(
    adopted: Vec<(String, String)>,
    tables: &mut Tables,
    has_ledger: bool,
) -> Result<bool, ConfigError> {
    let is_adopting = !adopted.is_empty();
    for (table, attribute) in adopted {
        let found = tables.values_mut().find(|schema| schema.name() == table);
        let fault = match found.map(Arc::make_mut) {
            _ if !has_ledger => AdoptFault::NoLedger,
            None => AdoptFault::UnknownTable,
            Some(schema) if !schema.may_encrypt(&attribute) => AdoptFault::NotEncrypted(attribute),
            Some(schema) if has_lookup(schema, &attribute) => AdoptFault::Lookup(attribute),
            Some(schema) => {
                schema.adopt(attribute);
                continue;
            }
        };
        return Err(ConfigError::Adopt { table, fault });
    }
    Ok(is_adopting)
}

fn has_lookup(schema: &TableSchema, attribute: &str) -> bool {
    schema.lookups().iter().any(|lookup| lookup.has_part(attribute))
}

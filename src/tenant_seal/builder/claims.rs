//! The claims table of a configuration.

use tenantseal_core::keys::KeyTable;

use super::TenantSealBuilder;
use crate::claims::ClaimsTable;
use crate::client::{Tables, table_name};
use crate::error::ConfigError;

impl TenantSealBuilder {
    /// The table with the claims of unique lookups, which makes them unique: see [`ClaimsTable`].
    ///
    /// ```
    /// use tenantseal::records::ClaimsTable;
    ///
    /// # fn example(config: &aws_types::SdkConfig) {
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.claims(ClaimsTable::new(config, "tenantseal-claims"));
    /// # }
    /// ```
    pub fn claims(mut self, table: ClaimsTable) -> Self {
        self.claims = Some(table);
        self
    }
}

/// Refuses unique lookups without a claims table, and one in which there are items or data keys.
pub(super) fn check(
    tables: &Tables,
    claims: Option<&ClaimsTable>,
    keys: Option<&dyn KeyTable>,
) -> Result<(), ConfigError> {
    let Some(claims) = claims else {
        let unique = tables.values().flat_map(|table| table.lookups().iter().map(move |lookup| (table, lookup)));
        let mut unique = unique.filter(|(_, lookup)| lookup.is_unique());
        return unique.next().map_or(Ok(()), |(table, lookup)| {
            let (table, lookup) = (table.name().to_owned(), lookup.name().to_owned());
            Err(ConfigError::UniqueWithoutClaims { table, lookup })
        });
    };
    let others = tables.keys().map(|table| &**table).chain(keys.map(KeyTable::name));
    match others.into_iter().any(|table| table_name(table) == table_name(claims.table())) {
        true => Err(ConfigError::ClaimsTable(claims.table().to_owned())),
        false => Ok(()),
    }
}

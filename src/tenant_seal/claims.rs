//! The claims of one tenant's unique values, as the repository reaches them.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::TransactWriteItem;

use super::{Shared, Tenant, TenantSeal};
use crate::claims::{ClaimStore, Spot};
use crate::client;
use crate::error::{Error, Refusal};
use crate::schema::Lookup;

impl TenantSeal {
    /// The client that neither seals nor opens.
    pub(crate) fn plain(&self) -> &Client {
        let Shared { plain, dynamodb, http, .. } = &*self.0;
        plain.get_or_init(|| Client::from_conf(dynamodb.to_builder().http_client(http.clone()).build()))
    }
}

impl Tenant {
    /// The tenant's claims of unique values.
    pub(crate) fn claims(&self) -> Result<ClaimStore, Refusal> {
        let table = self.binding.claims.as_ref().ok_or(Refusal::NoClaims)?;
        Ok(ClaimStore::new(self.seal.plain().clone(), Arc::clone(table), self.id().clone()))
    }

    /// A unique lookup of the table that requests reach under this name.
    pub(crate) fn spot(&self, physical: &str, lookup: &Lookup) -> Result<Spot, Refusal> {
        let schema = Arc::clone(self.binding.table(Some(physical))?);
        let found = schema.lookups().iter().position(|other| other.name() == lookup.name());
        let unknown = || Refusal::UnknownLookup { place: physical.to_owned(), lookup: lookup.name().to_owned() };
        let lookup = found.ok_or_else(unknown)?;
        Ok(Spot { physical: physical.into(), schema, lookup })
    }

    /// Whether an action of a transaction writes or removes tokens of unique lookups.
    pub(crate) fn touches_unique(&self, action: &TransactWriteItem) -> Result<bool, Error> {
        client::touches_unique(&self.binding, action)
    }
}

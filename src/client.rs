//! A genuine SDK client that seals what it sends and opens what comes back, for one tenant.
//!
//! The SDK's hooks are synchronous, and data keys come from the network. So the client waits in the 2 asynchronous
//! seams of the SDK:
//!
//! ```text
//! request   read_before_serialization   identifies the operation by the type of its input, or refuses it
//!           serializer                  checks the input, or refuses it; with a cached data key, seals it and has the
//!                                       SDK's serializer serialize the result
//!           auth scheme resolver        without a cached data key, awaits it
//!           modify_before_signing       then seals, serializes and swaps the body; retries resend it
//! response  HTTP connector              parses with the SDK's deserializer, awaits the distinct data keys
//!           modify_before_completion    opens the items
//! ```
//!
//! The client checks the serializer's input. At the connector it compares the request with what was serialized,
//! whatever hooks do in between. The SDK signs, sends, retries and logs sealed bytes only. If a piece is missing,
//! nothing goes out or comes back.

mod actions;
mod adopting;
mod asking;
mod batch_get_item;
mod batch_write_item;
mod claiming;
mod completion;
mod connector;
mod control_plane;
mod delete_item;
mod dispatch;
mod expressions;
mod get_item;
mod interceptor;
mod item_update;
mod known;
mod lookups;
mod notes;
mod opening;
mod operation;
mod pending;
mod put_item;
mod query;
mod reading;
mod scan;
mod search_vectors;
mod seen;
mod stable;
mod transact_get_items;
mod transact_write_items;
mod unique;
mod update_item;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::config::{SharedHttpClient, SharedInterceptor};
use tenantseal_core::envelope::{KeyRing, NeededKey};
use tenantseal_core::format::{Identity, OwnedStoredKey};
use tenantseal_core::keys::{OpeningMode, TenantHandle};
use tenantseal_core::tenant::TenantId;
use tenantseal_core::trail::Audit;

use crate::error::{Error, Refusal};
use crate::item::{Item, PrimaryKeyError, identity};
use crate::leaves::Leaves;
use crate::schema::TableSchema;

pub(crate) use adopting::Accepted;
pub(crate) use claiming::Claiming;
pub(crate) use expressions::no_legacy;
pub(crate) use notes::Notes;
pub(crate) use unique::touches_unique;

/// Adds the pieces of a sealing client to a configuration; `http` sends what they make of it.
pub(crate) fn sealing(
    config: aws_sdk_dynamodb::config::Builder,
    http: SharedHttpClient,
    binding: &Arc<Binding>,
) -> aws_sdk_dynamodb::Client {
    let seal = interceptor::Seal::new(binding);
    let mut config = config
        .auth_scheme_resolver(seal.clone())
        .http_client(connector::SealingHttpClient::new(http, Arc::clone(binding)));
    // Nothing can disable it, so the SDK need not look before each hook whether something has.
    config.push_interceptor(SharedInterceptor::permanent(seal));
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// The tables that are configured, by the name or the ARN under which requests reach them.
pub(crate) type Tables = HashMap<String, Arc<TableSchema>>;

/// One tenant, and what its operations need. While a handle or a client holds one, the tenant's sealing key is kept
/// valid.
pub(crate) struct Binding {
    pub(crate) tenant: TenantId,
    pub(crate) tables: Arc<Tables>,
    pub(crate) keys: TenantHandle,
    pub(crate) audit: Arc<Audit>,
    /// The claims table, where there are unique lookups.
    pub(crate) claims: Option<Arc<str>>,
    /// The leaves of adopted tables, where there are any.
    pub(crate) leaves: Option<Arc<Leaves>>,
    /// Whether operations that touch no items may pass.
    pub(crate) control_plane: bool,
}

impl Binding {
    /// The schema of the table that a request names, by name or ARN.
    pub(crate) fn table(&self, name: Option<&str>) -> Result<&Arc<TableSchema>, Refusal> {
        let name = name.filter(|name| !name.is_empty()).ok_or(Refusal::NoTable)?;
        // A name means the client's own account and Region. So a request may give the ARN of a table configured by
        // name, but not the other way round.
        if let Some(table) = self.tables.get(name).or_else(|| self.tables.get(table_name(name))) {
            return Ok(table);
        }
        match self.tables.keys().find(|configured| table_name(configured) == table_name(name)) {
            Some(configured) => Err(Refusal::OtherTable { asked: name.to_owned(), configured: configured.clone() }),
            None => Err(Refusal::UnknownTable(name.to_owned())),
        }
    }

    /// The physical table and the schema of a logical table.
    pub(crate) fn logical_table(&self, logical: &str) -> Option<(&str, &Arc<TableSchema>)> {
        let found = self.tables.iter().find(|(_, schema)| schema.name() == logical);
        found.map(|(physical, schema)| (physical.as_str(), schema))
    }

    /// The schema of the table that a caller names by its logical name, or as a request names it.
    ///
    /// A name may be one table's logical name and another's physical name. It could then seal under the wrong schema,
    /// so it is refused.
    pub(crate) fn table_by_any_name(&self, name: &str) -> Result<&Arc<TableSchema>, Refusal> {
        match (self.logical_table(name), self.table(Some(name))) {
            (Some((_, logical)), Ok(physical)) if !Arc::ptr_eq(logical, physical) => {
                Err(Refusal::AmbiguousTable(name.to_owned()))
            }
            (Some((_, logical)), _) => Ok(logical),
            (None, physical) => physical,
        }
    }

    /// The identity of the item whose primary key a request gives: exactly the declared names, and the tenant's.
    fn identity_of_key(&self, table: &TableSchema, key: Option<&Item>) -> Result<Identity, Refusal> {
        let key = key.ok_or(Refusal::Missing("Key"))?;
        let identity = identity(table, &self.tenant, key)?;
        match key.keys().find(|name| !table.key_names().any(|key| key == name.as_str())) {
            Some(other) => Err(PrimaryKeyError::Superfluous { attribute: other.clone() }.into()),
            None => Ok(identity),
        }
    }

    /// The data keys that open items relying on these key records, and the records whose keys could not be fetched.
    pub(crate) async fn opening_keys(
        &self,
        records: Vec<NeededKey>,
        mode: OpeningMode,
    ) -> (KeyRing, Vec<(OwnedStoredKey, Error)>) {
        let (keys, lacking) = self.keys.opening_keys(records, mode).await;
        (keys, lacking.into_iter().map(|(named, error)| (named, error.into())).collect())
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binding({})", self.tenant)
    }
}

/// The name that the request used for the table in an answer. DynamoDB may answer with the name when the request gave
/// the ARN.
pub(crate) fn asked_name<'m, V>(asked: &'m HashMap<String, V>, answered: &str) -> Option<&'m str> {
    if let Some((name, _)) = asked.get_key_value(answered) {
        return Some(name);
    }
    let mut alike = asked.keys().filter(|name| table_name(name) == table_name(answered));
    alike.next().filter(|_| alike.next().is_none()).map(String::as_str)
}

/// The table's name when it is given as `arn:<partition>:dynamodb:<region>:<account>:table/<name>`.
pub(crate) fn table_name(name_or_arn: &str) -> &str {
    let mut parts = name_or_arn.splitn(6, ':');
    match (parts.next(), parts.nth(1), parts.nth(2)) {
        (Some("arn"), Some("dynamodb"), Some(resource)) => {
            resource.strip_prefix("table/").filter(|name| !name.contains('/')).unwrap_or(name_or_arn)
        }
        _ => name_or_arn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_arn_resolves_to_its_name() {
        assert_eq!(table_name("arn:aws:dynamodb:us-east-1:111111111111:table/crm"), "crm");
        assert_eq!(table_name("crm"), "crm");
        for other in [
            "arn:aws:dynamodb:us-east-1:111111111111:table/crm/index/x",
            "arn:aws:s3:us-east-1:111111111111:table/crm",
            "arn:aws:dynamodb",
        ] {
            assert_eq!(table_name(other), other);
        }
    }
}

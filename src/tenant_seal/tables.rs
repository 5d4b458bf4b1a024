//! Compares the configured schemas with the tables that DynamoDB describes.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType, TableDescription,
};
use futures_util::future::{join, join_all};
use tenantseal_core::format::HEADER;

use super::TenantSeal;
use crate::error::{TableFault, TableFaultKind, TablesError};
use crate::schema::{Lookup, LookupIndex, LookupPart, LookupState, TableSchema};

impl TenantSeal {
    /// Compares the schema of each configured table with the table itself. Call it once when the service starts, or when you deploy it.
    ///
    /// Nothing else notices a schema that does not declare the table's sort key. Such a schema takes two items of a tenant for the same
    /// item, so whoever writes the table can exchange their sealed values. The check also finds keys of other names and types, and
    /// indexes and times to live on encrypted attributes, and indexes of lookups that are missing or project too little.
    /// Of a claims table it checks keys and recovery.
    ///
    /// It calls DescribeTable and DescribeTimeToLive for each table, and DescribeContinuousBackups for a claims table. It reads no item and needs no data key. It uses the credentials, Region
    /// and endpoint passed to [`build`](super::TenantSealBuilder::build).
    ///
    /// ```
    /// # async fn example(seal: tenantseal::TenantSeal) -> Result<(), tenantseal::error::TablesError> {
    /// seal.check_tables().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TablesError`] has every fault of every table, and how to fix it. It also names tables that DynamoDB did not describe.
    pub async fn check_tables(&self) -> Result<(), TablesError> {
        let Self(shared) = self;
        let client = self.plain();
        let checks = shared.tables.iter().map(|(name, schema)| check(client, name, schema));
        let claims = async {
            match &shared.claims {
                Some(claims) => claims.check(client).await,
                None => Vec::new(),
            }
        };
        let (tables, claims) = join(join_all(checks), claims).await;
        let mut faults: Vec<_> = tables.into_iter().flatten().chain(claims).collect();
        faults.sort_by(|a, b| a.table.cmp(&b.table));
        if faults.is_empty() { Ok(()) } else { Err(TablesError { faults }) }
    }

    /// The physical table and the schema of a logical table.
    pub(crate) fn logical_table(&self, logical: &str) -> Option<(&str, &Arc<TableSchema>)> {
        let found = self.0.tables.iter().find(|(_, schema)| schema.name() == logical);
        found.map(|(physical, schema)| (physical.as_str(), schema))
    }
}

impl TableSchema {
    /// Compares this schema with the table `name` of `client`, as [`TenantSeal::check_tables`] does for each.
    ///
    /// ```
    /// # async fn example(crm: tenantseal::schema::TableSchema, client: aws_sdk_dynamodb::Client) {
    /// if let Err(error) = crm.check_table(&client, "crm-prod").await {
    ///     eprintln!("{error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TablesError`] has every fault of the table, and how to fix it.
    pub async fn check_table(&self, client: &Client, name: &str) -> Result<(), TablesError> {
        let faults = check(client, name, self).await;
        if faults.is_empty() { Ok(()) } else { Err(TablesError { faults }) }
    }
}

/// What is wrong with one table.
async fn check(client: &Client, name: &str, schema: &TableSchema) -> Vec<TableFault> {
    let described = client.describe_table().table_name(name).send();
    let time_to_live = client.describe_time_to_live().table_name(name).send();
    let (described, time_to_live) = join(described, time_to_live).await;
    let mut kinds = match described {
        Ok(answer) => compare(schema, &answer.table.unwrap_or_else(|| TableDescription::builder().build())),
        Err(error) => vec![TableFaultKind::from_sdk("dynamodb:DescribeTable", &error)],
    };
    match time_to_live {
        Ok(answer) => {
            let attribute = answer.time_to_live_description.and_then(|described| described.attribute_name);
            let encrypted = attribute.filter(|attribute| schema.may_encrypt(attribute));
            kinds.extend(encrypted.map(|attribute| TableFaultKind::EncryptedTimeToLive { attribute }));
        }
        // Both say the same of a table that does not exist.
        Err(error) => kinds.extend(
            Some(TableFaultKind::from_sdk("dynamodb:DescribeTimeToLive", &error))
                .filter(|kind| !matches!((kind, &kinds[..]), (TableFaultKind::NotFound, [TableFaultKind::NotFound]))),
        ),
    }
    kinds.into_iter().map(|kind| TableFault { table: name.to_owned(), kind }).collect()
}

/// What a table's description says against its schema.
fn compare(schema: &TableSchema, table: &TableDescription) -> Vec<TableFaultKind> {
    let key = |kind: KeyType| table.key_schema().iter().find(|key| key.key_type == kind).map(name);
    let is_text = |name: &str| {
        let definition = table.attribute_definitions().iter().find(|definition| definition.attribute_name == name);
        definition.is_none_or(|definition| definition.attribute_type == ScalarAttributeType::S)
    };
    let mut faults = Vec::new();
    let (partition, sort) = (key(KeyType::Hash).unwrap_or_default(), key(KeyType::Range));
    if partition != schema.partition_key() {
        let (declared, actual) = (schema.partition_key().to_owned(), partition.to_owned());
        faults.push(TableFaultKind::PartitionKey { declared, actual });
    } else if !is_text(partition) {
        faults.push(TableFaultKind::NotAString { attribute: partition.to_owned() });
    }
    match (schema.sort_key(), sort) {
        (None, Some(actual)) => faults.push(TableFaultKind::UndeclaredSortKey { actual: actual.to_owned() }),
        (Some(declared), actual) if actual != Some(declared) => {
            faults.push(TableFaultKind::SortKey { declared: declared.to_owned(), actual: actual.map(str::to_owned) })
        }
        (Some(declared), _) if schema.is_told_apart_by_sort_key() && !is_text(declared) => {
            faults.push(TableFaultKind::NotAString { attribute: declared.to_owned() });
        }
        _ => {}
    }
    let global = table.global_secondary_indexes().iter().map(|index| (index.index_name(), index.key_schema()));
    let local = table.local_secondary_indexes().iter().map(|index| (index.index_name(), index.key_schema()));
    let keys = global.chain(local).flat_map(|(index, keys)| keys.iter().map(move |key| (index, name(key))));
    let vectors = table.vector_indexes().iter().flat_map(|index| {
        let filters = index.search_schema().iter().map(|filter| filter.attribute_name.as_str());
        let vector = index.vector_attribute().map(|vector| vector.attribute_name.as_str());
        filters.chain(vector).map(|attribute| (index.index_name(), attribute))
    });
    let encrypted: BTreeSet<_> = keys.chain(vectors).filter(|(_, attribute)| schema.may_encrypt(attribute)).collect();
    faults.extend(encrypted.into_iter().map(|(index, attribute)| TableFaultKind::EncryptedIndexKey {
        index: index.unwrap_or_default().to_owned(),
        attribute: attribute.to_owned(),
    }));
    let ready = schema.lookups().iter().filter(|lookup| lookup.state() == LookupState::Ready);
    faults.extend(ready.filter_map(|lookup| lookup_fault(schema, table, lookup)));
    let of_lookups: BTreeSet<_> = faults.iter().filter_map(lacking_index).map(str::to_owned).collect();
    let lacking = indexes(table).filter(|index| !of_lookups.contains(index.name));
    faults.extend(lacking.filter_map(|index| projection_fault(schema, &index)));
    faults
}

/// An index of a table, global or local.
struct Index<'t> {
    name: &'t str,
    keys: Vec<&'t str>,
    projection: Option<&'t Projection>,
}

impl Index<'_> {
    /// Whether its items have this attribute, where the table's have.
    fn has(&self, schema: &TableSchema, attribute: &str) -> bool {
        let Some(projection) = self.projection else { return true };
        projection.projection_type() == Some(&ProjectionType::All)
            || self.keys.contains(&attribute)
            || schema.key_names().any(|key| key == attribute)
            || projection.non_key_attributes().iter().any(|projected| projected == attribute)
    }
}

fn indexes(table: &TableDescription) -> impl Iterator<Item = Index<'_>> {
    let global = table.global_secondary_indexes().iter();
    let global = global.map(|index| (index.index_name(), index.key_schema(), index.projection()));
    let local = table.local_secondary_indexes().iter();
    let local = local.map(|index| (index.index_name(), index.key_schema(), index.projection()));
    global.chain(local).map(|(index, keys, projection)| Index {
        name: index.unwrap_or_default(),
        keys: keys.iter().map(name).collect(),
        projection,
    })
}

/// The index that a fault says lacks something for its lookup.
fn lacking_index(fault: &TableFaultKind) -> Option<&str> {
    match fault {
        TableFaultKind::LookupIndexProjection { index, .. } => Some(index),
        _ => None,
    }
}

/// What an index lacks that projects an encrypted attribute, so that it does not open.
fn projection_fault(schema: &TableSchema, index: &Index<'_>) -> Option<TableFaultKind> {
    let mut encrypted = schema.attributes().filter(|(_, protection)| protection.may_encrypt()).map(|(name, _)| name);
    let encrypted = encrypted.find(|attribute| index.has(schema, attribute))?.to_owned();
    let mut needed = [HEADER].into_iter().chain(schema.discriminator());
    let attribute = needed.find(|attribute| !index.has(schema, attribute))?.to_owned();
    Some(TableFaultKind::IndexProjection { index: index.name.to_owned(), encrypted, attribute })
}

/// What is wrong with the index that a lookup asks. One that is `building` need not have it yet.
fn lookup_fault(schema: &TableSchema, table: &TableDescription, lookup: &Lookup) -> Option<TableFaultKind> {
    let asked = lookup.index()?;
    let (name, index, stored) = (lookup.name().to_owned(), asked.name().to_owned(), lookup.stored().to_owned());
    let Some(found) = indexes(table).find(|found| found.name == index) else {
        return Some(TableFaultKind::NoLookupIndex { lookup: name, index, stored });
    };
    let needed = match asked {
        LookupIndex::Token(_) => vec![lookup.stored()],
        LookupIndex::Tenant(_) => vec![schema.partition_key(), lookup.stored()],
    };
    let is_text = table
        .attribute_definitions()
        .iter()
        .any(|definition| definition.attribute_name == stored && definition.attribute_type == ScalarAttributeType::S);
    if !found.keys.starts_with(&needed) || !is_text {
        return Some(TableFaultKind::LookupIndexKeys { lookup: name, index, stored });
    }
    let parts = lookup.parts().iter().map(LookupPart::attribute);
    let mut needed = [HEADER].into_iter().chain(parts).chain(schema.discriminator());
    let attribute = needed.find(|attribute| !found.has(schema, attribute))?.to_owned();
    Some(TableFaultKind::LookupIndexProjection { lookup: name, index, attribute })
}

fn name(key: &KeySchemaElement) -> &str {
    &key.attribute_name
}

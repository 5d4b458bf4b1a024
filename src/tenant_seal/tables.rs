//! The configured schemas held against the tables that DynamoDB describes.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{KeySchemaElement, KeyType, ScalarAttributeType, TableDescription};
use futures_util::future::join_all;
use tenantseal_kms::errors::{AwsFailure, kind as failure_kind};

use super::TenantSeal;
use crate::schema::TableSchema;

impl TenantSeal {
    /// Holds the schema of each configured table against the table itself. Call it once when the service starts, or where it is deployed.
    ///
    /// Nothing else notices a schema that does not declare the table's sort key: two items of a tenant are one and the same for it then,
    /// and who writes the table can exchange their sealed values. It also finds keys of other names and types, and indexes and times to live
    /// on attributes that are encrypted.
    ///
    /// Asks DescribeTable and DescribeTimeToLive of each table, reads no item and needs no key. The credentials, the Region and the endpoint
    /// are those that [`build`](super::TenantSealBuilder::build) was given.
    ///
    /// # Errors
    ///
    /// [`TablesError`] has every fault of every table, and what to write; also a table that could not be asked for.
    pub async fn check_tables(&self) -> Result<(), TablesError> {
        let Self(inner) = self;
        let config = inner.dynamodb.to_builder().http_client(inner.http.clone());
        let client = Client::from_conf(config.build());
        let checks = inner.tables.iter().map(|(name, schema)| check(&client, name, schema));
        let mut faults: Vec<_> = join_all(checks).await.into_iter().flatten().collect();
        faults.sort_by(|a, b| a.table.cmp(&b.table));
        if faults.is_empty() { Ok(()) } else { Err(TablesError { faults }) }
    }
}

/// What is wrong with one table.
async fn check(client: &Client, name: &str, schema: &TableSchema) -> Vec<TableFault> {
    let described = client.describe_table().table_name(name).send();
    let time_to_live = client.describe_time_to_live().table_name(name).send();
    let (described, time_to_live) = futures_util::future::join(described, time_to_live).await;
    let mut kinds = match described {
        Ok(answer) => compare(schema, &answer.table.unwrap_or_else(|| TableDescription::builder().build())),
        Err(error) => vec![unanswered("dynamodb:DescribeTable", &error)],
    };
    match time_to_live {
        Ok(answer) => {
            let attribute = answer.time_to_live_description.and_then(|described| described.attribute_name);
            let encrypted = attribute.filter(|attribute| schema.may_encrypt(attribute));
            kinds.extend(encrypted.map(|attribute| TableFaultKind::EncryptedTimeToLive { attribute }));
        }
        // Both say the same of a table that does not exist.
        Err(error) => kinds.extend(
            Some(unanswered("dynamodb:DescribeTimeToLive", &error))
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
    faults
}

fn name(key: &KeySchemaElement) -> &str {
    &key.attribute_name
}

fn unanswered<E>(action: &'static str, error: &SdkError<E>) -> TableFaultKind
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match error.code() {
        Some("ResourceNotFoundException") => TableFaultKind::NotFound,
        _ => TableFaultKind::Unanswered {
            action,
            said: AwsFailure::from_sdk(error).to_string(),
            is_retryable: failure_kind(error).is_outage(),
        },
    }
}

/// Tables that are not as their schemas say, or could not be asked for.
#[derive(Debug, Clone)]
pub struct TablesError {
    faults: Vec<TableFault>,
}

impl TablesError {
    /// Every fault, table by table; at least one.
    pub fn faults(&self) -> &[TableFault] {
        &self.faults
    }

    /// Whether nothing was found, and the same call may find that all is well: DynamoDB throttles or cannot be reached.
    pub fn is_retryable(&self) -> bool {
        self.faults.iter().all(|fault| matches!(fault.kind, TableFaultKind::Unanswered { is_retryable: true, .. }))
    }
}

impl fmt::Display for TablesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl StdError for TablesError {}

/// One thing that is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFault {
    table: String,
    kind: TableFaultKind,
}

impl TableFault {
    /// The table's physical name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What is wrong.
    pub fn kind(&self) -> &TableFaultKind {
        &self.kind
    }
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table `{}`: {}", self.table, self.kind)
    }
}

/// Another schema does not open what was sealed by this one.
const PUT_AGAIN: &str = "What is stored already was sealed as the schema says: scan it with the former schema, put it again with the new one";

fn sort_key(declared: &str, actual: Option<&str>) -> String {
    match actual {
        Some(actual) => format!("its sort key is `{actual}`, not `{declared}`: declare that one"),
        None => format!("it has no sort key: do not declare `{declared}` as one"),
    }
}

/// What can be wrong with a table. `declared` is what its schema says, `actual` what DynamoDB says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableFaultKind {
    /// There is no such table.
    #[error("it does not exist in this account and Region: create it, or name the right one with `table_name`")]
    NotFound,
    /// The table has a sort key, and the schema has none: sealed values of two items can be exchanged.
    #[error(
        "its sort key `{actual}` is not declared as one, so the sealed values of a tenant's items can be exchanged: mark the field with \
         `#[seal(sort_key)]`, or write `.sort_key(\"{actual}\")`. {}",
        PUT_AGAIN
    )]
    UndeclaredSortKey {
        /// The table's sort key.
        actual: String,
    },
    /// The sort key has another name, or the table has none.
    #[error("{}. {}", sort_key(declared, actual.as_deref()), PUT_AGAIN)]
    SortKey {
        /// The schema's.
        declared: String,
        /// The table's, when it has one.
        actual: Option<String>,
    },
    /// The partition key has another name.
    #[error("its partition key is `{actual}`, not `{declared}`: declare that one. {}", PUT_AGAIN)]
    PartitionKey {
        /// The schema's.
        declared: String,
        /// The table's.
        actual: String,
    },
    /// A key that shows the tenant or the record type is no string.
    #[error(
        "its key `{attribute}` is not a string (S), which it must be to show the tenant or the record type: create another table"
    )]
    NotAString {
        /// The key.
        attribute: String,
    },
    /// An index has an encrypted attribute among its keys, so DynamoDB refuses items, or sorts ciphertext; or a vector index has one.
    #[error(
        "its index `{index}` has `{attribute}` among its keys, which is encrypted: delete the index, or store the attribute as it is \
         (`plain`). {}",
        PUT_AGAIN
    )]
    EncryptedIndexKey {
        /// The index.
        index: String,
        /// The key.
        attribute: String,
    },
    /// The time to live is encrypted, so no item ever expires.
    #[error(
        "its time to live is `{attribute}`, which is encrypted, so nothing expires: store it as it is (`plain`), or name another attribute. {}",
        PUT_AGAIN
    )]
    EncryptedTimeToLive {
        /// The attribute.
        attribute: String,
    },
    /// DynamoDB did not say how the table is.
    #[error("it could not be checked: {said}; allow `{action}`, and check credentials, Region and endpoint")]
    Unanswered {
        /// The permission that the question needs.
        action: &'static str,
        /// What went wrong.
        said: String,
        /// Whether it may pass by itself.
        is_retryable: bool,
    },
}

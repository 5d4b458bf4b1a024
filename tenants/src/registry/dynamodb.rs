//! The registry in a DynamoDB table of the key account.
//!
//! | item | `tenant` (partition key) | `row` (sort key) |
//! |---|---|---|
//! | the current entry | tenant id | `current` |
//! | a version of it, never changed again | tenant id | `version#` and 20 digits |
//!
//! The index `tenants` (`listed`, `tenant`) contains only current entries, in the order of tenant ids.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableInputBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, GlobalSecondaryIndex, KeyType, Projection, ProjectionType, Put, TransactWriteItem,
};
use aws_types::SdkConfig;
use tenantseal_core::tenant::TenantId;

use super::{Page, Registry, RegistryError};
use crate::aws_error::AwsError;
use crate::entry::Entry;
use tenantseal_kms::errors::AwsErrorClass;
use tenantseal_kms::new_table::{self, NewTable, TimedOut};

const TENANT: &str = "tenant";
const ROW: &str = "row";
const LISTED: &str = "listed";
const INDEX: &str = "tenants";
const CURRENT: &str = "current";
const VERSION: &str = "version#";

/// A registry in a DynamoDB table.
///
/// A write is one transaction: it replaces the current entry if its version is the previous one, and adds an item to
/// the history. The list queries an index with one partition, which allows 1,000 writes a second (DynamoDB developer
/// guide, "Partitions and data distribution"): far more than the new keys that KMS allows.
#[derive(Debug, Clone)]
pub struct DynamoDbRegistry {
    client: Client,
    table: String,
}

impl DynamoDbRegistry {
    /// Uses the table of this name, with the credentials and the Region of `config`.
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self::with_client(Client::new(config), table)
    }

    /// The same with your own client: a plain one, not a tenant's.
    pub fn with_client(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Creates the table with on-demand billing and deletion protection, and waits until it is active. An existing
    /// table stays unchanged. Call [`DynamoDbRegistry::enable_recovery`] afterwards.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Aws`] names the action that failed; [`RegistryError::NotReady`] when the table is not active
    /// after 5 minutes.
    pub async fn create_table(&self) -> Result<(), RegistryError> {
        new_table::create_table(self).await
    }

    /// Enables point-in-time recovery: the table can then be restored to any second of the last 35 days. Waits until a
    /// new table has backups.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Aws`] names the action that failed; [`RegistryError::NotReady`] when it has no backups after 5
    /// minutes.
    pub async fn enable_recovery(&self) -> Result<(), RegistryError> {
        new_table::enable_recovery(self).await
    }

    fn classify<E>(&self, action: &'static str, error: &SdkError<E>) -> RegistryError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match AwsErrorClass::from_error(error) {
            Some(AwsErrorClass::TableNotFound) => RegistryError::TableNotFound(self.table.clone()),
            _ => AwsError::new(action, None, error).into(),
        }
    }

    /// A write of `entry` as `row`.
    fn write(
        &self,
        entry: &Entry,
        row: String,
    ) -> Result<aws_sdk_dynamodb::types::builders::PutBuilder, RegistryError> {
        let malformed = |what: String| RegistryError::Malformed { tenant: entry.tenant.to_string(), what };
        let item: HashMap<String, AttributeValue> =
            serde_dynamo::to_item(entry).map_err(|error| malformed(error.to_string()))?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = if row == CURRENT { put.item(LISTED, AttributeValue::S(TENANT.to_owned())) } else { put };
        Ok(put.item(ROW, AttributeValue::S(row)))
    }
}

impl NewTable for DynamoDbRegistry {
    type Error = RegistryError;

    fn client(&self) -> &Client {
        &self.client
    }

    fn name(&self) -> &str {
        &self.table
    }

    fn layout(&self) -> CreateTableInputBuilder {
        let index = GlobalSecondaryIndex::builder()
            .index_name(INDEX)
            .key_schema(new_table::key(LISTED, KeyType::Hash))
            .key_schema(new_table::key(TENANT, KeyType::Range))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        new_table::string_keys(TENANT, ROW)
            .attribute_definitions(new_table::string(LISTED))
            .global_secondary_indexes(index.build().expect("it has a name and keys"))
    }

    fn classify_failure<E>(&self, action: &'static str, error: SdkError<E>) -> RegistryError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        Self::classify(self, action, &error)
    }

    fn timed_out(&self, timeout: TimedOut) -> RegistryError {
        RegistryError::NotReady { table: self.table.clone(), what: timeout.to_string() }
    }
}

#[async_trait]
impl Registry for DynamoDbRegistry {
    async fn get(&self, tenant: &TenantId) -> Result<Option<Entry>, RegistryError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.key(TENANT, text(tenant.as_str())).key(ROW, text(CURRENT));
        let answer = request.send().await.map_err(|error| self.classify("dynamodb:GetItem", &error))?;
        answer.item.map(entry).transpose()
    }

    async fn put(&self, entry: &Entry) -> Result<(), RegistryError> {
        const NAMES: [(&str, &str); 1] = [("#tenant", TENANT)];
        let mut current = self.write(entry, CURRENT.to_owned())?;
        current = match entry.version {
            0 | 1 => current
                .condition_expression("attribute_not_exists(#tenant)")
                .expression_attribute_names(NAMES[0].0, NAMES[0].1),
            version => current
                .condition_expression("version = :previous")
                .expression_attribute_values(":previous", AttributeValue::N((version - 1).to_string())),
        };
        let version = self
            .write(entry, format!("{VERSION}{:020}", entry.version))?
            .condition_expression("attribute_not_exists(#tenant)")
            .expression_attribute_names(NAMES[0].0, NAMES[0].1);
        let mut request = self.client.transact_write_items();
        for put in [current, version] {
            let put = put.build().map_err(|error| RegistryError::Other(Arc::new(error)))?;
            request = request.transact_items(TransactWriteItem::builder().put(put).build());
        }
        let Err(error) = request.send().await else { return Ok(()) };
        let cancelled = error.as_service_error().is_some_and(|error| match error {
            aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(error) => {
                let reasons = error.cancellation_reasons().iter().filter_map(|reason| reason.code());
                reasons.into_iter().any(|code| code == "ConditionalCheckFailed" || code == "TransactionConflict")
            }
            _ => false,
        });
        if cancelled {
            return Err(RegistryError::Conflict(entry.tenant.clone()));
        }
        Err(self.classify("dynamodb:PutItem", &error))
    }

    async fn list(&self, after: Option<&TenantId>, limit: u32) -> Result<Page, RegistryError> {
        let start = after.map(|tenant| {
            [(LISTED, TENANT), (TENANT, tenant.as_str()), (ROW, CURRENT)]
                .map(|(name, value)| (name.to_owned(), text(value)))
                .into()
        });
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("listed = :listed")
            .expression_attribute_values(":listed", text(TENANT))
            .set_exclusive_start_key(start)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| self.classify("dynamodb:Query", &error))?;
        let entries = answer.items.unwrap_or_default().into_iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let next = answer.last_evaluated_key.and(entries.last()).map(|entry| entry.tenant.clone());
        Ok(Page { entries, next })
    }

    async fn history(&self, tenant: &TenantId) -> Result<Vec<Entry>, RegistryError> {
        let mut entries = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("#tenant = :tenant AND begins_with(#row, :version)")
                .expression_attribute_names("#tenant", TENANT)
                .expression_attribute_names("#row", ROW)
                .expression_attribute_values(":tenant", text(tenant.as_str()))
                .expression_attribute_values(":version", text(VERSION))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| self.classify("dynamodb:Query", &error))?;
            for item in answer.items.unwrap_or_default() {
                entries.push(entry(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(entries);
            }
        }
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn entry(item: HashMap<String, AttributeValue>) -> Result<Entry, RegistryError> {
    let tenant = item.get(TENANT).and_then(|tenant| tenant.as_s().ok()).cloned().unwrap_or_default();
    serde_dynamo::from_item(item).map_err(|error| RegistryError::Malformed { tenant, what: error.to_string() })
}

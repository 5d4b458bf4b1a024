//! The key table in DynamoDB.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableInputBuilder;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeyType, PointInTimeRecoveryStatus, ReturnValuesOnConditionCheckFailure, ScalarAttributeType,
};
use aws_types::SdkConfig;
use tenantseal_core::keys::{KeyServiceErrorKind, KeyTable, KeyTableError, KeyTableErrorKind, Swap};

use crate::config;
use crate::errors::{self, AwsErrorClass, AwsFailure};
use crate::new_table::{self, NewTable, TimedOut};

const TENANT: &str = "tenant";
const ENTRY: &str = "entry";
const RECORD: &str = "record";

/// A key table in DynamoDB: partition key `tenant`, sort key `entry`, both strings.
///
/// ```no_run
/// use tenantseal_core::Vault;
/// use tenantseal_kms::{DynamoDbKeyTable, KmsKeyService};
///
/// # async fn example(config: &aws_types::SdkConfig, service: KmsKeyService) -> Result<(), Box<dyn std::error::Error>> {
/// let table = DynamoDbKeyTable::new(config, "tenantseal-keys");
/// table.create_table().await?; // once, at deployment
/// table.enable_recovery().await?;
/// let vault = Vault::builder(service).key_table(table, "eu-central-1").build()?;
/// # Ok(())
/// # }
/// ```
///
/// It needs `dynamodb:GetItem` and `dynamodb:PutItem`, and nothing that deletes. Compact tables need
/// `dynamodb:DescribeTable` and `dynamodb:DescribeContinuousBackups` as well.
pub struct DynamoDbKeyTable {
    client: Client,
    table: Arc<str>,
    recovery: bool,
}

impl DynamoDbKeyTable {
    /// The table with this name. `config` says how to reach it. Default timeouts: 5 s for an attempt, 15 s for a call.
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self::with_client(Client::new(&config::quiet(config)), table)
    }

    /// The same with your own client: a plain one, not a tenant's.
    pub fn with_client(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into().into(), recovery: true }
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// [`check`](KeyTable::check) no longer requires point-in-time recovery: **if this table is lost, so is what compact tables hold.** For
    /// emulators, which do not support recovery.
    #[must_use]
    pub fn danger_without_recovery(mut self) -> Self {
        self.recovery = false;
        self
    }

    /// Creates the table with on-demand billing and deletion protection, and waits until it is active. An existing
    /// table stays unchanged. Call [`DynamoDbKeyTable::enable_recovery`] afterwards.
    ///
    /// # Errors
    ///
    /// When DynamoDB refuses, when the table is not active after 5 minutes, or when what exists is not a key table.
    pub async fn create_table(&self) -> Result<(), KeyTableError> {
        new_table::create_table(self).await?;
        self.check_keys().await
    }

    /// Enables point-in-time recovery, without which compact tables do not seal. Waits until a new table has backups.
    ///
    /// # Errors
    ///
    /// When DynamoDB refuses, or the table has no backups after 5 minutes.
    pub async fn enable_recovery(&self) -> Result<(), KeyTableError> {
        new_table::enable_recovery(self).await?;
        self.check_recovery().await
    }

    async fn check_keys(&self) -> Result<(), KeyTableError> {
        let answer = self.client.describe_table().table_name(&*self.table).send().await;
        let table = answer.map_err(|error| self.classify(error))?.table;
        let table = table.ok_or_else(|| self.error(KeyTableErrorKind::Unexpected))?;
        let is_text = |name: &str| {
            let mut definitions = table.attribute_definitions().iter();
            definitions.any(|key| key.attribute_name == name && key.attribute_type == ScalarAttributeType::S)
        };
        let keys: Vec<_> = table.key_schema().iter().map(|key| (key.attribute_name(), key.key_type())).collect();
        match keys == [(TENANT, &KeyType::Hash), (ENTRY, &KeyType::Range)] && is_text(TENANT) && is_text(ENTRY) {
            true => Ok(()),
            false => Err(self.error(KeyTableErrorKind::NotAKeyTable)),
        }
    }

    async fn check_recovery(&self) -> Result<(), KeyTableError> {
        let answer = self.client.describe_continuous_backups().table_name(&*self.table).send().await;
        let backups = answer.map_err(|error| self.classify(error))?.continuous_backups_description;
        let recovery = backups.and_then(|backups| backups.point_in_time_recovery_description);
        match recovery.and_then(|recovery| recovery.point_in_time_recovery_status) {
            Some(PointInTimeRecoveryStatus::Enabled) => Ok(()),
            _ => Err(self.error(KeyTableErrorKind::NoRecovery)),
        }
    }

    fn key(&self, partition: &str, entry: &str) -> HashMap<String, AttributeValue> {
        [(TENANT, partition), (ENTRY, entry)]
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
            .into()
    }

    fn error(&self, kind: KeyTableErrorKind) -> KeyTableError {
        KeyTableError::new(Arc::clone(&self.table), kind)
    }

    /// Classifies an error of DynamoDB (API reference, "Common error types" and those of the operations above).
    fn classify<E>(&self, error: SdkError<E>) -> KeyTableError
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        use KeyServiceErrorKind as Said;
        use KeyTableErrorKind as Kind;
        let kind = match (AwsErrorClass::from_error(&error), errors::kind(&error)) {
            (Some(AwsErrorClass::TableNotFound), _) => Kind::NotFound,
            // DynamoDB's limit on concurrent changes of tables is temporary.
            (_, Said::Unavailable | Said::LimitExceeded) => Kind::Unavailable,
            (_, Said::Denied) => Kind::Denied,
            (_, Said::Credentials) => Kind::Credentials,
            _ => Kind::Unexpected,
        };
        let failure = AwsFailure::from_sdk(&error);
        tracing::warn!(table = &*self.table, %kind, %failure, "the key table failed");
        self.error(kind).with_source(failure)
    }
}

impl NewTable for DynamoDbKeyTable {
    type Error = KeyTableError;

    fn client(&self) -> &Client {
        &self.client
    }

    fn name(&self) -> &str {
        &self.table
    }

    fn layout(&self) -> CreateTableInputBuilder {
        new_table::string_keys(TENANT, ENTRY)
    }

    fn classify_failure<E>(&self, _action: &'static str, error: SdkError<E>) -> KeyTableError
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        self.classify(error)
    }

    fn timed_out(&self, timeout: TimedOut) -> KeyTableError {
        self.error(KeyTableErrorKind::Unavailable).with_source(timeout)
    }
}

#[async_trait]
impl KeyTable for DynamoDbKeyTable {
    fn name(&self) -> &str {
        &self.table
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        let request = self.client.get_item().table_name(&*self.table).set_key(Some(self.key(partition, entry)));
        let answer = request.consistent_read(true).send().await.map_err(|error| self.classify(error))?;
        Ok(answer.item.map(record_of))
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        let mut item = self.key(partition, entry);
        item.insert(RECORD.to_owned(), AttributeValue::B(Blob::new(record)));
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(item));
        let put = match expected {
            None => {
                put.condition_expression("attribute_not_exists(#entry)").expression_attribute_names("#entry", ENTRY)
            }
            Some(expected) => put
                .condition_expression("#record = :expected")
                .expression_attribute_names("#record", RECORD)
                .expression_attribute_values(":expected", AttributeValue::B(Blob::new(expected))),
        };
        match put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld).send().await {
            Ok(_) => Ok(Swap::Stored),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => match failed.item.clone() {
                    Some(found) => Ok(Swap::Found(Some(record_of(found)))),
                    None => Ok(Swap::Found(self.get(partition, entry).await?)),
                },
                _ => Err(self.classify(error)),
            },
        }
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        self.check_keys().await?;
        if self.recovery { self.check_recovery().await } else { Ok(()) }
    }
}

/// The key record of an entry. A missing record counts as an empty one, which is invalid.
fn record_of(mut item: HashMap<String, AttributeValue>) -> Vec<u8> {
    match item.remove(RECORD) {
        Some(AttributeValue::B(record)) => record.into_inner(),
        _ => Vec::new(),
    }
}

impl fmt::Debug for DynamoDbKeyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DynamoDbKeyTable({})", self.table)
    }
}

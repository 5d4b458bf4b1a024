//! Creates the library's own tables and waits until they are usable: one implementation for the registry and for the
//! key table.
//!
//! Right after CreateTable, DynamoDB may say that the table does not exist, and for minutes that its backups are not
//! available.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableInputBuilder;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification, ScalarAttributeType,
    TableStatus,
};
use aws_smithy_async::rt::sleep::{AsyncSleep, default_async_sleep};
use tokio::time::Instant;

use crate::errors::AwsErrorClass;

/// How long to wait for the table, and then for its backups.
const LIMIT: Duration = Duration::from_secs(300);
/// The first polling interval: local servers are done at once. Each is twice the one before, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The default timeout of an attempt.
const ATTEMPT: Duration = Duration::from_secs(15);

/// A table that its owner can create. AWS's errors become the owner's.
pub trait NewTable {
    type Error;

    fn client(&self) -> &Client;

    fn name(&self) -> &str;

    /// The input of CreateTable, without the name.
    fn layout(&self) -> CreateTableInputBuilder;

    /// Classifies an AWS error. `action` is the permission that the request needs.
    fn classify_failure<E>(&self, action: &'static str, error: SdkError<E>) -> Self::Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static;

    fn timed_out(&self, timeout: TimedOut) -> Self::Error;
}

/// The table or its backups were not ready in time.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{what} after {} s", LIMIT.as_secs())]
pub struct TimedOut {
    what: &'static str,
}

/// Creates the table unless it exists, and waits until it is active. Safe to repeat, also while the table is being
/// created or deleted.
pub async fn create_table<T: NewTable>(table: &T) -> Result<(), T::Error> {
    let client = with_timeouts(table.client());
    let mut deadline = Deadline::new(&client, "it is not active");
    loop {
        match status(&client, table.name()).await {
            Ok(Some(TableStatus::Active | TableStatus::Updating)) => return Ok(()),
            Ok(Some(_)) => {}
            Ok(None) => match table.layout().table_name(table.name()).send_with(&client).await {
                Err(error) if AwsErrorClass::from_error(&error) != Some(AwsErrorClass::TableInUse) => {
                    return Err(table.classify_failure("dynamodb:CreateTable", error));
                }
                _ => {}
            },
            Err(error) => return Err(table.classify_failure("dynamodb:DescribeTable", error)),
        }
        deadline.wait().await.map_err(|timeout| table.timed_out(timeout))?;
    }
}

/// Enables point-in-time recovery, as soon as the table has backups.
pub async fn enable_recovery<T: NewTable>(table: &T) -> Result<(), T::Error> {
    let client = with_timeouts(table.client());
    let enabled = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
    let enabled = enabled.build().expect("it says whether");
    let mut deadline = Deadline::new(&client, "its backups are not available");
    loop {
        let request = client.update_continuous_backups().table_name(table.name());
        let Err(error) = request.point_in_time_recovery_specification(enabled.clone()).send().await else {
            return Ok(());
        };
        let passes = match AwsErrorClass::from_error(&error) {
            Some(AwsErrorClass::BackupsUnavailable) => true,
            // The backup service may learn of a new table later than its owner.
            Some(AwsErrorClass::TableNotFound) => matches!(status(&client, table.name()).await, Ok(Some(_))),
            _ => false,
        };
        if !passes {
            return Err(table.classify_failure("dynamodb:UpdateContinuousBackups", error));
        }
        deadline.wait().await.map_err(|timeout| table.timed_out(timeout))?;
    }
}

/// A table with these string keys: billed on demand, protected from deletion.
pub fn string_keys(partition: &str, sort: &str) -> CreateTableInputBuilder {
    CreateTableInputBuilder::default()
        .attribute_definitions(string(partition))
        .attribute_definitions(string(sort))
        .key_schema(key(partition, KeyType::Hash))
        .key_schema(key(sort, KeyType::Range))
        .billing_mode(BillingMode::PayPerRequest)
        .deletion_protection_enabled(true)
}

pub fn string(name: &str) -> AttributeDefinition {
    let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    definition.build().expect("it has a name and a type")
}

pub fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("it has a name and a type")
}

/// The table's status; `None` when DynamoDB does not know the table, or not yet.
async fn status(client: &Client, name: &str) -> Result<Option<TableStatus>, SdkError<DescribeTableError>> {
    match client.describe_table().table_name(name).send().await {
        Ok(answer) => Ok(answer.table.and_then(|table| table.table_status)),
        Err(error) if AwsErrorClass::from_error(&error) == Some(AwsErrorClass::TableNotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same client with a timeout for attempts: without one, an unanswered request would hang forever.
fn with_timeouts(client: &Client) -> Client {
    let mut timeouts = client.config().timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
    timeouts.take_defaults_from(&TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
    Client::from_conf(client.config().to_builder().timeout_config(timeouts).build())
}

/// The deadline of one wait.
struct Deadline<'a> {
    client: &'a Client,
    waiting: &'static str,
    /// The sum of the pauses, which a configuration's own clock may shorten.
    waited: Duration,
    /// The next pause.
    pause: Duration,
    /// When the wait began: requests take time as well.
    since: Instant,
}

impl<'a> Deadline<'a> {
    fn new(client: &'a Client, waiting: &'static str) -> Self {
        Self { client, waiting, waited: Duration::ZERO, pause: FIRST_PAUSE, since: Instant::now() }
    }

    /// Waits one interval, by the configuration's own clock.
    async fn wait(&mut self) -> Result<(), TimedOut> {
        let timeout = TimedOut { what: self.waiting };
        // Without sleep, fail rather than poll in a busy loop.
        let sleep = self.client.config().sleep_impl().or_else(default_async_sleep).ok_or(timeout)?;
        if self.waited.max(self.since.elapsed()) >= LIMIT {
            return Err(timeout);
        }
        sleep.sleep(self.pause).await;
        self.waited += self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

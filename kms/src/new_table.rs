//! Creating a table of the library's own, and waiting until it can be used: one way for the registry and for the key table.
//!
//! Right after CreateTable, DynamoDB may say that there is no such table, and for minutes that its backups are not available.

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

/// How long the table is waited for, and then its backups.
const LIMIT: Duration = Duration::from_secs(300);
/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an attempt of a request takes unless configured.
const ATTEMPT: Duration = Duration::from_secs(15);

/// A table that its owner can have created. What AWS says becomes the owner's error.
pub trait NewTable {
    type Error;

    fn client(&self) -> &Client;

    fn name(&self) -> &str;

    /// The table as CreateTable is to make it, but for its name.
    fn layout(&self) -> CreateTableInputBuilder;

    /// `action` is the permission that the request needed.
    fn failed<E>(&self, action: &'static str, error: SdkError<E>) -> Self::Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static;

    fn late(&self, late: Late) -> Self::Error;
}

/// AWS needs longer than it may.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{what} after {} s", LIMIT.as_secs())]
pub struct Late {
    what: &'static str,
}

/// Creates the table unless it exists, and waits until it is there. Can be repeated, also while the table is created or deleted.
pub async fn create<T: NewTable>(table: &T) -> Result<(), T::Error> {
    let client = bounded(table.client());
    let mut patience = Patience::new(&client, "it is not active");
    loop {
        match status(&client, table.name()).await {
            Ok(Some(TableStatus::Active | TableStatus::Updating)) => return Ok(()),
            Ok(Some(_)) => {}
            Ok(None) => match table.layout().table_name(table.name()).send_with(&client).await {
                Err(error) if error.code() != Some("ResourceInUseException") => {
                    return Err(table.failed("dynamodb:CreateTable", error));
                }
                _ => {}
            },
            Err(error) => return Err(table.failed("dynamodb:DescribeTable", error)),
        }
        patience.wait().await.map_err(|late| table.late(late))?;
    }
}

/// Switches point-in-time recovery on, as soon as the table has backups.
pub async fn enable_recovery<T: NewTable>(table: &T) -> Result<(), T::Error> {
    let client = bounded(table.client());
    let enabled = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
    let enabled = enabled.build().expect("it says whether");
    let mut patience = Patience::new(&client, "its backups are not available");
    loop {
        let request = client.update_continuous_backups().table_name(table.name());
        let Err(error) = request.point_in_time_recovery_specification(enabled.clone()).send().await else {
            return Ok(());
        };
        let passes = match error.code() {
            Some("ContinuousBackupsUnavailableException") => true,
            // The backups may hear of a new table later than its owner.
            Some("TableNotFoundException") => matches!(status(&client, table.name()).await, Ok(Some(_))),
            _ => false,
        };
        if !passes {
            return Err(table.failed("dynamodb:UpdateContinuousBackups", error));
        }
        patience.wait().await.map_err(|late| table.late(late))?;
    }
}

/// A table that is paid per request, is protected from deletion, and has these strings for keys.
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

/// Where the table is on its way; none when DynamoDB does not know it, or not yet.
async fn status(client: &Client, name: &str) -> Result<Option<TableStatus>, SdkError<DescribeTableError>> {
    match client.describe_table().table_name(name).send().await {
        Ok(answer) => Ok(answer.table.and_then(|table| table.table_status)),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same client, whose attempts end: without that a request that is not answered is waited for without end.
fn bounded(client: &Client) -> Client {
    let mut timeouts = client.config().timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
    timeouts.take_defaults_from(&TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
    Client::from_conf(client.config().to_builder().timeout_config(timeouts).build())
}

/// What is left of the time for one wait.
struct Patience<'a> {
    client: &'a Client,
    waiting: &'static str,
    /// By the pauses alone, which a configuration's own clock may shorten.
    waited: Duration,
    /// Requests take their time as well.
    since: Instant,
}

impl<'a> Patience<'a> {
    fn new(client: &'a Client, waiting: &'static str) -> Self {
        Self { client, waiting, waited: Duration::ZERO, since: Instant::now() }
    }

    /// Waits a little, by the configuration's own clock.
    async fn wait(&mut self) -> Result<(), Late> {
        let late = Late { what: self.waiting };
        // Who cannot sleep must not ask again and again instead.
        let sleep = self.client.config().sleep_impl().or_else(default_async_sleep).ok_or(late)?;
        if self.waited.max(self.since.elapsed()) >= LIMIT {
            return Err(late);
        }
        sleep.sleep(PAUSE).await;
        self.waited += PAUSE;
        Ok(())
    }
}

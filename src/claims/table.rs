//! The claims table in DynamoDB.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableInputBuilder;
use aws_sdk_dynamodb::types::{KeyType, PointInTimeRecoveryStatus, ScalarAttributeType, TableDescription};
use aws_types::SdkConfig;
use tenantseal_kms::config;
use tenantseal_kms::new_table::{self, NewTable, TimedOut};

use super::entry::{ENTRY, TENANT};
use crate::error::{TableFault, TableFaultKind, TablesError};

/// The table with the claims of unique values: partition key `tenant`, sort key `entry`, both strings.
///
/// ```no_run
/// use tenantseal::records::ClaimsTable;
///
/// # async fn example(config: &aws_types::SdkConfig, builder: tenantseal::TenantSealBuilder)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let claims = ClaimsTable::new(config, "tenantseal-claims");
/// claims.create_table().await?; // once, at deployment
/// claims.enable_recovery().await?;
/// let builder = builder.claims(claims);
/// # Ok(()) }
/// ```
///
/// It must lie in the account and Region of the tables with the items: a transaction changes both. Services reach it
/// with the configuration of [`build`](crate::TenantSealBuilder::build). They need `dynamodb:GetItem`, `PutItem` and
/// `DeleteItem` on it, and `dynamodb:ConditionCheckItem` on the tables with the items.
#[derive(Clone)]
pub struct ClaimsTable {
    client: Client,
    table: Arc<str>,
    recovery: bool,
}

impl ClaimsTable {
    /// The table with this name. `config` says how to create it. Default timeouts: 5 s for an attempt, 15 s for a call.
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

    /// [`check_tables`](crate::TenantSeal::check_tables) no longer requires point-in-time recovery. For emulators, which
    /// do not support it.
    #[must_use]
    pub fn danger_without_recovery(mut self) -> Self {
        self.recovery = false;
        self
    }

    /// Creates the table with on-demand billing and deletion protection, and waits until it is active. An existing
    /// table stays unchanged. Call [`ClaimsTable::enable_recovery`] afterwards.
    ///
    /// # Errors
    ///
    /// When DynamoDB refuses, when the table is not active after 5 minutes, or when what exists is not a claims table.
    pub async fn create_table(&self) -> Result<(), TablesError> {
        new_table::create_table(self).await?;
        self.to_result(self.check_keys(&self.client).await)
    }

    /// Enables point-in-time recovery. Waits until a new table has backups.
    ///
    /// # Errors
    ///
    /// When DynamoDB refuses, or the table has no backups after 5 minutes.
    pub async fn enable_recovery(&self) -> Result<(), TablesError> {
        new_table::enable_recovery(self).await?;
        self.to_result(self.check_recovery(&self.client).await)
    }

    /// What is wrong with the table, as a service's client sees it.
    pub(crate) async fn check(&self, client: &Client) -> Vec<TableFault> {
        let kind = match self.check_keys(client).await {
            None if self.recovery => self.check_recovery(client).await,
            kind => kind,
        };
        kind.map(|kind| self.fault(kind)).into_iter().collect()
    }

    /// The name, shared.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.table
    }

    async fn check_keys(&self, client: &Client) -> Option<TableFaultKind> {
        match client.describe_table().table_name(&*self.table).send().await {
            Ok(answer) => match answer.table {
                Some(table) if has_keys(&table) => None,
                _ => Some(TableFaultKind::NotAClaimsTable),
            },
            Err(error) => match TableFaultKind::from_sdk("dynamodb:DescribeTable", &error) {
                TableFaultKind::NotFound => Some(TableFaultKind::NoClaimsTable),
                kind => Some(kind),
            },
        }
    }

    async fn check_recovery(&self, client: &Client) -> Option<TableFaultKind> {
        let answer = match client.describe_continuous_backups().table_name(&*self.table).send().await {
            Ok(answer) => answer.continuous_backups_description,
            Err(error) => return Some(TableFaultKind::from_sdk("dynamodb:DescribeContinuousBackups", &error)),
        };
        let recovery = answer.and_then(|backups| backups.point_in_time_recovery_description);
        match recovery.and_then(|recovery| recovery.point_in_time_recovery_status) {
            Some(PointInTimeRecoveryStatus::Enabled) => None,
            _ => Some(TableFaultKind::NoClaimsRecovery),
        }
    }

    fn fault(&self, kind: TableFaultKind) -> TableFault {
        TableFault { table: self.table.as_ref().to_owned(), kind }
    }

    fn to_result(&self, kind: Option<TableFaultKind>) -> Result<(), TablesError> {
        kind.map_or(Ok(()), |kind| Err(TablesError { faults: vec![self.fault(kind)] }))
    }
}

/// Whether the table's primary key is that of a claims table.
fn has_keys(table: &TableDescription) -> bool {
    let is_text = |name: &str| {
        let mut definitions = table.attribute_definitions().iter();
        definitions.any(|key| key.attribute_name == name && key.attribute_type == ScalarAttributeType::S)
    };
    let keys: Vec<_> = table.key_schema().iter().map(|key| (key.attribute_name(), key.key_type())).collect();
    keys == [(TENANT, &KeyType::Hash), (ENTRY, &KeyType::Range)] && is_text(TENANT) && is_text(ENTRY)
}

impl NewTable for ClaimsTable {
    type Error = TablesError;

    fn client(&self) -> &Client {
        &self.client
    }

    fn name(&self) -> &str {
        &self.table
    }

    fn layout(&self) -> CreateTableInputBuilder {
        new_table::string_keys(TENANT, ENTRY)
    }

    fn classify_failure<E>(&self, action: &'static str, error: SdkError<E>) -> TablesError
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        TablesError { faults: vec![self.fault(TableFaultKind::from_sdk(action, &error))] }
    }

    fn timed_out(&self, timeout: TimedOut) -> TablesError {
        let (action, said) = ("dynamodb:DescribeTable", timeout.to_string());
        TablesError { faults: vec![self.fault(TableFaultKind::Unanswered { action, said, is_retryable: true })] }
    }
}

impl fmt::Debug for ClaimsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimsTable({})", self.table)
    }
}

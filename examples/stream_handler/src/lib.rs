//! Follows the changes of contacts, each opened with its own tenant's keys. docs/STREAMS.md explains each step.

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use serde::{Deserialize, Serialize};
use tenantseal::changes::{Change, ChangeError};
use tenantseal::{Error, Record, TenantSeal};

/// A contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
pub struct Contact {
    /// Whose it is.
    #[seal(partition_key, tenant)]
    pub tenant_id: String,
    /// Which one.
    #[seal(sort_key)]
    pub contact_id: String,
    /// How to reach them.
    #[seal(encrypt)]
    pub email: String,
}

/// What follows a change.
pub trait Consumer {
    /// An item changed. It may be told more than once of one change.
    fn changed(&mut self, change: Change);
    /// A record will never open. Keep it, and find out who wrote it.
    fn dead_letter(&mut self, error: ChangeError);
}

/// Handles one batch. The answer names the record from which the stream has to come again, if any.
///
/// # Errors
///
/// When the table is not configured: all of the batch comes again.
pub async fn handle(
    seal: &TenantSeal,
    consumer: &mut impl Consumer,
    event: Event,
) -> Result<DynamoDbEventResponse, Error> {
    let mut answer = DynamoDbEventResponse::default();
    for outcome in seal.open_changes("crm", event.records).await? {
        match outcome {
            // A sweep sealed it again: for a consumer nothing changed.
            Ok(change) if change.is_sealing_only() => {}
            Ok(change) => consumer.changed(change),
            // Changes of one item stay in order, so the rest waits for this one.
            Err(error) if error.is_retryable() => {
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = error.sequence_number().map(str::to_owned);
                answer.batch_item_failures.push(failure);
                break;
            }
            // Repeated, it would block its shard for a day.
            Err(error) => consumer.dead_letter(error),
        }
    }
    Ok(answer)
}

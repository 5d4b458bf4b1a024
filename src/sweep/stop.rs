//! Why a sweep cannot go on, and how long it waits until then.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use tenantseal_kms::errors::kind;

use super::budget::Budget;
use crate::error::{Error, Refusal, ServiceError, Written};

/// How often a request is sent again, beyond the SDK's own retries, while DynamoDB throttles or does not answer.
const PATIENCE: u32 = 8;
/// The first pause, which doubles.
const PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Why a sweep cannot go on.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) cause: Error,
    pub(super) is_retryable: bool,
    /// The claims table, where it stopped there.
    pub(super) claims: Option<Box<str>>,
}

impl Stop {
    pub(super) fn new<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
        aws_sdk_dynamodb::Error: From<SdkError<E>>,
    {
        let is_retryable = kind(&error).is_outage();
        Self::at_items(Error::DynamoDb(ServiceError::new(error.into(), Written::No)), is_retryable)
    }

    pub(super) fn at_items(cause: Error, is_retryable: bool) -> Self {
        Self { cause, is_retryable, claims: None }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::at_items(refusal.into(), false)
    }
    /// Waits before the next attempt, if DynamoDB throttles or does not answer.
    pub(super) async fn wait_out(self, budget: &Budget, attempt: &mut u32) -> Result<(), Self> {
        if !self.is_retryable || *attempt >= PATIENCE {
            return Err(self);
        }
        budget.slow_down();
        tokio::time::sleep(pause(*attempt)).await;
        *attempt += 1;
        Ok(())
    }
}

/// The pause after so many attempts.
pub(super) fn pause(attempt: u32) -> Duration {
    PAUSE.saturating_mul(2_u32.saturating_pow(attempt)).min(MAX_PAUSE)
}

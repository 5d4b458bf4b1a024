//! DynamoDB's own errors, as the repository gives them.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;

use super::{Written, chain};

/// An error of DynamoDB. It may carry the item that failed a condition, opened, so `Debug` shows its code and message alone.
#[derive(Clone)]
pub struct ServiceError {
    error: Arc<aws_sdk_dynamodb::Error>,
    written: Written,
    is_outage: bool,
}

impl ServiceError {
    pub(crate) fn new(error: aws_sdk_dynamodb::Error, written: Written) -> Self {
        Self { error: Arc::new(error), written, is_outage: false }
    }

    /// Says whether DynamoDB throttled or did not answer.
    pub(crate) fn of_outage(self, is_outage: bool) -> Self {
        Self { is_outage, ..self }
    }

    /// Whether it is known that DynamoDB throttled or did not answer.
    pub(crate) fn is_outage(&self) -> bool {
        self.is_outage
    }

    pub(super) fn written(&self) -> Written {
        self.written
    }

    /// The SDK's own error, to be matched on.
    pub fn as_sdk(&self) -> &aws_sdk_dynamodb::Error {
        &self.error
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.error.code(), self.error.message()) {
            (Some(code), Some(message)) => write!(f, "{code}: {message}")?,
            (Some(code), None) => f.write_str(code)?,
            // No answer of DynamoDB: the causes say what happened on the way, and hold no item.
            (None, _) => {
                let causes: Vec<_> = chain(&*self.error).map(ToString::to_string).collect();
                f.write_str(&causes.join(": "))?;
            }
        }
        match self.written() {
            Written::Unknown => f.write_str("; an answer was lost, so the write may have happened"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceError({self})")
    }
}

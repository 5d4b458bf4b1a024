//! DynamoDB's own errors, as the repository gives them.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;

use super::{Written, chain};

/// An error of DynamoDB. It may carry the item that failed a condition, opened, so `Debug` shows its code and message alone.
#[derive(Clone)]
pub struct ServiceError(Arc<aws_sdk_dynamodb::Error>, Written);

impl ServiceError {
    pub(crate) fn new(error: aws_sdk_dynamodb::Error, written: Written) -> Self {
        Self(Arc::new(error), written)
    }

    pub(super) fn written(&self) -> Written {
        self.1
    }

    /// The SDK's own error, to be matched on.
    pub fn as_sdk(&self) -> &aws_sdk_dynamodb::Error {
        &self.0
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.message()) {
            (Some(code), Some(message)) => write!(f, "{code}: {message}")?,
            (Some(code), None) => f.write_str(code)?,
            // No answer of DynamoDB: the causes say what happened on the way, and hold no item.
            (None, _) => {
                let causes: Vec<_> = chain(&*self.0).map(ToString::to_string).collect();
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

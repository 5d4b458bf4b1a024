//! What an error says about a write: that it did not happen, that it may have, or that something is wrong.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use tenantseal::Error;
use tenantseal::error::Written;
use tenantseal::keys::{KeyServiceErrorKind, KeyTableErrorKind};

use crate::journal::Fate;

/// Of an operation of the repository.
pub(crate) fn from_result<T>(result: Result<T, Error>, items: impl FnOnce(&T) -> usize) -> Fate {
    match result {
        Ok(answer) => Fate::Acknowledged(items(&answer)),
        Err(error) => from_error(&error),
    }
}

/// Of an operation of the drop-in client.
pub(crate) fn from_sdk_result<T, E>(result: Result<T, SdkError<E>>, items: impl FnOnce(&T) -> usize) -> Fate
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let error = match result {
        Ok(answer) => return Fate::Acknowledged(items(&answer)),
        Err(error) => error,
    };
    if let Some(error) = Error::find_in(&error) {
        return from_error(error);
    }
    match &error {
        SdkError::ConstructionFailure(_) => Fate::NotSent("not sent".to_owned()),
        SdkError::TimeoutError(_) => Fate::Unknown("timeout".to_owned()),
        SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => Fate::Unknown("connection".to_owned()),
        _ if error.code() == Some("ConditionalCheckFailedException") => Fate::ConditionFailed,
        _ => Fate::Violation(format!("an answer that no fault explains: {}", DisplayErrorContext(&error))),
    }
}

/// Of this library's error.
pub(crate) fn from_error(error: &Error) -> Fate {
    if error.is_condition_failed() {
        // The repetition may have met its own first attempt.
        return match error.written() {
            Written::No => Fate::ConditionFailed,
            _ => Fate::Unknown("an answer was lost".to_owned()),
        };
    }
    match error.cause() {
        // The write happened, or may have; the returned item does not open.
        Error::KeyService(_) | Error::AnswerLost if error.written() != Written::No => {
            Fate::Unknown("not given back".to_owned())
        }
        Error::KeyService(key) => match key.kind() {
            KeyServiceErrorKind::Unavailable => Fate::NotSent("key service unavailable".to_owned()),
            KeyServiceErrorKind::Revoked => Fate::NotSent("tenant suspended".to_owned()),
            KeyServiceErrorKind::Credentials => Fate::NotSent("credentials refused".to_owned()),
            KeyServiceErrorKind::Contradictory => Fate::NotSent("KMS contradicts itself".to_owned()),
            _ => Fate::Violation(format!("a key error that no fault explains: {error}")),
        },
        // Without the tenant's lookup key nothing is sent that needs a token.
        Error::KeyTable(table) if matches!(table.kind(), KeyTableErrorKind::Unavailable) => {
            Fate::NotSent("key table unavailable".to_owned())
        }
        Error::Cancelled(cancelled) if error.is_retryable() => Fate::NotSent(cancelled.to_string()),
        Error::NotWritten(writes) => {
            let explained = |(_, error): (usize, &Error)| !matches!(from_error(error), Fate::Violation(_));
            match writes.failed().all(explained) {
                true => Fate::Unknown("part of a batch".to_owned()),
                false => Fate::Violation(error.to_string()),
            }
        }
        Error::DynamoDb(service) if service.as_sdk().code().is_none() => Fate::Unknown("connection".to_owned()),
        _ => Fate::Violation(format!("an error that no fault explains: {error}")),
    }
}

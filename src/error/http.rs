//! The HTTP status with which a service answers an error.

use tenantseal_kms::errors::AwsErrorClass;

use super::{Error, Refusal, SealError, ServiceError, Written};
use crate::item::PrimaryKeyError;

impl Error {
    /// The HTTP status with which a service may answer its own caller. The error's text is for logs: do not send it.
    ///
    /// | status | when |
    /// |---|---|
    /// | 400 | the page token is not one of this tenant and query, or the text cannot be the key of an object |
    /// | 403 | the tenant is revoked, or the primary key is another tenant's |
    /// | 404 | there is no such object in S3; a record that is not there is no error |
    /// | 409 | another writer was faster, a condition did not hold, or another record has the unique value |
    /// | 413 | the record is larger than DynamoDB stores, or the object than was allowed |
    /// | 503 | the same call may succeed later ([`is_retryable`](Self::is_retryable)), or DynamoDB throttles or did not answer, and nothing was written |
    /// | 500 | anything else: a mistake of the program, a stored item that does not open, a write that may have happened |
    ///
    /// ```
    /// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>) -> u16 {
    /// match contacts.get("c-17").await {
    ///     Ok(Some(contact)) => 200,
    ///     Ok(None) => 404,
    ///     Err(error) => error.http_status(),
    /// }
    /// # }
    /// ```
    pub fn http_status(&self) -> u16 {
        match self.cause() {
            _ if self.is_revoked() => 403,
            _ if self.is_conflict() || self.is_condition_failed() || self.is_not_unique() => 409,
            _ if self.is_retryable() => 503,
            Self::Refused(Refusal::PageToken) => 400,
            Self::Refused(Refusal::PrimaryKey(PrimaryKeyError::ForeignTenant { .. }))
            | Self::Seal(SealError::PrimaryKey(PrimaryKeyError::ForeignTenant { .. })) => 403,
            Self::Seal(SealError::TooLarge { .. }) => 413,
            #[cfg(feature = "s3")]
            Self::S3(error) => match error {
                tenantseal_blobs::Error::Refused(tenantseal_blobs::Refusal::Key(_)) => 400,
                tenantseal_blobs::Error::TooLarge { .. } | tenantseal_blobs::Error::TooManyParts => 413,
                error if error.is_not_found() => 404,
                _ => 500,
            },
            Self::DynamoDb(error) if error.is_passing() && self.written() == Written::No => 503,
            _ => 500,
        }
    }
}

impl ServiceError {
    /// Whether DynamoDB throttles, fails or did not answer.
    fn is_passing(&self) -> bool {
        use AwsErrorClass::{ServiceFault, Throttled};
        matches!(AwsErrorClass::from_error(self.as_sdk()), None | Some(Throttled | ServiceFault))
    }
}

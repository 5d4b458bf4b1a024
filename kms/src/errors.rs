//! Classifies errors of KMS and STS. This is the only table of AWS error codes.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use tenantseal_core::error::chain;
use tenantseal_core::keys::{KeyServiceError, KeyServiceErrorKind};
use tenantseal_core::tenant::TenantId;

/// Classifies an error of KMS or STS, and logs it (KMS API reference, errors of GenerateDataKey and Decrypt; STS API
/// reference, common errors).
pub fn classify<E>(tenant: &TenantId, operation: &'static str, error: SdkError<E>) -> KeyServiceError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let kind = kind(&error);
    let failure = AwsFailure::from_sdk(&error);
    tracing::warn!(tenant = tenant.as_str(), operation, %kind, %failure, "the key service failed");
    KeyServiceError::new(tenant, operation, kind).with_request_id(failure.request_id.as_deref()).with_source(failure)
}

/// The kind of an AWS service's error.
pub fn kind<E>(error: &SdkError<E>) -> KeyServiceErrorKind
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    use KeyServiceErrorKind as Kind;
    match (error, error.code()) {
        _ if lacks_credentials(error) => Kind::Credentials,
        (SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_), _) => Kind::Unavailable,
        (_, Some(code)) => match AwsErrorClass::from_code(code) {
            AwsErrorClass::InvalidKeyState => invalid_state(error.message().unwrap_or_default()),
            class if class.kind() == Kind::Unexpected && has_passing_status(error) => Kind::Unavailable,
            class => class.kind(),
        },
        (_, None) if has_passing_status(error) => Kind::Unavailable,
        _ => Kind::Unexpected,
    }
}

/// Whether a service in a Region does not answer or fails itself, so that another Region may be asked. Throttling is not that: a tenant's
/// burst would run over into the next Region, and come back as two.
pub(crate) fn is_out<E>(error: &SdkError<E>) -> bool
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            !lacks_credentials(error)
        }
        SdkError::ServiceError(service) => match AwsErrorClass::from_error(error) {
            Some(AwsErrorClass::Throttled | AwsErrorClass::KeyStoreFault) => false,
            Some(AwsErrorClass::ServiceFault) => true,
            _ => service.raw().status().is_server_error(),
        },
        _ => false,
    }
}

/// What an error code of AWS means (common errors of the KMS, STS and DynamoDB API references). This is the only table of AWS's codes: the
/// kinds of errors and the command's advice both follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwsErrorClass {
    Throttled,
    /// AWS failed, or something behind it.
    ServiceFault,
    /// A custom key store, or the HSM or proxy behind it, does not answer.
    KeyStoreFault,
    Disabled,
    /// `KMSInvalidStateException`: only its message tells the states apart.
    InvalidKeyState,
    AccessDenied,
    NotFound,
    TableNotFound,
    /// The table exists, or is being created or deleted.
    TableInUse,
    /// A new table has no backups yet.
    BackupsUnavailable,
    /// The alias or the replica exists.
    AlreadyExists,
    /// A call with `DryRun` would have succeeded.
    DryRunPassed,
    IncorrectKey,
    InvalidCiphertext,
    QuotaExceeded,
    /// Session policy and session tags are too long together.
    SessionPolicyTooLarge,
    ExpiredCredentials,
    UnknownCredentials,
    /// The request itself is too old.
    ExpiredRequest,
    /// The request lacks a part of its signature.
    IncompleteSignature,
    InvalidRequest,
    Other,
}

impl AwsErrorClass {
    /// Classifies an error; `None` when AWS did not answer with a code.
    pub fn from_error(error: &impl ProvideErrorMetadata) -> Option<Self> {
        error.code().map(Self::from_code)
    }

    /// Classifies a code as AWS writes it.
    pub fn from_code(code: &str) -> Self {
        match code {
            "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "BandwidthLimitExceeded"
            | "PriorRequestNotComplete"
            | "SlowDown"
            | "RequestLimitExceeded"
            | "ProvisionedThroughputExceededException"
            | "TransactionInProgressException"
            // Another Region of a global table writes the item.
            | "ReplicatedWriteConflictException" => Self::Throttled,
            "DependencyTimeoutException"
            | "KMSInternalException"
            | "KeyUnavailableException"
            | "ServiceUnavailable"
            | "InternalFailure"
            | "InternalServerError" => Self::ServiceFault,
            "CustomKeyStoreInvalidStateException"
            | "CloudHsmClusterNotActiveException"
            | "XksProxyUriUnreachableException"
            | "XksProxyInvalidResponseException" => Self::KeyStoreFault,
            "DisabledException" => Self::Disabled,
            "KMSInvalidStateException" => Self::InvalidKeyState,
            "AccessDeniedException" | "AccessDenied" => Self::AccessDenied,
            "NotFoundException" => Self::NotFound,
            "ResourceNotFoundException" | "TableNotFoundException" => Self::TableNotFound,
            "ResourceInUseException" => Self::TableInUse,
            "ContinuousBackupsUnavailableException" => Self::BackupsUnavailable,
            "AlreadyExistsException" => Self::AlreadyExists,
            "DryRunOperationException" => Self::DryRunPassed,
            "IncorrectKeyException" => Self::IncorrectKey,
            "InvalidCiphertextException" => Self::InvalidCiphertext,
            "LimitExceededException" => Self::QuotaExceeded,
            "PackedPolicyTooLarge" => Self::SessionPolicyTooLarge,
            "ExpiredToken" | "ExpiredTokenException" => Self::ExpiredCredentials,
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch" => Self::UnknownCredentials,
            "RequestExpired" => Self::ExpiredRequest,
            "IncompleteSignature" => Self::IncompleteSignature,
            "ValidationException" | "ValidationError" | "InvalidArnException" => Self::InvalidRequest,
            _ => Self::Other,
        }
    }

    fn kind(self) -> KeyServiceErrorKind {
        use KeyServiceErrorKind as Kind;
        match self {
            Self::Throttled | Self::ServiceFault | Self::KeyStoreFault => Kind::Unavailable,
            Self::Disabled | Self::InvalidKeyState => Kind::Revoked,
            Self::AccessDenied => Kind::Denied,
            Self::NotFound => Kind::NotFound,
            Self::IncorrectKey => Kind::IncorrectKey,
            Self::InvalidCiphertext => Kind::InvalidCiphertext,
            Self::QuotaExceeded | Self::SessionPolicyTooLarge => Kind::LimitExceeded,
            Self::ExpiredCredentials | Self::UnknownCredentials => Kind::Credentials,
            Self::TableNotFound
            | Self::TableInUse
            | Self::BackupsUnavailable
            | Self::AlreadyExists
            | Self::DryRunPassed
            | Self::ExpiredRequest
            | Self::IncompleteSignature
            | Self::InvalidRequest
            | Self::Other => Kind::Unexpected,
        }
    }
}

/// Whether the HTTP status alone says that AWS, or something in front of it, cannot answer now, whatever the code.
fn has_passing_status<E>(error: &SdkError<E>) -> bool {
    const TOO_MANY_REQUESTS: u16 = 429;
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status();
            status.is_server_error() || status.as_u16() == TOO_MANY_REQUESTS
        }
        _ => false,
    }
}

/// The kind of a `KMSInvalidStateException`, which KMS also uses for every fault of a custom key store (KMS developer
/// guide, "Key states of KMS keys" and "Troubleshooting external key stores"). Only its message tells: tenants may not
/// read the key's state.
///
/// When the holder of the key, KMS or an external one, says no, that is a revocation. When nobody could be asked, that
/// is an outage. An unknown message counts as a refusal.
fn invalid_state(message: &str) -> KeyServiceErrorKind {
    use KeyServiceErrorKind as Kind;
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let is_of_a_store = says(&["key store", "cloudhsm"]);
    if is_of_a_store && says(&["ciphertext"]) {
        return Kind::InvalidCiphertext;
    }
    let is_refused = says(&["proxy rejected", "denied access", "not enabled", "could not find"]);
    // A store's throttling uses the words of a refusal.
    let is_passing = says(&["is unavailable", "is creating", "is updating", "request rate", "throttl"]);
    if is_passing || (is_of_a_store && !is_refused) { Kind::Unavailable } else { Kind::Revoked }
}

/// Whether the caller's own credentials were not available: the SDK fetches them when it dispatches a request.
fn lacks_credentials(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| error.is::<CredentialsError>())
}

/// What AWS said, without the answer itself: the SDK's error contains the whole answer, with plaintext keys when it
/// cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("{said}{}", request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default())]
pub struct AwsFailure {
    said: String,
    request_id: Option<String>,
}

impl AwsFailure {
    /// An answer that lacks a required field.
    pub fn malformed() -> Self {
        Self { said: "its answer is incomplete".to_owned(), request_id: None }
    }

    pub fn from_sdk<E: ProvideErrorMetadata + StdError + 'static>(error: &SdkError<E>) -> Self {
        let said = match (error, error.code()) {
            (SdkError::ServiceError(_), code) => {
                format!(
                    "{}: {}",
                    code.unwrap_or("an error without a code"),
                    error.message().unwrap_or("without a message")
                )
            }
            (SdkError::ResponseError(_), _) => "its answer could not be read".to_owned(),
            _ => chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": "),
        };
        Self { said, request_id: error.meta().extra("aws_request_id").map(str::to_owned) }
    }
}

//! The errors that AWS returns: code, HTTP status and message.

use std::borrow::Cow;

use crate::random::NoRandomness;

/// An error code of AWS, with its HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(&'static str, u16);

/// A request that is answered with an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Refusal {
    pub(crate) code: Cow<'static, str>,
    pub(crate) status: u16,
    pub(crate) message: String,
}

/// The only code that all services share.
const INTERNAL: Code = Code("InternalFailure", 500);

impl Code {
    /// The refusal of a request, for this reason.
    pub(crate) fn because(self, message: impl Into<String>) -> Refusal {
        Refusal { code: Cow::Borrowed(self.0), status: self.1, message: message.into() }
    }
}

impl From<NoRandomness> for Refusal {
    fn from(error: NoRandomness) -> Self {
        INTERNAL.because(error.to_string())
    }
}

pub(crate) mod kms {
    //! Codes of KMS, from its API reference.
    use super::Code;

    pub(crate) const ACCESS_DENIED: Code = Code("AccessDeniedException", 400);
    pub(crate) const ALREADY_EXISTS: Code = Code("AlreadyExistsException", 409);
    pub(crate) const DISABLED: Code = Code("DisabledException", 409);
    pub(crate) const DRY_RUN: Code = Code("DryRunOperationException", 412);
    pub(crate) const EXPIRED_TOKEN: Code = Code("ExpiredTokenException", 400);
    pub(crate) const INCORRECT_KEY: Code = Code("IncorrectKeyException", 400);
    pub(crate) const INVALID_ALIAS_NAME: Code = Code("InvalidAliasNameException", 400);
    pub(crate) const INVALID_ARN: Code = Code("InvalidArnException", 400);
    pub(crate) const INVALID_CIPHERTEXT: Code = Code("InvalidCiphertextException", 400);
    pub(crate) const INVALID_MARKER: Code = Code("InvalidMarkerException", 400);
    pub(crate) const INVALID_STATE: Code = Code("KMSInvalidStateException", 409);
    pub(crate) const LIMIT_EXCEEDED: Code = Code("LimitExceededException", 400);
    pub(crate) const MALFORMED_POLICY: Code = Code("MalformedPolicyDocumentException", 400);
    pub(crate) const MISSING_TOKEN: Code = Code("MissingAuthenticationTokenException", 400);
    pub(crate) const NOT_FOUND: Code = Code("NotFoundException", 404);
    pub(crate) const SERIALIZATION: Code = Code("SerializationException", 400);
    pub(crate) const TAG: Code = Code("TagException", 400);
    pub(crate) const UNKNOWN_OPERATION: Code = Code("UnknownOperationException", 400);
    pub(crate) const UNRECOGNIZED_CLIENT: Code = Code("UnrecognizedClientException", 400);
    pub(crate) const UNSUPPORTED: Code = Code("UnsupportedOperationException", 400);
    pub(crate) const VALIDATION: Code = Code("ValidationException", 400);
}

pub(crate) mod sts {
    //! Codes of STS, from its API reference.
    use super::Code;

    pub(crate) const ACCESS_DENIED: Code = Code("AccessDenied", 403);
    pub(crate) const EXPIRED_TOKEN: Code = Code("ExpiredToken", 403);
    pub(crate) const INVALID_ACTION: Code = Code("InvalidAction", 400);
    pub(crate) const INVALID_CLIENT_TOKEN: Code = Code("InvalidClientTokenId", 403);
    pub(crate) const MALFORMED_POLICY: Code = Code("MalformedPolicyDocument", 400);
    pub(crate) const MISSING_TOKEN: Code = Code("MissingAuthenticationToken", 403);
    pub(crate) const PACKED_POLICY_TOO_LARGE: Code = Code("PackedPolicyTooLarge", 400);
    pub(crate) const VALIDATION: Code = Code("ValidationError", 400);
}

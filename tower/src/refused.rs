//! Why a request got no tenant: the caller learns a status, the operator a reason.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

/// Why a request got no tenant.
///
/// Its text is for operators. Callers learn the status alone, so that nobody can try out tokens by the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no `Authorization` header.
    #[error("the request has no `Authorization` header")]
    NoToken,
    /// There is more than one `Authorization` header.
    #[error("the request has more than one `Authorization` header")]
    SeveralTokens,
    /// The header is not `Bearer` and a token.
    #[error("the `Authorization` header is not `Bearer`, one space and a token")]
    NotBearer,
    /// The header has more than 8,192 bytes.
    #[error("the `Authorization` header is longer than 8,192 bytes: let the issuer put less into the token")]
    TooLong,
    /// The token is no JWS in the compact form: three parts in base64url, the first two JSON objects.
    #[error("the token is not three parts of base64url with JSON that names nothing twice")]
    Malformed,
    /// The token's `alg` is not allowed.
    #[error("the token's algorithm is not allowed: `algorithms` says which are")]
    Algorithm,
    /// The token's `crit` demands extensions.
    #[error("the token demands extensions (`crit`), of which this library knows none")]
    Critical,
    /// The token names no key, or one by more than 256 bytes.
    #[error("the token names no key (`kid`) of 1 to 256 bytes")]
    KeyId,
    /// The token names no issuer, or one that is not configured.
    #[error("the token's issuer is not one of those configured, to the letter")]
    UnknownIssuer,
    /// The token's `typ` is not the required one.
    #[error("the token's `typ` is not the one that the issuer's `token_type` requires")]
    TokenType,
    /// The issuer has no key of this id.
    #[error("the issuer's key set has no usable key of the token's `kid`")]
    UnknownKey,
    /// The key is not one for the token's algorithm.
    #[error("the issuer's key is not one for the token's algorithm")]
    KeyDoesNotFit,
    /// The signature is not the key's.
    #[error("the token's signature is not that of its issuer's key")]
    Signature,
    /// The token is for another audience.
    #[error("the token is not for a configured audience: see `audience` and `audience_claim`")]
    Audience,
    /// `exp` is absent, or a time is not a number.
    #[error("the token's `exp` is absent, or one of `exp`, `nbf` and `iat` is not a time")]
    Lifetime,
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token is not valid yet.
    #[error("the token is not valid yet: compare this machine's clock with the issuer's")]
    NotYetValid,
    /// A required claim is absent, or has another value.
    #[error("the token lacks a claim that `require` asks for")]
    RequiredClaim,
    /// The event is not of the configured API and account.
    #[error("the event is not of the configured API and account")]
    ForeignApi,
    /// The claim with the tenant is absent, or no tenant id.
    #[error("the token names no tenant: the claim is absent, not text, or no tenant id (see `map`)")]
    NoTenant,
    /// The issuer may not speak for the tenant.
    #[error("the token's issuer may not speak for the tenant that it names: see `tenants`")]
    ForeignTenant,
    /// The request does not select one of the user's tenants.
    #[error("the request has no header, or more than one, that selects one of the user's tenants")]
    NoSelection,
    /// The request selects a tenant that the token does not list.
    #[error("the request selects a tenant of which the user is no member")]
    NotAMember,
    /// The issuer's keys are not known.
    #[error("the issuer's keys could not be fetched: the log says why")]
    NoKeys,
}

/// The three answers of the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Unauthenticated,
    Forbidden,
    Unavailable,
}

/// When to try again after keys could not be fetched: the next attempt is made then.
pub(crate) const RETRY_AFTER_SECONDS: u16 = 10;

impl Refused {
    /// The reason as metrics and logs show it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::SeveralTokens => "several_tokens",
            Self::NotBearer => "not_bearer",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Critical => "critical",
            Self::KeyId => "key_id",
            Self::UnknownIssuer => "unknown_issuer",
            Self::TokenType => "token_type",
            Self::UnknownKey => "unknown_key",
            Self::KeyDoesNotFit => "key_does_not_fit",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::Lifetime => "lifetime",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::RequiredClaim => "required_claim",
            Self::ForeignApi => "foreign_api",
            Self::NoTenant => "no_tenant",
            Self::ForeignTenant => "foreign_tenant",
            Self::NoSelection => "no_selection",
            Self::NotAMember => "not_a_member",
            Self::NoKeys => "no_keys",
        }
    }

    /// The status for HTTP: 401 for the token, 403 for the tenant, 503 without keys.
    pub fn status(&self) -> StatusCode {
        match self.answer() {
            Answer::Unauthenticated => StatusCode::UNAUTHORIZED,
            Answer::Forbidden => StatusCode::FORBIDDEN,
            Answer::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The code for gRPC: 16 for the token, 7 for the tenant, 14 without keys.
    pub fn grpc_code(&self) -> u16 {
        match self.answer() {
            Answer::Unauthenticated => 16,
            Answer::Forbidden => 7,
            Answer::Unavailable => 14,
        }
    }

    fn answer(self) -> Answer {
        match self {
            Self::NoKeys => Answer::Unavailable,
            Self::NoTenant | Self::ForeignTenant | Self::NoSelection | Self::NotAMember => Answer::Forbidden,
            _ => Answer::Unauthenticated,
        }
    }

    /// The answer in the protocol of the request, with an empty body.
    pub(crate) fn response<B: Default>(self, protocol: Protocol) -> Response<B> {
        match protocol {
            Protocol::Grpc => self.grpc_response(),
            Protocol::Http => self.http_response(),
        }
    }

    /// The answer for HTTP, with an empty body.
    pub fn http_response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.status();
        // Of this caller: no cache on the way may answer another with it.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let (name, value) = match (self.answer(), self) {
            // RFC 6750, section 3.1: no error code for a request that tried nothing.
            (Answer::Unauthenticated, Self::NoToken) => (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            (Answer::Unauthenticated, _) => {
                (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))
            }
            (Answer::Unavailable, _) => (header::RETRY_AFTER, RETRY_AFTER_SECONDS.into()),
            (Answer::Forbidden, _) => return response,
        };
        response.headers_mut().insert(name, value);
        response
    }

    /// An answer without messages: the status stands in the headers.
    fn grpc_response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(GRPC));
        headers.insert(GRPC_STATUS, self.grpc_code().into());
        response
    }
}

/// The content type of gRPC.
const GRPC: &str = "application/grpc";
/// The header or trailer with the status.
pub(crate) const GRPC_STATUS: &str = "grpc-status";

/// The protocol of a request, in which it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

impl Protocol {
    /// gRPC is POST, and its content type is that, or that with a format (`application/grpc+proto`). In gRPC a refusal has
    /// status 200, so nothing else may pass for it.
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let rest = content_type.and_then(|text| text.strip_prefix(GRPC));
        let is_grpc =
            method == Method::POST && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']));
        if is_grpc { Self::Grpc } else { Self::Http }
    }
}

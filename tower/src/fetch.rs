//! Fetches an issuer's key set: over https alone, without redirects, within limits of size and time.

use std::convert::Infallible;
use std::time::Duration;

use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::TransientErrorClassifier;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::{Error as AnyError, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::ser_de::DeserializeResponse;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::timeout::TimeoutConfig;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use crate::json;
use crate::key_set::{KeySet, KeySetFault};

/// The most bytes of an answer.
const MAX_BYTES: usize = 256 * 1024;
/// How long a fetch may take, discovery included: requests may wait for it.
const TIME: Duration = Duration::from_secs(5);
/// How long the head of one answer may take. Then its connection is not used again: one that died silently would
/// otherwise keep all fetches waiting until the operating system notices.
const HEAD: Duration = Duration::from_secs(2);

/// Why keys could not be fetched. The former set then stays for its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The address is not `https://`, or no address.
    #[error("the address of the key set, or of the discovery document, is not an https URL")]
    NotHttps,
    /// The issuer was not reached, or broke off.
    #[error("the issuer cannot be reached")]
    Unreachable,
    /// The issuer took longer than 2 seconds to begin an answer, or than 5 seconds in all.
    #[error("the issuer took longer than 2 seconds to begin an answer, or than 5 seconds in all")]
    TooSlow,
    /// The issuer answered with another status than 200. Redirects are not followed.
    #[error("the issuer answered with status {0} instead of 200 (redirects are not followed)")]
    Status(u16),
    /// The answer has more than 256 KiB.
    #[error("the issuer's answer is larger than 256 KiB")]
    TooLarge,
    /// The discovery document is not one, or lacks `jwks_uri`.
    #[error("the discovery document is not JSON with an `issuer` and a `jwks_uri`")]
    NotADiscoveryDocument,
    /// The discovery document is another issuer's.
    #[error("the discovery document names another `issuer` than the configured one: compare them to the letter")]
    OtherIssuer,
    /// The answer is not a key set.
    #[error("the issuer's answer is not a key set of at most 100 keys")]
    NotAKeySet,
    /// Two keys of the set have the same `kid`.
    #[error("two keys of the issuer's set have the same `kid`")]
    DuplicateKid,
}

impl From<KeySetFault> for FetchError {
    fn from(fault: KeySetFault) -> Self {
        match fault {
            KeySetFault::NotAKeySet | KeySetFault::TooManyKeys => Self::NotAKeySet,
            KeySetFault::DuplicateKid => Self::DuplicateKid,
        }
    }
}

impl FetchError {
    /// The outcome as metrics show it.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::NotHttps => "not_https",
            Self::Unreachable => "unreachable",
            Self::TooSlow => "too_slow",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::NotADiscoveryDocument | Self::OtherIssuer => "discovery",
            Self::NotAKeySet | Self::DuplicateKid => "invalid",
        }
    }
}

/// Where an issuer's keys are.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// At this address.
    At(String),
    /// Where the discovery document of this issuer says (OpenID Connect Discovery 1.0, section 4).
    DiscoveredFrom(String),
}

/// Fetches over the SDK's HTTP client, whose proxies and certificates are those of the application.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher(SharedHttpClient);

impl Fetcher {
    pub(crate) fn new(client: SharedHttpClient) -> Self {
        Self(client)
    }

    /// The current set.
    pub(crate) async fn key_set(&self, source: &KeySource) -> Result<KeySet, FetchError> {
        let fetch = async {
            let bytes = match source {
                KeySource::At(url) => self.get(url).await?,
                KeySource::DiscoveredFrom(issuer) => self.get(&self.discover(issuer).await?).await?,
            };
            Ok(KeySet::parse(&bytes)?)
        };
        tokio::time::timeout(TIME, fetch).await.unwrap_or(Err(FetchError::TooSlow))
    }

    /// The `jwks_uri` of an issuer.
    async fn discover(&self, issuer: &str) -> Result<String, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer));
        let document = json::parse_object(&self.get(&url).await?).ok_or(FetchError::NotADiscoveryDocument)?;
        let text = |name| document.get(name).and_then(Value::as_str).ok_or(FetchError::NotADiscoveryDocument);
        if text("issuer")? != issuer {
            return Err(FetchError::OtherIssuer);
        }
        Ok(text("jwks_uri")?.to_owned())
    }

    /// The body at an address, if the answer is 200.
    async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let url: Uri = url.parse().map_err(|_| FetchError::NotHttps)?;
        let (Some("https"), Some(authority)) = (url.scheme_str(), url.authority()) else {
            return Err(FetchError::NotHttps);
        };
        let path = url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let operation = Operation::builder()
            .service_name("key set")
            .operation_name("get")
            .http_client(self.0.clone())
            .endpoint_url(&format!("https://{authority}"))
            .no_auth()
            .no_retry()
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(HEAD).build())
            .retry_classifier(TransientErrorClassifier::<Infallible>::new())
            .with_connection_poisoning()
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .serializer(move |()| {
                let mut request = HttpRequest::new(SdkBody::empty());
                request.set_uri(path.as_str())?;
                request.headers_mut().insert("accept", "application/json");
                Ok(request)
            })
            .deserializer_impl::<Answer, Infallible>(Undivided)
            .build();
        let Answer { status, body } = operation.invoke(()).await.map_err(|error| match error {
            SdkError::TimeoutError(_) => FetchError::TooSlow,
            _ => FetchError::Unreachable,
        })?;
        if status != StatusCode::OK.as_u16() {
            return Err(FetchError::Status(status));
        }
        let read = Limited::new(body, MAX_BYTES).collect().await;
        let body = read.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
            Some(_) => FetchError::TooLarge,
            None => FetchError::Unreachable,
        })?;
        Ok(body.to_bytes().into())
    }
}

/// An answer whose body is not read yet.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: SdkBody,
}

/// Takes every answer before its body: the orchestrator would read a body of any size into memory.
#[derive(Debug)]
struct Undivided;

impl DeserializeResponse for Undivided {
    fn deserialize_streaming_with_config(
        &self,
        response: &mut HttpResponse,
        _: &ConfigBag,
    ) -> Option<Result<Output, OrchestratorError<AnyError>>> {
        let status = response.status().as_u16();
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        Some(Ok(Output::erase(Answer { status, body })))
    }
}

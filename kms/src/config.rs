//! The SDK configuration for KMS and STS: bounded in time, and with answers that the SDK's trace logging cannot print.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_kms::config::BehaviorVersion;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use bytes::Bytes;
use tenantseal_core::keys::Retries;
use tenantseal_core::time::{SharedTimeSource, TimeSource};

use crate::http::http_client;

/// The default timeout of a call, retries included: everyone who needs the tenant's key waits for it.
const CALL: Duration = Duration::from_secs(15);
/// The default timeout of an attempt.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The least timeouts, whatever is configured. A short timeout is meant for DynamoDB, and bounds how long a caller
/// waits. If KMS had no more time than that, no data key would ever arrive where KMS is slower.
const CALL_AT_LEAST: Duration = Duration::from_secs(3);
const ATTEMPT_AT_LEAST: Duration = Duration::from_secs(1);

/// The configuration for calls of KMS and STS.
pub fn quiet(config: &SdkConfig) -> SdkConfig {
    // A configuration made by hand may name none, and then the SDK panics.
    let behavior = config.behavior_version().unwrap_or_else(BehaviorVersion::latest);
    let mut builder = config.to_builder().behavior_version(behavior).timeout_config(timeouts(config));
    builder.set_http_client(http_client(config).map(|inner| SharedHttpClient::new(Quiet(inner))));
    builder.build()
}

/// The same for the tenants' own calls, without the SDK's retries. Those share one budget, which one tenant's trouble
/// would use up for all; the core retries per tenant instead.
pub(crate) fn single_attempts(config: &SdkConfig) -> SdkConfig {
    quiet(config).to_builder().retry_config(RetryConfig::disabled()).build()
}

/// The timeout of a call, retries included.
fn total(config: &SdkConfig) -> Duration {
    timeouts(config).operation_timeout().unwrap_or(CALL)
}

/// The timeout of an attempt.
pub(crate) fn attempt(config: &SdkConfig) -> Duration {
    timeouts(config).operation_attempt_timeout().unwrap_or(ATTEMPT)
}

fn timeouts(config: &SdkConfig) -> TimeoutConfig {
    let mut timeouts = TimeoutConfig::builder().operation_timeout(CALL).operation_attempt_timeout(ATTEMPT).build();
    if let Some(configured) = config.timeout_config() {
        let mut configured = configured.clone();
        configured.take_defaults_from(&timeouts);
        let mut patient = configured.to_builder();
        if let Some(configured) = configured.operation_timeout() {
            patient = patient.operation_timeout(configured.max(CALL_AT_LEAST));
        }
        if let Some(configured) = configured.operation_attempt_timeout() {
            patient = patient.operation_attempt_timeout(configured.max(ATTEMPT_AT_LEAST));
        }
        if let Some(configured) = configured.read_timeout() {
            patient = patient.read_timeout(configured.max(ATTEMPT_AT_LEAST));
        }
        timeouts = patient.build();
    }
    timeouts
}

/// The configured retries; default as in the SDK: 3 attempts.
pub fn retries(config: &SdkConfig) -> Retries {
    let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
    Retries::new(
        retries.max_attempts(),
        retries.initial_backoff(),
        retries.max_backoff(),
        total(config),
        attempt(config),
    )
}

/// The configuration's clock.
pub fn time(config: &SdkConfig) -> SharedTimeSource {
    Arc::new(SdkTime(config.time_source().unwrap_or_default()))
}

/// Adapts the SDK's clock to the core's.
#[derive(Debug)]
struct SdkTime(aws_smithy_async::time::SharedTimeSource);

impl TimeSource for SdkTime {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

/// Streams every answer. The SDK logs answers at trace level, and a body in memory would print whole: data keys from
/// KMS, secret keys from STS. A streamed body is read later, where the SDK knows that it is sensitive.
#[derive(Debug, Clone)]
struct Quiet<T>(T);

impl HttpClient for Quiet<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Quiet(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for Quiet<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            Ok(answer.await?.map(|body| match body.bytes() {
                Some(bytes) => SdkBody::from_body_1_x(http_body_util::Full::<Bytes>::from(bytes.to_vec())),
                None => body,
            }))
        })
    }
}

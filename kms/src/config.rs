//! How KMS and STS are called: bounded in time, and with answers that the SDK's trace logging cannot print.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

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

/// A call and its repetitions take no longer unless configured: everyone who waits for the tenant's key waits for it.
const CALL: Duration = Duration::from_secs(15);
/// An attempt takes no longer unless configured.
const ATTEMPT: Duration = Duration::from_secs(5);
/// They may take as long, whatever is configured: a short timeout is meant for DynamoDB, and who asks waits no longer than that. Were KMS
/// given no more time, no data key would ever come where it is slower.
const CALL_AT_LEAST: Duration = Duration::from_secs(3);
const ATTEMPT_AT_LEAST: Duration = Duration::from_secs(1);

/// The configuration with which KMS and STS are called.
pub fn quiet(config: &SdkConfig) -> SdkConfig {
    let mut builder = config.to_builder().timeout_config(timeouts(config));
    builder.set_http_client(http_client(config).map(|inner| SharedHttpClient::new(Quiet(inner))));
    builder.build()
}

/// The same for the tenants' own calls. What repeats those is above, where it is known whose they are: the SDK's own retries share one
/// budget, and one tenant's trouble would use it up for all.
pub(crate) fn single_attempts(config: &SdkConfig) -> SdkConfig {
    quiet(config).to_builder().retry_config(RetryConfig::disabled()).build()
}

/// How long a call and its repetitions may take together.
fn total(config: &SdkConfig) -> Duration {
    timeouts(config).operation_timeout().unwrap_or(CALL)
}

/// How long an attempt may take.
fn attempt(config: &SdkConfig) -> Duration {
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

/// How calls are repeated: as the SDK would, three attempts unless configured otherwise.
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

/// The SDK's clock as the core takes one.
#[derive(Debug)]
struct SdkTime(aws_smithy_async::time::SharedTimeSource);

impl TimeSource for SdkTime {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

/// Streams every answer. The SDK logs what it receives at trace level, and a body that lies in memory prints whole: data keys from
/// KMS, secret keys from STS. What streams is read later, where the SDK knows that it is sensitive.
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

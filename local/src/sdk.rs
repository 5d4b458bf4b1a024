//! Configuration for clients: an `SdkConfig` in this process, environment variables in others.

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::{
    SdkConfig,
    region::Region,
    service_config::{LoadServiceConfig, ServiceConfigKey},
};

use crate::state::Shared;

/// Where the services listen.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) dynamodb: String,
    pub(crate) kms: String,
    pub(crate) sts: String,
    #[cfg(feature = "s3")]
    pub(crate) s3: String,
}

impl LoadServiceConfig for Endpoints {
    /// Clients look up their endpoint by the name that the environment would use. A service that the stack does not
    /// have gets none.
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if key.env() != "AWS_ENDPOINT_URL" {
            return None;
        }
        match key.service_id() {
            "DynamoDB" => Some(self.dynamodb.clone()),
            "KMS" => Some(self.kms.clone()),
            "STS" => Some(self.sts.clone()),
            #[cfg(feature = "s3")]
            "S3" => Some(self.s3.clone()),
            _ => None,
        }
    }
}

pub(crate) fn config(credentials: Credentials, shared: &Shared, endpoints: &Endpoints) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(shared.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        // One cache for all clients of this configuration, as aws-config provides it.
        .identity_cache(IdentityCache::lazy().build())
        .sleep_impl(TokioSleep::new())
        .time_source(shared.clock.clone())
        .service_config(endpoints.clone())
        .build()
}

pub(crate) fn environment(
    credentials: &Credentials,
    region: &str,
    endpoints: &Endpoints,
) -> Vec<(&'static str, String)> {
    let Endpoints { dynamodb, kms, sts, .. } = endpoints;
    let mut variables = vec![
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.clone()),
        ("AWS_ENDPOINT_URL_KMS", kms.clone()),
        ("AWS_ENDPOINT_URL_STS", sts.clone()),
        ("AWS_REGION", region.to_owned()),
        // The AWS CLI and boto3 read this one.
        ("AWS_DEFAULT_REGION", region.to_owned()),
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id().to_owned()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key().to_owned()),
    ];
    #[cfg(feature = "s3")]
    variables.push(("AWS_ENDPOINT_URL_S3", endpoints.s3.clone()));
    if let Some(token) = credentials.session_token() {
        variables.push(("AWS_SESSION_TOKEN", token.to_owned()));
    }
    variables
}

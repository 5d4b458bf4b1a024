//! AWS clients: one configuration, with profile, Region and endpoint as in the AWS CLI.

use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use tenantseal_tenants::{DynamoDbRegistry, Tenants};

use crate::errors::{Failure, Result};
use crate::settings::Settings;

/// The configuration of whoever runs the command.
pub(crate) async fn operator(settings: &Settings) -> SdkConfig {
    config(settings, settings.profile.as_deref()).await
}

/// The configuration of a service that assumes the role.
pub(crate) async fn service(settings: &Settings) -> SdkConfig {
    config(settings, settings.service_profile.as_deref().or(settings.profile.as_deref())).await
}

async fn config(settings: &Settings, profile: Option<&str>) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(15))
        .operation_timeout(Duration::from_secs(45))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
    if let Some(profile) = profile {
        // As in the AWS CLI, a named profile has precedence over credentials in the environment. The SDK's default is
        // the reverse.
        let credentials = ProfileFileCredentialsProvider::builder().profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(credentials);
    }
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

/// The Region that the configuration names.
pub(crate) fn region(config: &SdkConfig) -> Result<String> {
    config
        .region()
        .map(ToString::to_string)
        .filter(|region| !region.is_empty())
        .ok_or_else(|| Failure::usage("which Region?").help("give --region, AWS_REGION, or a profile that names one"))
}

impl Settings {
    /// The key team's handle on all tenants. With `probe`, it tests aliases as a service would use them.
    pub(crate) fn tenants(&self, operator: &SdkConfig, probe: Option<&SdkConfig>) -> Result<Tenants> {
        region(operator)?;
        let registry = DynamoDbRegistry::new(operator, self.registry());
        let mut tenants = Tenants::builder(self.tenancy()?, Arc::new(registry));
        if let Some(service) = probe {
            tenants = tenants.probe(service);
        }
        tenants.build(operator).map_err(|error| Failure::usage(error.to_string()))
    }

    /// The Region that the policies name.
    pub(crate) async fn region(&self) -> Result<String> {
        match &self.region {
            Some(region) => Ok(region.clone()),
            None => region(&operator(self).await),
        }
    }
}

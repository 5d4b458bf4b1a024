//! Tests an alias as a tenant's service would use it.

use aws_sdk_kms::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_kms::types::DataKeySpec;
use aws_types::SdkConfig;
use aws_types::region::Region;
use tenantseal_core::keys::{KeyServiceError, KeyServiceErrorKind};
use tenantseal_core::tenant::TenantId;
use tenantseal_kms::Tenancy;
use tenantseal_kms::config::quiet;
use tenantseal_kms::errors::{AwsErrorClass, classify};
use tenantseal_kms::sessions::TenantSessions;

/// Sessions of the tenants' role, with a service's credentials.
#[derive(Debug)]
pub(super) struct Probe {
    config: SdkConfig,
    sessions: TenantSessions,
}

impl Probe {
    pub(super) fn new(config: &SdkConfig, tenancy: Tenancy, region: &str) -> Self {
        let config = config.to_builder().region(Region::new(region.to_owned())).build();
        Self { sessions: TenantSessions::new(&config, tenancy, region.to_owned()), config: quiet(&config) }
    }

    /// Tests whether the tenant's session may create data keys under `alias`. Creates none (`DryRun`).
    pub(super) async fn ask(&self, tenant: &TenantId, alias: &str) -> Result<(), KeyServiceError> {
        let credentials = self.sessions.credentials(tenant).await?;
        match self.ask_with(credentials.clone(), tenant, alias).await {
            Err(error) if error.kind() == KeyServiceErrorKind::Credentials => {
                self.sessions.forget(tenant, &credentials);
                self.ask_with(self.sessions.credentials(tenant).await?, tenant, alias).await
            }
            result => result,
        }
    }

    async fn ask_with(&self, credentials: Credentials, tenant: &TenantId, alias: &str) -> Result<(), KeyServiceError> {
        let config = aws_sdk_kms::config::Builder::from(&self.config)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let answer = aws_sdk_kms::Client::from_conf(config)
            .generate_data_key()
            .key_id(alias)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context("tenant", tenant.as_str())
            .dry_run(true)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) if AwsErrorClass::from_error(&error) == Some(AwsErrorClass::DryRunPassed) => Ok(()),
            Err(error) => Err(classify(tenant, "GenerateDataKey", error)),
        }
    }
}

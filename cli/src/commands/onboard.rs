//! stub
use crate::errors::{Failure, Result};
use crate::settings::Settings;
use aws_config::SdkConfig;
use tenantseal::TenantId;
pub(super) async fn quietly(settings: &Settings, config: &SdkConfig, tenant: &TenantId) -> Result<()> {
    let tenancy = settings.tenancy()?;
    let kms = aws_sdk_kms::Client::new(config);
    let policy = tenancy.key_policy(tenant).map_err(|e| Failure::usage(e.to_string()))?;
    let key = kms
        .create_key()
        .policy(policy.to_string())
        .send()
        .await
        .map_err(|e| Failure::aws("CreateKey", &e))?
        .key_metadata
        .ok_or_else(|| Failure::usage("no key"))?;
    let alias = tenancy.alias(tenant);
    kms.create_alias()
        .alias_name(alias.as_str())
        .target_key_id(&key.key_id)
        .send()
        .await
        .map_err(|e| Failure::aws("CreateAlias", &e))?;
    Ok(())
}

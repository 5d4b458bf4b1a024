//! AWS on loopback: a key account with a role and a KMS key for the tenant, and the application's account with
//! DynamoDB.

use std::error::Error;

use aws_types::SdkConfig;
use tenantseal::TenantId;
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal_local::Stack;

const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// The environment of an example.
pub(crate) struct LocalAws {
    pub(crate) stack: Stack,
    /// What `aws_config::load_defaults` returns in production.
    pub(crate) config: SdkConfig,
}

impl LocalAws {
    /// Starts the services and does what the key team does in AWS, once: docs/OPERATIONS.md describes it.
    pub(crate) async fn start(role: &str, tenant: &str) -> Result<Self, Box<dyn Error>> {
        let stack = Stack::start().await?;
        let service = stack.account("222222222222")?.user("service").permission(EVERYTHING).create()?;

        let tenancy = Tenancy::new(RoleArn::parse(role)?, AliasTemplate::default());
        let tenant = TenantId::parse(tenant)?;
        let keys = stack.account(tenancy.role().account())?;
        keys.role("TenantKeys")
            .trust(tenancy.trust_policy(&[service.user_arn()]))
            .permission(tenancy.role_policy(stack.region()))
            .create()?;
        let key_team = keys.user("key-team").permission(EVERYTHING).create()?;
        let kms = aws_sdk_kms::Client::new(&stack.sdk_config(&key_team));
        let key = kms.create_key().policy(tenancy.key_policy(&tenant)?.to_string()).send().await?;
        let key_id = key.key_metadata.ok_or("CreateKey answers without metadata")?.key_id;
        kms.create_alias().alias_name(tenancy.alias(&tenant).as_str()).target_key_id(key_id).send().await?;

        let config = stack.sdk_config(&service);
        Ok(Self { stack, config })
    }

    /// The number of calls to KMS and STS for data keys and their sessions.
    pub(crate) fn key_calls(&self) -> u64 {
        ["AssumeRole", "GenerateDataKey", "Decrypt"].map(|operation| self.stack.calls().count(operation)).iter().sum()
    }
}

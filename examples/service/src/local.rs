//! AWS and an issuer in this process, for development and tests: what the key team and the platform set up in
//! production.

mod check;
mod issuer;

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_types::SdkConfig;
use axum::Router;
use tenantseal::aws_sdk_dynamodb;
use tenantseal::aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use tenantseal::blobs::aws_sdk_s3;
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal::{TenantId, TenantSeal};
use tenantseal_local::Stack;

use self::issuer::LocalIssuer;
use crate::app::{seal, service};
use crate::settings::Settings;

pub use check::check;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
/// DynamoDB's name of the table, and S3's of the bucket.
const TABLE: &str = "local-contacts";
const BUCKET: &str = "local-attachments";

/// AWS on loopback with tenants, and an issuer whose tokens name any tenant.
#[derive(Debug)]
pub struct Local {
    stack: Stack,
    tenancy: Tenancy,
    key_team: aws_sdk_kms::Client,
    /// The service's credentials and endpoints.
    aws: SdkConfig,
    issuer: LocalIssuer,
}

impl Local {
    /// Starts it, with a KMS key for each tenant.
    ///
    /// # Errors
    ///
    /// When a port or a random number is not to be had, or a name is no tenant's.
    pub async fn start(tenants: &[&str]) -> Outcome<Self> {
        let stack = Stack::start().await?;
        let tenancy = Tenancy::new(RoleArn::parse(ROLE)?, AliasTemplate::default());
        let user = stack.account("222222222222")?.user("service").permission(EVERYTHING).create()?;
        let keys = stack.account(tenancy.role().account())?;
        let key_team = keys.user("key-team").permission(EVERYTHING).create()?;
        keys.role("TenantKeys")
            .trust(tenancy.trust_policy(&[user.user_arn()]))
            .permission(tenancy.role_policy(stack.region()))
            .create()?;
        let key_team = aws_sdk_kms::Client::new(&stack.sdk_config(&key_team));
        let aws = stack.sdk_config(&user);
        let local = Self { stack, tenancy, key_team, aws, issuer: LocalIssuer::new()? };
        local.create_table().await?;
        local.s3().create_bucket().bucket(BUCKET).send().await?;
        for tenant in tenants {
            local.onboard(&TenantId::parse(tenant)?).await?;
        }
        Ok(local)
    }

    /// The service on this stack, with caches of its own: another call is another process.
    ///
    /// # Errors
    ///
    /// As [`service`].
    pub async fn service(&self) -> Outcome<Router> {
        self.service_over(&self.aws).await
    }

    /// The same, which reaches AWS by this configuration: over an HTTP client that loses answers, for example.
    ///
    /// # Errors
    ///
    /// As [`service`].
    pub async fn service_over(&self, aws: &SdkConfig) -> Outcome<Router> {
        let web = self.aws.to_builder().http_client(self.issuer.clone()).build();
        service(self.settings(), aws, &web).await
    }

    /// The configuration by which the service reaches AWS.
    pub fn aws(&self) -> &SdkConfig {
        &self.aws
    }

    /// Another program on the same stores, with the same records and buckets.
    ///
    /// # Errors
    ///
    /// When the settings do not work.
    pub fn seal(&self) -> Outcome<TenantSeal> {
        Ok(seal(&self.settings(), &self.aws)?)
    }

    fn settings(&self) -> Settings {
        Settings {
            role: ROLE.to_owned(),
            table: TABLE.to_owned(),
            key_table: None,
            bucket: BUCKET.to_owned(),
            issuer: self.issuer.as_configured(),
        }
    }

    /// A token for a tenant that expires in an hour.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    pub fn token(&self, tenant: &str) -> Outcome<String> {
        self.token_until(tenant, self.stack.clock().now() + Duration::from_secs(3_600))
    }

    /// A token for a tenant that expires then.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    pub fn token_until(&self, tenant: &str, expires: SystemTime) -> Outcome<String> {
        self.issuer.token(tenant, expires)
    }

    /// The stack: its clock, its faults, the calls that it has received.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// DynamoDB as whoever may read the table sees it.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.aws)
    }

    /// S3 as whoever may read the bucket sees it.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.aws)
    }

    /// DynamoDB's name of the table, and S3's of the bucket.
    pub fn names(&self) -> (&'static str, &'static str) {
        (TABLE, BUCKET)
    }

    /// What a customer does who takes the key away.
    ///
    /// # Errors
    ///
    /// When there is no such tenant.
    pub async fn disable_key(&self, tenant: &str) -> Outcome<()> {
        let alias = self.tenancy.alias(&TenantId::parse(tenant)?);
        let key = self.key_team.describe_key().key_id(alias.as_str()).send().await?;
        let key = key.key_metadata.ok_or("DescribeKey answers without metadata")?.key_id;
        self.key_team.disable_key().key_id(key).send().await?;
        Ok(())
    }

    /// A KMS key with the generated policy, behind the tenant's alias.
    async fn onboard(&self, tenant: &TenantId) -> Outcome<()> {
        let policy = self.tenancy.key_policy(tenant)?.to_string();
        let key = self.key_team.create_key().policy(policy).send().await?;
        let key = key.key_metadata.ok_or("CreateKey answers without metadata")?.key_id;
        let alias = self.tenancy.alias(tenant);
        self.key_team.create_alias().alias_name(alias.as_str()).target_key_id(key).send().await?;
        Ok(())
    }

    async fn create_table(&self) -> Outcome<()> {
        let mut table = self.dynamodb().create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [("tenant_id", KeyType::Hash), ("contact_id", KeyType::Range)] {
            let attribute = AttributeDefinition::builder().attribute_name(name);
            let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
            table = table
                .attribute_definitions(attribute.attribute_type(ScalarAttributeType::S).build()?)
                .key_schema(key.build()?);
        }
        table.send().await?;
        Ok(())
    }
}

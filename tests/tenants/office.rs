//! A key account with an administrator, the tenants' role, a service in another account, and a registry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, KeyState};
use aws_types::SdkConfig;
use aws_types::region::Region;
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal_local::Stack;
use tenantseal_tenants::{DynamoDbRegistry, InMemoryRegistry, Registry, Tenants, TenantsBuilder};

use crate::common::{ROLE, id, soon};

pub(crate) const ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

pub(crate) struct Office {
    pub(crate) stack: Stack,
    pub(crate) admin: SdkConfig,
    pub(crate) service: SdkConfig,
    pub(crate) tenancy: Tenancy,
}

/// A key as KMS has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KmsKey {
    pub(crate) id: String,
    pub(crate) state: KeyState,
    pub(crate) aliases: Vec<String>,
}

impl Office {
    pub(crate) async fn open() -> Self {
        Self::with_aliases(AliasTemplate::default()).await
    }

    pub(crate) async fn with_aliases(aliases: AliasTemplate) -> Self {
        let stack = Stack::start().await.unwrap();
        let tenancy = Tenancy::new(RoleArn::parse(ROLE).unwrap(), aliases);
        let keys = stack.account("111111111111").unwrap();
        let admin = keys.user("admin").permission(ALL).create().unwrap();
        let service = stack.account("222222222222").unwrap().user("crm-service").permission(ALL).create().unwrap();
        let role = keys.role("TenantKeys").trust(tenancy.trust_policy(&[service.user_arn()]));
        role.permission(tenancy.role_policy("*")).create().unwrap();
        let config = |user| stack.sdk_config(user).into_builder().retry_config(soon()).build();
        let (admin, service) = (config(&admin), config(&service));
        Self { stack, admin, service, tenancy }
    }

    /// An office whose registry is a table.
    pub(crate) async fn with_table() -> (Self, DynamoDbRegistry) {
        let office = Self::open().await;
        let registry = DynamoDbRegistry::new(&office.admin, "tenants");
        registry.create_table().await.unwrap();
        (office, registry)
    }

    pub(crate) fn builder(&self, registry: impl Registry + 'static) -> TenantsBuilder {
        self.without_waits(Arc::new(registry)).probe(&self.service).alias_grace_period(Duration::from_secs(2))
    }

    /// Operators of this registry who wait for nothing.
    pub(crate) fn without_waits(&self, registry: Arc<dyn Registry>) -> TenantsBuilder {
        Tenants::builder(self.tenancy.clone(), registry)
            .request_interval(Duration::ZERO)
            .create_key_grace_period(Duration::ZERO)
            .alias_grace_period(Duration::ZERO)
            .poll_interval(Duration::from_millis(5))
    }

    pub(crate) fn tenants(&self) -> Tenants {
        self.builder(InMemoryRegistry::default()).build(&self.admin).unwrap()
    }

    pub(crate) fn kms(&self, region: &str) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.admin.to_builder().region(Region::new(region.to_owned())).build())
    }

    /// All keys of a Region, those with aliases first.
    pub(crate) async fn keys(&self, region: &str) -> Vec<KmsKey> {
        let kms = self.kms(region);
        let mut aliases: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut pages = kms.list_aliases().into_paginator().items().send();
        while let Some(alias) = pages.next().await {
            let alias = alias.unwrap();
            aliases.entry(alias.target_key_id.unwrap()).or_default().push(alias.alias_name.unwrap());
        }
        let mut keys = Vec::new();
        let mut pages = kms.list_keys().into_paginator().items().send();
        while let Some(key) = pages.next().await {
            let key =
                kms.describe_key().key_id(key.unwrap().key_id.unwrap()).send().await.unwrap().key_metadata.unwrap();
            let aliases = aliases.remove(&key.key_id).unwrap_or_default();
            keys.push(KmsKey { state: key.key_state.unwrap(), id: key.key_id, aliases });
        }
        keys.sort_by(|a, b| b.aliases.cmp(&a.aliases));
        keys
    }

    /// KMS as a service has it for one tenant.
    pub(crate) async fn session(&self, tenant: &str, region: &str) -> aws_sdk_kms::Client {
        let tag = aws_sdk_sts::types::Tag::builder().key("TenantId").value(tenant).build().unwrap();
        let session = aws_sdk_sts::Client::new(&self.service)
            .assume_role()
            .role_arn(ROLE)
            .role_session_name(id(tenant).session_name())
            .policy(self.tenancy.session_policy(&id(tenant), region).unwrap().to_string())
            .tags(tag)
            .send()
            .await
            .unwrap()
            .credentials
            .unwrap();
        let (key, secret, token) = (session.access_key_id, session.secret_access_key, session.session_token);
        let config = self.stack.sdk_config(Credentials::new(key, secret, Some(token), None, "tenant"));
        aws_sdk_kms::Client::new(&config.to_builder().region(Region::new(region.to_owned())).build())
    }

    /// A data key of the tenant: the ARN of its key, and its wrapped form.
    pub(crate) async fn seal(&self, tenant: &str) -> Result<(String, Blob), String> {
        let request = self.session(tenant, "us-east-1").await.generate_data_key().key_spec(DataKeySpec::Aes256);
        let request = request.key_id(self.tenancy.alias(&id(tenant)).as_str()).encryption_context("tenant", tenant);
        let made = request.send().await.map_err(|error| error.code().unwrap_or_default().to_owned())?;
        Ok((made.key_id.unwrap(), made.ciphertext_blob.unwrap()))
    }

    /// Opens it again as a reader does: by the tenant's alias, or else by the alias of the key that wrapped it.
    pub(crate) async fn open_sealed(&self, tenant: &str, (arn, blob): &(String, Blob)) -> Result<(), String> {
        let kms = self.session(tenant, "us-east-1").await;
        let alias = self.tenancy.alias(&id(tenant));
        let mut last = String::new();
        for alias in [alias.clone(), alias.for_key(arn.rsplit('/').next().unwrap())] {
            let request = kms.decrypt().key_id(alias.as_str()).ciphertext_blob(blob.clone());
            match request.encryption_context("tenant", tenant).send().await {
                Ok(_) => return Ok(()),
                Err(error) => last = error.code().unwrap_or_default().to_owned(),
            }
        }
        Err(last)
    }
}

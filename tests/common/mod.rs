//! A key account with tenants, a table and a sealing library on the local stack.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "shared by test binaries that each use a part of it"
)]

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use serde::{Deserialize, Serialize};
use tenantseal::keys::{RoleArn, Tenancy};
use tenantseal::{AliasTemplate, Record, Tenant, TenantId, TenantSeal, TenantSealBuilder};
use tenantseal_local::Stack;

pub const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
pub struct Contact {
    #[seal(partition_key, tenant)]
    pub tenant_id: String,
    #[seal(sort_key)]
    pub contact_id: String,
    pub company: String,
    #[seal(encrypt)]
    pub email: String,
    #[seal(encrypt)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    #[seal(encrypt)]
    pub api_keys: HashMap<String, String>,
}

pub fn contact(tenant: &str, id: &str) -> Contact {
    Contact {
        tenant_id: tenant.to_owned(),
        contact_id: id.to_owned(),
        company: "Example Ltd".to_owned(),
        email: format!("{id}@example.org"),
        notes: Some(format!("notes on {id}")),
        api_keys: [("mail".to_owned(), format!("key-of-{id}"))].into(),
    }
}

pub fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

/// The local stack with a key account, an application account, the table `crm` and two tenants.
pub struct World {
    pub stack: Stack,
    pub admin: aws_sdk_kms::Client,
    pub app: aws_types::SdkConfig,
    pub plain: aws_sdk_dynamodb::Client,
    pub tenancy: Tenancy,
}

impl World {
    pub async fn start(tenants: &[&str]) -> Self {
        let stack = Stack::start().await.unwrap();
        let tenancy = Tenancy::new(RoleArn::parse(ROLE).unwrap(), AliasTemplate::default());
        let keys = stack.account("111111111111").unwrap();
        let admin = keys.user("admin").permission(allow_all()).create().unwrap();
        let app = stack.account("222222222222").unwrap();
        let app = app.user("crm-service").permission(allow_all()).create().unwrap();
        keys.role("TenantKeys")
            .trust(tenancy.trust_policy(&[app.user_arn()]))
            .permission(tenancy.role_policy(stack.region()))
            .create()
            .unwrap();
        let admin = aws_sdk_kms::Client::new(&stack.sdk_config(&admin));
        let app = stack.sdk_config(&app);
        let plain = aws_sdk_dynamodb::Client::new(&app);
        let world = Self { stack, admin, app, plain, tenancy };
        world.create_table("crm").await;
        for tenant in tenants {
            world.onboard(tenant).await;
        }
        world
    }

    /// Creates the tenant's key and alias; gives the key's ARN.
    pub async fn onboard(&self, tenant: &str) -> String {
        let policy = self.tenancy.key_policy(&id(tenant)).unwrap();
        let key = self.admin.create_key().policy(policy.to_string()).send().await.unwrap().key_metadata.unwrap();
        let alias = self.tenancy.alias(&id(tenant));
        self.admin.create_alias().alias_name(alias.as_str()).target_key_id(key.key_id).send().await.unwrap();
        key.arn.unwrap()
    }

    pub async fn create_table(&self, name: &str) {
        let attribute = |name: &str| {
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
            attribute.build().unwrap()
        };
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        self.plain
            .create_table()
            .table_name(name)
            .attribute_definitions(attribute("tenant_id"))
            .attribute_definitions(attribute("contact_id"))
            .key_schema(key("tenant_id", KeyType::Hash))
            .key_schema(key("contact_id", KeyType::Range))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
    }

    pub fn builder(&self) -> TenantSealBuilder {
        TenantSeal::builder().assume_role(ROLE).record::<Contact>()
    }

    pub fn seal(&self) -> TenantSeal {
        self.builder().build(&self.app).unwrap()
    }

    pub fn tenant(&self, tenant: &str) -> Tenant {
        self.seal().tenant(&id(tenant))
    }

    /// What DynamoDB really stores.
    pub async fn stored(&self, tenant: &str, contact: &str) -> HashMap<String, AttributeValue> {
        let request = self.plain.get_item().table_name("crm").set_key(Some(key(tenant, contact)));
        request.send().await.unwrap().item.unwrap()
    }
}

pub fn key(tenant: &str, contact: &str) -> HashMap<String, AttributeValue> {
    [("tenant_id", tenant), ("contact_id", contact)].map(|(name, value)| (name.to_owned(), s(value))).into()
}

pub fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn allow_all() -> &'static str {
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#
}

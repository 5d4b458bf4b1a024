//! A key account with tenants, a table and a sealing library on the local stack.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "shared by test binaries that each use a part of it"
)]

pub mod hook;
pub mod key_table;
pub mod tap;
pub mod wire;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, VectorIndex,
};
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_types::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use serde::{Deserialize, Serialize};
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal::{Item, Record, Tenant, TenantId, TenantSeal, TenantSealBuilder};
use tenantseal_local::Stack;

use tap::Tap;

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

/// A record of the contacts' table that nobody registers: it encrypts what [`Contact`] does not.
#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
pub struct Unregistered {
    #[seal(partition_key, tenant)]
    pub tenant_id: String,
    #[seal(sort_key)]
    pub contact_id: String,
    #[seal(encrypt)]
    pub company: String,
}

impl Unregistered {
    /// The contact `c-1` of `acme`.
    pub fn of(company: &str) -> Self {
        Self { tenant_id: "acme".to_owned(), contact_id: "c-1".to_owned(), company: company.to_owned() }
    }
}

pub fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

/// The SDK's own retries, which do not wait for a second: what fails in a test goes on failing.
pub fn soon() -> RetryConfig {
    RetryConfig::standard().with_initial_backoff(Duration::from_millis(10))
}

/// The local stack with a key account, an application account, the table `crm` and two tenants.
pub struct World {
    pub stack: Stack,
    pub admin: aws_sdk_kms::Client,
    pub app: SdkConfig,
    /// The application's own credentials.
    pub credentials: Credentials,
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
        let credentials = Credentials::from(&app);
        let app = stack.sdk_config(&app).into_builder().retry_config(soon()).build();
        let plain = aws_sdk_dynamodb::Client::new(&app);
        let world = Self { stack, admin, app, credentials, plain, tenancy };
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

    /// Points the tenant's alias to a new key.
    pub async fn repoint(&self, tenant: &str) {
        let policy = self.tenancy.key_policy(&id(tenant)).unwrap().to_string();
        let key = self.admin.create_key().policy(policy).send().await.unwrap().key_metadata.unwrap();
        let alias = self.tenancy.alias(&id(tenant));
        self.admin.update_alias().alias_name(alias.as_str()).target_key_id(key.key_id).send().await.unwrap();
    }

    /// Creates a table with the keys of [`Contact`].
    pub async fn create_table(&self, name: &str) {
        self.create_table_with(name, ScalarAttributeType::S).await;
    }

    /// The same with sort keys of another type, and the indexes `by-company` and `by-company-and-tenant` of
    /// whole items.
    pub async fn create_table_with(&self, name: &str, sort: ScalarAttributeType) {
        self.create_searched_table(name, sort, None).await;
    }

    /// The same, with an index of vectors.
    pub async fn create_searched_table(&self, name: &str, sort: ScalarAttributeType, vectors: Option<VectorIndex>) {
        let attribute = |name: &str, kind: ScalarAttributeType| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
        };
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        let index = |name: &str, sort: &str| {
            GlobalSecondaryIndex::builder()
                .index_name(name)
                .key_schema(key("company", KeyType::Hash))
                .key_schema(key(sort, KeyType::Range))
                .projection(Projection::builder().projection_type(ProjectionType::All).build())
                .build()
                .unwrap()
        };
        self.plain
            .create_table()
            .table_name(name)
            .attribute_definitions(attribute("tenant_id", ScalarAttributeType::S))
            .attribute_definitions(attribute("contact_id", sort))
            .attribute_definitions(attribute("company", ScalarAttributeType::S))
            .key_schema(key("tenant_id", KeyType::Hash))
            .key_schema(key("contact_id", KeyType::Range))
            .global_secondary_indexes(index("by-company", "contact_id"))
            .global_secondary_indexes(index("by-company-and-tenant", "tenant_id"))
            .set_vector_indexes(vectors.map(|vectors| vec![vectors]))
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

    /// The application's configuration over an HTTP client of the test's.
    pub fn over(&self, http: impl HttpClient + 'static) -> SdkConfig {
        self.app.clone().into_builder().http_client(http).build()
    }

    /// A tenant whose calls to every service go over an HTTP client of the test's.
    pub fn tenant_over(&self, tenant: &str, http: impl HttpClient + 'static) -> Tenant {
        self.builder().build(&self.over(http)).unwrap().tenant(&id(tenant))
    }

    /// The application's configuration with a tap before DynamoDB, before KMS and before STS.
    pub async fn tapped(&self) -> (Taps, SdkConfig) {
        let taps = Taps {
            dynamodb: Tap::before(self.stack.dynamodb_url()).await,
            kms: Tap::before(self.stack.kms_url()).await,
            sts: Tap::before(self.stack.sts_url()).await,
        };
        let endpoints = Endpoints([&taps.dynamodb, &taps.kms, &taps.sts].map(|tap| tap.url().to_owned()));
        (taps, self.app.clone().into_builder().service_config(endpoints).build())
    }

    /// How many calls KMS and STS have received from tenants' sessions and applications, onboarding left out.
    pub fn key_calls(&self) -> u64 {
        ["AssumeRole", "GenerateDataKey", "Decrypt"].map(|operation| self.stack.calls().count(operation)).iter().sum()
    }

    /// Puts an item as someone with access to the table alone would.
    pub async fn plant(&self, item: Item) {
        self.plain.put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
    }

    /// What DynamoDB really stores.
    pub async fn stored(&self, tenant: &str, contact: &str) -> HashMap<String, AttributeValue> {
        let request = self.plain.get_item().table_name("crm").set_key(Some(key(tenant, contact)));
        request.send().await.unwrap().item.unwrap()
    }
}

/// The taps before the three services.
pub struct Taps {
    pub dynamodb: Tap,
    pub kms: Tap,
    pub sts: Tap,
}

#[derive(Debug)]
struct Endpoints([String; 3]);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let at = ["DynamoDB", "KMS", "STS"].iter().position(|service| *service == key.service_id())?;
        (key.env() == "AWS_ENDPOINT_URL").then(|| self.0[at].clone())
    }
}

/// This library's error in an SDK error, cloned out of it: of items that do not open, what is wrong with the first.
pub fn sealing_error<T: std::fmt::Debug, E: std::error::Error + 'static>(result: Result<T, E>) -> tenantseal::Error {
    let error = result.expect_err("the operation should have failed");
    match tenantseal::Error::find_in(&error) {
        Some(ours) => ours.cause().clone(),
        None => panic!("not an error of this library: {error:?}"),
    }
}

/// A contact as an item.
pub fn item(contact: &Contact) -> Item {
    serde_dynamo::to_item(contact).unwrap()
}

/// A text that occurs nowhere else.
pub fn canary() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("canary-{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
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

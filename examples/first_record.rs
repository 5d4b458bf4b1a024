//! A first record, stored and read on the local stack: the README's `src/main.rs`.

use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use serde::{Deserialize, Serialize};
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal::{Record, TenantId, TenantSeal};
use tenantseal_local::Stack;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt)]
    email: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    // KMS, STS and DynamoDB on loopback; the role that services assume; one tenant.
    let stack = Stack::start().await?;
    let role = RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys")?;
    let tenancy = Tenancy::new(role, AliasTemplate::default());
    let acme = TenantId::parse("acme")?;
    let aws = set_up(&stack, &tenancy, &acme).await?;

    // Your service.
    let seal = TenantSeal::builder().assume_role(tenancy.role().as_str()).record::<Contact>().build(&aws)?;
    seal.check_tables().await?;
    let contacts = seal.tenant(&acme).records::<Contact>();
    let ada = Contact { tenant_id: "acme".into(), contact_id: "c-17".into(), email: "ada@example.org".into() };
    contacts.put(&ada).await?;
    println!("your application sees {:?}", contacts.get("c-17").await?);

    // The same item without the key.
    let plain = aws_sdk_dynamodb::Client::new(&aws);
    println!("DynamoDB sees {:?}", plain.scan().table_name("crm").send().await?.items());
    Ok(())
}

/// What the key team and the platform do in AWS, once.
async fn set_up(stack: &Stack, tenancy: &Tenancy, tenant: &TenantId) -> Result<aws_types::SdkConfig> {
    let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let service = stack.account("222222222222")?.user("my-crm").permission(everything).create()?;
    let key_account = stack.account(tenancy.role().account())?;
    let key_team = key_account.user("key-team").permission(everything).create()?;
    key_account
        .role("TenantKeys")
        .trust(tenancy.trust_policy(&[service.user_arn()]))
        .permission(tenancy.role_policy(stack.region()))
        .create()?;

    // One KMS key for the tenant, with the corrected key policy, behind its alias.
    let kms = aws_sdk_kms::Client::new(&stack.sdk_config(&key_team));
    let key = kms.create_key().policy(tenancy.key_policy(tenant)?.to_string()).send().await?;
    let key_id = key.key_metadata.ok_or("no key")?.key_id;
    kms.create_alias().alias_name(tenancy.alias(tenant).as_str()).target_key_id(key_id).send().await?;

    // The pooled table.
    let aws = stack.sdk_config(&service);
    let mut table = aws_sdk_dynamodb::Client::new(&aws).create_table().table_name("crm");
    for (name, kind) in [("tenant_id", KeyType::Hash), ("contact_id", KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        table = table.attribute_definitions(attribute.build()?).key_schema(key.build()?);
    }
    table.billing_mode(BillingMode::PayPerRequest).send().await?;
    Ok(aws)
}

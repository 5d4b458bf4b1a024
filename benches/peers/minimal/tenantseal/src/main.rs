//! One put and one get with tenantseal; `email` is encrypted.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue::S;
use tenantseal::schema::TableSchema;
use tenantseal::{TenantId, TenantSeal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let crm =
        TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("id").encrypt("email").build()?;
    let role = "arn:aws:iam::111111111111:role/TenantKeys";
    let seal = TenantSeal::builder().assume_role(role).table(crm).build(&aws)?;
    let dynamodb = seal.tenant(&TenantId::parse("acme")?).dynamodb();

    let key =
        HashMap::from([("tenant_id", "acme"), ("id", "c-17")].map(|(name, value)| (name.into(), S(value.into()))));
    let mut item = key.clone();
    item.insert("email".into(), S("ada@example.org".into()));
    dynamodb.put_item().table_name("crm").set_item(Some(item.clone())).send().await?;
    let found = dynamodb.get_item().table_name("crm").set_key(Some(key)).send().await?;
    assert_eq!(found.item, Some(item));
    Ok(())
}

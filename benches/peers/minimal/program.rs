//! One put and one get: the same for each minimal program, whatever its client does.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue::S;

pub async fn run(dynamodb: Client) -> Result<(), Box<dyn std::error::Error>> {
    let key =
        HashMap::from([("tenant_id", "acme"), ("id", "c-17")].map(|(name, value)| (name.into(), S(value.into()))));
    let mut item = key.clone();
    item.insert("email".into(), S("ada@example.org".into()));
    dynamodb.put_item().table_name("crm").set_item(Some(item.clone())).send().await?;
    let found = dynamodb.get_item().table_name("crm").set_key(Some(key)).send().await?;
    assert_eq!(found.item, Some(item));
    Ok(())
}

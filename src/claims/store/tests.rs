//! Claims of items that are stored already.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType as Scalar,
};
use tenantseal_local::Stack;

use super::*;
use crate::schema::{Form, Lookup};

/// A plain client on the table `crm` and a claims table.
async fn tables() -> (Stack, Client) {
    let stack = Stack::start().await.unwrap();
    let user = stack.account("222222222222").unwrap().user("service");
    let allow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let client = Client::new(&stack.sdk_config(&user.permission(allow).create().unwrap()));
    for (name, keys) in [("crm", ["pk", "sk"]), ("claims", ["tenant", "entry"])] {
        let mut table = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        for (key, kind) in keys.into_iter().zip([KeyType::Hash, KeyType::Range]) {
            let attribute = AttributeDefinition::builder().attribute_name(key).attribute_type(Scalar::S);
            let key = KeySchemaElement::builder().attribute_name(key).key_type(kind);
            table = table.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
        }
        table.send().await.unwrap();
    }
    (stack, client)
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn spot() -> Spot {
    let schema = TableSchema::builder("crm").partition_key("pk", "{tenant}").sort_key("sk").encrypt("email");
    let schema = schema.lookup(Lookup::on("email", Form::EMAIL).unique()).build().unwrap();
    Spot { physical: "crm".into(), schema: Arc::new(schema), lookup: 0 }
}

fn store(client: &Client) -> ClaimStore {
    ClaimStore::new(client.clone(), "claims".into(), TenantId::parse("acme").unwrap())
}

fn key(sort: &str) -> Item {
    Item::from([("pk".to_owned(), s("acme")), ("sk".to_owned(), s(sort))])
}

/// Stores an item with this token.
async fn put(client: &Client, sort: &str, token: &str) {
    let put = client.put_item().table_name("crm").item("pk", s("acme")).item("sk", s(sort));
    put.item("_seal_by_email", s(token)).send().await.unwrap();
}

#[tokio::test]
async fn a_stored_token_is_claimed_or_its_item_is_named() {
    let (_stack, client) = tables().await;
    let (spot, store) = (spot(), store(&client));
    let token = format!("acme.{}", "t".repeat(24));
    put(&client, "X", &token).await;
    put(&client, "Y", &token).await;
    for _ in 0..2 {
        assert!(matches!(store.claim(&spot, &key("X"), &token).await.unwrap(), Claimed::Own(_)));
        let theirs = store.claim(&spot, &key("Y"), &token).await.unwrap();
        assert_eq!(theirs, Claimed::Item(ItemRef::new(&spot.schema, &key("X"))));
    }
    assert_eq!(store.claim(&spot, &key("Z"), &token).await.unwrap(), Claimed::Changed, "it is not there");
    put(&client, "X", "acme.other").await;
    assert_eq!(store.claim(&spot, &key("X"), &token).await.unwrap(), Claimed::Changed);
    let taken = store.claim(&spot, &key("Y"), &token).await.unwrap();
    assert!(matches!(taken, Claimed::Own(_)), "the other claim was stale");
    assert_eq!(store.claimed(&spot, &token).await.unwrap(), Some(key("Y")));
}

#[tokio::test]
async fn a_claim_is_released_only_while_its_item_lacks_the_token() {
    let (_stack, client) = tables().await;
    let (spot, store) = (spot(), store(&client));
    let token = format!("acme.{}", "t".repeat(24));
    put(&client, "X", &token).await;
    assert!(matches!(store.claim(&spot, &key("X"), &token).await.unwrap(), Claimed::Own(_)));
    let entry = spot.entry(&store.tenant, &token).unwrap();
    let write = ClaimWrite { spot: spot.clone(), entry, token: token.clone(), to: None, from: Vec::new() };
    store.release(&write, &key("Y")).await.unwrap();
    store.release(&write, &key("X")).await.unwrap();
    assert_eq!(store.claimed(&spot, &token).await.unwrap(), Some(key("X")), "X has the token");
    put(&client, "X", "acme.other").await;
    store.release(&write, &key("Y")).await.unwrap();
    assert_eq!(store.claimed(&spot, &token).await.unwrap(), Some(key("X")), "Y has not the claim");
    store.release(&write, &key("X")).await.unwrap();
    assert_eq!(store.claimed(&spot, &token).await.unwrap(), None);
}

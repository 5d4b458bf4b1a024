//! Tokens that somebody with access to the table copied, exchanged, removed or made up find nothing else.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::Item;

use super::scene::{TABLE, assert_right, contact, item, key, put, stored, tenant, tokens, world};
use crate::common::{World, s, sealing_error};

async fn found(db: &Client, email: &str) -> Vec<String> {
    let request = db.query().table_name(TABLE).index_name("by-email").key_condition_expression("email = :e");
    let output = request.expression_attribute_values(":e", s(email)).send().await.unwrap();
    assert_eq!(usize::try_from(output.count()).unwrap(), output.items().len());
    output.items().iter().map(|item| item["contact_id"].as_s().unwrap().clone()).collect()
}

/// Stores an item with another attribute, as someone with access to the table alone would.
async fn forge(world: &World, mut stored: Item, name: &str, value: Option<AttributeValue>) {
    match value {
        Some(value) => drop(stored.insert(name.to_owned(), value)),
        None => drop(stored.remove(name)),
    }
    put(&world.plain, stored).await;
}

const TOKEN: &str = "_seal_by_email";

#[tokio::test]
async fn a_token_of_another_item_brings_nothing() {
    let world = world(&["acme", "globex"]).await;
    let (acme, globex) = (tenant(&world, "acme"), tenant(&world, "globex"));
    for (id, email) in [("c-1", "ada@x.org"), ("c-2", "eve@x.org")] {
        put(&acme.dynamodb(), contact("acme", id, [("email", s(email))])).await;
    }
    put(&globex.dynamodb(), contact("globex", "g-1", [("email", s("ada@x.org"))])).await;
    let (ada, eve) = (stored(&world, "acme", "c-1").await, stored(&world, "acme", "c-2").await);
    let other = stored(&world, "globex", "g-1").await;
    assert_ne!(ada[TOKEN], other[TOKEN]);

    // Exchanged within the tenant.
    forge(&world, eve.clone(), TOKEN, Some(ada[TOKEN].clone())).await;
    assert_eq!(found(&acme.dynamodb(), "ada@x.org").await, ["c-1"]);
    assert_eq!(found(&acme.dynamodb(), "eve@x.org").await, [""; 0]);
    // Copied into another tenant's item.
    forge(&world, other.clone(), TOKEN, Some(ada[TOKEN].clone())).await;
    assert_eq!(found(&acme.dynamodb(), "ada@x.org").await, ["c-1"]);
    assert_eq!(found(&globex.dynamodb(), "ada@x.org").await, [""; 0]);
    // Removed, or made up.
    for token in [None, Some(s("acme.AAAAAAAAAAAAAAAAAAAAAAAA"))] {
        forge(&world, ada.clone(), TOKEN, token).await;
        assert_eq!(found(&acme.dynamodb(), "ada@x.org").await, [""; 0]);
    }
    // The next write mends it.
    put(&acme.dynamodb(), contact("acme", "c-2", [("email", s("eve@x.org"))])).await;
    assert_eq!(found(&acme.dynamodb(), "eve@x.org").await, ["c-2"]);
}

#[tokio::test]
async fn a_whole_page_of_copied_tokens_is_dropped_and_the_next_page_read() {
    let world = world(&["acme"]).await;
    let acme = tenant(&world, "acme");
    put(&acme.dynamodb(), contact("acme", "z-1", [("email", s("ada@x.org"))])).await;
    let token = stored(&world, "acme", "z-1").await[TOKEN].clone();
    for at in 0..30 {
        let id = format!("c-{at}");
        put(&acme.dynamodb(), contact("acme", &id, [("email", s(&format!("{at}@x.org")))])).await;
        forge(&world, stored(&world, "acme", &id).await, TOKEN, Some(token.clone())).await;
    }
    let request =
        acme.dynamodb().query().table_name(TABLE).index_name("by-email").key_condition_expression("email = :e");
    let request = request.expression_attribute_values(":e", s("ada@x.org")).limit(10);
    let pages: Vec<_> = request.into_paginator().send().try_collect().await.unwrap();
    assert!(pages.len() >= 4, "{}", pages.len());
    let found: Vec<_> = pages.iter().flat_map(|page| page.items()).map(|item| item["contact_id"].clone()).collect();
    assert_eq!(found, [s("z-1")]);
    assert_eq!(pages.iter().map(|page| page.scanned_count()).sum::<i32>(), 31);
    // DynamoDB alone counts, so someone who writes to the table can make it wrong.
    let count = acme.dynamodb().query().table_name(TABLE).index_name("by-email").key_condition_expression("email = :e");
    let count = count.select(aws_sdk_dynamodb::types::Select::Count).expression_attribute_values(":e", s("ada@x.org"));
    assert_eq!(count.send().await.unwrap().count(), 31);
}

#[tokio::test]
async fn tokens_of_two_tenants_and_lookups_share_nothing() {
    let world = world(&["acme", "globex"]).await;
    let text = s("1815");
    let all = [("email", text.clone()), ("phone", text.clone()), ("last_name", text.clone()), ("born", text)];
    let mut seen = Vec::new();
    for name in ["acme", "globex"] {
        put(&tenant(&world, name).dynamodb(), contact(name, "c-1", all.clone())).await;
        let stored = stored(&world, name, "c-1").await;
        assert_right(&tenant(&world, name), &stored).await;
        for (lookup, mut tokens) in tokens(&stored) {
            let token = tokens.pop().unwrap();
            seen.push((lookup, token.strip_prefix(&format!("{name}.")).unwrap()[..3].to_owned()));
        }
    }
    assert_eq!(seen.len(), 12);
    // 12 bits of a mark and 6 of a token: 2 of 12 are alike once in 4,000 runs.
    let mut marks: Vec<_> = seen.iter().map(|(_, token)| token).collect();
    marks.sort();
    marks.dedup();
    assert_eq!(marks.len(), 12, "{seen:?}");
}

#[tokio::test]
async fn a_sealed_attribute_that_is_gone_answers_no_filter() {
    let world = world(&["acme"]).await;
    let acme = tenant(&world, "acme");
    put(&acme.dynamodb(), contact("acme", "c-1", [("email", s("ada@x.org"))])).await;
    let stored = stored(&world, "acme", "c-1").await;
    forge(&world, stored.clone(), "email", None).await;
    let scan = acme.dynamodb().scan().table_name(TABLE).filter_expression("email = :e");
    let output = scan.expression_attribute_values(":e", s("ada@x.org")).send().await.unwrap();
    assert_eq!((output.count(), output.items().len()), (0, 0));
    // An item with nothing but a key and a copied token.
    let bare = item([("tenant_id", s("acme")), ("contact_id", s("c-2")), (TOKEN, stored[TOKEN].clone())]);
    put(&world.plain, bare).await;
    let scan = acme.dynamodb().scan().table_name(TABLE).filter_expression("email = :e");
    let output = scan.expression_attribute_values(":e", s("ada@x.org")).send().await.unwrap();
    assert_eq!(output.count(), 0);
}

#[tokio::test]
async fn a_condition_holds_for_a_token_that_was_copied() {
    let world = world(&["acme"]).await;
    let acme = tenant(&world, "acme");
    for (id, email) in [("c-1", "ada@x.org"), ("c-2", "eve@x.org")] {
        put(&acme.dynamodb(), contact("acme", id, [("email", s(email))])).await;
    }
    let ada = stored(&world, "acme", "c-1").await;
    forge(&world, stored(&world, "acme", "c-2").await, TOKEN, Some(ada[TOKEN].clone())).await;
    let delete = acme.dynamodb().delete_item().table_name(TABLE).set_key(Some(key("acme", "c-2")));
    let delete = delete.condition_expression("email = :e").expression_attribute_values(":e", s("ada@x.org"));
    delete.send().await.unwrap();
}

#[tokio::test]
async fn a_token_without_its_attribute_is_an_error_in_an_index() {
    let world = world(&["acme"]).await;
    let acme = tenant(&world, "acme");
    put(&acme.dynamodb(), contact("acme", "c-1", [("email", s("ada@x.org"))])).await;
    forge(&world, stored(&world, "acme", "c-1").await, "email", None).await;
    let query = acme.dynamodb().query().table_name(TABLE).index_name("by-email").key_condition_expression("email = :e");
    let error = sealing_error(query.expression_attribute_values(":e", s("ada@x.org")).send().await).to_string();
    assert!(error.contains("index `by-email` does not project `email`"), "{error}");
}

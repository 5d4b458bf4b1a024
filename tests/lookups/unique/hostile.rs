//! Who writes the claims table, or tokens into items, gets no other tenant's item and no crash.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::error::Error;

use super::scene::{
    Member, assert_unique, builder, claimed, claiming_world, member, members, only_entry, plant, tenant,
};
use crate::common::wire::{Reaction, Wire};
use crate::common::{id, key, s};
use crate::lookups::scene::TABLE;

#[tokio::test]
async fn a_forged_claim_is_an_error_that_names_it() {
    let world = claiming_world(&["acme", "globex"]).await;
    let (acme, globex) = (tenant(&world, "acme"), tenant(&world, "globex"));
    let (ours, theirs) = (acme.records::<Member>(), globex.records::<Member>());
    theirs.put(&Member { tenant_id: "globex".to_owned(), ..member("g-1", "eve@example.org") }).await.unwrap();
    ours.put(&member("m-1", "ada@example.org")).await.unwrap();
    let entry = only_entry(&world).await;
    let mut longer = key("acme", "m-1");
    longer.insert("status".to_owned(), s("open"));
    let forged = [
        AttributeValue::M(key("globex", "g-1")),
        AttributeValue::M(longer),
        AttributeValue::M(HashMap::new()),
        AttributeValue::M([("tenant_id".to_owned(), s("acme"))].into()),
        of_sort_key(s("")),
        s("m-1"),
    ];
    for claim in forged {
        plant(&world, "acme", &entry, claim.clone()).await;
        let put = ours.put(&member("m-2", "ada@example.org")).await.unwrap_err();
        let found = ours.find_by("email", "ada@example.org").consistent().one().await.unwrap_err();
        for error in [put, found] {
            let named = matches!(&error, Error::ForgedClaim { entry: named, .. } if *named == entry);
            assert!(named && error.is_integrity() && error.http_status() == 500, "{claim:?}: {error}");
            assert!(error.to_string().contains("delete the claim"), "{error}");
        }
    }
    // No schema knows the type of a sort key. Only who wants the value asks DynamoDB for the item itself.
    for sort in [AttributeValue::N("1".to_owned()), AttributeValue::B(Blob::new("m-1"))] {
        plant(&world, "acme", &entry, of_sort_key(sort)).await;
        let error = ours.put(&member("m-2", "ada@example.org")).await.unwrap_err();
        assert!(matches!(&error, Error::ForgedClaim { entry: named, .. } if *named == entry), "{error}");
    }
    // The advice, followed to the letter.
    let delete = world.plain.delete_item().table_name("tenantseal-claims").key("tenant", s("acme"));
    delete.key("entry", s(&entry)).send().await.unwrap();
    ours.put(&member("m-1", "ada@example.org")).await.unwrap();
    assert_unique_of_acme(&world).await;
}

/// DynamoDB refuses to look for an item by a key of another type; the local server finds none.
#[tokio::test]
async fn a_claim_whose_key_dynamodb_refuses_is_named_to_who_reads_by_it() {
    let (world, _, members) = members().await;
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    let entry = only_entry(&world).await;
    let wire = Wire::scripted(|sent, _| match sent.operation.as_str() {
        "Query" => {
            Reaction::Replace(400, r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"m"}"#.into())
        }
        _ => Reaction::Forward,
    });
    let config = world.over(wire);
    let reader = builder(&config).build(&config).unwrap().tenant(&id("acme")).records::<Member>();
    let error = reader.find_by("email", "ada@example.org").consistent().one().await.unwrap_err();
    assert!(matches!(&error, Error::DynamoDb(_)), "its key is right, so the request was wrong: {error}");
    plant(&world, "acme", &entry, of_sort_key(AttributeValue::N("1".to_owned()))).await;
    let error = reader.find_by("email", "ada@example.org").consistent().one().await.unwrap_err();
    assert!(matches!(&error, Error::ForgedClaim { entry: named, .. } if *named == entry), "{error}");
}

/// A claim of an item with this sort key.
fn of_sort_key(sort: AttributeValue) -> AttributeValue {
    AttributeValue::M([("tenant_id".to_owned(), s("acme")), ("contact_id".to_owned(), sort)].into())
}

async fn assert_unique_of_acme(world: &crate::common::World) {
    assert_eq!(claimed(world, "acme").await.into_values().collect::<Vec<_>>(), ["m-1"]);
}

/// A claim of another value on an item of the tenant's own finds nothing: what is read is compared.
#[tokio::test]
async fn a_claim_that_names_another_item_of_the_tenant_finds_nothing() {
    let (world, _, members) = members().await;
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    let entry = only_entry(&world).await;
    members.put(&member("m-2", "eve@example.org")).await.unwrap();
    plant(&world, "acme", &entry, AttributeValue::M(key("acme", "m-2"))).await;
    assert_eq!(members.find_by("email", "ada@example.org").consistent().one().await.unwrap(), None);
    // It is stale, so the next write of the item mends it.
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    assert_unique(&world).await;
}

#[tokio::test]
async fn a_token_of_another_shape_keeps_no_item_from_being_written() {
    let (world, _, members) = members().await;
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    let planted = [
        s("acme.short"),
        s(&format!("acme.{}", "x".repeat(3_000))),
        s("globex._E0123456789012345678901"),
        AttributeValue::N("1".to_owned()),
        AttributeValue::L(vec![s("acme._E0123456789012345678901")]),
    ];
    for token in planted {
        let plant = world.plain.update_item().table_name(TABLE).set_key(Some(key("acme", "m-1")));
        let plant = plant.update_expression("SET #t = :t").expression_attribute_names("#t", "_seal_by_phone_2");
        plant.expression_attribute_values(":t", token).send().await.unwrap();
        members.put(&member("m-1", "ada@example.org")).await.unwrap();
        assert_unique(&world).await;
        assert_eq!(claimed(&world, "acme").await.len(), 1);
    }
}

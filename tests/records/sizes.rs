//! What DynamoDB stores unsealed it stores sealed, too, or the item is refused by name and number before it is sent.

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde::{Deserialize, Serialize};
use tenantseal::error::SealError;
use tenantseal::schema::TableSchema;
use tenantseal::{Error, Item, Record, Tenant, TenantSeal};

use crate::common::wire::Wire;
use crate::common::{ROLE, World, id, key, s, sealing_error};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Upload {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt)]
    v: Vec<u8>,
}

fn schema() -> TableSchema {
    let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    schema.encrypt("v").encrypt("w").plain("company").build().unwrap()
}

fn tenant(world: &World, wire: &Wire) -> Tenant {
    let seal = TenantSeal::builder().assume_role(ROLE).table(schema());
    seal.build(&world.over(wire.clone())).unwrap().tenant(&id("acme"))
}

fn with(mut item: Item, name: &str, value: AttributeValue) -> Item {
    item.insert(name.to_owned(), value);
    item
}

fn n(text: impl ToString) -> AttributeValue {
    AttributeValue::N(text.to_string())
}

fn list<T>(values: impl IntoIterator<Item = T>, element: impl Fn(T) -> AttributeValue) -> AttributeValue {
    AttributeValue::L(values.into_iter().map(element).collect())
}

fn map<const N: usize>(entries: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(entries.map(|(name, value)| (name.to_owned(), value)).into())
}

/// A value with sets in one order.
fn ordered(value: AttributeValue) -> AttributeValue {
    match value {
        AttributeValue::Ns(mut set) => {
            set.sort();
            AttributeValue::Ns(set)
        }
        other => other,
    }
}

#[tokio::test]
async fn bytes_that_serde_makes_a_list_of_numbers_are_stored_sealed() {
    let world = World::start(&["acme"]).await;
    let v: Vec<u8> = (0..45_000_u32).map(|at| at.to_be_bytes()[3]).collect();
    let upload = Upload { tenant_id: "acme".into(), contact_id: "c-1".into(), v };
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Upload>().build(&world.app).unwrap();
    let uploads = seal.tenant(&id("acme")).records::<Upload>();
    world.plant(serde_dynamo::to_item(&upload).unwrap()).await;
    uploads.put(&upload).await.unwrap();
    assert_eq!(uploads.get("c-1").await.unwrap(), Some(upload.clone()));
    uploads.update("c-1").set("v", &upload.v[1..]).await.unwrap();
    assert_eq!(uploads.get("c-1").await.unwrap().unwrap().v, upload.v[1..]);
}

#[tokio::test]
async fn what_dynamodb_stores_unsealed_it_stores_sealed() {
    let world = World::start(&["acme"]).await;
    let client = tenant(&world, &Wire::open()).dynamodb();
    let digits = |at: u32| format!("{}{:08}", "9".repeat(30), at * 10 + 1);
    let entry = |at: u32| map([("id", n(at)), ("on", AttributeValue::Bool(true)), ("at", n(1_700_000_000 + at))]);
    for (what, value) in [
        ("20,478 numbers of 38 digits", AttributeValue::Ns((0..20_478).map(digits).collect())),
        ("the same as a list", list(0..19_400, |at| n(digits(at)))),
        ("100,000 booleans", list(0..100_000, |at| AttributeValue::Bool(at % 3 == 0))),
        ("85,000 nulls", list(0..85_000, |_| AttributeValue::Null(true))),
        ("85,000 empty texts", list(0..85_000, |_| s(""))),
        ("85,000 lists", list(0..85_000, |_| AttributeValue::L(vec![]))),
        ("22,000 texts of 17 characters", list(10_000..32_000, |at| s(&format!("contact-{at}-abc")))),
        ("15,000 maps", list(0..15_000, entry)),
        ("45,000 fractions", list(0..45_000, |at| n(f64::from(at) / 8.0))),
    ] {
        let item = with(key("acme", "c-1"), "v", value);
        world.plant(item.clone()).await;
        let put = client.put_item().table_name("crm").set_item(Some(item.clone())).send().await;
        assert!(put.is_ok(), "{what}: {:?}", put.unwrap_err().into_service_error());
        let get = client.get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await.unwrap();
        let opened: Item = get.item.unwrap().into_iter().map(|(name, value)| (name, ordered(value))).collect();
        let item: Item = item.into_iter().map(|(name, value)| (name, ordered(value))).collect();
        assert!(opened == item, "{what} comes back as something else");
    }
}

#[tokio::test]
async fn an_item_that_cannot_fit_is_refused_by_name_before_it_is_sent() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let tenant = tenant(&world, &wire);
    let client = tenant.dynamodb();
    let item = |length: usize| {
        let item = with(key("acme", "c-1"), "v", s(&"x".repeat(length)));
        with(with(item, "w", s("small")), "company", s("Example Ltd"))
    };
    // The largest that DynamoDB takes, and a byte more.
    let sealed = tenant.seal("crm", item(1_000)).await.unwrap();
    let around: usize = sealed
        .iter()
        .map(|(name, value)| {
            name.len() + value.as_b().map_or(0, |b| b.as_ref().len()) + value.as_s().map_or(0, String::len)
        })
        .sum();
    let most = 400 * 1024 - (around - 1_000);
    client.put_item().table_name("crm").set_item(Some(item(most))).send().await.unwrap();
    let sent = || ["PutItem", "BatchWriteItem", "TransactWriteItems", "UpdateItem"].map(|name| wire.bodies(name).len());
    let before = sent();
    assert_eq!(before, [1, 0, 0, 0]);

    let refused = |error: Error, by: usize, names: &[&str]| {
        let Error::Seal(SealError::TooLarge { by: found, largest }) = &error else { panic!("{error}") };
        assert_eq!((*found, largest.iter().map(String::as_str).collect::<Vec<_>>()), (by, names.to_vec()));
        let text = error.to_string();
        assert!(text.contains(&format!("{by} bytes")) && text.contains("`v`") && !text.contains("xxx"), "{text}");
        assert!(!error.is_retryable() && !error.is_integrity());
    };
    let over = [1, 77].map(|by| (by, Some(item(most + by))));
    for (by, item) in over {
        let put = client.put_item().table_name("crm").set_item(item.clone());
        refused(sealing_error(put.send().await), by, &["v", "w", "company"]);
        let request =
            WriteRequest::builder().put_request(PutRequest::builder().set_item(item.clone()).build().unwrap());
        let batch = client.batch_write_item().request_items("crm", vec![request.build()]).send().await;
        refused(sealing_error(batch), by, &["v", "w", "company"]);
        let put = aws_sdk_dynamodb::types::Put::builder().table_name("crm").set_item(item.clone()).build().unwrap();
        let action = aws_sdk_dynamodb::types::TransactWriteItem::builder().put(put).build();
        refused(
            sealing_error(client.transact_write_items().transact_items(action).send().await),
            by,
            &["v", "w", "company"],
        );
        refused(tenant.seal("crm", item.unwrap()).await.unwrap_err(), by, &["v", "w", "company"]);
    }
    let update =
        client.update_item().table_name("crm").set_key(Some(key("acme", "c-1"))).update_expression("SET v = :v");
    let update = update.expression_attribute_values(":v", s(&"x".repeat(400 * 1024)));
    let error = sealing_error(update.send().await);
    assert!(
        matches!(&error, Error::Seal(SealError::TooLarge { by, largest }) if *by > 200 && *largest == ["v"]),
        "{error}"
    );
    assert_eq!(sent(), before);
}

//! Claims name items by any primary key, and of compound lookups.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType as Scalar,
};
use serde::{Deserialize, Serialize};
use tenantseal::records::Records;
use tenantseal::{Error, Record, TenantSeal};

use super::scene::{CLAIMS, claiming_world, claims};
use crate::common::key_table::key_table;
use crate::common::{ROLE, World, id, s};

/// Its partition key has the tenant and a year, its sort key is a number, and 2 attributes together are unique.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "invoices", lookup(name = "reference", part(supplier, alphanumeric), part(reference), unique))]
struct Invoice {
    #[seal(partition_key, tenant = "TENANT#{tenant}#")]
    year: String,
    #[seal(sort_key)]
    number: u64,
    #[seal(encrypt)]
    supplier: String,
    #[seal(encrypt)]
    reference: u64,
}

fn invoice(year: u16, number: u64, supplier: &str, reference: u64) -> Invoice {
    Invoice { year: format!("TENANT#acme#{year}"), number, supplier: supplier.to_owned(), reference }
}

async fn invoices() -> (World, Records<Invoice>) {
    let world = claiming_world(&["acme"]).await;
    let mut table = world.plain.create_table().table_name("prod-invoices").billing_mode(BillingMode::PayPerRequest);
    for (name, of, kind) in [("year", Scalar::S, KeyType::Hash), ("number", Scalar::N, KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(of).build().unwrap();
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        table = table.attribute_definitions(attribute).key_schema(key);
    }
    table.send().await.unwrap();
    let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table(&world.app)).record::<Invoice>();
    let builder = builder.claims(claims(&world.app)).table_name("invoices", "prod-invoices");
    let invoices = builder.build(&world.app).unwrap().tenant(&id("acme")).records();
    (world, invoices)
}

#[tokio::test]
async fn claims_name_items_of_prefixed_partitions_and_numeric_sort_keys() {
    let (world, invoices) = invoices().await;
    invoices.put(&invoice(2026, 17, "Example Ltd", 7)).await.unwrap();
    let twice = invoices.put(&invoice(2027, 1, "EXAMPLE-LTD", 7)).await.unwrap_err();
    let Error::NotUnique { lookup, item } = &twice else { panic!("{twice}") };
    assert_eq!((lookup.as_str(), item.table()), ("reference", "invoices"));
    assert_eq!(item.key()["number"], AttributeValue::N("17".to_owned()));
    invoices.put(&invoice(2027, 1, "Example Ltd", 8)).await.unwrap();
    let found = invoices.find_by("reference", ("example ltd", 7)).consistent().one().await.unwrap();
    assert_eq!(found, Some(invoice(2026, 17, "Example Ltd", 7)));
    let plain = world.plain.delete_item().table_name("prod-invoices").key("year", s("TENANT#acme#2026"));
    plain.key("number", AttributeValue::N("17".to_owned())).send().await.unwrap();
    assert_eq!(invoices.find_by("reference", ("example ltd", 7)).consistent().one().await.unwrap(), None);
    invoices.put(&invoice(2027, 2, "Example Ltd", 7)).await.unwrap();
    let changed = invoices.update(("2027", 2_u64)).set("supplier", "Other").set("reference", 9);
    changed.await.unwrap();
    let both = world.plain.scan().table_name(CLAIMS).send().await.unwrap().items.unwrap();
    let entries: Vec<_> = both.iter().map(|claim| claim["entry"].as_s().unwrap()).collect();
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.starts_with("invoices#reference#")), "{entries:?}");
}

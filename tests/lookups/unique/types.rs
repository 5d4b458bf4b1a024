//! Record types that share a table, and a unique value.

use serde::{Deserialize, Serialize};
use tenantseal::schema::{TableSchema, TableSchemaBuilder};
use tenantseal::{Error, Record, Tenant, TenantSeal, TenantSealBuilder};

use super::scene::{claimed, claiming_world, claims};
use crate::common::key_table::key_table;
use crate::common::wire::Wire;
use crate::common::{ROLE, World, id};
use crate::lookups::scene::TABLE;

/// Told apart from suppliers by its sort key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "people", discriminator = "contact_id", value = "CUSTOMER#")]
struct Customer {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt, lookup(email, unique, index = "by-email"))]
    email: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "people", discriminator = "contact_id", value = "SUPPLIER#")]
struct Supplier {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt, lookup(email, unique, index = "by-email"))]
    email: String,
}

fn builder(world: &World) -> TenantSealBuilder {
    TenantSeal::builder().assume_role(ROLE).key_table(key_table(&world.app)).claims(claims(&world.app))
}

fn acme(world: &World, builder: TenantSealBuilder, wire: Wire) -> Tenant {
    builder.build(&world.over(wire)).unwrap().tenant(&id("acme"))
}

#[tokio::test]
async fn a_value_that_another_type_has_is_taken_and_not_found() {
    let world = claiming_world(&["acme"]).await;
    let acme = acme(&world, builder(&world).record::<Customer>().record::<Supplier>(), Wire::open());
    let (customers, suppliers) = (acme.records::<Customer>(), acme.records::<Supplier>());
    let (tenant_id, email) = ("acme".to_owned(), "ada@example.org".to_owned());
    let supplier = Supplier { contact_id: "SUPPLIER#1".to_owned(), tenant_id, email };
    suppliers.put(&supplier).await.unwrap();
    let Supplier { tenant_id, email, .. } = supplier.clone();
    let taken = customers.put(&Customer { contact_id: "CUSTOMER#1".to_owned(), tenant_id, email }).await.unwrap_err();
    assert!(matches!(&taken, Error::NotUnique { .. }), "{taken}");
    let found = suppliers.find_by("email", "ada@example.org").consistent().one().await.unwrap();
    assert_eq!(found, Some(supplier));
    let found = customers.find_by("email", "ada@example.org").one().await.unwrap();
    assert_eq!(found, None);
    let found = customers.find_by("email", "ada@example.org").consistent().one().await.unwrap();
    assert_eq!(found, None);
}

/// Told apart from many other attributes by an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "people", discriminator = "kind", value = "narrow")]
struct Narrow {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt, lookup(email, unique, index = "by-email"))]
    email: String,
    #[seal(plain)]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

/// DynamoDB takes no expression of more than 4 KB.
#[tokio::test]
async fn a_record_comes_back_from_a_table_of_many_attributes() {
    let world = claiming_world(&["acme"]).await;
    let wide = TableSchema::builder(TABLE).partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let names: Vec<_> = (0..240).map(|at| format!("attribute_{at}")).collect();
    let wide = names.iter().fold(wide.plain("kind").discriminator("kind", "wide"), |wide, name| wide.plain(name));
    let wide = TableSchemaBuilder::build(wide).unwrap();
    let wire = Wire::open();
    let acme = acme(&world, builder(&world).record::<Narrow>().table(wide), wire.clone());
    let narrow = acme.records::<Narrow>();
    let (tenant_id, contact_id) = ("acme".to_owned(), "n-1".to_owned());
    let first = Narrow { tenant_id, contact_id, email: "ada@example.org".to_owned(), status: None };
    narrow.put(&first).await.unwrap();
    let second = Narrow { email: "eve@example.org".to_owned(), ..first.clone() };
    assert_eq!(narrow.put(&second).returning_old().await.unwrap(), Some(first));
    assert_eq!(narrow.take("n-1").await.unwrap(), Some(second));
    assert!(claimed(&world, "acme").await.is_empty());
    for body in wire.bodies("TransactWriteItems") {
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let longest = |action: &serde_json::Value| {
            let action = action.as_object().unwrap().values().next().unwrap();
            action["ConditionExpression"].as_str().unwrap_or_default().len()
        };
        let longest = body["TransactItems"].as_array().unwrap().iter().map(longest).max();
        assert!(longest < Some(4_096), "{longest:?}");
    }
}

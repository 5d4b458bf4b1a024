//! Record types that are told apart by what their sort keys begin with: the key says it, so nothing else has to.

use serde::{Deserialize, Serialize};
use tenantseal::error::Refusal;
use tenantseal::{Error, Record, TenantSeal};

use crate::common::wire::Wire;
use crate::common::{ROLE, World, id, key, s, sealing_error};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm", discriminator = "contact_id", value = "CUSTOMER#")]
struct Customer {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(encrypt)]
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm", discriminator = "contact_id", value = "PRODUCT#")]
struct Product {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    name: String,
}

fn customer(contact_id: &str) -> Customer {
    Customer { tenant_id: "acme".to_owned(), contact_id: contact_id.to_owned(), name: "Ada".to_owned() }
}

fn product(contact_id: &str) -> Product {
    Product { tenant_id: "acme".to_owned(), contact_id: contact_id.to_owned(), name: "Lamp".to_owned() }
}

#[tokio::test]
async fn the_sort_key_says_what_an_item_is() {
    let world = World::start(&["acme"]).await;
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Customer>().record::<Product>();
    let acme = seal.build(&world.app).unwrap().tenant(&id("acme"));
    let (customers, products) = (acme.records::<Customer>(), acme.records::<Product>());
    customers.put(&customer("CUSTOMER#1")).await.unwrap();
    products.put(&product("PRODUCT#1")).await.unwrap();
    assert!(world.stored("acme", "CUSTOMER#1").await["name"].is_b());
    assert!(world.stored("acme", "PRODUCT#1").await["name"].is_s());
    let all: Vec<Customer> = customers.query().stream().try_collect().await.unwrap();
    assert_eq!(all, [customer("CUSTOMER#1")]);

    // The sort key says the type, so an upsert needs no condition to be sealed rightly.
    customers.update("CUSTOMER#2").set("name", "Eve").upsert().await.unwrap();
    assert!(world.stored("acme", "CUSTOMER#2").await["name"].is_b());
    let update = |contact_id| {
        let update = acme.dynamodb().update_item().table_name("crm").set_key(Some(key("acme", contact_id)));
        update.update_expression("SET #n = :v").expression_attribute_names("#n", "name")
    };
    update("CUSTOMER#3").expression_attribute_values(":v", s("Eve")).send().await.unwrap();
    update("PRODUCT#3").expression_attribute_values(":v", s("Lamp")).send().await.unwrap();
    assert!(world.stored("acme", "CUSTOMER#3").await["name"].is_b());
    assert!(world.stored("acme", "PRODUCT#3").await["name"].is_s());
    sealing_error(update("OTHER#3").expression_attribute_values(":v", s("x")).send().await);

    let query = |begins: &str| {
        let query = acme.dynamodb().query().table_name("crm");
        let query = query.key_condition_expression("tenant_id = :t AND begins_with(contact_id, :c)");
        let query = query.filter_expression("#n = :n").expression_attribute_names("#n", "name");
        let query = query.expression_attribute_values(":t", s("acme")).expression_attribute_values(":c", s(begins));
        query.expression_attribute_values(":n", s("Lamp"))
    };
    assert_eq!(query("PRODUCT#").send().await.unwrap().count(), 2);
    for begins in ["PROD", "CUSTOMER#"] {
        assert!(matches!(sealing_error(query(begins).send().await), Error::Refused(Refusal::Expression { .. })));
    }
}

#[tokio::test]
async fn another_types_key_is_refused_before_any_call() {
    let world = World::start(&["acme"]).await;
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Customer>().record::<Product>();
    let customers = seal.build(&world.app).unwrap().tenant(&id("acme")).records::<Customer>();
    for error in [
        customers.get("PRODUCT#1").await.unwrap_err(),
        customers.delete("PRODUCT#1").await.unwrap_err(),
        customers.update("PRODUCT#1").set("name", "x").await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Refused(Refusal::OtherRecord { .. })), "{error}");
    }
    assert!(matches!(customers.put(&customer("PRODUCT#1")).await.unwrap_err(), Error::Record { .. }));
}

#[tokio::test]
async fn a_condition_that_contradicts_the_key_sends_nothing_as_it_is() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Customer>().record::<Product>();
    let dynamodb = seal.build(&world.over(wire.clone())).unwrap().tenant(&id("acme")).dynamodb();
    for condition in ["begins_with(contact_id, :c)", "contact_id = :c", "#n = :v AND begins_with(contact_id, :c)"] {
        let update = dynamodb.update_item().table_name("crm").set_key(Some(key("acme", "CUSTOMER#1")));
        let update = update.update_expression("SET #n = :v").expression_attribute_names("#n", "name");
        let update = update.condition_expression(condition).expression_attribute_values(":c", s("PRODUCT#"));
        update.expression_attribute_values(":v", s("the-name-of-a-customer")).send().await.unwrap_err();
    }
    let sent = wire.bodies("UpdateItem");
    let leaks = |body: &[u8]| String::from_utf8_lossy(body).contains("the-name-of-a-customer");
    assert!(!sent.iter().any(|body| leaks(body)), "{} requests", sent.len());
}

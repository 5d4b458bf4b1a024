//! What `check_tables` finds, and what holds when nobody calls it.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use tenantseal::TenantSeal;
use tenantseal::error::{TableFaultKind as Kind, TablesError};
use tenantseal::schema::{TableSchema, TableSchemaBuilder};

use crate::common::wire::{Reaction, Wire};
use crate::common::{ROLE, World, contact, id, item, key, s};

fn crm() -> TableSchemaBuilder {
    TableSchema::builder("crm").partition_key("tenant_id", "{tenant}")
}

/// With what else a contact has.
fn whole(schema: TableSchemaBuilder) -> TableSchema {
    schema.plain("company").encrypt("email").encrypt("notes").encrypt("api_keys").build().unwrap()
}

fn seal(world: &World, schema: TableSchema) -> TenantSeal {
    TenantSeal::builder().assume_role(ROLE).table(schema).build(&world.app).unwrap()
}

async fn faults(world: &World, schema: TableSchemaBuilder) -> Vec<Kind> {
    kinds(&seal(world, schema.build().unwrap()).check_tables().await.unwrap_err())
}

fn kinds(error: &TablesError) -> Vec<Kind> {
    error.faults().iter().map(|fault| fault.kind().clone()).collect()
}

fn key_of(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

/// A table with a partition key alone.
async fn create(world: &World, table: &str, partition: &str, kind: ScalarAttributeType) {
    let key = KeySchemaElement::builder().attribute_name(partition).key_type(KeyType::Hash).build().unwrap();
    let create = world.plain.create_table().table_name(table).key_schema(key);
    let create = create.attribute_definitions(key_of(partition, kind)).billing_mode(BillingMode::PayPerRequest);
    create.send().await.unwrap();
}

#[tokio::test]
async fn without_the_sort_key_values_of_two_items_are_exchanged_and_it_is_found() {
    let world = World::start(&["acme"]).await;
    let seal = seal(&world, whole(crm().plain("contact_id")));
    let acme = seal.tenant(&id("acme")).dynamodb();
    for contact_id in ["c-1", "c-2"] {
        let put = acme.put_item().table_name("crm").set_item(Some(item(&contact("acme", contact_id))));
        put.send().await.unwrap();
    }
    // Who writes the table gives one item the other's value.
    let (mut one, other) = (world.stored("acme", "c-1").await, world.stored("acme", "c-2").await);
    one.insert("email".to_owned(), other["email"].clone());
    world.plant(one).await;
    let query = acme.query().table_name("crm").key_condition_expression("tenant_id = :t");
    let found = query.expression_attribute_values(":t", s("acme")).send().await.unwrap().items.unwrap();
    let found = found.into_iter().find(|found| found["contact_id"] == s("c-1")).unwrap();
    let exchanged = item(&contact("acme", "c-2"))["email"].clone();
    assert_eq!(found["email"], exchanged, "the schema says that both are one item");

    let error = seal.check_tables().await.unwrap_err();
    assert_eq!(kinds(&error), [Kind::UndeclaredSortKey { actual: "contact_id".to_owned() }]);
    assert!(error.to_string().starts_with("table `crm`: its sort key `contact_id` is not declared"), "{error}");
    assert!(error.to_string().contains(r#"call `.sort_key("contact_id")`"#) && !error.is_retryable(), "{error}");

    // As the error says: declared, checked, and what is stored is put again.
    let fixed = world.seal();
    fixed.check_tables().await.unwrap();
    let acme = fixed.tenant(&id("acme")).dynamodb();
    acme.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1")))).send().await.unwrap();
    let mut one = world.stored("acme", "c-1").await;
    one.insert("email".to_owned(), other["email"].clone());
    world.plant(one).await;
    acme.get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await.unwrap_err();
}

#[tokio::test]
async fn keys_of_other_names_and_types_are_found() {
    let world = World::start(&[]).await;
    let owned = |name: &str| name.to_owned();
    let schema = TableSchema::builder("crm").partition_key("tenant", "{tenant}").sort_key("contact_id");
    let expected = [Kind::PartitionKey { declared: owned("tenant"), actual: owned("tenant_id") }];
    assert_eq!(faults(&world, schema.encrypt("email")).await, expected);

    let expected = [Kind::SortKey { declared: owned("id"), actual: Some(owned("contact_id")) }];
    assert_eq!(faults(&world, crm().sort_key("id").encrypt("email")).await, expected);

    create(&world, "alone", "tenant_id", ScalarAttributeType::S).await;
    let schema = || TableSchema::builder("alone").partition_key("tenant_id", "{tenant}").encrypt("email");
    let expected = [Kind::SortKey { declared: owned("id"), actual: None }];
    assert_eq!(faults(&world, schema().sort_key("id")).await, expected);
    seal(&world, schema().build().unwrap()).check_tables().await.unwrap();

    create(&world, "numbered", "tenant_id", ScalarAttributeType::N).await;
    let schema = TableSchema::builder("numbered").partition_key("tenant_id", "{tenant}").encrypt("email");
    assert_eq!(faults(&world, schema).await, [Kind::NotAString { attribute: owned("tenant_id") }]);

    world.create_table_with("sorted", ScalarAttributeType::N).await;
    let schema = || TableSchema::builder("sorted").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    seal(&world, schema().encrypt("email").build().unwrap()).check_tables().await.unwrap();
    let told_apart = schema().encrypt("email").discriminator("contact_id", "CONTACT#");
    assert_eq!(faults(&world, told_apart).await, [Kind::NotAString { attribute: owned("contact_id") }]);
}

#[tokio::test]
async fn an_index_and_a_time_to_live_on_what_is_encrypted_are_found() {
    let world = World::start(&[]).await;
    let specification = TimeToLiveSpecification::builder().attribute_name("expires").enabled(true).build().unwrap();
    let update = world.plain.update_time_to_live().table_name("crm").time_to_live_specification(specification);
    update.send().await.unwrap();
    let schema = || crm().sort_key("contact_id").encrypt("email");
    seal(&world, schema().plain("company").plain("expires").build().unwrap()).check_tables().await.unwrap();

    let index = |index: &str| Kind::EncryptedIndexKey { index: index.to_owned(), attribute: "company".to_owned() };
    let found = faults(&world, schema().encrypt("company").plain("expires")).await;
    assert_eq!(found, [index("by-company"), index("by-company-and-tenant")]);
    let found = faults(&world, schema().plain("company").encrypt("expires")).await;
    assert_eq!(found, [Kind::EncryptedTimeToLive { attribute: "expires".to_owned() }]);

    // Encrypted in the items of one record type is encrypted.
    let of_type = |kind: &str, schema: TableSchemaBuilder| schema.plain("kind").discriminator("kind", kind).build();
    let builder = TenantSeal::builder().assume_role(ROLE).table(of_type("a", schema().encrypt("company")).unwrap());
    let builder = builder.table(of_type("b", schema().plain("company")).unwrap());
    let error = builder.build(&world.app).unwrap().check_tables().await.unwrap_err();
    assert_eq!(kinds(&error), [index("by-company"), index("by-company-and-tenant")]);
}

#[tokio::test]
async fn a_vector_index_on_what_is_encrypted_is_found() {
    let world = World::start(&[]).await;
    let wire = Wire::scripted(|sent, _| match sent.operation.as_str() {
        "DescribeTable" => Reaction::Alter(Box::new(|answer| {
            let vectors = r#""VectorIndexes": [{"IndexName": "near", "VectorAttribute": {"AttributeName": "notes"},
                "SearchSchema": [{"AttributeName": "email"}, {"AttributeName": "company"}]}], "TableName""#;
            answer.replacen("\"TableName\"", vectors, 1)
        })),
        _ => Reaction::Forward,
    });
    let error = world.builder().build(&world.over(wire)).unwrap().check_tables().await.unwrap_err();
    let near = |attribute: &str| Kind::EncryptedIndexKey { index: "near".to_owned(), attribute: attribute.to_owned() };
    assert_eq!(kinds(&error), [near("email"), near("notes")]);
}

#[tokio::test]
async fn a_check_asks_for_descriptions_alone_and_by_physical_names() {
    let world = World::start(&[]).await;
    world.create_table("prod-crm").await;
    let wire = Wire::open();
    let builder = world.builder().table_name("crm", "prod-crm");
    builder.build(&world.over(wire.clone())).unwrap().check_tables().await.unwrap();
    let mut asked: Vec<_> = wire.sent().into_iter().map(|sent| sent.operation).collect();
    asked.sort();
    assert_eq!(asked, ["DescribeTable", "DescribeTimeToLive"]);
    assert!(wire.sent().iter().all(|sent| sent.body == br#"{"TableName":"prod-crm"}"#));
    assert_eq!(world.key_calls(), 0);
}

#[tokio::test]
async fn every_fault_of_every_table_is_told_at_once() {
    let world = World::start(&[]).await;
    let missing = TableSchema::builder("missing").partition_key("tenant_id", "{tenant}").encrypt("email");
    let builder = TenantSeal::builder().assume_role(ROLE).table(missing.build().unwrap());
    let builder = builder.table(crm().encrypt("company").build().unwrap());
    let error = builder.build(&world.app).unwrap().check_tables().await.unwrap_err();
    let found: Vec<_> = error.faults().iter().map(tenantseal::error::TableFault::table).collect();
    assert_eq!(found, ["crm", "crm", "crm", "missing"]);
    assert_eq!(kinds(&error)[3], Kind::NotFound);
    assert_eq!(error.to_string().matches("table `").count(), 4, "{error}");
}

#[tokio::test]
async fn a_table_that_could_not_be_asked_for_is_not_found_well() {
    let world = World::start(&[]).await;
    for (operation, code, passes) in [
        ("DescribeTable", "AccessDeniedException", false),
        ("DescribeTimeToLive", "AccessDeniedException", false),
        ("DescribeTimeToLive", "ThrottlingException", true),
    ] {
        let wire = Wire::scripted(move |sent, _| match sent.operation == operation {
            true => Reaction::Answer(400, format!(r#"{{"__type": "x#{code}", "message": "no"}}"#)),
            false => Reaction::Forward,
        });
        let error = world.builder().build(&world.over(wire)).unwrap().check_tables().await.unwrap_err();
        assert_eq!((error.faults().len(), error.is_retryable()), (1, passes), "{error}");
        assert!(error.to_string().contains(&format!("{code}: no")), "{error}");
        assert!(error.to_string().contains(&format!("allow `dynamodb:{operation}`")), "{error}");
    }
}

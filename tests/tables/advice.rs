//! What errors about tables advise is done to the letter, and then all is well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate,
    KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use tenantseal::keys::{DynamoDbKeyTable, KeyTable};
use tenantseal::schema::{TableSchema, TableSchemaBuilder};
use tenantseal::{Item, TenantSeal};
use tenantseal_tenants::{DynamoDbRegistry, Registry};

use crate::common::key_table::RECOVERABLE;
use crate::common::wire::{Reaction, Wire};
use crate::common::{ROLE, World, contact, id, item, key, s};

/// Waits between two questions take no time.
#[derive(Debug, Clone)]
struct Hurry;

impl AsyncSleep for Hurry {
    fn sleep(&self, duration: Duration) -> Sleep {
        match duration >= Duration::from_secs(3) {
            true => Sleep::new(tokio::time::sleep(duration)),
            false => Sleep::new(tokio::task::yield_now()),
        }
    }
}

/// `RegistryError::NotReady` and what the key table says in its place: `run it again`, `try again later`.
#[tokio::test]
async fn a_table_that_came_late_is_there_when_it_is_run_again_as_the_error_says() {
    for late in ["DescribeTable", "UpdateContinuousBackups"] {
        let world = World::start(&[]).await;
        let is_ready = Arc::new(AtomicBool::new(false));
        let ready = Arc::clone(&is_ready);
        let wire = Wire::scripted(move |sent, _| {
            let waits = sent.operation == late && !ready.load(Ordering::SeqCst);
            match sent.operation.as_str() {
                "DescribeTable" if waits => {
                    Reaction::Alter(Box::new(|answer| answer.replace("\"ACTIVE\"", "\"CREATING\"")))
                }
                "UpdateContinuousBackups" if waits => {
                    let code = r#"{"__type": "x#ContinuousBackupsUnavailableException", "message": "no"}"#;
                    Reaction::Answer(400, code.to_owned())
                }
                operation if operation.ends_with("ContinuousBackups") => Reaction::Answer(200, RECOVERABLE.to_owned()),
                _ => Reaction::Forward,
            }
        });
        let config = world.over(wire).into_builder().sleep_impl(Hurry).build();
        let registry = DynamoDbRegistry::new(&config, "registry");
        let prepare = || async {
            registry.create_table().await?;
            registry.enable_recovery().await
        };
        let keys = DynamoDbKeyTable::new(&config, "keys");
        let prepare_keys = || async {
            keys.create_table().await?;
            keys.enable_recovery().await
        };
        let told = prepare().await.unwrap_err();
        assert!(told.is_retryable() && told.to_string().ends_with("after 300 s; run it again"), "{told}");
        let told = prepare_keys().await.unwrap_err();
        assert!(told.is_retryable() && told.to_string().ends_with("try again later"), "{told}");

        is_ready.store(true, Ordering::SeqCst);
        prepare().await.unwrap();
        prepare_keys().await.unwrap();
        assert_eq!(registry.get(&id("acme")).await.unwrap(), None);
        keys.check().await.unwrap();
    }
}

fn crm() -> TableSchemaBuilder {
    TableSchema::builder("crm").partition_key("tenant_id", "{tenant}")
}

fn seal(world: &World, schema: TableSchemaBuilder) -> TenantSeal {
    TenantSeal::builder().assume_role(ROLE).table(schema.build().unwrap()).build(&world.app).unwrap()
}

async fn told(seal: &TenantSeal) -> String {
    seal.check_tables().await.unwrap_err().to_string()
}

async fn put(seal: &TenantSeal, item: Item) {
    seal.tenant(&id("acme")).dynamodb().put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
}

/// The item as a service with this schema reads it, if it can.
async fn read(seal: &TenantSeal, contact: &str) -> Option<Item> {
    let request = seal.tenant(&id("acme")).dynamodb().get_item().table_name("crm");
    request.set_key(Some(key("acme", contact))).send().await.ok()?.item
}

/// What is stored was sealed by one schema; it is read with that one, and put again with the other.
async fn put_again(former: &TenantSeal, new: &TenantSeal, expected: &Item) {
    assert_ne!(read(new, "c-1").await.as_ref(), Some(expected), "the advice to put it again would not be needed");
    let scan = former.tenant(&id("acme")).dynamodb().scan().table_name("crm").send().await;
    let found = scan.expect("the former schema reads it").items.unwrap();
    assert_eq!(found, std::slice::from_ref(expected));
    put(new, found[0].clone()).await;
    assert_eq!(read(new, "c-1").await.as_ref(), Some(expected));
}

const AGAIN: &str = "scan them with it, then put them again with the new one";

#[tokio::test]
async fn a_table_that_is_missing_is_created_or_named_as_the_error_says() {
    let world = World::start(&["acme"]).await;
    let schema = || TableSchema::builder("contacts").partition_key("tenant_id", "{tenant}").encrypt("email");
    let text = told(&seal(&world, schema())).await;
    assert!(text.ends_with("create it, or name the right one with `table_name`"), "{text}");
    let named = TenantSeal::builder().assume_role(ROLE).table_name("contacts", "crm");
    let named = named.table(schema().sort_key("contact_id").build().unwrap());
    named.build(&world.app).unwrap().check_tables().await.unwrap();
    world.create_table("contacts").await;
    seal(&world, schema().sort_key("contact_id")).check_tables().await.unwrap();
}

#[tokio::test]
async fn a_sort_key_is_declared_and_what_is_stored_put_again_as_the_error_says() {
    let world = World::start(&["acme"]).await;
    let declared = || crm().sort_key("contact_id").plain("id").plain("tenant").encrypt("email");
    let right = seal(&world, declared());
    let item: Item =
        [("tenant_id", "acme"), ("contact_id", "c-1"), ("id", "1"), ("tenant", "acme"), ("email", "ada@example.org")]
            .map(|(name, value)| (name.to_owned(), s(value)))
            .into();
    let partition = TableSchema::builder("crm").partition_key("tenant", "{tenant}").sort_key("contact_id");
    let partition = partition.plain("tenant_id").plain("id");
    for (wrong, says) in [
        (crm().plain("contact_id").plain("id").plain("tenant").encrypt("email"), "call `.sort_key(\"contact_id\")`"),
        (
            crm().sort_key("id").plain("contact_id").plain("tenant").encrypt("email"),
            "its sort key is `contact_id`, not `id`: declare that one",
        ),
        (partition.encrypt("email"), "its partition key is `tenant_id`, not `tenant`: declare that one"),
    ] {
        let wrong = seal(&world, wrong);
        let text = told(&wrong).await;
        assert!(text.contains(says), "{text}");
        right.check_tables().await.unwrap();
        put(&wrong, item.clone()).await;
        assert!(text.contains(AGAIN), "{text}");
        put_again(&wrong, &right, &item).await;
    }
}

#[tokio::test]
async fn a_sort_key_that_the_table_lacks_is_removed_as_the_error_says() {
    let world = World::start(&["acme"]).await;
    let key = KeySchemaElement::builder().attribute_name("tenant_id").key_type(KeyType::Hash).build().unwrap();
    let kind = AttributeDefinition::builder().attribute_name("tenant_id").attribute_type(ScalarAttributeType::S);
    let create = world.plain.create_table().table_name("alone").key_schema(key);
    let create = create.attribute_definitions(kind.build().unwrap()).billing_mode(BillingMode::PayPerRequest);
    create.send().await.unwrap();
    let schema = || TableSchema::builder("alone").partition_key("tenant_id", "{tenant}").encrypt("email");
    let text = told(&seal(&world, schema().sort_key("id"))).await;
    assert!(text.contains("it has no sort key: do not declare `id` as one"), "{text}");
    seal(&world, schema()).check_tables().await.unwrap();
}

/// A key that is no string: another table takes its place.
#[tokio::test]
async fn a_table_whose_key_is_a_number_is_replaced_as_the_error_says() {
    let world = World::start(&[]).await;
    world.create_table_with("numbers", ScalarAttributeType::N).await;
    let schema = |table: &str| {
        let schema = TableSchema::builder(table).partition_key("tenant_id", "{tenant}").sort_key("contact_id");
        schema.encrypt("email").discriminator("contact_id", "CONTACT#")
    };
    let text = told(&seal(&world, schema("numbers"))).await;
    assert!(text.ends_with("create another table"), "{text}");
    world.create_table("strings").await;
    seal(&world, schema("strings")).check_tables().await.unwrap();
}

#[tokio::test]
async fn an_index_on_what_is_encrypted_is_deleted_or_read_as_the_error_says() {
    let schema = || crm().sort_key("contact_id").encrypt("email").encrypt("notes").encrypt("api_keys");
    let expected = item(&contact("acme", "c-1"));
    // Stored as it is.
    let world = World::start(&["acme"]).await;
    let (wrong, plain) = (seal(&world, schema().encrypt("company")), seal(&world, schema().plain("company")));
    let text = told(&wrong).await;
    assert!(text.contains("delete the index, or declare the attribute `plain`"), "{text}");
    plain.check_tables().await.unwrap();
    put(&plain, expected.clone()).await;
    let query = plain.tenant(&id("acme")).dynamodb().query().table_name("crm").index_name("by-company-and-tenant");
    let query = query.key_condition_expression("company = :c AND tenant_id = :t");
    let query = query.expression_attribute_values(":c", expected["company"].clone());
    let found = query.expression_attribute_values(":t", s("acme")).send().await.unwrap().items.unwrap();
    assert_eq!(found, std::slice::from_ref(&expected));

    // Without the index.
    let world = World::start(&["acme"]).await;
    for index in ["by-company", "by-company-and-tenant"] {
        let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(index).build().unwrap();
        let update = GlobalSecondaryIndexUpdate::builder().delete(delete).build();
        world.plain.update_table().table_name("crm").global_secondary_index_updates(update).send().await.unwrap();
    }
    let wrong = seal(&world, schema().encrypt("company"));
    wrong.check_tables().await.unwrap();
    put(&wrong, expected.clone()).await;
    assert_eq!(read(&wrong, "c-1").await, Some(expected.clone()));

    // What was sealed before is put again for the index to find it.
    let plain = seal(&world, schema().plain("company"));
    put_again(&wrong, &plain, &expected).await;
    assert!(text.contains(AGAIN), "{text}");
}

#[tokio::test]
async fn a_ttl_on_an_encrypted_attribute_is_read_or_replaced_as_the_error_says() {
    let world = World::start(&["acme"]).await;
    let time_to_live = async |attribute: &str, enabled: bool| {
        let specification = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(enabled).build();
        let update = world.plain.update_time_to_live().table_name("crm");
        update.time_to_live_specification(specification.unwrap()).send().await.unwrap();
    };
    time_to_live("expires", true).await;
    let schema = || crm().sort_key("contact_id").encrypt("email").plain("company");
    let wrong = seal(&world, schema().encrypt("expires"));
    let plain = seal(&world, schema().plain("expires"));
    let text = told(&wrong).await;
    assert!(text.contains("declare it `plain`, or choose another TTL attribute"), "{text}");
    plain.check_tables().await.unwrap();
    let mut expected: Item = [("tenant_id", "acme"), ("contact_id", "c-1"), ("email", "ada@example.org")]
        .map(|(name, value)| (name.to_owned(), s(value)))
        .into();
    expected.insert("expires".to_owned(), AttributeValue::N("4102444800".to_owned()));
    put(&wrong, expected.clone()).await;
    put_again(&wrong, &plain, &expected).await;
    assert_eq!(world.stored("acme", "c-1").await["expires"], expected["expires"], "DynamoDB sees the time");
    assert!(text.contains(AGAIN), "{text}");

    time_to_live("expires", false).await;
    time_to_live("ends", true).await;
    seal(&world, schema().encrypt("expires").plain("ends")).check_tables().await.unwrap();
}

/// Of a table that could not be asked for: the permission that the error names is the one that was missing.
#[tokio::test]
async fn what_a_check_may_not_ask_is_allowed_as_the_error_says() {
    let world = World::start(&[]).await;
    let allowed = Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    let granted = Arc::clone(&allowed);
    let wire = Wire::scripted(move |sent, _| {
        match granted.lock().unwrap().iter().any(|action| *action == format!("dynamodb:{}", sent.operation)) {
            true => Reaction::Forward,
            false => Reaction::Answer(400, r#"{"__type": "x#AccessDeniedException", "message": "no"}"#.to_owned()),
        }
    });
    let schema = crm().sort_key("contact_id").encrypt("email").build().unwrap();
    let seal = TenantSeal::builder().assume_role(ROLE).table(schema).build(&world.over(wire)).unwrap();
    let text = told(&seal).await;
    let named: Vec<_> = text.split("allow `").skip(1).map(|rest| rest.split('`').next().unwrap().to_owned()).collect();
    assert_eq!(named.len(), 2, "{text}");
    *allowed.lock().unwrap() = named;
    seal.check_tables().await.unwrap();
}

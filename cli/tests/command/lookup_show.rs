//! `lookup show`: what a reader of a table sees of its lookups, and what somebody else may have written there.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate,
    KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use serde_json::{Value, json};
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::schema::{Form, Lookup, TableSchema};
use tenantseal::{TenantId, TenantSeal};

use crate::world::{ROLE, World};

pub(crate) const KEYS: &str = "keys";

/// A process whose table has a lookup of the e-mail address.
pub(crate) fn seal(world: &World) -> TenantSeal {
    let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let schema = schema.encrypt("email").lookup(Lookup::on("email", Form::EMAIL).index("by-email")).build().unwrap();
    let keys = DynamoDbKeyTable::new(&world.operator, KEYS).danger_without_recovery();
    TenantSeal::builder().assume_role(ROLE).table(schema).key_table(keys).build(&world.service).unwrap()
}

pub(crate) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) async fn put(seal: &TenantSeal, tenant: &str, contact: &str, email: Option<&str>) {
    let mut item: HashMap<_, _> =
        [("tenant_id", tenant), ("contact_id", contact)].map(|(name, value)| (name.to_owned(), s(value))).into();
    item.extend(email.map(|email| ("email".to_owned(), s(email))));
    let db = seal.tenant(&TenantId::parse(tenant).unwrap()).dynamodb();
    db.put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
}

async fn add_index(client: &Client, name: &str, projection: ProjectionType) {
    let attribute = AttributeDefinition::builder().attribute_name("_seal_by_email");
    let key = KeySchemaElement::builder().attribute_name("_seal_by_email").key_type(KeyType::Hash).build().unwrap();
    let index = CreateGlobalSecondaryIndexAction::builder().index_name(name).key_schema(key);
    let index = index.projection(Projection::builder().projection_type(projection).build()).build().unwrap();
    let update = client.update_table().table_name("crm");
    let update = update.attribute_definitions(attribute.attribute_type(ScalarAttributeType::S).build().unwrap());
    let create = GlobalSecondaryIndexUpdate::builder().create(index).build();
    update.global_secondary_index_updates(create).send().await.unwrap();
}

/// A table with equal addresses, an item without one, and a token that somebody made up.
async fn world() -> World {
    let world = World::start().await;
    world.create_crm_table().await;
    DynamoDbKeyTable::new(&world.operator, KEYS).danger_without_recovery().create_table().await.unwrap();
    let client = Client::new(&world.operator);
    add_index(&client, "by-email", ProjectionType::All).await;
    add_index(&client, "email-keys", ProjectionType::KeysOnly).await;
    let seal = seal(&world);
    for (contact, email) in
        [("c-1", Some("ada@x.org")), ("c-2", Some("Ada@x.org")), ("c-3", Some("eve@x.org")), ("c-4", None)]
    {
        put(&seal, "acme", contact, email).await;
    }
    put(&seal, "globex", "g-1", Some("ada@x.org")).await;
    plant(&world, "globex", "g-2", "_seal_by_email", s("acme.somebody-else")).await;
    world
}

async fn plant(world: &World, tenant: &str, contact: &str, name: &str, value: AttributeValue) {
    let put = Client::new(&world.operator).put_item().table_name("crm").item("tenant_id", s(tenant));
    put.item("contact_id", s(contact)).item(name, value).send().await.unwrap();
}

const SHOW: [&str; 6] = ["lookup", "show", "--table", "crm", "--profile", "operator"];

async fn shown(world: &World, further: &[&str]) -> Value {
    let output = world.run(&[&SHOW[..], &["--json"], further].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_guide_shows_what_readers_of_a_table_see_of_its_lookups() {
    let world = world().await;
    let calls = world.stack.calls().count("Decrypt");
    let shown = shown(&world, &[]).await;
    let [acme, globex] = &shown["lookups"].as_array().unwrap()[..] else { panic!("{shown}") };
    let mark = |seen: &Value| seen["marks"].as_object().unwrap().keys().next().unwrap().clone();
    let expected = json!({ "tenant": "acme", "lookup": "email", "items": 3, "without": 1, "distinct": 2, "largest": 2,
        "marks": { mark(acme): 3 }, "foreign": 0 });
    assert_eq!(acme, &expected);
    assert_eq!(
        (&globex["items"], &globex["foreign"], &globex["marks"][mark(globex)]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!((&shown["items"], &shown["complete"]), (&6.into(), &true.into()));

    let output = world.run(&SHOW).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let text = text.replace(&format!("  {}\n", mark(acme)), "  _E\n").replace(&format!("  {},", mark(globex)), "  rW,");
    assert!(include_str!("../../../docs/COMMAND.md").contains(text.trim_end()), "{text}");
    assert_eq!(world.stack.calls().count("Decrypt"), calls, "no key is needed");
}

#[tokio::test]
async fn what_strangers_wrote_is_counted_and_no_terminal_obeys_it() {
    let world = world().await;
    plant(&world, "acme", "c-9", "_seal_by_\u{1b}[2J", s("acme.\u{1b}]0;x\u{7}")).await;
    plant(&world, "acme", "c-8", "_seal_by_tags", AttributeValue::Ss(vec!["acme.abx".into(), "acme.aby".into()])).await;
    plant(&world, "acme", "c-7", "_seal_by_tags", AttributeValue::N("1".into())).await;
    plant(&world, "acme", "c-6", "_seal_by_tags", s("acme.é")).await;
    plant(&world, "no/tenant", "x", "_seal_by_email", s("acme.abc")).await;
    let output = world.run(&SHOW).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !text.contains('\u{1b}'), "{text:?}");
    assert!(text.contains("\\u{1b}[2J") && text.contains("1 items show no tenant in their partition key"), "{text}");
    let shown = shown(&world, &[]).await;
    let tags = shown["lookups"].as_array().unwrap().iter().find(|seen| seen["lookup"] == "tags").unwrap();
    let expected = json!({ "tenant": "acme", "lookup": "tags", "items": 3, "without": 5, "distinct": 2, "largest": 1,
        "marks": { "ab": 1 }, "foreign": 2 });
    assert_eq!(tags, &expected);
}

#[tokio::test]
async fn a_sample_says_that_it_is_one_and_a_missing_table_is_named() {
    let world = world().await;
    let sample = shown(&world, &["--sample", "2"]).await;
    assert_eq!((&sample["items"], &sample["complete"]), (&2.into(), &false.into()));
    let output = world.run(&["lookup", "show", "--table", "nowhere", "--profile", "operator"]).await;
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    let output = world.run(&[&SHOW[..], &["--partition-key", "tenant"]].concat()).await;
    assert_eq!(output.status.code(), Some(2));
}

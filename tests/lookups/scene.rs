//! A table of contacts that are found by e-mail address, telephone number, name and tags.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use tenantseal::schema::{Form, Lookup, TableSchema, TableSchemaBuilder};
use tenantseal::{Item, Tenant, TenantSeal, TenantSealBuilder};

use crate::common::key_table::key_table;
use crate::common::{ROLE, World, id, s};

/// The table.
pub(crate) const TABLE: &str = "people";
const STORED: &str = "_seal_by_";

/// The stack with the table, a key table, and these tenants.
pub(crate) async fn world(tenants: &[&str]) -> World {
    let world = World::with_key_table(tenants).await;
    create(&world.plain, TABLE).await;
    world
}

/// Attributes of the table, without lookups.
pub(crate) fn attributes() -> TableSchemaBuilder {
    let schema = TableSchema::builder(TABLE).partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let schema = ["status", "logins"].into_iter().fold(schema, TableSchemaBuilder::plain);
    ["email", "phone", "last_name", "born", "tags", "notes"].into_iter().fold(schema, TableSchemaBuilder::encrypt)
}

pub(crate) fn schema() -> TableSchema {
    attributes()
        .lookup(Lookup::on("email", Form::EMAIL).index("by-email"))
        .lookup(Lookup::on("phone", Form::DIGITS).tenant_index("by-phone"))
        .lookup(Lookup::on("last_name", Form::ALPHANUMERIC).bits(6))
        .lookup(Lookup::on("last_name", Form::ALPHANUMERIC).prefix(2).bits(4).index("by-name-2"))
        .lookup(Lookup::on("last_name", Form::ALPHANUMERIC).prefix(4).bits(8).index("by-name-4"))
        .lookup(
            Lookup::all_of([("last_name", Form::ALPHANUMERIC), ("born", Form::EXACT)])
                .named("person")
                .index("by-person"),
        )
        .lookup(Lookup::on("tags", Form::EXACT).each().bits(12))
        .build()
        .unwrap()
}

pub(crate) fn builder(world: &World, schema: TableSchema) -> TenantSealBuilder {
    TenantSeal::builder().assume_role(ROLE).table(schema).key_table(key_table(&world.app))
}

pub(crate) fn tenant(world: &World, tenant: &str) -> Tenant {
    builder(world, schema()).build(&world.app).unwrap().tenant(&id(tenant))
}

/// The key attributes of a contact.
pub(crate) fn key(tenant: &str, contact: &str) -> Item {
    item([("tenant_id", s(tenant)), ("contact_id", s(contact))])
}

/// A contact with these attributes.
pub(crate) fn contact<const N: usize>(tenant: &str, contact: &str, attributes: [(&str, AttributeValue); N]) -> Item {
    let mut all = key(tenant, contact);
    all.extend(item(attributes));
    all
}

pub(crate) fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

pub(crate) fn null() -> AttributeValue {
    AttributeValue::Null(true)
}

pub(crate) fn set(members: &[&str]) -> AttributeValue {
    AttributeValue::Ss(members.iter().map(|member| (*member).to_owned()).collect())
}

pub(crate) async fn put(client: &Client, item: Item) {
    client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
}

/// What DynamoDB really stores.
pub(crate) async fn stored(world: &World, tenant: &str, contact: &str) -> Item {
    let request = world.plain.get_item().table_name(TABLE).set_key(Some(key(tenant, contact)));
    request.send().await.unwrap().item.unwrap_or_default()
}

/// The tokens of a stored item, by the names of their lookups.
pub(crate) fn tokens(item: &Item) -> BTreeMap<String, Vec<String>> {
    let token = |(name, value): (&String, &AttributeValue)| {
        let name = name.strip_prefix(STORED)?.to_owned();
        let mut tokens = match value {
            AttributeValue::S(token) => vec![token.clone()],
            AttributeValue::Ss(tokens) => tokens.clone(),
            other => panic!("{other:?} is no token"),
        };
        tokens.sort();
        Some((name, tokens))
    };
    item.iter().filter_map(token).collect()
}

/// Checks that the stored tokens are those of what the item opens to.
pub(crate) async fn assert_right(tenant: &Tenant, stored: &Item) {
    let opened = tenant.open(TABLE, stored.clone()).await.unwrap();
    assert!(opened.keys().all(|name| !name.starts_with(STORED)), "{opened:?}");
    let sealed = tenant.seal(TABLE, opened.clone()).await.unwrap();
    assert_eq!(tokens(stored), tokens(&sealed), "{opened:?}");
}

/// An index of all attributes, and its keys: the partition key, then the sort key.
pub(crate) type Index = (&'static str, &'static [&'static str]);

const INDEXES: [Index; 6] = [
    ("by-email", &["_seal_by_email"]),
    ("by-email-and-status", &["_seal_by_email", "status"]),
    ("by-phone", &["tenant_id", "_seal_by_phone"]),
    ("by-name-2", &["_seal_by_last_name_2"]),
    ("by-name-4", &["_seal_by_last_name_4"]),
    ("by-person", &["_seal_by_person"]),
];

/// Creates the table with its indexes, and one that does not project what its lookup compares.
pub(crate) async fn create(plain: &Client, name: &str) {
    create_with(plain, name, &INDEXES).await;
    let alone = CreateGlobalSecondaryIndexAction::builder().index_name("by-email-alone");
    let projection = Projection::builder().projection_type(ProjectionType::Include);
    let projection = projection.non_key_attributes("_seal").non_key_attributes("status").build();
    let alone = alone.key_schema(key_of("_seal_by_email", KeyType::Hash)).projection(projection).build().unwrap();
    let update = plain.update_table().table_name(name).attribute_definitions(attribute("_seal_by_email"));
    let alone = GlobalSecondaryIndexUpdate::builder().create(alone).build();
    update.global_secondary_index_updates(alone).send().await.unwrap();
}

/// Creates the table with these indexes.
pub(crate) async fn create_with(plain: &Client, name: &str, indexes: &[Index]) {
    let mut table = plain.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    let mut names: Vec<_> = indexes.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
    names.extend(["tenant_id", "contact_id"]);
    names.sort_unstable();
    names.dedup();
    for name in names {
        table = table.attribute_definitions(attribute(name));
    }
    let kinds = || [KeyType::Hash, KeyType::Range].into_iter();
    for (index, keys) in indexes {
        let keys = keys.iter().zip(kinds()).map(|(name, kind)| key_of(name, kind)).collect();
        let all = Projection::builder().projection_type(ProjectionType::All).build();
        let index = GlobalSecondaryIndex::builder().index_name(*index).projection(all).set_key_schema(Some(keys));
        table = table.global_secondary_indexes(index.build().unwrap());
    }
    let keys = ["tenant_id", "contact_id"].into_iter().zip(kinds()).map(|(name, kind)| key_of(name, kind)).collect();
    table.set_key_schema(Some(keys)).send().await.unwrap();
}

pub(crate) fn attribute(name: &str) -> AttributeDefinition {
    let attribute = AttributeDefinition::builder().attribute_name(name);
    attribute.attribute_type(ScalarAttributeType::S).build().unwrap()
}

pub(crate) fn key_of(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

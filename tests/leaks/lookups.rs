//! Canaries in what lookups find: no request shows a value that only a lookup uses, and no refusal shows one.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, Select,
};
use serde::{Deserialize, Serialize};
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::records::{any_of, begins};
use tenantseal::schema::{Form, Lookup, TableSchema};
use tenantseal::{Item, Record, Tenant, TenantSeal};

use crate::common::key_table::{KEY_TABLE, b};
use crate::common::wire::Reaction;
use crate::common::{ROLE, id, s};
use crate::scene::{Scene, service_error};

#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "people", lookup(name = "person", part(email), part(phone), index = "by-person"))]
struct Sought {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(
        encrypt,
        lookup(email, index = "by-email"),
        lookup(email, prefix = 3, bits = 12, index = "by-email-3"),
        lookup(alphanumeric, bits = 12, name = "account"),
        lookup(alphanumeric, bits = 12, name = "account_2")
    )]
    email: String,
    #[seal(encrypt, lookup(name = "old", building))]
    phone: String,
    #[seal(encrypt, lookup(name = "older", retired))]
    notes: String,
}

const INDEXES: [&str; 3] = ["email", "email_3", "person"];

/// `acme`, whose people are found by what they encrypt.
async fn acme(scene: &Scene) -> Tenant {
    let attribute = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        attribute.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let table = scene.world.plain.create_table().table_name("people").billing_mode(BillingMode::PayPerRequest);
    let table = table.key_schema(key("tenant_id", KeyType::Hash)).key_schema(key("contact_id", KeyType::Range));
    let mut table = table.attribute_definitions(attribute("tenant_id")).attribute_definitions(attribute("contact_id"));
    for name in INDEXES {
        let stored = format!("_seal_by_{name}");
        let index = GlobalSecondaryIndex::builder().index_name(format!("by-{}", name.replace('_', "-")));
        let index = index.projection(Projection::builder().projection_type(ProjectionType::All).build());
        table = table.attribute_definitions(attribute(&stored));
        table = table.global_secondary_indexes(index.key_schema(key(&stored, KeyType::Hash)).build().unwrap());
    }
    let alone = GlobalSecondaryIndex::builder().index_name("by-email-alone");
    let alone = alone.projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    let alone = alone.key_schema(key("_seal_by_email", KeyType::Hash)).build().unwrap();
    table.global_secondary_indexes(alone).send().await.unwrap();
    seal(scene).tenant(&id("acme"))
}

/// A process that knows people.
fn seal(scene: &Scene) -> TenantSeal {
    let key_table = DynamoDbKeyTable::new(&scene.app, KEY_TABLE);
    let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table).record::<Sought>();
    builder.build(&scene.app).unwrap()
}

fn person(scene: &Scene, contact_id: &str) -> Sought {
    let [text, digits] = scene.canaries.clone();
    let (tenant_id, contact_id) = ("acme".to_owned(), contact_id.to_owned());
    Sought { tenant_id, contact_id, email: text.clone(), phone: digits, notes: text }
}

#[tokio::test]
async fn no_value_that_only_a_lookup_uses_is_sent_or_logged() {
    let mut scene = Scene::set().await;
    scene.create_key_table().await;
    let acme = acme(&scene).await;
    let people = acme.records::<Sought>();
    let [text, digits] = scene.canaries.clone();
    people.put(&person(&scene, "p-1")).await.unwrap();
    people.update("p-2").set("email", &text).set("phone", &digits).set("notes", "n").upsert().await.unwrap();
    assert_eq!(people.find_by("email", &text).limit(9).all().await.unwrap().len(), 2);
    assert_eq!(people.find_by("email", begins(&text)).all().await.unwrap().len(), 2);
    assert_eq!(people.find_by("person", any_of([(&text, &digits)])).all().await.unwrap().len(), 2);
    assert_eq!(people.find_by("email", &text).count().await.unwrap(), 2);
    let page = people.find_by("email", &text).limit(1).page(None).await.unwrap();
    scene.shows("a page", format!("{page:?} {:?} {}", page.next, page.next.as_ref().unwrap()));
    assert_eq!(people.find_by("email", &text).page(page.next.as_ref()).await.unwrap().records.len(), 1);
    let found = acme.dynamodb().scan().table_name("people").filter_expression("#e IN (:a, :b) AND begins_with(#e, :a)");
    let found = found.expression_attribute_names("#e", "email").expression_attribute_values(":b", s(&digits));
    assert_eq!(found.expression_attribute_values(":a", s(&text)).send().await.unwrap().count(), 2);
    let is_there = || tenantseal::records::attribute("email").equals(&text);
    people.update("p-1").set("email", &text).set("phone", &digits).condition(is_there()).await.unwrap();
    people.delete("p-2").condition(is_there()).await.unwrap();
    acme.transact_write().with(people.check("p-1", is_there())).await.unwrap();
    acme.token("people", "email", &text).await.unwrap();
    for (status, code) in [(400, "ValidationException"), (500, "InternalServerError")] {
        scene.react("Query", move || Reaction::Answer(status, service_error(code)));
        scene.fails(&format!("find_by: {code}"), people.find_by("email", &text).one().await);
        scene.react("Query", || Reaction::Break);
        scene.fails("find_by: no answer", people.find_by("email", begins(&text)).all().await);
        scene.behave();
    }
    scene.world.stack.faults().on("Decrypt").fail("AccessDeniedException", 400);
    let cold = seal(&scene).tenant(&id("acme"));
    scene.fails("find_by: without a key", cold.records::<Sought>().find_by("email", &text).one().await);
    scene.fails("token: without a key", cold.token("people", "email", &text).await);
    scene.behave();
    let find = people.find_by("person", any_of([(&text, &digits)]));
    scene.shows("find_by", format!("{find:?} {:?} {:?}", begins(&text), any_of([&text])));
    scene.assert_unseen();
}

/// Brings about each refusal and error of lookups, with a canary in what is refused.
pub(crate) async fn refuse(scene: &mut Scene) {
    scene.create_key_table().await;
    let acme = acme(scene).await;
    let (db, people) = (acme.dynamodb(), acme.records::<Sought>());
    let [text, digits] = scene.canaries.clone();
    people.put(&person(scene, "p-1")).await.unwrap();
    let scan = |filter: &str| {
        let request = db.scan().table_name("people").filter_expression(filter);
        request.expression_attribute_values(":v", s(&text))
    };
    // Refusal
    scene.fails("shared value", scan("email = :v AND contact_id = :v").send().await);
    let count = scan("begins_with(email, :v)").select(Select::Count);
    scene.fails("count", count.send().await);
    scene.fails("unknown lookup", people.find_by("unknown", &text).one().await);
    scene.fails("lookup without an index", people.find_by("account", &text).one().await);
    let several = people.find_by("email", any_of([&text, &digits]));
    scene.fails("page of several values", several.page(None).await);
    let page = people.find_by("email", &text).page(Some(&text.as_str().into())).await;
    scene.fails("a page token that is none", page);
    scene.fails("tuple", people.find_by("person", &text).one().await);
    scene.fails("nothing to look up in a value", acme.token("people", "email", " ").await);
    // ExpressionError
    scene.fails("operation", scan("email > :v").send().await);
    scene.fails("building", scan("phone = :v").send().await);
    scene.fails("retired", scan("notes = :v").send().await);
    scene.fails("filter", scan("NOT email = :v").send().await);
    let delete = db.delete_item().table_name("people").set_key(Some(key()));
    let delete = delete.condition_expression("begins_with(email, :v)").expression_attribute_values(":v", s(&text));
    scene.fails("condition", delete.send().await);
    let query = |index: &str, condition: &str| {
        let request = db.query().table_name("people").index_name(index).key_condition_expression(condition);
        request.expression_attribute_values(":v", s(&text))
    };
    scene.fails("key", query("by-person", "email = :v").send().await);
    scene.fails("ambiguous", query("by-nothing", "email = :v").send().await);
    let nothing = scan("email = :v AND email = :n").expression_attribute_values(":n", s(""));
    scene.fails("nothing", nothing.send().await);
    let number = scan("email = :v AND email = :n").expression_attribute_values(":n", AttributeValue::N(digits));
    scene.fails("type", number.send().await);
    let update = db.update_item().table_name("people").set_key(Some(key())).update_expression("SET phone = :v");
    scene.fails("parts", update.expression_attribute_values(":v", s(&text)).send().await);
    // OpenError, SealError, Error
    scene.fails("an index that lacks the attribute", query("by-email-alone", "email = :v").send().await);
    let list = AttributeValue::L(vec![s(&text)]);
    let put = db.put_item().table_name("people").set_item(Some(key())).item("email", list);
    scene.fails("a value that the form does not take", put.send().await);
    people.put(&person(scene, "p-2")).await.unwrap();
    scene.fails("several", people.find_by("email", &text).one().await);
    let keyed = query("by-email", "email = :v").filter_expression("email = :v");
    scene.fails("a filter on the key of the index", keyed.send().await);
    varies(scene).await;
}

/// Brings about errors of lookup keys that the key table shows.
pub(crate) async fn refuse_keys(scene: &mut Scene) {
    let acme = acme(scene).await;
    let [text, _] = scene.canaries.clone();
    acme.token("people", "email", &text).await.unwrap();
    let redefined = TableSchema::builder("people").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let redefined = redefined.encrypt("email").lookup(Lookup::on("email", Form::EXACT)).build().unwrap();
    let with_keys = || {
        let key_table = DynamoDbKeyTable::new(&scene.app, KEY_TABLE);
        TenantSeal::builder().assume_role(ROLE).key_table(key_table)
    };
    let redefined = with_keys().table(redefined).build(&scene.app).unwrap().tenant(&id("acme"));
    let none = with_keys().record::<Sought>().makes_no_lookup_keys().build(&scene.app).unwrap().tenant(&id("globex"));
    scene.fails("a lookup is redefined", redefined.token("people", "email", &text).await);
    scene.fails("there is no lookup key", none.token("people", "email", &text).await);
    for (tenant, entry, _) in scene.world.entries("lookup#").await {
        scene.world.plant_entry(&tenant, &entry, b(b"forged")).await;
    }
    scene.fails("a forged lookup key", seal(scene).tenant(&id("acme")).token("people", "email", &text).await);
}

/// A table of which only some records have the lookup.
async fn varies(scene: &mut Scene) {
    let [text, _] = scene.canaries.clone();
    let schema = |value: &str, lookup: bool| {
        let schema = TableSchema::builder("people").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
        let schema = schema.plain("kind").discriminator("kind", value).encrypt("email");
        let exact = Lookup::on("email", Form::EXACT).named("exact");
        if lookup { schema.lookup(exact).build() } else { schema.build() }.unwrap()
    };
    let key_table = DynamoDbKeyTable::new(&scene.app, KEY_TABLE);
    let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table);
    let seal = builder.table(schema("person", true)).table(schema("firm", false)).build(&scene.app).unwrap();
    let acme = seal.tenant(&id("acme"));
    let scan = acme.dynamodb().scan().table_name("people").filter_expression("email = :v");
    scene.fails("varies", scan.expression_attribute_values(":v", s(&text)).send().await);
    let key_table = DynamoDbKeyTable::new(&scene.app, KEY_TABLE);
    let builder = TenantSeal::builder().assume_role(ROLE).key_table(key_table).record::<Twice>();
    let twice = builder.build(&scene.app).unwrap().tenant(&id("acme"));
    let by_hand = TableSchema::builder("twice").partition_key("tenant_id", "{tenant}").encrypt("email").build();
    let lacks = scene.builder().table(by_hand.unwrap()).build(&scene.app).unwrap().tenant(&id("acme"));
    scene.fails("unregistered lookup", lacks.records::<Twice>().find_by("email", &text).one().await);
    scene.fails("ambiguous lookup", twice.records::<Twice>().find_by("email", &text).one().await);
}

/// Two lookups that no name tells apart.
#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "twice")]
struct Twice {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup(name = "a"), lookup(email, name = "b"))]
    email: String,
}

fn key() -> Item {
    crate::common::key("acme", "p-1")
}

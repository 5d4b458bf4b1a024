//! Values of updates and conditions go the way of the record's own fields, and what could not be read back is not sent.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_dynamo::string_set::StringSet;
use tenantseal::error::Refusal;
use tenantseal::records::{Records, attribute};
use tenantseal::{Error, Record, TenantSeal};

use crate::common::wire::Wire;
use crate::common::{ROLE, World, id};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Typed {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    email: String,
    #[seal(encrypt)]
    secret: String,
    #[seal(encrypt)]
    #[serde(with = "as_text")]
    sealed_number: u64,
    #[serde(with = "as_text")]
    number: u64,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    #[serde(with = "serde_dynamo::string_set", default, skip_serializing_if = "BTreeSet::is_empty")]
    tags: BTreeSet<String>,
    list: Vec<String>,
    age: Option<u8>,
    logins: u32,
    status: Status,
    #[serde(serialize_with = "as_text::serialize", deserialize_with = "as_text::deserialize", default)]
    late: u64,
    #[serde(flatten)]
    address: Option<Address>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
struct Address {
    city: String,
    #[serde(with = "as_text")]
    postcode: u64,
    #[serde(default)]
    street: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Open,
    Closed,
}

/// A number as a text, as JavaScript wants it.
mod as_text {
    use super::*;

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn typed() -> Typed {
    Typed {
        tenant_id: "acme".to_owned(),
        contact_id: "c-1".to_owned(),
        email: "ada@example.org".to_owned(),
        secret: "secret".to_owned(),
        sealed_number: 1,
        number: 41,
        bytes: b"bytes".to_vec(),
        tags: ["a".to_owned()].into(),
        list: vec!["x".to_owned()],
        age: None,
        logins: 1,
        status: Status::Open,
        late: 1,
        address: Some(Address { city: "Oslo".to_owned(), postcode: 150, street: None }),
    }
}

async fn scene() -> (World, Wire, Records<Typed>) {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Typed>().build(&world.over(wire.clone())).unwrap();
    let records = seal.tenant(&id("acme")).records::<Typed>();
    records.put(&typed()).await.unwrap();
    (world, wire, records)
}

#[track_caller]
fn refused(result: Result<impl std::fmt::Debug, Error>, name: &str, expected: &str) {
    let error = result.expect_err(name);
    let Error::Refused(Refusal::Value { attribute, expected: found, .. }) = &error else { panic!("{name}: {error}") };
    assert_eq!((attribute.as_str(), *found), (name, expected));
    assert!(!format!("{error} {error:?}").contains("a-value"), "{error}");
}

#[tokio::test]
async fn an_update_to_what_the_field_does_not_hold_is_not_sent() {
    let (_world, wire, records) = scene().await;
    let before = wire.bodies("UpdateItem").len();
    let update = || records.update("c-1");
    refused(update().set("email", 5).await, "email", "String");
    refused(update().set("email", None::<String>).await, "email", "String");
    refused(update().set_if_not_exists("email", ["a-value"]).await, "email", "String");
    refused(update().set("secret", 5).await, "secret", "String");
    refused(update().set("sealed_number", "a-value").await, "sealed_number", "u64");
    refused(update().set("number", -1).await, "number", "u64");
    refused(update().set("bytes", "a-value").await, "bytes", "Vec<u8>");
    refused(update().set("tags", [1, 2]).await, "tags", "BTreeSet<String>");
    refused(update().set("age", 256).await, "age", "Option<u8>");
    refused(update().set("status", "a-value").await, "status", "Status");
    refused(update().set("postcode", "a-value").await, "postcode", "u64");
    refused(update().add("logins", 1.5).await, "logins", "u32");
    refused(update().add("number", 1).await, "number", "u64");
    refused(update().add("email", 1).await, "email", "String");
    refused(update().add("list", ["a-value"]).await, "list", "Vec<String>");
    refused(update().add("list", StringSet(["a-value"])).await, "list", "Vec<String>");
    assert_eq!(wire.bodies("UpdateItem").len(), before);
    assert_eq!(records.get("c-1").await.unwrap(), Some(typed()));
}

#[tokio::test]
async fn an_update_stores_a_value_as_the_whole_record_would() {
    let (world, _, records) = scene().await;
    let now = records
        .update("c-1")
        .set("number", 42)
        .set("sealed_number", 43)
        .set("bytes", serde_bytes::Bytes::new(b"new"))
        .set("tags", ["b", "c"])
        .set("age", 7)
        .set("status", "closed")
        .set("late", "44")
        .set("postcode", 151)
        .returning_new()
        .await
        .unwrap();
    let tags = ["b".to_owned(), "c".to_owned()].into();
    let address = Some(Address { postcode: 151, ..typed().address.unwrap() });
    let changed = Typed { number: 42, sealed_number: 43, bytes: b"new".to_vec(), tags, age: Some(7), ..typed() };
    let changed = Typed { status: Status::Closed, late: 44, address, ..changed };
    assert_eq!(now, changed);
    let updated = world.stored("acme", "c-1").await;
    records.put(&changed).await.unwrap();
    let put = world.stored("acme", "c-1").await;
    for (name, value) in put.iter().filter(|(_, value)| !value.is_b()) {
        assert_eq!(updated.get(name), Some(value), "{name}");
    }
    assert!(put["tags"].is_ss() && put["number"].is_s() && put["bytes"].is_b());

    // A set is a set still, and grows.
    let now = records.update("c-1").set("bytes", b"new".to_vec()).add("tags", ["d"]).returning_new().await.unwrap();
    assert_eq!(now.tags.len(), 3);
    let now = records.update("c-1").add("tags", StringSet(["e"])).add("logins", -1).returning_new().await.unwrap();
    assert_eq!((now.tags.len(), now.logins), (4, 0));
}

#[tokio::test]
async fn what_the_record_needs_to_be_read_is_not_removed() {
    let (_world, wire, records) = scene().await;
    let before = wire.bodies("UpdateItem").len();
    for name in ["email", "secret", "number", "list", "city", "bytes"] {
        let error = records.update("c-1").remove(name).await.unwrap_err();
        let Error::Refused(Refusal::Required { attribute, .. }) = &error else { panic!("{name}: {error}") };
        assert_eq!(attribute, name);
    }
    assert_eq!(wire.bodies("UpdateItem").len(), before);
    let now = records.update("c-1").remove("age").remove("tags").remove("late").remove("street").returning_new();
    let expected = Typed { tags: BTreeSet::new(), late: 0, ..typed() };
    assert_eq!(now.await.unwrap(), expected);
    // The flattened record goes as a whole.
    let now = records.update("c-1").remove("city").remove("postcode").returning_new().await.unwrap();
    assert_eq!(now.address, None);
}

#[tokio::test]
async fn a_condition_finds_a_field_in_the_form_in_which_it_is_stored() {
    let (_world, _, records) = scene().await;
    let bytes = || serde_bytes::Bytes::new(b"by");
    for (case, condition) in [
        ("a number as text", attribute("number").equals(41)),
        ("its text", attribute("number").equals("41")),
        ("another", attribute("number").not_equals(40)),
        ("flattened", attribute("postcode").equals(150)),
        ("bytes", attribute("bytes").equals(b"bytes".to_vec())),
        ("what bytes begin with", attribute("bytes").begins_with(bytes())),
        ("what a list of bytes begins with", attribute("bytes").begins_with(b"by".to_vec())),
        ("a set", attribute("tags").equals(["a"])),
        ("an element", attribute("tags").contains("a")),
        ("an element of a list", attribute("list").contains("x")),
        ("a part", attribute("email").contains("@example")),
        ("a prefix", attribute("email").begins_with("ada@")),
        ("between", attribute("number").between(40, 42)),
        ("a variant", attribute("status").equals(Status::Open)),
        ("nothing", attribute("age").equals(None::<u8>)),
        ("any number", attribute("logins").greater_than(-1).and(attribute("logins").less_than(1.5))),
        ("any text", attribute("status").less_than("p").and(attribute("status").begins_with("op"))),
    ] {
        let found: Vec<_> = records.query().filter(condition.clone()).stream().try_collect().await.unwrap();
        assert_eq!(found.len(), 1, "{case}");
        records.update("c-1").set("email", "ada@example.org").condition(condition).await.expect(case);
    }
}

#[tokio::test]
async fn a_condition_that_can_hold_of_no_record_is_not_sent() {
    let (_world, wire, records) = scene().await;
    let before = wire.sent().len();
    for (name, condition) in [
        ("email", attribute("email").equals(5)),
        ("email", attribute("email").not_equals(None::<String>)),
        ("email", attribute("email").between("a", 5)),
        ("number", attribute("number").equals("a-value")),
        ("bytes", attribute("bytes").equals("a-value")),
        ("tags", attribute("tags").equals("a-value")),
        ("tags", attribute("tags").contains(5)),
        ("tags", attribute("tags").begins_with("a-value")),
        ("logins", attribute("logins").begins_with("a-value")),
        ("logins", attribute("logins").less_than("a-value")),
        ("status", attribute("status").equals("a-value")),
        ("age", attribute("age").equals("a-value")),
        ("postcode", attribute("postcode").equals("a-value")),
    ] {
        let expected =
            |error: &Error| matches!(error, Error::Refused(Refusal::Value { attribute, .. }) if attribute == name);
        let filtered = records.query().filter(condition.clone()).stream().next().await.unwrap().unwrap_err();
        assert!(expected(&filtered), "{name}: {filtered}");
        let scanned = records.scan().filter(condition.clone()).stream().next().await.unwrap().unwrap_err();
        assert!(expected(&scanned), "{name}: {scanned}");
        let put = records.put(&typed()).condition(condition).await.unwrap_err();
        assert!(expected(&put), "{name}: {put}");
    }
    assert_eq!(wire.sent().len(), before);
}

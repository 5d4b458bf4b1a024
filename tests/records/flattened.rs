//! Records in records: what `flatten` puts into an item, and what of it is read again.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use tenantseal::error::{Refusal, Written};
use tenantseal::records::Records;
use tenantseal::{Error, Record, TenantSeal};

use crate::common::{ROLE, World, id, s};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
struct Badge {
    number: u64,
    #[seal(encrypt)]
    bearer: String,
    #[seal(encrypt)]
    #[serde(default)]
    note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Customer {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[serde(flatten)]
    badge: Option<Badge>,
}

fn customer(badge: Option<Badge>) -> Customer {
    Customer { tenant_id: "acme".to_owned(), contact_id: "c-1".to_owned(), badge }
}

fn customers(world: &World) -> Records<Customer> {
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Customer>().build(&world.app).unwrap();
    seal.tenant(&id("acme")).records()
}

#[tokio::test]
async fn what_is_stored_of_an_optional_record_is_not_read_as_none() {
    let world = World::start(&["acme"]).await;
    let customers = customers(&world);
    let badge = Badge { number: 1, bearer: "Ada".to_owned(), note: None };
    // None is none, and whole is whole.
    customers.put(&customer(None)).await.unwrap();
    assert_eq!(customers.get("c-1").await.unwrap(), Some(customer(None)));
    // An update that sets a part.
    let error = customers.update("c-1").set("bearer", "Grace").returning_new().await.unwrap_err();
    assert!(matches!(error.cause(), Error::Record { .. }) && error.written() == Written::Yes, "{error}");
    assert!(error.to_string().contains("`bearer`"), "{error}");
    let error = customers.get("c-1").await.expect_err("what an update stored is read as none");
    assert_eq!(error.item().unwrap().key()["contact_id"], s("c-1"));
    let error = customers.take("c-1").await.expect_err("what an update stored is deleted and given to nobody");
    assert_eq!(error.written(), Written::No);
    customers.update("c-1").set("number", 2).await.unwrap();
    let whole = Badge { number: 2, bearer: "Grace".to_owned(), note: None };
    assert_eq!(customers.get("c-1").await.unwrap(), Some(customer(Some(whole))));
    // Another writer that leaves a part out, or stores another type.
    customers.put(&customer(Some(badge))).await.unwrap();
    let stored = world.stored("acme", "c-1").await;
    let mut part = stored.clone();
    part.remove("number");
    world.plant(part).await;
    customers.get("c-1").await.expect_err("a badge without its number is read as none");
    let mut other = stored;
    other.insert("number".to_owned(), s("1"));
    world.plant(other).await;
    customers.get("c-1").await.expect_err("a badge with another number is read as none");
    let all = customers.query().stream().try_collect::<Vec<_>>().await;
    assert!(all.is_err());
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
struct Place {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(version)]
    version: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Placed {
    #[serde(flatten)]
    place: Place,
    #[seal(encrypt)]
    email: String,
}

#[tokio::test]
async fn keys_and_version_of_a_flattened_record_are_the_records_own() {
    let world = World::start(&["acme"]).await;
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Placed>().build(&world.app).unwrap();
    let placed = seal.tenant(&id("acme")).records::<Placed>();
    let place = Place { tenant_id: "acme".to_owned(), contact_id: "c-1".to_owned(), version: 0 };
    let first = placed.put(&Placed { place, email: "a".to_owned() }).returning_new().await.unwrap();
    assert_eq!(first.place.version, 1);
    let second = placed.update("c-1").set("email", "b").expect_version(1).returning_new().await.unwrap();
    assert_eq!((second.place.version, &*second.email), (2, "b"));
    assert!(placed.put(&first).await.unwrap_err().is_conflict());
    for name in ["tenant_id", "contact_id", "version"] {
        let error = placed.update("c-1").set(name, 9).await.unwrap_err();
        assert!(matches!(error, Error::Refused(Refusal::FixedAttribute { .. })), "{error}");
    }
    let error = placed.put_many([&second]).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::VersionInBatch { .. })), "{error}");
    assert!(placed.take("c-1").expect_version(1).await.unwrap_err().is_conflict());
    assert_eq!(placed.take("c-1").expect_version(2).await.unwrap(), Some(second));
}

/// All that an optional record may lack, or has under another name, is none of its faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
struct Loose {
    #[serde(alias = "nr")]
    number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[seal(encrypt)]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(flatten)]
    deeper: Option<Deeper>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
struct Deeper {
    depth: u8,
    #[seal(encrypt)]
    depths: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Holder {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[serde(flatten)]
    loose: Option<Loose>,
}

#[tokio::test]
async fn an_optional_record_is_read_whole_by_any_name_without_optional_parts() {
    let world = World::start(&["acme"]).await;
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Holder>().build(&world.app).unwrap();
    let acme = seal.tenant(&id("acme"));
    let holders = acme.records::<Holder>();
    let deeper = Some(Deeper { depth: 1, depths: vec![1] });
    let loose = |deeper| Some(Loose { number: 1, note: None, tags: Vec::new(), deeper });
    let holder = |loose| Holder { tenant_id: "acme".to_owned(), contact_id: "c-1".to_owned(), loose };
    for loose in [None, loose(None), loose(deeper)] {
        holders.put(&holder(loose.clone())).await.unwrap();
        assert_eq!(holders.get("c-1").await.unwrap(), Some(holder(loose)));
    }
    let mut stored = world.stored("acme", "c-1").await;
    let number = stored.remove("number").unwrap();
    stored.insert("nr".to_owned(), number);
    stored.insert("tags".to_owned(), AttributeValue::L(Vec::new()));
    world.plant(stored.clone()).await;
    let read = holders.get("c-1").await.unwrap().unwrap().loose.unwrap();
    assert_eq!((read.number, read.deeper.map(|deeper| deeper.depth)), (1, Some(1)));
    // The record inside the optional one may be none, too, and must be that or whole.
    stored.remove("depth");
    world.plant(stored.clone()).await;
    let error = holders.get("c-1").await.expect_err("what is stored of the inner record is read as none");
    assert!(error.to_string().contains("`depths`") && error.to_string().contains("`depth` is missing"), "{error}");
    stored.remove("depths");
    world.plant(stored).await;
    assert_eq!(holders.get("c-1").await.unwrap().unwrap().loose.unwrap().deeper, None);
}

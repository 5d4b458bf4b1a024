//! Marks below a field that is stored as it is: what the derive could not see is noticed while it is serialized, and not sent.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tenantseal::error::Refusal;
use tenantseal::records::Records;
use tenantseal::schema::TableSchema;
use tenantseal::{Error, Record, TenantSeal};

use crate::common::wire::Wire;
use crate::common::{ROLE, World, id};

const SECRET: &str = "4000-0000-0000-0002";

/// What no type that holds it may give away.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Record)]
struct Card {
    holder: String,
    #[seal(encrypt)]
    number: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Record)]
#[serde(rename = "note")]
struct Note<T> {
    #[seal(encrypt)]
    text: T,
}

/// serde writes it as a map, without its name.
#[derive(Debug, Clone, Serialize, Deserialize, Record)]
struct Wallet {
    owner: String,
    #[serde(flatten)]
    card: Card,
}

/// Anything, behind a type parameter.
#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Held<T> {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    held: T,
}

#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Said<T> {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(plain)]
    held: T,
}

#[derive(Debug, Serialize, Deserialize)]
struct Plain<T> {
    card: T,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Transparent<T>(T);

#[derive(Debug, Serialize, Deserialize)]
struct Flattening<T> {
    x: u8,
    #[serde(flatten)]
    inner: T,
}

#[derive(Debug, Serialize, Deserialize)]
enum Choice<T> {
    Newtype(T),
    Tuple(u8, T),
    Struct { card: T },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged<T> {
    One(T),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "content")]
enum Adjacent<T> {
    One(T),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged<T> {
    One(T),
}

#[derive(Debug, Serialize, Deserialize)]
struct With {
    #[serde(serialize_with = "behind_a_function")]
    card: Card,
}

fn behind_a_function<S: serde::Serializer>(card: &Card, serializer: S) -> Result<S::Ok, S::Error> {
    card.serialize(serializer)
}

/// A reference to a record, which has nothing of it.
#[derive(Debug, Serialize, Deserialize)]
struct Id<T>(u64, PhantomData<T>);

mod other {
    /// Another type of the same name, without the marked field.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Card {
        pub(crate) holder: String,
        pub(crate) last_digits: u16,
    }
}

fn card() -> Card {
    Card { holder: "Ada".to_owned(), number: SECRET.to_owned() }
}

fn wallet() -> Wallet {
    Wallet { owner: "Ada".to_owned(), card: card() }
}

fn held<T>(held: T) -> Held<T> {
    Held { tenant_id: "acme".to_owned(), contact_id: "c-1".to_owned(), held }
}

/// A table by hand, which says of `held` what the records say.
fn schema() -> TableSchema {
    let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    schema.plain("held").build().unwrap()
}

async fn scene() -> (World, Wire, tenantseal::Tenant) {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let seal = TenantSeal::builder().assume_role(ROLE).table(schema()).build(&world.over(wire.clone())).unwrap();
    let acme = seal.tenant(&id("acme"));
    (world, wire, acme)
}

#[track_caller]
fn assert_unheeded(case: &str, error: &Error, marked: &str) {
    let Error::Refused(Refusal::Unheeded { attribute, marked: found, .. }) = error else { panic!("{case}: {error}") };
    assert_eq!(attribute, "held", "{case}");
    assert!(found.contains(marked), "{case}: {found}");
    // The type's own path, without what points to it.
    assert!(!found.contains(['&', '<']), "{case}: {found}");
    assert!(!format!("{error} {error:?}").contains(SECRET), "{case}");
}

#[tokio::test]
async fn a_marked_type_below_an_unmarked_field_is_refused_whatever_holds_it() {
    type Pair = (u8, Card);
    let (_world, wire, acme) = scene().await;
    macro_rules! refused {
        ($($marked:literal $held:expr;)*) => {
            $(
                let error = acme.records().put(&held($held)).await.expect_err(stringify!($held));
                assert_unheeded(stringify!($held), &error, $marked);
            )*
        };
    }
    refused! {
        "Card" card();
        "Card" vec![card()];
        "Card" Some(Box::new(card()));
        "Card" BTreeMap::from([("a", card())]);
        "Card" HashMap::<String, Vec<Card>>::from([("a".to_owned(), vec![card()])]);
        "Card" Pair::from((1, card()));
        "Card" Result::<u8, Card>::Err(card());
        "Card" Cow::Borrowed(&card());
        "Card" std::sync::Mutex::new(card());
        "Card" Plain { card: card() };
        "Card" Plain { card: Plain { card: vec![Some(card())] } };
        "Card" Transparent(card());
        "Card" Plain { card: Transparent(Box::new(card())) };
        "Card" Choice::Newtype(card());
        "Card" Choice::Tuple(1, card());
        "Card" Choice::Struct { card: card() };
        "Card" Tagged::One(card());
        "Card" Adjacent::One(card());
        "Card" Untagged::One(card());
        "Card" With { card: card() };
        "Card" Flattening { x: 1, inner: card() };
        "Wallet" wallet();
        "Wallet" Plain { card: wallet() };
        "Card" Transparent(wallet());
        "Card" Tagged::One(wallet());
        "ote" Plain { card: Note { text: 1 } };
        "ote" Transparent(Note { text: "x".to_owned() });
        "ote" vec![Note { text: Plain { card: 1 } }];
    }
    assert!(wire.sent().is_empty());
}

#[tokio::test]
async fn a_marked_type_below_an_unmarked_field_is_refused_by_every_write() {
    let (_world, wire, acme) = scene().await;
    let records = acme.records::<Held<Vec<Card>>>();
    let record = held(vec![card()]);
    for (case, error) in [
        ("put", records.put(&record).await.unwrap_err()),
        ("put with the old one", records.put(&record).returning_old().await.unwrap_err()),
        ("put of many", records.put_many([&record]).await.unwrap_err()),
        ("seal", records.seal(&record).await.unwrap_err()),
        ("transaction", acme.transact_write().with(records.put(&record)).await.unwrap_err()),
        ("update", records.update("c-1").set("held", vec![card()]).await.unwrap_err()),
        ("update of nothing", records.update("c-1").set_if_not_exists("held", card()).await.unwrap_err()),
    ] {
        assert_unheeded(case, &error, "Card");
    }
    assert!(wire.sent().is_empty());
}

#[tokio::test]
async fn what_marks_nothing_or_is_said_to_be_public_is_stored() {
    let (_world, _, acme) = scene().await;
    acme.records().put(&held(Id::<Card>(7, PhantomData))).await.unwrap();
    acme.records().put(&held(vec![other::Card { holder: "Ada".to_owned(), last_digits: 2 }])).await.unwrap();
    acme.records().put(&held(BTreeMap::from([("number", "1"), ("holder", "x")]))).await.unwrap();
    acme.records().put(&held(Arc::<str>::from("text").to_string())).await.unwrap();
    let (tenant_id, contact_id) = ("acme".to_owned(), "c-1".to_owned());
    let said: Records<Said<Plain<Card>>> = acme.records();
    said.put(&Said { tenant_id, contact_id, held: Plain { card: card() } }).await.unwrap();
    said.update("c-1").set("held", Plain { card: card() }).await.unwrap();
    assert_eq!(said.get("c-1").await.unwrap().unwrap().held.card, card());
}

#[tokio::test]
async fn the_drop_in_client_sees_items_and_no_types() {
    let (world, _, acme) = scene().await;
    let item = serde_dynamo::to_item(held(vec![card()])).unwrap();
    acme.dynamodb().put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
    assert!(format!("{:?}", world.stored("acme", "c-1").await).contains(SECRET));
}

#[tokio::test]
async fn a_text_that_was_made_of_a_record_hides_its_marks() {
    let (world, _, acme) = scene().await;
    acme.records().put(&held(serde_json::to_string(&card()).unwrap())).await.unwrap();
    assert!(format!("{:?}", world.stored("acme", "c-1").await).contains(SECRET));
}

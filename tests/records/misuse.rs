//! Errors name the attribute and show nothing of it; keys of every kind.

use serde::{Deserialize, Serialize};
use tenantseal::error::Refusal;
use tenantseal::keys::{InMemoryKeyService, InMemoryKeyTable};
use tenantseal::records::{PrimaryKey, PrimaryKeyValue};
use tenantseal::schema::{Form, Lookup, TableSchema, TableSchemaBuilder};
use tenantseal::{Error, Record, TenantSeal};

use crate::common::wire::Wire;
use crate::common::{Contact, Unregistered, World, contact, id, s};
use crate::records::scene::{Person, SECRET, builder, person};

/// The same items, seen with another attribute.
#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Misread {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    company: u32,
}

#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Demanding {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    phone: String,
}

#[tokio::test]
async fn an_item_that_is_no_such_record_names_the_attribute() {
    let world = World::start(&["acme"]).await;
    let acme = world.builder().record::<Misread>().record::<Demanding>().build(&world.app).unwrap();
    let acme = acme.tenant(&crate::common::id("acme"));
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    let wrong = acme.records::<Misread>().get("c-1").await.unwrap_err();
    assert!(wrong.to_string().contains("`company` is not what") && !wrong.to_string().contains("Example"), "{wrong}");
    let missing = acme.records::<Demanding>().get("c-1").await.unwrap_err();
    assert!(missing.to_string().contains("`phone` is missing"), "{missing}");
    assert!(matches!(missing.cause(), Error::Record { .. }) && missing.item().is_some());
}

#[tokio::test]
async fn no_errors_text_repeats_its_sources() {
    let world = World::start(&["acme"]).await;
    let dynamodb = world.tenant("acme").dynamodb();
    let put = || dynamodb.put_item().table_name("crm").set_item(Some(crate::common::item(&contact("acme", "c-1"))));
    let errors = [
        crate::common::sealing_error(put().item("undeclared", s("x")).send().await),
        crate::common::sealing_error(put().condition_expression("email = :v").send().await),
        crate::common::sealing_error(put().item("contact_id", s("")).send().await),
        crate::common::sealing_error(put().item("tenant_id", s("globex")).send().await),
        world.tenant("nobody").records::<Contact>().put(&contact("nobody", "c-1")).await.unwrap_err(),
    ];
    for error in errors {
        let mut all = vec![error.to_string()];
        let mut next = std::error::Error::source(&error);
        while let Some(source) = next {
            all.push(source.to_string());
            next = source.source();
        }
        for (at, text) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|below| !text.contains(below.as_str())), "{all:?}");
        }
    }
}

#[test]
fn keys_are_made_of_what_programs_have() {
    assert_eq!(PrimaryKey::from((String::from("a"), "b")), PrimaryKey::from(("a", String::from("b"))));
    assert_eq!(PrimaryKeyValue::from(&b"ab"[..]), PrimaryKeyValue::from(b"ab".to_vec()));
    assert_eq!(PrimaryKeyValue::from(7_u8), PrimaryKeyValue::from(7_u16));
    assert_eq!(PrimaryKeyValue::from(7_usize), PrimaryKeyValue::from(7_i64));
}

#[tokio::test]
async fn a_record_that_nobody_registered_does_not_go_out_as_another_has_it() {
    let world = World::start(&["acme"]).await;
    let careful = world.tenant("acme").records::<Unregistered>();
    let record = Unregistered::of("Example Ltd");
    for error in [
        careful.put(&record).await.unwrap_err(),
        careful.update("c-1").set("company", "Example Ltd").await.unwrap_err(),
        careful.put_many([&record]).await.unwrap_err(),
        careful.seal(&record).await.unwrap_err(),
        careful.get("c-1").await.unwrap_err(),
    ] {
        assert!(matches!(&error, Error::Refused(Refusal::Unregistered { .. })), "{error}");
    }
}

/// The same items as a contact's, found by what nobody has declared for their table.
#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Found {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[serde(flatten)]
    address: Address,
}

#[derive(Debug, Serialize, Deserialize, Record)]
struct Address {
    #[seal(encrypt, lookup(email, index = "by-email"))]
    email: String,
}

#[tokio::test]
async fn a_record_is_not_stored_without_the_tokens_of_its_lookups() {
    let world = World::start(&["acme"]).await;
    let by_hand = |lookup| {
        let crm = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
        let crm = crm.plain("company").encrypt("email").lookup(lookup).build().unwrap();
        let seal = TenantSeal::builder().key_service(InMemoryKeyService::new()).key_table(InMemoryKeyTable::new());
        seal.table(crm).build(&world.app).unwrap().tenant(&id("acme")).records::<Found>()
    };
    let (tenant_id, contact_id) = ("acme".to_owned(), "c-1".to_owned());
    let record = Found { tenant_id, contact_id, address: Address { email: "ada@example.org".to_owned() } };
    let on = || Lookup::on("email", Form::EMAIL);
    for found in [
        world.tenant("acme").records::<Found>(),
        by_hand(on()),
        by_hand(on().index("by-mail")),
        by_hand(on().tenant_index("by-email")),
        by_hand(on().index("by-email").bits(10)),
        by_hand(on().index("by-email").key(2)),
        by_hand(on().index("by-email").retired()),
        by_hand(on().index("by-email").prefix(3).bits(8).named("email")),
        by_hand(on().index("by-email").named("mail")),
        by_hand(Lookup::on("email", Form::EXACT).index("by-email")),
    ] {
        for error in [found.put(&record).await.unwrap_err(), found.seal(&record).await.unwrap_err()] {
            let lookup = match &error {
                Error::Refused(Refusal::UnregisteredLookup { lookup, .. }) => lookup,
                _ => panic!("{error}"),
            };
            assert_eq!(lookup, "email");
            assert!(error.to_string().contains("register the type with `record::<T>()`"), "{error}");
        }
    }
    by_hand(on().index("by-email")).seal(&record).await.unwrap();
}

#[tokio::test]
async fn a_changed_request_stores_nothing_plain_that_the_record_encrypts() {
    let world = World::start(&["acme"]).await;
    let open = TableSchema::builder("open").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let open = ["note", "email", "logins", "version", "kind"].into_iter().fold(open, TableSchemaBuilder::plain);
    let wire = Wire::open();
    let seal = builder().table(open.build().unwrap()).build(&world.over(wire.clone())).unwrap();
    let acme = seal.tenant(&id("acme"));
    let people = acme.records::<Person>();
    let person = &person("p-1");
    let firm = || s("firm");
    for error in [
        people.put(person).customize(|put| put.table_name("open")).await.unwrap_err(),
        people.put(person).customize(|put| put.item("kind", firm())).await.unwrap_err(),
        people.update("p-1").set("note", SECRET).customize(|update| update.table_name("open")).await.unwrap_err(),
        acme.transact_write().with(people.put(person).customize(|put| put.table_name("open"))).await.unwrap_err(),
        acme.transact_write().with(people.put(person).customize(|put| put.item("kind", firm()))).await.unwrap_err(),
    ] {
        assert!(matches!(&error, Error::Refused(Refusal::Unregistered { .. }) | Error::Record { .. }), "{error}");
    }
    assert!(wire.sent().is_empty());
    people.put(person).customize(|put| put.table_name("crm")).await.unwrap();
}

//! Updates: one round trip, checked names, sealed values, and what comes back.

use tenantseal::Error;
use tenantseal::error::Refusal;
use tenantseal::records::attribute;

use crate::common::wire::Wire;
use crate::common::{Contact, World, contact, id};
use crate::records::scene::{Person, acme, person};

#[tokio::test]
async fn an_update_seals_what_is_encrypted_and_touches_nothing_else() {
    let world = World::start(&["acme"]).await;
    let acme = world.tenant("acme");
    let contacts = acme.records::<Contact>();
    contacts.put(&contact("acme", "c-1")).await.unwrap();
    let email = "new@example.org".to_owned();
    let now = contacts
        .update("c-1")
        .set("email", &email)
        .set("company", "Other Ltd")
        .set_if_not_exists("notes", "not taken")
        .returning_new()
        .await
        .unwrap();
    let expected = Contact { email, company: "Other Ltd".into(), ..contact("acme", "c-1") };
    assert_eq!(now, expected);
    let stored = world.stored("acme", "c-1").await;
    assert!(stored["email"].is_b() && stored["company"].is_s());

    let before = contacts.update("c-1").remove("notes").returning_old().await.unwrap();
    assert_eq!(before, Some(expected.clone()));
    assert_eq!(contacts.get("c-1").consistent().await.unwrap(), Some(Contact { notes: None, ..expected }));
}

#[tokio::test]
async fn an_update_is_one_call_and_makes_no_record_unless_it_says_upsert() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let contacts = world.tenant_over("acme", wire.clone()).records::<Contact>();
    let keys = contact("acme", "c-1").api_keys;
    let update = || contacts.update("c-1").set("email", "x").set("company", "y").set("api_keys", &keys);
    let missing = update().await.unwrap_err();
    assert!(missing.is_condition_failed() && !missing.is_conflict(), "{missing}");
    let in_transaction = world.tenant("acme").transact_write().with(update()).await.unwrap_err();
    assert!(in_transaction.is_condition_failed(), "{in_transaction}");
    assert!(contacts.get("c-1").await.unwrap().is_none());

    update().upsert().await.unwrap();
    assert!(world.stored("acme", "c-1").await["email"].is_b());
    contacts.update("c-1").set("company", "z").await.unwrap();
    assert_eq!(contacts.get("c-1").await.unwrap().unwrap().company, "z");
    assert_eq!(wire.bodies("UpdateItem").len(), 3);
    assert_eq!(wire.bodies("GetItem").len(), 2, "those of the test");
}

#[tokio::test]
async fn an_upsert_without_an_attribute_that_the_record_needs_is_refused() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let seal = crate::records::scene::builder().build(&world.over(wire.clone())).unwrap();
    let people = seal.tenant(&id("acme")).records::<Person>();
    let contacts = world.tenant_over("acme", wire.clone()).records::<Contact>();
    let with_keys = || contacts.update("c-1").set("api_keys", contact("acme", "c-1").api_keys).upsert();
    let refused = [
        (with_keys().set("email", "x").await.unwrap_err(), "company"),
        (with_keys().set("email", "x").remove("notes").await.unwrap_err(), "company"),
        (with_keys().set_if_not_exists("company", "x").await.unwrap_err(), "email"),
        (people.update("p-1").set("email", "x").upsert().await.unwrap_err(), "kind"),
    ];
    for (error, lacks) in refused {
        let Error::Refused(Refusal::Upsert { attribute, .. }) = &error else { panic!("{error}") };
        assert_eq!(attribute, lacks);
        assert!(error.to_string().contains("put the whole record"), "{error}");
    }
    assert!(wire.sent().is_empty());
}

#[tokio::test]
async fn numbers_are_added_by_dynamodb() {
    let world = World::start(&["acme"]).await;
    let people = acme(&world).records::<Person>();
    people.put(&person("p-1")).await.unwrap();
    let now = people.update("p-1").add("logins", 5).returning_new().await.unwrap();
    assert_eq!((now.logins, now.version), (6, 2));
    let now = people.update("p-1").add("logins", -2).returning_new().await.unwrap();
    assert_eq!((now.logins, now.version), (4, 3));
    let encrypted = people.update("p-1").add("note", 1).await.unwrap_err();
    assert!(matches!(encrypted, Error::Refused(Refusal::Expression { .. })), "{encrypted}");
}

#[tokio::test]
async fn a_condition_decides_whether_a_record_changes() {
    let world = World::start(&["acme"]).await;
    let people = acme(&world).records::<Person>();
    people.put(&person("p-1")).await.unwrap();
    let few = attribute("logins").less_than(3).and(attribute("email").exists());
    people.update("p-1").set("logins", 9).condition(few.clone()).await.unwrap();
    let error = people.update("p-1").set("logins", 10).condition(few).await.unwrap_err();
    assert!(error.is_condition_failed(), "{error}");
    assert_eq!(people.get("p-1").await.unwrap().unwrap().logins, 9);
}

#[tokio::test]
async fn a_name_that_the_record_does_not_declare_is_refused_before_any_call() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let seal = crate::records::scene::builder().build(&world.over(wire.clone())).unwrap();
    let people = seal.tenant(&id("acme")).records::<Person>();
    let misspelt: [Error; 4] = [
        people.update("p-1").set("emial", "x").await.unwrap_err(),
        people.update("p-1").remove("emial").await.unwrap_err(),
        people.update("p-1").set("email", "x").condition(attribute("emial").exists()).await.unwrap_err(),
        people.put(&person("p-1")).condition(attribute("emial").exists()).await.unwrap_err(),
    ];
    for error in misspelt {
        let Error::Refused(Refusal::UnknownAttribute { attribute, .. }) = &error else { panic!("{error}") };
        assert_eq!(attribute, "emial");
    }
    for fixed in ["tenant_id", "contact_id", "kind", "version"] {
        let error = people.update("p-1").set(fixed, "x").await.unwrap_err();
        assert!(matches!(error, Error::Refused(Refusal::FixedAttribute { .. })), "{fixed}: {error}");
    }
    assert!(wire.sent().is_empty());
}

#[tokio::test]
async fn an_update_of_nothing_in_a_transaction_is_called_so() {
    let world = World::start(&["acme"]).await;
    let acme = world.tenant("acme");
    let nothing = acme.records::<Contact>().update("c-1");
    let error = acme.transact_write().with(nothing).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::Missing("UpdateExpression"))), "{error}");
}

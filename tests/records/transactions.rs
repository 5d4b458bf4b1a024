//! Transactions over several record types.

use aws_sdk_dynamodb::types::{AttributeAction, AttributeValueUpdate, ExpectedAttributeValue, Get, TransactGetItem};
use tenantseal::Error;
use tenantseal::error::{Reason, Refusal};
use tenantseal::records::attribute;

use crate::common;
use crate::common::wire::{Reaction, Wire};
use crate::common::{World, id};
use crate::records::scene::{Firm, Person, acme, builder, firm, person};

#[tokio::test]
async fn writes_of_several_types_happen_together() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    let (people, firms) = (acme.records::<Person>(), acme.records::<Firm>());
    firms.put(&firm("f-1")).await.unwrap();
    firms.put(&firm("f-2")).await.unwrap();
    acme.transact_write()
        .with(people.put(&person("p-1")).if_not_exists())
        .with(firms.update("f-1").set("note", "has a person").set("email", "a@example.org"))
        .with(firms.delete("f-2"))
        .with(firms.check("f-3", attribute("tenant_id").not_exists()))
        .await
        .unwrap();
    let (found, changed, gone) =
        acme.transact_get((people.get("p-1"), firms.get("f-1"), firms.get("f-2"))).await.unwrap();
    assert_eq!(found, Some(Person { version: 1, ..person("p-1") }));
    let expected = Firm { note: "has a person".into(), email: Some("a@example.org".into()), ..firm("f-1") };
    assert_eq!(changed, Some(expected.clone()));
    assert_eq!(gone, None);
    let all = acme.transact_get(vec![firms.get("f-1"), firms.get("f-9")]).await.unwrap();
    assert_eq!(all, [Some(expected), None]);
    assert!(world.stored("acme", "f-1").await["email"].is_b());
}

#[tokio::test]
async fn each_action_has_its_reason_and_nothing_has_happened() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    let (people, firms) = (acme.records::<Person>(), acme.records::<Firm>());
    people.put(&person("p-1")).await.unwrap();
    let transaction = acme
        .transact_write()
        .with(firms.put(&firm("f-1")))
        .with(people.put(&person("p-1")).if_not_exists())
        .with(firms.check("f-9", attribute("note").exists()));
    let error = transaction.await.unwrap_err();
    let Error::Cancelled(cancelled) = &error else { panic!("{error}") };
    assert_eq!(cancelled.reasons(), [None, Some(Reason::ConditionFailed), Some(Reason::ConditionFailed)]);
    assert!(error.is_condition_failed() && !error.is_conflict() && !error.is_retryable());
    assert!(error.to_string().contains("action 1"), "{error}");
    assert_eq!(firms.get("f-1").await.unwrap(), None);
}

#[tokio::test]
async fn the_same_token_makes_the_same_bytes() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let acme = builder().build(&world.over(wire.clone())).unwrap().tenant(&id("acme"));
    let people = acme.records::<Person>();
    let registered = person("p-1");
    let register = || {
        let put = people.put(&registered);
        acme.transact_write().with(put).idempotency_token("registration-1")
    };
    register().await.unwrap();
    register().await.unwrap();
    let bodies = wire.bodies("TransactWriteItems");
    assert_eq!(bodies.len(), 2);
    let parsed = bodies.iter().map(|body| serde_json::from_slice::<serde_json::Value>(body).unwrap());
    let parsed: Vec<_> = parsed.collect();
    assert_eq!(parsed[0], parsed[1]);
    assert_eq!(people.get("p-1").await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn another_tenants_record_has_no_place_in_a_transaction() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = builder().build(&world.app).unwrap();
    let (acme, globex) = (seal.tenant(&id("acme")), seal.tenant(&id("globex")));
    let foreign = globex.records::<Firm>().delete("f-1");
    let error = acme.transact_write().with(foreign).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    let foreign = acme.transact_get((acme.records::<Firm>().get("f-1"), globex.records::<Firm>().get("f-1")));
    assert!(matches!(foreign.await.unwrap_err(), Error::Refused(_)));
}

#[tokio::test]
async fn what_a_transaction_cannot_ask_for_is_refused_and_not_left_out() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    let firms = acme.records::<Firm>();
    firms.put(&firm("f-1")).await.unwrap();
    let never = || ExpectedAttributeValue::builder().exists(false).build();
    let change = || AttributeValueUpdate::builder().action(AttributeAction::Delete).build();
    for transaction in [
        acme.transact_write().with(firms.put(&firm("f-1")).customize(|put| put.expected("tenant_id", never()))),
        acme.transact_write().with(firms.delete("f-1").customize(|delete| delete.expected("tenant_id", never()))),
        acme.transact_write()
            .with(firms.update("f-1").set("note", "x").customize(|update| update.expected("tenant_id", never()))),
        acme.transact_write().with(
            firms.update("f-1").set("note", "x").customize(|update| update.attribute_updates("company", change())),
        ),
    ] {
        let error = transaction.await.unwrap_err();
        assert!(matches!(error, Error::Refused(Refusal::Legacy { .. })), "{error}");
    }
    let get = firms.get("f-1").customize(|get| get.attributes_to_get("company"));
    let error = acme.transact_get(get).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::Legacy { .. })), "{error}");
    assert_eq!(firms.get("f-1").await.unwrap(), Some(firm("f-1")));
}

#[tokio::test]
async fn a_record_of_another_shape_is_named_by_a_transaction_that_reads_it() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    let (people, firms) = (acme.records::<Person>(), acme.records::<Firm>());
    people.put(&person("p-1")).await.unwrap();
    firms.put(&firm("f-1")).await.unwrap();
    let mut misshapen = world.stored("acme", "p-1").await;
    misshapen.insert("logins".to_owned(), crate::common::s("many"));
    world.plant(misshapen).await;
    for error in [
        acme.transact_get(people.get("p-1")).await.unwrap_err(),
        acme.transact_get((firms.get("f-1"), people.get("p-1"))).await.unwrap_err(),
        acme.transact_get(vec![people.get("p-2"), people.get("p-1")]).await.unwrap_err(),
    ] {
        assert!(matches!(error.cause(), Error::Record { .. }), "{error}");
        let item = error.item().unwrap_or_else(|| panic!("it names no item: {error}"));
        assert_eq!((item.table(), &item.key()["contact_id"]), ("crm", &crate::common::s("p-1")));
    }
}

#[tokio::test]
async fn an_answer_with_fewer_places_than_reads_is_an_error() {
    let world = World::start(&["acme"]).await;
    for answer in [r#"{"Responses":[{}]}"#, r#"{"Responses":[]}"#, "{}", r#"{"Responses":[{},{},{}]}"#] {
        let lying = Wire::scripted(move |sent, _| match &*sent.operation {
            "TransactGetItems" => Reaction::Answer(200, answer.to_owned()),
            _ => Reaction::Forward,
        });
        let acme = builder().build(&world.over(lying)).unwrap().tenant(&id("acme"));
        let people = acme.records::<Person>();
        let error = acme.transact_get(vec![people.get("p-1"), people.get("p-2")]).await.unwrap_err();
        assert!(error.is_integrity(), "{answer}: {error}");
        let get = |key| {
            let get = Get::builder().table_name("crm").set_key(Some(common::key("acme", key))).build().unwrap();
            TransactGetItem::builder().get(get).build()
        };
        let reads = acme.dynamodb().transact_get_items().transact_items(get("p-1")).transact_items(get("p-2"));
        assert!(reads.send().await.is_err(), "{answer}");
    }
}

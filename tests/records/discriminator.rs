//! Record types that disagree on an attribute: `note` is encrypted in a person and plain in a firm.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, ReturnValue, WriteRequest};
use serde::{Deserialize, Serialize};
use tenantseal::error::{ConfigError, ExpressionError, OpenError, OpenFault, Refusal, SealError};
use tenantseal::records::attribute;
use tenantseal::schema::{InvalidSchema, Protection, TableSchema};
use tenantseal::{Error, Item, Record, TenantSeal};

use crate::common::wire::Wire;
use crate::common::{ROLE, World, id, key, s, sealing_error};
use crate::records::scene::{Firm, Person, SECRET, acme, builder, firm, person};

/// An item as code without structs makes it.
fn raw(kind: Option<&str>, contact_id: &str, note: AttributeValue) -> Item {
    let mut item = key("acme", contact_id);
    item.insert("note".to_owned(), note);
    item.extend(kind.map(|kind| ("kind".to_owned(), s(kind))));
    item
}

async fn put(dynamodb: &Client, item: Item) -> Result<(), Error> {
    let answer = dynamodb.put_item().table_name("crm").set_item(Some(item)).send().await;
    answer.map(drop).map_err(|error| Error::find_in(&error).unwrap().clone())
}

#[tokio::test]
async fn each_type_is_sealed_and_opened_by_its_own_schema() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    let (people, firms) = (acme.records::<Person>(), acme.records::<Firm>());
    people.put(&person("p-1")).await.unwrap();
    firms.put(&firm("f-1")).await.unwrap();
    let stored = world.stored("acme", "p-1").await;
    assert!(stored["note"].is_b());
    assert_eq!(stored["kind"], s("person"), "the repository adds a discriminator that is no field");
    assert_eq!(world.stored("acme", "f-1").await["note"], s("a public note"));
    assert_eq!(people.get("p-1").await.unwrap(), Some(Person { version: 1, ..person("p-1") }));
    assert_eq!(firms.get("f-1").await.unwrap(), Some(firm("f-1")));
    let all: Vec<Firm> = firms.query().stream().try_collect().await.unwrap();
    assert_eq!(all, [firm("f-1")]);
    let all: Vec<Person> = people.scan().stream().try_collect().await.unwrap();
    assert_eq!(all.len(), 1);

    // Whatever brings both opens both.
    let page = acme.dynamodb().scan().table_name("crm").send().await.unwrap();
    let notes: Vec<_> = page.items().iter().map(|item| item["note"].clone()).collect();
    assert!(notes.contains(&s(SECRET)) && notes.contains(&s("a public note")), "{notes:?}");
    let both = KeysAndAttributes::builder().keys(key("acme", "p-1")).keys(key("acme", "f-1")).build().unwrap();
    let page = acme.dynamodb().batch_get_item().request_items("crm", both).send().await.unwrap();
    assert_eq!(page.responses.unwrap()["crm"].len(), 2);
}

#[tokio::test]
async fn an_item_that_does_not_say_what_it_is_is_not_sealed() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let acme = builder().build(&world.over(wire.clone())).unwrap().tenant(&id("acme"));
    let dynamodb = acme.dynamodb();
    for kind in [None, Some("other"), Some("")] {
        let error = put(&dynamodb, raw(kind, "x", s(SECRET))).await.unwrap_err();
        assert!(matches!(&error, Error::Seal(SealError::Discriminator(name)) if name == "kind"), "{error}");
        let write = PutRequest::builder().set_item(Some(raw(kind, "x", s(SECRET)))).build().unwrap();
        let write = WriteRequest::builder().put_request(write).build();
        sealing_error(dynamodb.batch_write_item().request_items("crm", vec![write]).send().await);
        acme.seal("crm", raw(kind, "x", s(SECRET))).await.unwrap_err();
    }
    let mut number = raw(None, "x", s(SECRET));
    number.insert("kind".to_owned(), AttributeValue::N("1".to_owned()));
    put(&dynamodb, number).await.unwrap_err();
    let binary = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new("x"));
    let error = put(&dynamodb, raw(Some("firm"), "x", binary)).await.unwrap_err();
    assert!(matches!(&error, Error::Seal(SealError::Binary(name)) if name == "note"), "{error}");
    assert!(wire.sent().is_empty());
    put(&dynamodb, raw(Some("person"), "x", s(SECRET))).await.unwrap();
    assert!(world.stored("acme", "x").await["note"].is_b());
}

#[tokio::test]
async fn who_flips_the_discriminator_gets_an_error_for_it() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    acme.records::<Person>().put(&person("p-1")).await.unwrap();
    acme.records::<Firm>().put(&firm("f-1")).await.unwrap();
    let flip = |mut item: Item, kind: Option<&str>| {
        item.remove("kind");
        item.extend(kind.map(|kind| ("kind".to_owned(), s(kind))));
        item
    };
    let (sealed, plain) = (world.stored("acme", "p-1").await, world.stored("acme", "f-1").await);
    let get =
        |contact_id: &'static str| acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", contact_id)));

    // Sealed bytes do not come back as if they were a firm's plain note.
    world.plant(flip(sealed.clone(), Some("firm"))).await;
    let error = sealing_error(get("p-1").send().await);
    let fault = OpenError::Attribute { attribute: "note".to_owned(), fault: OpenFault::Binary };
    assert!(matches!(&error, Error::Open(found) if *found == fault) && error.is_integrity(), "{error}");
    assert!(acme.records::<Firm>().get("p-1").await.is_err());
    // Nor does a plain note pass for a person's.
    world.plant(flip(plain, Some("person"))).await;
    let error = sealing_error(get("f-1").send().await);
    assert!(matches!(error, Error::Open(OpenError::Attribute { fault: OpenFault::NotSealed, .. })), "{error}");
    // Nor is anything opened of an item that is of no type.
    for kind in [None, Some("other")] {
        world.plant(flip(sealed.clone(), kind)).await;
        let error = sealing_error(get("p-1").send().await);
        assert!(matches!(error, Error::Open(OpenError::Discriminator { .. })) && error.is_integrity(), "{error}");
        sealing_error(acme.dynamodb().scan().table_name("crm").send().await);
        acme.open("crm", flip(sealed.clone(), kind)).await.unwrap_err();
    }
}

#[tokio::test]
async fn the_repository_of_one_type_leaves_the_items_of_another_alone() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    let (people, firms) = (acme.records::<Person>(), acme.records::<Firm>());
    people.put(&person("x-1")).await.unwrap();
    let error = firms.get("x-1").await.unwrap_err();
    assert!(matches!(error.cause(), Error::Record { .. }) && !error.to_string().contains(SECRET), "{error}");
    assert!(firms.put(&firm("x-1")).await.unwrap_err().is_condition_failed());
    assert!(firms.delete("x-1").await.unwrap_err().is_condition_failed());
    assert!(firms.update("x-1").set("note", "x").await.unwrap_err().is_condition_failed());
    assert!(firms.update("x-2").set("note", "x").await.unwrap_err().is_condition_failed(), "it is no upsert");
    assert!(people.get("x-1").await.unwrap().is_some());
    let disguised = Firm { kind: "person".to_owned(), ..firm("x-3") };
    assert!(matches!(firms.put(&disguised).await.unwrap_err(), Error::Record { .. }));
    people.update("x-1").set("note", "changed").await.unwrap();
    assert!(world.stored("acme", "x-1").await["note"].is_b());
    assert_eq!(people.take("x-1").await.unwrap().unwrap().note, "changed");
}

#[tokio::test]
async fn an_update_of_what_varies_must_say_which_type_it_means() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let acme = builder().build(&world.over(wire.clone())).unwrap().tenant(&id("acme"));
    let dynamodb = acme.dynamodb();
    let update = |expression: &str, condition: Option<&str>, kind: Option<&str>| {
        let update = dynamodb.update_item().table_name("crm").set_key(Some(key("acme", "x-1")));
        let update = update.update_expression(expression).set_condition_expression(condition.map(str::to_owned));
        let update =
            if expression.contains(":note") { update.expression_attribute_values(":note", s(SECRET)) } else { update };
        match kind {
            Some(kind) => update.expression_attribute_values(":kind", s(kind)),
            None => update,
        }
    };
    let varies = |error: Error| {
        matches!(error, Error::Refused(Refusal::Expression { source: ExpressionError::Varies { .. }, .. }))
    };
    let set = "SET note = :note";
    for (condition, kind) in [
        (None, None),
        (Some("kind <> :kind"), Some("person")),
        (Some("NOT kind = :kind"), Some("person")),
        (Some("kind = :kind OR attribute_exists(email)"), Some("person")),
        (Some("kind = :kind"), Some("other")),
        (Some("begins_with(kind, :kind)"), Some("person")),
        (Some("attribute_exists(kind)"), None),
    ] {
        let error = sealing_error(update(set, condition, kind).send().await);
        assert!(varies(error), "{condition:?} {kind:?}");
    }
    for expression in
        ["SET email = note", "SET company = note", "ADD note :note", "SET note = if_not_exists(company, :note)"]
    {
        let error = sealing_error(update(expression, None, None).send().await);
        assert!(matches!(error, Error::Refused(_)), "{expression}: {error}");
    }
    for expression in ["SET kind = :note", "REMOVE kind"] {
        let error = sealing_error(update(expression, Some("kind = :kind"), Some("person")).send().await);
        let Error::Refused(Refusal::Expression { source, .. }) = &error else { panic!("{error}") };
        assert!(matches!(source, ExpressionError::Discriminator { .. }), "{error}");
    }
    let filtered = dynamodb.scan().table_name("crm").filter_expression("note = :note");
    assert!(varies(sealing_error(filtered.expression_attribute_values(":note", s(SECRET)).send().await)));
    assert!(wire.sent().is_empty());

    acme.records::<Person>().put(&person("x-1")).await.unwrap();
    let conjunct = Some("attribute_exists(email) AND (kind = :kind AND attribute_exists(note))");
    update(set, conjunct, Some("person")).send().await.unwrap();
    assert!(world.stored("acme", "x-1").await["note"].is_b());
    update(set, Some(":kind = kind"), Some("firm")).send().await.unwrap_err();
    // What means the same for every type needs no type.
    let removed = update("REMOVE note", Some("attribute_exists(note)"), None).return_values(ReturnValue::UpdatedOld);
    let removed = removed.send().await.unwrap().attributes.unwrap();
    assert_eq!(removed, [("note".to_owned(), s(SECRET))].into());
}

#[tokio::test]
async fn a_firms_note_can_be_filtered_and_updated_as_a_plain_one() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    let firms = acme.records::<Firm>();
    firms.put(&firm("f-1")).await.unwrap();
    let scan = acme.dynamodb().scan().table_name("crm").filter_expression("kind = :kind AND contains(note, :part)");
    let scan = scan.expression_attribute_values(":kind", s("firm")).expression_attribute_values(":part", s("public"));
    assert_eq!(scan.send().await.unwrap().count(), 1);
    firms.update("f-1").set("note", "other").condition(attribute("note").begins_with("a public")).await.unwrap();
    assert_eq!(world.stored("acme", "f-1").await["note"], s("other"));
    let binary = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new("x"));
    let update = acme.dynamodb().update_item().table_name("crm").set_key(Some(key("acme", "f-1")));
    let update = update.update_expression("SET note = :note").condition_expression("kind = :kind");
    let update = update.expression_attribute_values(":note", binary).expression_attribute_values(":kind", s("firm"));
    assert!(matches!(sealing_error(update.send().await), Error::Seal(SealError::Binary(_))));
}

#[tokio::test]
async fn a_projection_brings_the_discriminator_along_and_leaves_it_out_again() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    acme.records::<Person>().put(&person("p-1")).await.unwrap();
    acme.records::<Firm>().put(&firm("f-1")).await.unwrap();
    for (contact_id, note) in [("p-1", SECRET), ("f-1", "a public note")] {
        let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", contact_id)));
        let item = get.projection_expression("note").send().await.unwrap().item.unwrap();
        assert_eq!(item, [("note".to_owned(), s(note))].into());
    }
    let query = acme.dynamodb().query().table_name("crm").key_condition_expression("tenant_id = :t");
    let query = query.expression_attribute_values(":t", s("acme")).projection_expression("note, email");
    assert_eq!(query.send().await.unwrap().count(), 2);
}

#[tokio::test]
async fn an_index_without_the_discriminator_is_named() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    acme.records::<Firm>().put(&firm("f-1")).await.unwrap();
    let drop_kind =
        |body: String| body.replace("\"kind\":{\"S\":\"firm\"},", "").replace(",\"kind\":{\"S\":\"firm\"}", "");
    let wire = Wire::scripted(move |sent, _| match sent.operation.as_str() {
        "Query" => crate::common::wire::Reaction::Alter(Box::new(drop_kind)),
        _ => crate::common::wire::Reaction::Forward,
    });
    let acme = builder().build(&world.over(wire)).unwrap().tenant(&id("acme"));
    let query = acme.dynamodb().query().table_name("crm").index_name("by-company");
    let query = query.key_condition_expression("company = :c").expression_attribute_values(":c", s("Example Ltd"));
    let error = sealing_error(query.send().await);
    let Error::Open(OpenError::IndexLacksDiscriminator { index, discriminator, attribute }) = &error else {
        panic!("{error}")
    };
    assert_eq!((&**index, &**discriminator, &**attribute), ("by-company", "kind", "note"));
    assert!(!error.is_integrity());
}

#[tokio::test]
async fn types_that_nothing_tells_apart_are_an_error_when_the_client_is_built() {
    #[derive(Serialize, Deserialize, Record)]
    #[seal(table = "crm")]
    struct Note {
        #[seal(partition_key, tenant)]
        tenant_id: String,
        #[seal(sort_key)]
        contact_id: String,
        note: String,
    }
    #[derive(Serialize, Deserialize, Record)]
    #[seal(table = "crm", discriminator = "kind", value = "person")]
    struct Same {
        #[seal(partition_key, tenant)]
        tenant_id: String,
        #[seal(sort_key)]
        contact_id: String,
        note: String,
    }
    let world = World::start(&[]).await;
    for built in [builder().record::<Note>().build(&world.app), builder().record::<Same>().build(&world.app)] {
        let error = built.err().unwrap();
        assert!(matches!(error, ConfigError::Schema(InvalidSchema::AttributeDisagrees { .. })), "{error}");
    }
}

#[tokio::test]
async fn tables_without_structs_have_variants_too() {
    let world = World::start(&["acme"]).await;
    let of = |kind: &str| {
        let table = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
        table.plain("kind").discriminator("kind", kind)
    };
    let seal = TenantSeal::builder().assume_role(ROLE).table(of("person").encrypt("note").build().unwrap());
    let seal = seal.table(of("firm").plain("note").build().unwrap()).build(&world.app).unwrap();
    let dynamodb = seal.tenant(&id("acme")).dynamodb();
    put(&dynamodb, raw(Some("person"), "p-1", s(SECRET))).await.unwrap();
    put(&dynamodb, raw(Some("firm"), "f-1", s("x"))).await.unwrap();
    assert!(world.stored("acme", "p-1").await["note"].is_b());
    assert!(world.stored("acme", "f-1").await["note"].is_s());
    assert_eq!(
        TableSchema::for_record::<Person>().unwrap().protection("note").map(Protection::is_encrypted),
        Some(true)
    );
}

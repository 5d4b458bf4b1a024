//! Streams: page by page, and no page before somebody wants it.

use futures_util::StreamExt;
use tenantseal::Error;
use tenantseal::error::Written;
use tenantseal::records::{Records, attribute};

use crate::common::wire::Wire;
use crate::common::{Contact, World, contact};

async fn seeded(world: &World, count: usize) -> (Wire, Records<Contact>) {
    let wire = Wire::open();
    let contacts = world.tenant_over("acme", wire.clone()).records::<Contact>();
    let all: Vec<Contact> = (0..count).map(|at| contact("acme", &format!("c-{at:02}"))).collect();
    contacts.put_many(&all).await.unwrap();
    (wire, contacts)
}

#[tokio::test]
async fn a_page_is_asked_for_when_the_one_before_it_is_taken() {
    let world = World::start(&["acme"]).await;
    let (wire, contacts) = seeded(&world, 10).await;
    let pages = || wire.bodies("Query").len();
    let mut stream = contacts.query().customize(|query| query.limit(3)).stream();
    assert_eq!(pages(), 0, "nothing is asked before the stream is polled");
    for at in 0..10 {
        let found = stream.next().await.unwrap().unwrap();
        assert_eq!(found.contact_id, format!("c-{at:02}"));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        assert_eq!(pages(), at / 3 + 1, "after {} records", at + 1);
    }
    assert!(stream.next().await.is_none());

    let before = pages();
    let mut stream = contacts.query().customize(|query| query.limit(3)).stream();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!(pages(), before + 1);
}

#[tokio::test]
async fn a_limit_is_of_records_and_asks_for_no_more() {
    let world = World::start(&["acme"]).await;
    let (wire, contacts) = seeded(&world, 10).await;
    let found: Vec<Contact> = contacts.query().limit(2).descending().stream().try_collect().await.unwrap();
    assert_eq!(found.iter().map(|found| &*found.contact_id).collect::<Vec<_>>(), ["c-09", "c-08"]);
    let body = String::from_utf8(wire.bodies("Query").pop().unwrap()).unwrap();
    assert!(body.contains("\"Limit\":2"), "{body}");
    let filtered = contacts.query().filter(attribute("company").equals("Example Ltd")).limit(4).stream();
    assert_eq!(filtered.count().await, 4);
    let between: Vec<Contact> = contacts.query().between("c-03", "c-05").stream().try_collect().await.unwrap();
    assert_eq!(between.len(), 3);
}

#[tokio::test]
async fn an_index_is_asked_by_its_keys() {
    let world = World::start(&["acme", "globex"]).await;
    let (_, contacts) = seeded(&world, 3).await;
    world.tenant("globex").records::<Contact>().put(&contact("globex", "c-99")).await.unwrap();
    let at = |id: &str| attribute("company").equals("Example Ltd").and(attribute("contact_id").begins_with(id));
    let found: Vec<Contact> = contacts.query().index("by-company", at("c-")).stream().try_collect().await.unwrap();
    assert_eq!(found, (0..3).map(|at| contact("acme", &format!("c-{at:02}"))).collect::<Vec<_>>());
    let own = attribute("company").equals("Example Ltd").and(attribute("tenant_id").equals("acme"));
    let found = contacts.query().index("by-company-and-tenant", own).descending().stream();
    assert_eq!(found.count().await, 3);
}

#[tokio::test]
async fn a_scan_finds_the_tenants_own() {
    let world = World::start(&["acme", "globex"]).await;
    let (_, contacts) = seeded(&world, 3).await;
    let globex = world.tenant("globex").records::<Contact>();
    globex.put(&contact("globex", "c-99")).await.unwrap();
    assert_eq!(contacts.scan().stream().count().await, 3);
    assert_eq!(globex.scan().limit(5).stream().count().await, 1);
}

/// Ten contacts, of which `c-01` is in plaintext, `c-03` has another's bytes, `c-05` another tenant's, and `c-07` is no contact.
async fn with_four_foreign(world: &World) -> (Wire, Records<Contact>) {
    let (wire, contacts) = seeded(world, 10).await;
    world.tenant("globex").records::<Contact>().put(&contact("globex", "c-05")).await.unwrap();
    let (another, theirs) = (world.stored("acme", "c-04").await, world.stored("globex", "c-05").await);
    for (id, from, name) in [("c-03", &another, "email"), ("c-05", &theirs, "email"), ("c-05", &theirs, "_seal")] {
        let mut item = world.stored("acme", id).await;
        item.insert(name.to_owned(), from[name].clone());
        world.plant(item).await;
    }
    for (id, name) in [("c-01", "email"), ("c-07", "company")] {
        let mut item = world.stored("acme", id).await;
        match name {
            "email" => drop(item.insert(name.to_owned(), crate::common::s("plaintext"))),
            _ => drop(item.remove(name)),
        }
        world.plant(item).await;
    }
    (wire, contacts)
}

/// The id of a record, or of the item that an error names.
fn told(found: Result<Contact, Error>) -> (bool, String) {
    match found {
        Ok(contact) => (true, contact.contact_id),
        Err(error) => {
            let item = error.item().unwrap();
            assert_eq!((item.table(), error.written(), error.sealed_item()), ("crm", Written::No, None));
            assert!(matches!(error.cause(), Error::Open(_) | Error::Record { .. }), "{error}");
            (false, item.key()["contact_id"].as_s().unwrap().clone())
        }
    }
}

#[tokio::test]
async fn a_record_that_does_not_open_is_an_error_and_the_others_follow() {
    let world = World::start(&["acme", "globex"]).await;
    let (wire, contacts) = with_four_foreign(&world).await;
    // `c-07` is in no index on what it lacks, and the scan and the query find it.
    let expected: Vec<_> = (0..10).map(|at| (![1, 3, 5, 7].contains(&at), format!("c-{at:02}"))).collect();
    let query = contacts.query().customize(|query| query.limit(4)).stream();
    assert_eq!(query.map(told).collect::<Vec<_>>().await, expected);
    let mut scanned: Vec<_> = contacts.scan().stream().map(told).collect().await;
    scanned.sort_by(|(_, one), (_, other)| one.cmp(other));
    assert_eq!(scanned, expected);
    let each = contacts.get_many(expected.iter().rev().map(|(_, id)| id)).each().await.unwrap();
    let each = each.into_iter().map(|found| told(found.map(Option::unwrap)));
    assert!(each.eq(expected.iter().rev().cloned()));

    // A limit is of records: what is none does not count.
    let limited: Vec<_> = contacts.query().limit(3).stream().map(told).collect().await;
    assert_eq!(limited, expected[..5]);
    // Who wants all gets the first error.
    assert!(contacts.query().stream().try_collect::<Vec<_>>().await.unwrap_err().is_integrity());
    // Another tenant's bytes are known by their context: nothing was asked for them.
    assert_eq!(wire.bodies("Decrypt").len(), 0);
}

#[tokio::test]
async fn an_error_of_many_items_names_each_that_does_not_open() {
    let world = World::start(&["acme", "globex"]).await;
    let (_, contacts) = with_four_foreign(&world).await;
    let acme = world.tenant("acme");
    let ids = |error: &Error| -> Vec<String> {
        let ids = error.items().iter().map(|item| item.item().key()["contact_id"].as_s().unwrap().clone());
        let mut ids: Vec<_> = ids.collect();
        ids.sort();
        ids
    };
    let query = acme.dynamodb().query().table_name("crm").key_condition_expression("tenant_id = :t");
    let query = query.expression_attribute_values(":t", crate::common::s("acme")).send().await.unwrap_err();
    // What no key opens is found before any key is asked for.
    assert_eq!(ids(Error::find_in(&query).unwrap()), ["c-01"]);
    let scan = acme.dynamodb().scan().table_name("crm").send().await.unwrap_err();
    assert_eq!(ids(Error::find_in(&scan).unwrap()), ["c-01"]);
    world.plant(acme.seal("crm", crate::common::item(&contact("acme", "c-01"))).await.unwrap()).await;
    let scan = acme.dynamodb().scan().table_name("crm").send().await.unwrap_err();
    assert_eq!(ids(Error::find_in(&scan).unwrap()), ["c-05"]);
    world.plant(acme.seal("crm", crate::common::item(&contact("acme", "c-05"))).await.unwrap()).await;
    let scan = acme.dynamodb().scan().table_name("crm").send().await.unwrap_err();
    assert_eq!(ids(Error::find_in(&scan).unwrap()), ["c-03"]);
    let many = contacts.get_many((0..10).map(|at| format!("c-{at:02}"))).await.unwrap_err();
    assert_eq!(ids(&many), ["c-03", "c-07"]);
}

#[tokio::test]
async fn items_that_are_given_are_opened_each_by_itself() {
    let world = World::start(&["acme", "globex"]).await;
    with_four_foreign(&world).await;
    let acme = world.tenant("acme");
    let mut items = Vec::new();
    for at in 0..10 {
        items.push(world.stored("acme", &format!("c-{at:02}")).await);
    }
    let each = acme.open_each("crm", items.clone()).await.unwrap();
    for (at, (opened, item)) in each.into_iter().zip(&items).enumerate() {
        match opened {
            Ok(opened) => assert!(![1, 3, 5].contains(&at) && opened["email"].is_s()),
            // It is given back as it is.
            Err(error) => assert!([1, 3, 5].contains(&at) && error.sealed_item() == Some(item), "{at}: {error}"),
        }
    }
    let error = acme.open_all("crm", items.clone()).await.unwrap_err();
    assert_eq!((error.items().len(), error.sealed_item()), (1, Some(&items[1])));
}

#[tokio::test]
async fn one_record_is_sealed_and_opened_without_dynamodb() {
    let world = World::start(&["acme", "globex"]).await;
    let contacts = world.tenant("acme").records::<Contact>();
    let sealed = contacts.seal(&contact("acme", "c-1")).await.unwrap();
    assert!(sealed["email"].is_b() && sealed["_seal"].is_b());
    assert_eq!(contacts.open(sealed.clone()).await.unwrap(), contact("acme", "c-1"));
    assert!(world.tenant("globex").records::<Contact>().open(sealed).await.unwrap_err().is_integrity());
    contacts.seal(&contact("globex", "c-1")).await.unwrap_err();
}

#[tokio::test]
async fn a_forged_key_record_keeps_no_other_record_from_opening() {
    let world = World::start(&["acme"]).await;
    // Each sealed by another process, so each under another key.
    for at in 0..20 {
        world.tenant("acme").records::<Contact>().put(&contact("acme", &format!("c-{at:02}"))).await.unwrap();
    }
    let mut forged = world.stored("acme", "c-00").await;
    let mut header = forged["_seal"].as_b().unwrap().clone().into_inner();
    *header.last_mut().unwrap() ^= 1;
    forged.insert("_seal".to_owned(), aws_sdk_dynamodb::types::AttributeValue::B(header.into()));
    world.plant(forged).await;
    let contacts = world.tenant("acme").records::<Contact>();
    let alone = contacts.get_many(["c-00"]).each().await.unwrap().remove(0);
    assert!(alone.unwrap_err().is_integrity());
    // It is known to be refused before any other is asked for.
    let found: Vec<_> = contacts.query().stream().map(told).collect().await;
    assert_eq!(found, (0..20).map(|at| (at != 0, format!("c-{at:02}"))).collect::<Vec<_>>());
}

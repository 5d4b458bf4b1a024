//! Streams: page by page, and no page before somebody wants it.

use futures_util::StreamExt;
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

#[tokio::test]
async fn after_a_record_that_does_not_open_the_stream_says_so_and_ends_with_the_page() {
    let world = World::start(&["acme"]).await;
    let (_, contacts) = seeded(&world, 3).await;
    let mut damaged = world.stored("acme", "c-01").await;
    damaged.insert("email".to_owned(), crate::common::s("plaintext"));
    world.plant(damaged).await;
    let mut stream = contacts.query().stream();
    assert!(stream.next().await.unwrap().unwrap_err().is_integrity());
    assert!(stream.next().await.is_none());
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

//! Lists page by page, with tokens that a client keeps: each record once, and a token for its tenant and query alone.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tenantseal::Error;
use tenantseal::error::{Refusal, Written};
use tenantseal::records::{PageToken, Query, Records, attribute};

use crate::common::key_table::key_table;
use crate::common::wire::{Reaction, Sent, Wire};
use crate::common::{Contact, World, contact, id};
use crate::records::scene::{Firm, Person, acme, firm, person};

async fn with_contacts(count: usize) -> (World, Records<Contact>) {
    let world = World::start(&["acme", "globex"]).await;
    let contacts = world.tenant("acme").records::<Contact>();
    for at in 0..count {
        let company = if at % 3 == 0 { "Example Ltd" } else { "Analytical Engines" };
        let record = Contact { company: company.to_owned(), ..contact("acme", &format!("c-{at:02}")) };
        contacts.put(&record).await.unwrap();
    }
    (world, contacts)
}

/// All records' ids, in the order in which the pages have them, and the number of pages.
async fn walk<'a>(query: impl Fn() -> Query<'a, Contact>) -> (Vec<String>, usize) {
    let (mut all, mut pages, mut token) = (Vec::new(), 0, None);
    loop {
        let page = query().page(token.as_ref()).await.unwrap();
        token.clone_from(&page.next);
        all.extend(page.into_records().unwrap().into_iter().map(|contact| contact.contact_id));
        pages += 1;
        if token.is_none() {
            return (all, pages);
        }
    }
}

fn refused<T>(result: Result<T, Error>) -> bool {
    match result {
        Ok(_) => false,
        Err(Error::Refused(Refusal::PageToken)) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pages_of_any_size_have_each_record_once_and_in_order() {
    let (world, contacts) = with_contacts(11).await;
    let all: Vec<_> = (0..11).map(|at| format!("c-{at:02}")).collect();
    let reversed: Vec<_> = all.iter().rev().cloned().collect();
    for limit in 1..13 {
        assert_eq!(walk(|| contacts.query().limit(limit)).await.0, all, "{limit}");
        assert_eq!(walk(|| contacts.query().descending().limit(limit)).await.0, reversed, "{limit}");
        let engines = || attribute("company").equals("Analytical Engines");
        let (found, pages) = walk(|| contacts.query().filter(engines()).limit(limit)).await;
        let expected: Vec<_> = all.iter().enumerate().filter(|(at, _)| at % 3 != 0).map(|(_, id)| id.clone()).collect();
        assert_eq!(found, expected, "{limit}");
        assert!(pages >= 11 / limit, "{limit}: {pages}");
        let of_index = || contacts.query().index("by-company", engines());
        assert_eq!(walk(|| of_index().limit(limit)).await.0, expected, "{limit}");
    }
    let (whole, pages) = walk(|| contacts.query()).await;
    assert_eq!((whole, pages), (all, 1));
    // One data key for the records, and the same one for all tokens.
    assert_eq!(world.stack.calls().count("GenerateDataKey"), 1);
    assert_eq!(world.stack.calls().count("Decrypt"), 0);
}

#[tokio::test]
async fn a_scan_is_paged_as_a_query_is() {
    let (_world, contacts) = with_contacts(7).await;
    let (mut all, mut token) = (BTreeSet::new(), None);
    loop {
        let page = contacts.scan().limit(2).page(token.as_ref()).await.unwrap();
        for contact in &page.records {
            assert!(all.insert(contact.as_ref().unwrap().contact_id.clone()));
        }
        match page.next {
            Some(next) => token = Some(next),
            None => break,
        }
    }
    assert_eq!(all.len(), 7);
    let segment = |of| contacts.scan().customize(move |scan| scan.segment(0).total_segments(of));
    let token = segment(1).limit(1).page(None).await.unwrap().next.unwrap();
    assert!(refused(segment(2).limit(1).page(Some(&token)).await));
    assert!(refused(contacts.query().limit(1).page(Some(&token)).await));
}

#[tokio::test]
async fn a_token_is_good_for_its_tenant_and_its_query_alone() {
    let (world, contacts) = with_contacts(6).await;
    let query = || contacts.query().begins_with("c-").filter(attribute("company").exists()).limit(2);
    let token = query().page(None).await.unwrap().next.unwrap();
    assert_eq!(query().page(Some(&token)).await.unwrap().records.len(), 2);
    assert_eq!(query().limit(3).page(Some(&token)).await.unwrap().records.len(), 3, "the size is free");
    let elsewhere = world.seal().tenant(&id("acme")).records::<Contact>();
    let there = elsewhere.query().begins_with("c-").filter(attribute("company").exists()).limit(2);
    assert_eq!(there.page(Some(&token)).await.unwrap().records.len(), 2, "another process");

    let filter = || attribute("company").exists();
    let engines = || attribute("company").equals("Analytical Engines");
    let others = [
        contacts.query().begins_with("c-0").filter(filter()),
        contacts.query().filter(filter()),
        contacts.query().begins_with("c-"),
        contacts.query().begins_with("c-").filter(attribute("contact_id").exists()),
        contacts.query().begins_with("c-").filter(filter()).descending(),
        contacts.query().index("by-company", engines()),
    ];
    for (at, other) in others.into_iter().enumerate() {
        assert!(refused(other.page(Some(&token)).await), "{at}");
    }
    let globex = world.tenant("globex").records::<Contact>();
    let theirs = globex.query().begins_with("c-").filter(attribute("company").exists());
    let error = theirs.page(Some(&token)).await.unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::PageToken)), "{error:?}");
    assert_eq!(error.http_status(), 400);
}

#[tokio::test]
async fn an_altered_token_is_refused_and_a_token_shows_no_key() {
    let (_world, contacts) = with_contacts(3).await;
    let token = contacts.query().limit(1).page(None).await.unwrap().next.unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(token.as_str()).unwrap();
    assert!(!bytes.windows(4).any(|part| part == b"c-00"));
    assert!(!format!("{token:?}").contains(token.as_str()));

    // The ciphertext and its tag; the key record before them is for the tests of items.
    for at in bytes.len() - 60..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let altered = PageToken::from(URL_SAFE_NO_PAD.encode(altered));
        assert!(refused(contacts.query().limit(1).page(Some(&altered)).await), "{at}");
    }
    let long = "A".repeat(20_000);
    for text in ["", "c-00", "????", long.as_str(), &token.as_str()[..token.as_str().len() - 8]] {
        assert!(refused(contacts.query().page(Some(&PageToken::from(text))).await), "{text:.20}");
    }
    let in_a_record = URL_SAFE_NO_PAD.encode({
        let mut altered = bytes.clone();
        altered[40] ^= 1;
        altered
    });
    contacts.query().page(Some(&PageToken::from(in_a_record))).await.unwrap_err();
}

#[tokio::test]
async fn a_page_of_no_records_asks_for_nothing() {
    let (_world, contacts) = with_contacts(3).await;
    let token = contacts.query().limit(1).page(None).await.unwrap().next.unwrap();
    let page = contacts.query().limit(0).page(Some(&token)).await.unwrap();
    assert_eq!((page.records.len(), page.next), (0, Some(token)));
}

#[tokio::test]
async fn a_record_that_does_not_open_is_an_error_on_its_page() {
    let (world, contacts) = with_contacts(3).await;
    let mut altered = world.stored("acme", "c-01").await;
    altered.insert("email".to_owned(), world.stored("acme", "c-00").await["email"].clone());
    world.plant(altered).await;
    let page = contacts.query().limit(3).page(None).await.unwrap();
    let opened: Vec<_> = page.records.iter().map(Result::is_ok).collect();
    assert_eq!(opened, [true, false, true]);
    assert!(page.into_records().unwrap_err().is_integrity());
}

#[tokio::test]
async fn counting_and_looking_for_a_record_need_no_data_key() {
    let (world, _) = with_contacts(7).await;
    let before = world.key_calls();
    let contacts = world.tenant("acme").records::<Contact>();
    assert_eq!(contacts.query().count().await.unwrap(), 7);
    assert_eq!(contacts.query().limit(4).count().await.unwrap(), 4);
    assert_eq!(contacts.query().customize(|query| query.limit(2)).count().await.unwrap(), 7, "page by page");
    assert_eq!(contacts.query().begins_with("c-00").count().await.unwrap(), 1);
    let example = attribute("company").equals("Example Ltd");
    assert_eq!(contacts.scan().filter(example.clone()).count().await.unwrap(), 3);
    assert_eq!(contacts.query().index("by-company", example).count().await.unwrap(), 3);
    assert!(contacts.get("c-00").exists().await.unwrap());
    assert!(contacts.get("c-00").consistent().exists().await.unwrap());
    assert!(!contacts.get("c-99").exists().await.unwrap());
    assert_eq!(world.tenant("globex").records::<Contact>().query().count().await.unwrap(), 0);
    assert_eq!(world.key_calls(), before);
}

#[tokio::test]
async fn a_record_of_another_type_neither_counts_nor_exists() {
    let world = World::start(&["acme"]).await;
    let acme = acme(&world);
    let (people, firms) = (acme.records::<Person>(), acme.records::<Firm>());
    people.put(&person("p-1")).await.unwrap();
    firms.put(&firm("f-1")).await.unwrap();
    assert_eq!(people.query().count().await.unwrap(), 1);
    assert!(people.get("p-1").exists().await.unwrap());
    let other = people.get("f-1").exists().await.unwrap_err();
    assert_eq!(other.to_string(), people.get("f-1").await.unwrap_err().cause().to_string());
}

/// A token carries its key record, so each forged one makes KMS unwrap another.
#[tokio::test]
async fn forged_tokens_shut_nobody_out_of_what_is_stored() {
    let (world, contacts) = with_contacts(3).await;
    let token = contacts.query().limit(1).page(None).await.unwrap().next.unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(token.as_str()).unwrap();
    let process = world.seal().tenant(&id("acme")).records::<Contact>();
    let before = world.stack.calls().count("Decrypt");
    let mut statuses = BTreeSet::new();
    for at in 0..160 {
        let mut forged = bytes.clone();
        (forged[5], forged[6]) = (at, forged[6] ^ 1);
        let forged = PageToken::from(URL_SAFE_NO_PAD.encode(forged));
        statuses.insert(process.query().limit(1).page(Some(&forged)).await.unwrap_err().http_status());
    }
    assert_eq!(statuses, BTreeSet::from([400, 503]));
    let calls = world.stack.calls().count("Decrypt") - before;
    assert!((20..60).contains(&calls), "{calls} calls to KMS for 160 forged tokens");
    assert!(process.get("c-00").await.unwrap().is_some());
    // The data key is cached now.
    assert!(process.query().limit(1).page(Some(&token)).await.is_ok());
}

/// A reference to a data key costs a read of the key table, and no token has one.
#[tokio::test]
async fn a_token_that_refers_to_a_data_key_is_refused_unread() {
    let world = World::with_key_table(&["acme"]).await;
    let wire = Wire::scripted(|_, _| Reaction::Forward);
    let config = world.over(wire.clone());
    let seal = world.builder().key_table(key_table(&config)).build(&config).unwrap();
    let contacts = seal.tenant(&id("acme")).records::<Contact>();
    for at in ["c-1", "c-2"] {
        contacts.put(&contact("acme", at)).await.unwrap();
    }
    let token = contacts.query().limit(1).page(None).await.unwrap().next.unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(token.as_str()).unwrap();
    bytes[0] = 0x13;
    let before = wire.bodies("GetItem").len();
    let forged = PageToken::from(URL_SAFE_NO_PAD.encode(bytes));
    let refused = contacts.query().limit(1).page(Some(&forged)).await.unwrap_err();
    assert_eq!((refused.http_status(), wire.bodies("GetItem").len()), (400, before));
}

#[tokio::test]
async fn each_error_has_the_status_that_a_service_answers() {
    let (world, contacts) = with_contacts(2).await;
    let taken = contacts.put(&contact("acme", "c-00")).if_not_exists().await.unwrap_err();
    assert_eq!(taken.http_status(), 409);
    assert_eq!(contacts.put(&contact("globex", "c-00")).await.unwrap_err().http_status(), 403);
    let large = Contact { notes: Some("x".repeat(500_000)), ..contact("acme", "c-03") };
    assert_eq!(contacts.put(&large).await.unwrap_err().http_status(), 413);
    let unknown = contacts.query().filter(attribute("no_such").exists()).page(None).await.unwrap_err();
    assert_eq!(unknown.http_status(), 500, "a mistake of the program");

    let mut altered = world.stored("acme", "c-01").await;
    altered.insert("email".to_owned(), world.stored("acme", "c-00").await["email"].clone());
    world.plant(altered).await;
    assert_eq!(contacts.get("c-01").await.unwrap_err().http_status(), 500);

    let over = |script: fn(&Sent, usize) -> Reaction| {
        let wire = Wire::scripted(script);
        world.tenant_over("acme", wire).records::<Contact>()
    };
    let throttled = over(|sent, _| match sent.operation.as_str() {
        "GetItem" => Reaction::Answer(400, r#"{"__type": "x#ThrottlingException", "message": "no"}"#.to_owned()),
        _ => Reaction::Forward,
    });
    assert_eq!(throttled.get("c-00").await.unwrap_err().http_status(), 503);
    let lost = over(|sent, _| if sent.operation == "GetItem" { Reaction::Lose } else { Reaction::Forward });
    assert_eq!(lost.get("c-00").await.unwrap_err().http_status(), 503);
    let lost = over(|sent, _| if sent.operation == "PutItem" { Reaction::Lose } else { Reaction::Forward });
    let may_be_written = lost.put(&contact("acme", "c-04")).await.unwrap_err();
    assert_eq!((may_be_written.http_status(), may_be_written.written()), (500, Written::Unknown));

    let stranger = world.tenant("initech").records::<Contact>();
    let none = stranger.put(&contact("initech", "c-00")).await.unwrap_err();
    // Its alias may be new.
    assert_eq!((none.http_status(), none.is_revoked()), (503, false), "{none}");
    let key = world.admin.describe_key().key_id("alias/customer-acme").send().await.unwrap().key_metadata.unwrap();
    world.admin.disable_key().key_id(key.key_id).send().await.unwrap();
    let revoked = world.tenant("acme").records::<Contact>().get("c-00").await.unwrap_err();
    assert_eq!(revoked.http_status(), 403, "{revoked}");
}

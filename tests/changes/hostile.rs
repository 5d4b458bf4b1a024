//! Records that somebody has tampered with: each is refused by itself, and shows nothing.

use std::error::Error as _;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::Error;
use tenantseal::changes::{ChangeErrorKind, ChangeKind, StoredChange};
use tenantseal::error::OpenError;

use super::scene::{PLAIN, SECRET, change, contact, inserted, key, sealed};
use crate::common::{World, id, s};

#[tokio::test]
async fn an_image_of_another_item_than_the_keys_is_refused() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    let own = sealed(&seal, "acme", "c-1").await;
    let mut without_sort_key = own.clone();
    without_sort_key.remove("contact_id");
    let others = [sealed(&seal, "acme", "c-2").await, sealed(&seal, "globex", "c-1").await, without_sort_key];
    for other in others {
        let stored = StoredChange::new(ChangeKind::Modify, key("acme", "c-1"));
        let stored = stored.with_new_image(other).with_old_image(own.clone());
        let changes = seal.open_changes("crm", [stored]).await.unwrap();
        let change = change(&changes, 0);
        let error = change.new_image().refusal().unwrap();
        assert!(matches!(error.cause(), Error::Open(OpenError::OtherItem)), "{error}");
        assert!(error.is_integrity() && change.is_refused());
        assert_eq!(change.old_image().item(), Some(&contact("acme", "c-1")), "the other image has its own outcome");
    }
}

#[tokio::test]
async fn keys_that_name_no_item_of_a_tenant_fail_the_record() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let image = sealed(&seal, "acme", "c-1").await;
    let mut numbered = key("acme", "c-1");
    numbered.insert("tenant_id".to_owned(), AttributeValue::N("7".to_owned()));
    let mut lacking = key("acme", "c-1");
    lacking.remove("contact_id");
    let mut emptied = key("acme", "c-1");
    emptied.insert("tenant_id".to_owned(), s("\u{1b}[31mnobody"));
    for keys in [numbered, lacking, emptied, [("other".to_owned(), s("x"))].into()] {
        let stored = StoredChange::new(ChangeKind::Insert, keys).with_new_image(image.clone());
        let changes = seal.open_changes("crm", [stored]).await.unwrap();
        let error = changes[0].as_ref().unwrap_err();
        assert!(matches!(error.kind(), ChangeErrorKind::Keys(_)), "{error}");
        assert!(!error.is_retryable() && error.tenant().is_none() && !error.to_string().contains('\u{1b}'));
    }
}

/// After a migration a stream keeps plaintext for a day, a Kinesis stream for a year.
#[tokio::test]
async fn a_plaintext_old_image_is_refused_and_the_new_one_opens() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let new = sealed(&seal, "acme", "c-1").await;
    let stored = StoredChange::new(ChangeKind::Modify, key("acme", "c-1")).with_new_image(new);
    let changes = seal.open_changes("crm", [stored.with_old_image(contact("acme", "c-1"))]).await.unwrap();
    let change = change(&changes, 0);
    assert_eq!(change.new_image().item(), Some(&contact("acme", "c-1")));
    assert!(change.old_image().refusal().unwrap().is_integrity());
    assert!(change.is_refused() && !change.is_sealing_only());
}

#[tokio::test]
async fn one_poisoned_record_of_10000_fails_itself() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    let good = [inserted(&seal, "acme", "c-1").await, inserted(&seal, "globex", "c-2").await];
    let mut image = sealed(&seal, "acme", "c-3").await;
    let AttributeValue::B(email) = &image["email"] else { panic!("it is sealed") };
    let mut email = email.clone().into_inner();
    *email.last_mut().unwrap() ^= 1;
    image.insert("email".to_owned(), AttributeValue::B(Blob::new(email)));
    let poisoned = StoredChange::new(ChangeKind::Insert, key("acme", "c-3")).with_new_image(image);
    let stored: Vec<_> =
        (0..10_000).map(|at| if at == 4_711 { poisoned.clone() } else { good[at % 2].clone() }).collect();
    let changes = seal.open_changes("crm", stored).await.unwrap();
    let refused: Vec<_> = (0..10_000).filter(|at| change(&changes, *at).is_refused()).collect();
    assert_eq!(refused, [4_711]);
    for (at, outcome) in changes.into_iter().enumerate().filter(|(at, _)| *at != 4_711) {
        let (new, _) = outcome.unwrap().into_images();
        assert_eq!(new.into_item(), Some(if at % 2 == 0 { contact("acme", "c-1") } else { contact("globex", "c-2") }));
    }
}

#[tokio::test]
async fn nothing_that_is_printed_shows_an_item_or_a_key() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let name = "canary-contact";
    let new = sealed(&seal, "acme", name).await;
    let stored = StoredChange::new(ChangeKind::Modify, key("acme", name));
    let stored = stored.with_new_image(new).with_old_image(contact("acme", name));
    let mut no_tenant = key("acme", name);
    no_tenant.insert("tenant_id".to_owned(), s(SECRET));
    let broken = format!("{{\"Item\":{{\"email\":{{\"{SECRET}\":\"{PLAIN}\"}}}},\"{name}\":7}}");
    let stored = [
        stored.clone(),
        StoredChange::new(ChangeKind::Insert, no_tenant),
        StoredChange::from_json(broken.as_bytes()),
        StoredChange::new(ChangeKind::Insert, key("acme", name)).with_new_image(contact("acme", "c-2")),
    ];
    let changes = seal.open_changes("crm", stored.clone()).only(|tenant| *tenant == id("acme")).await.unwrap();
    let mut shown = format!("{stored:?} {changes:?} {:?}", seal.open_changes("crm", stored.clone()));
    for outcome in changes.iter() {
        match outcome {
            Ok(change) => [change.new_image(), change.old_image()].into_iter().for_each(|image| {
                shown += &image.refusal().map(ToString::to_string).unwrap_or_default();
            }),
            Err(error) => shown += &format!("{error} {:?}", error.source()),
        }
    }
    for canary in [PLAIN, SECRET, name] {
        assert!(!shown.contains(canary), "{canary} is shown: {shown}");
    }
    assert!(shown.contains("`email` does not open") && shown.contains("acme"), "{shown}");
}

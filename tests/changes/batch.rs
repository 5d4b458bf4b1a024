//! Several tenants in one batch: what is asked for, what is left out, and what has to come again.

use std::time::Duration;

use tenantseal::changes::{ChangeErrorKind, ChangeKind, Image, StoredChange};
use tenantseal::error::Refusal;
use tenantseal::keys::InMemoryKeyService;
use tenantseal::{Error, TenantSeal};

use super::scene::{change, cold, contact, inserted, key, modified};
use crate::common::{Contact, World, id};

#[tokio::test]
async fn a_batch_asks_for_each_data_key_once_over_all_tenants_and_images() {
    let world = World::start(&["acme", "globex"]).await;
    let writer = world.seal();
    let mut stored = Vec::new();
    for at in 0..20 {
        stored.push(modified(&writer, ["acme", "globex"][at % 2], &format!("c-{at}")).await);
    }
    let changes = cold(&world).open_changes("crm", stored).await.unwrap();
    for at in 0..20 {
        let (tenant, name) = (["acme", "globex"][at % 2], format!("c-{at}"));
        let change = change(&changes, at);
        assert_eq!((change.tenant(), change.sequence_number()), (&id(tenant), Some(&*name)));
        for image in [change.new_image(), change.old_image()] {
            assert_eq!(image.item(), Some(&contact(tenant, &name)));
        }
    }
    assert_eq!(["AssumeRole", "Decrypt"].map(|call| world.stack.calls().count(call)), [2, 2]);
}

#[tokio::test]
async fn tenants_that_nobody_wants_are_left_out_and_not_asked_for() {
    let world = World::start(&["acme", "globex"]).await;
    let writer = world.seal();
    let stored = [inserted(&writer, "acme", "c-1").await, inserted(&writer, "globex", "c-2").await];
    let reader = cold(&world);
    let changes = reader.open_changes("crm", stored).only(|tenant| tenant.as_str() == "acme").await.unwrap();
    assert_eq!(change(&changes, 0).new_image().item(), Some(&contact("acme", "c-1")));
    let left_out = changes[1].as_ref().unwrap_err();
    assert!(left_out.is_left_out() && !left_out.is_retryable());
    assert_eq!((left_out.tenant(), left_out.keys()), (Some(&id("globex")), Some(&key("globex", "c-2"))));
    assert_eq!(world.stack.calls().count("AssumeRole"), 1);
}

#[tokio::test]
async fn a_revoked_tenant_is_refused_and_the_others_of_the_batch_open() {
    let world = World::start(&["acme"]).await;
    let key = world.onboard("globex").await;
    let writer = world.seal();
    let stored = [
        inserted(&writer, "globex", "c-1").await,
        inserted(&writer, "acme", "c-2").await,
        inserted(&writer, "globex", "c-3").await,
    ];
    world.admin.disable_key().key_id(key).send().await.unwrap();
    let changes = cold(&world).open_changes("crm", stored).await.unwrap();
    for at in [0, 2] {
        let error = change(&changes, at).new_image().refusal().unwrap();
        assert!(error.is_revoked() && error.sealed_item().is_some(), "{error}");
    }
    assert_eq!(change(&changes, 1).new_image().item(), Some(&contact("acme", "c-2")));
    assert!(changes.first_retryable().is_none(), "a shard does not wait for a tenant that is gone");
}

#[tokio::test]
async fn what_may_open_later_is_no_refusal_and_the_first_of_it_is_named() {
    let world = World::start(&["acme", "globex"]).await;
    let writer = world.seal();
    let stored = [inserted(&writer, "acme", "c-1").await, modified(&writer, "globex", "c-2").await];
    let stored = || [stored[0].clone(), stored[1].clone(), stored[1].clone().with_sequence_number("c-3")];
    let reader = cold(&world);
    reader.open_changes("crm", [stored()[0].clone()]).await.unwrap();
    world.stack.faults().on("Decrypt").fail("KMSInternalException", 500);
    let changes = reader.open_changes("crm", stored()).await.unwrap();
    assert_eq!(change(&changes, 0).new_image().item(), Some(&contact("acme", "c-1")));
    let first = changes.first_retryable().unwrap();
    assert_eq!((first.sequence_number(), first.tenant()), (Some("c-2"), Some(&id("globex"))));
    assert!(matches!(first.kind(), ChangeErrorKind::NotNow(error) if error.is_retryable()), "{first}");
    world.stack.faults().clear();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let again = reader.open_changes("crm", stored()).await.unwrap();
    assert!(again.first_retryable().is_none() && again.iter().all(Result::is_ok), "{again:?}");
}

#[tokio::test]
async fn a_table_that_is_not_configured_fails_the_batch_and_not_its_records() {
    let world = World::start(&["acme"]).await;
    let refused = world.seal().open_changes("crn", Vec::<StoredChange>::new()).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::UnknownTable(table))) if table == "crn"));
}

#[tokio::test]
async fn a_stream_of_keys_alone_asks_for_no_data_key() {
    let world = World::start(&["acme"]).await;
    let reader = cold(&world);
    let changes = [ChangeKind::Insert, ChangeKind::Modify, ChangeKind::Remove];
    let stored = changes.map(|kind| StoredChange::new(kind, key("acme", "c-1")));
    let changes = reader.open_changes("crm", stored).await.unwrap();
    for at in 0..3 {
        let change = change(&changes, at);
        assert!(matches!((change.new_image(), change.old_image()), (Image::Absent, Image::Absent)));
        assert!(!change.is_sealing_only() && !change.is_refused());
    }
    assert_eq!(world.key_calls(), 0);
}

#[tokio::test]
async fn a_change_of_the_sealing_alone_is_told_from_a_change_of_the_item() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let resealed = modified(&seal, "acme", "c-1").await;
    let mut other = contact("acme", "c-1");
    other.insert("company".to_owned(), crate::common::s("Example Ltd"));
    let other = seal.tenant(&id("acme")).seal("crm", other).await.unwrap();
    let changed = resealed.clone().with_new_image(other);
    let changes = seal.open_changes("crm", [resealed, changed, inserted(&seal, "acme", "c-2").await]).await.unwrap();
    let told: Vec<_> = (0..3).map(|at| change(&changes, at).is_sealing_only()).collect();
    assert_eq!(told, [true, false, false]);
}

/// Whoever writes the table can put items there of any number of tenants that nobody has onboarded.
#[tokio::test]
async fn invented_tenants_share_one_allowance_and_known_ones_do_not_wait() {
    let world = World::start(&["acme"]).await;
    let forger = TenantSeal::builder().key_service(InMemoryKeyService::new()).record::<Contact>();
    let forger = forger.build(&world.app).unwrap();
    let real = inserted(&world.seal(), "acme", "c-1").await;
    let reader = cold(&world);
    reader.open_changes("crm", [real.clone()]).await.unwrap();
    let mut stored = Vec::new();
    for at in 0..400 {
        stored.push(inserted(&forger, &format!("invented-{at}"), "c-1").await);
    }
    stored.push(real);
    let changes = reader.open_changes("crm", stored).await.unwrap();
    assert!(changes[..400].iter().all(|outcome| outcome.as_ref().map_or(true, |change| change.is_refused())));
    assert_eq!(change(&changes, 400).new_image().item(), Some(&contact("acme", "c-1")));
    let asked = world.stack.calls().count("AssumeRole");
    assert!((50..200).contains(&asked), "one for acme, and a bounded number of others: {asked}");
    assert!(changes.first_retryable().is_some(), "of the rest nothing is known yet");
}

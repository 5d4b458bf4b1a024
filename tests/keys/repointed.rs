//! The alias is pointed to another key, and the former one has an alias of its own.

use std::time::Duration;

use tenantseal::keys::KeyServiceErrorKind as Kind;
use tenantseal::{Error, Item, Tenant};
use tenantseal_local::Outcome;

use crate::common::{World, contact, id, item};

/// Creates a key with an alias of its own; gives its id.
async fn key(world: &World, multi_region: bool) -> String {
    let policy = world.tenancy.key_policy(&id("acme")).unwrap().to_string();
    let key = world.admin.create_key().policy(policy).multi_region(multi_region).send().await.unwrap();
    let key = key.key_metadata.unwrap().key_id;
    let alias = format!("alias/customer-acme/{key}");
    world.admin.create_alias().alias_name(alias).target_key_id(&key).send().await.unwrap();
    key
}

/// A tenant whose alias was pointed from the first to the second of two keys; items that ten processes sealed before.
async fn repointed(multi_region: bool) -> (World, [String; 2], Vec<Item>) {
    let world = World::start(&[]).await;
    let keys = [key(&world, multi_region).await, key(&world, multi_region).await];
    let alias = "alias/customer-acme";
    world.admin.create_alias().alias_name(alias).target_key_id(&keys[0]).send().await.unwrap();
    let mut stored = Vec::new();
    for _ in 0..10 {
        stored.push(world.tenant("acme").seal("crm", item(&contact("acme", "c-1"))).await.unwrap());
    }
    world.admin.update_alias().alias_name(alias).target_key_id(&keys[1]).send().await.unwrap();
    world.stack.calls().reset();
    (world, keys, stored)
}

fn failing(world: &World) -> usize {
    world.stack.calls().records().iter().filter(|record| record.outcome != Outcome::Answered).count()
}

async fn seal(acme: &Tenant) -> Item {
    acme.seal("crm", item(&contact("acme", "c-2"))).await.unwrap()
}

async fn all_open(acme: &Tenant, stored: &[Item]) {
    for stored in stored {
        assert_eq!(acme.open("crm", stored.clone()).await.unwrap(), item(&contact("acme", "c-1")));
    }
}

#[tokio::test]
async fn opening_old_items_costs_a_reader_one_failing_call_and_a_writer_none() {
    for multi_region in [false, true] {
        let (world, [former, present], stored) = repointed(multi_region).await;
        assert_eq!(former.starts_with("mrk-"), multi_region);
        all_open(&world.tenant("acme"), &stored).await;
        assert_eq!((failing(&world), world.stack.calls().count("Decrypt")), (1, 11));

        world.stack.calls().reset();
        let writer = world.tenant("acme");
        let new = seal(&writer).await;
        let made = world.stack.calls().records().into_iter().find(|made| made.call.operation == "GenerateDataKey");
        assert!(made.unwrap().call.resource.unwrap().ends_with(&present));
        all_open(&writer, &stored).await;
        assert_eq!((failing(&world), world.stack.calls().count("Decrypt")), (0, 10));
        assert_eq!(world.tenant("acme").open("crm", new).await.unwrap(), item(&contact("acme", "c-2")));
    }
}

#[tokio::test]
async fn a_writer_at_work_goes_over_to_the_new_key_and_goes_on_reading() {
    let (world, [former, present], stored) = repointed(false).await;
    let point_to = |key: &str| world.admin.update_alias().alias_name("alias/customer-acme").target_key_id(key).send();
    point_to(&former).await.unwrap();
    let acme = world.tenant("acme");
    seal(&acme).await;
    all_open(&acme, &stored).await;
    point_to(&present).await.unwrap();
    // The lease ends, by the wall clock.
    world.stack.clock().advance(Duration::from_secs(16 * 60));
    world.stack.calls().reset();
    let new = seal(&acme).await;
    assert_eq!(failing(&world), 1, "the former key is tried once");
    all_open(&acme, &stored).await;
    assert_eq!(failing(&world), 1);
    assert_eq!(acme.open("crm", new).await.unwrap(), item(&contact("acme", "c-2")));
}

#[tokio::test]
async fn a_former_key_that_is_disabled_takes_its_own_items_and_not_the_tenant() {
    let (world, [former, _], stored) = repointed(false).await;
    let acme = world.tenant("acme");
    let new = seal(&acme).await;
    world.admin.disable_key().key_id(former).send().await.unwrap();
    for stored in &stored[..2] {
        let error = acme.open("crm", stored.clone()).await.unwrap_err();
        assert!(
            matches!(error.cause(), Error::KeyService(error) if error.kind() == Kind::FormerKeyDisabled),
            "{error}"
        );
        assert!(!error.is_revoked() && !error.is_integrity(), "{error}");
    }
    acme.open("crm", new).await.unwrap();
    world.stack.calls().reset();
    seal(&acme).await;
    assert_eq!(world.key_calls(), 0, "its keys and credentials are still there");
}

//! The data-key cache: bounded, per tenant, one flight per key, with a maximum age.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tenantseal::error::{OpenError, OpenFault};
use tenantseal::keys::KeyServiceErrorKind as Kind;
use tenantseal::{Error, TenantSeal};

use crate::common::{Contact, World, contact, id, item};

fn counts(world: &World) -> (u64, u64, u64) {
    let calls = world.stack.calls();
    (calls.count("AssumeRole"), calls.count("GenerateDataKey"), calls.count("Decrypt"))
}

fn aged(world: &World, age: Duration) -> TenantSeal {
    world.builder().data_key_revalidation(age).build(&world.app).unwrap()
}

const SHORT: Duration = Duration::from_millis(250);
const LONGER: Duration = Duration::from_millis(350);

#[tokio::test]
async fn a_thousand_first_uses_at_once_make_one_session_and_one_data_key() {
    let world = World::start(&["acme"]).await;
    world.stack.faults().on("*").delay(Duration::from_millis(30));
    let seal = world.seal();
    let sealed = (0..1_000).map(|at| {
        let acme = seal.tenant(&id("acme"));
        async move { acme.seal("crm", item(&contact("acme", &format!("c-{at}")))).await.unwrap() }
    });
    let sealed = join_all(sealed).await;
    assert_eq!(counts(&world), (1, 1, 0));

    let reader = world.tenant("acme");
    world.stack.calls().reset();
    join_all(sealed.into_iter().map(|stored| async { reader.open("crm", stored).await.unwrap() })).await;
    assert_eq!(counts(&world), (1, 0, 1));
}

#[tokio::test]
async fn a_page_under_one_data_key_costs_one_call_when_cold_and_none_when_warm() {
    let world = World::start(&["acme"]).await;
    let all: Vec<_> = (0..100).map(|at| contact("acme", &format!("c-{at:03}"))).collect();
    world.tenant("acme").records::<Contact>().put_many(&all).await.unwrap();
    let reader = world.tenant("acme").records::<Contact>();
    world.stack.calls().reset();
    for _ in 0..3 {
        let found: Vec<Contact> = reader.query().stream().try_collect().await.unwrap();
        assert_eq!(found, all);
        assert_eq!(counts(&world), (1, 0, 1));
    }
}

#[tokio::test]
async fn a_page_requests_each_distinct_data_key_once_and_concurrently() {
    let world = World::start(&["acme"]).await;
    for key in 0..8 {
        let writer = world.tenant("acme");
        for at in 0..3 {
            writer.records::<Contact>().put(&contact("acme", &format!("c-{key}-{at}"))).await.unwrap();
        }
    }
    let acme = world.tenant("acme");
    acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    world.stack.calls().reset();
    world.stack.faults().on("Decrypt").delay(Duration::from_millis(200));
    let started = Instant::now();
    let page = acme.dynamodb().scan().table_name("crm").send().await.unwrap();
    assert_eq!(page.items().len(), 24);
    assert_eq!(counts(&world), (0, 0, 8));
    assert!(started.elapsed() < Duration::from_millis(800), "{:?}", started.elapsed());
}

#[tokio::test]
async fn many_tenants_do_not_wait_for_one_whose_calls_hang() {
    let tenants: Vec<String> = (0..200).map(|at| format!("t{at}")).collect();
    let world = World::start(&tenants.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for operation in ["AssumeRole", "GenerateDataKey"] {
        let seal = world.seal();
        world.stack.faults().on("GenerateDataKey").delay(Duration::from_millis(20));
        world.stack.faults().on(operation).when(|call| call.session_name.as_deref() == Some("tenant-t7")).hang();
        let one = |tenant: &str| {
            let handle = seal.tenant(&id(tenant));
            let item = item(&contact(tenant, "c-1"));
            async move { handle.seal("crm", item).await.unwrap() }
        };
        let hanging = tokio::spawn(one("t7"));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let others = join_all(tenants.iter().filter(|tenant| *tenant != "t7").map(|tenant| one(tenant)));
        tokio::time::timeout(Duration::from_secs(20), others).await.expect("they waited for the one that hangs");
        assert!(!hanging.is_finished());
        world.stack.faults().clear();
        hanging.await.unwrap();
    }
}

#[tokio::test]
async fn callers_that_go_away_leave_nothing_stuck() {
    let world = World::start(&["acme"]).await;
    let stored = world.tenant("acme").seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    for operation in ["AssumeRole", "GenerateDataKey", "Decrypt"] {
        let acme = world.tenant("acme");
        world.stack.faults().on(operation).hang();
        let work = || async {
            acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
            acme.open("crm", stored.clone()).await.unwrap();
        };
        // The first goes away while others wait for what it asked for.
        let mut first = Box::pin(work());
        let mut others = Box::pin(join_all((0..20).map(|_| work())));
        let brief = Duration::from_millis(50);
        tokio::time::timeout(brief, &mut first).await.unwrap_err();
        tokio::time::timeout(brief, &mut others).await.unwrap_err();
        drop(first);
        tokio::time::timeout(brief, &mut others).await.unwrap_err();
        world.stack.faults().clear();
        tokio::time::timeout(Duration::from_secs(10), others).await.expect("they are stuck behind one that is gone");
        tokio::time::timeout(Duration::from_secs(10), work()).await.expect("something stuck");
    }
}

#[tokio::test]
async fn a_data_key_older_than_its_maximum_age_is_asked_for_again() {
    let world = World::start(&["acme"]).await;
    let acme = aged(&world, SHORT).tenant(&id("acme"));
    let stored = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    acme.open("crm", stored.clone()).await.unwrap();
    assert_eq!(counts(&world), (1, 1, 0));
    tokio::time::sleep(LONGER).await;
    acme.open("crm", stored.clone()).await.unwrap();
    let (sessions, made, asked) = counts(&world);
    assert_eq!((sessions, made), (1, 1));
    assert!(asked >= 1, "nobody asked");
    tokio::time::sleep(LONGER).await;
    // Sealing asks again too: a key that no longer opens no longer seals.
    acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    assert!(counts(&world).2 > asked, "nobody asked again");
}

#[tokio::test]
async fn use_does_not_prolong_a_data_keys_age() {
    let world = World::start(&["acme"]).await;
    let acme = aged(&world, Duration::from_millis(300)).tenant(&id("acme"));
    let stored = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    world.stack.faults().on("Decrypt").fail("DisabledException", 409);
    let started = Instant::now();
    loop {
        match acme.open("crm", stored.clone()).await {
            Ok(_) => assert!(started.elapsed() < Duration::from_secs(2), "a revoked key is used for ever"),
            Err(error) => break assert!(error.is_revoked(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_disabled_key_stops_after_the_maximum_age_and_works_once_enabled() {
    let world = World::start(&[]).await;
    let arn = world.onboard("acme").await;
    let acme = aged(&world, SHORT).tenant(&id("acme"));
    let stored = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    world.admin.disable_key().key_id(&arn).send().await.unwrap();
    tokio::time::sleep(LONGER).await;
    assert!(acme.open("crm", stored.clone()).await.unwrap_err().is_revoked());
    assert!(acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap_err().is_revoked());
    world.admin.enable_key().key_id(&arn).send().await.unwrap();
    // For a second the refusal is remembered.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    acme.open("crm", stored).await.unwrap();
    acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
}

#[tokio::test]
async fn when_a_tenants_key_is_disabled_its_cached_data_keys_are_dropped() {
    let world = World::start(&["globex"]).await;
    let arn = world.onboard("acme").await;
    let seal = world.seal();
    let (acme, globex) = (seal.tenant(&id("acme")), seal.tenant(&id("globex")));
    let cached = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    let theirs = globex.seal("crm", item(&contact("globex", "c-1"))).await.unwrap();
    let elsewhere = world.tenant("acme").seal("crm", item(&contact("acme", "c-2"))).await.unwrap();
    world.admin.disable_key().key_id(&arn).send().await.unwrap();
    // Nobody has told this process yet: it serves on until it asks.
    acme.open("crm", cached.clone()).await.unwrap();
    assert!(acme.open("crm", elsewhere).await.unwrap_err().is_revoked());
    let error = acme.open("crm", cached).await.expect_err("the tenant's cached keys should be gone");
    assert!(error.is_revoked(), "{error}");
    globex.open("crm", theirs).await.unwrap();
}

/// A world whose tenant's alias has been pointed to another key.
async fn repointed(seal: impl FnOnce(&World) -> TenantSeal) -> (World, TenantSeal, tenantseal::Item) {
    let world = World::start(&["acme"]).await;
    let seal = seal(&world);
    let stored = seal.tenant(&id("acme")).seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    let policy = world.tenancy.key_policy(&id("acme")).unwrap().to_string();
    let key = world.admin.create_key().policy(policy).send().await.unwrap().key_metadata.unwrap();
    world.admin.update_alias().alias_name("alias/customer-acme").target_key_id(key.key_id).send().await.unwrap();
    (world, seal, stored)
}

#[tokio::test]
async fn after_a_repointed_alias_old_items_say_so_and_new_ones_use_the_new_key() {
    let (world, seal, stored) = repointed(|world| aged(world, SHORT)).await;
    let acme = seal.tenant(&id("acme"));
    tokio::time::sleep(LONGER).await;
    let error = acme.open("crm", stored).await.unwrap_err();
    assert!(matches!(error.cause(), Error::KeyService(error) if error.kind() == Kind::MissingAlias), "{error}");
    assert!(!error.is_integrity() && !error.is_revoked(), "an operator fixes it");
    let new = acme.seal("crm", item(&contact("acme", "c-2"))).await.unwrap();
    let opened = world.tenant("acme").open("crm", new).await.unwrap();
    assert_eq!(opened, item(&contact("acme", "c-2")));
}

#[tokio::test]
async fn many_puts_after_the_alias_was_pointed_elsewhere_make_one_new_data_key() {
    let (world, seal, _) = repointed(|world| aged(world, SHORT)).await;
    tokio::time::sleep(LONGER).await;
    world.stack.calls().reset();
    world.stack.faults().on("*").delay(Duration::from_millis(5));
    // With a maximum age that the work itself does not exceed by much; each put may see at most one renewal.
    let puts = (0..100).map(|at| {
        let acme = seal.tenant(&id("acme"));
        async move { acme.seal("crm", item(&contact("acme", &format!("c-{at}")))).await.unwrap() }
    });
    join_all(puts).await;
    let (_, generated, _) = counts(&world);
    assert!(generated <= 2, "100 puts after a re-pointing made {generated} data keys");
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let tenants: Vec<String> = (0..60).map(|at| format!("t{at}")).collect();
    let world = World::start(&tenants.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let seal = world.builder().data_key_capacity(10).build(&world.app).unwrap();
    let mut stored = Vec::new();
    for tenant in &tenants {
        stored.push(seal.tenant(&id(tenant)).seal("crm", item(&contact(tenant, "c-1"))).await.unwrap());
    }
    // moka evicts in batches, at the latest at the next use after a third of a second.
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..2 {
        seal.tenant(&id("t0")).open("crm", stored[0].clone()).await.unwrap();
    }
    world.stack.calls().reset();
    for (tenant, stored) in tenants.iter().zip(stored) {
        seal.tenant(&id(tenant)).open("crm", stored).await.unwrap();
    }
    let (_, _, decrypted) = counts(&world);
    assert!(decrypted >= 45, "of 60 keys at most 10 may have been kept, but only {decrypted} were asked for again");
}

#[tokio::test]
async fn a_key_that_was_rotated_away_still_opens_and_no_longer_seals() {
    let world = World::start(&["acme"]).await;
    let seal = world.builder().data_key_rotation(SHORT).build(&world.app).unwrap();
    let acme = seal.tenant(&id("acme"));
    let old = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    tokio::time::sleep(LONGER).await;
    let new = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    assert_ne!(old["_seal"], new["_seal"]);
    acme.open("crm", old).await.unwrap();
    assert_eq!(counts(&world), (1, 2, 0));
}

#[tokio::test]
async fn former_contexts_open_and_foreign_ones_are_refused_before_any_call() {
    let world = World::start(&["acme"]).await;
    let build = |builder: tenantseal::TenantSealBuilder| builder.build(&world.app).unwrap().tenant(&id("acme"));
    let test = build(world.builder().context("env", "test"));
    let stored = test.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    let bare = build(world.builder()).seal("crm", item(&contact("acme", "c-1"))).await.unwrap();

    let renamed = build(world.builder().context("env", "prod").former_context([("env", "test")]));
    assert_eq!(renamed.open("crm", stored.clone()).await.unwrap(), item(&contact("acme", "c-1")));
    let resealed = renamed.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    world.stack.calls().reset();
    for (reader, stored) in [
        (build(world.builder().context("env", "prod")), stored.clone()),
        (build(world.builder().context("env", "prod")), bare.clone()),
        (build(world.builder()), stored.clone()),
        (renamed.clone(), bare),
        (test, resealed),
    ] {
        match reader.open("crm", stored).await.unwrap_err().cause() {
            Error::Open(OpenError::Attribute { fault: OpenFault::ForeignContext, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.key_calls(), 0);
}

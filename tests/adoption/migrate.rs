//! The sealing pass: seals what is plain, once, after the fence, and nothing else.

use tenantseal::adoption::{AdoptionError, AdoptionStage as Stage, NotPassed};
use tenantseal::inspect::HEADER;
use tenantseal::sweep::{Done, SkipReason, Sweep, SweepError, SweepReport};
use tenantseal::{Item, TenantSeal};
use tokio::sync::Notify;
use tokio::time::{Duration, timeout};

use super::scene::{ADOPTED, FENCE, Ledger, Scene, at, plaintext};
use crate::common::wire::{Reaction, Wire};
use crate::common::{contact, id, item, s};

/// Items of every kind: all plain, all sealed, half of each under a header, half with a key record of its own.
async fn fill(scene: &Scene) {
    let db = scene.acme().dynamodb();
    for contact_id in ["c-1", "c-2", "c-3"] {
        scene.world.plant(plaintext(contact_id)).await;
    }
    let sealed = item(&contact("acme", "c-4"));
    db.put_item().table_name("crm").set_item(Some(sealed)).send().await.unwrap();
    let mut half = scene.world.stored("acme", "c-4").await;
    half.insert("contact_id".into(), s("c-5"));
    half.insert("notes".into(), s("plain notes"));
    for name in ["email", "api_keys", HEADER] {
        half.remove(name);
    }
    scene.world.plant(half).await;
    let update = db.update_item().table_name("crm").set_key(Some(at("c-3")));
    let update = update.update_expression("SET email = :e").expression_attribute_values(":e", s("new@example.org"));
    update.send().await.unwrap();
    // Half of it relies on the header, which is replaced.
    let update = scene.world.plain.update_item().table_name("crm").set_key(Some(at("c-4")));
    let update = update.update_expression("SET notes = :n").expression_attribute_values(":n", s("notes on c-4"));
    update.send().await.unwrap();
    scene.world.plant(item(&contact("globex", "c-9"))).await;
}

async fn behind_the_fence() -> Scene {
    let scene = Scene::at(Stage::Sealing).await;
    fill(&scene).await;
    scene.world.stack.clock().advance(FENCE);
    scene
}

fn migrate<'a>(scene: &'a Scene, seal: &'a TenantSeal) -> Sweep<'a> {
    let ledger: &'a Ledger = &scene.ledger;
    seal.sweep("crm").migrate().tenants([id("acme")]).on(ledger).danger_without_recovery().page_items(2)
}

fn skipped(report: &SweepReport) -> Vec<(SkipReason, u64)> {
    report.skipped().map(|(reason, listed)| (reason, listed.items())).collect()
}

fn is_sealed(item: &Item) -> bool {
    ADOPTED.iter().all(|name| item.get(*name).is_none_or(aws_sdk_dynamodb::types::AttributeValue::is_b))
}

#[tokio::test]
async fn one_pass_seals_all_that_is_plain_and_then_the_adoption_can_be_closed() {
    let scene = behind_the_fence().await;
    let seal = scene.adopting();
    let verify = || seal.sweep("crm").verify().tenants([id("acme")]);
    assert_eq!(skipped(&verify().run().await.unwrap()), [(SkipReason::Plain, 5)]);
    let own_key = scene.world.stored("acme", "c-3").await["email"].clone();

    let dry = migrate(&scene, &seal).dry_run().run().await.unwrap();
    assert_eq!((dry.rewritten(), scene.world.stored("acme", "c-1").await), (5, plaintext("c-1")));
    let crm = seal.adoption("crm").unwrap();
    assert_eq!(crm.status(&id("acme")).await.unwrap().may_close(), Err(NotPassed::None), "a dry run proves nothing");

    let report = migrate(&scene, &seal).run().await.unwrap();
    assert_eq!((report.items(), report.rewritten(), report.is_clean()), (5, 5, true), "{report}");
    for contact_id in ["c-1", "c-2", "c-3", "c-4", "c-5"] {
        let stored = scene.world.stored("acme", contact_id).await;
        assert!(is_sealed(&stored) && stored["company"] == s("Example Ltd"), "{contact_id}");
    }
    assert_eq!(scene.world.stored("acme", "c-3").await["email"], own_key, "what has its own key record is left alone");
    assert_eq!(scene.world.stored("globex", "c-9").await, item(&contact("globex", "c-9")));
    assert!(verify().run().await.unwrap().is_clean());

    crm.close(&id("acme")).await.unwrap();
    let acme = scene.world.tenant("acme");
    for (contact_id, name, value) in [
        ("c-1", "email", "c-1@example.org"),
        ("c-3", "email", "new@example.org"),
        ("c-4", "notes", "notes on c-4"),
        ("c-4", "email", "c-4@example.org"),
    ] {
        let opened = acme.open("crm", scene.world.stored("acme", contact_id).await).await.unwrap();
        assert_eq!(opened[name], s(value), "{contact_id}");
    }
}

#[tokio::test]
async fn a_second_pass_seals_nothing_by_itself() {
    let scene = behind_the_fence().await;
    let seal = scene.adopting();
    migrate(&scene, &seal).run().await.unwrap();
    scene.world.plant(plaintext("planted")).await;
    let report = migrate(&scene, &seal).run().await.unwrap();
    assert_eq!((report.rewritten(), skipped(&report)), (0, vec![(SkipReason::Plain, 1)]));
    assert_eq!(scene.world.stored("acme", "planted").await, plaintext("planted"));
    let refused = seal.adoption("crm").unwrap().close(&id("acme")).await.unwrap_err();
    assert!(matches!(refused, AdoptionError::NotPassed { why: NotPassed::Failed(1), .. }), "{refused}");

    let ledger: &Ledger = &scene.ledger;
    let again = seal.sweep("crm").migrate_again().tenants([id("acme")]).on(ledger).danger_without_recovery();
    assert_eq!(again.run().await.unwrap().rewritten(), 1);
    seal.adoption("crm").unwrap().close(&id("acme")).await.unwrap();
}

#[tokio::test]
async fn nothing_is_sealed_before_its_time_and_no_tenant_without_a_leave() {
    let scene = Scene::at(Stage::Plain).await;
    fill(&scene).await;
    let seal = scene.adopting();
    let refused = migrate(&scene, &seal).run().await.unwrap_err();
    assert!(matches!(refused, SweepError::NotSealing { .. }), "{refused}");
    let ledger: &Ledger = &scene.ledger;
    let unnamed = seal.sweep("crm").migrate().on(ledger).danger_without_recovery().run().await.unwrap_err();
    assert!(matches!(unnamed, SweepError::Option { option: "tenants", .. }), "{unnamed}");
    let other = seal.sweep("crm").migrate().tenants([id("globex")]).on(ledger).danger_without_recovery();
    assert!(matches!(other.run().await, Err(SweepError::NotSealing { .. })));

    scene.flip(Stage::Sealing).await;
    // A minute after the flip it waits for the rest of a quarter of an hour.
    assert!(timeout(Duration::from_millis(300), migrate(&scene, &seal).run()).await.is_err());
    assert_eq!(scene.world.stored("acme", "c-1").await, plaintext("c-1"));
}

#[tokio::test]
async fn a_leave_that_changes_under_a_pass_ends_what_it_seals() {
    let scene = behind_the_fence().await;
    let seal = scene.adopting();
    let ledger: &Ledger = &scene.ledger;
    let planned = migrate(&scene, &seal).plan().await.unwrap();
    seal.adoption("crm").unwrap().back(&id("acme")).await.unwrap();
    assert_eq!(seal.worker(ledger, &planned).run().await.unwrap(), Done::Findings);
    let report = SweepReport::of(ledger, &planned).await.unwrap();
    assert_eq!((report.rewritten(), skipped(&report)), (0, vec![(SkipReason::NotAdopting, 5)]));
    assert_eq!(scene.world.stored("acme", "c-1").await, plaintext("c-1"));
}

#[tokio::test]
async fn a_leave_that_changes_between_two_pages_ends_what_is_sealed() {
    let scene = behind_the_fence().await;
    let (seal, paged) = (scene.adopting(), Notify::new());
    let ledger: &Ledger = &scene.ledger;
    let planned = migrate(&scene, &seal).page_items(1).plan().await.unwrap();
    let back = async {
        paged.notified().await;
        seal.adoption("crm").unwrap().back(&id("acme")).await.unwrap();
    };
    let worker = seal.worker(ledger, &planned).progress(|_| paged.notify_one());
    let (done, ()) = tokio::join!(worker.run(), back);
    assert_eq!(done.unwrap(), Done::Findings);
    let report = SweepReport::of(ledger, &planned).await.unwrap();
    assert!((1..=2).contains(&report.rewritten()), "{report}");
    assert_eq!(skipped(&report), [(SkipReason::NotAdopting, 5 - report.rewritten())]);
}

#[tokio::test]
async fn a_tenant_that_is_suspended_keeps_no_other_from_being_closed() {
    let scene = behind_the_fence().await;
    let seal = scene.adopting();
    let (crm, globex) = (seal.adoption("crm").unwrap(), id("globex"));
    crm.open(&globex).await.unwrap();
    crm.seal(&globex).await.unwrap();
    scene.world.stack.clock().advance(FENCE);
    let both = || migrate(&scene, &seal).tenants([id("acme"), globex.clone()]);
    let planned = both().plan().await.unwrap();
    let alias = scene.world.tenancy.alias(&id("acme"));
    let key = scene.world.admin.describe_key().key_id(alias.as_str()).send().await.unwrap().key_metadata.unwrap();
    scene.world.admin.disable_key().key_id(key.key_id).send().await.unwrap();
    // A process that does not hold its key.
    let other = scene.adopting();
    let ledger: &Ledger = &scene.ledger;
    let error = other.worker(ledger, &planned).run().await.unwrap_err();
    assert!(matches!(error, SweepError::Adoption(AdoptionError::Tenant(_))), "{error}");
    let report = SweepReport::of(ledger, &planned).await.unwrap();
    assert_eq!((report.rewritten(), skipped(&report)), (1, vec![(SkipReason::Suspended, 5)]));
    other.adoption("crm").unwrap().close(&globex).await.unwrap();
    // The table is free again.
    let sweep = other.sweep("crm").reseal().on(ledger).danger_without_recovery();
    sweep.plan().await.unwrap();
}

#[tokio::test]
async fn plaintext_of_what_is_not_adopted_is_listed_and_keeps_the_adoption_open() {
    let scene = behind_the_fence().await;
    // Code that adopts less than the leave says.
    let less = scene.world.builder().ledger(std::sync::Arc::clone(&scene.ledger)).adopt("crm", ["email"]);
    let less = less.build(&scene.world.app).unwrap();
    let report = migrate(&scene, &less).run().await.unwrap();
    assert_eq!((report.rewritten(), skipped(&report)), (0, vec![(SkipReason::Plain, 5)]), "{report}");
    assert!(less.adoption("crm").unwrap().close(&id("acme")).await.is_err());
}

#[tokio::test]
async fn a_pass_killed_at_each_request_is_ended_by_another() {
    for at in 0.. {
        let scene = behind_the_fence().await;
        let ledger: &Ledger = &scene.ledger;
        let planned = migrate(&scene, &scene.adopting()).plan().await.unwrap();
        let sent = std::sync::atomic::AtomicUsize::new(0);
        let wire = Wire::scripted(move |_, _| match sent.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            before if before < at => Reaction::Forward,
            before if before == at => Reaction::Lose,
            _ => Reaction::Hang,
        });
        let killed = scene.builder().build(&scene.world.over(wire)).unwrap();
        let lease = Duration::from_millis(300);
        let ended = timeout(lease, killed.worker(ledger, &planned).lease(lease).run()).await.is_ok();
        let seal = scene.adopting();
        assert_eq!(seal.worker(ledger, &planned).lease(lease).run().await.unwrap(), Done::Clean, "{at}");
        let report = SweepReport::of(ledger, &planned).await.unwrap();
        assert_eq!((report.items(), report.is_clean()), (5, true), "{at}: {report}");
        seal.adoption("crm").unwrap().close(&id("acme")).await.unwrap();
        assert!(scene.world.seal().sweep("crm").verify().tenants([id("acme")]).run().await.unwrap().is_clean());
        if ended {
            assert!(at > 5, "{at} requests");
            break;
        }
    }
}

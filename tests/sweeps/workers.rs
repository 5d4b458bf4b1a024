//! Many workers at once, workers that lose a segment, and who may write a table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tenantseal::keys::KeyTable;
use tenantseal::schema::TableSchema;
use tenantseal::sweep::{Done, PlanFault, SweepError, SweepPlan, SweepReport};
use tenantseal::{TenantSeal, TenantSealBuilder};
use tokio::sync::Notify;

use super::scene::{LEASE, Ledger, all, world};
use crate::common::wire::{Reaction, Wire};
use crate::common::{ROLE, World, contact, id, item, key, s};

async fn report(ledger: &Ledger, id: &str) -> SweepReport {
    SweepReport::of(ledger, id).await.unwrap()
}

#[tokio::test]
async fn workers_share_the_segments_and_each_item_is_counted_once() {
    let (world, seal) = world(24).await;
    let ledger = Ledger::default();
    let id = seal.sweep("crm").reseal().on(&ledger).danger_without_recovery().workers(3).page_items(1).plan().await;
    let id = id.unwrap();
    assert_eq!(report(&ledger, &id).await.segments(), (0, 12));
    // The same index twice, as Kubernetes may start it.
    let done = join_all([0, 1, 2, 1].map(|index| {
        let (ledger, id, seal) = (&ledger, &id, world.seal());
        async move { seal.worker(ledger, id).index(index).lease(LEASE).run().await.unwrap() }
    }));
    assert_eq!(done.await, [Done::Clean; 4]);
    let report = report(&ledger, &id).await;
    assert_eq!((report.items(), report.rewritten(), report.segments()), (24, 24, (12, 12)), "{report}");
    assert!(world.seal().sweep("crm").verify().run().await.unwrap().is_clean());
}

/// A process whose scans wait until they are let through, from the second on.
fn held_up(world: &World) -> (TenantSeal, Arc<Notify>, Arc<AtomicBool>) {
    let (open, waits) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (gate, begun) = (Arc::clone(&open), Arc::clone(&waits));
    let wire = Wire::scripted(move |sent, _| match sent.operation == "Scan" {
        true => {
            let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
            Reaction::After(Box::pin(async move {
                begun.store(true, Ordering::SeqCst);
                gate.notified().await;
            }))
        }
        false => Reaction::Forward,
    });
    (world.builder().build(&world.over(wire)).unwrap(), open, waits)
}

#[tokio::test]
async fn a_long_page_keeps_its_segment_as_long_as_its_worker_lives() {
    let (world, seal) = world(2).await;
    let ledger = Arc::new(Ledger::default());
    let id = seal.sweep("crm").verify().on(&*ledger).segments(1).plan().await.unwrap();
    let (slow, open, waits) = held_up(&world);
    let (table, sweep) = (Arc::clone(&ledger), id.clone());
    let first = tokio::spawn(async move { slow.worker(&*table, &sweep).lease(LEASE).run().await });
    while !waits.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The second sees that the first one lives, and leaves the segment to it.
    let began = Instant::now();
    assert_eq!(seal.worker(&*ledger, &id).lease(LEASE).run().await.unwrap(), Done::Clean);
    assert!(began.elapsed() < LEASE * 3, "{:?}", began.elapsed());
    assert_eq!(report(&ledger, &id).await.segments(), (0, 1));
    tokio::time::sleep(LEASE * 4).await;
    open.notify_one();
    assert_eq!(first.await.unwrap().unwrap(), Done::Clean);
    assert_eq!(report(&ledger, &id).await.items(), 2);
}

#[tokio::test]
async fn a_worker_that_wakes_up_late_finds_its_segment_taken_and_counts_nothing() {
    let (world, seal) = world(2).await;
    let ledger = Ledger::default();
    let id = seal.sweep("crm").verify().on(&ledger).segments(1).plan().await.unwrap();
    let (slow, open, waits) = held_up(&world);
    let mut first = Box::pin(slow.worker(&ledger, &id).lease(LEASE).run());
    // It is frozen when its scan is under way: nobody polls it.
    while !waits.load(Ordering::SeqCst) {
        let _ = tokio::time::timeout(Duration::from_millis(5), &mut first).await;
    }
    assert_eq!(seal.worker(&ledger, &id).lease(LEASE).run().await.unwrap(), Done::Clean);
    let entry = async || ledger.get(&format!("#sweep#{id}#0"), "segment#000000").await.unwrap();
    let before = entry().await;
    assert_eq!(report(&ledger, &id).await.items(), 2);
    open.notify_one();
    assert_eq!(first.await.unwrap(), Done::Clean);
    assert_eq!(entry().await, before, "it has stored nothing");
}

#[tokio::test]
async fn a_told_worker_ends_its_page_and_another_goes_on_at_once() {
    let (world, seal) = world(12).await;
    let ledger = Ledger::default();
    let id = seal.sweep("crm").verify().on(&ledger).segments(1).page_items(2).plan().await.unwrap();
    let stop = Arc::new(Notify::new());
    let told = Arc::clone(&stop);
    let worker = seal.worker(&ledger, &id).until(async move { told.notified().await });
    assert_eq!(worker.progress(|_| stop.notify_one()).run().await.unwrap(), Done::Stopped);
    let stopped = report(&ledger, &id).await;
    assert!((2..12).contains(&stopped.items()) && !stopped.is_complete(), "{stopped}");
    let began = Instant::now();
    assert_eq!(world.seal().worker(&ledger, &id).run().await.unwrap(), Done::Clean);
    assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for a lease that was given back");
    assert_eq!(report(&ledger, &id).await.items(), 12);
}

#[tokio::test]
async fn a_stopped_sweep_ends_its_workers_until_it_is_resumed() {
    let (_world, seal) = world(4).await;
    let ledger = Ledger::default();
    let reseal = || seal.sweep("crm").reseal().on(&ledger).danger_without_recovery().segments(1);
    let id = reseal().plan().await.unwrap();
    let busy = reseal().plan().await.unwrap_err();
    assert!(matches!(&busy, SweepError::Busy { sweep } if *sweep == id), "{busy}");
    seal.sweep("crm").verify().on(&ledger).run().await.unwrap();

    SweepPlan::stop(&ledger, &id).await.unwrap();
    assert_eq!(seal.worker(&ledger, &id).run().await.unwrap(), Done::Stopped);
    let other = reseal().plan().await.unwrap();
    let busy = SweepPlan::resume(&ledger, &id).await.unwrap_err();
    assert!(matches!(&busy, SweepError::Busy { sweep } if *sweep == other), "{busy}");
    assert_eq!(seal.worker(&ledger, &other).run().await.unwrap(), Done::Clean);
    SweepPlan::resume(&ledger, &id).await.unwrap();
    assert_eq!(seal.worker(&ledger, &id).run().await.unwrap(), Done::Clean);
    assert!(report(&ledger, &id).await.is_clean());
    // What has ended holds nothing.
    reseal().run().await.unwrap();
    assert!(matches!(SweepPlan::stop(&ledger, "nothing").await, Err(SweepError::Unknown(_))));
}

#[tokio::test]
async fn a_stop_reaches_a_worker_between_two_pages_of_a_segment() {
    let (_world, seal) = world(12).await;
    let (ledger, paged) = (Ledger::default(), Notify::new());
    let reseal = seal.sweep("crm").reseal().on(&ledger).danger_without_recovery().segments(1).page_items(1);
    let id = reseal.plan().await.unwrap();
    let stop = async {
        paged.notified().await;
        SweepPlan::stop(&ledger, &id).await.unwrap();
    };
    let worker = seal.worker(&ledger, &id).progress(|_| paged.notify_one());
    let (done, ()) = tokio::join!(worker.run(), stop);
    assert_eq!(done.unwrap(), Done::Stopped);
    let items = report(&ledger, &id).await.items();
    assert!((1..=3).contains(&items), "{items} of 12");
    SweepPlan::resume(&ledger, &id).await.unwrap();
    assert_eq!(seal.worker(&ledger, &id).run().await.unwrap(), Done::Clean);
    assert_eq!(report(&ledger, &id).await.items(), 12);
}

#[tokio::test]
async fn a_worker_refuses_the_plan_of_another_build() {
    let (world, seal) = world(1).await;
    let ledger = Ledger::default();
    let id = seal.sweep("crm").verify().on(&ledger).plan().await.unwrap();
    let attributes = || TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let sealing = |schema: TableSchema| TenantSeal::builder().assume_role(ROLE).table(schema);
    let build = |builder: TenantSealBuilder| builder.build(&world.app).unwrap();
    let weaker = build(sealing(attributes().plain("email").build().unwrap()));
    let renamed = build(world.builder().table_name("crm", "crm-prod"));
    let without = build(sealing(
        TableSchema::builder("other").partition_key("tenant_id", "{tenant}").encrypt("email").build().unwrap(),
    ));
    for (seal, expected) in
        [(weaker, PlanFault::OtherSchema), (renamed, PlanFault::OtherTable), (without, PlanFault::UnknownTable)]
    {
        let refused = seal.worker(&ledger, &id).run().await.unwrap_err();
        assert!(matches!(&refused, SweepError::PlanMismatch { fault, .. } if *fault == expected), "{refused}");
    }
    assert_eq!(report(&ledger, &id).await.segments().0, 0);
}

/// A writer between the read and the write of a sweep.
#[tokio::test]
async fn what_is_written_under_a_sweep_stays_and_what_is_deleted_stays_gone() {
    for change in ["update", "put", "delete", "remove"] {
        let (world, seal) = world(1).await;
        let writer = world.tenant("acme").dynamodb();
        let wire = Wire::scripted(move |sent, before| match sent.operation == "UpdateItem" && before == 0 {
            true => {
                let (writer, key) = (writer.clone(), key("acme", "c-000"));
                Reaction::After(Box::pin(async move {
                    let update = writer.update_item().table_name("crm").set_key(Some(key.clone()));
                    match change {
                        "update" => drop(
                            update
                                .update_expression("SET email = :e")
                                .expression_attribute_values(":e", s("new@x.org"))
                                .send()
                                .await
                                .unwrap(),
                        ),
                        "remove" => drop(update.update_expression("REMOVE email").send().await.unwrap()),
                        "delete" => {
                            drop(writer.delete_item().table_name("crm").set_key(Some(key)).send().await.unwrap())
                        }
                        _ => {
                            let mut changed = contact("acme", "c-000");
                            changed.email = "new@x.org".to_owned();
                            writer.put_item().table_name("crm").set_item(Some(item(&changed))).send().await.unwrap();
                        }
                    }
                }))
            }
            false => Reaction::Forward,
        });
        let (ledger, sweeping) = (Ledger::default(), world.builder().build(&world.over(wire)).unwrap());
        let report = sweeping.sweep("crm").reseal().on(&ledger).danger_without_recovery().run().await.unwrap();
        let left = all(&world).await;
        if change == "delete" {
            assert_eq!((left.len(), report.deleted(), report.rewritten()), (0, 1, 0), "{report}");
            continue;
        }
        assert!(report.is_clean(), "{change}: {report}");
        let opened = seal.tenant(&id("acme")).open("crm", left[0].clone()).await.unwrap();
        let email = opened.get("email").cloned();
        assert_eq!(email, (change != "remove").then(|| s("new@x.org")), "{change}");
        assert_eq!(opened["notes"], s("notes on c-000"));
    }
}

#[tokio::test]
async fn writers_beside_a_sweep_lose_nothing_and_nothing_is_revived() {
    let (world, seal) = world(16).await;
    let (ledger, writer) = (Ledger::default(), world.tenant("acme").dynamodb());
    let fresh = world.seal();
    let sweeping = async {
        for _ in 0..3 {
            let sweep = fresh.sweep("crm").reseal().on(&ledger).danger_without_recovery().page_items(1);
            sweep.run().await.unwrap();
        }
    };
    let writing = async {
        for round in 0..6 {
            for number in (0..16).step_by(2) {
                let key = key("acme", &format!("c-{number:03}"));
                let update = writer.update_item().table_name("crm").set_key(Some(key.clone()));
                match (number / 2) % 4 {
                    0 if round == 3 => {
                        drop(writer.delete_item().table_name("crm").set_key(Some(key)).send().await.unwrap())
                    }
                    0 if round > 3 => {}
                    1 => {
                        let mut changed = contact("acme", &format!("c-{number:03}"));
                        changed.email = format!("{round}@put.org");
                        writer.put_item().table_name("crm").set_item(Some(item(&changed))).send().await.unwrap();
                    }
                    _ => {
                        let value = s(&format!("{round}@update.org"));
                        let update =
                            update.update_expression("SET email = :e").expression_attribute_values(":e", value);
                        update.send().await.unwrap();
                    }
                }
            }
        }
    };
    tokio::join!(sweeping, writing);
    let left = all(&world).await;
    assert_eq!(left.len(), 14, "two were deleted");
    for number in (0..16).step_by(2).filter(|number| (number / 2) % 4 != 0) {
        let stored = world.stored("acme", &format!("c-{number:03}")).await;
        let opened = seal.tenant(&id("acme")).open("crm", stored).await.unwrap();
        let expected = if (number / 2) % 4 == 1 { "5@put.org" } else { "5@update.org" };
        assert_eq!(opened["email"], s(expected), "{number}");
        assert_eq!(opened["notes"], s(&format!("notes on c-{number:03}")));
    }
}

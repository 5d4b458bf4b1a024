//! Workers that are killed at every call of the ledger, of DynamoDB and of KMS.

use std::time::Duration;

use tenantseal::TenantSeal;
use tenantseal::inspect::{HEADER, StoredHeader};
use tenantseal::sweep::{Done, SweepAction, SweepPlan, SweepReport};
use tokio::time::timeout;

use super::scene::{LEASE, Ledger, all, world};
use crate::common::World;
use crate::common::wire::{Reaction, Wire};

const ITEMS: usize = 6;
/// Longer than what a worker does here, shorter than one is waited for that never answers.
const KILLED: Duration = Duration::from_millis(250);

async fn planned(seal: &TenantSeal, ledger: &Ledger, action: SweepAction) -> String {
    let sweep = seal.sweep("crm").action(action).on(ledger).danger_without_recovery();
    sweep.segments(2).page_items(2).plan().await.unwrap()
}

fn keys(items: &[tenantseal::Item]) -> Vec<[u8; 16]> {
    let header = |item: &tenantseal::Item| StoredHeader::parse(item[HEADER].as_b().unwrap().as_ref()).unwrap();
    items.iter().map(|item| *header(item).key_id().as_bytes()).collect()
}

/// Another worker ends what a killed one has begun: each item is counted once, and all is done to it.
async fn ends(world: &World, seal: &TenantSeal, ledger: &Ledger, id: &str, before: &[[u8; 16]], what: &str) {
    let done = timeout(Duration::from_secs(30), world.seal().worker(ledger, id).lease(LEASE).run()).await;
    assert_eq!(done.expect("it ends").unwrap(), Done::Clean, "{what}");
    let report = SweepReport::of(ledger, id).await.unwrap();
    assert_eq!((report.items(), report.is_clean()), (ITEMS as u64, true), "{what}: {report}");
    if report.plan().action() == &SweepAction::Reseal {
        let now = keys(&all(world).await);
        assert!(before.iter().zip(&now).all(|(before, now)| before != now), "{what}: all are sealed again");
        let next = seal.sweep("crm").reseal().on(ledger).danger_without_recovery().plan().await;
        SweepPlan::stop(ledger, &next.expect("the table is free")).await.unwrap();
    }
    assert!(world.seal().sweep("crm").verify().run().await.unwrap().is_clean(), "{what}");
}

async fn killed_at_each_call_of_the_ledger(action: SweepAction) {
    let (world, seal) = world(ITEMS).await;
    for is_done in [false, true] {
        for at in 0.. {
            let ledger = Ledger::default();
            let id = planned(&seal, &ledger, action.clone()).await;
            let before = keys(&all(&world).await);
            let stopping = ledger.that_stops_at(at, is_done);
            let fresh = world.seal();
            let ended = timeout(KILLED, fresh.worker(&stopping, &id).parallel(1).lease(LEASE).run()).await.is_ok();
            ends(&world, &seal, &ledger, &id, &before, &format!("{action} killed at call {at}, done: {is_done}")).await;
            if ended {
                assert!(at > 8 && stopping.calls() <= at, "{at} calls");
                break;
            }
        }
    }
}

#[tokio::test]
async fn reseal_killed_at_each_call_of_the_ledger_is_ended_by_another() {
    killed_at_each_call_of_the_ledger(SweepAction::Reseal).await;
}

#[tokio::test]
async fn verify_killed_at_each_call_of_the_ledger_is_ended_by_another() {
    killed_at_each_call_of_the_ledger(SweepAction::Verify).await;
}

#[tokio::test]
async fn reseal_killed_at_each_request_is_ended_by_another() {
    let (world, seal) = world(ITEMS).await;
    for is_done in [false, true] {
        for at in 0.. {
            let ledger = Ledger::default();
            let id = planned(&seal, &ledger, SweepAction::Reseal).await;
            let before = keys(&all(&world).await);
            let sent = std::sync::atomic::AtomicUsize::new(0);
            let wire =
                Wire::scripted(move |_, _| match sent.fetch_add(1, std::sync::atomic::Ordering::SeqCst).cmp(&at) {
                    std::cmp::Ordering::Less => Reaction::Forward,
                    std::cmp::Ordering::Equal if is_done => Reaction::Lose,
                    _ => Reaction::Hang,
                });
            let killed = world.builder().build(&world.over(wire)).unwrap();
            let ended = timeout(KILLED, killed.worker(&ledger, &id).parallel(1).lease(LEASE).run()).await.is_ok();
            ends(&world, &seal, &ledger, &id, &before, &format!("killed at request {at}, done: {is_done}")).await;
            if ended {
                assert!(at > 8, "{at} requests");
                break;
            }
        }
    }
}

//! A ledger that somebody else has written, and items of every kind.

use serde_json::{Value, json};
use tenantseal::keys::KeyTable;
use tenantseal::sweep::{LedgerError, SweepError, SweepPlan, SweepReport};

use super::scene::{LEASE, Ledger, world};
use crate::common::{contact, item};

async fn entry(ledger: &Ledger, partition: &str, name: &str) -> Value {
    serde_json::from_slice(&ledger.get(partition, name).await.unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn a_hostile_plan_is_an_error_with_its_place_and_nothing_else() {
    let (_world, seal) = world(2).await;
    let ledger = Ledger::default();
    let id = seal.sweep("crm").verify().on(&ledger).segments(2).plan().await.unwrap();
    let partition = format!("#sweep#{id}");
    let sound = entry(&ledger, &partition, "plan").await;
    let with = |field: &str, value: Value| {
        let mut plan = sound.clone();
        plan[field] = value;
        serde_json::to_vec(&plan).unwrap()
    };
    let mut hostile = vec![
        Vec::new(),
        b"null".to_vec(),
        b"\xff\xfe".to_vec(),
        vec![b'['; 200_000],
        vec![b' '; 400_000],
        with("version", json!(2)),
        with("id", json!("another")),
        with("segments", json!(0)),
        with("segments", json!(4_000_000_000_u64)),
        with("workers", json!(0)),
        with("read_units", json!(0)),
        with("page_items", json!(-1)),
        with("by_tenant", json!(true)),
        with("tenants", json!(["a/b"])),
        with("action", json!("drop_table")),
        with("surplus", json!(1)),
    ];
    let bytes = serde_json::to_vec(&sound).unwrap();
    hostile.extend((1..bytes.len()).step_by(7).map(|len| bytes[..len].to_vec()));
    for plan in hostile {
        ledger.plant(&partition, "plan", &plan).await;
        let text = String::from_utf8_lossy(&plan).chars().take(60).collect::<String>();
        let refused = seal.worker(&ledger, &id).run().await.unwrap_err();
        let malformed = |entry: &String| *entry == format!("{partition} / plan");
        assert!(
            matches!(&refused, SweepError::Ledger(LedgerError::Malformed { entry }) if malformed(entry)),
            "{text}: {refused}"
        );
        assert!(SweepReport::of(&ledger, &id).await.is_err() && SweepPlan::stop(&ledger, &id).await.is_err());
    }
    ledger.plant(&partition, "plan", &with("table", json!("nothing"))).await;
    assert!(matches!(seal.worker(&ledger, &id).run().await, Err(SweepError::PlanMismatch { .. })));
}

#[tokio::test]
async fn a_hostile_checkpoint_stops_its_worker_and_names_the_entry() {
    let (_world, seal) = world(4).await;
    let ledger = Ledger::default();
    let id = seal.sweep("crm").verify().on(&ledger).segments(1).page_items(1).plan().await.unwrap();
    let partition = format!("#sweep#{id}#0");
    let far = json!({"owner": "", "fence": u64::MAX, "until": u64::MAX, "position": "start", "tally": null});
    for bytes in [b"{}".to_vec(), vec![b'['; 100_000], serde_json::to_vec(&far).unwrap()] {
        ledger.plant(&partition, "segment#000000", &bytes).await;
        let refused = seal.worker(&ledger, &id).run().await.unwrap_err();
        let SweepError::Ledger(LedgerError::Malformed { entry }) = &refused else { panic!("{refused}") };
        assert_eq!(*entry, format!("{partition} / segment#000000"));
        assert!(!refused.is_retryable());
    }
}

/// The entry of a sweep that has ended, with another position.
#[tokio::test]
async fn a_forged_lease_is_waited_for_once_and_a_forged_position_is_dynamodbs_to_refuse() {
    let (_world, seal) = world(4).await;
    let ledger = Ledger::default();
    let id = seal.sweep("crm").verify().on(&ledger).segments(1).plan().await.unwrap();
    let partition = format!("#sweep#{id}#0");
    seal.worker(&ledger, &id).run().await.unwrap();
    let mut done = entry(&ledger, &partition, "segment#000000").await;
    done["until"] = json!(u64::MAX);
    done["fence"] = json!(u64::MAX);
    done["position"] = json!("start");
    ledger.plant(&partition, "segment#000000", &serde_json::to_vec(&done).unwrap()).await;
    seal.worker(&ledger, &id).lease(LEASE).run().await.unwrap();
    assert!(SweepReport::of(&ledger, &id).await.unwrap().is_complete());
    done["position"] = json!({"after": {"nonsense": {"N": "1"}}});
    done["until"] = json!(0);
    ledger.plant(&partition, "segment#000000", &serde_json::to_vec(&done).unwrap()).await;
    let refused = seal.worker(&ledger, &id).lease(LEASE).run().await.unwrap_err();
    assert!(matches!(&refused, SweepError::Worker { is_retryable: false, .. }), "{refused}");
    assert!(!format!("{refused:?}").contains("nonsense"));
}

#[tokio::test]
async fn what_a_poisoned_checkpoint_leaves_out_a_verify_without_a_ledger_finds() {
    let (world, seal) = world(4).await;
    world.plant(item(&contact("acme", "c-000"))).await;
    let ledger = Ledger::default();
    let id = seal.sweep("crm").verify().on(&ledger).segments(1).plan().await.unwrap();
    let done = json!({"owner": "", "fence": 0, "until": 0, "position": "done", "tally": {
        "items": 0, "right": 0, "rewritten": 0, "deleted": 0, "other_tenants": 0, "skipped": {},
        "suspicious": {"items": 0, "listed": []}, "claimed": 0, "duplicates": {"items": 0, "listed": []}}});
    ledger.plant(&format!("#sweep#{id}#0"), "segment#000000", &serde_json::to_vec(&done).unwrap()).await;
    seal.worker(&ledger, &id).run().await.unwrap();
    let poisoned = SweepReport::of(&ledger, &id).await.unwrap();
    assert!(poisoned.is_clean() && poisoned.items() == 0, "{poisoned}");
    let found = seal.sweep("crm").verify().run().await.unwrap();
    assert_eq!((found.is_clean(), found.items()), (false, 4));
}

#[tokio::test]
async fn the_keys_that_an_entry_lists_are_bounded_and_all_are_counted() {
    let (world, seal) = world(0).await;
    for number in 0..130 {
        let mut plain = item(&contact("acme", &format!("{number:03}-{}", "x".repeat(1_000))));
        plain.remove("notes");
        world.plant(plain).await;
    }
    let ledger = Ledger::default();
    let id = seal.sweep("crm").verify().on(&ledger).segments(1).plan().await.unwrap();
    seal.worker(&ledger, &id).run().await.unwrap();
    let stored = ledger.get(&format!("#sweep#{id}#0"), "segment#000000").await.unwrap().unwrap();
    assert!(stored.len() < 103_000, "{}", stored.len());
    let report = SweepReport::of(&ledger, &id).await.unwrap();
    let (_, listed) = report.skipped().next().unwrap();
    assert_eq!(listed.items(), 130);
    assert!((50..100).contains(&listed.listed().len()), "{}", listed.listed().len());
}

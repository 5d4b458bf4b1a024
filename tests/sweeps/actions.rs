//! What each action does to items, and what it leaves alone.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::inspect::{HEADER, SealedAttribute, StoredHeader};
use tenantseal::schema::{Form, Lookup, TableSchema};
use tenantseal::sweep::{SkipReason, SweepError, SweepReport};
use tenantseal::{Item, TenantSeal};

use super::scene::{Ledger, all, fill, world};
use crate::common::key_table::{NOT_RECOVERABLE, RECOVERABLE, key_table};
use crate::common::wire::{Reaction, Wire};
use crate::common::{ROLE, World, contact, id, item, key, s};

fn counted(report: &SweepReport) -> BTreeMap<(&str, &str), u64> {
    report.counts().map(|(of, which, items)| ((of, which), items)).collect()
}

#[tokio::test]
async fn count_tells_by_attribute_what_is_stored_without_any_key() {
    let (world, seal) = world(4).await;
    let db = seal.tenant(&id("acme")).dynamodb();
    let update = db.update_item().table_name("crm").set_key(Some(key("acme", "c-000")));
    let update = update.update_expression("SET notes = :n").expression_attribute_values(":n", s("new"));
    update.send().await.unwrap();
    let mut plain = item(&contact("acme", "c-9"));
    plain.remove("notes");
    world.plant(plain).await;

    let calls = world.key_calls();
    let report = world.seal().sweep("crm").count().run().await.unwrap();
    assert_eq!(world.key_calls(), calls, "counting needs no key");
    assert!(report.is_clean() && report.items() == 5, "{report}");
    let counted = counted(&report);
    assert_eq!(counted[&("email", "sealed, form 11")], 4);
    assert_eq!(counted[&("email", "plain")], 1);
    assert_eq!(counted[&("notes", "sealed, form 12")], 1);
    assert_eq!(counted[&("notes", "absent")], 1);
    assert_eq!((counted[&(HEADER, "key record")], counted[&(HEADER, "absent")]), (4, 1));
    assert_eq!(counted[&("_seal: age of the data key", "under 30 days")], 4);
    let keks = counted.iter().filter(|((of, _), _)| of.contains("key-encryption"));
    assert_eq!(keks.map(|(_, items)| *items).collect::<Vec<_>>(), [2, 2]);
    assert!(!counted.keys().any(|(of, _)| *of == "company"), "what no record encrypts is not counted");
}

#[tokio::test]
async fn verify_lists_every_item_that_does_not_open_and_goes_on() {
    let (world, seal) = world(6).await;
    assert!(seal.sweep("crm").verify().run().await.unwrap().is_clean());
    // Plaintext, a cut value, another item's value, and an item of nobody.
    world.plant(item(&contact("acme", "c-000"))).await;
    let mut cut = world.stored("globex", "c-001").await;
    cut.insert("email".into(), AttributeValue::B(vec![0x11; 20].into()));
    world.plant(cut).await;
    let mut moved = world.stored("acme", "c-002").await;
    moved.insert("email".into(), world.stored("acme", "c-004").await["email"].clone());
    world.plant(moved).await;
    let mut nobody = world.stored("acme", "c-004").await;
    nobody.insert("tenant_id".into(), s("a/b"));
    world.plant(nobody).await;
    world.plant([("tenant_id".into(), s("#settings")), ("contact_id".into(), s("x"))].into()).await;

    let report = world.seal().sweep("crm").verify().run().await.unwrap();
    assert!(report.is_complete() && !report.is_clean());
    let skipped: Vec<_> = report.skipped().map(|(reason, listed)| (reason, listed.items())).collect();
    assert_eq!(skipped, [(SkipReason::NoTenant, 1), (SkipReason::Unopened, 3)]);
    assert_eq!((report.right(), report.of_no_tenant()), (3, 1));
    let unopened = report.skipped().find(|(reason, _)| *reason == SkipReason::Unopened).unwrap().1;
    let mut keys: Vec<_> = unopened.listed().iter().map(|item| item.key()["contact_id"].clone()).collect();
    keys.sort_by_key(|key| format!("{key:?}"));
    assert_eq!(keys, [s("c-000"), s("c-001"), s("c-002")]);
    let debug = format!("{report:?}");
    assert!(!debug.contains("c-002") && debug.contains("Unopened"), "keys are data: {debug}");
}

fn key_of(item: &Item) -> Vec<u8> {
    let header = StoredHeader::parse(item[HEADER].as_b().unwrap().as_ref()).unwrap();
    header.key_id().as_bytes().to_vec()
}

#[tokio::test]
async fn reseal_puts_all_that_is_encrypted_under_new_keys_and_nothing_else() {
    let (world, seal) = world(5).await;
    let db = seal.tenant(&id("acme")).dynamodb();
    let update = db.update_item().table_name("crm").set_key(Some(key("acme", "c-002")));
    let update = update.update_expression("SET notes = :n").expression_attribute_values(":n", s("new"));
    update.send().await.unwrap();
    // What no record declares is not the sweep's either.
    let loose = world.plain.update_item().table_name("crm").set_key(Some(key("acme", "c-002")));
    let loose = loose.update_expression("SET added = :a").expression_attribute_values(":a", s("loose"));
    loose.send().await.unwrap();
    let before = all(&world).await;

    let (ledger, fresh) = (Ledger::default(), world.seal());
    let reseal = || fresh.sweep("crm").reseal().on(&ledger).danger_without_recovery();
    let report = reseal().run().await.unwrap();
    assert_eq!((report.items(), report.rewritten(), report.is_clean()), (5, 5, true), "{report}");
    let after = all(&world).await;
    for (before, after) in before.iter().zip(&after) {
        assert_ne!(key_of(before), key_of(after));
        let names = |item: &Item| item.keys().cloned().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(names(before), names(after));
        for name in ["email", "notes", "api_keys"] {
            assert_ne!(before[name], after[name], "{name} is sealed again");
            assert_eq!(SealedAttribute::parse(after[name].as_b().unwrap().as_ref()).unwrap().form(), 0x11);
        }
        for name in ["company", "tenant_id", "contact_id", "added"] {
            assert_eq!(before.get(name), after.get(name), "{name} is left alone");
        }
    }
    assert!(world.seal().sweep("crm").verify().run().await.unwrap().is_clean());
    let opened = world.tenant("acme").open("crm", world.stored("acme", "c-002").await).await.unwrap();
    assert_eq!((&opened["notes"], &opened["email"]), (&s("new"), &s("c-002@example.org")));
}

#[tokio::test]
async fn an_item_that_does_not_open_is_never_sealed_again() {
    let (world, _) = world(3).await;
    let mut forged = world.stored("acme", "c-000").await;
    forged.insert("email".into(), world.stored("acme", "c-002").await["email"].clone());
    world.plant(forged.clone()).await;
    world.plant(item(&contact("acme", "c-9"))).await;
    let (ledger, seal) = (Ledger::default(), world.seal());
    let report = seal.sweep("crm").reseal().on(&ledger).danger_without_recovery().run().await.unwrap();
    let skipped: Vec<_> = report.skipped().map(|(reason, listed)| (reason, listed.items())).collect();
    assert_eq!((report.rewritten(), skipped), (2, vec![(SkipReason::Unopened, 2)]));
    assert_eq!(world.stored("acme", "c-000").await, forged);
    assert_eq!(world.stored("acme", "c-9").await, item(&contact("acme", "c-9")), "plaintext is nobody's to seal");
}

#[tokio::test]
async fn sweeps_that_seal_need_a_ledger_recovery_and_no_writers_elsewhere() {
    let (world, seal) = world(1).await;
    let ledger = Ledger::default();
    let refused = seal.sweep("crm").reseal().run().await.unwrap_err();
    assert!(matches!(refused, SweepError::NoLedger("reseal")), "{refused}");
    let answering = |body: &str| {
        let body = body.to_owned();
        Wire::scripted(move |sent, _| match sent.operation == "DescribeContinuousBackups" {
            true => Reaction::Answer(200, body.clone()),
            false => Reaction::Forward,
        })
    };
    let over = |wire: Wire| world.builder().build(&world.over(wire)).unwrap();
    let unsafe_table = over(answering(NOT_RECOVERABLE));
    let refused = unsafe_table.sweep("crm").reseal().on(&ledger).run().await.unwrap_err();
    assert!(matches!(refused, SweepError::NoRecovery { .. }), "{refused}");
    assert!(refused.to_string().contains("update-continuous-backups --table-name crm"));
    over(answering(RECOVERABLE)).sweep("crm").reseal().on(&ledger).run().await.unwrap();

    let replicated = r#"{"Table": {"TableName": "crm", "Replicas": [{"RegionName": "us-east-1"}]}}"#;
    let wire = Wire::scripted(move |sent, _| match sent.operation == "DescribeTable" {
        true => Reaction::Answer(200, replicated.to_owned()),
        false => Reaction::Forward,
    });
    let global = over(wire);
    let reseal = || global.sweep("crm").reseal().on(&ledger).danger_without_recovery();
    let refused = reseal().run().await.unwrap_err();
    assert!(matches!(&refused, SweepError::Replicas { regions, .. } if regions == "us-east-1"), "{refused}");
    reseal().writers_in("eu-central-1").run().await.unwrap();
}

#[tokio::test]
async fn a_sweep_of_tenants_reads_their_partitions_alone() {
    let (world, _) = world(6).await;
    let wire = Wire::open();
    let seal = world.builder().build(&world.over(wire.clone())).unwrap();
    let report = seal.sweep("crm").verify().tenants([id("acme")]).run().await.unwrap();
    assert_eq!((report.items(), report.segments(), report.is_clean()), (3, (1, 1), true));
    assert_eq!((wire.bodies("Scan").len(), wire.bodies("Query").len()), (0, 1));
}

#[tokio::test]
async fn reindex_is_an_action_as_the_others() {
    let world = World::with_key_table(&["acme", "globex"]).await;
    let attributes = || TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let attributes = || attributes().plain("company").encrypt("email").encrypt("notes").encrypt("api_keys");
    let schema = attributes().lookup(Lookup::on("email", Form::EMAIL).building()).build().unwrap();
    let sealing = |schema| TenantSeal::builder().assume_role(ROLE).table(schema).key_table(key_table(&world.app));
    let before = sealing(attributes().build().unwrap()).build(&world.app).unwrap();
    fill(&before, 2).await;
    let (seal, ledger) = (sealing(schema).build(&world.app).unwrap(), Ledger::default());
    let report = seal.sweep("crm").reindex().on(&ledger).run().await.unwrap();
    assert_eq!((report.rewritten(), report.changed_nothing()), (2, false), "{report}");
    assert!(seal.sweep("crm").reindex().on(&ledger).run().await.unwrap().changed_nothing());
    assert!(matches!(before.sweep("crm").reindex().run().await, Err(SweepError::NoLookups(_))));
}

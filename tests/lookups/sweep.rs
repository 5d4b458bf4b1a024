//! The sweep gives every item the tokens that it should have, and says what it could not do.

mod listed;

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::schema::{Form, Lookup, LookupBuilder, TableSchema};
use tenantseal::sweep::{ReindexReport, SkipReason, SweepError};
use tenantseal::{Error, Item, Tenant, TenantSeal, TenantSealBuilder};

use super::scene::{TABLE, assert_right, attributes, builder, contact, item, key, put, schema, set, tokens, world};
use crate::common::tap::find;
use crate::common::wire::{Reaction, Sent, Wire};
use crate::common::{World, id, s};

/// A process from before the lookups.
pub(super) fn old(world: &World) -> TenantSeal {
    builder(world, attributes().build().unwrap()).build(&world.app).unwrap()
}

pub(super) fn sealing(world: &World, schema: TableSchema) -> TenantSeal {
    builder(world, schema).build(&world.app).unwrap()
}

/// The same over an HTTP client of the test's.
fn over(world: &World, schema: TableSchema, wire: &Wire) -> TenantSeal {
    builder(world, schema).build(&world.over(wire.clone())).unwrap()
}

fn with(lookup: LookupBuilder<'_>) -> TableSchema {
    attributes().lookup(lookup).build().unwrap()
}

const EMAIL: LookupBuilder<'_> = Lookup::on("email", Form::EMAIL).index("by-email");

async fn fill(seal: &TenantSeal, tenant: &str, contacts: usize) {
    let db = seal.tenant(&id(tenant)).dynamodb();
    for number in 0..contacts {
        let values = [
            ("email", s(&format!("ada-{number}@x.org"))),
            ("last_name", s("Lovelace")),
            ("born", s("1815-12-10")),
            ("tags", set(&["vip", "press"])),
            ("status", s("open")),
        ];
        put(&db, contact(tenant, &format!("c-{number}"), values)).await;
    }
}

async fn all(world: &World) -> Vec<Item> {
    let scan = world.plain.scan().table_name(TABLE).consistent_read(true).send().await.unwrap();
    let mut items = scan.items.unwrap();
    items.sort_by_key(|item| format!("{:?}{:?}", item["tenant_id"], item["contact_id"]));
    items
}

fn without_tokens(mut item: Item) -> Item {
    item.retain(|name, _| !name.starts_with("_seal_by_"));
    item
}

fn counts(report: &ReindexReport) -> [u64; 3] {
    [report.items(), report.right(), report.rewritten()]
}

fn skipped(report: &ReindexReport) -> Vec<(SkipReason, u64)> {
    report.skipped().map(|(reason, listed)| (reason, listed.items())).collect()
}

fn is_to(sent: &Sent, operation: &str) -> bool {
    sent.operation == operation && String::from_utf8_lossy(&sent.body).contains(&format!("\"{TABLE}\""))
}

#[tokio::test]
async fn a_sweep_makes_all_tokens_and_the_next_pass_changes_nothing() {
    let world = world(&["acme", "globex"]).await;
    let before = old(&world);
    fill(&before, "acme", 12).await;
    fill(&before, "globex", 5).await;
    let unswept = all(&world).await;
    let keys_made = world.stack.calls().count("GenerateDataKey");

    let wire = Wire::open();
    let seal = over(&world, schema(), &wire);
    let report = seal.reindex(TABLE).segments(3).run().await.unwrap();
    assert_eq!(counts(&report), [17, 0, 17], "{report}");
    assert!(report.is_complete() && !report.changed_nothing());
    assert!(report.to_string().ends_with("Sweep again, until a pass changes nothing"), "{report}");
    let swept = all(&world).await;
    for item in &swept {
        assert_eq!(tokens(item).len(), 6, "all lookups but that of the telephone number");
        assert_right(&seal.tenant(&seal.tenant_of(TABLE, item).unwrap()), item).await;
    }
    let untouched: Vec<_> = swept.into_iter().map(without_tokens).collect();
    assert_eq!(untouched, unswept, "nothing is sealed again");
    assert_eq!(world.stack.calls().count("GenerateDataKey") - keys_made, 2, "the lookup keys");

    for sent in wire.sent() {
        for secret in ["ada-7@x.org", "Lovelace", "lovelace", "1815-12-10"] {
            assert_eq!(find(&sent.body, secret), None, "{} sends a value", sent.operation);
        }
    }

    let again = seal.reindex(TABLE).segments(3).run().await.unwrap();
    assert_eq!(counts(&again), [17, 17, 0]);
    assert!(again.changed_nothing());
    assert!(again.to_string().ends_with("This pass changed nothing: all tokens are right"), "{again}");
}

#[tokio::test]
async fn a_retired_lookup_loses_its_tokens_without_any_data_key() {
    let world = world(&["acme"]).await;
    fill(&sealing(&world, schema()), "acme", 4).await;
    let retired = sealing(&world, with(EMAIL.retired()));
    let calls = world.key_calls();
    let report = retired.reindex(TABLE).run().await.unwrap();
    assert_eq!(counts(&report), [4, 0, 4]);
    assert_eq!(world.key_calls(), calls, "nothing has to be opened");
    for item in all(&world).await {
        let left: Vec<_> = tokens(&item).into_keys().collect();
        assert_eq!(left, ["last_name", "last_name_2", "last_name_4", "person", "tags"], "others' tokens stay");
    }
    assert!(retired.reindex(TABLE).run().await.unwrap().changed_nothing());
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_says_what_it_would_write() {
    let world = world(&["acme"]).await;
    fill(&old(&world), "acme", 3).await;
    let wire = Wire::open();
    let report = over(&world, with(EMAIL.building()), &wire).reindex(TABLE).dry_run().run().await.unwrap();
    assert_eq!(counts(&report), [3, 0, 3]);
    assert!(report.is_dry_run() && !report.changed_nothing() && report.to_string().contains("3 would be rewritten"));
    assert!(wire.bodies("UpdateItem").is_empty());
    assert!(all(&world).await.iter().all(|item| tokens(item).is_empty()));
}

/// A table in which only contacts have the lookup, and tickets have the attribute without it.
pub(super) fn two_types(world: &World) -> TenantSealBuilder {
    let of_kind = |kind: &str| attributes().plain("kind").discriminator("kind", kind);
    let contacts = of_kind("contact").lookup(EMAIL.building()).build().unwrap();
    builder(world, contacts).table(of_kind("ticket").build().unwrap())
}

#[tokio::test]
async fn the_record_type_decides_which_items_get_tokens() {
    let world = world(&["acme"]).await;
    let before = attributes().plain("kind").build().unwrap();
    let db = sealing(&world, before).tenant(&id("acme")).dynamodb();
    for kind in ["contact", "ticket", "third"] {
        put(&db, contact("acme", kind, [("kind", s(kind)), ("email", s("ada@x.org"))])).await;
    }
    put(&db, contact("acme", "none", [("kind", s("third")), ("status", s("open"))])).await;
    let report = two_types(&world).build(&world.app).unwrap().reindex(TABLE).run().await.unwrap();
    assert_eq!(counts(&report), [4, 2, 1], "the ticket and what has no e-mail address are right as they are: {report}");
    assert_eq!(skipped(&report), [(SkipReason::UnknownType, 1)]);
    let with_token = all(&world).await.into_iter().filter(|item| !tokens(item).is_empty());
    assert_eq!(with_token.map(|item| item["contact_id"].clone()).collect::<Vec<_>>(), [s("contact")]);
}

#[tokio::test]
async fn a_stopped_sweep_goes_on_where_it_was() {
    let world = world(&["acme"]).await;
    fill(&old(&world), "acme", 10).await;
    // The right to write goes away after 4 writes.
    let denied = r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "no"}"#;
    let wire = Wire::scripted(move |sent, before| match is_to(sent, "UpdateItem") && before >= 4 {
        true => Reaction::Answer(400, denied.to_owned()),
        false => Reaction::Forward,
    });
    let seen = Arc::new(Mutex::new(None));
    let seal = over(&world, with(EMAIL.building()), &wire);
    let stopped = seal.reindex(TABLE).segments(1).page_items(2);
    let stopped = stopped.progress(|report| *seen.lock().unwrap() = Some(serde_json::to_string(report).unwrap()));
    let stopped = stopped.run().await.unwrap_err();
    assert!(!stopped.is_retryable() && stopped.to_string().contains("AccessDeniedException"), "{stopped}");
    let report: ReindexReport = serde_json::from_str(&seen.lock().unwrap().take().unwrap()).unwrap();
    assert_eq!((stopped.report(), counts(&report)), (Some(&report), [4, 0, 4]));
    assert!(!report.is_complete() && report.to_string().contains("Not finished: 0 of 1 segments are done"));

    let wire = Wire::open();
    let seal = over(&world, with(EMAIL.building()), &wire);
    let report = seal.reindex(TABLE).resume(report).run().await.unwrap();
    assert_eq!(counts(&report), [10, 0, 10], "{report}");
    assert!(report.is_complete() && !report.changed_nothing(), "the pass as a whole has changed items");
    assert_eq!(wire.bodies("UpdateItem").len(), 6, "what was swept is not read again");
}

/// What was swept before has no tokens of the type that came meanwhile.
#[tokio::test]
async fn a_report_from_before_another_record_type_had_the_lookup_is_not_resumed() {
    let world = world(&["acme"]).await;
    let of_type = |kind: &str| attributes().plain("kind").discriminator("kind", kind);
    let person = || of_type("person").lookup(EMAIL.building()).build().unwrap();
    let firm = |lookup: Option<LookupBuilder<'static>>| match lookup {
        Some(lookup) => of_type("firm").lookup(lookup).build().unwrap(),
        None => of_type("firm").build().unwrap(),
    };
    let before = builder(&world, person()).table(firm(None)).build(&world.app).unwrap();
    let report = before.reindex(TABLE).run().await.unwrap();
    let after = builder(&world, person()).table(firm(Some(EMAIL.building()))).build(&world.app).unwrap();
    let resumed = after.reindex(TABLE).resume(report.clone()).run().await;
    assert!(matches!(resumed, Err(SweepError::OtherSweep(_))), "{resumed:?}");
    before.reindex(TABLE).resume(report).run().await.unwrap();
}

#[tokio::test]
async fn a_sweep_of_tenants_without_items_does_not_say_that_all_is_well() {
    let world = world(&["acme"]).await;
    fill(&sealing(&world, with(EMAIL.building())), "acme", 2).await;
    let seal = sealing(&world, with(EMAIL.building()));
    let report = seal.reindex(TABLE).tenants([id("amce")]).run().await.unwrap();
    assert_eq!((counts(&report), report.other_tenants()), ([2, 0, 0], 2));
    assert!(report.to_string().ends_with("No item is of the tenants that were named: check their ids"), "{report}");
    let report = seal.reindex(TABLE).tenants([id("acme")]).run().await.unwrap();
    assert!(report.to_string().ends_with("all tokens of the tenants that were named are right"), "{report}");
}

#[tokio::test]
async fn a_report_of_another_sweep_is_not_resumed() {
    let world = world(&["acme"]).await;
    let building = sealing(&world, with(EMAIL.building()));
    let report = building.reindex(TABLE).run().await.unwrap();
    let other = |result: Result<ReindexReport, SweepError>| matches!(result, Err(SweepError::OtherSweep(_)));
    assert!(other(building.reindex(TABLE).dry_run().resume(report.clone()).run().await));
    assert!(other(building.reindex(TABLE).tenants([id("acme")]).resume(report.clone()).run().await));
    let another = sealing(&world, with(EMAIL.named("email_2")));
    assert!(other(another.reindex(TABLE).resume(report.clone()).run().await));
    assert!(other(sealing(&world, with(EMAIL.retired())).reindex(TABLE).resume(report.clone()).run().await));
    // The lookup went into service meanwhile.
    assert!(sealing(&world, with(EMAIL)).reindex(TABLE).resume(report).run().await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_swept_is_refused_by_name() {
    let world = world(&[]).await;
    let plain = old(&world);
    assert!(matches!(plain.reindex("crm").run().await, Err(SweepError::UnknownTable(_))));
    assert!(matches!(plain.reindex(TABLE).run().await, Err(SweepError::NoLookups(_))));
    let seal = sealing(&world, with(EMAIL));
    for sweep in [
        seal.reindex(TABLE).segments(0),
        seal.reindex(TABLE).segments(4_097),
        seal.reindex(TABLE).page_items(0),
        seal.reindex(TABLE).read_units(0),
        seal.reindex(TABLE).write_units(0),
    ] {
        assert!(matches!(sweep.run().await, Err(SweepError::Option { .. })));
    }
}

#[tokio::test]
async fn a_throttled_sweep_waits_and_goes_on() {
    let world = world(&["acme"]).await;
    fill(&old(&world), "acme", 3).await;
    // More often than the SDK repeats a request by itself.
    let wire = Wire::scripted(|sent, before| match (is_to(sent, "Scan") || is_to(sent, "UpdateItem")) && before < 4 {
        true => crate::common::key_table::throttled(),
        false => Reaction::Forward,
    });
    let seal = over(&world, with(EMAIL.building()), &wire);
    let report = seal.reindex(TABLE).segments(1).write_units(100).run().await.unwrap();
    assert_eq!(counts(&report), [3, 0, 3]);
}

#[tokio::test]
async fn a_sweep_keeps_to_its_write_units() {
    let world = world(&["acme"]).await;
    fill(&old(&world), "acme", 20).await;
    let began = std::time::Instant::now();
    let report = sealing(&world, with(EMAIL.building())).reindex(TABLE).write_units(20).run().await.unwrap();
    assert_eq!(counts(&report), [20, 0, 20]);
    // The item and one index: two units and more. A second's half is held.
    assert!(began.elapsed().as_secs_f64() > 1.2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_lost_answer_is_written_again_and_changes_nothing_else() {
    let world = world(&["acme"]).await;
    fill(&old(&world), "acme", 2).await;
    let wire = Wire::scripted(|sent, before| match is_to(sent, "UpdateItem") && before == 0 {
        true => Reaction::Lose,
        false => Reaction::Forward,
    });
    let seal = over(&world, with(EMAIL.building()), &wire);
    assert_eq!(counts(&seal.reindex(TABLE).run().await.unwrap()), [2, 0, 2]);
    assert!(seal.reindex(TABLE).run().await.unwrap().changed_nothing());
}

#[tokio::test]
async fn a_key_names_its_tenant_or_nobody() {
    let world = world(&[]).await;
    let seal = old(&world);
    assert_eq!(seal.tenant_of(TABLE, &key("acme", "c-1")).unwrap(), id("acme"));
    assert_eq!(seal.tenant_of(TABLE, &item([("tenant_id", s("nobody-yet"))])).unwrap(), id("nobody-yet"));
    for stranger in [item([]), key("a/b", "c-1"), item([("tenant_id", AttributeValue::N("1".into()))])] {
        assert!(matches!(seal.tenant_of(TABLE, &stranger), Err(Error::Refused(_))));
    }
    assert!(matches!(seal.tenant_of("crm", &key("acme", "c-1")), Err(Error::Refused(_))));
}

/// The sweep's own tenant, for what the histories check.
pub(super) fn acme(seal: &TenantSeal) -> Tenant {
    seal.tenant(&id("acme"))
}

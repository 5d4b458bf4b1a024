//! The sweep claims the values of items that have no claims yet, and lists those that two items have.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::schema::{Form, Lookup, LookupBuilder, TableSchema};
use tenantseal::sweep::{ReindexReport, SkipReason, SweepError};
use tenantseal::{Error, Item, TenantSeal, TenantSealBuilder};

use super::scene::{CLAIMS, Member, assert_unique, claimed, claiming_world, claims, member, plant, tenant};
use crate::common::key_table::throttled;
use crate::common::wire::{Reaction, Sent, Wire};
use crate::common::{World, id, key, s};
use crate::lookups::scene::{self, TABLE, attributes, contact, put, stored, tokens};

pub(super) const EMAIL: LookupBuilder<'_> = Lookup::on("email", Form::EMAIL).unique().index("by-email");

/// The schema with this lookup alone.
pub(super) fn with(lookup: LookupBuilder<'_>) -> TableSchema {
    attributes().lookup(lookup).build().unwrap()
}

pub(super) fn builder(world: &World, schema: TableSchema) -> TenantSealBuilder {
    scene::builder(world, schema).claims(claims(&world.app))
}

pub(super) fn sealing(world: &World, schema: TableSchema) -> TenantSeal {
    builder(world, schema).build(&world.app).unwrap()
}

/// Stores contacts as a process that knows no lookups.
pub(super) async fn fill<const N: usize>(world: &World, contacts: [(&str, AttributeValue); N]) {
    let db = scene::builder(world, attributes().build().unwrap()).build(&world.app).unwrap();
    let db = db.tenant(&id("acme")).dynamodb();
    for (name, email) in contacts {
        put(&db, contact("acme", name, [("email", email), ("status", s("open"))])).await;
    }
}

/// Of each contact, who has the claims.
pub(super) async fn holders(world: &World) -> Vec<String> {
    let mut holders: Vec<_> = claimed(world, "acme").await.into_values().collect();
    holders.sort();
    holders
}

fn counts(report: &ReindexReport) -> [u64; 4] {
    [report.items(), report.right(), report.rewritten(), report.claimed()]
}

fn duplicates(report: &ReindexReport) -> Vec<(String, Item, Item)> {
    let listed = report.duplicates().listed().iter();
    listed.map(|found| (found.lookup().to_owned(), found.key().clone(), found.other().clone())).collect()
}

#[tokio::test]
async fn a_sweep_claims_the_values_and_the_next_pass_changes_nothing() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org")), ("m-2", s("eve@x.org")), ("m-3", AttributeValue::Null(true))]).await;
    let seal = sealing(&world, with(EMAIL.building()));
    let dry = seal.reindex(TABLE).dry_run().run().await.unwrap();
    assert_eq!(counts(&dry), [3, 0, 3, 2], "{dry}");
    assert!(dry.to_string().contains("2 values would be claimed") && holders(&world).await.is_empty());

    let report = seal.reindex(TABLE).run().await.unwrap();
    assert_eq!(counts(&report), [3, 0, 3, 2], "NULL has a filler, and no claim: {report}");
    assert!(report.to_string().contains("2 values claimed") && !report.changed_nothing());
    assert_eq!(holders(&world).await, ["m-1", "m-2"]);

    let wire = Wire::open();
    let seal = builder(&world, with(EMAIL.building())).build(&world.over(wire.clone())).unwrap();
    let again = seal.reindex(TABLE).run().await.unwrap();
    assert!(again.changed_nothing() && counts(&again) == [3, 3, 0, 0], "{again}");
    assert!(wire.bodies("TransactWriteItems").is_empty(), "what is claimed is read alone");
}

/// As an attribute that becomes unique: its tokens are right, and nobody has claimed them.
#[tokio::test]
async fn a_pass_that_makes_claims_has_changed_something() {
    let world = claiming_world(&["acme"]).await;
    let before = Lookup::on("email", Form::EMAIL).index("by-email");
    let db = scene::builder(&world, with(before)).build(&world.app).unwrap().tenant(&id("acme")).dynamodb();
    put(&db, contact("acme", "m-1", [("email", s("ada@x.org")), ("status", s("open"))])).await;
    let report = sealing(&world, with(EMAIL)).reindex(TABLE).run().await.unwrap();
    assert_eq!(counts(&report), [1, 1, 0, 1], "{report}");
    assert!(!report.changed_nothing());
    assert_unique(&world).await;
}

#[tokio::test]
async fn duplicates_are_listed_by_both_keys_and_both_are_kept() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org")), ("m-2", s("ADA@x.org "))]).await;
    let seal = sealing(&world, with(EMAIL.building()));
    let report = seal.reindex(TABLE).segments(1).run().await.unwrap();
    assert_eq!(counts(&report), [2, 0, 2, 1], "{report}");
    let holder = holders(&world).await.remove(0);
    let other = if holder == "m-1" { "m-2" } else { "m-1" };
    let expected = vec![("email".to_owned(), key("acme", other), key("acme", &holder))];
    assert_eq!(duplicates(&report), expected);
    assert!(report.to_string().contains("1 unique values that another item has too"), "{report}");
    assert!(!format!("{report:?}").contains("m-1"), "keys are data");
    let kept: ReindexReport = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(kept, report);

    // The lookup must not go into service: the next passes say so too.
    for dry in [false, true] {
        let pass = seal.reindex(TABLE);
        let again = if dry { pass.dry_run() } else { pass }.run().await.unwrap();
        assert!(counts(&again) == [2, 2, 0, 0] && duplicates(&again) == expected, "{again}");
        assert!(!again.changed_nothing() && again.to_string().contains("See to the items that are listed"), "{again}");
    }
    for (item, email) in [("m-1", "ada@x.org"), ("m-2", "ADA@x.org ")] {
        let stored = stored(&world, "acme", item).await;
        assert_eq!(tokens(&stored).len(), 1, "{item} has its token");
        assert_eq!(seal.tenant(&id("acme")).open(TABLE, stored).await.unwrap()["email"], s(email));
    }

    // What the guide tells the operator: change one of the two, and sweep again.
    let members = tenant(&world, "acme").records::<Member>();
    members.update(other).set("email", "countess@x.org").await.unwrap();
    assert!(seal.reindex(TABLE).run().await.unwrap().changed_nothing());
    assert_unique(&world).await;
}

#[tokio::test]
async fn a_claim_of_the_sweep_keeps_writers_from_the_value() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org"))]).await;
    let members = tenant(&world, "acme").records::<Member>();
    sealing(&world, with(EMAIL)).reindex(TABLE).run().await.unwrap();
    let error = members.put(&member("m-2", "ada@x.org")).await.unwrap_err();
    let Error::NotUnique { item, .. } = &error else { panic!("{error}") };
    assert_eq!(item.key(), &key("acme", "m-1"));
    members.delete("m-1").await.unwrap();
    members.put(&member("m-2", "ada@x.org")).await.unwrap();
}

#[tokio::test]
async fn a_stale_claim_is_taken_over_and_a_wrong_token_loses_its_own() {
    let world = claiming_world(&["acme"]).await;
    let seal = sealing(&world, with(EMAIL));
    fill(&world, [("m-1", s("ada@x.org")), ("m-2", s("eve@x.org"))]).await;
    seal.reindex(TABLE).run().await.unwrap();
    // Whoever knows no lookups deletes one, and gives another the address.
    super::scene::expire(&world, "m-1").await;
    let update = scene::builder(&world, attributes().build().unwrap()).build(&world.app).unwrap();
    let update = update.tenant(&id("acme")).dynamodb().update_item().table_name(TABLE);
    let update = update.set_key(Some(key("acme", "m-2"))).update_expression("SET email = :e");
    update.expression_attribute_values(":e", s("ada@x.org")).send().await.unwrap();
    let report = seal.reindex(TABLE).run().await.unwrap();
    assert_eq!(counts(&report), [1, 0, 1, 1], "{report}");
    assert_eq!(holders(&world).await, ["m-2"], "the claim of its former address is gone");
    assert_unique(&world).await;
}

#[tokio::test]
async fn a_retired_lookup_loses_its_claims_and_nobody_elses() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org")), ("m-2", s("ada@x.org")), ("m-3", s("eve@x.org"))]).await;
    sealing(&world, with(EMAIL)).reindex(TABLE).run().await.unwrap();
    assert_eq!(holders(&world).await.len(), 2);
    let retired = sealing(&world, with(EMAIL.retired()));
    let report = retired.reindex(TABLE).dry_run().run().await.unwrap();
    assert!(counts(&report) == [3, 0, 3, 0] && holders(&world).await.len() == 2, "{report}");
    // A claim of the same entry that is another's stays.
    let (entry, _) = claimed(&world, "acme").await.into_iter().find(|(_, holder)| holder == "m-3").unwrap();
    plant(&world, "acme", &entry, AttributeValue::M(key("acme", "m-9"))).await;
    let report = retired.reindex(TABLE).run().await.unwrap();
    assert_eq!(counts(&report), [3, 0, 3, 0], "{report}");
    assert_eq!(holders(&world).await, ["m-9"]);
    assert!(retired.reindex(TABLE).run().await.unwrap().changed_nothing());
}

#[tokio::test]
async fn a_forged_claim_lists_its_item_and_others_are_claimed() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org")), ("m-2", s("eve@x.org"))]).await;
    let seal = sealing(&world, with(EMAIL));
    seal.reindex(TABLE).run().await.unwrap();
    for (entry, holder) in claimed(&world, "acme").await {
        match holder.as_str() {
            "m-1" => plant(&world, "acme", &entry, AttributeValue::M(key("globex", "g-1"))).await,
            _ => delete_claim(&world, &entry).await,
        }
    }
    let report = seal.reindex(TABLE).run().await.unwrap();
    let listed: Vec<_> = report.skipped().map(|(reason, items)| (reason, items.listed()[0].key().clone())).collect();
    assert_eq!(listed, [(SkipReason::ForgedClaim, key("acme", "m-1"))]);
    assert_eq!((report.claimed(), report.changed_nothing()), (1, false), "{report}");
    let error = report.skipped().next().unwrap().1.listed()[0].error().unwrap();
    assert!(error.contains("then delete the claim"), "{error}");
    // The advice, followed to the letter.
    let scan = world.plain.scan().table_name(CLAIMS).send().await.unwrap().items.unwrap();
    let forged = scan.iter().find(|claim| claim["key"].as_m().unwrap()["tenant_id"] == s("globex")).unwrap();
    assert!(error.contains(forged["entry"].as_s().unwrap()));
    delete_claim(&world, forged["entry"].as_s().unwrap()).await;
    seal.reindex(TABLE).run().await.unwrap();
    assert!(seal.reindex(TABLE).run().await.unwrap().changed_nothing());
    assert_unique(&world).await;
}

async fn delete_claim(world: &World, entry: &str) {
    let delete = world.plain.delete_item().table_name(CLAIMS).key("tenant", s("acme")).key("entry", s(entry));
    delete.send().await.unwrap();
}

#[tokio::test]
async fn a_claims_table_that_is_missing_or_denied_stops_the_sweep() {
    let world = scene::world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org")), ("m-2", s("eve@x.org"))]).await;
    let seal = sealing(&world, with(EMAIL));
    let stopped = seal.reindex(TABLE).segments(1).page_items(1).run().await.unwrap_err();
    assert_stopped(&stopped, "ResourceNotFoundException");

    claims(&world.app).create_table().await.unwrap();
    let denied = r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "no"}"#;
    let wire = Wire::scripted(move |sent, before| match sent.operation == "TransactWriteItems" && before > 0 {
        true => Reaction::Answer(400, denied.to_owned()),
        false => Reaction::Forward,
    });
    let denied = builder(&world, with(EMAIL)).build(&world.over(wire)).unwrap();
    let stopped = denied.reindex(TABLE).segments(1).page_items(1).run().await.unwrap_err();
    assert_stopped(&stopped, "AccessDeniedException");
    let report = stopped.report().unwrap().clone();
    assert_eq!((report.items(), report.claimed()), (1, 1));
    let report = seal.reindex(TABLE).resume(report).run().await.unwrap();
    assert!(report.is_complete() && counts(&report)[3] == 2, "{report}");
    assert_unique(&world).await;
}

fn assert_stopped(error: &SweepError, code: &str) {
    let text = error.to_string();
    assert!(matches!(error, SweepError::StoppedAtClaims { table, .. } if table == CLAIMS), "{text}");
    assert!(text.contains(code) && text.contains(CLAIMS) && text.contains("resume"), "{text}");
    assert!(!error.is_retryable() && error.report().is_some());
}

#[tokio::test]
async fn throttled_claims_are_waited_for() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org"))]).await;
    let cancelled = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons":[{"Code":"ThrottlingError"},{"Code":"None"}]}"#;
    let wire = Wire::scripted(move |sent, before| match (sent.operation.as_str(), before) {
        ("GetItem", 0..4) if is_to_claims(sent) => throttled(),
        ("TransactWriteItems", 0) => Reaction::Answer(400, cancelled.to_owned()),
        _ => Reaction::Forward,
    });
    let seal = builder(&world, with(EMAIL)).build(&world.over(wire)).unwrap();
    let report = seal.reindex(TABLE).run().await.unwrap();
    assert_eq!(counts(&report), [1, 0, 1, 1], "{report}");
    assert_unique(&world).await;
}

fn is_to_claims(sent: &Sent) -> bool {
    String::from_utf8_lossy(&sent.body).contains(CLAIMS)
}

#[tokio::test]
async fn claims_count_against_the_write_units() {
    let world = claiming_world(&["acme"]).await;
    let names: Vec<_> = (0..12).map(|number| format!("m-{number}")).collect();
    for name in &names {
        fill(&world, [(name, s(&format!("{name}@x.org")))]).await;
    }
    let plain = Lookup::on("email", Form::EMAIL).index("by-email");
    scene::builder(&world, with(plain)).build(&world.app).unwrap().reindex(TABLE).run().await.unwrap();
    let began = std::time::Instant::now();
    let report = sealing(&world, with(EMAIL)).reindex(TABLE).write_units(20).run().await.unwrap();
    assert_eq!(counts(&report), [12, 12, 0, 12]);
    // Two actions of a transaction each, and nothing else. A second's half is held.
    assert!(began.elapsed().as_secs_f64() > 1.2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_report_from_before_the_lookup_was_unique_is_not_resumed() {
    let world = claiming_world(&["acme"]).await;
    let plain = scene::builder(&world, with(Lookup::on("email", Form::EMAIL).index("by-email")));
    let report = plain.build(&world.app).unwrap().reindex(TABLE).run().await.unwrap();
    let resumed = sealing(&world, with(EMAIL)).reindex(TABLE).resume(report).run().await;
    assert!(matches!(resumed, Err(SweepError::OtherSweep(_))));
}

//! The sweep's claims against writers, kills and old processes, one request at a time.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use futures_util::future::BoxFuture;
use tenantseal::sweep::{ReindexReport, SkipReason};
use tenantseal::{Error, TenantSeal};

use super::scene::{Member, assert_unique, claiming_world, member, tenant};
use super::sweep::{EMAIL, builder, fill, holders, sealing, with};
use crate::common::wire::{Reaction, Wire};
use crate::common::{World, id, key, s};
use crate::lookups::scene::{self, TABLE, attributes, contact, put, stored, tokens};
use crate::lookups::sweep_histories::Gate;

/// A sweep before whose first request of this operation `write` happens.
fn interrupted(
    world: &World,
    operation: &'static str,
    write: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
) -> TenantSeal {
    let once = Arc::new(Mutex::new(true));
    let gate = Gate::of(&["Scan", "UpdateItem", "GetItem", "TransactWriteItems"], move |now| {
        let is_first = now == operation && std::mem::take(&mut *once.lock().unwrap());
        let write = is_first.then(&write);
        Box::pin(async move {
            if let Some(write) = write {
                write.await;
            }
            true
        })
    });
    builder(world, with(EMAIL.building())).build(&world.over(gate)).unwrap()
}

fn old(world: &World) -> Client {
    scene::builder(world, attributes().build().unwrap()).build(&world.app).unwrap().tenant(&id("acme")).dynamodb()
}

async fn sweep(seal: &TenantSeal) -> ReindexReport {
    seal.reindex(TABLE).segments(1).run().await.unwrap()
}

/// A writer has moved the value to another item when the sweep would claim it for the first one.
#[tokio::test]
async fn a_value_that_moves_away_before_its_claim_is_not_claimed() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org"))]).await;
    let members = tenant(&world, "acme").records::<Member>();
    let writer = members.clone();
    let seal = interrupted(&world, "TransactWriteItems", move || {
        let members = writer.clone();
        Box::pin(async move {
            members.update("m-1").set("email", "countess@x.org").await.unwrap();
            members.put(&member("m-2", "ada@x.org")).await.unwrap();
        })
    });
    let report = sweep(&seal).await;
    assert_eq!((report.rewritten(), report.claimed(), report.duplicates().items()), (1, 0, 0), "{report}");
    assert_eq!(holders(&world).await, ["m-1", "m-2"]);
    assert_unique(&world).await;
}

/// A writer of the other item is faster by one request: the value is its own, and the sweep finds that out.
#[tokio::test]
async fn a_value_that_a_writer_takes_before_the_claim_is_a_duplicate() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org"))]).await;
    let writer = tenant(&world, "acme").records::<Member>();
    let seal = interrupted(&world, "TransactWriteItems", move || {
        let members = writer.clone();
        Box::pin(async move { members.put(&member("m-2", "ada@x.org")).await.unwrap() })
    });
    let report = sweep(&seal).await;
    assert_eq!((report.claimed(), report.duplicates().listed().len()), (0, 1), "{report}");
    let found = &report.duplicates().listed()[0];
    assert_eq!((found.key(), found.other()), (&key("acme", "m-1"), &key("acme", "m-2")));
    assert_eq!(holders(&world).await, ["m-2"]);
}

#[tokio::test]
async fn an_item_that_is_deleted_before_its_claim_is_not_claimed() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org"))]).await;
    let plain = world.plain.clone();
    let seal = interrupted(&world, "TransactWriteItems", move || {
        let delete = plain.delete_item().table_name(TABLE).set_key(Some(key("acme", "m-1")));
        Box::pin(async move { drop(delete.send().await.unwrap()) })
    });
    let report = sweep(&seal).await;
    assert_eq!((report.deleted(), report.claimed()), (1, 0), "{report}");
    assert!(holders(&world).await.is_empty() && stored(&world, "acme", "m-1").await.is_empty());
}

/// The token is stored, and the claim is not, when the sweep dies; nothing says so but the next pass.
#[tokio::test]
async fn a_sweep_that_dies_between_token_and_claim_is_resumed() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org")), ("m-2", s("eve@x.org")), ("m-3", s("bob@x.org"))]).await;
    let is_killed = Arc::new(Mutex::new(0));
    let gate = Gate::of(&["TransactWriteItems"], move |_| {
        let mut claims = is_killed.lock().unwrap();
        *claims += 1;
        let goes_on = *claims != 2;
        Box::pin(async move { goes_on })
    });
    let seal = builder(&world, with(EMAIL.building())).build(&world.over(gate.clone())).unwrap();
    let seen = Mutex::new(None);
    let run = seal.reindex(TABLE).segments(1).page_items(1);
    let run = run.progress(|at| *seen.lock().unwrap() = Some(serde_json::to_string(at).unwrap()));
    tokio::select! {
        report = run.run() => panic!("not killed: {report:?}"),
        () = gate.killed() => {}
    }
    let mut with_token = 0;
    for contact in ["m-1", "m-2", "m-3"] {
        with_token += tokens(&stored(&world, "acme", contact).await).len();
    }
    assert_eq!((with_token, holders(&world).await.len()), (2, 1), "one has its token and no claim");
    let report: ReindexReport = serde_json::from_str(&seen.lock().unwrap().take().unwrap()).unwrap();
    assert_eq!((report.items(), report.claimed()), (1, 1));
    let seal = sealing(&world, with(EMAIL.building()));
    let report = seal.reindex(TABLE).resume(report).run().await.unwrap();
    assert_eq!((report.items(), report.claimed(), report.is_complete()), (3, 3, true), "{report}");
    assert!(sweep(&seal).await.changed_nothing());
    assert_unique(&world).await;
}

/// The claim goes first: the next pass finds the token, and asks for the claim again.
#[tokio::test]
async fn a_sweep_that_dies_while_it_retires_leaves_no_claim_behind() {
    for killed_at in 0..2 {
        let world = claiming_world(&["acme"]).await;
        fill(&world, [("m-1", s("ada@x.org"))]).await;
        sweep(&sealing(&world, with(EMAIL))).await;
        let requests = Arc::new(Mutex::new(0));
        let gate = Gate::of(&["TransactWriteItems", "UpdateItem"], move |_| {
            let mut requests = requests.lock().unwrap();
            *requests += 1;
            let goes_on = *requests != killed_at + 1;
            Box::pin(async move { goes_on })
        });
        let dying = builder(&world, with(EMAIL.retired())).build(&world.over(gate.clone())).unwrap();
        tokio::select! {
            report = sweep(&dying) => panic!("not killed: {report}"),
            () = gate.killed() => {}
        }
        let left = (tokens(&stored(&world, "acme", "m-1").await).len(), holders(&world).await.len());
        assert_eq!(left, (1, 1 - killed_at), "token and claim");
        sweep(&sealing(&world, with(EMAIL.retired()))).await;
        assert!(holders(&world).await.is_empty() && tokens(&stored(&world, "acme", "m-1").await).is_empty());
    }
}

/// The claim that a writer has stored again meanwhile stays.
#[tokio::test]
async fn a_former_value_that_comes_back_keeps_its_claim() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org"))]).await;
    sweep(&sealing(&world, with(EMAIL.building()))).await;
    // An old process that knows no lookups updates the address alone.
    let update = old(&world).update_item().table_name(TABLE).set_key(Some(key("acme", "m-1")));
    let update = update.update_expression("SET email = :e").expression_attribute_values(":e", s("eve@x.org"));
    update.send().await.unwrap();
    let writer = tenant(&world, "acme").records::<Member>();
    // Before the sweep leaves the claim of the former token.
    let seal = interrupted(&world, "TransactWriteItems", move || {
        let members = writer.clone();
        Box::pin(async move { members.update("m-1").set("email", "ada@x.org").await.unwrap() })
    });
    let report = sweep(&seal).await;
    assert_eq!(report.duplicates().items(), 0, "{report}");
    assert_eq!(holders(&world).await, ["m-1"]);
    assert_unique(&world).await;
}

/// Old writers neither store tokens nor claim: while they write, passes find what they have done.
#[tokio::test]
async fn beside_old_writers_each_pass_finds_what_they_did() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org")), ("m-2", s("eve@x.org"))]).await;
    let db = old(&world);
    let writer = db.clone();
    let seal = interrupted(&world, "TransactWriteItems", move || {
        let db = writer.clone();
        // After it was read, and before it is claimed, each gets another's value.
        Box::pin(async move {
            for (name, email) in [("m-1", "eve@x.org"), ("m-2", "eve@x.org"), ("m-3", "ada@x.org")] {
                put(&db, contact("acme", name, [("email", s(email)), ("status", s("open"))])).await;
            }
        })
    });
    sweep(&seal).await;
    // By now all processes know the lookup.
    let seal = sealing(&world, with(EMAIL.building()));
    let report = sweep(&seal).await;
    assert!(!report.changed_nothing(), "{report}");
    let report = sweep(&seal).await;
    assert_eq!((report.duplicates().items(), report.claimed(), report.rewritten()), (1, 0, 0), "{report}");
    let twin = report.duplicates().listed()[0].key()["contact_id"].as_s().unwrap().clone();
    let members = tenant(&world, "acme").records::<Member>();
    members.update(twin).set("email", "bob@x.org").await.unwrap();
    assert!(sweep(&seal).await.changed_nothing());
    assert_eq!(holders(&world).await, ["m-1", "m-2", "m-3"]);
    assert_unique(&world).await;
}

/// Another transaction keeps working on the item: it is listed, and the next pass claims its value.
#[tokio::test]
async fn an_item_whose_claim_is_always_in_conflict_is_busy() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org"))]).await;
    let conflict = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict"}]}"#;
    let wire = Wire::scripted(move |sent, _| match sent.operation == "TransactWriteItems" {
        true => Reaction::Answer(400, conflict.to_owned()),
        false => Reaction::Forward,
    });
    let report = sweep(&builder(&world, with(EMAIL)).build(&world.over(wire)).unwrap()).await;
    let skipped: Vec<_> = report.skipped().map(|(reason, listed)| (reason, listed.items())).collect();
    assert_eq!(skipped, [(SkipReason::Busy, 1)]);
    assert!(!report.changed_nothing());
    assert_eq!(sweep(&sealing(&world, with(EMAIL))).await.claimed(), 1);
}

/// The answer of a claim is lost: asked again, the claim is the item's own.
#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_no_duplicate() {
    let world = claiming_world(&["acme"]).await;
    fill(&world, [("m-1", s("ada@x.org"))]).await;
    let wire = Wire::scripted(|sent, before| match sent.operation == "TransactWriteItems" && before < 3 {
        true => Reaction::Lose,
        false => Reaction::Forward,
    });
    let report = sweep(&builder(&world, with(EMAIL)).build(&world.over(wire)).unwrap()).await;
    assert_eq!((report.duplicates().items(), report.skipped().count()), (0, 0), "{report}");
    assert_unique(&world).await;
    let taken = tenant(&world, "acme").records::<Member>().put(&member("m-2", "ada@x.org")).await;
    assert!(taken.is_err_and(|error: Error| error.is_not_unique()));
}

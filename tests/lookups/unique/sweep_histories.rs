//! Writers with claims against a sweep that is killed and resumed, one request at a time: no value ends with two items,
//! no item without its claim, and no free value that cannot be taken.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use futures_util::future::BoxFuture;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tenantseal::records::Records;
use tenantseal::sweep::{ReindexReport, SkipReason};
use tenantseal::{Tenant, TenantSeal};

use super::scene::{CLAIMS, Member, builder, claimed, claiming_world, expire, items, member};
use crate::common::{World, id, key, s};
use crate::lookups::scene::{self, TABLE, attributes, contact, tokens};
use crate::lookups::sweep_histories::Gate;

const IDS: [&str; 3] = ["m-0", "m-1", "m-2"];
/// In the last one there is nothing to look up.
const EMAILS: [&str; 4] = ["ada@x.org", "Ada@X.org ", "eve@x.org", " "];
const PHONES: [&str; 2] = ["+44 1", "2"];
/// Whoever finds more passes than these still at work has found a sweep that does not end.
const PASSES: usize = 8;

/// One write to the item at a place in [`IDS`], with values at places of theirs.
#[derive(Debug, Clone)]
enum Step {
    Put {
        id: usize,
        email: Option<usize>,
        phone: Option<usize>,
        is_new: bool,
    },
    Email {
        id: usize,
        email: usize,
    },
    NoEmail {
        id: usize,
    },
    /// The first item gives its address up and the second one gets it, in one transaction.
    Both {
        ids: (usize, usize),
        email: usize,
    },
    Take {
        id: usize,
    },
    /// As a time to live deletes: the claims stay.
    Expire {
        id: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (id, email, phone) = (|| 0..IDS.len(), || 0..EMAILS.len(), || 0..PHONES.len());
    prop_oneof![
        3 => (id(), option::of(email()), option::of(phone()), any::<bool>())
            .prop_map(|(id, email, phone, is_new)| Step::Put { id, email, phone, is_new }),
        3 => (id(), email()).prop_map(|(id, email)| Step::Email { id, email }),
        1 => id().prop_map(|id| Step::NoEmail { id }),
        2 => ((id(), id()), email()).prop_map(|(ids, email)| Step::Both { ids, email }),
        1 => id().prop_map(|id| Step::Take { id }),
        1 => id().prop_map(|id| Step::Expire { id }),
    ]
}

/// A history: writers of before, who know no lookups, and of now; then writers of now between the requests of a sweep
/// that is killed once.
#[derive(Debug, Clone)]
struct History {
    before: Vec<(Step, bool)>,
    meanwhile: Vec<Step>,
    /// How many of them happen before each request of the sweep.
    between: Vec<usize>,
    killed_at: usize,
}

fn history() -> impl Strategy<Value = History> {
    let before = vec((step(), any::<bool>()), 0..8);
    (before, vec(step(), 0..12), vec(0_usize..3, 24), 0_usize..24)
        .prop_map(|(before, meanwhile, between, killed_at)| History { before, meanwhile, between, killed_at })
}

/// The record that a step puts.
fn record(id: usize, email: Option<usize>, phone: Option<usize>) -> Member {
    let given = |at: Option<usize>, all: &[&str]| at.map(|at| all[at].to_owned());
    Member { email: given(email, &EMAILS), phone: given(phone, &PHONES), ..member(IDS[id], "") }
}

/// Carries a step out as a process of now. No other writer does anything meanwhile, so it is refused with reason. The
/// sweep may take a token away, or make one.
async fn run(world: &World, acme: &Tenant, members: &Records<Member>, step: &Step) {
    let was_taken = is_taken(world, acme, step).await;
    let outcome = match step {
        Step::Put { id, email, phone, is_new } => {
            let (record, put) = (record(*id, *email, *phone), |record| members.put(record));
            if *is_new { put(&record).if_not_exists().await } else { put(&record).await }
        }
        Step::Email { id, email } => members.update(IDS[*id]).set("email", EMAILS[*email]).await,
        Step::NoEmail { id } => members.update(IDS[*id]).remove("email").await,
        Step::Both { ids: (from, to), email } if from != to => {
            let (from, to) = (record(*from, None, None), record(*to, Some(*email), None));
            acme.transact_write().with(members.put(&from)).with(members.put(&to)).await
        }
        Step::Both { .. } => Ok(()),
        Step::Take { id } => members.take(IDS[*id]).await.map(drop),
        Step::Expire { id } => {
            expire(world, IDS[*id]).await;
            Ok(())
        }
    };
    if let Err(error) = outcome {
        assert!(error.is_not_unique() || error.is_condition_failed(), "{step:?}: {error:?}");
        if error.is_not_unique() {
            assert!(was_taken || is_taken(world, acme, step).await, "{step:?}: {error}");
        }
    }
}

/// Whether another item has a token of what the step writes.
async fn is_taken(world: &World, acme: &Tenant, step: &Step) -> bool {
    let (id, email, phone) = match step {
        Step::Put { id, email, phone, .. } => (*id, *email, *phone),
        Step::Email { id, email } | Step::Both { ids: (_, id), email } => (*id, Some(*email), None),
        Step::NoEmail { .. } | Step::Take { .. } | Step::Expire { .. } => return false,
    };
    let mut wanted = Vec::new();
    if let Some(email) = email.filter(|email| !EMAILS[*email].trim().is_empty()) {
        wanted.push(acme.token(TABLE, "email", EMAILS[email]).await.unwrap());
    }
    if let Some(phone) = phone {
        wanted.push(acme.token(TABLE, "phone_2", PHONES[phone]).await.unwrap());
    }
    let items = items(world).await;
    let mut others = items.iter().filter(|item| item["contact_id"] != s(IDS[id]));
    others.any(|item| tokens(item).values().flatten().any(|token| wanted.contains(token)))
}

/// Carries a step out as a process that knows no lookups: it leaves tokens and claims as they are.
async fn run_old(world: &World, old: &Client, step: &Step) {
    match step {
        Step::Put { id, email, phone, .. } => {
            let mut item = contact("acme", IDS[*id], [("status", s("open"))]);
            item.extend(email.map(|email| ("email".to_owned(), s(EMAILS[email]))));
            item.extend(phone.map(|phone| ("phone".to_owned(), s(PHONES[phone]))));
            scene::put(old, item).await;
        }
        Step::Email { id, email } | Step::Both { ids: (_, id), email } => {
            let update = old.update_item().table_name(TABLE).set_key(Some(key("acme", IDS[*id])));
            let update = update.update_expression("SET email = :e").condition_expression("attribute_exists(tenant_id)");
            // Where there is no item, the condition fails.
            drop(update.expression_attribute_values(":e", s(EMAILS[*email])).send().await);
        }
        Step::NoEmail { id } | Step::Take { id } | Step::Expire { id } => expire(world, IDS[*id]).await,
    }
}

/// Runs the sweep, with these writes in between. The killed one is resumed.
async fn sweep(world: &Arc<World>, acme: &Tenant, history: &History) -> ReindexReport {
    // Several requests of the sweep may wait at the same time.
    let left: VecDeque<_> = history.meanwhile.iter().cloned().collect();
    let left = Arc::new(tokio::sync::Mutex::new(left));
    let (requests, acme) = (Arc::new(Mutex::new(0)), acme.clone());
    let (between, killed_at, of_writers) = (history.between.clone(), history.killed_at, Arc::clone(world));
    let operations = &["Scan", "UpdateItem", "GetItem", "TransactWriteItems"];
    let gate = Gate::of(operations, move |_| {
        let (acme, world, left) = (acme.clone(), Arc::clone(&of_writers), Arc::clone(&left));
        let number = {
            let mut requests = requests.lock().unwrap();
            *requests += 1;
            *requests - 1
        };
        let writes = between[number % between.len()];
        let next: BoxFuture<'static, bool> = Box::pin(async move {
            for _ in 0..writes {
                let mut left = left.lock().await;
                if let Some(step) = left.pop_front() {
                    run(&world, &acme, &acme.records::<Member>(), &step).await;
                }
            }
            number != killed_at
        });
        next
    });
    let config = world.over(gate.clone());
    let seal = builder(&config).build(&config).unwrap();
    let mut report = None;
    loop {
        let seen = Mutex::new(None);
        let mut sweep = seal.reindex(TABLE).segments(1).page_items(2);
        sweep = sweep.progress(|at| *seen.lock().unwrap() = Some(serde_json::to_string(at).unwrap()));
        if let Some(report) = report.take() {
            sweep = sweep.resume(report);
        }
        tokio::select! {
            report = sweep.run() => return report.unwrap(),
            () = gate.killed() => {}
        }
        report = seen.lock().unwrap().take().map(|report: String| serde_json::from_str(&report).unwrap());
    }
}

/// Sweeps until a pass changes nothing. Of two items with one value, the one without the claim gives it up.
async fn settle(seal: &TenantSeal, acme: &Tenant) {
    for _ in 0..PASSES {
        let report = seal.reindex(TABLE).run().await.unwrap();
        if report.changed_nothing() {
            return;
        }
        assert_eq!(report.skipped().count(), 0, "{report}");
        for duplicate in report.duplicates().listed() {
            let name = if duplicate.lookup() == "email" { "email" } else { "phone" };
            let contact = duplicate.key()["contact_id"].as_s().unwrap().clone();
            acme.records::<Member>().update(contact).remove(name).await.unwrap();
        }
    }
    panic!("{PASSES} passes, and the last one changed something");
}

/// Checks tokens and claims, and that each value is some item's or can be taken.
async fn check(world: &World, acme: &Tenant) {
    assert_held(world, acme).await;
    for email in 0..EMAILS.len() {
        let step = Step::Put { id: 0, email: Some(email), phone: None, is_new: false };
        run(world, acme, &acme.records(), &step).await;
        assert_held(world, acme).await;
    }
}

/// Checks that each token is that of its value, and each value that can be looked up claimed by its only item.
async fn assert_held(world: &World, acme: &Tenant) {
    let (claimed, mut owners) = (claimed(world, "acme").await, BTreeMap::new());
    for item in items(world).await {
        let (contact, stored) = (item["contact_id"].as_s().unwrap().clone(), tokens(&item));
        let opened = acme.open(TABLE, item).await.unwrap();
        for (lookup, attribute) in [("email", "email"), ("phone_2", "phone")] {
            let value = opened.get(attribute).map(|value| value.as_s().unwrap());
            assert_eq!(value.is_some(), stored.contains_key(lookup), "{contact}: {value:?} in {stored:?}");
            let Some(value) = value.filter(|value| !value.trim().is_empty()) else { continue };
            let token = acme.token(TABLE, lookup, value).await.unwrap();
            assert_eq!(stored[lookup], [token.clone()], "{contact}: of {value:?}");
            let entry = format!("people#{lookup}#{}", token.strip_prefix("acme.").unwrap());
            assert_eq!(claimed.get(&entry), Some(&contact), "{value:?} in {claimed:?}");
            assert_eq!(owners.insert(entry, contact.clone()), None, "two items have {value:?}");
        }
    }
}

async fn clear(world: &World) {
    for contact in IDS {
        expire(world, contact).await;
    }
    for entry in claimed(world, "acme").await.into_keys() {
        let delete = world.plain.delete_item().table_name(CLAIMS).key("tenant", s("acme")).key("entry", s(&entry));
        delete.send().await.unwrap();
    }
}

#[test]
fn no_history_of_writers_with_claims_and_a_killed_sweep_ends_wrong() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = Arc::new(runtime.block_on(claiming_world(&["acme"])));
    let seal = builder(&world.app).build(&world.app).unwrap();
    let acme = seal.tenant(&id("acme"));
    let old = scene::builder(&world, attributes().build().unwrap()).build(&world.app).unwrap();
    let old = old.tenant(&id("acme")).dynamodb();
    let cases = std::env::var("TENANTSEAL_HISTORIES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(80);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&history(), |history| {
        runtime.block_on(async {
            clear(&world).await;
            for (step, is_old) in &history.before {
                match is_old {
                    true => run_old(&world, &old, step).await,
                    false => run(&world, &acme, &acme.records(), step).await,
                }
            }
            let report = sweep(&world, &acme, &history).await;
            assert!(report.is_complete(), "{report}");
            assert!(report.skipped().all(|(reason, _)| reason == SkipReason::Busy), "{report}");
            if report.duplicates().items() == 0 && report.skipped().count() == 0 {
                assert_held(&world, &acme).await;
            }
            settle(&seal, &acme).await;
            check(&world, &acme).await;
        });
        Ok(())
    });
    outcome.unwrap();
}

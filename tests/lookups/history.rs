//! After any history of writes every token is that of its value, and what is found is what a plain client would find.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tenantseal::Tenant;

use super::scene::{TABLE, assert_right, contact, key, null, stored, tenant, world};
use crate::common::World;

pub(super) const IDS: [&str; 3] = ["c-0", "c-1", "c-2"];

/// One write to the item at a place in [`IDS`].
#[derive(Debug, Clone)]
pub(super) enum Step {
    Put(usize, Vec<(usize, usize)>),
    Update(usize, Vec<(usize, usize, bool)>, Vec<usize>),
    Delete(usize),
}

const ATTRIBUTES: [&str; 5] = ["email", "phone", "last_name", "born", "notes"];

fn value(at: usize) -> AttributeValue {
    match at {
        0 => null(),
        1 => AttributeValue::S(" ".to_owned()),
        at => AttributeValue::S(["Ada 1", "ada1", "Eve 22", "A"][at - 2].to_owned()),
    }
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let (id, attribute, given) = (0..IDS.len(), 0..ATTRIBUTES.len(), 0_usize..6);
    prop_oneof![
        (id.clone(), vec((attribute.clone(), given.clone()), 0..5)).prop_map(|(id, given)| Step::Put(id, given)),
        (id.clone(), vec((attribute.clone(), given, any::<bool>()), 0..4), vec(attribute, 0..3))
            .prop_map(|(id, set, remove)| Step::Update(id, set, remove)),
        id.prop_map(Step::Delete),
    ]
}

/// The action, with values of its own.
fn action(step: &Step) -> Option<TransactWriteItem> {
    let action = TransactWriteItem::builder();
    Some(
        match step {
            Step::Put(id, given) => {
                let mut item = contact("acme", IDS[*id], []);
                item.extend(given.iter().map(|(name, at)| (ATTRIBUTES[*name].to_owned(), value(*at))));
                action.put(Put::builder().table_name(TABLE).set_item(Some(item)).build().unwrap())
            }
            Step::Delete(id) => {
                let key = key("acme", IDS[*id]);
                action.delete(Delete::builder().table_name(TABLE).set_key(Some(key)).build().unwrap())
            }
            Step::Update(id, set, remove) => {
                let mut touched = BTreeSet::new();
                let set: Vec<_> = set.iter().filter(|(name, ..)| touched.insert(*name)).collect();
                let remove: Vec<_> =
                    remove.iter().filter(|name| touched.insert(**name)).map(|name| ATTRIBUTES[*name]).collect();
                let values: BTreeMap<_, _> =
                    set.iter().map(|(name, at, _)| (format!(":v{name}"), value(*at))).collect();
                let sets = set.iter().map(|(name, _, missing)| match (ATTRIBUTES[*name], missing) {
                    (attribute, true) => format!("{attribute} = if_not_exists({attribute}, :v{name})"),
                    (attribute, false) => format!("{attribute} = :v{name}"),
                });
                let sets: Vec<_> = sets.collect();
                let clauses = [("SET", sets.join(", ")), ("REMOVE", remove.join(", "))];
                let clauses: Vec<_> = clauses.iter().filter(|(_, clause)| !clause.is_empty()).collect();
                let clauses: Vec<_> = clauses.iter().map(|(keyword, clause)| format!("{keyword} {clause}")).collect();
                if clauses.is_empty() {
                    return None;
                }
                let update = Update::builder().table_name(TABLE).set_key(Some(key("acme", IDS[*id])));
                let values = Some(values.into_iter().collect()).filter(|_| !set.is_empty());
                let update = update.set_expression_attribute_values(values).update_expression(clauses.join(" "));
                action.update(update.build().unwrap())
            }
        }
        .build(),
    )
}

/// Carries the step out by itself or in a transaction. Only a compound lookup that lacks a part is refused.
pub(super) async fn run(tenant: &Tenant, step: &Step, alone: bool) {
    let Some(action) = action(step) else { return };
    let db = tenant.dynamodb();
    let result = match (alone, action) {
        (true, TransactWriteItem { put: Some(put), .. }) => {
            let request = db.put_item().table_name(TABLE).set_item(Some(put.item));
            request.send().await.map(drop).map_err(aws_sdk_dynamodb::Error::from)
        }
        (true, TransactWriteItem { update: Some(update), .. }) => {
            let request = db.update_item().table_name(TABLE).set_key(Some(update.key));
            let request = request.set_expression_attribute_values(update.expression_attribute_values);
            let request = request.update_expression(update.update_expression);
            request.send().await.map(drop).map_err(aws_sdk_dynamodb::Error::from)
        }
        (_, action) => {
            let request = db.transact_write_items().transact_items(action);
            request.send().await.map(drop).map_err(aws_sdk_dynamodb::Error::from)
        }
    };
    if let Err(error) = result {
        let ours = tenantseal::Error::find_in(&error).map(ToString::to_string).unwrap_or_default();
        assert!(ours.contains("all parts of lookup `person`"), "{step:?}: {error:?}");
    }
}

async fn check(world: &World, acme: &Tenant) {
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for id in IDS {
        let stored = stored(world, "acme", id).await;
        if !stored.is_empty() {
            assert_right(acme, &stored).await;
            let opened = acme.open(TABLE, stored).await.unwrap();
            if let Some(AttributeValue::S(email)) = opened.get("email") {
                let formed = email.trim().to_ascii_lowercase();
                expected.entry(formed).or_default().insert(id.to_owned());
            }
        }
    }
    for email in ["ada 1", "ADA1", "eve 22 ", "a", "bob"] {
        let request = acme.dynamodb().query().table_name(TABLE).index_name("by-email");
        let request = request.key_condition_expression("email = :e");
        let request = request.expression_attribute_values(":e", AttributeValue::S(email.to_owned()));
        let found = request.send().await.unwrap();
        let found: BTreeSet<_> = found.items().iter().map(|item| item["contact_id"].as_s().unwrap().clone()).collect();
        assert_eq!(found, expected.get(&email.trim().to_ascii_lowercase()).cloned().unwrap_or_default(), "{email}");
    }
}

#[test]
fn after_any_history_every_token_is_right() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(world(&["acme"]));
    let acme = tenant(&world, "acme");
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    let steps = vec((step(), any::<bool>()), 1..12);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            for (step, alone) in &steps {
                run(&acme, step, *alone).await;
            }
            check(&world, &acme).await;
        });
        Ok(())
    });
    outcome.unwrap();
}

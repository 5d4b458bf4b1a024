//! What was read before a write may be changed when it is sent: then the write begins anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use tenantseal::records::{Records, attribute};

use super::scene::{CLAIMS, Member, assert_unique, builder, claimed, claiming_world, member, tenant};
use crate::common::key_table::to_key_table;
use crate::common::wire::{Reaction, Wire};
use crate::common::{World, id, key, s};
use crate::lookups::scene::TABLE;
use crate::lookups::sweep_histories::Gate;

/// Members whose first read of an item shows `from` as `to`, and the number of transactions so far.
async fn deceived(world: &World, from: &'static str, to: &'static str) -> (Records<Member>, Wire) {
    let reads = Arc::new(AtomicUsize::new(0));
    let wire = Wire::scripted(move |sent, _| {
        let is_read = sent.operation == "GetItem" && !to_key_table(sent);
        match is_read && reads.fetch_add(1, Ordering::SeqCst) == 0 {
            true => Reaction::Alter(Box::new(move |body| body.replace(from, to))),
            false => Reaction::Forward,
        }
    });
    let config = world.over(wire.clone());
    (builder(&config).build(&config).unwrap().tenant(&id("acme")).records(), wire)
}

#[tokio::test]
async fn tokens_that_changed_since_they_were_read_begin_a_write_anew() {
    let world = claiming_world(&["acme"]).await;
    tenant(&world, "acme").records::<Member>().put(&member("m-1", "ada@example.org")).await.unwrap();
    let (members, wire) = deceived(&world, "_seal_by_email", "_seal_by_nothing").await;
    members.put(&member("m-1", "eve@example.org")).await.unwrap();
    assert_eq!(wire.bodies("TransactWriteItems").len(), 2);
    assert_unique(&world).await;
    assert_eq!(claimed(&world, "acme").await.len(), 1, "no claim is left over");
    // It seems to have a value, which `if_not_exists` would leave.
    members.update("m-2").set("status", "new").upsert().await.unwrap();
    let (members, wire) = deceived(&world, r#"{}"#, r#"{"Item":{"_seal_by_email":{"S":"acme.x"}}}"#).await;
    members.update("m-3").set("status", "new").set_if_not_exists("email", "bob@example.org").upsert().await.unwrap();
    assert_eq!(wire.bodies("TransactWriteItems").len(), 2);
    assert_unique(&world).await;
}

#[tokio::test]
async fn what_a_write_returns_is_what_it_replaced() {
    let world = claiming_world(&["acme"]).await;
    let stored = member("m-1", "ada@example.org");
    tenant(&world, "acme").records::<Member>().put(&stored).await.unwrap();
    let (members, wire) = deceived(&world, r#"{"S":"open"}"#, r#"{"S":"shut"}"#).await;
    assert_eq!(members.put(&member("m-1", "eve@example.org")).returning_old().await.unwrap(), Some(stored));
    assert_eq!(wire.bodies("TransactWriteItems").len(), 2);
    let (members, _) = deceived(&world, r#"{"S":"open"}"#, r#"{"S":"shut"}"#).await;
    assert_eq!(members.take("m-1").await.unwrap(), Some(member("m-1", "eve@example.org")));
    assert!(claimed(&world, "acme").await.is_empty());
}

/// Members of a process before whose first transaction the value of `m-1` changes, and changes back before its next
/// read.
fn there_and_back(world: &World) -> Records<Member> {
    let (others, steps) = (tenant(world, "acme").records::<Member>(), Arc::new(AtomicUsize::new(0)));
    let gate = Gate::of(&["GetItem", "TransactWriteItems"], move |operation| {
        let value = match (operation.as_str(), steps.load(Ordering::SeqCst)) {
            ("TransactWriteItems", 0) => Some("bob@example.org"),
            ("GetItem", 1) => Some("ada@example.org"),
            _ => None,
        };
        let others = others.clone();
        steps.fetch_add(usize::from(value.is_some()), Ordering::SeqCst);
        let next: BoxFuture<'static, bool> = Box::pin(async move {
            if let Some(value) = value {
                others.update("m-1").set("email", value).await.unwrap();
            }
            true
        });
        next
    });
    let config = world.over(gate);
    builder(&config).build(&config).unwrap().tenant(&id("acme")).records()
}

/// A write without a condition cannot have failed it.
#[tokio::test]
async fn a_value_that_goes_and_comes_back_fails_no_write_without_a_condition() {
    let world = claiming_world(&["acme"]).await;
    tenant(&world, "acme").records::<Member>().put(&member("m-1", "ada@example.org")).await.unwrap();
    there_and_back(&world).put(&member("m-1", "eve@example.org")).await.unwrap();
    assert_unique(&world).await;
    assert_eq!(claimed(&world, "acme").await.len(), 1, "no claim is left over");
    let closed = there_and_back(&world).delete("m-1").condition(attribute("status").equals("shut")).await;
    assert!(closed.unwrap_err().is_condition_failed());
}

/// All of an item is compared with what is returned, in an expression of 4 KB.
#[tokio::test]
async fn an_item_with_250_attributes_of_its_own_can_be_taken() {
    let world = claiming_world(&["acme"]).await;
    let members = tenant(&world, "acme").records::<Member>();
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    let mut item = world.plain.get_item().table_name(TABLE).set_key(Some(key("acme", "m-1"))).send().await.unwrap();
    let mut item = item.item.take().unwrap();
    item.extend((0..250).map(|number| (format!("own_{number}"), s("x"))));
    world.plain.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    assert_eq!(members.take("m-1").await.unwrap(), Some(member("m-1", "ada@example.org")));
    assert!(claimed(&world, "acme").await.is_empty());
}

/// Other writers move the value on between every two reads: nobody knows that no record has it.
#[tokio::test]
async fn a_value_whose_claim_never_stands_still_is_not_said_to_be_nobodys() {
    let world = claiming_world(&["acme"]).await;
    let members = tenant(&world, "acme").records::<Member>();
    for (contact, email) in [("m-1", "ada@example.org"), ("m-2", "eve@example.org"), ("m-3", "bob@example.org")] {
        members.put(&member(contact, email)).await.unwrap();
    }
    let reads = AtomicUsize::new(0);
    let wire = Wire::scripted(move |sent, _| {
        if sent.operation != "GetItem" || !String::from_utf8_lossy(&sent.body).contains(CLAIMS) {
            return Reaction::Forward;
        }
        let holder = ["m-2", "m-3"][reads.fetch_add(1, Ordering::SeqCst) % 2];
        Reaction::Alter(Box::new(move |claim| claim.replace("m-1", holder)))
    });
    let config = world.over(wire.clone());
    let moving = builder(&config).build(&config).unwrap().tenant(&id("acme")).records::<Member>();
    let error = moving.find_by("email", "ada@example.org").consistent().one().await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(wire.bodies("Query").len(), 4);
    assert!(members.find_by("email", "ada@example.org").consistent().one().await.unwrap().is_some());
}

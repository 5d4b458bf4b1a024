//! What was read before a write may be changed when it is sent: then the write begins anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tenantseal::records::Records;

use super::scene::{Member, assert_unique, builder, claimed, claiming_world, member, tenant};
use crate::common::key_table::to_key_table;
use crate::common::wire::{Reaction, Wire};
use crate::common::{World, id};

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
    members.update("m-2").set("status", "new").await.unwrap();
    let (members, wire) = deceived(&world, r#"{}"#, r#"{"Item":{"_seal_by_email":{"S":"acme.x"}}}"#).await;
    members.update("m-3").set("status", "new").set_if_not_exists("email", "bob@example.org").await.unwrap();
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

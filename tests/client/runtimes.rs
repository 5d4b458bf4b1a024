//! Works wherever the SDK does: one worker, the current thread, a LocalSet, a thousand operations in flight.

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use futures_util::future::join_all;
use tenantseal::Tenant;
use tokio::runtime::Builder;

use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, World, contact, id, item, key};

const PATIENCE: Duration = Duration::from_secs(60);

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it should not hang")
}

/// A thousand operations of ten tenants at once: DynamoDB is answered at once, KMS takes its time.
async fn a_thousand_operations() {
    let tenants: Vec<String> = (0..10).map(|at| format!("tenant{at}")).collect();
    let world = World::start(&tenants.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let writer = world.seal();
    let mut stored = Vec::new();
    for tenant in &tenants {
        writer.tenant(&id(tenant)).records::<Contact>().put(&contact(tenant, "c-1")).await.unwrap();
        stored.push(world.stored(tenant, "c-1").await);
    }
    world.stack.calls().reset();
    world.stack.faults().on("*").delay(Duration::from_millis(20));

    let wire = Wire::scripted(|sent, _| match &*sent.operation {
        "PutItem" => Reaction::Answer(200, "{}".to_owned()),
        "GetItem" => Reaction::Answer(200, r#"{"ConsumedCapacity":{"TableName":"crm"}}"#.to_owned()),
        _ => Reaction::Forward,
    });
    // Where a thousand operations starve the processor, an attempt's five seconds pass and it is made again. That is as it
    // should be, and not what is counted here.
    let timeouts = TimeoutConfig::builder().operation_timeout(PATIENCE).operation_attempt_timeout(PATIENCE).build();
    let config = world.over(wire).into_builder().timeout_config(timeouts).build();
    let seal = world.builder().build(&config).unwrap();
    let one = |at: usize| {
        let (tenant, stored) = (&tenants[at % 10], &stored[at % 10]);
        let handle: Tenant = seal.tenant(&id(tenant));
        async move {
            let dynamodb = handle.dynamodb();
            match at / 10 % 3 {
                0 => {
                    let put = dynamodb.put_item().table_name("crm").set_item(Some(item(&contact(tenant, "c-2"))));
                    put.send().await.unwrap();
                }
                1 => {
                    let get = dynamodb.get_item().table_name("crm").set_key(Some(key(tenant, "c-3")));
                    assert_eq!(get.send().await.unwrap().item, None);
                }
                _ => {
                    let opened = handle.open("crm", stored.clone()).await.unwrap();
                    assert_eq!(opened, item(&contact(tenant, "c-1")));
                }
            }
        }
    };
    in_time(join_all((0..1_000).map(one))).await;
    let calls = world.stack.calls();
    let counts = (calls.count("AssumeRole"), calls.count("GenerateDataKey"), calls.count("Decrypt"));
    assert_eq!(counts, (10, 10, 10));
}

/// A hundred operations over real connections.
async fn a_hundred_round_trips() {
    let world = World::start(&["acme"]).await;
    let acme = world.tenant("acme");
    let one = |at: usize| {
        let acme = acme.clone();
        async move {
            let contact = contact("acme", &format!("c-{at}"));
            let records = acme.records::<Contact>();
            records.put(&contact).await.unwrap();
            assert_eq!(records.get(&contact.contact_id).await.unwrap(), Some(contact));
        }
    };
    in_time(join_all((0..100).map(one))).await;
    assert_eq!(world.stack.calls().count("GenerateDataKey"), 1);
}

#[test]
fn a_thousand_operations_are_in_flight_on_the_current_thread() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(a_thousand_operations());
    runtime.block_on(a_hundred_round_trips());
}

#[test]
fn a_thousand_operations_are_in_flight_on_one_worker() {
    let runtime = Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(a_thousand_operations()).await.unwrap() });
    runtime.block_on(async { tokio::spawn(a_hundred_round_trips()).await.unwrap() });
}

#[test]
fn a_thousand_operations_are_in_flight_in_a_local_set() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        tokio::task::spawn_local(a_thousand_operations()).await.unwrap();
        tokio::task::spawn_local(a_hundred_round_trips()).await.unwrap();
    });
}

#[test]
fn what_one_runtime_cached_serves_another() {
    let first = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (world, seal) = first.block_on(async {
        let world = World::start(&["acme"]).await;
        let seal = world.seal();
        seal.tenant(&id("acme")).records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
        (world, seal)
    });
    let second = Builder::new_current_thread().enable_all().build().unwrap();
    let stored = first.block_on(world.stored("acme", "c-1"));
    let opened = second.block_on(in_time(async { seal.tenant(&id("acme")).open("crm", stored).await })).unwrap();
    assert_eq!(opened, item(&contact("acme", "c-1")));
    assert_eq!(world.stack.calls().count("Decrypt"), 0);
}

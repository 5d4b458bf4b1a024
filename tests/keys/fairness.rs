//! Many tenants at once, over sockets.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use futures_util::future::join_all;
use tenantseal::Error;
use tenantseal::keys::KeyServiceErrorKind as Kind;

use crate::common::{World, contact, id, item};

const TENANTS: usize = 1_000;
const LATENCY: Duration = Duration::from_millis(20);
const IN_FLIGHT: usize = 64;
const MINUTE: Duration = Duration::from_secs(60);

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("t{at}")).collect()
}

async fn world_of(tenants: &[String]) -> World {
    World::start(&tenants.iter().map(String::as_str).collect::<Vec<_>>()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tenants_make_two_calls_each_within_the_limit_in_flight() {
    let tenants = names(TENANTS);
    let world = world_of(&tenants).await;
    // What a starved processor repeats after five seconds is not counted here.
    let timeouts = TimeoutConfig::builder().operation_timeout(MINUTE).operation_attempt_timeout(MINUTE).build();
    let config = world.app.clone().into_builder().timeout_config(timeouts).build();
    let seal = world.builder().key_calls_in_flight(IN_FLIGHT).build(&config).unwrap();
    world.stack.faults().on("*").hang();
    world.stack.calls().reset();
    let sealed = tenants.iter().map(|tenant| {
        let handle = seal.tenant(&id(tenant));
        async move { handle.seal("crm", item(&contact(handle.id().as_str(), "c-1"))).await.unwrap() }
    });
    let calls = world.stack.calls();
    let go_on = async {
        while calls.count("AssumeRole") < IN_FLIGHT as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Everybody else waits for a turn.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(calls.count("AssumeRole"), IN_FLIGHT as u64);
        world.stack.faults().clear();
        world.stack.faults().on("*").delay(LATENCY);
        Instant::now()
    };
    let (_, started) = tokio::join!(join_all(sealed), go_on);
    println!(
        "{TENANTS} tenants at once, {LATENCY:?} of latency, at most {IN_FLIGHT} calls in flight: {:?}; with no other work {:?}",
        started.elapsed(),
        2 * LATENCY * u32::try_from(TENANTS.div_ceil(IN_FLIGHT)).unwrap(),
    );
    assert_eq!((calls.count("AssumeRole"), calls.count("GenerateDataKey"), calls.count("Decrypt")), (1_000, 1_000, 0));
    assert_eq!(calls.most_in_flight(), IN_FLIGHT);
}

#[tokio::test]
async fn tenants_whose_kms_hangs_delay_nobody_else() {
    const HANGING: usize = 64;
    let (hanging, healthy) = (names(HANGING), (0..8).map(|at| format!("h{at}")).collect::<Vec<_>>());
    let world = world_of(&[hanging.clone(), healthy.clone()].concat()).await;
    // More tenants hang than there are turns: for a tenth of what an attempt may take, one second.
    let timeouts = TimeoutConfig::builder().operation_timeout(MINUTE).operation_attempt_timeout(MINUTE / 6).build();
    let config = world.app.clone().into_builder().timeout_config(timeouts).build();
    let seal = world.builder().key_calls_in_flight(HANGING / 2).build(&config).unwrap();
    let hangs = |call: &tenantseal_local::Call| call.session_name.as_deref().is_some_and(|name| name.contains("-t"));
    world.stack.faults().on("*").when(hangs).hang();
    let sealed = |tenant: &String| {
        let handle = seal.tenant(&id(tenant));
        async move { handle.seal("crm", item(&contact(handle.id().as_str(), "c-1"))).await.unwrap() }
    };
    let hanging: Vec<_> = hanging.iter().map(|tenant| tokio::spawn(sealed(tenant))).collect();
    while world.stack.calls().count("AssumeRole") < HANGING as u64 / 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    join_all(healthy.iter().map(sealed)).await;
    assert!(hanging.iter().all(|hanging| !hanging.is_finished()), "the others came after them");
    world.stack.faults().clear();
    for hanging in hanging {
        hanging.await.unwrap();
    }
}

#[tokio::test]
async fn a_tenant_that_quota_throttles_is_served_after_all() {
    let tenants = names(30);
    let world = world_of(&tenants).await;
    world.stack.faults().on("GenerateDataKey").beyond(20).fail("ThrottlingException", 400);
    // As services have it: retries are seconds apart, and quotas are per second.
    let app = world.app.clone().into_builder().retry_config(RetryConfig::standard()).build();
    let seal = world.builder().build(&app).unwrap();
    let sealed = tenants.iter().map(|tenant| {
        let handle = seal.tenant(&id(tenant));
        async move { handle.seal("crm", item(&contact(handle.id().as_str(), "c-1"))).await }
    });
    let served = join_all(sealed).await;
    assert!(world.stack.calls().count("GenerateDataKey") > 30, "nobody was throttled");
    for served in served {
        served.unwrap();
    }
}

#[tokio::test]
async fn the_onboarding_grace_runs_out() {
    let world = World::start(&[]).await;
    let acme = world.builder().onboarding_grace(MINUTE * 5).build(&world.app).unwrap().tenant(&id("acme"));
    let seal = async || match acme.seal("crm", item(&contact("acme", "c-1"))).await {
        Err(Error::KeyService(error)) => Err(error),
        result => Ok(result.unwrap()),
    };
    for _ in 0..4 {
        let error = seal().await.unwrap_err();
        assert!(error.is_retryable() && !error.is_revoked(), "{error}");
        assert!(matches!(error.kind(), Kind::NotFound | Kind::Denied), "{error}");
        world.stack.clock().advance(MINUTE);
    }
    world.stack.clock().advance(MINUTE * 2);
    let error = seal().await.unwrap_err();
    assert!(error.is_revoked() && !error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_new_tenants_alias_works_as_soon_as_aws_knows_it() {
    let world = World::start(&[]).await;
    world.stack.propagate_aliases_within(MINUTE * 4);
    world.onboard("acme").await;
    let acme = world.tenant("acme");
    let error = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap_err();
    assert!(error.is_retryable() && !error.is_revoked(), "{error}");
    world.stack.clock().advance(MINUTE * 4);
    acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
}

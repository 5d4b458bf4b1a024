//! KMS and STS that take longer than an operation may: what was asked goes on, and the next operation finds it.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use tenantseal::keys::KeyServiceErrorKind as Kind;
use tenantseal::{Error, Tenant, TenantSeal};

use crate::common::{Contact, World, contact, id, item};

const PATIENCE: Duration = Duration::from_millis(300);
const SLOW: Duration = Duration::from_millis(200);

/// A world in which STS and KMS are slow, and a process that has less patience.
async fn slow(timeouts: TimeoutConfig) -> (World, TenantSeal) {
    let world = World::start(&["acme"]).await;
    let config = world.app.clone().into_builder().timeout_config(timeouts).build();
    let seal = world.builder().build(&config).unwrap();
    for operation in ["AssumeRole", "GenerateDataKey", "Decrypt"] {
        world.stack.faults().on(operation).delay(SLOW);
    }
    (world, seal)
}

fn operation_timeout() -> TimeoutConfig {
    TimeoutConfig::builder().operation_timeout(PATIENCE).build()
}

async fn put(acme: &Tenant) -> Result<(), Error> {
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.map(|_| ())
}

/// The error says what was slow, and that a repetition may succeed.
fn assert_says_slow(error: &Error) {
    assert!(matches!(error.cause(), Error::KeyService(error) if error.kind() == Kind::Unavailable), "{error:?}");
    assert!(error.is_retryable() && error.to_string().contains("slow"), "{error}");
}

fn counts(world: &World) -> (u64, u64, u64) {
    let calls = world.stack.calls();
    (calls.count("AssumeRole"), calls.count("GenerateDataKey"), calls.count("Decrypt"))
}

#[tokio::test]
async fn the_second_write_finds_what_the_first_had_no_time_to_wait_for() {
    let (world, seal) = slow(operation_timeout()).await;
    let acme = seal.tenant(&id("acme"));
    let started = Instant::now();
    let error = put(&acme).await.unwrap_err();
    assert!(started.elapsed() < PATIENCE, "the SDK's timeout was first: {:?}", started.elapsed());
    assert_says_slow(&error);
    put(&acme).await.unwrap();
    assert_eq!(counts(&world), (1, 1, 0));
}

#[tokio::test]
async fn the_second_read_finds_what_the_first_had_no_time_to_wait_for() {
    let (world, seal) = slow(operation_timeout()).await;
    put(&world.tenant("acme")).await.unwrap();
    world.stack.calls().reset();
    let acme = seal.tenant(&id("acme"));
    let get = async || acme.records::<Contact>().get("c-1").await;
    assert_says_slow(&get().await.unwrap_err());
    assert_eq!(get().await.unwrap(), Some(contact("acme", "c-1")));
    assert_eq!(counts(&world), (1, 0, 1));
}

#[tokio::test]
async fn an_attempt_timeout_shorter_than_kms_costs_one_request_and_no_more() {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(SLOW / 2).build();
    let (world, seal) = slow(timeouts).await;
    let acme = seal.tenant(&id("acme"));
    let started = Instant::now();
    let mut failed = 0;
    while let Err(error) = put(&acme).await {
        assert_says_slow(&error);
        failed += 1;
        assert!(started.elapsed() < Duration::from_secs(5), "it never succeeds");
    }
    assert!(failed > 0);
    assert_eq!(counts(&world), (1, 1, 0));
}

#[tokio::test]
async fn who_goes_away_leaves_what_was_begun_to_who_comes_next() {
    let (world, seal) = slow(TimeoutConfig::builder().build()).await;
    let acme = seal.tenant(&id("acme"));
    let work = acme.seal("crm", item(&contact("acme", "c-1")));
    tokio::time::timeout(SLOW / 2, work).await.unwrap_err();
    tokio::time::sleep(SLOW * 3).await;
    let started = Instant::now();
    acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    assert!(started.elapsed() < SLOW / 2, "it had to wait: {:?}", started.elapsed());
    assert_eq!(counts(&world), (1, 1, 0));
}

#[tokio::test]
async fn a_revocation_reaches_what_goes_on_in_the_background() {
    let (world, seal) = slow(TimeoutConfig::builder().build()).await;
    let acme = seal.tenant(&id("acme"));
    let work = acme.seal("crm", item(&contact("acme", "c-1")));
    tokio::time::timeout(SLOW / 2, work).await.unwrap_err();
    seal.revoke(&id("acme")).await;
    tokio::time::sleep(SLOW * 4).await;
    let before = world.stack.calls().count("AssumeRole");
    acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    let session_again = world.stack.calls().count("AssumeRole") > before || before > 1;
    assert!(session_again, "the session from before the revocation was used");
}

#[test]
fn a_runtime_that_stood_still_finds_what_was_begun_when_it_goes_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The services have a runtime of their own.
    let services = tokio::runtime::Runtime::new().unwrap();
    let (world, seal) = services.block_on(slow(TimeoutConfig::builder().build()));
    let acme = seal.tenant(&id("acme"));
    runtime.block_on(async {
        let work = acme.seal("crm", item(&contact("acme", "c-1")));
        tokio::time::timeout(SLOW / 2, work).await.unwrap_err();
    });
    runtime.block_on(acme.seal("crm", item(&contact("acme", "c-1")))).unwrap();
    assert_eq!(counts(&world), (1, 1, 0));
    // And a runtime that is gone hinders nobody.
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seal = world.seal();
    let acme = seal.tenant(&id("acme"));
    other.block_on(async {
        let work = acme.seal("crm", item(&contact("acme", "c-1")));
        tokio::time::timeout(SLOW / 2, work).await.unwrap_err();
    });
    drop(other);
    services.block_on(acme.seal("crm", item(&contact("acme", "c-1")))).unwrap();
}

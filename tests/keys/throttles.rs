//! Throttles that are worded otherwise, and a tenant that is suspended and resumed while its session ends.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use tenantseal::keys::KeyServiceErrorKind as Kind;
use tenantseal::{Error, Item, Tenant};

use crate::common::{World, contact, id, item};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Codes by which AWS's own SDKs know a throttle, faults of AWS with codes of their own, and a code that nobody knows.
const PASSING: &[(&str, u16)] = &[
    ("ThrottledException", 400),
    ("RequestThrottled", 400),
    ("RequestThrottledException", 400),
    ("TooManyRequestsException", 429),
    ("SlowDown", 503),
    ("PriorRequestNotComplete", 400),
    ("BandwidthLimitExceeded", 400),
    ("InternalError", 500),
    ("ServiceUnavailableException", 503),
    ("WhoKnows", 429),
    ("WhoKnows", 502),
];

fn process(world: &World) -> Tenant {
    let retries = RetryConfig::standard().with_max_attempts(1);
    let config = world.app.clone().into_builder().retry_config(retries).build();
    world.builder().build(&config).unwrap().tenant(&id("acme"))
}

async fn write(acme: &Tenant) -> Result<Item, Error> {
    acme.seal("crm", item(&contact("acme", "c-1"))).await
}

#[tokio::test]
async fn a_throttle_by_any_name_is_no_refusal_and_takes_no_keys() {
    let world = World::start(&["acme"]).await;
    let elsewhere = write(&process(&world)).await.unwrap();
    let mut wrong = Vec::new();
    for (code, status) in PASSING {
        for operation in ["AssumeRole", "GenerateDataKey", "Decrypt"] {
            let (cold, warm) = (process(&world), process(&world));
            let own = write(&warm).await.unwrap();
            world.stack.faults().on(operation).fail(*code, *status);
            let error = match operation {
                "Decrypt" => cold.open("crm", elsewhere.clone()).await.unwrap_err(),
                _ => write(&cold).await.unwrap_err(),
            };
            let kind = match error.cause() {
                Error::KeyService(error) => error.kind(),
                other => panic!("{other}"),
            };
            if kind != Kind::Unavailable || !error.is_retryable() || error.is_revoked() {
                wrong.push(format!("{operation} {code} {status}: {error}"));
            }
            // Whoever has its key serves on, also when the lease is over and KMS cannot be asked.
            drop(warm.open("crm", elsewhere.clone()).await);
            world.stack.clock().advance(MINUTE * 20);
            if let Err(error) = warm.open("crm", own).await {
                wrong.push(format!("{operation} {code} {status}, with a key: {error}"));
            }
            world.stack.faults().clear();
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// An hour in which everything ends: the lease, the session, the suspension. It is refused from its end on, and served a minute after.
#[tokio::test]
async fn a_tenant_whose_session_ends_while_suspended_is_back_within_a_minute() {
    let world = World::start(&[]).await;
    let arn = world.onboard("acme").await;
    let acme = process(&world);
    let stored = write(&acme).await.unwrap();
    // Right before the session has to be renewed.
    for _ in 0..5 {
        world.stack.clock().advance(MINUTE * 10);
        acme.open("crm", stored.clone()).await.unwrap();
    }
    world.admin.disable_key().key_id(&arn).send().await.unwrap();
    world.stack.calls().reset();
    world.stack.faults().on("AssumeRole").delay(SECOND / 5);
    world.stack.clock().advance(MINUTE * 16);
    for second in 0..600 {
        let error = match second % 2 {
            0 => write(&acme).await.unwrap_err(),
            _ => acme.open("crm", stored.clone()).await.unwrap_err(),
        };
        assert!(error.is_revoked(), "after {second} s: {error}");
        world.stack.clock().advance(SECOND);
    }
    assert_eq!(world.stack.calls().count("AssumeRole"), 1, "its session was over, once");

    // While it comes back, STS and KMS throttle what is asked first.
    world.admin.enable_key().key_id(&arn).send().await.unwrap();
    for operation in ["GenerateDataKey", "Decrypt"] {
        world.stack.faults().on(operation).times(1).fail("ThrottlingException", 400);
    }
    let mut waited = 0;
    while write(&acme).await.is_err() || acme.open("crm", stored.clone()).await.is_err() {
        world.stack.clock().advance(SECOND);
        waited += 1;
        assert!(waited <= 62, "it was resumed {waited} s ago");
    }
}

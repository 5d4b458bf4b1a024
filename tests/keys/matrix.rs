//! The fault matrix: each error of KMS and STS, when it meets a tenant, and what follows, written down and held.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use futures_util::future::join_all;
use tenantseal::{Error, Item, Tenant};
use tenantseal_local::{Call, Outcome, Stack};

use crate::common::{World, contact, id, item};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Serves,
    /// An error that says: try again.
    Retry,
    /// An error that says: revoked.
    Revoked,
    /// An error of the record alone.
    Record,
    /// Any other error.
    Fails,
}
use Ends::{Fails, Record, Retry, Revoked, Serves};

/// An error, what the first use does, and what a use does when the lease is over: each for (write, read).
///
/// What is cached serves, whatever the error: nobody asks. Only a revocation takes what is cached: `evicts`.
struct Row {
    service: &'static str,
    code: &'static str,
    status: u16,
    first: (Ends, Ends),
    over: (Ends, Ends),
    evicts: bool,
}

const fn kms(code: &'static str, status: u16, first: (Ends, Ends), over: (Ends, Ends), evicts: bool) -> Row {
    Row { service: "KMS", code, status, first, over, evicts }
}

const fn sts(code: &'static str, status: u16, first: (Ends, Ends), over: (Ends, Ends)) -> Row {
    Row { service: "STS", code, status, first, over, evicts: false }
}

const ROWS: &[Row] = &[
    kms("ThrottlingException", 400, (Retry, Retry), (Serves, Serves), false),
    kms("DependencyTimeoutException", 503, (Retry, Retry), (Serves, Serves), false),
    kms("KMSInternalException", 500, (Retry, Retry), (Serves, Serves), false),
    kms("KeyUnavailableException", 500, (Retry, Retry), (Serves, Serves), false),
    kms("DisabledException", 409, (Revoked, Revoked), (Revoked, Revoked), true),
    kms("KMSInvalidStateException", 409, (Revoked, Revoked), (Revoked, Revoked), true),
    // An alias that never worked may be new; one that did is final.
    kms("AccessDeniedException", 400, (Retry, Retry), (Revoked, Revoked), true),
    kms("NotFoundException", 404, (Retry, Retry), (Revoked, Revoked), true),
    // Nothing of the tenant: the record is of another key.
    kms("IncorrectKeyException", 400, (Fails, Record), (Fails, Record), false),
    kms("InvalidCiphertextException", 400, (Fails, Record), (Fails, Record), false),
    kms("LimitExceededException", 400, (Fails, Fails), (Fails, Fails), false),
    kms("ExpiredTokenException", 400, (Fails, Fails), (Fails, Fails), false),
    kms("UnrecognizedClientException", 400, (Fails, Fails), (Fails, Fails), false),
    kms("InvalidClientTokenId", 403, (Fails, Fails), (Fails, Fails), false),
    sts("Throttling", 400, (Retry, Retry), (Serves, Serves)),
    sts("ServiceUnavailable", 503, (Retry, Retry), (Serves, Serves)),
    sts("InternalFailure", 500, (Retry, Retry), (Serves, Serves)),
    // The session says nothing of the tenant's key: nothing is evicted, and there is no grace.
    sts("AccessDenied", 403, (Fails, Fails), (Fails, Fails)),
    sts("PackedPolicyTooLarge", 400, (Fails, Fails), (Fails, Fails)),
    sts("ExpiredToken", 403, (Fails, Fails), (Fails, Fails)),
    sts("InvalidClientTokenId", 403, (Fails, Fails), (Fails, Fails)),
];

/// A process of the application, whose leases are over when the stack's clock says so.
fn process(world: &World) -> Tenant {
    let retries = RetryConfig::standard().with_max_attempts(1);
    let config = world.app.clone().into_builder().retry_config(retries).build();
    let builder = world.builder().data_key_revalidation(LEASE).outage_grace(LEASE);
    builder.build(&config).unwrap().tenant(&id("acme"))
}

/// Longer than a session lives, so that what ends the lease ends the session as well; the keeper does not get to run.
const LEASE: Duration = Duration::from_secs(4 * 60 * 60);

fn inject(stack: &Stack, row: &Row) {
    let operations: &[&str] = if row.service == "STS" { &["AssumeRole"] } else { &["GenerateDataKey", "Decrypt"] };
    for operation in operations {
        stack.faults().on(*operation).fail(row.code, row.status);
    }
}

fn outcome(result: Result<Item, Error>) -> Ends {
    match result {
        Ok(_) => Serves,
        Err(error) if error.is_revoked() => Revoked,
        Err(error) if error.is_retryable() => Retry,
        Err(error) if matches!(error.cause(), Error::Open(_)) => Record,
        Err(_) => Fails,
    }
}

async fn write(acme: &Tenant) -> Ends {
    outcome(acme.seal("crm", item(&contact("acme", "c-1"))).await)
}

async fn read(acme: &Tenant, stored: &Item) -> Ends {
    outcome(acme.open("crm", stored.clone()).await)
}

#[tokio::test]
async fn a_first_use_that_meets_an_error_ends_as_written_down() {
    let world = World::start(&["acme"]).await;
    let stored = process(&world).seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    for row in ROWS {
        let what = format!("{} {}", row.service, row.code);
        inject(&world.stack, row);
        assert_eq!((write(&process(&world)).await, read(&process(&world), &stored).await), row.first, "{what}");
        world.stack.faults().clear();
    }
}

#[tokio::test]
async fn what_is_cached_serves_whatever_kms_and_sts_say() {
    let world = World::start(&["acme"]).await;
    for row in ROWS {
        let acme = process(&world);
        let stored = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
        inject(&world.stack, row);
        assert_eq!((write(&acme).await, read(&acme, &stored).await), (Serves, Serves), "{}", row.code);
        world.stack.faults().clear();
    }
}

#[tokio::test]
async fn a_lease_that_cannot_be_renewed_ends_as_written_down() {
    let world = World::start(&["acme"]).await;
    for row in ROWS {
        let what = format!("{} {}", row.service, row.code);
        let (writer, reader) = (process(&world), process(&world));
        let stored = writer.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
        reader.open("crm", stored.clone()).await.unwrap();
        // The wall clock alone says so: the machine slept. Sessions are over as well.
        world.stack.clock().advance(LEASE + Duration::from_secs(1));
        inject(&world.stack, row);
        assert_eq!((write(&writer).await, read(&reader, &stored).await), row.over, "{what}");
        world.stack.faults().clear();
    }
}

#[tokio::test]
async fn a_refusal_evicts_as_written_down() {
    let world = World::start(&["acme"]).await;
    for row in ROWS {
        let acme = process(&world);
        let stored = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
        let elsewhere = process(&world).seal("crm", item(&contact("acme", "c-2"))).await.unwrap();
        if row.service == "STS" {
            // The session is over, so another one is asked for.
            world.stack.faults().on("Decrypt").times(1).fail("ExpiredTokenException", 400);
        }
        inject(&world.stack, row);
        // Another record makes this process ask.
        assert_ne!(read(&acme, &elsewhere).await, Serves, "{}", row.code);
        let expected = if row.evicts { Revoked } else { Serves };
        assert_eq!((write(&acme).await, read(&acme, &stored).await), (expected, expected), "{}", row.code);
        world.stack.faults().clear();
    }
}

/// Long enough that a slow machine gets between the keeper's call, at 75 to 85 %, and its end.
const KEPT: Duration = Duration::from_secs(16);

/// What the keeper meets, ahead of the end of a lease and on the monotonic clock: only a revocation takes keys before it.
#[tokio::test]
async fn a_background_revalidation_that_meets_an_error_ends_as_written_down() {
    let tenants: Vec<String> = (0..ROWS.len()).map(|at| format!("row{at}")).collect();
    let world = World::start(&tenants.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let retries = RetryConfig::standard().with_max_attempts(1);
    let config = world.app.clone().into_builder().retry_config(retries).build();
    let builder = || world.builder().data_key_revalidation(KEPT).outage_grace(LEASE).build(&config).unwrap();
    let row = async |row: &Row, name: &str| {
        let what = format!("{} {}", row.service, row.code);
        let (writer, reader) = (builder().tenant(&id(name)), builder().tenant(&id(name)));
        let put = async || outcome(writer.seal("crm", item(&contact(name, "c-1"))).await);
        let started = Instant::now();
        let stored = writer.seal("crm", item(&contact(name, "c-1"))).await.unwrap();
        let get = async || outcome(reader.open("crm", stored.clone()).await);
        // What is used again is renewed ahead of time.
        assert_eq!((get().await, get().await, put().await), (Serves, Serves, Serves));
        let session = format!("tenant-{name}");
        let own = move |call: &Call| call.session_name.as_ref() == Some(&session);
        let faults = world.stack.faults();
        if row.service == "STS" {
            faults.on("AssumeRole").when(own.clone()).fail(row.code, row.status);
            faults.on("Decrypt").when(own.clone()).fail("ExpiredTokenException", 400);
        } else {
            faults.on("GenerateDataKey").when(own.clone()).fail(row.code, row.status);
            faults.on("Decrypt").when(own.clone()).fail(row.code, row.status);
        }
        // Nobody asks but the keepers: the writer's and the reader's.
        let met = || {
            let records = world.stack.calls().records();
            let refused = records.iter().filter(|met| own(&met.call) && matches!(met.outcome, Outcome::Refused(_)));
            refused.filter(|met| met.call.operation == "Decrypt").count()
        };
        while met() < 2 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        tokio::time::sleep_until((started + KEPT * 94 / 100).into()).await;
        let before_the_end = match row.over {
            revoked if row.evicts => revoked,
            // What KMS does not take for a data key of the tenant's any more opens nothing.
            (_, Record) => (Serves, Record),
            _ => (Serves, Serves),
        };
        assert_eq!((put().await, get().await), before_the_end, "{what}, before the end");
        assert!(started.elapsed() < KEPT, "this machine is too slow for the test");
        tokio::time::sleep_until((started + KEPT * 3 / 2).into()).await;
        assert_eq!((put().await, get().await), row.over, "{what}, after the end");
    };
    join_all(ROWS.iter().zip(&tenants).map(|(of, name)| row(of, name))).await;
}

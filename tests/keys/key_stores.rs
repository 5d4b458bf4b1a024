//! Keys of custom key stores: KMS says InvalidState of all that goes wrong there, and its message alone tells what.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use tenantseal::keys::KeyServiceErrorKind as Kind;
use tenantseal::{Error, Item, Tenant};

use crate::common::{World, contact, id, item};

/// As the KMS developer guide has them ("Troubleshooting external key stores", "Key states of KMS keys").
const MESSAGES: &[(&str, Kind)] = &[
    ("arn:aws:kms:us-east-1:111111111111:key/0 is pending deletion.", Kind::Revoked),
    ("arn:aws:kms:us-east-1:111111111111:key/0 is pending import.", Kind::Revoked),
    ("arn:aws:kms:us-east-1:111111111111:key/0 is pending replica deletion.", Kind::Revoked),
    ("a message that nobody knows", Kind::Revoked),
    ("", Kind::Revoked),
    // The holder of the external key was asked, and says no.
    (
        "The external key store proxy denied access to the operation. Verify that the user and the external key are both \
         authorized for this operation, and try the request again.",
        Kind::Revoked,
    ),
    (
        "The external key store proxy rejected the request because the external key is not enabled in the external key manager.",
        Kind::Revoked,
    ),
    ("The external key store proxy rejected the request because it could not find the external key.", Kind::Revoked),
    (
        "The external key store proxy rejected the request because it could not authenticate AWS KMS. Verify the credentials \
         for your external key store and update if necessary.",
        Kind::Revoked,
    ),
    // Nobody could be asked.
    (
        "AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the request. If you \
         see this error repeatedly, report it to your external key store proxy administrator.",
        Kind::Unavailable,
    ),
    (
        "The external key store proxy did not respond to the request in the time allotted. Retry the request.",
        Kind::Unavailable,
    ),
    (
        "AWS KMS cannot communicate with the external key store proxy. This might be a transient network issue.",
        Kind::Unavailable,
    ),
    ("AWS KMS cannot interpret the response from the external key store proxy.", Kind::Unavailable),
    ("The external key store proxy is in an unhealthy state.", Kind::Unavailable),
    (
        "The request was rejected due to a very high request rate on the external key store proxy. Retry the request.",
        Kind::Unavailable,
    ),
    // A throttle that is worded as a refusal.
    (
        "The external key store proxy rejected the request because of a very high request rate. Reduce the frequency of your calls using \
         KMS keys in this external key store.",
        Kind::Unavailable,
    ),
    ("The external key store proxy rejected the request because it is throttling requests.", Kind::Unavailable),
    ("The custom key store is not connected.", Kind::Unavailable),
    ("arn:aws:kms:us-east-1:111111111111:key/0 is unavailable.", Kind::Unavailable),
    ("arn:aws:kms:us-east-1:111111111111:key/0 is creating.", Kind::Unavailable),
];
const TIMED_OUT: &str = "AWS KMS rejected the request because the external key store proxy did not respond in time.";
const MINUTE: Duration = Duration::from_secs(60);

fn process(world: &World) -> Tenant {
    let retries = RetryConfig::standard().with_max_attempts(1);
    let config = world.app.clone().into_builder().retry_config(retries).build();
    world.builder().build(&config).unwrap().tenant(&id("acme"))
}

async fn write(acme: &Tenant) -> Result<Item, Error> {
    acme.seal("crm", item(&contact("acme", "c-1"))).await
}

fn kind(error: &Error) -> Kind {
    match error.cause() {
        Error::KeyService(error) => error.kind(),
        other => panic!("{other}"),
    }
}

fn invalid_state(world: &World, message: &str) {
    for operation in ["GenerateDataKey", "Decrypt"] {
        world.stack.faults().on(operation).fail_saying("KMSInvalidStateException", 409, message);
    }
}

#[tokio::test]
async fn each_message_of_an_invalid_state_means_what_the_guide_says() {
    let world = World::start(&["acme"]).await;
    let stored = write(&process(&world)).await.unwrap();
    let mut wrong = Vec::new();
    for (message, expected) in MESSAGES {
        let (acme, reader) = (process(&world), process(&world));
        invalid_state(&world, message);
        for error in [write(&acme).await.unwrap_err(), reader.open("crm", stored.clone()).await.unwrap_err()] {
            let is_right = kind(&error) == *expected
                && error.is_revoked() == (*expected == Kind::Revoked)
                && error.is_retryable() == (*expected == Kind::Unavailable);
            if !is_right {
                wrong.push(format!("{message}: {error}"));
            }
        }
        world.stack.faults().clear();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_ciphertext_that_a_key_store_rejects_is_the_records_fault_alone() {
    let world = World::start(&["acme"]).await;
    let elsewhere = write(&process(&world)).await.unwrap();
    let acme = process(&world);
    let own = write(&acme).await.unwrap();
    let message = "The external key store proxy rejected the request because the specified ciphertext or additional \
                   authenticated data is corrupted, missing, or otherwise invalid.";
    invalid_state(&world, message);
    assert!(acme.open("crm", elsewhere).await.unwrap_err().is_integrity());
    acme.open("crm", own).await.unwrap();
}

#[tokio::test]
async fn a_silent_key_store_costs_no_cached_keys_until_the_grace_is_over() {
    let world = World::start(&["acme"]).await;
    let elsewhere = write(&process(&world)).await.unwrap();
    let acme = process(&world);
    let stored = write(&acme).await.unwrap();
    invalid_state(&world, TIMED_OUT);
    assert!(acme.open("crm", elsewhere.clone()).await.unwrap_err().is_retryable());
    acme.open("crm", stored.clone()).await.unwrap();
    // The lease is over, and KMS cannot say more.
    world.stack.clock().advance(MINUTE * 20);
    write(&acme).await.unwrap();
    acme.open("crm", stored.clone()).await.unwrap();
    // Disconnecting the store may be the customer's way to revoke: it ends like an outage that lasts.
    world.stack.clock().advance(MINUTE * 11);
    assert_eq!(kind(&acme.open("crm", stored.clone()).await.unwrap_err()), Kind::Unavailable);
    assert_eq!(kind(&write(&acme).await.unwrap_err()), Kind::Unavailable);
    world.stack.faults().clear();
    world.stack.clock().advance(MINUTE);
    acme.open("crm", stored).await.unwrap();
}

#[tokio::test]
async fn a_custom_key_store_in_a_wrong_state_is_unavailable() {
    let world = World::start(&["acme"]).await;
    for code in
        ["CustomKeyStoreInvalidStateException", "CloudHsmClusterNotActiveException", "XksProxyUriUnreachableException"]
    {
        world.stack.faults().on("GenerateDataKey").fail(code, 400);
        assert_eq!(kind(&write(&process(&world)).await.unwrap_err()), Kind::Unavailable, "{code}");
        world.stack.faults().clear();
    }
}

//! Each error of KMS and STS, and what becomes of it.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use tenantseal::error::{OpenError, OpenFault};
use tenantseal::keys::KeyServiceErrorKind as Kind;
use tenantseal::{Error, TenantSeal};

use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, World, contact, id, item};

/// The error codes of the KMS and STS API references with their statuses, what they mean, and how often the call is made at 3 attempts.
const ERRORS: &[(&str, u16, Kind, u64)] = &[
    ("ThrottlingException", 400, Kind::Unavailable, 3),
    ("DependencyTimeoutException", 503, Kind::Unavailable, 3),
    ("KMSInternalException", 500, Kind::Unavailable, 3),
    ("KeyUnavailableException", 500, Kind::Unavailable, 3),
    ("DisabledException", 409, Kind::Revoked, 1),
    ("KMSInvalidStateException", 409, Kind::Revoked, 1),
    ("IncorrectKeyException", 400, Kind::IncorrectKey, 1),
    ("InvalidCiphertextException", 400, Kind::InvalidCiphertext, 1),
    ("NotFoundException", 404, Kind::NotFound, 1),
    ("AccessDeniedException", 400, Kind::Denied, 1),
    ("LimitExceededException", 400, Kind::LimitExceeded, 1),
    ("SomethingNewException", 400, Kind::Unexpected, 1),
];

fn quick(world: &World) -> TenantSeal {
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    world.builder().build(&world.app.clone().into_builder().retry_config(retries).build()).unwrap()
}

fn kind(error: &Error) -> Option<Kind> {
    match error.cause() {
        Error::KeyService(error) => Some(error.kind()),
        _ => None,
    }
}

#[tokio::test]
async fn each_error_of_generate_data_key_means_what_the_api_reference_says() {
    let world = World::start(&["acme"]).await;
    for (code, status, expected, calls) in ERRORS {
        // A new one each time: the SDK's retry tokens are shared by the clients of a configuration.
        let acme = quick(&world).tenant(&id("acme"));
        world.stack.calls().reset();
        world.stack.faults().on("GenerateDataKey").fail(*code, *status);
        let error = acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap_err();
        assert_eq!(kind(&error), Some(*expected), "{code}: {error}");
        // What never worked may be new.
        let refused = matches!(expected, Kind::Revoked | Kind::Denied | Kind::NotFound);
        assert_eq!(
            error.is_retryable(),
            matches!(expected, Kind::Unavailable | Kind::Denied | Kind::NotFound),
            "{code}"
        );
        assert_eq!(error.is_revoked(), *expected == Kind::Revoked, "{code}");
        assert_eq!(world.stack.calls().count("GenerateDataKey"), *calls, "{code}");
        assert_eq!(world.stack.calls().count("AssumeRole"), 1, "{code}");
        world.stack.faults().clear();
        // A refusal is remembered for a second; another process asks at once.
        let acme = if refused { quick(&world).tenant(&id("acme")) } else { acme };
        acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    }
}

#[tokio::test]
async fn each_error_of_decrypt_means_what_the_api_reference_says() {
    let world = World::start(&["acme"]).await;
    quick(&world).tenant(&id("acme")).records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    for (code, status, expected, calls) in ERRORS {
        let acme = quick(&world).tenant(&id("acme"));
        world.stack.calls().reset();
        world.stack.faults().on("Decrypt").fail(*code, *status);
        let error = acme.records::<Contact>().get("c-1").await.unwrap_err();
        let of_the_record = matches!(expected, Kind::IncorrectKey | Kind::InvalidCiphertext);
        // A re-pointed alias looks like a swapped key: an operator fixes it.
        assert_eq!(error.is_integrity(), *expected == Kind::InvalidCiphertext, "{code}: {error}");
        assert!(of_the_record || kind(&error) == Some(*expected), "{code}: {error}");
        assert_eq!(
            error.is_retryable(),
            matches!(expected, Kind::Unavailable | Kind::Denied | Kind::NotFound),
            "{code}"
        );
        assert_eq!(error.is_revoked(), *expected == Kind::Revoked, "{code}");
        // The record may be of a former key: its own alias is tried as well.
        let tried = matches!(expected, Kind::IncorrectKey | Kind::NotFound | Kind::Denied);
        assert_eq!(world.stack.calls().count("Decrypt"), calls + u64::from(tried), "{code}");
        world.stack.faults().clear();
        // What KMS said of the record itself is remembered for a minute, a refusal for a second; another process asks at once.
        let fresh = of_the_record || matches!(expected, Kind::Revoked | Kind::Denied | Kind::NotFound);
        let acme = if fresh { quick(&world).tenant(&id("acme")) } else { acme };
        assert_eq!(acme.records::<Contact>().get("c-1").await.unwrap(), Some(contact("acme", "c-1")));
    }
}

#[tokio::test]
async fn credentials_that_aws_refuses_are_replaced_once() {
    let world = World::start(&["acme"]).await;
    for (code, status) in
        [("ExpiredTokenException", 400), ("UnrecognizedClientException", 400), ("InvalidClientTokenId", 403)]
    {
        let acme = quick(&world).tenant(&id("acme"));
        world.stack.calls().reset();
        world.stack.faults().on("GenerateDataKey").times(1).fail(code, status);
        acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
        let calls = world.stack.calls();
        assert_eq!((calls.count("AssumeRole"), calls.count("GenerateDataKey")), (2, 2), "{code}");

        let acme = quick(&world).tenant(&id("acme"));
        world.stack.calls().reset();
        world.stack.faults().on("GenerateDataKey").fail(code, status);
        let error = acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap_err();
        assert_eq!(kind(&error), Some(Kind::Credentials), "{error}");
        assert_eq!((calls.count("AssumeRole"), calls.count("GenerateDataKey")), (2, 2), "{code}");
        world.stack.faults().clear();
    }
}

#[tokio::test]
async fn errors_of_sts_are_told_apart() {
    let world = World::start(&["acme"]).await;
    for (code, status, expected) in [
        ("AccessDenied", 403, Kind::Denied),
        ("PackedPolicyTooLarge", 400, Kind::LimitExceeded),
        ("ExpiredToken", 403, Kind::Credentials),
        ("InvalidClientTokenId", 403, Kind::Credentials),
        ("Throttling", 400, Kind::Unavailable),
        ("ServiceUnavailable", 503, Kind::Unavailable),
        ("InternalFailure", 500, Kind::Unavailable),
    ] {
        let acme = quick(&world).tenant(&id("acme"));
        world.stack.faults().on("AssumeRole").fail(code, status);
        let error = acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap_err();
        assert_eq!(kind(&error), Some(expected), "{code}: {error}");
        assert!(error.to_string().contains("AssumeRole") && error.to_string().contains("acme"), "{error}");
        world.stack.faults().clear();
        acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    }
}

#[tokio::test]
async fn a_tenant_that_was_never_onboarded_is_told_so() {
    let world = World::start(&[]).await;
    let error = world.tenant("acme").records::<Contact>().put(&contact("acme", "c-1")).await.unwrap_err();
    assert!(matches!(kind(&error), Some(Kind::NotFound | Kind::Denied)), "{error}");
    assert!(error.to_string().contains("acme") && error.to_string().contains("onboard"), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_unavailability() {
    let world = World::start(&["acme"]).await;
    for operation in ["AssumeRole", "GenerateDataKey"] {
        let acme = quick(&world).tenant(&id("acme"));
        world.stack.faults().on(operation).disconnect();
        let error = acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap_err();
        assert!(error.is_retryable(), "{operation}: {error}");
        world.stack.faults().clear();
        acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    }
}

#[tokio::test]
async fn throttling_of_kms_does_not_stop_what_is_cached() {
    let world = World::start(&["acme"]).await;
    let acme = quick(&world).tenant(&id("acme"));
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    world.stack.faults().on("*").fail("ThrottlingException", 400);
    acme.records::<Contact>().put(&contact("acme", "c-2")).await.unwrap();
    assert_eq!(acme.records::<Contact>().get("c-1").await.unwrap(), Some(contact("acme", "c-1")));
}

#[tokio::test]
async fn a_wrapped_key_of_another_length_is_an_error_of_its_attribute() {
    let world = World::start(&["acme"]).await;
    let stored = world.tenant("acme").seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    for length in [0, 16, 31, 33, 64] {
        let wire = Wire::scripted(move |sent, _| match &*sent.operation {
            "Decrypt" => Reaction::Alter(Box::new(move |answer| {
                let mut answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
                answer["Plaintext"] = aws_smithy_types::base64::encode(vec![7; length]).into();
                answer.to_string()
            })),
            _ => Reaction::Forward,
        });
        let error = world.tenant_over("acme", wire).open("crm", stored.clone()).await.unwrap_err();
        let Error::Open(OpenError::Attribute { attribute, fault }) = error.cause() else { panic!("{length}: {error}") };
        assert_eq!((&**attribute, *fault), ("_seal", OpenFault::WrappedDataKey));
        assert!(error.is_integrity() && !error.is_retryable() && !error.is_revoked(), "{error}");
    }
}

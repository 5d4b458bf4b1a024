//! A caller adds interceptors of its own: they see what their process may see, and open no way out.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::ConfigBag;
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::ser_de::{SerializeRequest, SharedRequestSerializer};
use aws_smithy_types::body::SdkBody;
use tenantseal::error::{Refusal, SealError};
use tenantseal::{Error, Tenant};

use crate::common::hook::{Hook, When};
use crate::common::{Contact, World, canary, contact, id, item, key, s, sealing_error, tap};
use crate::{assert_not_logged, log, logged};

/// Looks at everything and changes nothing but a header.
fn busy() -> Hook {
    Hook::everywhere(|mut seen| {
        if seen.when == When::BeforeSigning {
            seen.request().headers_mut().insert("x-busy", "yes");
        }
        Ok(())
    })
}

#[tokio::test]
async fn a_callers_interceptor_changes_nothing_about_what_is_sent_and_logged() {
    log();
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let acme = world.builder().build(&app).unwrap().tenant(&id("acme"));
    let secret = canary();
    let marked = Contact { email: secret.clone(), ..contact("acme", "c-1") };
    let config = aws_sdk_dynamodb::config::Builder::from(&app).interceptor(busy());
    for dynamodb in [acme.dynamodb(), acme.dynamodb_with(config)] {
        let put =
            dynamodb.put_item().table_name("crm").set_item(Some(item(&marked))).return_values(ReturnValue::AllOld);
        put.customize().interceptor(busy()).send().await.unwrap();
        let failed = dynamodb.put_item().table_name("crm").set_item(Some(item(&marked)));
        let failed = failed.condition_expression("attribute_not_exists(email)");
        let failed =
            failed.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld).customize();
        failed.interceptor(busy()).send().await.unwrap_err();
        let get = dynamodb.get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
        let got = get.customize().interceptor(busy()).send().await.unwrap();
        assert_eq!(got.item, Some(item(&marked)));
        let scan = dynamodb.scan().table_name("crm").customize().interceptor(busy()).send().await.unwrap();
        assert_eq!(scan.items(), [item(&marked)]);
    }
    assert_eq!(tap::find(&taps.dynamodb.sent(), &secret), None);
    assert_not_logged(&secret);
}

/// Adds an attribute to every item that is put.
fn adds(name: &'static str, value: &str) -> Hook {
    let value = s(value);
    Hook::at(When::BeforeSerialization, move |mut seen| {
        let item = &mut seen.input::<PutItemInput>().item;
        item.get_or_insert_default().insert(name.to_owned(), value.clone());
    })
}

#[tokio::test]
async fn what_a_hook_adds_to_the_input_is_sealed_or_refused() {
    log();
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let acme = world.builder().build(&app).unwrap().tenant(&id("acme"));
    let secret = canary();
    let put = || acme.dynamodb().put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));

    put().customize().interceptor(adds("notes", &secret)).send().await.unwrap();
    let stored = acme.records::<Contact>().get("c-1").await.unwrap().unwrap();
    assert_eq!(stored.notes.as_ref(), Some(&secret));

    let sent = taps.dynamodb.requests();
    let undeclared = put().customize().interceptor(adds("undeclared", &secret)).send().await;
    let error = sealing_error(undeclared);
    assert!(matches!(error, Error::Seal(SealError::Undeclared(_))), "{error}");
    let header = sealing_error(put().customize().interceptor(adds("_seal", &secret)).send().await);
    assert!(matches!(header, Error::Seal(SealError::Reserved(_))), "{header}");
    let foreign = sealing_error(put().customize().interceptor(adds("tenant_id", "globex")).send().await);
    assert!(matches!(foreign, Error::Refused(Refusal::PrimaryKey(_))), "{foreign}");
    assert_eq!(taps.dynamodb.requests(), sent);

    let config = aws_sdk_dynamodb::config::Builder::from(&app).interceptor(adds("undeclared", &secret));
    let put = acme.dynamodb_with(config).put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
    sealing_error(put.send().await);
    assert_eq!(tap::find(&taps.dynamodb.sent(), &secret), None);
    assert_not_logged(&secret);
}

/// Serializes what it pleases in the place of what was checked.
#[derive(Debug, Clone)]
struct Serializes(String);

impl SerializeRequest for Serializes {
    fn serialize_input(&self, _: Input, _: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(self.0.clone()));
        request.set_method("POST").unwrap();
        request.set_uri("/").unwrap();
        request.headers_mut().insert("x-amz-target", "DynamoDB_20120810.PutItem");
        request.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        Ok(request)
    }
}

#[tokio::test]
async fn a_hook_that_serializes_in_our_place_sends_nothing_of_its_own() {
    log();
    let world = World::start(&["acme", "globex"]).await;
    let (taps, app) = world.tapped().await;
    let secret = canary();
    let bodies = ["acme", "globex"].map(|tenant| {
        format!(
            r#"{{"TableName":"crm","Item":{{"tenant_id":{{"S":"{tenant}"}},"contact_id":{{"S":"c-9"}},"email":{{"S":"{secret}"}}}}}}"#
        )
    });
    let marked = item(&Contact { email: secret.clone(), ..contact("acme", "c-1") });
    for body in bodies {
        for when in [When::BeforeSerialization, When::ReadBeforeSerialization, When::BeforeSigning] {
            let serializer = SharedRequestSerializer::new(Serializes(body.clone()));
            let serializes = Hook::at(when, move |seen| {
                seen.config.interceptor_state().store_put(serializer.clone());
            });
            let config = aws_sdk_dynamodb::config::Builder::from(&app).interceptor(serializes.clone());
            for warm in [false, true] {
                let acme = world.builder().build(&app).unwrap().tenant(&id("acme"));
                if warm {
                    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
                }
                let put = |client: aws_sdk_dynamodb::Client| {
                    client.put_item().table_name("crm").set_item(Some(marked.clone())).customize()
                };
                // Sealed from what was checked, or an error: both are well.
                let _ = put(acme.dynamodb_with(config.clone())).send().await;
                let _ = put(acme.dynamodb()).interceptor(serializes.clone()).send().await;
                let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
                let _ = get.customize().interceptor(serializes.clone()).send().await;
            }
        }
    }
    assert_eq!(tap::find(&taps.dynamodb.sent(), &secret), None);
    for tenant in ["acme", "globex"] {
        let get = world.plain.get_item().table_name("crm").set_key(Some(key(tenant, "c-9"))).send().await.unwrap();
        assert_eq!(get.item, None);
    }
    assert_not_logged(&secret);
}

#[tokio::test]
async fn a_callers_hook_sees_the_callers_input_whether_the_key_is_warm_or_not() {
    let world = World::start(&["acme"]).await;
    let acme = world.tenant("acme");
    let (given, seen) = (item(&contact("acme", "c-1")), Arc::new(Mutex::new(Vec::new())));
    let inputs = Arc::clone(&seen);
    let looks = Hook::at(When::BeforeSerialization, move |mut seen| {
        inputs.lock().unwrap().push(seen.input::<PutItemInput>().item.clone());
    });
    for _ in 0..2 {
        let put = acme.dynamodb().put_item().table_name("crm").set_item(Some(given.clone()));
        put.customize().interceptor(looks.clone()).send().await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [Some(given.clone()), Some(given)]);
}

/// Fails after the operation is over, as an interceptor that keeps statistics may.
fn fails_at_the_end() -> Hook {
    Hook::everywhere(|seen| match seen.when {
        When::ReadAfterExecution => Err("statistics are full".into()),
        _ => Ok(()),
    })
}

/// `acme` with a contact `c-1` whose email is a canary.
async fn stored() -> (World, Tenant, String) {
    log();
    let world = World::start(&["acme"]).await;
    let acme = world.tenant("acme");
    let secret = canary();
    let marked = Contact { email: secret.clone(), ..contact("acme", "c-1") };
    acme.records::<Contact>().put(&marked).await.unwrap();
    (world, acme, secret)
}

#[tokio::test]
async fn an_interceptor_that_fails_at_the_end_has_no_opened_item_logged() {
    let (_world, acme, secret) = stored().await;
    let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    get.customize().interceptor(fails_at_the_end()).send().await.unwrap_err();
    let scan = acme.dynamodb().scan().table_name("crm");
    scan.customize().interceptor(fails_at_the_end()).send().await.unwrap_err();
    assert_not_logged(&secret);
}

/// docs/THREATS.md says so: the SDK logs the error that a failing hook replaces, and that error shows the item by the caller's own
/// wish. When this fails the SDK has become kinder, and the document is to follow.
#[tokio::test]
async fn a_callers_hook_that_fails_after_a_failed_condition_logs_its_item() {
    let (_world, acme, secret) = stored().await;
    let put = acme.dynamodb().put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
    let put = put.condition_expression("attribute_not_exists(email)");
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    put.customize().interceptor(fails_at_the_end()).send().await.unwrap_err();
    let lines = logged(&secret);
    assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("ERROR")), "{lines:?}");
}

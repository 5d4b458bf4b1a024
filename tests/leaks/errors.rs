//! No error and no `Debug` of a public type contains item data, keys, or what concerns another tenant.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use serde::{Deserialize, Serialize};
use tenantseal::{Error, Record};

use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, World, canary, contact, id, item, key, s, tap};

/// `Display` and `Debug` of an error and of all its causes.
pub(crate) fn everything(error: &(dyn StdError + 'static)) -> String {
    let mut all = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        all.push_str(&format!("{error}\n{error:?}\n{error:#?}\n"));
        next = error.source();
    }
    all
}

fn assert_clean(error: &(dyn StdError + 'static), secret: &str) {
    let all = everything(error);
    assert_eq!(tap::find(all.as_bytes(), secret), None, "{all}");
}

/// The same table as `Contact`'s, read as something that the items are not.
#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
pub(crate) struct Misread {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    company: String,
    #[seal(encrypt)]
    email: u64,
    #[seal(encrypt)]
    notes: Kind,
    #[seal(encrypt)]
    api_keys: HashMap<String, u64>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Kind {
    Known,
}

#[tokio::test]
async fn an_item_that_does_not_open_is_not_in_the_sdks_error_either() {
    let world = World::start(&["acme"]).await;
    let acme = world.tenant("acme");
    let secret = canary();
    let marked = Contact { email: secret.clone(), ..contact("acme", "c-1") };
    acme.records::<Contact>().put(&marked).await.unwrap();
    let mut damaged = world.stored("acme", "c-1").await;
    damaged.insert("notes".to_owned(), s("plaintext"));
    world.plant(damaged).await;
    let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    assert_clean(&get.send().await.unwrap_err(), &secret);
    let put = acme.dynamodb().put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
    let put = put.condition_expression("attribute_not_exists(email)");
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    assert_clean(&put.send().await.unwrap_err(), &secret);
}

/// What `acme` gets to see when an answer of `operation` is changed by `change`, and what stood in it as `name`.
async fn unreadable(operation: &'static str, name: &'static str, change: fn(String) -> String) -> (Error, String) {
    let world = World::start(&["acme"]).await;
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let wire = Wire::scripted(move |sent, _| {
        if sent.operation != operation {
            return Reaction::Forward;
        }
        let keep = Arc::clone(&keep);
        Reaction::Alter(Box::new(move |body| {
            *keep.lock().unwrap() = crate::keys::values(body.as_bytes(), name).pop();
            change(body)
        }))
    });
    let acme = world.tenant_over("acme", wire);
    let error = acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap_err();
    assert!(matches!(error, Error::KeyService(_)), "{error}");
    let secret = seen.lock().unwrap().take().unwrap();
    assert!(secret.len() > 20, "{secret}");
    (error, secret)
}

#[tokio::test]
async fn an_unreadable_answer_of_kms_puts_no_data_key_into_the_error() {
    let changes: [fn(String) -> String; 3] = [
        |body| body.replace("\"KeyId\":\"", "\"KeyId\":7,\"x\":\""),
        |body| body.trim_end_matches('}').to_owned(),
        |body| body.replace("arn:aws:kms", "arn:aws:s3"),
    ];
    for change in changes {
        let (error, secret) = unreadable("GenerateDataKey", "Plaintext", change).await;
        let all = everything(&error);
        assert!(!all.contains(&secret), "the plaintext data key is in the error: {all}");
    }
}

#[tokio::test]
async fn an_unreadable_answer_of_sts_puts_no_secret_key_into_the_error() {
    let change: fn(String) -> String = |body| body.replace("<Expiration>", "<Expiration>x");
    let (error, secret) = unreadable("AssumeRole", "SecretAccessKey", change).await;
    let all = everything(&error);
    assert!(!all.contains(&secret), "the session's secret key is in the error: {all}");
}

#[tokio::test]
async fn debug_of_public_types_shows_no_item_no_key_and_no_other_tenant() {
    let world = World::start(&["acme", "globex"]).await;
    let secret = canary();
    let seal = world.seal();
    let (acme, globex) = (seal.tenant(&id("acme")), seal.tenant(&id("globex")));
    let marked = |tenant| Contact { email: secret.clone(), ..contact(tenant, "c-1") };
    for tenant in [&acme, &globex] {
        let contact = marked(tenant.id().as_str());
        let records = tenant.records::<Contact>();
        let put = records.put(&contact);
        assert_eq!(tap::find(format!("{put:?}").as_bytes(), &secret), None);
        put.await.unwrap();
        records.get("c-1").await.unwrap();
    }
    let dynamodb = acme.dynamodb();
    let put = dynamodb.put_item().table_name("crm");
    let all = format!(
        "{seal:?} {acme:?} {:?} {:?} {dynamodb:?} {put:?}",
        acme.records::<Contact>(),
        acme.records::<Contact>().query().begins_with("c"),
    );
    assert_eq!(tap::find(all.as_bytes(), &secret), None);
    for secret in ["SecretAccessKey", "session_token: \""] {
        assert!(!all.contains(secret), "{all}");
    }
    let one = format!("{acme:?} {dynamodb:?}");
    assert!(!one.contains("globex"), "a tenant's Debug names another tenant: {one}");
}

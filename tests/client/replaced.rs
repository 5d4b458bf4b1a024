//! Someone replaces a piece of the client, or the request after it was sealed: no plaintext leaves, and the error says which piece.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::auth::DefaultAuthSchemeResolver;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{Builder, Config};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::body::SdkBody;
use tenantseal::error::{Piece, Written};
use tenantseal::{Error, Tenant};

use crate::common::hook::{Hook, When};
use crate::common::wire::Wire;
use crate::common::{Contact, Taps, World, canary, contact, id, item, key, sealing_error, tap};

/// `acme` with an item `c-1`, behind taps that have seen nothing yet of what follows.
struct Scene {
    world: World,
    taps: Taps,
    app: aws_types::SdkConfig,
    acme: Tenant,
    secret: String,
}

impl Scene {
    async fn set() -> Self {
        let world = World::start(&["acme", "globex"]).await;
        let (taps, app) = world.tapped().await;
        let acme = world.builder().build(&app).unwrap().tenant(&id("acme"));
        acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
        Self { world, taps, app, acme, secret: canary() }
    }

    fn marked(&self) -> tenantseal::Item {
        item(&Contact { email: self.secret.clone(), ..contact("acme", "c-2") })
    }

    fn plaintext(&self) -> String {
        let Self { secret, .. } = self;
        format!(
            r#"{{"TableName":"crm","Item":{{"tenant_id":{{"S":"acme"}},"contact_id":{{"S":"c-2"}},"email":{{"S":"{secret}"}}}}}}"#
        )
    }

    async fn assert_nothing_happened(&self, requests: usize) {
        assert_eq!(self.taps.dynamodb.requests(), requests);
        assert_eq!(tap::find(&self.taps.dynamodb.sent(), &self.secret), None);
        let get = self.world.plain.get_item().table_name("crm").set_key(Some(key("acme", "c-2")));
        assert_eq!(get.send().await.unwrap().item, None);
    }
}

fn is_replaced(error: &Error, piece: Piece) {
    assert!(matches!(error, Error::Replaced(replaced) if *replaced == piece), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn with_another_http_client_no_plaintext_goes_out_and_nothing_comes_back() {
    let scene = Scene::set().await;
    let wire = Wire::open();
    let dynamodb = scene.acme.dynamodb();
    let over = || Config::builder().http_client(wire.clone());
    let put = dynamodb.put_item().table_name("crm").set_item(Some(scene.marked()));
    is_replaced(&sealing_error(put.customize().config_override(over()).send().await), Piece::HttpClient);
    let get = dynamodb.get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    is_replaced(&sealing_error(get.customize().config_override(over()).send().await), Piece::HttpClient);
    let scan = dynamodb.scan().table_name("crm").customize().config_override(over());
    is_replaced(&sealing_error(scan.send().await), Piece::HttpClient);
    for sent in wire.sent() {
        assert_eq!(tap::find(&sent.body, &scene.secret), None, "{}", sent.operation);
    }
    // What became of a write nobody knows; a read has changed nothing.
    let delete = dynamodb.delete_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    let error = delete.customize().config_override(over()).send().await.unwrap_err();
    let error = Error::find_in(&error).unwrap();
    assert!(error.written() == Written::Unknown && error.to_string().contains("may have happened"), "{error}");
    let get = dynamodb.get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    let error = get.customize().config_override(over()).send().await.unwrap_err();
    assert_eq!(Error::find_in(&error).unwrap().written(), Written::No);
    assert_eq!(tap::find(&scene.taps.dynamodb.sent(), &scene.secret), None);
}

#[tokio::test]
async fn with_another_auth_scheme_resolver_nothing_is_put() {
    let scene = Scene::set().await;
    let before = scene.taps.dynamodb.requests();
    let put = scene.acme.dynamodb().put_item().table_name("crm").set_item(Some(scene.marked()));
    let over = Config::builder().auth_scheme_resolver(DefaultAuthSchemeResolver::default());
    is_replaced(&sealing_error(put.customize().config_override(over).send().await), Piece::AuthSchemeResolver);
    scene.assert_nothing_happened(before).await;
}

#[tokio::test]
async fn a_plain_client_over_the_sealing_http_client_sends_nothing() {
    let scene = Scene::set().await;
    let before = scene.taps.dynamodb.requests();
    let http = scene.acme.dynamodb().config().http_client().unwrap();
    let plain = Client::from_conf(Builder::from(&scene.app).http_client(http).build());
    let put = plain.put_item().table_name("crm").set_item(Some(scene.marked())).send().await;
    is_replaced(&sealing_error(put), Piece::Interceptor);
    let get = plain.get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await;
    is_replaced(&sealing_error(get), Piece::Interceptor);
    scene.assert_nothing_happened(before).await;
}

/// A hook that puts another body, and perhaps another operation, into the request.
fn swaps(when: When, body: &str, target: Option<&'static str>) -> Hook {
    let body = body.to_owned();
    Hook::at(when, move |mut seen| {
        let request = seen.request();
        *request.body_mut() = SdkBody::from(body.clone());
        request.headers_mut().insert("content-length", body.len().to_string());
        if let Some(target) = target {
            request.headers_mut().insert("x-amz-target", target);
        }
    })
}

#[tokio::test]
async fn a_hook_that_puts_the_plaintext_back_sends_nothing() {
    let scene = Scene::set().await;
    let before = scene.taps.dynamodb.requests();
    for when in [When::BeforeSigning, When::BeforeTransmit] {
        let put = scene.acme.dynamodb().put_item().table_name("crm").set_item(Some(scene.marked())).customize();
        let swaps = swaps(when, &scene.plaintext(), None);
        is_replaced(&sealing_error(put.interceptor(swaps).send().await), Piece::Request);
    }
    let body = scene.plaintext();
    let put = scene.acme.dynamodb().put_item().table_name("crm").set_item(Some(scene.marked())).customize();
    let put = put.mutate_request(move |request| *request.body_mut() = SdkBody::from(body.clone()));
    is_replaced(&sealing_error(put.send().await), Piece::Request);
    scene.assert_nothing_happened(before).await;
}

#[tokio::test]
async fn a_hook_that_puts_the_plaintext_back_before_it_is_sealed_has_no_effect() {
    let scene = Scene::set().await;
    let signing = swaps(When::BeforeSigning, &scene.plaintext(), None);
    let config = Builder::from(&scene.app).interceptor(signing);
    let put = scene.acme.dynamodb_with(config).put_item().table_name("crm").set_item(Some(scene.marked()));
    // Sealed from the input that was checked, or an error: both are well.
    let retry_loop = swaps(When::BeforeRetryLoop, &scene.plaintext(), None);
    let _ = put.customize().interceptor(retry_loop).send().await;
    assert_eq!(tap::find(&scene.taps.dynamodb.sent(), &scene.secret), None);
}

#[tokio::test]
async fn what_was_checked_is_what_is_sent_also_when_nothing_is_sealed() {
    let scene = Scene::set().await;
    let globex = scene.world.tenant("globex");
    globex.records::<Contact>().put(&contact("globex", "c-1")).await.unwrap();
    let theirs = r#"{"TableName":"crm","Key":{"tenant_id":{"S":"globex"},"contact_id":{"S":"c-1"}}}"#;

    let delete = || scene.acme.dynamodb().delete_item().table_name("crm").set_key(Some(key("acme", "c-9")));
    let _ = delete().customize().interceptor(swaps(When::BeforeRetryLoop, theirs, None)).send().await;
    let config = Builder::from(&scene.app).interceptor(swaps(When::BeforeSigning, theirs, None));
    let delete = scene.acme.dynamodb_with(config).delete_item().table_name("crm");
    let _ = delete.set_key(Some(key("acme", "c-9"))).send().await;
    let left = globex.records::<Contact>().get("c-1").await.unwrap();
    assert_eq!(left, Some(contact("globex", "c-1")), "a hook had another tenant's item deleted");

    let query = format!(
        r#"{{"TableName":"crm","KeyConditionExpression":"tenant_id = :t","FilterExpression":"email = :v",
        "ExpressionAttributeValues":{{":t":{{"S":"acme"}},":v":{{"S":"{}"}}}}}}"#,
        scene.secret
    );
    let get = scene.acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    let get = get.customize().interceptor(swaps(When::BeforeRetryLoop, &query, None));
    let _ = get.send().await;
    assert_eq!(tap::find(&scene.taps.dynamodb.sent(), &scene.secret), None);
}

#[tokio::test]
async fn an_operation_without_items_cannot_be_turned_into_one_with_items() {
    let scene = Scene::set().await;
    for when in [When::BeforeRetryLoop, When::BeforeSigning, When::BeforeTransmit] {
        let swaps = swaps(when, &scene.plaintext(), Some("DynamoDB_20120810.PutItem"));
        let _ = scene.acme.dynamodb().list_tables().customize().interceptor(swaps).send().await;
        assert_eq!(tap::find(&scene.taps.dynamodb.sent(), &scene.secret), None, "{when:?}");
    }
}

#[tokio::test]
async fn an_operation_is_what_its_input_is_and_not_what_it_is_called() {
    let scene = Scene::set().await;
    let put = scene.acme.dynamodb().put_item().table_name("crm").set_item(Some(scene.marked())).customize();
    let renames = Hook::at(When::ReadBeforeExecution, |seen| {
        seen.config.interceptor_state().store_put(Metadata::new("ListTables", "DynamoDB"));
    });
    let _ = put.interceptor(renames).send().await;
    assert_eq!(tap::find(&scene.taps.dynamodb.sent(), &scene.secret), None);
}

#[tokio::test]
async fn a_client_of_one_tenant_does_not_become_a_client_of_another() {
    let scene = Scene::set().await;
    let globex = scene.world.builder().build(&scene.app).unwrap().tenant(&id("globex"));
    let both = globex.dynamodb_with(scene.acme.dynamodb().config().to_builder());
    for tenant in ["acme", "globex"] {
        let put = both.put_item().table_name("crm").set_item(Some(item(&contact(tenant, "c-2"))));
        assert!(matches!(sealing_error(put.send().await), Error::BoundTwice));
        let get = both.get_item().table_name("crm").set_key(Some(key(tenant, "c-1"))).send().await;
        assert!(matches!(sealing_error(get), Error::BoundTwice));
    }
}

#[tokio::test]
async fn a_client_that_is_bound_twice_to_its_tenant_says_so_and_sends_nothing() {
    let scene = Scene::set().await;
    let before = scene.taps.dynamodb.requests();
    let twice = scene.acme.dynamodb_with(scene.acme.dynamodb().config().to_builder());
    let put = twice.put_item().table_name("crm").set_item(Some(scene.marked())).send().await;
    assert!(matches!(sealing_error(put), Error::BoundTwice));
    scene.assert_nothing_happened(before).await;
}

#[tokio::test]
async fn a_client_that_is_rebuilt_from_its_own_configuration_still_seals() {
    let scene = Scene::set().await;
    let config = scene.acme.dynamodb().config().to_builder().retry_config(RetryConfig::standard());
    let rebuilt = Client::from_conf(config.build());
    rebuilt.put_item().table_name("crm").set_item(Some(scene.marked())).send().await.unwrap();
    let get = rebuilt.get_item().table_name("crm").set_key(Some(key("acme", "c-2"))).send().await.unwrap();
    assert_eq!(get.item, Some(scene.marked()));
    assert_eq!(tap::find(&scene.taps.dynamodb.sent(), &scene.secret), None);
}

//! Someone changes the request or the answer on its way through the SDK: what was checked goes out, or nothing does.

use std::mem;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_dynamodb::config::{Builder, Config, ConfigBag, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation as sdk;
use aws_smithy_runtime_api::client::auth::{AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId, Sign};
use aws_smithy_runtime_api::client::identity::{Identity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::GetIdentityResolver;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use tenantseal::Error;
use tenantseal::error::Piece;

use crate::client::exchanged::Scene;
use crate::common::hook::{Hook, Seen, When};
use crate::common::{Contact, contact, id, item, key, sealing_error, tap};

/// What is changed of a request, by name.
type Change = (&'static str, fn(&mut HttpRequest));

/// Does `change` to the request, at `when`.
fn requests(when: When, change: impl Fn(&mut HttpRequest) + Send + Sync + 'static) -> Hook {
    Hook::at(when, move |mut seen: Seen<'_>| change(seen.request()))
}

#[tokio::test]
async fn no_header_and_no_method_makes_another_operation_of_a_request() {
    let scene = Scene::set().await;
    let acme = scene.acme(true).await;
    for when in [When::BeforeRetryLoop, When::BeforeSigning, When::BeforeTransmit] {
        let changes: [Change; 5] = [
            ("a second target", |request| {
                request.headers_mut().append("x-amz-target", "DynamoDB_20120810.DeleteItem");
            }),
            ("another target", |request| {
                request.headers_mut().insert("x-amz-target", "DynamoDB_20120810.DeleteItem");
            }),
            ("another encoding", |request| {
                request.headers_mut().insert("content-type", "application/cbor");
            }),
            ("another length", |request| {
                request.headers_mut().insert("content-length", "2");
            }),
            ("another method", |request| request.set_method("DELETE").unwrap()),
        ];
        for (what, change) in changes {
            // What names an item to get names one to delete.
            let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-0")));
            let got = get.customize().interceptor(requests(when, change)).send().await;
            if when == When::BeforeTransmit {
                let error = sealing_error(got);
                assert!(matches!(error, Error::Replaced(Piece::Request)), "{what}: {error}");
            }
        }
    }
    assert_eq!(tap::find(&scene.taps.dynamodb.sent(), "DeleteItem"), None);
    assert!(acme.records::<Contact>().get("c-0").await.unwrap().is_some(), "a read has deleted what it was to read");
}

#[tokio::test]
async fn a_request_of_another_tenants_client_does_not_go_out_through_this_ones() {
    let scene = Scene::set().await;
    let (acme, globex) = (scene.acme(true).await, scene.world.tenant("globex"));
    let kept = Arc::new(Mutex::new(HttpRequest::empty()));
    let other = Arc::clone(&kept);
    let swaps = requests(When::BeforeTransmit, move |request| mem::swap(request, &mut *other.lock().unwrap()));
    let delete = globex.dynamodb().delete_item().table_name("crm").set_key(Some(key("globex", "c-9")));
    delete.customize().interceptor(swaps.clone()).send().await.unwrap_err();
    assert!(kept.lock().unwrap().body().bytes().is_some_and(|body| tap::find(body, "globex").is_some()));
    let before = scene.taps.dynamodb.requests();
    let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-0")));
    let error = sealing_error(get.customize().interceptor(swaps).send().await);
    assert!(matches!(error, Error::BoundTwice), "{error}");
    assert_eq!(scene.taps.dynamodb.requests(), before);
}

#[tokio::test]
async fn a_client_over_another_tenants_http_client_sends_nothing() {
    let scene = Scene::set().await;
    let acme = scene.acme(true).await;
    let globex = scene.world.builder().build(&scene.app).unwrap().tenant(&id("globex"));
    let http = acme.dynamodb().config().http_client().unwrap();
    let mixed = globex.dynamodb_with(Builder::from(&scene.app).http_client(http));
    let put = mixed.put_item().table_name("crm").set_item(Some(item(&contact("globex", "c-2"))));
    assert!(matches!(sealing_error(put.send().await), Error::BoundTwice));
    scene.assert_harmless("a client over another's HTTP client").await;
}

#[tokio::test]
async fn a_hook_that_empties_the_configuration_sends_nothing() {
    let scene = Scene::set().await;
    for when in [When::ReadBeforeExecution, When::BeforeSerialization, When::ReadBeforeSerialization] {
        let empties = Hook::at(when, |seen| {
            *seen.config.interceptor_state() = Layer::new("emptied");
        });
        let acme = scene.acme(true).await;
        let put = acme.dynamodb().put_item().table_name("crm");
        let marked = Contact { email: scene.secret.clone(), ..contact("acme", "c-2") };
        // The SDK itself may panic over what it misses.
        let put = put.set_item(Some(item(&marked))).customize().interceptor(empties).send();
        let _ = tokio::spawn(put).await;
        scene.assert_harmless(&format!("emptied at {when:?}")).await;
    }
}

#[tokio::test]
async fn before_the_key_has_come_no_hook_finds_plaintext_in_the_request() {
    let scene = Scene::set().await;
    let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let bodies = Arc::clone(&seen);
    let looks = requests(When::BeforeRetryLoop, move |request| {
        bodies.lock().unwrap().push(request.body().bytes().unwrap().to_vec());
    });
    for warm in [false, true] {
        let marked = Contact { email: scene.secret.clone(), ..contact("acme", "c-2") };
        let put = scene.acme(warm).await.dynamodb().put_item().table_name("crm").set_item(Some(item(&marked)));
        put.customize().interceptor(looks.clone()).send().await.unwrap();
    }
    let seen = mem::take(&mut *seen.lock().unwrap());
    assert_eq!(seen.len(), 2);
    for body in seen {
        assert_eq!(tap::find(&body, &scene.secret), None);
    }
}

#[tokio::test]
async fn an_answer_that_a_hook_puts_in_is_opened_like_any_other() {
    use aws_smithy_runtime_api::client::interceptors::context::{Error as OperationError, Output};
    use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
    use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};

    #[derive(Debug)]
    struct Deserializes(tenantseal::Item);

    impl DeserializeResponse for Deserializes {
        fn deserialize_nonstreaming_with_config(
            &self,
            _: &HttpResponse,
            _: &ConfigBag,
        ) -> Result<Output, OrchestratorError<OperationError>> {
            let output = sdk::get_item::GetItemOutput::builder().set_item(Some(self.0.clone())).build();
            Ok(Output::erase(output))
        }
    }

    let scene = Scene::set().await;
    let acme = scene.acme(true).await;
    let plaintext = item(&Contact { email: scene.secret.clone(), ..contact("acme", "c-1") });
    let theirs = scene.world.stored("globex", "c-1").await;
    let other = scene.world.stored("acme", "c-0").await;
    for forged in [plaintext, theirs, other] {
        for when in [When::BeforeSerialization, When::BeforeSigning, When::BeforeTransmit] {
            let forged = forged.clone();
            let forges = Hook::at(when, move |seen| {
                let deserializer = SharedResponseDeserializer::new(Deserializes(forged.clone()));
                seen.config.interceptor_state().store_put(deserializer);
            });
            let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
            match get.customize().interceptor(forges).send().await {
                Ok(got) => assert_eq!(got.item, Some(item(&contact("acme", "c-1"))), "{when:?}"),
                refused => assert!(matches!(sealing_error(refused), Error::Open(_)), "{when:?}"),
            }
        }
    }
}

/// Signs nothing, and puts another body into the request.
#[derive(Debug)]
struct Signs(&'static str);

impl AuthScheme for Signs {
    fn scheme_id(&self) -> AuthSchemeId {
        AuthSchemeId::new("sigv4")
    }

    fn identity_resolver(&self, resolvers: &dyn GetIdentityResolver) -> Option<SharedIdentityResolver> {
        resolvers.identity_resolver(self.scheme_id())
    }

    fn signer(&self) -> &dyn Sign {
        self
    }
}

impl Sign for Signs {
    fn sign_http_request(
        &self,
        request: &mut HttpRequest,
        _: &Identity,
        _: AuthSchemeEndpointConfig<'_>,
        _: &RuntimeComponents,
        _: &ConfigBag,
    ) -> Result<(), BoxError> {
        request.headers_mut().insert("content-length", self.0.len().to_string());
        *request.body_mut() = SdkBody::from(self.0);
        Ok(())
    }
}

#[tokio::test]
async fn a_signer_that_puts_in_another_body_sends_nothing() {
    let theirs = r#"{"TableName":"crm","Key":{"tenant_id":{"S":"globex"},"contact_id":{"S":"c-1"}}}"#;
    let scene = Scene::set().await;
    for warm in [false, true] {
        let acme = scene.acme(warm).await;
        let over = || Config::builder().push_auth_scheme(Signs(theirs));
        let delete = acme.dynamodb().delete_item().table_name("crm").set_key(Some(key("acme", "c-9")));
        is_replaced(&sealing_error(delete.customize().config_override(over()).send().await), Piece::Request);
        let rebuilt = acme.dynamodb_with(Builder::from(&scene.app).push_auth_scheme(Signs(theirs)));
        let delete = rebuilt.delete_item().table_name("crm").set_key(Some(key("acme", "c-9")));
        is_replaced(&sealing_error(delete.send().await), Piece::Request);
        scene.assert_harmless("a signer").await;
    }
}

/// The endpoint of the tests, which brings headers along.
#[derive(Debug)]
struct Brings(String, &'static str, &'static str);

impl ResolveEndpoint for Brings {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        let Self(url, header, value) = self;
        EndpointFuture::ready(Ok(Endpoint::builder().url(url.clone()).header(*header, *value).build()))
    }
}

#[tokio::test]
async fn headers_that_an_endpoint_brings_make_no_other_operation() {
    let scene = Scene::set().await;
    let acme = scene.acme(true).await;
    for (header, value) in [("x-amz-target", "DynamoDB_20120810.DeleteItem"), ("content-type", "application/cbor")] {
        let brings = Brings(scene.taps.dynamodb.url().to_owned(), header, value);
        let client = acme.dynamodb_with(Builder::from(&scene.app).endpoint_resolver(brings));
        let got = client.get_item().table_name("crm").set_key(Some(key("acme", "c-0"))).send().await;
        assert_eq!(got.unwrap().item, Some(item(&contact("acme", "c-0"))));
        client.list_tables().send().await.unwrap();
    }
    assert_eq!(tap::find(&scene.taps.dynamodb.sent(), "DeleteItem"), None);
    assert!(acme.records::<Contact>().get("c-0").await.unwrap().is_some(), "a read has deleted what it was to read");
}

fn is_replaced(error: &Error, piece: Piece) {
    assert!(matches!(error, Error::Replaced(replaced) if *replaced == piece), "{error}");
}

//! Tables given by their ARN: that very table of that account and Region, and no other of the same name.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, WriteRequest};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use tenantseal::error::ConfigError;
use tenantseal::{Error, Tenant};

use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, World, contact, id, item, key, s, sealing_error};

const ARN: &str = "arn:aws:dynamodb:us-east-1:333333333333:table/crm";

/// The way to DynamoDB where it takes ARNs, which the local one does not: it is told the name.
#[derive(Clone)]
struct TakesArns {
    inner: Wire,
    /// The bodies before.
    sent: Arc<Mutex<Vec<String>>>,
}

impl HttpClient for TakesArns {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, sent: Arc::clone(&self.sent) })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    sent: Arc<Mutex<Vec<String>>>,
}

impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if request.headers().get("x-amz-target").is_some_and(|target| target.starts_with("DynamoDB")) {
            let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
            let named = body.replace(ARN, "crm");
            self.sent.lock().unwrap().push(body);
            request.headers_mut().insert("content-length", named.len().to_string());
            *request.body_mut() = SdkBody::from(named);
        }
        self.inner.call(request)
    }
}

impl fmt::Debug for TakesArns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TakesArns(..)")
    }
}

fn tenant(world: &World) -> (Tenant, Arc<Mutex<Vec<String>>>) {
    tenant_over(world, Wire::open())
}

fn tenant_over(world: &World, inner: Wire) -> (Tenant, Arc<Mutex<Vec<String>>>) {
    let way = TakesArns { inner, sent: Arc::default() };
    let sent = Arc::clone(&way.sent);
    let seal = world.builder().table_name("crm", ARN).build(&world.over(way)).unwrap();
    (seal.tenant(&id("acme")), sent)
}

#[tokio::test]
async fn a_table_that_is_given_by_its_arn_is_asked_for_by_it_in_every_request() {
    let world = World::start(&["acme"]).await;
    let (acme, sent) = tenant(&world);
    let contacts = acme.records::<Contact>();
    let (one, other) = (contact("acme", "c-1"), contact("acme", "c-2"));
    contacts.put(&one).await.unwrap();
    contacts.put_many([&one, &other]).await.unwrap();
    contacts.update("c-1").set("company", "Example Ltd").await.unwrap();
    assert_eq!(contacts.get("c-1").await.unwrap(), Some(one.clone()));
    assert_eq!(contacts.get_many(["c-1", "c-2"]).await.unwrap(), [Some(one.clone()), Some(other.clone())]);
    assert_eq!(contacts.query().stream().try_collect::<Vec<_>>().await.unwrap().len(), 2);
    assert_eq!(contacts.scan().stream().try_collect::<Vec<_>>().await.unwrap().len(), 2);
    acme.transact_write().with(contacts.put(&one)).with(contacts.delete("c-2")).await.unwrap();
    let found = acme.transact_get((contacts.get("c-1"), contacts.get("c-2"))).await.unwrap();
    assert_eq!(found, (Some(one), None));
    contacts.delete("c-1").await.unwrap();
    let sent = sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 10);
    for body in sent {
        assert!(body.contains(ARN) && !body.contains(r#""crm""#), "{body}");
    }
}

#[tokio::test]
async fn no_other_accounts_or_regions_table_of_the_same_name_is_accepted() {
    let world = World::start(&["acme"]).await;
    let (acme, sent) = tenant(&world);
    for other in [
        "crm",
        "arn:aws:dynamodb:us-east-1:444444444444:table/crm",
        "arn:aws:dynamodb:eu-central-1:333333333333:table/crm",
        "arn:aws-cn:dynamodb:us-east-1:333333333333:table/crm",
    ] {
        let get = acme.dynamodb().get_item().table_name(other).set_key(Some(key("acme", "c-1")));
        let error = sealing_error(get.send().await);
        assert!(matches!(error, Error::Refused(_)), "{error}");
        assert!(error.to_string().contains(ARN), "{other}: {error}");
        let keys = KeysAndAttributes::builder().keys(key("acme", "c-1")).build().unwrap();
        sealing_error(acme.dynamodb().batch_get_item().request_items(other, keys).send().await);
        let delete = DeleteRequest::builder().set_key(Some(key("acme", "c-1"))).build().unwrap();
        let delete = vec![WriteRequest::builder().delete_request(delete).build()];
        sealing_error(acme.dynamodb().batch_write_item().request_items(other, delete).send().await);
        let query = acme.dynamodb().query().table_name(other).key_condition_expression("tenant_id = :t");
        sealing_error(query.expression_attribute_values(":t", s("acme")).send().await);
        // The logical name is the caller's own, and names no account.
        let sealed = acme.seal(other, item(&contact("acme", "c-1"))).await;
        assert_eq!(sealed.is_ok(), other == "crm", "{other}");
    }
    assert_eq!(*sent.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_is_no_tables_arn_is_no_tables_name() {
    let world = World::start(&[]).await;
    for physical in [
        "arn:aws:dynamodb:us-east-1:333333333333:table/crm/index/by-company",
        "arn:aws:s3:us-east-1:333333333333:table/crm",
        "arn:aws:dynamodb:us-east-1:333333333333:crm",
    ] {
        let error = world.builder().table_name("crm", physical).build(&world.app).unwrap_err();
        assert!(error.to_string().contains(physical), "{error}");
        let _: ConfigError = error;
    }
}

#[tokio::test]
async fn an_errors_item_of_a_table_given_by_its_arn_opens_under_the_errors_name() {
    let world = World::start(&["acme"]).await;
    let (acme, _) = tenant(&world);
    let contacts = acme.records::<Contact>();
    contacts.put(&contact("acme", "c-1")).await.unwrap();
    let stored = world.stored("acme", "c-1").await;
    let mut misshapen = stored.clone();
    misshapen.remove("company");
    world.plant(misshapen).await;
    // Each error names the table in its own way: one that is read, one that a write brings back, and one of many.
    let mut errors = vec![
        contacts.get("c-1").await.unwrap_err(),
        contacts.take("c-1").await.unwrap_err(),
        contacts.get_many(["c-1"]).await.unwrap_err(),
        contacts.update("c-1").set("email", "x").returning_new().await.unwrap_err(),
    ];
    let lossy = Wire::scripted(|sent, _| match &*sent.operation {
        "DeleteItem" => Reaction::Lose,
        _ => Reaction::Forward,
    });
    world.plant(stored).await;
    errors.push(tenant_over(&world, lossy).0.records::<Contact>().take("c-1").await.unwrap_err());
    let kept = errors.last().unwrap().sealed_item().unwrap().clone();
    for error in errors {
        let table = error.item().unwrap().table();
        let opened = acme.open(table, kept.clone()).await;
        assert_eq!(opened.unwrap_or_else(|refused| panic!("{error}: {refused}")), item(&contact("acme", "c-1")));
    }
}

//! Someone exchanges what was checked for something else, at every seam between the check and the wire: it is checked itself, or
//! nothing goes out.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, ConfigBag};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation as sdk;
use aws_sdk_dynamodb::types::{
    Delete, DeleteRequest, Get, KeysAndAttributes, TransactGetItem, TransactWriteItem, WriteRequest,
};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{SerializeRequest, SharedRequestSerializer};
use aws_smithy_types::body::SdkBody;
use tenantseal::Tenant;

use crate::common::hook::{Hook, When};
use crate::common::{Contact, Taps, World, canary, contact, id, item, key, s, tap};

/// Changes an input, of whatever operation it is.
type Exchange = Arc<dyn Fn(&mut Input) + Send + Sync>;

type Serialize = dyn Fn(&SharedRequestSerializer, Input, &mut ConfigBag) -> Result<HttpRequest, BoxError> + Send + Sync;

/// A serializer around the one that is there when the hook runs.
struct Around {
    inner: SharedRequestSerializer,
    serialize: Arc<Serialize>,
}

impl SerializeRequest for Around {
    fn serialize_input(&self, input: Input, config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        (self.serialize)(&self.inner, input, config)
    }
}

impl fmt::Debug for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Around(..)")
    }
}

fn around(
    when: When,
    serialize: impl Fn(&SharedRequestSerializer, Input, &mut ConfigBag) -> Result<HttpRequest, BoxError>
    + Send
    + Sync
    + 'static,
) -> Hook {
    let serialize: Arc<Serialize> = Arc::new(serialize);
    Hook::at(when, move |seen| {
        let inner = seen.config.load::<SharedRequestSerializer>().unwrap().clone();
        let around = Around { inner, serialize: Arc::clone(&serialize) };
        seen.config.interceptor_state().store_put(SharedRequestSerializer::new(around));
    })
}

/// The SDK's own serializer of an operation, which anybody can get.
fn sdks(operation: impl RuntimePlugin) -> SharedRequestSerializer {
    operation.config().unwrap().load::<SharedRequestSerializer>().unwrap().clone()
}

fn sdks_of(input: &Input) -> SharedRequestSerializer {
    macro_rules! of {
        ($($module:ident::{$operation:ident, $input:ident},)*) => {
            $(if input.downcast_ref::<sdk::$module::$input>().is_some() { return sdks(sdk::$module::$operation::new()) })*
        };
    }
    of! {
        put_item::{PutItem, PutItemInput}, get_item::{GetItem, GetItemInput}, query::{Query, QueryInput},
        update_item::{UpdateItem, UpdateItemInput}, delete_item::{DeleteItem, DeleteItemInput}, scan::{Scan, ScanInput},
        batch_get_item::{BatchGetItem, BatchGetItemInput}, batch_write_item::{BatchWriteItem, BatchWriteItemInput},
        transact_get_items::{TransactGetItems, TransactGetItemsInput},
        transact_write_items::{TransactWriteItems, TransactWriteItemsInput},
        list_tables::{ListTables, ListTablesInput},
    }
    panic!("an operation that no attack begins")
}

/// Another of the same input.
fn copy(input: &Input) -> Input {
    macro_rules! of {
        ($($module:ident::$input:ident,)*) => {
            $(if let Some(input) = input.downcast_ref::<sdk::$module::$input>() { return Input::erase(input.clone()) })*
        };
    }
    of! {
        put_item::PutItemInput, get_item::GetItemInput, query::QueryInput, update_item::UpdateItemInput,
        delete_item::DeleteItemInput, scan::ScanInput, batch_get_item::BatchGetItemInput,
        batch_write_item::BatchWriteItemInput, transact_get_items::TransactGetItemsInput,
        transact_write_items::TransactWriteItemsInput, list_tables::ListTablesInput,
    }
    panic!("an operation that no attack begins")
}

/// Puts another tenant's key, or a value in plaintext, into whatever input it is.
fn steals(secret: &str) -> Exchange {
    let secret = secret.to_owned();
    Arc::new(move |input| {
        let theirs = || Some(key("globex", "c-1"));
        if let Some(put) = input.downcast_mut::<sdk::put_item::PutItemInput>() {
            put.item = Some(item(&contact("globex", "c-1")));
        } else if let Some(get) = input.downcast_mut::<sdk::get_item::GetItemInput>() {
            get.key = theirs();
        } else if let Some(delete) = input.downcast_mut::<sdk::delete_item::DeleteItemInput>() {
            delete.key = theirs();
        } else if let Some(update) = input.downcast_mut::<sdk::update_item::UpdateItemInput>() {
            update.update_expression = Some("SET company = :v REMOVE email".to_owned());
            update.condition_expression = Some("email <> :v".to_owned());
            update.expression_attribute_values = Some([(":v".to_owned(), s(&secret))].into());
        } else if let Some(query) = input.downcast_mut::<sdk::query::QueryInput>() {
            query.expression_attribute_values = Some([(":t".to_owned(), s("globex"))].into());
        } else if let Some(scan) = input.downcast_mut::<sdk::scan::ScanInput>() {
            scan.filter_expression = Some("email = :v".to_owned());
            scan.expression_attribute_values = Some([(":v".to_owned(), s(&secret))].into());
        } else if let Some(batch) = input.downcast_mut::<sdk::batch_get_item::BatchGetItemInput>() {
            batch.request_items.as_mut().unwrap().get_mut("crm").unwrap().keys = vec![theirs().unwrap()];
        } else if let Some(batch) = input.downcast_mut::<sdk::batch_write_item::BatchWriteItemInput>() {
            let delete = DeleteRequest::builder().set_key(theirs()).build().unwrap();
            let delete = WriteRequest::builder().delete_request(delete).build();
            *batch.request_items.as_mut().unwrap().get_mut("crm").unwrap() = vec![delete];
        } else if let Some(reads) = input.downcast_mut::<sdk::transact_get_items::TransactGetItemsInput>() {
            reads.transact_items.as_mut().unwrap()[0].get.as_mut().unwrap().key = theirs().unwrap();
        } else if let Some(writes) = input.downcast_mut::<sdk::transact_write_items::TransactWriteItemsInput>() {
            writes.transact_items.as_mut().unwrap()[0].delete.as_mut().unwrap().key = theirs().unwrap();
        } else {
            let put = sdk::put_item::PutItemInput::builder().table_name("crm");
            *input = Input::erase(put.set_item(Some(item(&contact("globex", "c-1")))).build().unwrap());
        }
    })
}

/// Puts a deletion of another tenant's item in the place of the input, whatever that is.
fn turns_into_a_deletion() -> Exchange {
    Arc::new(|input| {
        let delete = sdk::delete_item::DeleteItemInput::builder().table_name("crm");
        *input = Input::erase(delete.set_key(Some(key("globex", "c-1"))).build().unwrap());
    })
}

/// Every way to exchange an input between the check and the wire, by name.
fn seams(exchange: &Exchange) -> Vec<(&'static str, Hook)> {
    let exchanged = |exchange: &Exchange| {
        let exchange = Arc::clone(exchange);
        move |mut input: Input| {
            exchange(&mut input);
            input
        }
    };
    let (before, after, twice, kept, own, beside) = (
        exchanged(exchange),
        exchanged(exchange),
        exchanged(exchange),
        exchanged(exchange),
        exchanged(exchange),
        exchanged(exchange),
    );
    vec![
        (
            "around ours, after the check",
            around(When::ReadBeforeSerialization, move |ours, input, config| {
                ours.serialize_input(after(input), config)
            }),
        ),
        (
            "around the SDK's, before ours is there",
            around(When::BeforeSerialization, move |inner, input, config| inner.serialize_input(before(input), config)),
        ),
        (
            "ours for show, and then ours for the exchanged",
            around(When::ReadBeforeSerialization, move |ours, input, config| {
                let _ = ours.serialize_input(copy(&input), config);
                ours.serialize_input(twice(input), config)
            }),
        ),
        (
            "ours for the exchanged, and then ours for show",
            around(When::ReadBeforeSerialization, move |ours, input, config| {
                let stolen = ours.serialize_input(kept(copy(&input)), config);
                let _ = ours.serialize_input(input, config);
                stolen
            }),
        ),
        (
            "the SDK's own, and ours not at all",
            around(When::ReadBeforeSerialization, move |_, input, config| {
                let input = own(input);
                sdks_of(&input).serialize_input(input, config)
            }),
        ),
        (
            "ours for show, and the SDK's own for the exchanged",
            around(When::ReadBeforeSerialization, move |ours, input, config| {
                let _ = ours.serialize_input(copy(&input), config);
                let input = beside(input);
                sdks_of(&input).serialize_input(input, config)
            }),
        ),
    ]
}

/// `acme` and `globex`, each with an item `c-1`, and a tap before what the clients of `acme` send.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) taps: Taps,
    pub(crate) app: aws_types::SdkConfig,
    pub(crate) secret: String,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let world = World::start(&["acme", "globex"]).await;
        for tenant in ["acme", "globex"] {
            world.tenant(tenant).records::<Contact>().put(&contact(tenant, "c-1")).await.unwrap();
        }
        let (taps, app) = world.tapped().await;
        Self { world, taps, app, secret: canary() }
    }

    /// `acme` in a process of its own, with its data key in memory or without.
    pub(crate) async fn acme(&self, warm: bool) -> Tenant {
        let acme = self.world.builder().build(&self.app).unwrap().tenant(&id("acme"));
        if warm {
            acme.records::<Contact>().put(&contact("acme", "c-0")).await.unwrap();
        }
        acme
    }

    /// Neither the other tenant nor the secret has been on the wire, and the other tenant's item is untouched.
    pub(crate) async fn assert_harmless(&self, what: &str) {
        for stolen in ["globex", &self.secret] {
            assert_eq!(tap::find(&self.taps.dynamodb.sent(), stolen), None, "{what}: `{stolen}` was sent");
        }
        let theirs = self.world.tenant("globex").records::<Contact>().get("c-1").await;
        assert_eq!(theirs.unwrap(), Some(contact("globex", "c-1")), "{what}");
    }
}

/// Begins every operation with `hook`, honest but for it.
async fn each_operation(client: &Client, hook: &Hook) -> Vec<Result<(), String>> {
    let mine = || Some(key("acme", "c-1"));
    let keys = || KeysAndAttributes::builder().keys(key("acme", "c-1")).build().unwrap();
    let delete = || {
        let delete = DeleteRequest::builder().set_key(mine()).build().unwrap();
        vec![WriteRequest::builder().delete_request(delete).build()]
    };
    let get =
        || TransactGetItem::builder().get(Get::builder().table_name("crm").set_key(mine()).build().unwrap()).build();
    let remove = || {
        let delete = Delete::builder().table_name("crm").set_key(mine()).build().unwrap();
        TransactWriteItem::builder().delete(delete).build()
    };
    let mut outcomes = Vec::new();
    macro_rules! sends {
        ($($request:expr;)*) => {
            $(
                let sent = $request.customize().interceptor(hook.clone()).send();
                // The SDK panics over an input that is of another operation.
                let sent = tokio::spawn(async { sent.await.map(drop).map_err(|error| format!("{error:?}")) });
                outcomes.push(sent.await.unwrap_or_else(|panic| Err(panic.to_string())));
            )*
        };
    }
    sends! {
        client.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
        client.get_item().table_name("crm").set_key(mine());
        client.update_item().table_name("crm").set_key(mine()).update_expression("SET company = :v")
            .expression_attribute_values(":v", s("Other Ltd"));
        client.query().table_name("crm").key_condition_expression("tenant_id = :t")
            .expression_attribute_values(":t", s("acme"));
        client.scan().table_name("crm");
        client.batch_get_item().request_items("crm", keys());
        client.batch_write_item().request_items("crm", delete());
        client.transact_get_items().transact_items(get());
        client.transact_write_items().transact_items(remove());
        client.delete_item().table_name("crm").set_key(mine());
        client.list_tables();
    }
    outcomes
}

#[tokio::test]
async fn whatever_is_exchanged_at_whatever_seam_nothing_unchecked_goes_out() {
    let scene = Scene::set().await;
    for exchange in [steals(&scene.secret), turns_into_a_deletion()] {
        for (seam, hook) in seams(&exchange) {
            for warm in [false, true] {
                let acme = scene.acme(warm).await;
                each_operation(&acme.dynamodb(), &hook).await;
                scene.assert_harmless(&format!("{seam}, of one operation")).await;
            }
        }
    }
}

#[tokio::test]
async fn a_client_rebuilt_with_a_serializer_around_ours_sends_what_was_checked() {
    let scene = Scene::set().await;
    for (seam, hook) in seams(&steals(&scene.secret)) {
        let acme = scene.acme(true).await;
        let nothing = Hook::everywhere(|_| Ok(()));
        let config = acme.dynamodb().config().to_builder().interceptor(hook.clone());
        each_operation(&Client::from_conf(config.build()), &nothing).await;
        scene.assert_harmless(&format!("{seam}, of a rebuilt client")).await;

        // In another order, and without one of the two.
        let ours: Vec<_> = acme.dynamodb().config().interceptors().collect();
        let mut config = acme.dynamodb().config().to_builder();
        config.set_interceptors([]);
        let config = config.interceptor(hook.clone());
        each_operation(&Client::from_conf(config.clone().build()), &nothing).await;
        scene.assert_harmless(&format!("{seam}, of a client without our interceptor")).await;
        let mut reordered = config;
        for interceptor in ours {
            reordered.push_interceptor(interceptor);
        }
        each_operation(&Client::from_conf(reordered.build()), &nothing).await;
        scene.assert_harmless(&format!("{seam}, of a client whose interceptors are reordered")).await;
        let config = acme.dynamodb_with(Builder::from(&scene.app).interceptor(hook));
        each_operation(&config, &nothing).await;
        scene.assert_harmless(&format!("{seam}, of a client made over it")).await;
    }
}

#[tokio::test]
async fn a_serializer_around_ours_that_changes_nothing_does_no_harm() {
    let scene = Scene::set().await;
    for when in [When::BeforeSerialization, When::ReadBeforeSerialization] {
        for warm in [false, true] {
            let acme = scene.acme(warm).await;
            let honest = around(when, |inner, input, config| inner.serialize_input(input, config));
            for outcome in each_operation(&acme.dynamodb(), &honest).await {
                assert_eq!(outcome, Ok(()));
            }
        }
    }
}

#[tokio::test]
async fn what_a_serializer_around_ours_puts_in_its_place_is_sealed() {
    let scene = Scene::set().await;
    for warm in [false, true] {
        let acme = scene.acme(warm).await;
        let other = Contact { email: scene.secret.clone(), ..contact("acme", "c-2") };
        let exchanged = item(&other);
        let hook = around(When::ReadBeforeSerialization, move |ours, mut input, config| {
            input.downcast_mut::<sdk::put_item::PutItemInput>().unwrap().item = Some(exchanged.clone());
            ours.serialize_input(input, config)
        });
        let put = acme.dynamodb().put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
        put.customize().interceptor(hook).send().await.unwrap();
        scene.assert_harmless("an own item").await;
        assert_eq!(acme.records::<Contact>().get("c-2").await.unwrap(), Some(other));
    }
}

#[tokio::test]
async fn an_operation_without_items_is_serialized_by_the_sdk_alone() {
    let scene = Scene::set().await;
    let body = format!(
        r#"{{"TableName":"crm","Item":{{"tenant_id":{{"S":"globex"}},"contact_id":{{"S":"c-1"}},"email":{{"S":"{}"}}}}}}"#,
        scene.secret
    );
    for when in [When::ReadBeforeExecution, When::BeforeSerialization, When::ReadBeforeSerialization] {
        let body = body.clone();
        let hook = Hook::at(when, move |seen| {
            let (inner, body) = (sdks(sdk::list_tables::ListTables::new()), body.clone());
            let serialize: Arc<Serialize> = Arc::new(move |inner, input, config| {
                let mut request = inner.serialize_input(input, config)?;
                request.headers_mut().insert("x-amz-target", "DynamoDB_20120810.PutItem");
                request.headers_mut().insert("content-length", body.len().to_string());
                *request.body_mut() = SdkBody::from(body.clone());
                Ok(request)
            });
            seen.config.interceptor_state().store_put(SharedRequestSerializer::new(Around { inner, serialize }));
        });
        let acme = scene.acme(true).await;
        let _ = acme.dynamodb().list_tables().customize().interceptor(hook.clone()).send().await;
        let rebuilt = acme.dynamodb_with(Builder::from(&scene.app).interceptor(hook));
        let _ = rebuilt.list_tables().send().await;
        scene.assert_harmless(&format!("put in at {when:?}")).await;
    }
}

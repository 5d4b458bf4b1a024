//! Canaries in every sensitive field, through every operation and every way to fail that we know how to bring about: none is on the wire,
//! in the log or in an error.
//!
//! The operations and the errors are read from the library's source: one that is added without a scenario fails here.

use std::collections::{BTreeSet, HashMap};
use std::error::Error as StdError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::auth::DefaultAuthSchemeResolver;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Get, KeysAndAttributes, Put, PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactGetItem, TransactWriteItem, WriteRequest,
};
use aws_types::SdkConfig;
use tenantseal::schema::TableSchema;
use tenantseal::{Error, Item, Tenant};

use crate::common::wire::{Reaction, Sent, Wire};
use crate::common::{Contact, Taps, World, canary, contact, id, item, key, s, tap};
use crate::errors::{Misread, everything};
use crate::{assert_not_logged, log};

const TABLE: &str = "everything";
/// The encrypted attributes, by their types.
const TYPES: [&str; 10] = ["s", "n", "b", "bool", "null", "m", "l", "ss", "ns", "bs"];

/// What a service does, and its name.
type Fault = (&'static str, fn() -> Reaction);
type Failed = Box<dyn StdError + 'static>;
type Reactions = Arc<Mutex<HashMap<String, Box<dyn Fn() -> Reaction + Send>>>>;

/// What the library handles, in the words of its source.
fn handled() -> Vec<&'static str> {
    let list = include_str!("../../src/client/dispatch.rs").lines().filter(|line| !line.contains('$'));
    let paths = list.filter_map(|line| line.split_once(" answers as "));
    paths.map(|(_, path)| path.trim_end_matches(';').rsplit("::").next().unwrap()).collect()
}

/// The variants of an enum, in the words of its source.
fn variants(source: &'static str, name: &str) -> Vec<&'static str> {
    let body = source.split_once(&format!("pub enum {name} {{\n")).unwrap().1.split_once("\n}\n").unwrap().0;
    let names = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = names.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    names.map(|line| line.split(|next: char| !next.is_ascii_alphanumeric()).next().unwrap()).collect()
}

/// `acme` on the local stack, behind taps and a wire that can be told to fail.
struct Scene {
    world: World,
    taps: Taps,
    app: SdkConfig,
    reactions: Reactions,
    /// A text, and one of digits for numbers.
    canaries: [String; 2],
    /// What each failure showed, with its scenario.
    shown: Vec<(String, String)>,
    /// The words in the errors of this library.
    words: BTreeSet<String>,
}

impl Scene {
    async fn set() -> Self {
        log();
        let world = World::start(&["acme", "globex"]).await;
        world.create_table(TABLE).await;
        let (taps, app) = world.tapped().await;
        let reactions = Reactions::default();
        let told = Arc::clone(&reactions);
        let wire = Wire::scripted(move |sent: &Sent, _| {
            told.lock().unwrap().get(&sent.operation).map_or(Reaction::Forward, |reaction| reaction())
        });
        let app = app.into_builder().http_client(wire).retry_config(RetryConfig::disabled()).build();
        let text = canary();
        // No zero at the end, which a number would lose.
        let digits = text.chars().filter(char::is_ascii_digit).chain(['7'; 20]).take(30);
        let digits = format!("8{}9", digits.collect::<String>());
        Self { world, taps, app, reactions, canaries: [text, digits], shown: Vec::new(), words: BTreeSet::new() }
    }

    fn builder(&self) -> tenantseal::TenantSealBuilder {
        let schema = |table: &str| {
            let schema = TableSchema::builder(table).partition_key("tenant_id", "{tenant}").sort_key("contact_id");
            TYPES.iter().fold(schema.plain("company"), |schema, name| schema.encrypt(*name)).build().unwrap()
        };
        self.world.builder().record::<Misread>().table(schema(TABLE)).table(schema("missing"))
    }

    /// A tenant whose keys are not in any cache.
    fn cold(&self, tenant: &str) -> Tenant {
        self.builder().build(&self.app).unwrap().tenant(&id(tenant))
    }

    /// Values of all types, each a canary as far as the type allows.
    fn values(&self) -> Item {
        let [text, digits] = &self.canaries;
        let list = || AttributeValue::L(vec![s(text), AttributeValue::N(digits.clone())]);
        let map = HashMap::from([
            (text.clone(), list()),
            ("m".to_owned(), AttributeValue::M([(text.clone(), s(text))].into())),
        ]);
        let values = [
            s(text),
            AttributeValue::N(digits.clone()),
            AttributeValue::B(Blob::new(text.clone())),
            AttributeValue::Bool(true),
            AttributeValue::Null(true),
            AttributeValue::M(map),
            list(),
            AttributeValue::Ss(vec![text.clone()]),
            AttributeValue::Ns(vec![digits.clone()]),
            AttributeValue::Bs(vec![Blob::new(text.clone())]),
        ];
        TYPES.map(str::to_owned).into_iter().zip(values).collect()
    }

    fn item(&self) -> Item {
        self.values().into_iter().chain(key("acme", "c-1")).chain([("company".to_owned(), s("x"))]).collect()
    }

    fn contact(&self) -> Contact {
        let [text, _] = &self.canaries;
        let api_keys = HashMap::from([(text.clone(), text.clone())]);
        Contact { email: text.clone(), notes: Some(text.clone()), api_keys, ..contact("acme", "c-1") }
    }

    fn react(&self, operation: &str, reaction: impl Fn() -> Reaction + Send + 'static) {
        self.reactions.lock().unwrap().insert(operation.to_owned(), Box::new(reaction));
    }

    fn behave(&self) {
        self.reactions.lock().unwrap().clear();
        self.world.stack.faults().clear();
    }

    /// Keeps what an error shows: all of it, unless the caller asked DynamoDB's error to carry the item.
    fn fails<T: std::fmt::Debug>(&mut self, scenario: &str, result: Result<T, impl Into<Failed>>) {
        let error: Failed = match result {
            Ok(_) => panic!("{scenario}: it did not fail"),
            Err(error) => error.into(),
        };
        let ours = Error::of(&*error);
        self.words.extend(ours.iter().flat_map(|error| words(&format!("{error:?}"))));
        let mut shown = displays(&*error);
        if ours.is_some() || !scenario.contains("with its item") {
            shown.push_str(&everything(&*error));
        }
        self.shown.push((scenario.to_owned(), shown));
    }

    fn assert_covered(&self, source: &'static str, name: &str, unreachable: &[&str]) {
        let without: Vec<_> = variants(source, name).into_iter().filter(|name| !self.words.contains(*name)).collect();
        assert_eq!(without, unreachable, "these of {name} have no scenario");
    }

    fn assert_unseen(&self) {
        for canary in &self.canaries {
            for (scenario, shown) in &self.shown {
                assert_eq!(tap::find(shown.as_bytes(), canary), None, "{scenario}: {shown}");
            }
            for (service, tap) in [("DynamoDB", &self.taps.dynamodb), ("KMS", &self.taps.kms), ("STS", &self.taps.sts)]
            {
                assert_eq!(tap::find(&tap.sent(), canary), None, "sent to {service}");
                assert_eq!(tap::find(&tap.answered(), canary), None, "answered by {service}");
            }
            assert_not_logged(canary);
        }
    }
}

/// An audit that is not kept.
struct Unaccounted;

impl tenantseal::audit::AuditSink for Unaccounted {
    fn used(&self, _: &tenantseal::audit::KeyUse<'_>) {
        panic!("the trail is full");
    }
}

/// The names in the `Debug` of an error.
fn words(debug: &str) -> Vec<String> {
    let words = debug.split(|next: char| !next.is_ascii_alphanumeric());
    words.filter(|word| word.starts_with(|first: char| first.is_ascii_uppercase())).map(str::to_owned).collect()
}

/// `Display` of an error and its causes.
fn displays(error: &(dyn StdError + 'static)) -> String {
    let cause = error.source().map(displays);
    format!("{error}\n{}", cause.unwrap_or_default())
}

/// One call of each operation with `item`. Gives the items that came back.
async fn call(operation: &str, dynamodb: &Client, item: &Item) -> Result<Vec<Item>, Failed> {
    let own = || Some(key("acme", "c-1"));
    Ok(match operation {
        "PutItem" => {
            let put = dynamodb.put_item().table_name(TABLE).set_item(Some(item.clone()));
            Vec::from_iter(put.return_values(ReturnValue::AllOld).send().await?.attributes)
        }
        "GetItem" => Vec::from_iter(dynamodb.get_item().table_name(TABLE).set_key(own()).send().await?.item),
        "UpdateItem" => {
            let actions = TYPES.map(|name| format!("#{name} = :{name}"));
            let mut update = dynamodb.update_item().table_name(TABLE).set_key(own());
            for name in TYPES {
                update = update.expression_attribute_names(format!("#{name}"), name);
                update = update.expression_attribute_values(format!(":{name}"), item[name].clone());
            }
            let update = update.update_expression(format!("SET {}", actions.join(", ")));
            Vec::from_iter(update.return_values(ReturnValue::AllNew).send().await?.attributes)
        }
        "DeleteItem" => {
            let delete = dynamodb.delete_item().table_name(TABLE).set_key(own());
            Vec::from_iter(delete.return_values(ReturnValue::AllOld).send().await?.attributes)
        }
        "Query" => {
            let query = dynamodb.query().table_name(TABLE).key_condition_expression("tenant_id = :t");
            query.expression_attribute_values(":t", s("acme")).send().await?.items.unwrap_or_default()
        }
        "Scan" => dynamodb.scan().table_name(TABLE).send().await?.items.unwrap_or_default(),
        "BatchGetItem" => {
            let keys = KeysAndAttributes::builder().keys(key("acme", "c-1")).build()?;
            let found = dynamodb.batch_get_item().request_items(TABLE, keys).send().await?;
            found.responses.unwrap_or_default().remove(TABLE).unwrap_or_default()
        }
        "BatchWriteItem" => {
            let put = PutRequest::builder().set_item(Some(item.clone())).build()?;
            let writes = vec![WriteRequest::builder().put_request(put).build()];
            let answer = dynamodb.batch_write_item().request_items(TABLE, writes).send().await?;
            let unprocessed = answer.unprocessed_items.unwrap_or_default().remove(TABLE).unwrap_or_default();
            unprocessed.into_iter().filter_map(|write| Some(write.put_request?.item)).collect()
        }
        "TransactGetItems" => {
            let get = Get::builder().table_name(TABLE).set_key(own()).build()?;
            let get = dynamodb.transact_get_items().transact_items(TransactGetItem::builder().get(get).build());
            get.send().await?.responses.unwrap_or_default().into_iter().filter_map(|found| found.item).collect()
        }
        "TransactWriteItems" => {
            let token = canary().replace("canary-", "");
            transact(dynamodb, item, &token).await?;
            Vec::new()
        }
        unknown => panic!("{unknown} has no scenario"),
    })
}

async fn transact(dynamodb: &Client, item: &Item, token: &str) -> Result<(), Failed> {
    let put = Put::builder().table_name(TABLE).set_item(Some(item.clone())).build()?;
    let write = dynamodb.transact_write_items().client_request_token(token);
    write.transact_items(TransactWriteItem::builder().put(put).build()).send().await?;
    Ok(())
}

fn service_error(code: &str) -> String {
    format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"no"}}"#)
}

#[tokio::test]
async fn no_operation_shows_a_canary_when_it_succeeds_or_its_service_fails() {
    let mut scene = Scene::set().await;
    let (acme, item) = (scene.cold("acme"), scene.item());
    let dynamodb = acme.dynamodb();
    for operation in handled() {
        call("PutItem", &dynamodb, &item).await.unwrap();
        for dynamodb in [&dynamodb, &scene.cold("acme").dynamodb()] {
            for opened in call(operation, dynamodb, &item).await.unwrap() {
                assert_eq!(opened, item, "{operation}");
            }
        }
        call("PutItem", &dynamodb, &item).await.unwrap();
        for (status, code) in [
            (400, "ValidationException"),
            (400, "ResourceNotFoundException"),
            (400, "ProvisionedThroughputExceededException"),
            (400, "ThrottlingException"),
            (400, "RequestLimitExceeded"),
            (400, "AccessDeniedException"),
            (400, "ConditionalCheckFailedException"),
            (400, "TransactionCanceledException"),
            (400, "TransactionConflictException"),
            (400, "IdempotentParameterMismatchException"),
            (400, "ItemCollectionSizeLimitExceededException"),
            (500, "InternalServerError"),
        ] {
            scene.react(operation, move || Reaction::Answer(status, service_error(code)));
            let result = call(operation, &dynamodb, &item).await;
            scene.fails(&format!("{operation}: {code}"), result);
        }
        let faults: [Fault; 5] = [
            ("no JSON", || Reaction::Answer(200, "<html>".to_owned())),
            ("an error that is no JSON", || Reaction::Answer(500, "<html>".to_owned())),
            ("half an answer", || Reaction::Alter(Box::new(|body| body[..body.len() / 2].to_owned()))),
            ("a broken connection", || Reaction::Break),
            ("no answer", || Reaction::Hang),
        ];
        for (fault, reaction) in faults {
            scene.react(operation, reaction);
            let limit = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(300)).build();
            let hasty = acme.dynamodb_with(Builder::from(&scene.app).timeout_config(limit));
            scene.fails(&format!("{operation}: {fault}"), call(operation, &hasty, &item).await);
        }
        scene.behave();
    }
    scene.assert_unseen();
}

#[tokio::test]
async fn no_failure_of_keys_shows_a_canary() {
    let mut scene = Scene::set().await;
    let item = scene.item();
    call("PutItem", &scene.cold("acme").dynamodb(), &item).await.unwrap();
    for (service, operation) in [("GenerateDataKey", "PutItem"), ("Decrypt", "GetItem"), ("AssumeRole", "UpdateItem")] {
        for (status, code) in [
            (400, "ThrottlingException"),
            (400, "AccessDeniedException"),
            (400, "DisabledException"),
            (400, "NotFoundException"),
            (400, "IncorrectKeyException"),
            (400, "InvalidCiphertextException"),
            (400, "LimitExceededException"),
            (403, "ExpiredTokenException"),
            (400, "SomethingElse"),
            (500, "KMSInternalException"),
        ] {
            scene.world.stack.faults().on(service).fail(code, status);
            let result = call(operation, &scene.cold("acme").dynamodb(), &item).await;
            scene.fails(&format!("{service}: {code}"), result);
            scene.behave();
        }
        let faults: [Fault; 4] = [
            ("no JSON and no XML", || Reaction::Answer(200, "garbage".to_owned())),
            ("half an answer", || Reaction::Alter(Box::new(|body| body[..body.len() / 2].to_owned()))),
            ("another key", || Reaction::Alter(Box::new(|body| body.replace(":key/", ":key/0")))),
            ("a broken connection", || Reaction::Break),
        ];
        for (fault, reaction) in faults {
            // STS names no key, and any key may make the first data key.
            if service == "Decrypt" || fault != "another key" {
                scene.react(service, reaction);
                let result = call(operation, &scene.cold("acme").dynamodb(), &item).await;
                scene.fails(&format!("{service}: {fault}"), result);
                scene.behave();
            }
        }
        scene.react(service, || Reaction::Hang);
        let limit = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(300)).build();
        let hasty = scene.cold("acme").dynamodb_with(Builder::from(&scene.app).timeout_config(limit));
        scene.fails(&format!("{service}: no answer"), call(operation, &hasty, &item).await);
        scene.behave();
    }
    scene.assert_covered(include_str!("../../src/keys/service.rs"), "KeyServiceErrorKind", &[]);
    scene.assert_unseen();
}

#[tokio::test]
async fn no_item_that_does_not_open_shows_a_canary() {
    let mut scene = Scene::set().await;
    let item = scene.item();
    let acme = scene.cold("acme");
    let dynamodb = acme.dynamodb();
    let globex = scene.cold("globex").dynamodb();
    let theirs: Item = item.clone().into_iter().chain(key("globex", "c-1")).collect();
    globex.put_item().table_name(TABLE).set_item(Some(theirs)).send().await.unwrap();
    call("PutItem", &dynamodb, &item).await.unwrap();
    let plain = scene.world.plain.clone();
    let stored = |tenant: &'static str| {
        let get = plain.get_item().table_name(TABLE).set_key(Some(key(tenant, "c-1"))).send();
        async { get.await.unwrap().item.unwrap() }
    };
    let (good, foreign) = (stored("acme").await, stored("globex").await);
    let changed = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good[name].as_b().unwrap().as_ref().to_vec();
        change(&mut bytes);
        AttributeValue::B(Blob::new(bytes))
    };
    let forged: Vec<(&str, &str, Option<AttributeValue>)> = vec![
        ("not sealed", "s", Some(AttributeValue::N("7".to_owned()))),
        ("no header", "_seal", None),
        ("a foreign header", "_seal", Some(foreign["_seal"].clone())),
        ("a foreign value", "s", Some(foreign["s"].clone())),
        ("a moved value", "s", Some(good["n"].clone())),
        ("a flipped bit", "s", Some(changed("s", &|bytes| *bytes.last_mut().unwrap() ^= 1))),
        ("too short", "s", Some(changed("s", &|bytes| bytes.truncate(7)))),
        ("an unknown form", "s", Some(changed("s", &|bytes| bytes[0] = 0x77))),
        ("an unknown record", "_seal", Some(changed("_seal", &|bytes| bytes[0] = 0x77))),
        ("a forged record", "_seal", Some(changed("_seal", &|bytes| bytes[1] ^= 1))),
        ("a longer record", "_seal", Some(changed("_seal", &|bytes| bytes.push(0)))),
        ("a wrapped key that is corrupt", "_seal", Some(changed("_seal", &|bytes| *bytes.last_mut().unwrap() ^= 1))),
    ];
    for (what, name, value) in forged {
        let mut damaged = good.clone();
        damaged.remove(name);
        damaged.extend(value.map(|value| (name.to_owned(), value)));
        for operation in handled() {
            plain.put_item().table_name(TABLE).set_item(Some(damaged.clone())).send().await.unwrap();
            match (operation, call(operation, &scene.cold("acme").dynamodb(), &item).await) {
                (_, Err(error)) => scene.fails::<()>(&format!("{operation}: {what}"), Err(error)),
                // What is written is not what was there; an update leaves nothing encrypted that relied on the header.
                ("BatchWriteItem" | "TransactWriteItems" | "UpdateItem", Ok(_)) => {}
                (_, Ok(_)) => panic!("{operation}: {what} did not fail"),
            }
        }
    }
    plain.put_item().table_name(TABLE).set_item(Some(good.clone())).send().await.unwrap();
    scene.world.stack.faults().on("Decrypt").fail("IncorrectKeyException", 400);
    let result = call("GetItem", &scene.cold("acme").dynamodb(), &item).await;
    scene.fails("a re-pointed alias", result);
    scene.behave();
    // DynamoDB's part is played by someone who answers with another item.
    let other =
        scene.world.plain.get_item().table_name(TABLE).set_key(Some(key("globex", "c-1"))).send().await.unwrap();
    assert!(other.item.is_some());
    for (tenant, contact) in [("globex", "c-1"), ("acme", "c-2")] {
        let own = format!(r#""contact_id":{{"S":"{contact}"}}"#);
        let alter = move |body: String| {
            body.replace(r#""contact_id":{"S":"c-1"}"#, &own)
                .replace(r#"{"S":"acme"}"#, &format!(r#"{{"S":"{tenant}"}}"#))
        };
        scene.react("GetItem", move || Reaction::Alter(Box::new(alter.clone())));
        let result = call("GetItem", &dynamodb, &item).await;
        scene.fails(&format!("the item {tenant} {contact} in the place of another"), result);
    }
    scene.behave();
    // The index that does not project the header: played as well.
    let strip = |body: String| body.replace("\"_seal\"", "\"_other\"");
    scene.react("Query", move || Reaction::Alter(Box::new(strip)));
    let query = dynamodb.query().table_name(TABLE).index_name("by-company").key_condition_expression("company = :c");
    scene.fails("an index without headers", query.expression_attribute_values(":c", s("x")).send().await);
    scene.behave();
    let source = include_str!("../../src/item/open.rs");
    scene.assert_covered(source, "OpenError", &[]);
    scene.assert_covered(source, "OpenFault", &[]);
    scene.assert_unseen();
}

#[tokio::test]
async fn no_error_of_dynamodbs_own_shows_a_canary() {
    let mut scene = Scene::set().await;
    let (acme, item) = (scene.cold("acme"), scene.item());
    let dynamodb = acme.dynamodb();
    call("PutItem", &dynamodb, &item).await.unwrap();
    let own = || Some(key("acme", "c-1"));
    for shown in [ReturnValuesOnConditionCheckFailure::None, ReturnValuesOnConditionCheckFailure::AllOld] {
        let with = if shown == ReturnValuesOnConditionCheckFailure::AllOld { " with its item" } else { "" };
        let put = dynamodb.put_item().table_name(TABLE).set_item(Some(item.clone()));
        let put = put.condition_expression("attribute_not_exists(#s)").expression_attribute_names("#s", "s");
        let put = put.return_values_on_condition_check_failure(shown.clone()).send().await;
        scene.fails(&format!("PutItem: a condition{with}"), put);
        let update = dynamodb.update_item().table_name(TABLE).set_key(own()).update_expression("SET #s = :v");
        let update = update.expression_attribute_names("#s", "s").expression_attribute_values(":v", item["s"].clone());
        let update = update.condition_expression("attribute_not_exists(#s)");
        let update = update.return_values_on_condition_check_failure(shown.clone()).send().await;
        scene.fails(&format!("UpdateItem: a condition{with}"), update);
        let delete = dynamodb.delete_item().table_name(TABLE).set_key(own());
        let delete = delete.condition_expression("attribute_not_exists(#s)").expression_attribute_names("#s", "s");
        let delete = delete.return_values_on_condition_check_failure(shown.clone()).send().await;
        scene.fails(&format!("DeleteItem: a condition{with}"), delete);
        let delete =
            Delete::builder().table_name(TABLE).set_key(own()).condition_expression("attribute_not_exists(#s)");
        let delete = delete.expression_attribute_names("#s", "s").return_values_on_condition_check_failure(shown);
        let delete = TransactWriteItem::builder().delete(delete.build().unwrap()).build();
        let cancelled = dynamodb.transact_write_items().transact_items(delete).send().await;
        scene.fails(&format!("TransactWriteItems: a condition{with}"), cancelled);
    }
    transact(&dynamodb, &item, "a token").await.unwrap();
    let other = item.clone().into_iter().chain([("company".to_owned(), s("y"))]).collect();
    let mismatch = transact(&dynamodb, &other, "a token").await;
    scene.fails("TransactWriteItems: the token of another request", mismatch);
    let missing = dynamodb.put_item().table_name("missing").set_item(Some(item.clone())).send().await;
    scene.fails("PutItem: no such table", missing);
    let records = acme.records::<Contact>();
    records.put(&scene.contact()).await.unwrap();
    let result = records.put(&scene.contact()).if_not_exists().await;
    scene.fails("the repository: a condition", result);
    let shown = ReturnValuesOnConditionCheckFailure::AllOld;
    let contact = scene.contact();
    let put = records.put(&contact).if_not_exists();
    let put = put.customize(move |put| put.return_values_on_condition_check_failure(shown)).await;
    scene.fails("the repository: a condition, and DynamoDB's error has the item", put);
    scene.assert_unseen();
}

#[tokio::test]
async fn no_refusal_shows_a_canary() {
    let mut scene = Scene::set().await;
    let acme = scene.cold("acme");
    let dynamodb = acme.dynamodb();
    let records = acme.records::<Contact>();
    records.put(&scene.contact()).await.unwrap();
    let [text, digits] = scene.canaries.clone();
    let secret = || s(&text);
    let put = || dynamodb.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
    let get = || dynamodb.get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    let query = || dynamodb.query().table_name("crm").expression_attribute_values(":t", s("acme"));

    // Refusal
    scene.fails("unknown table", put().table_name("unknown").item("email", secret()).send().await);
    let keys = KeysAndAttributes::builder().keys(key("acme", &text)).build().unwrap();
    scene.fails("no table", dynamodb.batch_get_item().request_items("", keys).send().await);
    scene.fails("no record table", acme.records::<Tableless>().put(&Tableless::of(&text)).await);
    let statement = dynamodb.execute_statement().statement(format!("INSERT INTO crm VALUE {{'email': '{text}'}}"));
    scene.fails("unsupported", statement.parameters(secret()).send().await);
    scene.fails("legacy", get().attributes_to_get(&text).send().await);
    scene.fails("missing", dynamodb.query().table_name("crm").expression_attribute_values(":t", secret()).send().await);
    let token = dynamodb.transact_write_items().client_request_token("x".repeat(37));
    scene.fails("token", token.send().await);
    let action = dynamodb.transact_write_items().transact_items(TransactWriteItem::builder().build());
    scene.fails("action", action.send().await);
    scene.fails("empty", put().set_expression_attribute_values(Some(HashMap::new())).send().await);
    scene.fails("unused value", put().expression_attribute_values(":v", secret()).send().await);
    let undefined = put().item("email", secret()).condition_expression("company = :v");
    scene.fails("undefined value", undefined.send().await);
    scene.fails("not one tenant", query().key_condition_expression("contact_id = :t").send().await);
    scene.fails("key parts", records.get(("a", text.as_str())).await);
    // PrimaryKeyError
    let keyless = item(&scene.contact()).into_iter().filter(|(name, _)| name != "contact_id").collect();
    scene.fails("missing key", dynamodb.put_item().table_name("crm").set_item(Some(keyless)).send().await);
    scene.fails("foreign tenant", put().item("tenant_id", secret()).send().await);
    scene.fails("invalid key", put().item("contact_id", AttributeValue::Ss(vec![text.clone()])).send().await);
    scene.fails("superfluous", get().key("email", secret()).send().await);
    // SealError
    scene.fails("undeclared", put().item("undeclared", secret()).send().await);
    scene.fails("reserved", put().item("_seal_x", secret()).send().await);
    for value in [
        AttributeValue::N(text.clone()),
        AttributeValue::N(format!("{digits}{digits}")),
        AttributeValue::Ss(vec![text.clone(), text.clone()]),
        AttributeValue::Ns(vec![digits.clone(), digits.clone()]),
        AttributeValue::M([(String::new(), secret())].into()),
        AttributeValue::L(vec![AttributeValue::Null(false), secret()]),
        (0..40).fold(secret(), |inner, _| AttributeValue::L(vec![inner])),
    ] {
        scene.fails("value", put().item("notes", value).send().await);
    }
    // ExpressionError
    let nested = format!("{}email = :v{}", "(NOT ".repeat(400), ")".repeat(400));
    let many = vec!["#c=:v"; 302].join(" OR ");
    let operands = vec![":v"; 102].join(", ");
    for expression in [
        format!("email = '{text}'"),
        format!("email = {digits}"),
        format!("company = :v OR {text}"),
        "x".repeat(4_097),
        nested,
        many,
        format!("company IN ({operands})"),
        "((company = :v))".to_owned(),
        "name = :v".to_owned(),
        "_company = :v".to_owned(),
        "unheard(company, :v)".to_owned(),
        "CONTAINS(company, :v)".to_owned(),
        "#undefined = :v".to_owned(),
        "#seal = :v".to_owned(),
        "undeclared = :v".to_owned(),
        "api_keys.mail = :v".to_owned(),
        "email = :v".to_owned(),
    ] {
        let names = [("#seal", "_seal"), ("#c", "company")].into_iter().find(|(name, _)| expression.contains(name));
        let names = names.map(|(name, attribute)| HashMap::from([(name.to_owned(), attribute.to_owned())]));
        let put = put().condition_expression(expression).expression_attribute_values(":v", secret());
        scene.fails("condition", put.set_expression_attribute_names(names).send().await);
    }
    for expression in ["SET email = :v SET company = :v", "SET company = :v, company = :v", "ADD email :v"] {
        let update = dynamodb.update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
        let update = update.update_expression(expression).expression_attribute_values(":v", secret());
        scene.fails("update", update.send().await);
    }
    for condition in
        ["tenant_id = :t AND email = :v", "tenant_id = :t OR contact_id = :v", "tenant_id = :t AND tenant_id = :v"]
    {
        let query = query().key_condition_expression(condition).expression_attribute_values(":v", secret());
        scene.fails("key condition", query.send().await);
    }
    let long = format!("email, company.{}", "a".repeat(4_075));
    scene.fails("too long with what is added", get().projection_expression(long).send().await);
    // Error
    scene.fails("a record", acme.records::<Misread>().get("c-1").await);
    scene.fails("bound twice", {
        let twice = acme.dynamodb_with(dynamodb.config().to_builder());
        twice.put_item().table_name("crm").set_item(Some(item(&scene.contact()))).send().await
    });
    let over = aws_sdk_dynamodb::config::Config::builder().auth_scheme_resolver(DefaultAuthSchemeResolver::default());
    let replaced = put().item("email", secret()).customize().config_override(over).send().await;
    scene.fails("a replaced resolver", replaced);
    let index = dynamodb.query().table_name("crm").index_name("by-company-and-tenant");
    let index = index.key_condition_expression("company = :c").expression_attribute_values(":c", s("Example Ltd"));
    scene.fails("the tenant in an index", index.send().await);
    let unaccounted = scene.builder().audit(Arc::new(Unaccounted)).build(&scene.app).unwrap();
    let put = call("PutItem", &unaccounted.tenant(&id("acme")).dynamodb(), &scene.item()).await;
    scene.fails("an audit that panics", put);
    scene.react("GetItem", || Reaction::Answer(400, service_error("ValidationException")));
    scene.fails("DynamoDB", records.get("c-1").await);
    scene.behave();
    call("PutItem", &dynamodb, &scene.item()).await.unwrap();
    scene.react("GetItem", || Reaction::Alter(Box::new(|body| body.replace("\"_seal\"", "\"_other\""))));
    let result = call("GetItem", &dynamodb, &scene.item()).await;
    scene.fails("open", result);
    scene.behave();
    scene.world.stack.faults().on("AssumeRole").fail("AccessDenied", 403);
    let result = call("GetItem", &scene.cold("acme").dynamodb(), &scene.item()).await;
    scene.fails("key", result);
    scene.behave();

    let source = include_str!("../../src/error.rs");
    scene.assert_covered(source, "Error", &[]);
    // There is no operation that the SDK has and neither list knows.
    scene.assert_covered(source, "Refusal", &["UnknownOperation"]);
    scene.assert_covered(include_str!("../../src/item.rs"), "PrimaryKeyError", &[]);
    // The operating system's generator does not fail at a test's wish.
    scene.assert_covered(include_str!("../../src/item/seal.rs"), "SealError", &["Random"]);
    // No expression brings it about: what is inside is refused as the attribute itself.
    scene.assert_covered(include_str!("../../src/expression/error.rs"), "ExpressionError", &["InsideEncrypted"]);
    scene.assert_unseen();
}

/// A record that was meant to be flattened into another.
#[derive(Debug, serde::Serialize, serde::Deserialize, tenantseal::Record)]
struct Tableless {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt)]
    email: String,
}

impl Tableless {
    fn of(secret: &str) -> Self {
        Self { tenant_id: "acme".to_owned(), email: secret.to_owned() }
    }
}

#[tokio::test]
async fn the_plain_client_through_the_same_tap_and_log_is_found_out() {
    let scene = Scene::set().await;
    let plain = Client::new(&scene.app);
    for operation in handled() {
        call("PutItem", &plain, &scene.item()).await.unwrap();
        call(operation, &plain, &scene.item()).await.unwrap();
    }
    for canary in &scene.canaries {
        assert!(tap::find(&scene.taps.dynamodb.sent(), canary).is_some());
        assert!(tap::find(&scene.taps.dynamodb.answered(), canary).is_some());
        assert!(!crate::logged(canary).is_empty());
    }
    assert_eq!(handled().len(), 10);
    assert_eq!(
        variants("pub enum E {\n    /// A.\n    A,\n    B(u8),\n    C {\n        x: u8,\n    },\n}\n", "E"),
        ["A", "B", "C"]
    );
}

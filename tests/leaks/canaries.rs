//! Canaries in every sensitive field, through every operation and every way to fail that we know how to bring about: none is on the wire,
//! in the log or in an error.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use futures_util::future::join_all;
use tenantseal::{Item, Tenant};

use crate::common::key_table::NOT_RECOVERABLE;
use crate::common::wire::Reaction;
use crate::common::{Contact, id, key, s, tap};
use crate::repository::Person;
use crate::scene::{Scene, TABLE, call, handled, service_error, transact, variants};

/// What a service does, and its name.
type Fault = (&'static str, fn() -> Reaction);

/// The operations that open an item and write nothing.
const READS: [&str; 6] = ["GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems", "SearchVectors"];

/// What comes back is the item, and of a read it does come back.
fn assert_opened(operation: &str, opened: &[Item], item: &Item) {
    assert!(opened.iter().all(|opened| opened == item), "{operation}");
    assert!(!READS.contains(&operation) || opened.len() == 1, "{operation}");
}

#[tokio::test]
async fn no_operation_shows_a_canary_when_it_succeeds_or_its_service_fails() {
    let mut scene = Scene::set().await;
    let (acme, item) = (scene.cold("acme"), scene.item());
    let dynamodb = acme.dynamodb();
    for operation in handled() {
        call("PutItem", &dynamodb, &item).await.unwrap();
        for dynamodb in [&dynamodb, &scene.cold("acme").dynamodb()] {
            assert_opened(operation, &call(operation, dynamodb, &item).await.unwrap(), &item);
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
    too_many_forged_items(&mut scene).await;
    a_contradiction(&mut scene).await;
    a_former_key(&mut scene).await;
    scene.assert_covered(include_str!("../../core/src/keys/service/error.rs"), "KeyServiceErrorKind", &[]);
    scene.assert_unseen();
}

/// More forged wrapped keys than a process puts up with for one tenant.
async fn too_many_forged_items(scene: &mut Scene) {
    let (acme, item) = (scene.cold("acme"), scene.item());
    let stored = acme.seal(TABLE, item.clone()).await.unwrap();
    let forged = |number: u32| {
        let mut header = stored["_seal"].as_b().unwrap().as_ref().to_vec();
        let end = header.len() - 4;
        header[end..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, change)| *byte ^= change);
        let header = ("_seal".to_owned(), AttributeValue::B(Blob::new(header)));
        stored.clone().into_iter().chain([header]).collect::<Item>()
    };
    let reader = scene.cold("acme");
    for result in join_all((1..400).map(|number| reader.open(TABLE, forged(number)))).await {
        scene.fails("one of many forged items", result);
    }
}

/// KMS refuses an item's data key, and confirms the tenant's key each time.
async fn a_contradiction(scene: &mut Scene) {
    let (reader, item) = (scene.cold("acme"), scene.item());
    reader.seal(TABLE, item.clone()).await.unwrap();
    let calls = AtomicUsize::new(0);
    let every_other = scene.world.stack.faults().on("Decrypt");
    every_other.when(move |_| calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2)).fail("DisabledException", 409);
    let result = call("GetItem", &reader.dynamodb(), &item).await;
    scene.fails("a contradiction", result);
    scene.behave();
}

/// An item under a key that the tenant's alias no longer points to: without an alias of its own, then disabled.
async fn a_former_key(scene: &mut Scene) {
    let (item, admin, alias) = (scene.item(), scene.world.admin.clone(), scene.world.tenancy.alias(&id("acme")));
    let former = admin.describe_key().key_id(alias.as_str()).send().await.unwrap().key_metadata.unwrap().key_id;
    let policy = scene.world.tenancy.key_policy(&id("acme")).unwrap().to_string();
    let key = admin.create_key().policy(policy).send().await.unwrap().key_metadata.unwrap();
    admin.update_alias().alias_name(alias.as_str()).target_key_id(key.key_id).send().await.unwrap();
    for operation in READS {
        let result = call(operation, &scene.cold("acme").dynamodb(), &item).await;
        scene.fails(&format!("{operation}: a former key without an alias"), result);
    }
    let own = alias.for_key(&former);
    admin.create_alias().alias_name(own.as_str()).target_key_id(&former).send().await.unwrap();
    call("GetItem", &scene.cold("acme").dynamodb(), &item).await.unwrap();
    admin.disable_key().key_id(former).send().await.unwrap();
    for operation in READS {
        let result = call(operation, &scene.cold("acme").dynamodb(), &item).await;
        scene.fails(&format!("{operation}: a former key that is disabled"), result);
    }
}

#[tokio::test]
async fn no_failure_of_the_key_table_shows_a_canary() {
    let mut scene = Scene::set().await;
    scene.create_key_table().await;
    let item = scene.item();
    // A batch of writes itself sends none of these; nor does a query, which reads the key table by GetItem.
    let pairs = ["DescribeTable", "DescribeContinuousBackups", "GetItem", "PutItem"].map(|to| (to, "BatchWriteItem"));
    for (to_key_table, operation) in pairs.into_iter().chain([("GetItem", "Query")]) {
        if operation == "Query" {
            call("PutItem", &scene.compact("acme").dynamodb(), &item).await.unwrap();
        }
        for (status, code) in [
            (400, "ThrottlingException"),
            (400, "ResourceNotFoundException"),
            (400, "AccessDeniedException"),
            (400, "ExpiredTokenException"),
            (400, "ValidationException"),
            (500, "InternalServerError"),
        ] {
            scene.react(to_key_table, move || Reaction::Answer(status, service_error(code)));
            let result = call(operation, &scene.compact("acme").dynamodb(), &item).await;
            scene.fails(&format!("{operation}: {to_key_table} of the key table: {code}"), result);
        }
        let faults: [Fault; 2] =
            [("no JSON", || Reaction::Answer(200, "<html>".to_owned())), ("a broken connection", || Reaction::Break)];
        for (fault, reaction) in faults {
            scene.react(to_key_table, reaction);
            let result = call(operation, &scene.compact("acme").dynamodb(), &item).await;
            scene.fails(&format!("{operation}: {to_key_table} of the key table: {fault}"), result);
        }
        scene.behave();
    }
    let checks: [(&str, Fault); 2] = [
        ("DescribeTable", ("other keys", || Reaction::Alter(Box::new(|body| body.replace("\"entry\"", "\"other\""))))),
        ("DescribeContinuousBackups", ("no recovery", || Reaction::Answer(200, NOT_RECOVERABLE.to_owned()))),
    ];
    for (to_key_table, (fault, reaction)) in checks {
        scene.react(to_key_table, reaction);
        let result = call("PutItem", &scene.compact("acme").dynamodb(), &item).await;
        scene.fails(fault, result);
        scene.behave();
    }
    // The header of an item that nobody damaged is a reference, and all operations go on with it.
    for operation in handled() {
        call("PutItem", &scene.compact("acme").dynamodb(), &item).await.unwrap();
        let get = scene.world.plain.get_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
        assert_eq!(get.send().await.unwrap().item.unwrap()["_seal"].as_b().unwrap().as_ref().len(), 17);
        let opened = call(operation, &scene.compact("acme").dynamodb(), &item).await.unwrap();
        assert_opened(operation, &opened, &item);
    }
    crate::lookups::refuse_keys(&mut scene).await;
    for (tenant, pointer, _) in scene.world.entries("current#").await {
        scene.world.plant_entry(&tenant, &pointer, s("forged")).await;
    }
    let result = call("PutItem", &scene.compact("acme").dynamodb(), &item).await;
    scene.fails("a forged pointer", result);
    // They take two lookup keys of one tenant, which core's tests make. Both name the tenant and a number.
    let without = ["LookupKeyChanged", "TwoLookupKeys"];
    scene.assert_covered(include_str!("../../core/src/keys/table/error.rs"), "KeyTableErrorKind", &without);
    scene.assert_unseen();
}

#[tokio::test]
async fn no_item_that_does_not_open_shows_a_canary() {
    let mut scene = Scene::set().await;
    scene.create_key_table().await;
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
        ("a forged reference", "_seal", Some(AttributeValue::B(Blob::new([&[2][..], &[7; 16]].concat())))),
        ("a value with a forged reference", "s", Some(AttributeValue::B(Blob::new([&[0x13][..], &[7; 60]].concat())))),
    ];
    for (what, name, value) in forged {
        let mut damaged = good.clone();
        damaged.remove(name);
        damaged.extend(value.map(|value| (name.to_owned(), value)));
        // What refers to a key table fails otherwise for those who have one.
        let readers: &[fn(&Scene, &str) -> Tenant] =
            if what.contains("reference") { &[Scene::cold, Scene::compact] } else { &[Scene::cold] };
        for (operation, reader) in
            handled().into_iter().flat_map(|operation| readers.iter().map(move |reader| (operation, reader)))
        {
            plain.put_item().table_name(TABLE).set_item(Some(damaged.clone())).send().await.unwrap();
            match (operation, call(operation, &reader(&scene, "acme").dynamodb(), &item).await) {
                (_, Err(error)) => scene.fails::<()>(&format!("{operation}: {what}"), Err(error)),
                // What is written is not what was there; an update leaves nothing encrypted that relied on the header.
                ("BatchWriteItem" | "TransactWriteItems" | "UpdateItem", Ok(_)) => {}
                (_, Ok(_)) => panic!("{operation}: {what} did not fail"),
            }
        }
    }
    let mut damaged = good.clone();
    damaged.insert("s".to_owned(), AttributeValue::N("7".to_owned()));
    plain.put_item().table_name(TABLE).set_item(Some(damaged)).send().await.unwrap();
    let read = call("GetItem", &scene.adopting("acme", None).await.dynamodb(), &item).await;
    scene.fails("plaintext without a leave", read);
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
    // Items of two types: one that says it is of the other, one that says nothing, one whose index leaves out what it says.
    let people = acme.records::<Person>();
    people.put(&Person::of(&scene.canaries[0])).await.unwrap();
    let get = plain.get_item().table_name("parties").set_key(Some(key("acme", "p-1")));
    let mut party = get.send().await.unwrap().item.unwrap();
    for kind in [Some("firm"), Some("other"), None] {
        party.remove("kind");
        party.extend(kind.map(|kind| ("kind".to_owned(), s(kind))));
        party.insert("company".to_owned(), s("x"));
        plain.put_item().table_name("parties").set_item(Some(party.clone())).send().await.unwrap();
        scene.fails("a forged discriminator", people.get("p-1").await);
        scene.fails("a forged discriminator, opened", people.open(party.clone()).await);
        let query = dynamodb.query().table_name("parties").index_name("by-company");
        let query = query.key_condition_expression("company = :c").expression_attribute_values(":c", s("x"));
        scene.fails("a forged discriminator in an index", query.send().await);
    }
    // The scenario of lookups is in lookups.rs.
    scene.assert_covered(include_str!("../../src/item/open.rs"), "OpenError", &["IndexLacksLookup"]);
    // A client of DynamoDB opens values of any type.
    scene.assert_covered(include_str!("../../core/src/envelope/fault.rs"), "OpenFault", &["NotBinary"]);
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
    assert_eq!(handled().len(), 11);
    assert_eq!(
        variants("pub enum E {\n    /// A.\n    A,\n    B(u8),\n    C {\n        x: u8,\n    },\n}\n", "E"),
        ["A", "B", "C"]
    );
}

//! Answers that DynamoDB would not give: whoever gives them, nothing unauthenticated is returned.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, DeleteRequest, Get, KeysAndAttributes, PutRequest, TransactGetItem, TransactWriteItem,
    WriteRequest,
};
use tenantseal::Error;
use tenantseal::error::OpenError;
use tenantseal::schema::TableSchema;

use crate::boundary::tenants::put;
use crate::common::wire::{Reaction, Wire};
use crate::common::{World, contact, id, item, key, s, sealing_error};

/// A client of `acme` to which `operation` is answered with `answer`.
fn lied_to(world: &World, operation: &'static str, status: u16, answer: String) -> aws_sdk_dynamodb::Client {
    let lying = Wire::scripted(move |sent, _| {
        if sent.operation == operation { Reaction::Answer(status, answer.clone()) } else { Reaction::Forward }
    });
    world.tenant_over("acme", lying).dynamodb()
}

/// `acme` with `c-1` and `c-2`, `globex` with `c-1`; and these as stored.
async fn scene() -> (World, [String; 3]) {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    let mut stored = Vec::new();
    for (tenant, contact_id) in [("acme", "c-1"), ("acme", "c-2"), ("globex", "c-1")] {
        put(&seal.tenant(&id(tenant)), &contact(tenant, contact_id)).await;
        stored.push(json(&world.stored(tenant, contact_id).await));
    }
    (world, stored.try_into().unwrap())
}

#[tokio::test]
async fn a_batch_answers_with_the_items_it_was_asked_for_alone() {
    let (world, [asked, other, theirs]) = scene().await;
    let keys = || KeysAndAttributes::builder().keys(key("acme", "c-1")).build().unwrap();
    let honest = lied_to(&world, "BatchGetItem", 200, format!(r#"{{"Responses":{{"crm":[{asked}]}}}}"#));
    let found = honest.batch_get_item().request_items("crm", keys()).send().await.unwrap();
    assert_eq!(found.responses.unwrap()["crm"], [item(&contact("acme", "c-1"))]);
    for (table, given) in [("crm", theirs.clone()), ("crm", other), ("elsewhere", theirs), ("elsewhere", asked)] {
        let answer = format!(r#"{{"Responses":{{"{table}":[{given}]}}}}"#);
        let lied = lied_to(&world, "BatchGetItem", 200, answer).batch_get_item().request_items("crm", keys());
        let answer = lied.send().await;
        assert!(answer.is_err(), "{table}: what nobody asked for was returned: {answer:?}");
        assert!(matches!(sealing_error(answer), Error::Open(_)));
    }
}

#[tokio::test]
async fn a_transaction_answers_with_the_items_it_was_asked_for_alone() {
    let (world, [asked, other, theirs]) = scene().await;
    let get = || {
        let get = Get::builder().table_name("crm").set_key(Some(key("acme", "c-1"))).build().unwrap();
        TransactGetItem::builder().get(get).build()
    };
    for given in [
        format!(r#"{{"Item":{theirs}}}"#),
        format!(r#"{{"Item":{other}}}"#),
        format!(r#"{{"Item":{asked}}},{{"Item":{theirs}}}"#),
        format!(r#"{{}},{{"Item":{asked}}}"#),
    ] {
        let lied = lied_to(&world, "TransactGetItems", 200, format!(r#"{{"Responses":[{given}]}}"#));
        let answer = lied.transact_get_items().transact_items(get()).send().await;
        assert!(answer.is_err(), "what nobody asked for was returned: {answer:?}");
        assert!(matches!(sealing_error(answer), Error::Open(_)));
    }
}

#[tokio::test]
async fn what_a_cancelled_transaction_shows_is_what_it_named() {
    let (world, [asked, other, theirs]) = scene().await;
    let delete = || {
        let delete = Delete::builder().table_name("crm").set_key(Some(key("acme", "c-1")));
        TransactWriteItem::builder().delete(delete.build().unwrap()).build()
    };
    let cancelled = |reasons: &[&str]| {
        let reason = |item: &&str| format!(r#"{{"Code":"ConditionalCheckFailed","Item":{item}}}"#);
        let reasons: Vec<String> = reasons.iter().map(reason).collect();
        let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
        format!(r#"{{"__type":"{kind}","CancellationReasons":[{}]}}"#, reasons.join(","))
    };
    let honest = lied_to(&world, "TransactWriteItems", 400, cancelled(&[&asked]));
    let shown = honest.transact_write_items().transact_items(delete()).send().await.unwrap_err().into_service_error();
    match shown {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            assert_eq!(cancelled.cancellation_reasons()[0].item, Some(item(&contact("acme", "c-1"))));
        }
        other => panic!("{other:?}"),
    }
    for reasons in [&[&*theirs][..], &[&*other], &[&*asked, &*theirs]] {
        let lied = lied_to(&world, "TransactWriteItems", 400, cancelled(reasons));
        let error = lied.transact_write_items().transact_items(delete()).send().await.unwrap_err();
        assert!(
            matches!(Error::find_in(&error).map(Error::cause), Some(Error::Open(_))),
            "it was shown as it came: {error:?}"
        );
    }
}

#[tokio::test]
async fn what_a_batch_left_undone_is_what_it_was_told_to_do() {
    let (world, [asked, other, theirs]) = scene().await;
    let write = || {
        let put = PutRequest::builder().set_item(Some(item(&contact("acme", "c-1")))).build().unwrap();
        vec![WriteRequest::builder().put_request(put).build()]
    };
    let undone = |table: &str, item: &str| {
        format!(r#"{{"UnprocessedItems":{{"{table}":[{{"PutRequest":{{"Item":{item}}}}}]}}}}"#)
    };
    let honest = lied_to(&world, "BatchWriteItem", 200, undone("crm", &asked));
    let answer = honest.batch_write_item().request_items("crm", write()).send().await.unwrap();
    assert_eq!(answer.unprocessed_items.unwrap()["crm"], write());
    for (table, given) in [("crm", theirs), ("crm", other), ("elsewhere", asked)] {
        let lied = lied_to(&world, "BatchWriteItem", 200, undone(table, &given));
        let answer = lied.batch_write_item().request_items("crm", write()).send().await;
        assert!(answer.is_err(), "{table}: the caller would write what it never wrote: {answer:?}");
    }
}

#[tokio::test]
async fn unprocessed_puts_come_back_as_given_whatever_the_answer_says() {
    let (world, _) = scene().await;
    let put = PutRequest::builder().set_item(Some(item(&contact("acme", "c-1")))).build().unwrap();
    let write = vec![WriteRequest::builder().put_request(put).build()];
    let planted = r#"{"tenant_id":{"S":"acme"},"contact_id":{"S":"c-1"},"email":{"S":"planted"}}"#;
    let unsealed = format!(r#"{{"UnprocessedItems":{{"crm":[{{"PutRequest":{{"Item":{planted}}}}}]}}}}"#);
    let lied = lied_to(&world, "BatchWriteItem", 200, unsealed);
    world.stack.faults().on("Decrypt").fail("DisabledException", 400);
    let answer = lied.batch_write_item().request_items("crm", write.clone()).send().await.unwrap();
    assert_eq!(answer.unprocessed_items.unwrap()["crm"], write);
}

#[tokio::test]
async fn unprocessed_deletes_and_reads_must_be_those_of_the_request() {
    let (world, _) = scene().await;
    let json = |tenant: &str, contact_id: &str| json(&key(tenant, contact_id));
    let (asked, other, theirs) = (json("acme", "c-1"), json("acme", "c-2"), json("globex", "c-1"));
    let delete = || {
        let delete = DeleteRequest::builder().set_key(Some(key("acme", "c-1"))).build().unwrap();
        vec![WriteRequest::builder().delete_request(delete).build()]
    };
    let keys = || KeysAndAttributes::builder().keys(key("acme", "c-1")).build().unwrap();
    let undeleted = |table: &str, key: &str| {
        format!(r#"{{"UnprocessedItems":{{"{table}":[{{"DeleteRequest":{{"Key":{key}}}}}]}}}}"#)
    };
    let unread = |table: &str, key: &str| format!(r#"{{"UnprocessedKeys":{{"{table}":{{"Keys":[{key}]}}}}}}"#);

    let honest = lied_to(&world, "BatchWriteItem", 200, undeleted("crm", &asked));
    let answer = honest.batch_write_item().request_items("crm", delete()).send().await.unwrap();
    assert_eq!(answer.unprocessed_items.unwrap()["crm"], delete());
    let honest = lied_to(&world, "BatchGetItem", 200, unread("crm", &asked));
    let answer = honest.batch_get_item().request_items("crm", keys()).send().await.unwrap();
    assert_eq!(answer.unprocessed_keys.unwrap()["crm"], keys());
    // Who ends TLS has no credentials: the caller's own retry would delete what he likes.
    for (table, given) in [("crm", theirs), ("crm", other), ("elsewhere", asked)] {
        let lied = lied_to(&world, "BatchWriteItem", 200, undeleted(table, &given));
        let answer = lied.batch_write_item().request_items("crm", delete()).send().await;
        assert!(answer.is_err(), "{table}: the caller would delete what it never deleted: {answer:?}");
        let lied = lied_to(&world, "BatchGetItem", 200, unread(table, &given));
        let answer = lied.batch_get_item().request_items("crm", keys()).send().await;
        assert!(answer.is_err(), "{table}: the caller would read what it never read: {answer:?}");
    }
}

#[tokio::test]
async fn what_a_batch_left_unread_is_read_again_as_it_was_asked() {
    let (world, _) = scene().await;
    let asked = KeysAndAttributes::builder().keys(key("acme", "c-1")).keys(key("acme", "c-2")).consistent_read(true);
    let asked = asked.projection_expression("#c, email").expression_attribute_names("#c", "company").build().unwrap();
    let left = KeysAndAttributes::builder().keys(key("acme", "c-1")).consistent_read(true);
    let left = left.projection_expression("#c, email").expression_attribute_names("#c", "company").build().unwrap();
    let planted = r#"{"tenant_id":{"S":"acme"},"contact_id":{"S":"c-1"},"email":{"S":"planted"}}"#;
    let key = json(&key("acme", "c-1"));
    for lie in [
        format!(r#"{{"Keys":[{key}]}}"#),
        format!(r#"{{"Keys":[{key}],"ConsistentRead":false}}"#),
        format!(r#"{{"Keys":[{key}],"ConsistentRead":true,"AttributesToGet":["company"]}}"#),
        format!(r##"{{"Keys":[{key}],"ProjectionExpression":"#x","ExpressionAttributeNames":{{"#x":"company"}}}}"##),
        format!(r#"{{"Keys":[{planted}],"ConsistentRead":true}}"#),
    ] {
        let lying = lied_to(&world, "BatchGetItem", 200, format!(r#"{{"UnprocessedKeys":{{"crm":{lie}}}}}"#));
        let answer = lying.batch_get_item().request_items("crm", asked.clone()).send().await.unwrap();
        assert_eq!(answer.unprocessed_keys.unwrap()["crm"], left, "{lie}");
    }
}

#[tokio::test]
async fn a_query_of_one_item_answers_with_that_item_alone() {
    let (world, [asked, other, _]) = scene().await;
    for (index, keys) in
        [(None, "tenant_id = :t AND contact_id = :c"), (Some("by-company"), "contact_id = :c AND tenant_id = :t")]
    {
        for (given, lies) in [(&asked, false), (&other, true)] {
            let client = lied_to(&world, "Query", 200, format!(r#"{{"Items":[{given}]}}"#));
            let query = client.query().table_name("crm").key_condition_expression(keys);
            let query = query.set_index_name(index.map(str::to_owned));
            let query = query.expression_attribute_values(":t", s("acme")).expression_attribute_values(":c", s("c-1"));
            let answer = query.send().await;
            assert_eq!(answer.is_err(), lies, "another item than the one that was asked for: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_query_answers_with_items_of_the_partition_that_was_asked_for_alone() {
    let world = World::start(&["acme"]).await;
    world.create_table("parted").await;
    let schema = TableSchema::builder("parted").partition_key("tenant_id", "TENANT#{tenant}#").sort_key("contact_id");
    let schema = schema.encrypt("email").build().unwrap();
    let client =
        |wire| world.builder().table(schema.clone()).build(&world.over(wire)).unwrap().tenant(&id("acme")).dynamodb();
    let honest = client(Wire::open());
    let put = honest.put_item().table_name("parted").item("tenant_id", s("TENANT#acme#a"));
    put.item("contact_id", s("c-1")).item("email", s("x")).send().await.unwrap();
    let query = |dynamodb: &aws_sdk_dynamodb::Client, partition: &str| {
        let query = dynamodb.query().table_name("parted").key_condition_expression("tenant_id = :t");
        query.expression_attribute_values(":t", s(partition)).send()
    };
    assert_eq!(query(&honest, "TENANT#acme#a").await.unwrap().count(), 1);
    let get = world.plain.get_item().table_name("parted").key("tenant_id", s("TENANT#acme#a"));
    let stored = get.key("contact_id", s("c-1")).send().await.unwrap().item.unwrap();
    let page = format!("{{\"Items\":[{}]}}", json(&stored));
    let lying = client(Wire::scripted(move |sent, _| match &*sent.operation {
        "Query" => Reaction::Answer(200, page.clone()),
        _ => Reaction::Forward,
    }));
    assert_eq!(query(&lying, "TENANT#acme#a").await.unwrap().items().len(), 1);
    let error = sealing_error(query(&lying, "TENANT#acme#b").await);
    assert!(matches!(error, Error::Open(OpenError::OtherItem)) && error.is_integrity(), "{error}");
}

#[tokio::test]
async fn an_answer_that_holds_another_item_than_the_one_asked_for_is_an_error() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    for (tenant, contact_id) in [("acme", "c-1"), ("acme", "c-2"), ("globex", "c-1")] {
        put(&seal.tenant(&id(tenant)), &contact(tenant, contact_id)).await;
    }
    let lies = [(("acme", "c-1"), ("acme", "c-2")), (("acme", "c-1"), ("globex", "c-1"))];
    for ((tenant, asked), (other_tenant, given)) in lies {
        // The database answers another question than the one that was asked.
        let stored = world.stored(other_tenant, given).await;
        let lie = format!("{{\"Item\":{}}}", json(&stored));
        let lying = Wire::scripted(move |sent, _| match &*sent.operation {
            "GetItem" => Reaction::Answer(200, lie.clone()),
            _ => Reaction::Forward,
        });
        let get = world.tenant_over(tenant, lying).dynamodb().get_item();
        let error = sealing_error(get.table_name("crm").set_key(Some(key(tenant, asked))).send().await);
        assert!(matches!(error, Error::Open(_)) && error.is_integrity(), "{error}");
    }
    let page = format!("{{\"Items\":[{}]}}", json(&world.stored("globex", "c-1").await));
    let lying = Wire::scripted(move |sent, _| match &*sent.operation {
        "Scan" | "Query" => Reaction::Answer(200, page.clone()),
        _ => Reaction::Forward,
    });
    let dynamodb = world.tenant_over("acme", lying).dynamodb();
    let error = sealing_error(dynamodb.scan().table_name("crm").send().await);
    assert!(matches!(error, Error::Open(_)), "{error}");
    let query = dynamodb.query().table_name("crm").key_condition_expression("tenant_id = :t");
    let error = sealing_error(query.expression_attribute_values(":t", s("acme")).send().await);
    assert!(matches!(error, Error::Open(_)), "{error}");
}

/// A stored item as DynamoDB writes it; it has strings and binary values only.
fn json(item: &tenantseal::Item) -> String {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => format!("{{\"S\":{text:?}}}"),
        AttributeValue::B(bytes) => format!("{{\"B\":\"{}\"}}", aws_smithy_types::base64::encode(bytes.as_ref())),
        other => panic!("{other:?}"),
    };
    let pairs: Vec<String> = item.iter().map(|(name, stored)| format!("{name:?}:{}", value(stored))).collect();
    format!("{{{}}}", pairs.join(","))
}

//! Existing code, handed this client, finds what it knows.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, Select};
use tenantseal::Error;
use tenantseal::error::Refusal;

use crate::common::{Contact, World, contact, item, key, s, sealing_error};

/// Code that has never heard of this library.
async fn existing(dynamodb: &Client) -> usize {
    dynamodb.wait_until_table_exists().table_name("crm").wait(Duration::from_secs(5)).await.unwrap();
    for at in 0..7 {
        let put = dynamodb.put_item().table_name("crm").set_item(Some(item(&contact("acme", &format!("c-{at}")))));
        put.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    }
    let query = dynamodb.query().table_name("crm").key_condition_expression("#t = :t AND begins_with(contact_id, :c)");
    let query = query.expression_attribute_names("#t", "tenant_id").expression_attribute_values(":t", s("acme"));
    let mut pages = query.expression_attribute_values(":c", s("c-")).limit(3).into_paginator().items().send();
    let mut found = 0;
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        assert_eq!(item, crate::common::item(&contact("acme", item["contact_id"].as_s().unwrap())));
        found += 1;
    }
    found
}

#[tokio::test]
async fn code_that_takes_a_client_takes_this_one() {
    let world = World::start(&["acme"]).await;
    assert_eq!(existing(&world.tenant("acme").dynamodb()).await, 7);
    assert_eq!(world.stack.calls().count("GenerateDataKey"), 1);
}

#[tokio::test]
async fn a_projection_gives_what_it_asks_for_and_nothing_more() {
    let world = World::start(&["acme"]).await;
    let dynamodb = world.tenant("acme").dynamodb();
    dynamodb.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1")))).send().await.unwrap();
    for (projection, names) in [
        ("email", vec!["email"]),
        ("company", vec!["company"]),
        ("#e, contact_id", vec!["email", "contact_id"]),
        ("notes, api_keys", vec!["notes", "api_keys"]),
    ] {
        let aliased = projection.contains('#').then(|| HashMap::from([("#e".to_owned(), "email".to_owned())]));
        let get = dynamodb.get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
        let get = get.projection_expression(projection).set_expression_attribute_names(aliased.clone());
        let mut found: Vec<String> = get.send().await.unwrap().item.unwrap().into_keys().collect();
        let scan = dynamodb.scan().table_name("crm").projection_expression(projection);
        let scanned = scan.set_expression_attribute_names(aliased).send().await.unwrap();
        let mut scanned: Vec<String> = scanned.items()[0].keys().cloned().collect();
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        for names in [&mut found, &mut scanned, &mut names] {
            names.sort();
        }
        assert_eq!((&found, &scanned), (&names, &names), "{projection}");
    }
}

#[tokio::test]
async fn counting_needs_no_key_and_counts_the_tenants_own() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    for tenant in ["acme", "globex"] {
        for at in 0..3 {
            let records = seal.tenant(&crate::common::id(tenant)).records::<Contact>();
            records.put(&contact(tenant, &format!("c-{at}"))).await.unwrap();
        }
    }
    world.stack.calls().reset();
    let dynamodb = world.tenant("acme").dynamodb();
    assert_eq!(dynamodb.scan().table_name("crm").select(Select::Count).send().await.unwrap().count(), 3);
    assert_eq!(world.key_calls(), 0);
}

#[tokio::test]
async fn conditions_may_name_plain_attributes_and_encrypted_ones_are_errors() {
    let world = World::start(&["acme"]).await;
    let dynamodb = world.tenant("acme").dynamodb();
    let put = || dynamodb.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
    put().send().await.unwrap();
    let condition = put().condition_expression("company = :c AND attribute_exists(email)");
    condition.expression_attribute_values(":c", s("Example Ltd")).send().await.unwrap();
    for (filter, attribute) in
        [("email = :v", "email"), ("company = :v AND notes > :v", "notes"), ("api_keys.mail = :v", "api_keys")]
    {
        let scan = dynamodb.scan().table_name("crm").filter_expression(filter);
        let error = sealing_error(scan.expression_attribute_values(":v", s("x")).send().await);
        assert!(matches!(error, Error::Refused(Refusal::Expression { .. })), "{error}");
        assert!(error.to_string().contains(attribute), "{error}");
    }
}

#[tokio::test]
async fn operations_that_cannot_work_on_sealed_items_say_what_to_use() {
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let dynamodb = world.builder().build(&app).unwrap().tenant(&crate::common::id("acme")).dynamodb();
    let statement = "SELECT * FROM crm";
    let errors = [
        sealing_error(dynamodb.execute_statement().statement(statement).send().await),
        sealing_error(dynamodb.batch_execute_statement().set_statements(Some(vec![])).send().await),
        sealing_error(dynamodb.execute_transaction().set_transact_statements(Some(vec![])).send().await),
        sealing_error(dynamodb.import_table().send().await),
    ];
    for error in errors {
        assert!(matches!(error, Error::Refused(Refusal::Unsupported { .. })), "{error}");
    }
    assert_eq!(taps.dynamodb.requests(), 0);
    assert!(dynamodb.list_tables().send().await.unwrap().table_names().contains(&"crm".to_owned()));
}

fn values() -> Vec<AttributeValue> {
    let n = |number: &str| AttributeValue::N(number.to_owned());
    let ns = |numbers: &[&str]| AttributeValue::Ns(numbers.iter().map(|number| (*number).to_owned()).collect());
    let ss = |texts: &[&str]| AttributeValue::Ss(texts.iter().map(|text| (*text).to_owned()).collect());
    let nested = |depth: usize| (0..depth).fold(s("x"), |inner, _| AttributeValue::L(vec![inner]));
    let mut values = vec![
        s(""),
        s("a"),
        s("ä\u{0}\n😀"),
        AttributeValue::B(Blob::new([])),
        AttributeValue::B(Blob::new([0, 255])),
        AttributeValue::Bool(true),
        AttributeValue::Bool(false),
        AttributeValue::Null(true),
        AttributeValue::L(vec![]),
        AttributeValue::M(HashMap::new()),
        AttributeValue::M(HashMap::from([("".to_owned(), s("x")), ("b".to_owned(), n("1.50"))])),
        AttributeValue::Bs(vec![Blob::new([1]), Blob::new([2])]),
        AttributeValue::Bs(vec![Blob::new([1]), Blob::new([1])]),
        ss(&["b", "a"]),
        ss(&["a", "a"]),
        ss(&[]),
        ss(&[""]),
        ns(&["2", "1.0"]),
        ns(&["1", "1.0"]),
        ns(&[]),
        nested(20),
    ];
    for number in [
        "0",
        "-0",
        "1",
        "1.0",
        "1.50",
        "100",
        "1e3",
        "1E+3",
        "-1e-3",
        "007",
        "+5",
        ".5",
        "5.",
        "1e125",
        "9.9e125",
        "1e126",
        "1e-130",
        "1e-131",
        "12345678901234567890123456789012345678",
        "123456789012345678901234567890123456789",
        "",
        "x",
        "NaN",
        "Infinity",
        " 1",
        "1 ",
        "0x1",
    ] {
        values.push(n(number));
    }
    values
}

#[tokio::test]
async fn an_encrypted_attribute_takes_and_gives_back_what_dynamodb_would() {
    let world = World::start(&["acme"]).await;
    let dynamodb = world.tenant("acme").dynamodb();
    for (at, value) in values().into_iter().enumerate() {
        let sort = s(&format!("c-{at}"));
        let plain = |key: &str| world.plain.put_item().table_name("crm").item("tenant_id", s(key));
        let plain = plain("plain").item("contact_id", sort.clone()).item("email", value.clone()).send().await;
        let sealed =
            dynamodb.put_item().table_name("crm").item("tenant_id", s("acme")).item("contact_id", sort.clone());
        let sealed = sealed.item("email", value.clone()).send().await;
        assert_eq!(plain.is_ok(), sealed.is_ok(), "{value:?}: {plain:?} {sealed:?}");
        if plain.is_err() {
            assert!(matches!(sealing_error(sealed), Error::Seal(_)), "{value:?}");
            continue;
        }
        let expected = world.plain.get_item().table_name("crm").key("tenant_id", s("plain"));
        let expected = expected.key("contact_id", sort.clone()).send().await.unwrap().item.unwrap();
        let found = dynamodb.get_item().table_name("crm").key("tenant_id", s("acme"));
        let found = found.key("contact_id", sort).send().await.unwrap().item.unwrap();
        assert_eq!(sorted(&found["email"]), sorted(&expected["email"]), "{value:?}");
    }
}

/// Sets have no order.
fn sorted(value: &AttributeValue) -> AttributeValue {
    match value.clone() {
        AttributeValue::Ss(mut texts) => {
            texts.sort();
            AttributeValue::Ss(texts)
        }
        AttributeValue::Ns(mut numbers) => {
            numbers.sort();
            AttributeValue::Ns(numbers)
        }
        other => other,
    }
}

//! Every action on an attribute is repeated on its token, in the same request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::{Put, PutRequest, ReturnValue, TransactWriteItem, Update, WriteRequest};
use tenantseal::Item;
use tenantseal::error::{Error, SealError};
use tenantseal::schema::{Form, Lookup};

use super::scene::{
    TABLE, assert_right, attributes, builder, contact, item, key, null, put, set, stored, tenant, tokens, world,
};
use crate::common::{World, id, s, sealing_error};

fn names(item: &Item) -> Vec<String> {
    tokens(item).into_keys().collect()
}

/// Updates contact `c-1` of `acme`, and gives what is stored then.
async fn update<const N: usize>(
    world: &World,
    expression: &str,
    values: [(&str, aws_sdk_dynamodb::types::AttributeValue); N],
) -> Item {
    let acme = tenant(world, "acme");
    let values = (N > 0).then(|| item(values));
    let request = acme.dynamodb().update_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
    request.update_expression(expression).set_expression_attribute_values(values).send().await.unwrap();
    let stored = stored(world, "acme", "c-1").await;
    assert_right(&acme, &stored).await;
    stored
}

#[tokio::test]
async fn a_put_stores_the_tokens_of_the_lookups_whose_parts_are_there() {
    let world = world(&["acme"]).await;
    let acme = tenant(&world, "acme");
    let ada = [("email", s(" Ada@Example.org")), ("phone", s("+49 30/1")), ("last_name", s("Lovelace"))];
    put(&acme.dynamodb(), contact("acme", "c-1", ada)).await;
    let ada = stored(&world, "acme", "c-1").await;
    assert_eq!(names(&ada), ["email", "last_name", "last_name_2", "last_name_4", "phone"]);
    assert_right(&acme, &ada).await;
    for (name, tokens) in tokens(&ada) {
        assert!(tokens.iter().all(|token| token.starts_with("acme.")), "{name}: {tokens:?}");
    }

    put(&acme.dynamodb(), contact("acme", "c-2", [("email", s("ADA@example.org"))])).await;
    let same = stored(&world, "acme", "c-2").await;
    assert_eq!(tokens(&same)["email"], tokens(&ada)["email"]);
    let whole = [("last_name", s("Lovelace")), ("born", s("1815")), ("tags", set(&["vip", "press"]))];
    put(&acme.dynamodb(), contact("acme", "c-1", whole)).await;
    let whole = stored(&world, "acme", "c-1").await;
    assert_eq!(names(&whole), ["last_name", "last_name_2", "last_name_4", "person", "tags"]);
    assert_eq!(tokens(&whole)["tags"].len(), 2);
    assert_right(&acme, &whole).await;
}

#[tokio::test]
async fn nothing_to_look_up_has_a_filler_that_no_other_item_has() {
    let world = world(&["acme"]).await;
    let acme = tenant(&world, "acme");
    for (id, email) in [("c-1", null()), ("c-2", s("  ")), ("c-3", s("ada@example.org"))] {
        put(&acme.dynamodb(), contact("acme", id, [("email", email), ("last_name", s("Li")), ("born", null())])).await;
    }
    let mut seen = Vec::new();
    for id in ["c-1", "c-2", "c-3"] {
        let stored = stored(&world, "acme", id).await;
        assert_right(&acme, &stored).await;
        assert_eq!(names(&stored), ["email", "last_name", "last_name_2", "last_name_4", "person"]);
        seen.push(tokens(&stored).remove("email").unwrap());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3);
    // The same item keeps its filler, so a repeated put repeats its bytes.
    let before = tokens(&stored(&world, "acme", "c-1").await);
    put(&acme.dynamodb(), contact("acme", "c-1", [("email", s(""))])).await;
    assert_eq!(tokens(&stored(&world, "acme", "c-1").await)["email"], before["email"]);
}

#[tokio::test]
async fn an_update_repeats_each_action_on_the_token() {
    let world = world(&["acme"]).await;
    let made = update(&world, "SET email = :e, logins = :n", [(":e", s("a@x.org")), (":n", s("1"))]).await;
    assert_eq!(names(&made), ["email"]);
    let kept = update(&world, "SET email = if_not_exists(email, :e)", [(":e", s("b@x.org"))]).await;
    assert_eq!(tokens(&kept), tokens(&made));
    let cleared = update(&world, "SET email = :e", [(":e", null())]).await;
    assert_ne!(tokens(&cleared), tokens(&made));
    assert_eq!(
        tokens(&update(&world, "SET email = if_not_exists(email, :e)", [(":e", s("b@x.org"))]).await),
        tokens(&cleared)
    );
    let removed = update(&world, "SET logins = :n REMOVE email", [(":n", s("2"))]).await;
    assert!(names(&removed).is_empty(), "{removed:?}");
    let again = update(&world, "SET email = if_not_exists(email, :e)", [(":e", s("a@x.org"))]).await;
    assert_eq!(tokens(&again), tokens(&made));
    let plain = update(&world, "REMOVE logins", []).await;
    assert_eq!(tokens(&plain), tokens(&made));
}

#[tokio::test]
async fn one_value_serves_several_attributes_and_their_lookups() {
    let world = world(&["acme"]).await;
    let acme = tenant(&world, "acme");
    let request = acme.dynamodb().update_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
    let names = HashMap::from([("#seal0".to_owned(), "phone".to_owned()), ("#s".to_owned(), "status".to_owned())]);
    let request = request.set_expression_attribute_names(Some(names));
    let request = request.update_expression("SET email = :seal0, #seal0 = :seal0, notes = :seal0, #s = :seal0");
    request.expression_attribute_values(":seal0", s("17")).send().await.unwrap();
    let stored = stored(&world, "acme", "c-1").await;
    assert_eq!(stored["status"], s("17"));
    assert_eq!(tokens(&stored).into_keys().collect::<Vec<_>>(), ["email", "phone"]);
    assert_right(&acme, &stored).await;
}

#[tokio::test]
async fn a_compound_token_is_set_with_all_parts_and_goes_with_any() {
    let world = world(&["acme"]).await;
    let both = [(":l", s("Lovelace")), (":b", s("1815"))];
    let made = update(&world, "SET last_name = :l, born = :b", both).await;
    assert!(tokens(&made).contains_key("person"));
    let removed = update(&world, "SET last_name = :l REMOVE born", [(":l", s("King"))]).await;
    assert!(!tokens(&removed).contains_key("person"));
    for expression in ["SET last_name = :v", "SET born = :v", "SET last_name = :v, born = if_not_exists(born, :v)"] {
        let request = tenant(&world, "acme").dynamodb().update_item().table_name(TABLE);
        let request = request.set_key(Some(key("acme", "c-1"))).update_expression(expression);
        let error = sealing_error(request.expression_attribute_values(":v", s("x")).send().await).to_string();
        assert!(error.contains("lookup `person`"), "{error}");
        assert!(error.contains(if expression.starts_with("SET born") { "`last_name`" } else { "`born`" }), "{error}");
    }
    assert_eq!(tokens(&stored(&world, "acme", "c-1").await), tokens(&removed));
}

#[tokio::test]
async fn batches_transactions_and_single_seals_store_tokens_too() {
    let world = world(&["acme"]).await;
    let acme = tenant(&world, "acme");
    let one = contact("acme", "c-1", [("email", s("a@x.org"))]);
    let write = WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(one.clone())).build().unwrap());
    acme.dynamodb().batch_write_item().request_items(TABLE, vec![write.build()]).send().await.unwrap();
    let put = Put::builder().table_name(TABLE).set_item(Some(contact("acme", "c-2", [("email", s("a@x.org"))])));
    let update = Update::builder().table_name(TABLE).set_key(Some(key("acme", "c-3")));
    let update = update.update_expression("SET email = :e").expression_attribute_values(":e", s("A@x.org"));
    let transact = || {
        let put = TransactWriteItem::builder().put(put.clone().build().unwrap()).build();
        let update = TransactWriteItem::builder().update(update.clone().build().unwrap()).build();
        let request = acme.dynamodb().transact_write_items().transact_items(put).transact_items(update);
        request.client_request_token("one-token")
    };
    transact().send().await.unwrap();
    // DynamoDB refuses a repeated token with other bytes.
    transact().send().await.unwrap();
    let sealed = acme.seal(TABLE, one).await.unwrap();
    for id in ["c-1", "c-2", "c-3"] {
        let stored = stored(&world, "acme", id).await;
        assert_eq!(tokens(&stored)["email"], tokens(&sealed)["email"], "{id}");
        assert_right(&acme, &stored).await;
    }
}

#[tokio::test]
async fn what_a_write_returns_shows_no_tokens() {
    let world = world(&["acme"]).await;
    let db = tenant(&world, "acme").dynamodb();
    let ada = contact("acme", "c-1", [("email", s("a@x.org"))]);
    put(&db, ada.clone()).await;
    let request = db.put_item().table_name(TABLE).set_item(Some(ada.clone()));
    assert_eq!(request.return_values(ReturnValue::AllOld).send().await.unwrap().attributes.unwrap(), ada);
    for values in [ReturnValue::AllOld, ReturnValue::AllNew, ReturnValue::UpdatedNew, ReturnValue::UpdatedOld] {
        let request = db.update_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
        let request = request.update_expression("SET email = :e").expression_attribute_values(":e", s("a@x.org"));
        let returned = request.return_values(values.clone()).send().await.unwrap().attributes.unwrap();
        let whole = matches!(values, ReturnValue::AllOld | ReturnValue::AllNew);
        assert_eq!(returned, if whole { ada.clone() } else { item([("email", s("a@x.org"))]) });
    }
    let scanned = db.scan().table_name(TABLE).send().await.unwrap();
    assert_eq!(scanned.items.unwrap(), [ada]);
}

#[tokio::test]
async fn a_value_that_a_form_does_not_take_is_refused_before_it_is_sent() {
    let world = world(&["acme"]).await;
    // Before any key is asked for, which this tenant has not.
    let db = tenant(&world, "globex").dynamodb();
    let number = || aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
    let request = db.put_item().table_name(TABLE).set_item(Some(contact("globex", "c-1", [("email", number())])));
    let error = sealing_error(request.send().await);
    assert!(matches!(&error, Error::Seal(SealError::LookupValue { attribute, .. }) if attribute == "email"), "{error}");
    let request = db.update_item().table_name(TABLE).set_key(Some(key("globex", "c-1")));
    let request = request.update_expression("SET email = :e").expression_attribute_values(":e", number());
    let error = sealing_error(request.send().await);
    assert!(matches!(error, Error::Seal(SealError::LookupValue { .. })), "{error}");
    assert!(stored(&world, "globex", "c-1").await.is_empty());
}

#[tokio::test]
async fn nobody_but_the_library_names_a_token() {
    let world = world(&["acme"]).await;
    let db = tenant(&world, "acme").dynamodb();
    let item = contact("acme", "c-1", [("_seal_by_email", s("acme.x"))]);
    let error = sealing_error(db.put_item().table_name(TABLE).set_item(Some(item)).send().await).to_string();
    assert!(error.contains("`_seal_by_email` is reserved"), "{error}");
    let request = db.update_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
    let request = request.expression_attribute_names("#t", "_seal_by_email").update_expression("REMOVE #t");
    let error = sealing_error(request.send().await).to_string();
    assert!(error.contains("`_seal_by_email` is reserved"), "{error}");
    let request = db.scan().table_name(TABLE).expression_attribute_names("#t", "_seal_by_email");
    let error = sealing_error(request.projection_expression("#t").send().await).to_string();
    assert!(error.contains("`_seal_by_email` is reserved"), "{error}");
}

/// How often a put formed its value.
static FORMED: AtomicUsize = AtomicUsize::new(0);

#[tokio::test]
async fn a_put_forms_a_value_once_whether_its_keys_are_there_or_not() {
    const COUNTED: Form = Form::new("counted", |text| {
        FORMED.fetch_add(1, Ordering::Relaxed);
        Some(text.to_lowercase())
    });
    let world = world(&["acme"]).await;
    let schema = attributes().lookup(Lookup::on("email", COUNTED)).build().unwrap();
    let acme = builder(&world, schema).build(&world.app).unwrap().tenant(&id("acme"));
    for times in 1..=2 {
        put(&acme.dynamodb(), contact("acme", "c-1", [("email", s("Ada@Example.org"))])).await;
        assert_eq!(FORMED.load(Ordering::Relaxed), times);
    }
    assert_eq!(names(&stored(&world, "acme", "c-1").await), ["email"]);
}

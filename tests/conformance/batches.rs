//! BatchWriteItem and BatchGetItem within their limits and beyond.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::batch_get_item::builders::BatchGetItemFluentBuilder;
use aws_sdk_dynamodb::operation::batch_write_item::builders::BatchWriteItemFluentBuilder;
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};

use super::case::{Case, case};
use super::ctx::{Ctx, Item, item, m, n, names, numbered, s, ss};
use super::outcome::{Outcome, outcome};
use super::tables::{CRM, FLAT, TENANT};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_batch_of_puts),
        case!(a_batch_of_puts_and_deletes),
        case!(a_batch_of_one_delete),
        case!(a_batch_of_25_puts),
        case!(a_batch_of_26_puts_is_an_error).validation(),
        case!(a_batch_over_several_tables),
        case!(a_batch_that_puts_one_item_twice_is_an_error).validation(),
        case!(a_batch_that_puts_and_deletes_one_item_is_an_error).validation(),
        case!(an_empty_batch_of_writes_is_an_error).validation(),
        case!(a_batch_for_a_table_without_requests_is_an_error).validation(),
        case!(a_batch_with_an_undeclared_attribute_is_refused).refused("Seal Undeclared undeclared"),
        case!(a_batch_with_an_empty_set_in_an_encrypted_attribute).invalid("Seal Value EmptySet keys"),
        case!(a_batch_with_an_empty_set_in_a_plain_attribute).validation(),
        case!(a_batch_with_a_key_without_its_sort_key).invalid("PrimaryKey Missing sk"),
        case!(a_batch_replaces_items_as_a_put_does),
        case!(a_batch_get_finds_what_is_there),
        case!(a_batch_get_of_nothing_that_is_there),
        case!(a_batch_get_with_a_projection),
        case!(a_batch_get_with_a_projection_by_names),
        case!(a_batch_get_with_a_nested_projection),
        case!(a_batch_get_from_several_tables_each_with_its_projection),
        case!(a_consistent_batch_get),
        case!(a_batch_get_of_100_keys),
        case!(a_batch_get_of_101_keys_is_an_error).validation(),
        case!(a_batch_get_of_one_key_twice_is_an_error).validation(),
        case!(an_empty_batch_get_is_an_error).validation(),
        case!(a_batch_get_with_overlapping_paths_is_an_error).invalid("Expression OverlappingPaths email"),
        case!(a_batch_get_of_another_tenants_item_is_refused).refused("PrimaryKey ForeignTenant pk"),
        case!(a_batch_get_sees_what_updates_wrote),
    ]
}

pub fn put(item: Item) -> WriteRequest {
    WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap()).build()
}

pub fn delete(key: Item) -> WriteRequest {
    WriteRequest::builder().delete_request(DeleteRequest::builder().set_key(Some(key)).build().unwrap()).build()
}

pub fn write(db: &Client, t: &Ctx, requests: impl IntoIterator<Item = WriteRequest>) -> BatchWriteItemFluentBuilder {
    db.batch_write_item().request_items(&t.notes, requests.into_iter().collect())
}

pub fn keys(t: &Ctx, sort_keys: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Item> {
    sort_keys.into_iter().map(|sk| t.key(sk.as_ref())).collect()
}

pub fn read(db: &Client, t: &Ctx, keys: Vec<Item>, projection: Option<&str>) -> BatchGetItemFluentBuilder {
    let wanted = KeysAndAttributes::builder()
        .set_keys(Some(keys))
        .set_projection_expression(projection.map(str::to_owned))
        .set_expression_attribute_names(names(projection));
    db.batch_get_item().request_items(&t.notes, wanted.build().unwrap())
}

fn some(t: &Ctx, i: usize) -> Item {
    t.item(&format!("{i:02}"), numbered(i))
}

async fn a_batch_of_puts(db: &Client, t: &Ctx) -> Outcome {
    outcome![write(db, t, (0..3).map(|i| put(some(t, i)))).send().await, t.query(db).send().await]
}

async fn a_batch_of_puts_and_deletes(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 4).await;
    let requests = [put(some(t, 9)), delete(t.key("01")), put(t.item("02", [("memo", s("m"))])), delete(t.key("77"))];
    outcome![write(db, t, requests).send().await, t.query(db).send().await]
}

async fn a_batch_of_one_delete(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    outcome![write(db, t, [delete(t.key("00"))]).send().await, t.query(db).send().await]
}

async fn a_batch_of_25_puts(db: &Client, t: &Ctx) -> Outcome {
    outcome![write(db, t, (0..25).map(|i| put(some(t, i)))).send().await, t.query(db).send().await]
}

async fn a_batch_of_26_puts_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![write(db, t, (0..26).map(|i| put(some(t, i)))).send().await, t.query(db).send().await]
}

async fn a_batch_over_several_tables(db: &Client, t: &Ctx) -> Outcome {
    let crm = || item([("pk", s(TENANT)), ("sk", t.own("1"))]);
    let flat = || item([("pk", t.pk())]);
    let with = |key: Item| put(key.into_iter().chain(item([("email", s("e")), ("title", s("t"))])).collect());
    let write = write(db, t, [put(some(t, 0))])
        .request_items(t.table(CRM), vec![with(crm())])
        .request_items(t.table(FLAT), vec![with(flat())]);
    let keys = |key| KeysAndAttributes::builder().keys(key).build().unwrap();
    let read = read(db, t, vec![t.key("00")], None)
        .request_items(t.table(CRM), keys(crm()))
        .request_items(t.table(FLAT), keys(flat()));
    outcome![write.send().await, read.send().await]
}

async fn a_batch_that_puts_one_item_twice_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![write(db, t, [put(some(t, 0)), put(some(t, 0))]).send().await, t.query(db).send().await]
}

async fn a_batch_that_puts_and_deletes_one_item_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![write(db, t, [put(some(t, 0)), delete(t.key("00"))]).send().await, t.query(db).send().await]
}

async fn an_empty_batch_of_writes_is_an_error(db: &Client, _: &Ctx) -> Outcome {
    outcome![db.batch_write_item().set_request_items(Some(HashMap::new())).send().await]
}

async fn a_batch_for_a_table_without_requests_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![write(db, t, []).send().await]
}

async fn a_batch_with_an_undeclared_attribute_is_refused(db: &Client, t: &Ctx) -> Outcome {
    let requests = [put(some(t, 0)), put(t.item("01", [("undeclared", s("x"))]))];
    outcome![write(db, t, requests).send().await]
}

async fn a_batch_with_an_empty_set_in_an_encrypted_attribute(db: &Client, t: &Ctx) -> Outcome {
    let requests = [put(some(t, 0)), put(t.item("01", [("keys", ss([]))]))];
    outcome![write(db, t, requests).send().await, t.query(db).send().await]
}

async fn a_batch_with_an_empty_set_in_a_plain_attribute(db: &Client, t: &Ctx) -> Outcome {
    let requests = [put(some(t, 0)), put(t.item("01", [("tags", ss([]))]))];
    outcome![write(db, t, requests).send().await, t.query(db).send().await]
}

async fn a_batch_with_a_key_without_its_sort_key(db: &Client, t: &Ctx) -> Outcome {
    let without = || item([("pk", t.pk())]);
    outcome![
        write(db, t, [put(without())]).send().await,
        write(db, t, [delete(without())]).send().await,
        read(db, t, vec![without()], None).send().await,
    ]
}

async fn a_batch_replaces_items_as_a_put_does(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "00", [("memo", s("old")), ("profile", m([("zip", n(1))]))]).await;
    outcome![write(db, t, [put(some(t, 0))]).send().await, t.get(db, "00").send().await]
}

async fn a_batch_get_finds_what_is_there(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 4).await;
    outcome![read(db, t, keys(t, ["03", "01", "77"]), None).send().await]
}

async fn a_batch_get_of_nothing_that_is_there(db: &Client, t: &Ctx) -> Outcome {
    outcome![read(db, t, keys(t, ["1", "2"]), None).send().await]
}

async fn a_batch_get_with_a_projection(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 3).await;
    outcome![
        read(db, t, keys(t, ["00", "02", "77"]), Some("email")).send().await,
        read(db, t, keys(t, ["00", "02"]), Some("title")).send().await,
        read(db, t, keys(t, ["00", "02"]), Some("sk, memo")).send().await,
    ]
}

async fn a_batch_get_with_a_projection_by_names(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("name", s("Ada")), ("status", s("open")), ("email", s("e"))]).await;
    outcome![read(db, t, keys(t, ["1"]), Some("#name, #status")).send().await]
}

async fn a_batch_get_with_a_nested_projection(db: &Client, t: &Ctx) -> Outcome {
    let profile = || m([("street", s("Main")), ("geo", m([("lat", n("1.0"))]))]);
    t.seed(db, "1", [("profile", profile()), ("doc", profile())]).await;
    outcome![read(db, t, keys(t, ["1"]), Some("profile.geo, doc.street")).send().await]
}

async fn a_batch_get_from_several_tables_each_with_its_projection(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    let all = item([("pk", t.pk()), ("email", s("flat")), ("title", s("t"))]);
    db.put_item().table_name(t.table(FLAT)).set_item(Some(all)).send().await.unwrap();
    let flat = KeysAndAttributes::builder().keys(item([("pk", t.pk())])).projection_expression("title");
    let read = read(db, t, keys(t, ["00", "01"]), Some("email")).request_items(t.table(FLAT), flat.build().unwrap());
    outcome![read.send().await]
}

async fn a_consistent_batch_get(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    let wanted = KeysAndAttributes::builder().set_keys(Some(keys(t, ["00", "01"]))).consistent_read(true);
    outcome![db.batch_get_item().request_items(&t.notes, wanted.build().unwrap()).send().await]
}

async fn a_batch_get_of_100_keys(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 5).await;
    outcome![read(db, t, keys(t, (0..100).map(|i| format!("{i:02}"))), None).send().await]
}

async fn a_batch_get_of_101_keys_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![read(db, t, keys(t, (0..101).map(|i| format!("{i:03}"))), None).send().await]
}

async fn a_batch_get_of_one_key_twice_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![read(db, t, keys(t, ["1", "1"]), None).send().await]
}

async fn an_empty_batch_get_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![
        db.batch_get_item().set_request_items(Some(HashMap::new())).send().await,
        read(db, t, vec![], None).send().await,
    ]
}

async fn a_batch_get_with_overlapping_paths_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![read(db, t, keys(t, ["1"]), Some("email, email.x")).send().await]
}

async fn a_batch_get_of_another_tenants_item_is_refused(db: &Client, t: &Ctx) -> Outcome {
    let foreign = item([("pk", s("T#globex#1")), ("sk", s("1"))]);
    outcome![read(db, t, vec![t.key("1"), foreign], None).send().await]
}

async fn a_batch_get_sees_what_updates_wrote(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    let update = |sk: &str| t.update(db, sk, "SET memo = :v").expression_attribute_values(":v", s("updated"));
    outcome![
        update("01").send().await,
        update("new").send().await,
        read(db, t, keys(t, ["00", "01", "new"]), None).send().await,
        read(db, t, keys(t, ["00", "01", "new"]), Some("memo")).send().await,
    ]
}

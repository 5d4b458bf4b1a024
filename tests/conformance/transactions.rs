//! TransactWriteItems and TransactGetItems that succeed, and request tokens.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_get_items::builders::TransactGetItemsFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder;
use aws_sdk_dynamodb::types::builders::{ConditionCheckBuilder, DeleteBuilder, PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Get, Put, TransactGetItem, TransactWriteItem, Update,
};

use super::case::{Case, case};
use super::ctx::{Ctx, item, m, n, names, numbered, s, ss};
use super::outcome::{Outcome, outcome};
use super::tables::{CRM, FLAT, TENANT};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_transaction_of_puts),
        case!(a_transaction_of_an_update),
        case!(a_transaction_that_upserts),
        case!(a_transaction_of_a_delete),
        case!(a_transaction_with_a_check),
        case!(a_transaction_of_all_four),
        case!(a_transaction_of_only_a_check),
        case!(a_transaction_over_several_tables),
        case!(a_transaction_with_conditions_that_hold),
        case!(a_transaction_with_names_and_values_of_each_action),
        case!(a_transaction_of_100_actions),
        case!(a_transaction_repeated_with_its_token_happens_once),
        case!(a_transaction_of_updates_repeated_with_its_token_happens_once),
        case!(a_transaction_repeated_without_a_token_happens_twice),
        case!(a_token_with_another_transaction_is_an_error).error("IdempotentParameterMismatchException"),
        case!(a_token_with_another_plain_value_is_an_error).error("IdempotentParameterMismatchException"),
        case!(a_token_of_one_client_is_repeated_by_a_clone),
        case!(a_customized_transaction),
        case!(a_transactional_get),
        case!(a_transactional_get_of_what_is_not_there),
        case!(a_transactional_get_with_projections),
        case!(a_transactional_get_from_several_tables),
        case!(a_transactional_get_sees_what_a_transaction_updated),
    ]
}

pub fn put(t: &Ctx, sk: &str, attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> PutBuilder {
    Put::builder().table_name(&t.notes).set_item(Some(t.item(sk, attributes)))
}

pub fn update(t: &Ctx, sk: &str, expression: &str) -> UpdateBuilder {
    let update = Update::builder().table_name(&t.notes).set_key(Some(t.key(sk))).update_expression(expression);
    update.set_expression_attribute_names(names([expression]))
}

pub fn delete(t: &Ctx, sk: &str) -> DeleteBuilder {
    Delete::builder().table_name(&t.notes).set_key(Some(t.key(sk)))
}

pub fn check(t: &Ctx, sk: &str, condition: &str) -> ConditionCheckBuilder {
    let check = ConditionCheck::builder().table_name(&t.notes).set_key(Some(t.key(sk)));
    check.condition_expression(condition)
}

/// One action of a transaction.
pub trait Action {
    fn action(self) -> TransactWriteItem;
}

impl Action for PutBuilder {
    fn action(self) -> TransactWriteItem {
        TransactWriteItem::builder().put(self.build().unwrap()).build()
    }
}

impl Action for UpdateBuilder {
    fn action(self) -> TransactWriteItem {
        TransactWriteItem::builder().update(self.build().unwrap()).build()
    }
}

impl Action for DeleteBuilder {
    fn action(self) -> TransactWriteItem {
        TransactWriteItem::builder().delete(self.build().unwrap()).build()
    }
}

impl Action for ConditionCheckBuilder {
    fn action(self) -> TransactWriteItem {
        TransactWriteItem::builder().condition_check(self.build().unwrap()).build()
    }
}

pub fn write(db: &Client, actions: impl IntoIterator<Item = TransactWriteItem>) -> TransactWriteItemsFluentBuilder {
    db.transact_write_items().set_transact_items(Some(actions.into_iter().collect()))
}

pub fn get(t: &Ctx, sk: &str, projection: Option<&str>) -> TransactGetItem {
    let get = Get::builder()
        .table_name(&t.notes)
        .set_key(Some(t.key(sk)))
        .set_projection_expression(projection.map(str::to_owned))
        .set_expression_attribute_names(names(projection));
    TransactGetItem::builder().get(get.build().unwrap()).build()
}

pub fn read(db: &Client, gets: impl IntoIterator<Item = TransactGetItem>) -> TransactGetItemsFluentBuilder {
    db.transact_get_items().set_transact_items(Some(gets.into_iter().collect()))
}

async fn a_transaction_of_puts(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "00", [("memo", s("old"))]).await;
    let puts = (0..3).map(|i| put(t, &format!("{i:02}"), numbered(i)).action());
    outcome![write(db, puts).send().await, t.query(db).send().await]
}

async fn a_transaction_of_an_update(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    let update = update(t, "01", "SET email = :e, title = :e, #count = if_not_exists(#count, :one) REMOVE #grade")
        .expression_attribute_values(":e", s("new"))
        .expression_attribute_values(":one", n(1));
    outcome![write(db, [update.action()]).send().await, t.query(db).send().await]
}

async fn a_transaction_that_upserts(db: &Client, t: &Ctx) -> Outcome {
    let update = update(t, "1", "SET email = if_not_exists(email, :e), profile = :p ADD tags :tags")
        .expression_attribute_values(":e", s("new"))
        .expression_attribute_values(":p", m([("zip", n("1.0"))]))
        .expression_attribute_values(":tags", ss(["a"]));
    outcome![write(db, [update.action()]).send().await, t.query(db).send().await]
}

async fn a_transaction_of_a_delete(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    let deletes = [delete(t, "00").action(), delete(t, "nothing").action()];
    outcome![write(db, deletes).send().await, t.query(db).send().await]
}

async fn a_transaction_with_a_check(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let actions = [
        check(t, "00", "attribute_exists(email) AND title = :t")
            .expression_attribute_values(":t", s("title 00"))
            .action(),
        put(t, "new", [("email", s("e"))]).action(),
    ];
    outcome![write(db, actions).send().await, t.query(db).send().await]
}

async fn a_transaction_of_all_four(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 4).await;
    let actions = [
        delete(t, "00").action(),
        update(t, "01", "SET memo = :m, email = :m").expression_attribute_values(":m", s("both")).action(),
        check(t, "02", "attribute_not_exists(memo)").action(),
        put(t, "03", [("secret", s("replaced"))]).action(),
    ];
    outcome![write(db, actions).send().await, t.query(db).send().await]
}

async fn a_transaction_of_only_a_check(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    outcome![write(db, [check(t, "00", "attribute_exists(email)").action()]).send().await]
}

async fn a_transaction_over_several_tables(db: &Client, t: &Ctx) -> Outcome {
    let crm = || item([("pk", s(TENANT)), ("sk", t.own("1"))]);
    let update = Update::builder()
        .table_name(t.table(CRM))
        .set_key(Some(crm()))
        .update_expression("SET email = :e")
        .expression_attribute_values(":e", s("crm"));
    let flat = Put::builder().table_name(t.table(FLAT)).set_item(Some(item([("pk", t.pk()), ("email", s("flat"))])));
    let actions = [put(t, "1", [("email", s("notes"))]).action(), update.action(), flat.action()];
    outcome![
        write(db, actions).send().await,
        t.get(db, "1").send().await,
        db.get_item().table_name(t.table(CRM)).set_key(Some(crm())).send().await,
        db.get_item().table_name(t.table(FLAT)).key("pk", t.pk()).send().await,
    ]
}

async fn a_transaction_with_conditions_that_hold(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 3).await;
    let actions = [
        put(t, "new", [("email", s("e"))]).condition_expression("attribute_not_exists(pk)").action(),
        update(t, "01", "SET email = :e")
            .condition_expression("attribute_exists(email) AND attribute_not_exists(memo)")
            .expression_attribute_values(":e", s("updated"))
            .action(),
        delete(t, "02").condition_expression("title = :t").expression_attribute_values(":t", s("title 02")).action(),
    ];
    outcome![write(db, actions).send().await, t.query(db).send().await]
}

async fn a_transaction_with_names_and_values_of_each_action(db: &Client, t: &Ctx) -> Outcome {
    let set = |sk: &str, value: &str| {
        update(t, sk, "SET #name = :v, #status = :v").expression_attribute_values(":v", s(value)).action()
    };
    outcome![write(db, [set("1", "one"), set("2", "two")]).send().await, t.query(db).send().await]
}

async fn a_transaction_of_100_actions(db: &Client, t: &Ctx) -> Outcome {
    let puts = (0..100).map(|i| put(t, &format!("{i:03}"), [("email", s(i.to_string()))]).action());
    outcome![write(db, puts).send().await, t.query(db).send().await]
}

async fn a_transaction_repeated_with_its_token_happens_once(db: &Client, t: &Ctx) -> Outcome {
    let actions = || {
        [
            put(t, "1", [("email", s("e")), ("title", s("t"))]).action(),
            update(t, "2", "ADD #count :one").expression_attribute_values(":one", n(1)).action(),
        ]
    };
    let write = || write(db, actions()).client_request_token(t.token("a"));
    outcome![
        write().send().await,
        t.update(db, "1", "SET title = :t").expression_attribute_values(":t", s("since then")).send().await,
        write().send().await,
        t.query(db).send().await,
    ]
}

async fn a_transaction_of_updates_repeated_with_its_token_happens_once(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("email", s("e"))]).await;
    let update = || {
        update(t, "1", "SET email = :v, memo = :v, title = :v, profile = :p ADD #count :one")
            .expression_attribute_values(":v", s("v"))
            .expression_attribute_values(":p", m([("a", n(1)), ("b", n(2)), ("c", ss(["x", "y", "z"]))]))
            .expression_attribute_values(":one", n(1))
            .action()
    };
    let write = || write(db, [update()]).client_request_token(t.token("a"));
    outcome![write().send().await, write().send().await, write().send().await, t.query(db).send().await]
}

async fn a_transaction_repeated_without_a_token_happens_twice(db: &Client, t: &Ctx) -> Outcome {
    let update = || {
        let update = update(t, "1", "SET email = :e ADD #count :one");
        update.expression_attribute_values(":one", n(1)).expression_attribute_values(":e", s("e")).action()
    };
    outcome![write(db, [update()]).send().await, write(db, [update()]).send().await, t.query(db).send().await]
}

async fn a_token_with_another_transaction_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let write = |email| write(db, [put(t, "1", [("email", s(email))]).action()]).client_request_token(t.token("a"));
    outcome![write("one").send().await, write("two").send().await, t.query(db).send().await]
}

async fn a_token_with_another_plain_value_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let write = |title| {
        let put = put(t, "1", [("email", s("e")), ("title", s(title))]);
        write(db, [put.action()]).client_request_token(t.token("a"))
    };
    outcome![write("one").send().await, write("two").send().await, t.query(db).send().await]
}

async fn a_token_of_one_client_is_repeated_by_a_clone(db: &Client, t: &Ctx) -> Outcome {
    let write = |db: &Client| write(db, [put(t, "1", [("email", s("e"))]).action()]).client_request_token(t.token("a"));
    outcome![write(db).send().await, write(&db.clone()).send().await, t.query(db).send().await]
}

async fn a_customized_transaction(db: &Client, t: &Ctx) -> Outcome {
    let write = write(db, [put(t, "1", [("email", s("e"))]).action()]).customize().mutate_request(|request| {
        request.headers_mut().insert("x-conformance", "yes");
    });
    outcome![write.send().await, t.get(db, "1").send().await]
}

async fn a_transactional_get(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 3).await;
    outcome![read(db, ["02", "00"].map(|sk| get(t, sk, None))).send().await]
}

async fn a_transactional_get_of_what_is_not_there(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    outcome![read(db, ["nothing", "00", "neither"].map(|sk| get(t, sk, None))).send().await]
}

async fn a_transactional_get_with_projections(db: &Client, t: &Ctx) -> Outcome {
    let profile = || m([("street", s("Main")), ("zip", n("1.0"))]);
    t.seed(db, "1", [("profile", profile()), ("doc", profile()), ("name", s("Ada")), ("title", s("t"))]).await;
    t.seed_many(db, 2).await;
    let gets = [
        get(t, "1", Some("profile.zip, #name")),
        get(t, "1", Some("doc.street")),
        get(t, "00", Some("email")),
        get(t, "01", Some("#grade, memo")),
        get(t, "nothing", Some("email")),
    ];
    // One item may be read once in a transaction.
    let (one, others) = gets.split_at(1);
    outcome![read(db, one.to_vec()).send().await, read(db, others.to_vec()).send().await]
}

async fn a_transactional_get_from_several_tables(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let all = item([("pk", t.pk()), ("email", s("flat"))]);
    db.put_item().table_name(t.table(FLAT)).set_item(Some(all)).send().await.unwrap();
    let flat = Get::builder().table_name(t.table(FLAT)).key("pk", t.pk()).build().unwrap();
    let gets = [TransactGetItem::builder().get(flat).build(), get(t, "00", None)];
    outcome![read(db, gets).send().await]
}

async fn a_transactional_get_sees_what_a_transaction_updated(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    let set = |sk| update(t, sk, "SET memo = :m").expression_attribute_values(":m", s("m")).action();
    outcome![
        write(db, [set("01"), set("new")]).client_request_token(t.token("a")).send().await,
        read(db, ["00", "01", "new"].map(|sk| get(t, sk, None))).send().await,
    ]
}

//! Transactions that fail: cancelled with reasons, in error, or refused.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;

use super::case::{Case, case};
use super::ctx::{Ctx, n, s, ss};
use super::outcome::{Outcome, outcome};
use super::transactions::{Action, check, delete, get, put, read, update, write};

const CANCELLED: &str = "TransactionCanceledException";

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_failed_put_cancels_the_transaction).error(CANCELLED),
        case!(a_failed_update_cancels_the_transaction).error(CANCELLED),
        case!(a_failed_delete_cancels_the_transaction).error(CANCELLED),
        case!(a_failed_check_cancels_the_transaction).error(CANCELLED),
        case!(the_reasons_show_the_items_that_were_asked_for).error(CANCELLED),
        case!(the_reasons_show_items_that_updates_sealed).error(CANCELLED),
        case!(a_reason_shows_nothing_where_nothing_is).error(CANCELLED),
        case!(two_failed_conditions_are_two_reasons).error(CANCELLED),
        case!(a_cancelled_transaction_writes_nothing).error(CANCELLED),
        case!(an_update_of_the_wrong_type_cancels_the_transaction).error(CANCELLED),
        case!(a_transaction_that_was_cancelled_may_be_tried_again_with_its_token).error(CANCELLED),
        case!(two_actions_on_one_item_are_an_error).validation(),
        case!(a_transaction_of_101_actions_is_an_error).validation(),
        case!(a_transaction_over_4_megabytes_is_an_error).validation(),
        case!(a_transaction_of_nothing_is_an_error).validation(),
        case!(an_action_of_nothing_is_an_error).invalid("Action"),
        case!(a_transactional_get_of_101_items_is_an_error).validation(),
        case!(a_transactional_get_of_one_item_twice_is_an_error).validation(),
        case!(a_condition_on_ciphertext_is_refused).refused("Expression EncryptedCondition email"),
        case!(a_check_on_ciphertext_is_refused).refused("Expression EncryptedCondition amount"),
        case!(an_update_of_ciphertext_is_refused).refused("Expression EncryptedUpdate amount"),
        case!(an_undeclared_attribute_is_refused_in_a_transaction).refused("Seal Undeclared undeclared"),
        case!(an_empty_set_in_an_encrypted_attribute_of_a_transaction).invalid("Seal Value EmptySet keys"),
        case!(an_unused_value_in_a_transaction_is_an_error).invalid("UnusedValue"),
        case!(a_transaction_on_a_key_attribute_is_an_error).validation(),
    ]
}

async fn a_failed_put_cancels_the_transaction(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let put = put(t, "00", [("email", s("new"))]).condition_expression("attribute_not_exists(email)");
    outcome![write(db, [put.action()]).send().await, t.query(db).send().await]
}

async fn a_failed_update_cancels_the_transaction(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let update = update(t, "00", "SET email = :e")
        .condition_expression("attribute_exists(memo)")
        .expression_attribute_values(":e", s("new"));
    outcome![write(db, [update.action()]).send().await, t.query(db).send().await]
}

async fn a_failed_delete_cancels_the_transaction(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let delete = delete(t, "00").condition_expression("title = :t").expression_attribute_values(":t", s("other"));
    outcome![write(db, [delete.action()]).send().await, t.query(db).send().await]
}

async fn a_failed_check_cancels_the_transaction(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let actions = [put(t, "new", [("email", s("e"))]).action(), check(t, "00", "attribute_exists(memo)").action()];
    outcome![write(db, actions).send().await, t.query(db).send().await]
}

async fn the_reasons_show_the_items_that_were_asked_for(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 4).await;
    let actions = [
        put(t, "00", [("email", s("new"))])
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(AllOld)
            .action(),
        update(t, "01", "SET email = :e")
            .expression_attribute_values(":e", s("new"))
            .condition_expression("attribute_not_exists(email)")
            .return_values_on_condition_check_failure(AllOld)
            .action(),
        delete(t, "02")
            .condition_expression("attribute_exists(memo)")
            .return_values_on_condition_check_failure(AllOld)
            .action(),
        check(t, "03", "attribute_not_exists(title)").return_values_on_condition_check_failure(AllOld).action(),
        put(t, "new", [("email", s("e"))]).return_values_on_condition_check_failure(AllOld).action(),
    ];
    outcome![write(db, actions).send().await]
}

async fn the_reasons_show_items_that_updates_sealed(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let set = |sk: &str| t.update(db, sk, "SET memo = :m, email = :m").expression_attribute_values(":m", s("updated"));
    set("00").send().await.ok();
    set("upserted").send().await.ok();
    let absent =
        |sk| check(t, sk, "attribute_not_exists(memo)").return_values_on_condition_check_failure(AllOld).action();
    outcome![write(db, [absent("00"), absent("upserted")]).send().await]
}

async fn a_reason_shows_nothing_where_nothing_is(db: &Client, t: &Ctx) -> Outcome {
    let check = check(t, "1", "attribute_exists(email)").return_values_on_condition_check_failure(AllOld);
    outcome![write(db, [check.action()]).send().await]
}

async fn two_failed_conditions_are_two_reasons(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let actions = [
        check(t, "00", "attribute_exists(memo)").action(),
        put(t, "new", [("email", s("e"))]).action(),
        delete(t, "nothing").condition_expression("attribute_exists(pk)").action(),
    ];
    outcome![write(db, actions).send().await]
}

async fn a_cancelled_transaction_writes_nothing(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    let actions = [
        put(t, "new", [("email", s("e"))]).action(),
        update(t, "00", "SET email = :e, title = :e").expression_attribute_values(":e", s("new")).action(),
        delete(t, "01").action(),
        check(t, "nothing", "attribute_exists(pk)").action(),
    ];
    outcome![write(db, actions).send().await, t.query(db).send().await]
}

async fn an_update_of_the_wrong_type_cancels_the_transaction(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let actions = [
        put(t, "new", [("email", s("e"))]).action(),
        update(t, "00", "SET title = title + :one, email = :e")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":e", s("e"))
            .action(),
    ];
    outcome![write(db, actions).send().await, t.query(db).send().await]
}

async fn a_transaction_that_was_cancelled_may_be_tried_again_with_its_token(db: &Client, t: &Ctx) -> Outcome {
    let write = || {
        let put = put(t, "1", [("email", s("e"))]);
        let check = check(t, "2", "attribute_exists(email)");
        write(db, [put.action(), check.action()]).client_request_token(t.token("a"))
    };
    let cancelled = write().send().await;
    t.seed(db, "2", [("email", s("now it is there"))]).await;
    outcome![cancelled, write().send().await, t.query(db).send().await]
}

async fn two_actions_on_one_item_are_an_error(db: &Client, t: &Ctx) -> Outcome {
    let actions = [put(t, "1", [("email", s("e"))]).action(), check(t, "1", "attribute_exists(pk)").action()];
    outcome![write(db, actions).send().await, t.query(db).send().await]
}

async fn a_transaction_of_101_actions_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let puts = (0..101).map(|i| put(t, &format!("{i:03}"), [("email", s(i.to_string()))]).action());
    outcome![write(db, puts).send().await, t.query(db).send().await]
}

async fn a_transaction_of_nothing_is_an_error(db: &Client, _: &Ctx) -> Outcome {
    outcome![write(db, []).send().await, read(db, []).send().await]
}

async fn an_action_of_nothing_is_an_error(db: &Client, _: &Ctx) -> Outcome {
    use aws_sdk_dynamodb::types::TransactWriteItem;
    outcome![write(db, [TransactWriteItem::builder().build()]).send().await]
}

async fn a_transactional_get_of_101_items_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![read(db, (0..101).map(|i| get(t, &format!("{i:03}"), None))).send().await]
}

async fn a_transactional_get_of_one_item_twice_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![read(db, ["1", "1"].map(|sk| get(t, sk, None))).send().await]
}

async fn a_condition_on_ciphertext_is_refused(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let put = put(t, "00", [("title", s("t"))])
        .condition_expression("email = :e")
        .expression_attribute_values(":e", s("0@example.org"));
    outcome![write(db, [put.action()]).send().await]
}

async fn a_check_on_ciphertext_is_refused(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("amount", n(5))]).await;
    let check = check(t, "1", "amount > :n").expression_attribute_values(":n", n(1));
    outcome![write(db, [put(t, "2", []).action(), check.action()]).send().await]
}

async fn an_update_of_ciphertext_is_refused(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("amount", n(5))]).await;
    let update = update(t, "1", "ADD amount :n").expression_attribute_values(":n", n(1));
    outcome![write(db, [update.action()]).send().await]
}

async fn an_undeclared_attribute_is_refused_in_a_transaction(db: &Client, t: &Ctx) -> Outcome {
    outcome![write(db, [put(t, "1", [("undeclared", s("x"))]).action()]).send().await]
}

async fn an_empty_set_in_an_encrypted_attribute_of_a_transaction(db: &Client, t: &Ctx) -> Outcome {
    let update = update(t, "1", "SET #keys = :k").expression_attribute_values(":k", ss([]));
    outcome![
        write(db, [put(t, "1", [("keys", ss([]))]).action()]).send().await,
        write(db, [update.action()]).send().await,
        t.query(db).send().await,
    ]
}

async fn an_unused_value_in_a_transaction_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let delete = delete(t, "1").expression_attribute_values(":unused", s("x"));
    let update = update(t, "2", "SET email = :e")
        .expression_attribute_values(":e", s("e"))
        .expression_attribute_values(":unused", s("x"));
    outcome![write(db, [delete.action()]).send().await, write(db, [update.action()]).send().await]
}

async fn a_transaction_on_a_key_attribute_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let update = update(t, "1", "SET sk = :s").expression_attribute_values(":s", s("2"));
    outcome![write(db, [update.action()]).send().await, t.query(db).send().await]
}

async fn a_transaction_over_4_megabytes_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let puts = (0..12).map(|i| put(t, &i.to_string(), [("secret", s("x".repeat(380_000)))]).action());
    outcome![write(db, puts).send().await, t.get(db, "0").send().await]
}

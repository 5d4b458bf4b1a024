//! DeleteItem.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::case::{Case, case};
use super::ctx::{Ctx, m, n, s};
use super::outcome::{Outcome, outcome};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_deleted_item_is_gone),
        case!(a_delete_of_nothing_succeeds),
        case!(a_delete_gives_the_item_that_it_deleted),
        case!(a_delete_gives_nothing_when_there_was_nothing),
        case!(a_delete_on_condition_happens_when_it_holds),
        case!(a_failed_delete_shows_the_item_and_leaves_it).error("ConditionalCheckFailedException"),
        case!(a_failed_delete_shows_nothing_unless_it_was_asked_to).error("ConditionalCheckFailedException"),
        case!(a_delete_that_asks_for_new_values_is_an_error).validation(),
        case!(an_item_may_be_put_again_after_its_deletion),
    ]
}

async fn seed(db: &Client, t: &Ctx) {
    let attributes = [("title", s("t")), ("grade", n(1)), ("email", s("e")), ("profile", m([("zip", n("1.0"))]))];
    t.seed(db, "1", attributes).await;
}

async fn a_deleted_item_is_gone(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![t.delete(db, "1").send().await, t.get(db, "1").send().await]
}

async fn a_delete_of_nothing_succeeds(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.delete(db, "1").send().await]
}

async fn a_delete_gives_the_item_that_it_deleted(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![t.delete(db, "1").return_values(ReturnValue::AllOld).send().await, t.get(db, "1").send().await]
}

async fn a_delete_gives_nothing_when_there_was_nothing(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.delete(db, "1").return_values(ReturnValue::AllOld).send().await]
}

async fn a_delete_on_condition_happens_when_it_holds(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let delete = t
        .delete(db, "1")
        .condition_expression("attribute_exists(email) AND title = :t")
        .expression_attribute_values(":t", s("t"));
    outcome![delete.send().await, t.get(db, "1").send().await]
}

async fn a_failed_delete_shows_the_item_and_leaves_it(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let delete = t
        .delete(db, "1")
        .condition_expression("attribute_not_exists(email)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    outcome![delete.send().await, t.get(db, "1").send().await]
}

async fn a_failed_delete_shows_nothing_unless_it_was_asked_to(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let delete = t.delete(db, "1").condition_expression("attribute_not_exists(email)");
    outcome![delete.send().await, t.get(db, "1").send().await]
}

async fn a_delete_that_asks_for_new_values_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![t.delete(db, "1").return_values(ReturnValue::UpdatedNew).send().await, t.get(db, "1").send().await]
}

async fn an_item_may_be_put_again_after_its_deletion(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![
        t.delete(db, "1").send().await,
        t.put(db, "1", [("email", s("again"))]).condition_expression("attribute_not_exists(pk)").send().await,
        t.get(db, "1").send().await,
    ]
}

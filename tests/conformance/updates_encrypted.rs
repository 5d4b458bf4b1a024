//! Update expressions on encrypted attributes: what works, and what is refused by the attribute's name.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::case::{Case, case};
use super::ctx::{Attributes, Ctx, l, m, n, ns, s, ss};
use super::outcome::{Outcome, outcome};
use super::updates::update;

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = rows()
        .into_iter()
        .map(|(expression, values)| {
            Case::new(format!("the sealed update {expression}"), move |db, t| {
                Box::pin(update(db, t, expression.to_owned(), values.clone()))
            })
        })
        .collect();
    cases.extend(refused().into_iter().map(|(expression, values, refusal)| {
        let case = Case::new(format!("the refused update {expression}"), move |db, t| {
            Box::pin(only_the_update(db, t, expression, values.clone()))
        });
        case.refused(refusal)
    }));
    cases.extend([
        case!(an_update_on_condition_of_an_encrypted_attribute_happens_once).error("ConditionalCheckFailedException"),
        case!(a_failed_update_shows_the_item).error("ConditionalCheckFailedException"),
        case!(a_failed_update_shows_nothing_when_there_is_nothing).error("ConditionalCheckFailedException"),
        case!(a_condition_and_an_update_may_use_one_value),
        case!(a_condition_on_ciphertext_is_refused_in_an_update).refused("Expression EncryptedCondition email"),
        case!(updates_one_after_the_other_leave_what_the_last_one_wrote),
        case!(a_put_after_updates_replaces_everything),
        case!(an_updated_item_is_queried_and_projected_like_any_other),
        case!(an_item_is_deleted_with_what_updates_wrote),
        case!(an_update_of_nothing_at_all),
        case!(an_update_with_an_empty_set_in_an_encrypted_attribute).invalid("Seal Value EmptySet keys"),
    ]);
    cases
}

/// Without the item as it then is: a refused update leaves another one.
async fn only_the_update(db: &Client, t: &Ctx, expression: &'static str, values: Attributes) -> Outcome {
    let mut outcome = update(db, t, expression.to_owned(), values).await;
    outcome.truncate(1);
    outcome
}

fn rows() -> Vec<(&'static str, Attributes)> {
    let v = |value| vec![(":v", value)];
    vec![
        ("SET email = :v", v(s("new"))),
        ("SET email = :v, memo = :w", vec![(":v", s("new")), (":w", s("newer"))]),
        ("SET email = :v, memo = :v", v(s("the same"))),
        ("SET email = :v, title = :v", v(s("the same in plain and sealed"))),
        ("SET title = :v, email = :v, city = :v, memo = :v", v(s("four times"))),
        ("SET #name = :v", v(s("reserved"))),
        ("SET amount = :v", v(n("1.50"))),
        ("SET profile = :v", v(m([("street", s("Other")), ("n", ns(["1.0"]))]))),
        ("SET phones = :v", v(l([s("2"), s("3")]))),
        ("SET #keys = :v", v(ss(["b", "a"]))),
        ("SET email = if_not_exists(email, :v)", v(s("never"))),
        ("SET secret = if_not_exists(secret, :v)", v(s("first"))),
        ("SET email = if_not_exists(email, :v), secret = if_not_exists(secret, :v)", v(s("same"))),
        (
            "SET email = if_not_exists(email, :v), #count = if_not_exists(#count, :w) + :w",
            vec![(":v", s("x")), (":w", n(1))],
        ),
        ("set email = :v remove title", v(s("lower case"))),
        ("SET\n\temail=:v,\n\tmemo=if_not_exists(memo,:v)", v(s("no spaces"))),
        ("SET email = :v, memo = :v, title = :seal0, city = :seal1", {
            vec![(":v", s("two of one")), (":seal0", s("taken")), (":seal1", s("taken too"))]
        }),
        ("SET email = :seal0, title = :seal0", v(s("x")).into_iter().map(|(_, value)| (":seal0", value)).collect()),
        ("REMOVE email", vec![]),
        ("REMOVE email, memo, secret", vec![]),
        ("REMOVE secret", vec![]),
        ("REMOVE email, title SET memo = :v, city = :v", v(s("x"))),
        ("REMOVE profile ADD #count :w SET email = :v DELETE tags :x", {
            vec![(":v", s("new")), (":w", n(1)), (":x", ss(["red"]))]
        }),
    ]
}

fn refused() -> Vec<(&'static str, Attributes, &'static str)> {
    let v = |value| vec![(":v", value)];
    vec![
        ("SET amount = amount + :v", v(n(1)), "Expression EncryptedUpdate amount"),
        ("SET amount = amount - :v", v(n(1)), "Expression EncryptedUpdate amount"),
        ("ADD amount :v", v(n(1)), "Expression EncryptedUpdate amount"),
        ("ADD #keys :v", v(ss(["k"])), "Expression EncryptedUpdate keys"),
        ("SET phones = list_append(phones, :v)", v(l([s("2")])), "Expression EncryptedUpdate phones"),
        ("SET phones[0] = :v", v(s("2")), "Expression InsideEncrypted phones[0]"),
        ("SET profile.street = :v", v(s("x")), "Expression InsideEncrypted profile.street"),
        ("REMOVE profile.street", vec![], "Expression InsideEncrypted profile.street"),
        ("REMOVE phones[0]", vec![], "Expression InsideEncrypted phones[0]"),
        ("SET title = email", vec![], "Expression EncryptedUpdate email"),
        ("SET email = title", vec![], "Expression EncryptedUpdate email"),
        ("SET email = memo", vec![], "Expression EncryptedUpdate email"),
        ("SET email = if_not_exists(memo, :v)", v(s("x")), "Expression EncryptedUpdate email"),
        ("SET title = if_not_exists(email, :v)", v(s("x")), "Expression EncryptedUpdate email"),
        ("SET email = if_not_exists(email, title)", vec![], "Expression EncryptedUpdate email"),
        ("SET #count = amount + :v", v(n(1)), "Expression EncryptedUpdate amount"),
        ("SET undeclared = :v", v(s("x")), "Expression Undeclared undeclared"),
    ]
}

async fn an_update_on_condition_of_an_encrypted_attribute_happens_once(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("title", s("t"))]).await;
    let update = |email| {
        t.update(db, "1", "SET email = :e")
            .condition_expression("attribute_not_exists(email) AND attribute_exists(title)")
            .expression_attribute_values(":e", s(email))
    };
    outcome![update("first").send().await, update("second").send().await, t.get(db, "1").send().await]
}

async fn a_failed_update_shows_the_item(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("title", s("t")), ("email", s("e")), ("memo", s("m"))]).await;
    t.update(db, "1", "SET memo = :m").expression_attribute_values(":m", s("updated")).send().await.ok();
    let update = t
        .update(db, "1", "SET email = :e")
        .condition_expression("attribute_not_exists(memo)")
        .expression_attribute_values(":e", s("new"))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    outcome![update.send().await, t.get(db, "1").send().await]
}

async fn a_failed_update_shows_nothing_when_there_is_nothing(db: &Client, t: &Ctx) -> Outcome {
    let update = t
        .update(db, "1", "SET email = :e")
        .condition_expression("attribute_exists(pk)")
        .expression_attribute_values(":e", s("new"))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    outcome![update.send().await, t.get(db, "1").send().await]
}

async fn a_condition_and_an_update_may_use_one_value(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("title", s("same")), ("email", s("e"))]).await;
    let update = t
        .update(db, "1", "SET email = :v, city = :v")
        .condition_expression("title = :v")
        .expression_attribute_values(":v", s("same"))
        .return_values(ReturnValue::AllNew);
    outcome![update.send().await, t.get(db, "1").send().await]
}

async fn a_condition_on_ciphertext_is_refused_in_an_update(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("email", s("e"))]).await;
    let update = t
        .update(db, "1", "SET email = :new")
        .condition_expression("email = :old")
        .expression_attribute_values(":old", s("e"))
        .expression_attribute_values(":new", s("f"));
    outcome![update.send().await]
}

async fn updates_one_after_the_other_leave_what_the_last_one_wrote(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("email", s("0")), ("memo", s("0"))]).await;
    let set = |name: &str, value: &str| {
        t.update(db, "1", &format!("SET {name} = :v"))
            .expression_attribute_values(":v", s(value))
            .return_values(ReturnValue::AllOld)
    };
    outcome![
        set("email", "1").send().await,
        set("memo", "1").send().await,
        set("email", "2").send().await,
        t.update(db, "1", "REMOVE memo").return_values(ReturnValue::AllNew).send().await,
        set("memo", "2").send().await,
        t.get(db, "1").send().await,
    ]
}

async fn a_put_after_updates_replaces_everything(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("email", s("0"))]).await;
    outcome![
        t.update(db, "1", "SET memo = :v").expression_attribute_values(":v", s("1")).send().await,
        t.put(db, "1", [("secret", s("2"))]).return_values(ReturnValue::AllOld).send().await,
        t.get(db, "1").send().await,
    ]
}

async fn an_updated_item_is_queried_and_projected_like_any_other(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    let update = t.update(db, "01", "SET profile = :p, title = :t");
    let update = update.expression_attribute_values(":p", m([("zip", n("1.0")), ("street", s("x"))]));
    outcome![
        update.expression_attribute_values(":t", s("updated")).send().await,
        t.query(db).send().await,
        t.query(db).projection_expression("profile.zip").send().await,
        t.get(db, "01").projection_expression("profile, title").send().await,
    ]
}

async fn an_item_is_deleted_with_what_updates_wrote(db: &Client, t: &Ctx) -> Outcome {
    outcome![
        t.update(db, "1", "SET email = :v").expression_attribute_values(":v", s("1")).send().await,
        t.delete(db, "1").return_values(ReturnValue::AllOld).send().await,
    ]
}

async fn an_update_of_nothing_at_all(db: &Client, t: &Ctx) -> Outcome {
    let update = || db.update_item().table_name(&t.notes).set_key(Some(t.key("1")));
    outcome![update().return_values(ReturnValue::AllNew).send().await, t.get(db, "1").send().await]
}

async fn an_update_with_an_empty_set_in_an_encrypted_attribute(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("email", s("e"))]).await;
    let update = t.update(db, "1", "SET #k = :v").expression_attribute_names("#k", "keys");
    outcome![update.expression_attribute_values(":v", ss([])).send().await, t.get(db, "1").send().await]
}

//! Filter expressions, each on a query of a few items.

use aws_sdk_dynamodb::Client;

use super::case::Case;
use super::ctx::{Attributes, Ctx, given, n, names, s, ss};
use super::outcome::{Outcome, outcome};

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = rows()
        .into_iter()
        .map(|(filter, values)| {
            Case::new(format!("the filter {filter}"), move |db, t| Box::pin(query(db, t, filter, values.clone())))
        })
        .collect();
    cases.extend(refused().into_iter().map(|(filter, values, refusal)| {
        Case::new(format!("the refused filter {filter}"), move |db, t| Box::pin(query(db, t, filter, values.clone())))
            .refused(refusal)
    }));
    cases.extend(errors().into_iter().map(|(filter, values, refusal)| {
        let case = Case::new(format!("the erroneous filter {filter}"), move |db, t| {
            Box::pin(query(db, t, filter, values.clone()))
        });
        match refusal {
            Some(refusal) => case.invalid(refusal),
            None => case.validation(),
        }
    }));
    cases
}

async fn query(db: &Client, t: &Ctx, filter: &'static str, values: Attributes) -> Outcome {
    t.seed(db, "1", [("title", s("one")), ("grade", n(1)), ("email", s("1@example.org"))]).await;
    t.seed(db, "2", [("title", s("two")), ("grade", n(2)), ("status", s("open")), ("amount", n(2))]).await;
    t.seed(db, "3", [("title", s("three")), ("tags", ss(["a"])), ("email", s("3@example.org")), ("name", s("x"))])
        .await;
    t.seed(db, "4", [("city", s("three"))]).await;
    let query = t
        .query(db)
        .filter_expression(filter)
        .set_expression_attribute_names(names([filter]))
        .set_expression_attribute_values(given([vec![(":pk", t.pk())], values].concat()));
    outcome![query.send().await]
}

fn rows() -> Vec<(&'static str, Attributes)> {
    let v = |value| vec![(":v", value)];
    vec![
        ("title = :v", v(s("two"))),
        ("grade > :v OR contains(tags, :w)", vec![(":v", n(1)), (":w", s("a"))]),
        ("NOT begins_with(title, :v)", v(s("t"))),
        ("#status = :v AND grade BETWEEN :w AND :v2", vec![(":v", s("open")), (":w", n(0)), (":v2", n(9))]),
        ("title IN (:v, :w)", vec![(":v", s("one")), (":w", s("three"))]),
        ("attribute_exists(email)", vec![]),
        ("attribute_not_exists(email)", vec![]),
        ("attribute_exists(email) AND NOT attribute_exists(#name)", vec![]),
        ("attribute_exists(email) OR attribute_exists(amount)", vec![]),
        ("attribute_not_exists(secret) AND size(title) > :v", v(n(3))),
        ("title > :v", v(n(2))),
        ("(title = :v)", v(s("two"))),
        ("(title = :v) OR (grade = :w)", vec![(":v", s("two")), (":w", n(1))]),
        ("(attribute_exists(email))", vec![]),
        ("title = :v OR title = :w OR city = :w", vec![(":v", s("two")), (":w", s("three"))]),
    ]
}

fn refused() -> Vec<(&'static str, Attributes, &'static str)> {
    let v = |value| vec![(":v", value)];
    vec![
        ("email = :v", v(s("1@example.org")), "Expression EncryptedCondition email"),
        ("amount > :v", v(n(1)), "Expression EncryptedCondition amount"),
        ("contains(email, :v)", v(s("@")), "Expression EncryptedCondition email"),
        ("begins_with(#name, :v)", v(s("x")), "Expression EncryptedCondition name"),
        ("size(email) > :v", v(n(1)), "Expression EncryptedCondition email"),
        ("attribute_type(email, :v)", v(s("S")), "Expression EncryptedCondition email"),
        ("NOT email IN (:v)", v(s("x")), "Expression EncryptedCondition email"),
        ("undeclared = :v", v(s("x")), "Expression Undeclared undeclared"),
    ]
}

fn errors() -> Vec<(&'static str, Attributes, Option<&'static str>)> {
    let v = |value| vec![(":v", value)];
    vec![
        ("sk = :v", v(s("1")), None),
        ("pk = :pk AND title = :v", v(s("one")), None),
        ("status = :v", v(s("open")), Some("Expression ReservedWord")),
        ("title = :undefined", vec![], Some("UndefinedValue")),
        ("title == :v", v(s("one")), Some("Expression Syntax")),
        ("title BETWEEN :v", v(s("one")), Some("Expression Syntax")),
        ("", vec![], Some("Expression Syntax")),
    ]
}

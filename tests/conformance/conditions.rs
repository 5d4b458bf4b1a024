//! Condition expressions, each on a put over one item that has both kinds of attributes.

use aws_sdk_dynamodb::Client;

use super::case::Case;
use super::ctx::{Attributes, Ctx, given, l, m, n, names, null, s, ss, yes};
use super::outcome::{Outcome, outcome};

/// What a condition does to the put.
enum Then {
    /// It happens.
    Holds,
    /// It does not.
    Fails,
    /// The tenant's client refuses the condition, which DynamoDB would evaluate.
    Refused(bool, &'static str),
    /// The tenant's client refuses what is an error for DynamoDB too.
    Invalid(&'static str),
}
use Then::{Fails, Holds, Invalid, Refused};

pub fn cases() -> Vec<Case> {
    let case = |(expression, values, then): (&'static str, Attributes, Then)| {
        let case = Case::new(format!("the condition {expression}"), move |db, t| {
            Box::pin(put(db, t, expression, values.clone()))
        });
        match then {
            Holds => case,
            Fails => case.error("ConditionalCheckFailedException"),
            Refused(true, refusal) => case.refused(refusal),
            Refused(false, refusal) => case.refused(refusal).error("ConditionalCheckFailedException"),
            Invalid(refusal) => case.invalid(refusal),
        }
    };
    rows().into_iter().map(case).collect()
}

async fn put(db: &Client, t: &Ctx, condition: &'static str, values: Attributes) -> Outcome {
    let before = vec![
        ("title", s("title")),
        ("grade", n(7)),
        ("status", s("open")),
        ("flag", yes()),
        ("tags", ss(["red", "blue"])),
        ("doc", m([("a", m([("b", l([n(1), n(2)]))])), ("none", null())])),
        ("list", l([s("x"), m([("y", s("z"))])])),
        ("email", s("a@example.org")),
        ("amount", n(7)),
        ("name", s("Ada")),
        ("profile", m([("street", s("Main"))])),
        ("phones", l([s("1")])),
    ];
    t.seed(db, "1", before).await;
    let put = t
        .put(db, "1", [("title", s("after")), ("email", s("after"))])
        .condition_expression(condition)
        .set_expression_attribute_names(names([condition]))
        .set_expression_attribute_values(given(values));
    outcome![put.send().await]
}

fn rows() -> Vec<(&'static str, Attributes, Then)> {
    let v = |value| vec![(":v", value)];
    vec![
        // On plain attributes.
        ("title = :v", v(s("title")), Holds),
        (":v = title", v(n(1)), Fails),
        ("title <> :v", v(s("other")), Holds),
        ("grade < :v", v(n(8)), Holds),
        ("grade <= :v", v(n("7.0")), Holds),
        ("grade > :v", v(n(7)), Fails),
        ("grade >= :v", v(n(7)), Holds),
        ("grade BETWEEN :v AND :w", vec![(":v", n(1)), (":w", n(10))], Holds),
        ("title IN (:v, :w)", vec![(":v", s("a")), (":w", s("title"))], Holds),
        ("#status = :v", v(s("open")), Holds),
        ("NOT #status = :v", v(s("open")), Fails),
        ("begins_with(title, :v)", v(s("ti")), Holds),
        ("contains(tags, :v)", v(s("red")), Holds),
        ("contains(title, :v)", v(s("tl")), Holds),
        ("contains(#list, :v)", v(s("nothing")), Fails),
        ("size(title) = :v", v(n(5)), Holds),
        ("size(tags) > :v", v(n(2)), Fails),
        ("attribute_type(title, :v)", v(s("S")), Holds),
        ("attribute_type(doc.#none, :v)", v(s("NULL")), Holds),
        ("doc.a.b[1] = :v", v(n(2)), Holds),
        ("#list[1].y = :v", v(s("z")), Holds),
        ("attribute_exists(doc.a.c)", vec![], Fails),
        ("attribute_not_exists(doc.a.b[2])", vec![], Holds),
        ("attribute_exists(title) AND (grade = :v OR grade = :w)", vec![(":v", n(1)), (":w", n(7))], Holds),
        ("title = grade OR NOT flag = :v", v(yes()), Fails),
        ("pk <> :v AND attribute_exists(sk)", v(s("other")), Holds),
        ("title = city", vec![], Fails),
        ("title=:v AND(grade<:w)", vec![(":v", s("title")), (":w", n(9))], Holds),
        ("not (NOT title = :v)", v(s("title")), Holds),
        ("title = :v\n\tor  grade = :w", vec![(":v", s("x")), (":w", n(7))], Holds),
        (":v BETWEEN title AND :w", vec![(":v", s("u")), (":w", s("z"))], Holds),
        (":v IN (city, title)", v(s("title")), Holds),
        ("begins_with(title, city)", vec![], Fails),
        ("size(doc.a) = :v AND contains(doc.a.b, :v)", v(n(1)), Holds),
        ("attribute_not_exists(doc.email) AND attribute_exists(#list[1].y)", vec![], Holds),
        // Whether an encrypted attribute exists.
        ("attribute_exists(email)", vec![], Holds),
        ("attribute_not_exists(email)", vec![], Fails),
        ("attribute_exists(memo)", vec![], Fails),
        ("attribute_not_exists(memo)", vec![], Holds),
        ("attribute_exists(#name) AND attribute_not_exists(secret)", vec![], Holds),
        ("NOT attribute_exists(profile)", vec![], Fails),
        ("attribute_exists(email) AND title = :v", v(s("title")), Holds),
        ("attribute_exists(memo) OR grade > :v", v(n(1)), Holds),
        ("(attribute_exists(email))and(NOT(attribute_exists(memo)))", vec![], Holds),
        // What cannot be asked of a ciphertext.
        ("email = :v", v(s("a@example.org")), Refused(true, "Expression EncryptedCondition email")),
        ("email <> :v", v(s("a@example.org")), Refused(false, "Expression EncryptedCondition email")),
        ("amount < :v", v(n(9)), Refused(true, "Expression EncryptedCondition amount")),
        (
            "amount BETWEEN :v AND :w",
            vec![(":v", n(1)), (":w", n(2))],
            Refused(false, "Expression EncryptedCondition amount"),
        ),
        ("email IN (:v)", v(s("x")), Refused(false, "Expression EncryptedCondition email")),
        ("begins_with(email, :v)", v(s("a@")), Refused(true, "Expression EncryptedCondition email")),
        ("contains(email, :v)", v(s("@")), Refused(true, "Expression EncryptedCondition email")),
        ("size(email) > :v", v(n(3)), Refused(true, "Expression EncryptedCondition email")),
        ("attribute_type(email, :v)", v(s("S")), Refused(true, "Expression EncryptedCondition email")),
        ("title = email", vec![], Refused(false, "Expression EncryptedCondition email")),
        ("grade = amount", vec![], Refused(true, "Expression EncryptedCondition amount")),
        ("title = :v AND #name = :w", vec![(":v", s("title")), (":w", s("Ada"))], {
            Refused(true, "Expression EncryptedCondition name")
        }),
        ("profile.street = :v", v(s("Main")), Refused(true, "Expression EncryptedCondition profile")),
        ("attribute_exists(profile.street)", vec![], Refused(true, "Expression InsideEncrypted profile.street")),
        ("attribute_not_exists(phones[1])", vec![], Refused(true, "Expression InsideEncrypted phones[1]")),
        ("attribute_not_exists(undeclared)", vec![], Refused(true, "Expression Undeclared undeclared")),
        // Errors.
        ("status = :v", v(s("open")), Invalid("Expression ReservedWord")),
        ("title = :undefined", vec![], Invalid("UndefinedValue")),
        ("title = :v AND", v(s("x")), Invalid("Expression Syntax")),
        ("title = :v OR grade = :v", vec![(":v", s("x")), (":unused", s("y"))], Invalid("UnusedValue")),
        ("(title) = :v =", v(s("x")), Invalid("Expression Syntax")),
        ("exists(title)", vec![], Invalid("Expression UnknownFunction")),
        ("ATTRIBUTE_EXISTS(title)", vec![], Invalid("Expression FunctionCase")),
        ("((title = :v))", v(s("title")), Invalid("Expression RedundantParentheses")),
        ("", vec![], Invalid("Expression Syntax")),
    ]
}

//! Each type of value goes in and comes out as a plain attribute and as an encrypted one, by PutItem and by UpdateItem.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::case::Case;
use super::ctx::{Ctx, b, bs, l, m, n, ns, null, s, ss, yes};
use super::outcome::{Outcome, outcome};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, value) in valid() {
        for (kind, attribute) in [("a plain", "payload"), ("an encrypted", "secret")] {
            let given = value.clone();
            cases.push(Case::new(format!("{name} in {kind} attribute of a put"), move |db, t| {
                Box::pin(put(db, t, attribute, given.clone()))
            }));
            let given = value.clone();
            cases.push(Case::new(format!("{name} in {kind} attribute of an update"), move |db, t| {
                Box::pin(update(db, t, attribute, given.clone()))
            }));
        }
    }
    for (name, value, refusal) in invalid() {
        let given = value.clone();
        let case = Case::new(format!("{name} in a plain attribute of a put"), move |db, t| {
            Box::pin(put(db, t, "payload", given.clone()))
        });
        cases.push(case.validation());
        let given = value.clone();
        let case = Case::new(format!("{name} in an encrypted attribute of a put"), move |db, t| {
            Box::pin(put(db, t, "secret", given.clone()))
        });
        cases.push(case.invalid(refusal));
        let case = Case::new(format!("{name} in an encrypted attribute of an update"), move |db, t| {
            Box::pin(update(db, t, "secret", value.clone()))
        });
        cases.push(case.invalid(refusal));
    }
    cases
}

async fn put(db: &Client, t: &Ctx, attribute: &'static str, value: AttributeValue) -> Outcome {
    outcome![t.put(db, "1", [(attribute, value)]).send().await, t.get(db, "1").send().await]
}

async fn update(db: &Client, t: &Ctx, attribute: &'static str, value: AttributeValue) -> Outcome {
    t.seed(db, "1", [("title", s("before")), ("email", s("before"))]).await;
    let set = t.update(db, "1", &format!("SET {attribute} = :v")).expression_attribute_values(":v", value);
    outcome![set.send().await, t.get(db, "1").send().await]
}

/// A list in a list in a list …
fn nested(depth: usize) -> AttributeValue {
    (0..depth).fold(s("leaf"), |inner, _| l([inner]))
}

fn valid() -> Vec<(&'static str, AttributeValue)> {
    vec![
        ("a text", s("hello")),
        ("a text beyond ASCII", s("žluťoučký kůň 🐎 \u{0}\u{7f}\"\\")),
        ("an empty text", s("")),
        ("a long text", s("x".repeat(20_000))),
        ("an integer", n(42)),
        ("a negative zero", n("-0")),
        ("a number with trailing zeros", n("1.500")),
        ("a number with leading zeros", n("-00012.30")),
        ("a number with a plus and an exponent", n("+1.25E3")),
        ("a number with a large exponent", n("1e20")),
        ("a small fraction", n("0.0000000001")),
        ("the smallest number", n("1e-130")),
        ("the largest number", n("9.9999999999999999999999999999999999999E+125")),
        ("a number of 38 digits", n("12345678901234567890123456789012345678")),
        ("bytes", b([0, 1, 2, 254, 255])),
        ("no bytes", b([])),
        ("true", yes()),
        ("false", AttributeValue::Bool(false)),
        ("null", null()),
        ("a set of texts", ss(["b", "a", "c"])),
        ("a set with an empty text", ss(["", "a"])),
        ("a set of numbers", ns(["3", "-1.50", "2e2"])),
        ("a set of bytes", bs([b"two", b"one"])),
        ("a list", l([s("a"), n("1.0"), yes(), null(), b([7])])),
        ("an empty list", l([])),
        ("a map", m([("a", s("1")), ("b", n("2.20")), ("c", ss(["x"]))])),
        ("an empty map", m([])),
        ("a map of maps and lists", m([("a", m([("b", l([m([("c", ns(["1.0"]))]), l([])]))])), ("d", m([]))])),
        ("lists nested 31 deep", nested(31)),
    ]
}

fn invalid() -> Vec<(&'static str, AttributeValue, &'static str)> {
    vec![
        ("an empty set of texts", ss([]), "Seal Value EmptySet secret"),
        ("an empty set of numbers", ns([]), "Seal Value EmptySet secret"),
        ("an empty set of bytes", bs([]), "Seal Value EmptySet secret"),
        ("a text twice in a set", ss(["a", "a"]), "Seal Value RepeatedMember secret"),
        ("a number twice in a set", ns(["1", "1.0"]), "Seal Value RepeatedMember secret"),
        ("bytes twice in a set", bs([b"a", b"a"]), "Seal Value RepeatedMember secret"),
        ("a word for a number", n("abc"), "Seal Value Number Syntax secret"),
        ("an empty number", n(""), "Seal Value Number Syntax secret"),
        ("a number of 39 digits", n("123456789012345678901234567890123456789"), "Seal Value Number Precision secret"),
        ("too large a number", n("1e126"), "Seal Value Number Magnitude secret"),
        ("too small a number", n("1e-131"), "Seal Value Number Magnitude secret"),
        ("a word in a set of numbers", ns(["1", "x"]), "Seal Value Number Syntax secret"),
        ("a null that is false", AttributeValue::Null(false), "Seal Value NullFalse secret"),
        ("lists nested too deep", nested(40), "Seal Value TooDeep secret"),
        ("an empty set in a map", m([("a", ss([]))]), "Seal Value EmptySet secret"),
    ]
}

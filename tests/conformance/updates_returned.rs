//! What UpdateItem returns: nothing, the whole item before or after, or what was updated.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValue;

use super::case::Case;
use super::ctx::{Attributes, Ctx, given, l, m, n, names, s, ss};
use super::outcome::{Outcome, outcome};

pub fn cases() -> Vec<Case> {
    let returned = [
        ("nothing", ReturnValue::None),
        ("all of the old", ReturnValue::AllOld),
        ("all of the new", ReturnValue::AllNew),
        ("the updated of the old", ReturnValue::UpdatedOld),
        ("the updated of the new", ReturnValue::UpdatedNew),
    ];
    let mut cases = Vec::new();
    for (expression, values) in rows() {
        for (what, returned) in returned.clone() {
            for (on, exists) in [("an item", true), ("nothing", false)] {
                // A path into something needs that something.
                if !exists && expression.contains(['.', '[', '+']) {
                    continue;
                }
                let (values, returned) = (values.clone(), returned.clone());
                cases.push(Case::new(format!("{what} after {expression} on {on}"), move |db, t| {
                    Box::pin(update(db, t, exists, expression, values.clone(), returned.clone()))
                }));
            }
        }
    }
    cases
}

async fn update(
    db: &Client,
    t: &Ctx,
    exists: bool,
    expression: &'static str,
    values: Attributes,
    returned: ReturnValue,
) -> Outcome {
    if exists {
        let before = vec![
            ("title", s("title")),
            ("count", n(1)),
            ("tags", ss(["red", "blue"])),
            ("doc", m([("a", m([("b", n(1)), ("c", s("c"))])), ("list", l([n(1), n(2), n(3)]))])),
            ("list", l([s("x"), s("y"), s("z")])),
            ("email", s("old@example.org")),
            ("memo", s("memo")),
            ("profile", m([("street", s("Main"))])),
        ];
        t.seed(db, "1", before).await;
    }
    let update = t
        .update(db, "1", expression)
        .set_expression_attribute_names(names([expression]))
        .set_expression_attribute_values(given(values))
        .return_values(returned);
    outcome![update.send().await]
}

fn rows() -> Vec<(&'static str, Attributes)> {
    let v = |value| vec![(":v", value)];
    vec![
        ("SET title = :v", v(s("new"))),
        ("SET city = :v", v(s("new"))),
        ("SET secret = :v", v(s("new"))),
        ("SET email = :v", v(s("new"))),
        ("SET email = :v, title = :v", v(s("new"))),
        ("SET email = :v, secret = :v", v(s("new"))),
        ("SET profile = :v", v(m([("zip", n("1.0"))]))),
        ("SET memo = if_not_exists(memo, :v), secret = if_not_exists(secret, :v)", v(s("new"))),
        ("REMOVE email", vec![]),
        ("REMOVE email, secret SET title = :v", v(s("new"))),
        ("REMOVE title SET email = :v", v(s("new"))),
        ("ADD #count :v SET email = :w", vec![(":v", n(2)), (":w", s("new"))]),
        ("DELETE tags :v SET email = :w", vec![(":v", ss(["red"])), (":w", s("new"))]),
        ("SET doc.a.b = :v, email = :w", vec![(":v", n(2)), (":w", s("new"))]),
        ("SET doc.a.b = :v, doc.a.extra = :v, title = :w", vec![(":v", n(2)), (":w", s("new"))]),
        ("SET doc.#list[2] = :v", v(n(9))),
        ("SET #list[1] = :v, email = :w", vec![(":v", s("new")), (":w", s("new"))]),
        ("SET #list[9] = :v", v(s("appended"))),
        ("REMOVE #list[0], doc.a SET memo = :v", v(s("new"))),
        ("SET #count = #count + :v, secret = :w", vec![(":v", n(1)), (":w", s("new"))]),
    ]
}

//! Update expressions on plain attributes, with and without a `SET` of an encrypted one beside them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValue;

use super::case::Case;
use super::ctx::{Attributes, Ctx, given, l, m, n, names, ns, s, ss};
use super::outcome::{Outcome, outcome};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (expression, values) in rows() {
        let beside = values.clone();
        cases.push(Case::new(format!("the update {expression}"), move |db, t| {
            Box::pin(update(db, t, expression.to_owned(), values.clone()))
        }));
        cases.push(Case::new(format!("the update {expression} beside a sealed one"), move |db, t| {
            let mut values = beside.clone();
            values.push((":sealed", s("new@example.org")));
            let expression = match expression.strip_prefix("SET ") {
                Some(rest) => format!("SET email = :sealed, {rest}"),
                None => format!("{expression} SET email = :sealed"),
            };
            Box::pin(update(db, t, expression, values))
        }));
    }
    for (expression, values, refusal) in errors() {
        let case = Case::new(format!("the erroneous update {expression}"), move |db, t| {
            Box::pin(update(db, t, expression.to_owned(), values.clone()))
        });
        cases.push(match refusal {
            Some(refusal) => case.invalid(refusal),
            None => case.validation(),
        });
    }
    cases
}

/// The update with all of the new item, and the item as it then is.
pub async fn update(db: &Client, t: &Ctx, expression: String, values: Attributes) -> Outcome {
    let before = vec![
        ("title", s("title")),
        ("grade", n("7.50")),
        ("count", n(1)),
        ("tags", ss(["red", "blue"])),
        ("scores", ns(["1", "2"])),
        ("doc", m([("a", m([("b", n(1)), ("c", s("c"))])), ("list", l([n(1), n(2)]))])),
        ("list", l([s("x"), s("y"), m([("z", s("z"))])])),
        ("email", s("old@example.org")),
        ("memo", s("memo")),
        ("amount", n(5)),
        ("profile", m([("street", s("Main"))])),
        ("phones", l([s("1")])),
    ];
    t.seed(db, "1", before).await;
    let update = t
        .update(db, "1", &expression)
        .set_expression_attribute_names(names([expression.as_str()]))
        .set_expression_attribute_values(given(values))
        .return_values(ReturnValue::AllNew);
    outcome![update.send().await, t.get(db, "1").send().await]
}

fn rows() -> Vec<(&'static str, Attributes)> {
    let v = |value| vec![(":v", value)];
    vec![
        ("SET title = :v", v(s("new"))),
        ("SET city = :v, #status = :w", vec![(":v", s("Brno")), (":w", s("done"))]),
        ("SET city = title", vec![]),
        ("SET city = if_not_exists(title, :v)", v(s("other"))),
        ("SET city = if_not_exists(city, :v)", v(s("other"))),
        ("SET #count = #count + :v", v(n("0.50"))),
        ("SET #count = #count - :v", v(n(3))),
        ("SET #count = if_not_exists(price, :v) + :w", vec![(":v", n(0)), (":w", n(1))]),
        ("SET price = grade + #count", vec![]),
        ("SET #list = list_append(#list, :v)", v(l([s("end")]))),
        ("SET #list = list_append(:v, #list)", v(l([s("start")]))),
        ("SET #list[1] = :v", v(s("second"))),
        ("SET #list[9] = :v", v(s("appended"))),
        ("SET doc.a.b = :v", v(s("replaced"))),
        ("SET doc.a.extra = :v, doc.#list[0] = :w", vec![(":v", m([])), (":w", n(9))]),
        ("SET title = :v, grade = :v", v(n(1))),
        ("SET #list = list_append(if_not_exists(#list, :v), :w)", vec![(":v", l([])), (":w", l([s("end")]))]),
        ("SET notes = list_append(if_not_exists(notes, :v), :w)", vec![(":v", l([])), (":w", l([s("first")]))]),
        ("SET  doc.a.email=:v ,\n\tdoc.a.#name = :v", v(s("inside a plain map"))),
        ("SET city = :seal0, #status = :seal1", vec![(":seal0", s("a")), (":seal1", s("b"))]),
        ("REMOVE title", vec![]),
        ("REMOVE title, city", vec![]),
        ("REMOVE #list[0]", vec![]),
        ("REMOVE doc.a.b, doc.#list[1]", vec![]),
        ("ADD #count :v", v(n("1.50"))),
        ("ADD price :v", v(n(1))),
        ("ADD tags :v", v(ss(["green", "red"]))),
        ("ADD scores :v", v(ns(["2", "3"]))),
        ("DELETE tags :v", v(ss(["red", "missing"]))),
        ("DELETE tags :v REMOVE city", v(ss(["red", "blue"]))),
        ("SET title = :v REMOVE grade ADD #count :w DELETE tags :x", {
            vec![(":v", s("new")), (":w", n(1)), (":x", ss(["red"]))]
        }),
    ]
}

fn errors() -> Vec<(&'static str, Attributes, Option<&'static str>)> {
    let v = |value| vec![(":v", value)];
    vec![
        ("SET title = title + :v", v(n(1)), None),
        ("SET city = price", vec![], None),
        ("SET doc.absent.x = :v", v(s("x")), None),
        ("SET #list = list_append(title, :v)", v(l([])), None),
        ("ADD title :v", v(n(1)), None),
        ("ADD #list :v", v(l([s("x")])), None),
        ("DELETE tags :v", v(s("red")), None),
        ("ADD scores :v", v(ss(["x"])), None),
        ("SET sk = :v", v(s("2")), None),
        ("REMOVE pk", vec![], None),
        ("SET grade = :v", v(s("an index key of another type")), None),
        ("SET title = :v, title = :w", vec![(":v", s("a")), (":w", s("b"))], Some("Expression OverlappingPaths title")),
        ("SET doc = :v REMOVE doc.a", v(m([])), Some("Expression OverlappingPaths doc")),
        ("SET email = :v REMOVE email", v(s("x")), Some("Expression OverlappingPaths email")),
        ("SET title = :v SET city = :v", v(s("x")), Some("Expression RepeatedClause")),
        ("SET status = :v", v(s("x")), Some("Expression ReservedWord")),
        ("SET title = :undefined", vec![], Some("UndefinedValue")),
        ("SET email = :undefined", vec![], Some("UndefinedValue")),
        ("SET title = :v", vec![(":v", s("x")), (":unused", s("y"))], Some("UnusedValue")),
        ("SET title", vec![], Some("Expression Syntax")),
        ("UPSERT title = :v", v(s("x")), Some("Expression Syntax")),
        ("SET title = upper(:v)", v(s("x")), Some("Expression UnknownFunction")),
        ("", vec![], Some("Expression Syntax")),
    ]
}

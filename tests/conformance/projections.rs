//! Projection expressions, each on a get and on a query of one item that has both kinds of attributes.

use aws_sdk_dynamodb::Client;

use super::case::{Case, case};
use super::ctx::{Attributes, Ctx, l, m, n, names, s, ss};
use super::outcome::{Outcome, outcome};

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = VALID
        .iter()
        .flat_map(|&projection| {
            [
                Case::new(format!("a get of {projection}"), move |db, t| Box::pin(get(db, t, projection))),
                Case::new(format!("a query of {projection}"), move |db, t| Box::pin(query(db, t, projection))),
            ]
        })
        .collect();
    cases.extend(INVALID.iter().map(|&(projection, refusal)| {
        Case::new(format!("a get of {projection}"), move |db, t| Box::pin(get(db, t, projection))).invalid(refusal)
    }));
    cases.extend([
        case!(a_projection_of_an_item_that_is_not_there),
        case!(a_projection_with_a_name_that_nothing_uses).validation(),
        case!(a_projection_by_the_same_name_as_the_filter),
        case!(a_projection_of_4_kilobytes).refused("Expression TooLongRewritten"),
        case!(a_projection_of_names_that_only_placeholders_can_name),
        case!(a_name_of_an_undeclared_attribute_is_refused).refused("Expression Undeclared undeclared"),
        case!(a_name_of_the_librarys_own_is_refused).refused("Expression ReservedAttribute _seal"),
    ]);
    cases
}

const VALID: [&str; 31] = [
    "title",
    "title, grade",
    "pk",
    "pk, sk",
    "sk, title",
    "#status",
    "email",
    "email, title",
    "pk, sk, email",
    "#name, email",
    "memo",
    "memo, secret",
    "city",
    "doc.a",
    "doc.a.b[1]",
    "doc.a.b[0], doc.a.b[2]",
    "#list[1]",
    "#list[2].y",
    "#list[9]",
    "doc.absent, title",
    "profile",
    "profile.street",
    "profile.street, profile.geo.lat",
    "profile.geo.lat, title, doc.a.b[0]",
    "profile.absent",
    "phones[0]",
    "doc.email, #seal0, email",
    "profile.#_seal, doc.#_seal",
    "phones[2], phones[0]",
    "phones[1].home, email",
    "#keys, amount, tags",
];

const INVALID: [(&str, &str); 9] = [
    ("", "Expression Syntax"),
    ("title, title", "Expression OverlappingPaths title"),
    ("doc, doc.a", "Expression OverlappingPaths doc"),
    ("profile, profile.street", "Expression OverlappingPaths profile"),
    ("profile.geo, profile[0]", "Expression OverlappingPaths profile.geo"),
    ("title,", "Expression Syntax"),
    ("status", "Expression ReservedWord"),
    ("title grade", "Expression Syntax"),
    ("doc..a", "Expression Syntax"),
];

fn full() -> Attributes {
    vec![
        ("title", s("title")),
        ("grade", n(7)),
        ("status", s("open")),
        ("tags", ss(["red", "blue"])),
        (
            "doc",
            m([
                ("a", m([("b", l([n(1), n(2), n(3)])), ("c", s("c"))])),
                ("d", s("d")),
                ("_seal", n(2)),
                ("email", s("plain")),
            ]),
        ),
        ("list", l([s("x"), l([s("inner")]), m([("y", s("z")), ("q", s("r"))])])),
        ("email", s("a@example.org")),
        ("amount", n("7.50")),
        ("name", s("Ada")),
        ("keys", ss(["k2", "k1"])),
        ("seal0", s("called like a placeholder of the library")),
        ("profile", m([("street", s("Main")), ("_seal", n(1)), ("geo", m([("lat", n("1.0")), ("lon", n(2))]))])),
        ("phones", l([s("1"), m([("home", s("2"))]), s("3")])),
    ]
}

async fn get(db: &Client, t: &Ctx, projection: &'static str) -> Outcome {
    t.seed(db, "1", full()).await;
    let get = t.get(db, "1").projection_expression(projection).set_expression_attribute_names(names([projection]));
    outcome![get.send().await]
}

async fn query(db: &Client, t: &Ctx, projection: &'static str) -> Outcome {
    t.seed(db, "1", full()).await;
    t.seed(db, "2", [("email", s("second"))]).await;
    let query = t.query(db).projection_expression(projection).set_expression_attribute_names(names([projection]));
    outcome![query.send().await]
}

async fn a_projection_of_an_item_that_is_not_there(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.get(db, "1").projection_expression("email, title").send().await]
}

async fn a_projection_with_a_name_that_nothing_uses(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", full()).await;
    let get = |projection| t.get(db, "1").projection_expression(projection).expression_attribute_names("#x", "city");
    outcome![get("title").send().await, get("email").send().await]
}

async fn a_projection_by_the_same_name_as_the_filter(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", full()).await;
    let query = t
        .query(db)
        .filter_expression("attribute_exists(#name) AND #status = :open")
        .projection_expression("#name, profile.geo, #status")
        .set_expression_attribute_names(names(["#name", "#status"]))
        .expression_attribute_values(":open", s("open"));
    outcome![query.send().await]
}

async fn a_name_of_an_undeclared_attribute_is_refused(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", full()).await;
    outcome![t.get(db, "1").projection_expression("title, undeclared").send().await]
}

async fn a_name_of_the_librarys_own_is_refused(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("title", s("t"))]).await;
    let get = t.get(db, "1").projection_expression("title, #s").expression_attribute_names("#s", "_seal");
    outcome![get.send().await]
}

async fn a_projection_of_names_that_only_placeholders_can_name(db: &Client, t: &Ctx) -> Outcome {
    let inner = || m([("a.b", s("dotted")), ("[0]", s("bracketed")), ("c", s("c"))]);
    let all = [("with-dash", s("plain")), ("e-mail", s("encrypted")), ("doc", inner()), ("profile", inner())];
    t.seed(db, "1", all).await;
    let get = t
        .get(db, "1")
        .projection_expression("#d, #e, doc.#dot, profile.#dot, profile.#bracket")
        .expression_attribute_names("#d", "with-dash")
        .expression_attribute_names("#e", "e-mail")
        .expression_attribute_names("#dot", "a.b")
        .expression_attribute_names("#bracket", "[0]");
    outcome![get.send().await]
}

async fn a_projection_of_4_kilobytes(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", full()).await;
    let paths: Vec<_> = (0..408).map(|i| format!("doc.k{i:03}")).collect();
    outcome![t.get(db, "1").projection_expression(format!("email, {}", paths.join(", "))).send().await]
}

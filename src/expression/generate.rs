//! Expressions and broken expressions for the property tests.

use proptest::{
    collection::vec,
    prelude::*,
    sample::{select, subsequence},
};

use super::{
    condition::{Clause, Comparator, Operand, Test},
    path::{Name, Step, WrittenPath},
    update::{Actions, SetValue, Sign},
};

/// `#name` and `#m` stand for `name`, a reserved word, and `m`; see `differential::NAMES`.
const ATTRIBUTES: [&str; 9] = ["s", "n", "m", "l", "ss", "b", "gone", "#name", "#m"];
const FIELDS: [&str; 5] = ["x", "y", "s", "#name", "gone"];
const VALUES: [&str; 6] = [":s", ":n", ":l", ":m", ":ss", ":type"];

fn name(names: &'static [&'static str]) -> impl Strategy<Value = Name> {
    select(names).prop_map(|name| match name.strip_prefix('#') {
        Some(_) => Name::Placeholder(name.into()),
        None => Name::Literal(name.into()),
    })
}

pub(super) fn path_of(attributes: &'static [&'static str]) -> impl Strategy<Value = WrittenPath> {
    let step = prop_oneof![name(&FIELDS).prop_map(Step::Field), (0..4_u32).prop_map(Step::Element)];
    (name(attributes), vec(step, 0..3)).prop_map(|(attribute, steps)| WrittenPath { attribute, steps })
}

pub(super) fn path() -> impl Strategy<Value = WrittenPath> {
    path_of(&ATTRIBUTES)
}

fn value() -> impl Strategy<Value = String> {
    select(&VALUES[..]).prop_map(str::to_owned)
}

pub(super) fn clause(attributes: &'static [&'static str]) -> impl Strategy<Value = Clause> {
    let path = || path_of(attributes);
    let operand = move || {
        prop_oneof![
            3 => path().prop_map(Operand::Path),
            3 => value().prop_map(Operand::Value),
            1 => path().prop_map(Operand::Size),
        ]
    };
    let comparator = select(&Comparator::ALL[..]);
    let test = prop_oneof![
        4 => (operand(), comparator, operand()).prop_map(|(left, comparator, right)| Test::Compare(left, comparator, right)),
        1 => (operand(), operand(), operand()).prop_map(|(operand, low, high)| Test::Between(operand, low, high)),
        1 => (operand(), vec(operand(), 1..4)).prop_map(|(operand, candidates)| Test::In(operand, candidates)),
        2 => path().prop_map(Test::Exists),
        2 => path().prop_map(Test::NotExists),
        1 => path().prop_map(|path| Test::HasType(path, ":type".into())),
        1 => (operand(), operand()).prop_map(|(operand, prefix)| Test::BeginsWith(operand, prefix)),
        1 => (operand(), operand()).prop_map(|(operand, sought)| Test::Contains(operand, sought)),
    ];
    test.prop_map(|test| Clause::Test(Box::new(test))).prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Clause::Or),
            vec(inner.clone(), 2..4).prop_map(Clause::And),
            inner.prop_map(|clause| Clause::Not(Box::new(clause))),
        ]
    })
}

pub(super) fn condition() -> impl Strategy<Value = Clause> {
    clause(&ATTRIBUTES)
}

fn set_value() -> impl Strategy<Value = SetValue> {
    let simple = prop_oneof![path().prop_map(SetValue::Path), value().prop_map(SetValue::Value)];
    let operand = simple.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (path(), inner.clone()).prop_map(|(path, value)| SetValue::IfNotExists(path, Box::new(value))),
            (inner.clone(), inner).prop_map(|(one, other)| SetValue::ListAppend(Box::new(one), Box::new(other))),
        ]
    });
    let sign = select(&[Sign::Plus, Sign::Minus][..]);
    let arithmetic = |left: BoxedStrategy<SetValue>, right: BoxedStrategy<SetValue>, sign: BoxedStrategy<Sign>| {
        (left, sign, right).prop_map(|(left, sign, right)| SetValue::Arithmetic(Box::new(left), sign, Box::new(right)))
    };
    let (operand, sign) = (operand.boxed(), sign.boxed());
    let sum = arithmetic(operand.clone(), operand.clone(), sign.clone()).boxed();
    let group = prop_oneof![operand.clone(), sum.clone()].prop_map(|value| SetValue::Group(Box::new(value))).boxed();
    prop_oneof![4 => operand.clone(), 3 => sum, 1 => group.clone(), 1 => arithmetic(operand, group, sign)]
}

pub(super) fn actions() -> impl Strategy<Value = Actions> {
    let with_value = || vec((path(), value()), 0..2);
    (vec((path(), set_value()), 0..3), vec(path(), 0..2), with_value(), with_value())
        .prop_map(|(set, remove, add, delete)| Actions { set, remove, add, delete })
        .prop_filter("an update does something", |actions| *actions != Actions::default())
}

/// An update that the stored item's types seldom make the server refuse.
pub(super) fn update() -> impl Strategy<Value = String> {
    const TARGETS: [&str; 10] = ["s", "n", "gone", "#name", "m.x", "m.gone", "#m.y[1]", "l[0]", "l[2].x", "l[9]"];
    const REMOVED: [&str; 6] = ["ss", "gone2", "m.s", "#m.y[0]", "l[1]", "m.#name.gone"];
    let number = prop_oneof![
        select(&["n", ":n", "m.x", "l[0]", "if_not_exists(gone, :n)"][..]).prop_map(str::to_owned),
        select(&["(n - :n)", "(:n)", "(#m.x + l[0])", "if_not_exists(n, s)"][..]).prop_map(str::to_owned),
    ];
    let list =
        select(&["l", ":l", "m.y", "if_not_exists(gone, :l)", "list_append(:l, #m.y)", "if_not_exists(l, :s)"][..]);
    let value = prop_oneof![
        select(&VALUES[..]).prop_map(str::to_owned),
        select(&["m", "#name", "l[2]", "if_not_exists(gone, :m)", "if_not_exists(m.gone, if_not_exists(s, :s))"][..])
            .prop_map(str::to_owned),
        (number.clone(), select(&["+", "-"][..]), number)
            .prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
        (list.clone(), list).prop_map(|(one, other)| format!("list_append({one}, {other})")),
    ];
    let set = subsequence(&TARGETS[..], 0..4).prop_flat_map(move |targets| {
        let values = vec(value.clone(), targets.len());
        values.prop_map(move |values| {
            let actions = targets.iter().zip(values).map(|(target, value)| format!("{target} = {value}"));
            actions.collect::<Vec<_>>().join(", ")
        })
    });
    let remove = subsequence(&REMOVED[..], 0..3).prop_map(|paths| paths.join(", "));
    let add = select(&["", "m.#name.x :n", "added :ss", "added :n, m.#name.x :n"][..]);
    let delete = select(&["", "deleted :ss", "l[3] :ss"][..]);
    (set, remove, add, delete, 0..4_usize).prop_map(|(set, remove, add, delete, first)| {
        let mut clauses =
            vec![format!("SET {set}"), format!("REMOVE {remove}"), format!("ADD {add}"), format!("DELETE {delete}")];
        clauses.retain(|clause| !clause.ends_with(' '));
        if clauses.is_empty() {
            return "REMOVE gone".into();
        }
        let middle = first % clauses.len();
        clauses.rotate_left(middle);
        clauses.join(" ")
    })
}

pub(super) fn projection() -> impl Strategy<Value = String> {
    vec(path(), 1..4).prop_map(|paths| paths.iter().map(WrittenPath::to_string).collect::<Vec<_>>().join(", "))
}

pub(super) fn key_condition() -> impl Strategy<Value = String> {
    let attribute = || select(&["pk", "sk", "#sk", "s"][..]);
    let test =
        (attribute(), select(&["=", "=", "<", "<=", ">", ">=", "<>", "BETWEEN", "begins_with"][..]), any::<bool>());
    let test = test.prop_map(|(attribute, operator, parenthesised)| {
        let test = match operator {
            "BETWEEN" => format!("{attribute} BETWEEN :s AND :type"),
            "begins_with" => format!("begins_with({attribute}, :s)"),
            operator => format!("{attribute} {operator} :s"),
        };
        if parenthesised { format!("({test})") } else { test }
    });
    vec(test, 0..2).prop_map(|mut tests| {
        tests.insert(tests.len() / 2, "pk = :s".into());
        tests.join(" AND ")
    })
}

/// The pieces of expressions and near-expressions.
const PIECES: [&str; 44] = [
    "(",
    ")",
    ",",
    ".",
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "[0]",
    "[1]",
    "[",
    "]",
    "AND",
    "or",
    "Not",
    "BETWEEN",
    "IN",
    "SET",
    "remove",
    "ADD",
    "DELETE",
    "size",
    "SIZE",
    "contains",
    "begins_with",
    "attribute_exists",
    "attribute_not_exists",
    "attribute_type",
    "if_not_exists",
    "list_append",
    "s",
    "m",
    "status",
    "_x",
    "#m",
    "#name",
    ":s",
    ":n",
    "é",
    "5",
];

/// Arbitrary text that usually looks like an expression.
pub(super) fn soup() -> impl Strategy<Value = String> {
    let pieces = vec(select(&PIECES[..]), 0..24).prop_map(|pieces| pieces.join(" "));
    prop_oneof![4 => pieces, 1 => any::<String>()]
}

/// The same expression with other blanks and its keywords in other case. Sometimes a piece is lost, doubled or
/// replaced.
pub(super) fn disturbed(expression: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let blank = select(&["", " ", "  ", "\t", "\n"][..]);
    let damage = prop_oneof![4 => Just(None), 3 => any::<prop::sample::Index>().prop_map(Some)];
    (expression, vec(blank, 1..8), any::<bool>(), damage, select(&PIECES[..]), 0..4_u8).prop_map(
        |(expression, blanks, lower, damage, piece, kind)| {
            let mut pieces = pieces(&expression);
            if let Some(place) = damage {
                let place = place.index(pieces.len());
                match kind {
                    0 => _ = pieces.remove(place),
                    1 => pieces.insert(place, pieces[place].clone()),
                    2 => pieces[place] = piece.into(),
                    _ => pieces.insert(place, piece.into()),
                }
            }
            let mut text = String::new();
            for (piece, blank) in pieces.iter().zip(blanks.iter().cycle()) {
                let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
                let words_meet = is_word(text.chars().last()) && is_word(piece.chars().next());
                text.push_str(if words_meet && blank.is_empty() { " " } else { blank });
                let keyword =
                    ["AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"].contains(&piece.as_str());
                text.push_str(&if lower && keyword { piece.to_lowercase() } else { piece.clone() });
            }
            text
        },
    )
}

/// Words with their signs, indexes and symbols, each as one piece.
fn pieces(expression: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for c in expression.chars() {
        let joins = |last: &String| {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let open_index = last.starts_with('[') && !last.ends_with(']');
            open_index
                || word(c) && last.ends_with(|end| word(end) || end == '#' || end == ':')
                || matches!((last.as_str(), c), ("<", '=' | '>') | (">", '='))
        };
        match pieces.last_mut() {
            _ if c.is_whitespace() => pieces.push(String::new()),
            Some(last) if joins(last) => last.push(c),
            _ => pieces.push(c.into()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

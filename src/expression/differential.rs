//! Compares the parser with a DynamoDB server, expression by expression.
//!
//! Three things hold for every generated expression, disturbed or not. The server understands what we accept. What both
//! accept means the same after rendering. What only we refuse is on the list of known disagreements, where the
//! developer guide decides.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::HashMap, sync::LazyLock};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use dynoxide::Database;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    Condition, ExpressionError, KeyCondition, Projection, Protection, Scope, Update,
    generate::{condition, disturbed, key_condition, projection, update},
    lexer::{self, Token},
};

/// The attributes that the placeholders of generated expressions stand for.
const NAMES: [(&str, &str); 3] = [("#name", "name"), ("#m", "m"), ("#sk", "sk")];

static VALUES: LazyLock<HashMap<&str, Value>> = LazyLock::new(|| {
    HashMap::from([
        (":s", json!({"S": "abc"})),
        (":n", json!({"N": "2"})),
        (":l", json!({"L": [{"N": "1"}, {"S": "abc"}]})),
        (":m", json!({"M": {"x": {"N": "1"}}})),
        (":ss", json!({"SS": ["abc", "def"]})),
        (":type", json!({"S": "M"})),
    ])
});

fn item() -> HashMap<String, AttributeValue> {
    use AttributeValue::{B, L, M, N, S, Ss};
    let s = |text: &str| S(text.into());
    let inner = || M(HashMap::from([("x".into(), N("1".into())), ("s".into(), s("abc"))]));
    let list = L(vec![N("1".into()), s("abc"), inner(), L(vec![s("a"), s("b")])]);
    let map = [("x", N("1".into())), ("y", list.clone()), ("s", s("abcdef")), ("name", inner())];
    HashMap::from([
        ("pk".into(), s("abc")),
        ("sk".into(), s("abc")),
        ("s".into(), s("abcdef")),
        ("n".into(), N("2".into())),
        ("m".into(), M(map.into_iter().map(|(name, value)| (name.into(), value)).collect())),
        ("l".into(), list),
        ("ss".into(), Ss(vec!["abc".into(), "xyz".into()])),
        ("b".into(), B(Blob::new([1, 2, 3]))),
        ("name".into(), s("abc")),
    ])
}

fn wire(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::B(_) => json!({"B": "AQID"}),
        AttributeValue::Ss(members) => json!({"SS": members}),
        AttributeValue::L(elements) => json!({"L": elements.iter().map(wire).collect::<Vec<_>>()}),
        AttributeValue::M(members) => json!({"M": wire_item(members)}),
        other => panic!("the test item has no {other:?}"),
    }
}

fn wire_item(item: &HashMap<String, AttributeValue>) -> Map<String, Value> {
    item.iter().map(|(name, value)| (name.clone(), wire(value))).collect()
}

struct Server(Database);

impl Server {
    fn new() -> Self {
        let server = Self(Database::memory().expect("an in-memory database opens"));
        let table = json!({
            "TableName": "items",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}
            ],
            "BillingMode": "PAY_PER_REQUEST",
        });
        server.0.create_table(serde_json::from_value(table).unwrap()).unwrap();
        server.restore();
        server
    }

    fn restore(&self) {
        let put = json!({"TableName": "items", "Item": wire_item(&item())});
        self.0.put_item(serde_json::from_value(put).unwrap()).unwrap();
    }

    /// A request with the names and values that `expression` uses.
    fn request(field: &str, expression: &str) -> Value {
        let mut request = json!({"TableName": "items", field: expression});
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let uses = |placeholder: &str| {
            let mut found = expression.match_indices(placeholder);
            found.any(|(at, _)| !expression[at + placeholder.len()..].starts_with(is_word))
        };
        let names: Map<_, _> =
            NAMES.into_iter().filter(|(name, _)| uses(name)).map(|(name, to)| (name.into(), to.into())).collect();
        let values: Map<_, _> =
            VALUES.iter().filter(|(name, _)| uses(name)).map(|(name, value)| ((*name).into(), value.clone())).collect();
        if !names.is_empty() {
            request["ExpressionAttributeNames"] = names.into();
        }
        if !values.is_empty() {
            request["ExpressionAttributeValues"] = values.into();
        }
        request
    }

    fn scan(&self, filter: &str) -> Result<Value, String> {
        let request = serde_json::from_value(Self::request("FilterExpression", filter)).map_err(|e| e.to_string())?;
        let answer = self.0.scan(request).map_err(|e| e.to_string())?;
        Ok(serde_json::to_value(answer).unwrap()["Count"].take())
    }

    fn query(&self, key_condition: &str) -> Result<Value, String> {
        let request = serde_json::from_value(Self::request("KeyConditionExpression", key_condition));
        let answer = self.0.query(request.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        Ok(serde_json::to_value(answer).unwrap()["Count"].take())
    }

    fn get(&self, projection: &str) -> Result<Value, String> {
        let mut request = Self::request("ProjectionExpression", projection);
        request["Key"] = json!({"pk": {"S": "abc"}, "sk": {"S": "abc"}});
        let request = serde_json::from_value(request).map_err(|e| e.to_string())?;
        let answer = self.0.get_item(request).map_err(|e| e.to_string())?;
        Ok(serde_json::to_value(answer).unwrap()["Item"].take())
    }

    fn update(&self, update: &str) -> Result<Value, String> {
        self.restore();
        let mut request = Self::request("UpdateExpression", update);
        request["Key"] = json!({"pk": {"S": "abc"}, "sk": {"S": "abc"}});
        request["ReturnValues"] = "ALL_NEW".into();
        let request = serde_json::from_value(request).map_err(|e| e.to_string())?;
        let answer = self.0.update_item(request).map_err(|e| e.to_string())?;
        Ok(serde_json::to_value(answer).unwrap()["Attributes"].take())
    }
}

/// Whether the server refuses the form of the expression, rather than its values or the stored item.
fn is_refused_for_its_form(refusal: &str) -> bool {
    let form = [
        "Syntax error",
        "Invalid function name",
        "redundant parentheses",
        "reserved keyword",
        "Expected",
        "Unexpected",
        "overlap",
        "can only be used once",
    ];
    form.iter().any(|part| refusal.contains(part))
}

/// Where the server accepts and we refuse. In each case the developer guide decides, or the guide is silent and another
/// server refuses.
fn is_known_disagreement(refusal: &ExpressionError, expression: &str) -> bool {
    match refusal {
        // "The first character is a-z or A-Z": DynamoDB answers `Syntax error; token: "_"`. In some places the server
        // also takes a function's name as a bare attribute name, in others not.
        ExpressionError::NeedsPlaceholder { .. } => true,
        // "These function names are case-sensitive."
        ExpressionError::FunctionCase { .. } => true,
        // `a.b` beside `a[0]`: "two document paths conflict" in DynamoDB, not checked by the server.
        ExpressionError::OverlappingPaths { .. } => true,
        // The guide puts the attribute of a key condition on the left. The server also reads `:v = pk`.
        ExpressionError::NotAKeyCondition => {
            let tokens = lexer::tokens(expression).unwrap_or_default();
            tokens
                .windows(2)
                .any(|pair| matches!(pair, [(_, Token::Value(_)), (_, Token::Symbol("=" | "<" | "<=" | ">" | ">="))]))
        }
        // "You must use an expression attribute value for the type parameter"; the server also takes a path.
        ExpressionError::Syntax { expected: "a value placeholder", .. } => expression.contains("attribute_type"),
        _ => false,
    }
}

fn agree(
    expression: &str,
    ours: Result<String, ExpressionError>,
    server: impl Fn(&str) -> Result<Value, String>,
) -> Result<(), TestCaseError> {
    let theirs = server(expression);
    match (ours, theirs) {
        (Ok(rendered), Ok(result)) => prop_assert_eq!(server(&rendered), Ok(result), "rendered {}", rendered),
        (Ok(rendered), Err(refusal)) => {
            prop_assert!(!is_refused_for_its_form(&refusal), "only the server refuses: {}", refusal);
            prop_assert!(server(&rendered).is_err(), "rendered {}", rendered);
        }
        (Err(refusal), Ok(_)) => {
            prop_assert!(is_known_disagreement(&refusal, expression), "only we refuse: {}", refusal);
        }
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

fn plain(_: &str) -> Option<Protection> {
    Some(Protection::PLAIN)
}

#[test]
fn conditions_mean_to_us_what_they_mean_to_the_server() {
    let server = Server::new();
    let expressions = disturbed(condition().prop_map(|clause| clause.to_string()));
    proptest!(ProptestConfig::with_cases(1_000), |(expression in expressions)| {
        let ours = Condition::parse(&expression).map(|condition| condition.to_string());
        agree(&expression, ours, |expression| server.scan(expression))?;
    });
}

#[test]
fn updates_mean_to_us_what_they_mean_to_the_server() {
    let server = Server::new();
    let names: HashMap<_, _> = NAMES.map(|(name, to)| (name.into(), to.into())).into();
    let expressions = disturbed(update());
    proptest!(ProptestConfig::with_cases(1_000), |(expression in expressions)| {
        let ours = Update::parse(&expression).and_then(|update| {
            update.plan(&Scope::new(Some(&names), &plain), &Default::default(), &|_| false)?;
            Ok(update.to_string())
        });
        agree(&expression, ours, |expression| server.update(expression))?;
    });
}

#[test]
fn key_conditions_mean_to_us_what_they_mean_to_the_server() {
    let server = Server::new();
    let names: HashMap<_, _> = NAMES.map(|(name, to)| (name.into(), to.into())).into();
    proptest!(ProptestConfig::with_cases(1_000), |(expression in disturbed(key_condition()))| {
        let ours = KeyCondition::parse(&expression).and_then(|condition| {
            condition.tests(&Scope::new(Some(&names), &plain))?;
            Ok(expression.clone())
        });
        agree(&expression, ours, |expression| server.query(expression))?;
    });
}

#[test]
fn an_item_is_pruned_as_the_server_projects_it() {
    let server = Server::new();
    let names: HashMap<_, _> = NAMES.map(|(name, to)| (name.into(), to.into())).into();
    proptest!(ProptestConfig::with_cases(1_000), |(expression in disturbed(projection()))| {
        // Treats every attribute as encrypted, so that we do the cutting.
        let encrypted = |_: &str| Some(Protection::ENCRYPTED);
        let selection =
            Projection::parse(&expression).and_then(|projection| projection.resolve(&Scope::new(Some(&names), &encrypted)));
        match &selection {
            Ok(selection) => {
                let mut pruned = item();
                selection.prune(&mut pruned);
                prop_assert_eq!(server.get(&expression), Ok(Value::Object(wire_item(&pruned))));
            }
            Err(_) => agree(&expression, selection.map(|_| String::new()), |expression| server.get(expression))?,
        }
    });
}

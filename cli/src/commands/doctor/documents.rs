//! Compares policy documents by meaning: order, single values or lists, and the spelling of accounts do not matter.

use serde_json::{Map, Value, json};
use tenantseal::keys::Policy;

use super::check::Change;

/// The changes that turn `present` into `wanted`: none when both mean the same.
pub(super) fn changes(present: &Value, wanted: &Value) -> Vec<Change> {
    let (present, wanted) = (statements(present), statements(wanted));
    let lacks = |statements: &[Value], one: &Value| !statements.iter().any(|other| meaning(other) == meaning(one));
    let add = wanted.iter().filter(|statement| lacks(&present, statement)).cloned().map(Change::Add);
    let remove = present.iter().filter(|statement| lacks(&wanted, statement)).cloned().map(Change::Remove);
    remove.chain(add).collect()
}

/// The statements of a document, as additions to a policy.
pub(super) fn additions(document: &Value) -> Vec<Change> {
    statements(document).into_iter().map(Change::Add).collect()
}

fn statements(document: &Value) -> Vec<Value> {
    many(document.get("Statement").cloned().unwrap_or_default())
}

/// A statement in canonical form. Its Sid means nothing.
fn meaning(statement: &Value) -> Value {
    let Some(statement) = statement.as_object() else { return statement.clone() };
    let parts = statement.iter().filter(|(name, _)| *name != "Sid").map(|(name, part)| {
        let part = match name.as_str() {
            // IAM ignores the case of actions.
            "Action" | "NotAction" => set(part, str::to_ascii_lowercase),
            "Principal" | "NotPrincipal" => match part {
                Value::Object(kinds) => each(kinds, |principals| set(principals, principal)),
                everyone => json!({ "AWS": set(everyone, principal) }),
            },
            "Resource" | "NotResource" => set(part, str::to_owned),
            "Condition" => part.as_object().map_or(part.clone(), |operators| {
                each(operators, |keys| {
                    let keys = keys.as_object().cloned().unwrap_or_default();
                    // IAM ignores the case of condition keys, too.
                    keys.iter().map(|(key, values)| (key.to_ascii_lowercase(), set(values, str::to_owned))).collect()
                })
            }),
            _ => part.clone(),
        };
        (name.clone(), part)
    });
    Value::Object(parts.collect())
}

/// An account's number and its root's ARN name the same principal.
fn principal(name: &str) -> String {
    if name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit()) {
        format!("arn:aws:iam::{name}:root")
    } else {
        name.to_owned()
    }
}

fn each(map: &Map<String, Value>, form: impl Fn(&Value) -> Value) -> Value {
    Value::Object(map.iter().map(|(key, value)| (key.clone(), form(value))).collect())
}

fn set(value: &Value, form: impl Fn(&str) -> String) -> Value {
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), &form);
    let mut members: Vec<_> = many(value.clone()).into_iter().map(text).collect();
    members.sort();
    members.dedup();
    members.into()
}

fn many(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// A policy of the library as JSON.
pub(super) fn document(policy: &Policy) -> Value {
    serde_json::from_str(&policy.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_same_policy_have_no_changes() {
        let a = json!({ "Statement": [{ "Sid": "x", "Effect": "Allow", "Principal": { "AWS": "111111111111" },
            "Action": ["kms:Decrypt", "kms:Encrypt"], "Resource": "*",
            "Condition": { "Bool": { "aws:SecureTransport": "true" } } }] });
        let b = json!({ "Statement": { "Effect": "Allow", "Principal": { "AWS": ["arn:aws:iam::111111111111:root"] },
            "Action": ["KMS:encrypt", "kms:Decrypt"], "Resource": ["*"],
            "Condition": { "Bool": { "AWS:SecureTransport": [true] } } } });
        assert_eq!(changes(&a, &b), []);
    }

    #[test]
    fn what_differs_is_to_be_removed_and_added() {
        let one = json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*" });
        let other = json!({ "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*" });
        let found = changes(&json!({ "Statement": [one] }), &json!({ "Statement": [other] }));
        assert_eq!(found, [Change::Remove(one), Change::Add(other)]);
    }

    #[test]
    fn values_keep_their_case() {
        let with = |alias: &str| {
            json!({ "Statement": [{ "Effect": "Allow", "Action": "kms:Decrypt",
            "Condition": { "StringEquals": { "kms:RequestAlias": alias } } }] })
        };
        assert_eq!(changes(&with("alias/customer-a"), &with("alias/customer-A")).len(), 2);
    }
}

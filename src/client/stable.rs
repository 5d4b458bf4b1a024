//! One spelling for what a caller repeats with its token: DynamoDB must take it for the same request.
//!
//! Maps of the standard library have an order of their own in each process and each instance, and the SDK serializes them in that. What
//! DynamoDB makes of another order is documented nowhere, and emulators differ.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// Puts the members of all objects, and of the sets in them, in order.
pub(super) fn arrange(request: &mut HttpRequest) {
    // What is nested too deeply to be read is too deep for DynamoDB as well.
    let Some(body) = request.body().bytes().and_then(arrange_body) else { return };
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
}

fn arrange_body(body: &[u8]) -> Option<Vec<u8>> {
    let mut value = serde_json::from_slice(body).ok()?;
    arrange_sets(&mut value);
    // The map of serde_json keeps the order that it finds when any crate of the program asks for that.
    value.sort_all_objects();
    serde_json::to_vec(&value).ok()
}

/// An attribute of the name `SS` has an object for its value, so what has an array is a set.
fn arrange_sets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Array(set) if ["SS", "NS", "BS"].contains(&&**name) => {
                        set.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
                    }
                    member => arrange_sets(member),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(arrange_sets),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_sets_are_in_order_and_lists_stay_as_they_are() {
        let body = r#"{"b":[{"SS":["2","10","1"],"NS":["b","a"]},{"L":[{"S":"2"},{"S":"1"}]}],"a":{"SS":{"S":"x"},"BS":{"BS":["b","a"]}}}"#;
        let expected = r#"{"a":{"BS":{"BS":["a","b"]},"SS":{"S":"x"}},"b":[{"NS":["a","b"],"SS":["1","10","2"]},{"L":[{"S":"2"},{"S":"1"}]}]}"#;
        assert_eq!(String::from_utf8(arrange_body(body.as_bytes()).unwrap()).unwrap(), expected);
        assert_eq!(arrange_body(b"{"), None);
    }
}

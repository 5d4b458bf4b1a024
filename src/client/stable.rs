//! One canonical spelling of a request that a caller repeats with its token: DynamoDB must recognize it as the same.
//!
//! Maps of the standard library iterate in an order that differs by process and instance, and the SDK serializes them
//! in that order. How DynamoDB treats another order is documented nowhere, and emulators differ.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// Sorts the members of all objects, and of the sets in them.
pub(super) fn arrange(request: &mut HttpRequest) {
    // A request nested too deeply to be parsed here is too deep for DynamoDB as well.
    let Some(body) = request.body().bytes().and_then(arrange_body) else { return };
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
}

fn arrange_body(body: &[u8]) -> Option<Vec<u8>> {
    let mut value = serde_json::from_slice(body).ok()?;
    arrange_sets(&mut value);
    // The map of serde_json keeps insertion order when any crate of the program enables that.
    value.sort_all_objects();
    serde_json::to_vec(&value).ok()
}

/// An attribute called `SS` has an object as its value, so an `SS` with an array is a set.
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

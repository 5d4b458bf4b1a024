//! What a case brought, in a form that can be compared: answers and errors without what legitimately differs.
//!
//! Left out: consumed capacity and collection metrics, because a ciphertext is larger; messages of errors, because only their
//! codes are a contract. Sorted: members of sets and answers of a batch get, which DynamoDB gives in no order.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemError, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::batch_write_item::{BatchWriteItemError, BatchWriteItemOutput};
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemError, DeleteItemOutput};
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::operation::execute_statement::ExecuteStatementError;
use aws_sdk_dynamodb::operation::get_item::{GetItemError, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryError, QueryOutput};
use aws_sdk_dynamodb::operation::scan::{ScanError, ScanOutput};
use aws_sdk_dynamodb::operation::transact_get_items::{TransactGetItemsError, TransactGetItemsOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsOutput};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::error::{ConditionalCheckFailedException, TransactionCanceledException};
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, KeysAndAttributes, WriteRequest};
use serde_json::{Value, json};

use super::ctx::Item;

/// What each step of a case brought: `{"answer": …}`, `{"error": code, …}`, or `{"refused": …}` by the tenant's client.
///
/// A refusal is called by the names of its variants and of the attribute or path that it blames, for example
/// `Expression EncryptedCondition email`.
pub type Outcome = Vec<Value>;

/// What each of the results brought, in order.
macro_rules! outcome {
    ($($result:expr),+ $(,)?) => { vec![$($crate::conformance::outcome::shown($result)),+] };
}
pub(crate) use outcome;

pub fn shown(result: impl Shown) -> Value {
    result.shown()
}

/// What can be shown for comparison.
pub trait Shown {
    fn shown(self) -> Value;
}

impl<O: Shown, E: Failure, R> Shown for Result<O, SdkError<E, R>>
where
    SdkError<E, R>: std::error::Error + 'static,
{
    fn shown(self) -> Value {
        let error = match self {
            Ok(answer) => return json!({ "answer": answer.shown() }),
            Err(error) => error,
        };
        if let Some(refusal) = tenantseal::Error::find_in(&error) {
            return json!({ "refused": name(refusal.cause()) });
        }
        match error.as_service_error() {
            Some(failure) => {
                if super::suite::is_choice() {
                    println!("{:?}: {}", failure.code(), failure.message().unwrap_or_default());
                }
                let mut shown = json!({ "error": failure.code() });
                if let Some(details) = failure.details() {
                    shown["details"] = details;
                }
                shown
            }
            None => json!({ "failed": format!("{error:?}") }),
        }
    }
}

/// A service error, and what it carries besides its code.
pub trait Failure: ProvideErrorMetadata {
    fn details(&self) -> Option<Value> {
        None
    }
}

impl Failure for GetItemError {}
impl Failure for QueryError {}
impl Failure for ScanError {}
impl Failure for BatchGetItemError {}
impl Failure for BatchWriteItemError {}
impl Failure for DescribeTableError {}
impl Failure for ExecuteStatementError {}

/// Errors that carry something in one of their variants.
macro_rules! failures {
    ($($error:ident: $variant:ident => $details:expr;)+) => {
        $(impl Failure for $error {
            fn details(&self) -> Option<Value> {
                match self {
                    Self::$variant(failed) => Some($details(failed)),
                    _ => None,
                }
            }
        })+
    };
}

failures! {
    PutItemError: ConditionalCheckFailedException => stored;
    UpdateItemError: ConditionalCheckFailedException => stored;
    DeleteItemError: ConditionalCheckFailedException => stored;
    TransactGetItemsError: TransactionCanceledException => reasons;
    TransactWriteItemsError: TransactionCanceledException => reasons;
}

fn stored(failed: &ConditionalCheckFailedException) -> Value {
    optional(failed.item.clone())
}

fn reasons(cancelled: &TransactionCanceledException) -> Value {
    let reason = |reason: &CancellationReason| json!({ "code": reason.code(), "item": optional(reason.item.clone()) });
    cancelled.cancellation_reasons().iter().map(reason).collect()
}

fn optional(item: Option<impl Shown>) -> Value {
    item.map_or(Value::Null, Shown::shown)
}

impl Shown for Value {
    fn shown(self) -> Value {
        self
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(self) -> Value {
        self.into_iter().map(Shown::shown).collect()
    }
}

impl Shown for Item {
    fn shown(self) -> Value {
        self.into_iter().map(|(name, value)| (name, value.shown())).collect()
    }
}

impl Shown for AttributeValue {
    fn shown(self) -> Value {
        let sorted = |mut members: Vec<String>| {
            members.sort_unstable();
            members
        };
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match self {
            Self::S(text) => json!({ "S": text }),
            Self::N(number) => json!({ "N": number }),
            Self::B(bytes) => json!({ "B": hex(bytes.as_ref()) }),
            Self::Bool(value) => json!({ "BOOL": value }),
            Self::Null(value) => json!({ "NULL": value }),
            Self::M(members) => json!({ "M": members.shown() }),
            Self::L(elements) => json!({ "L": elements.shown() }),
            Self::Ss(members) => json!({ "SS": sorted(members) }),
            Self::Ns(members) => json!({ "NS": sorted(members) }),
            Self::Bs(members) => json!({ "BS": sorted(members.iter().map(|m| hex(m.as_ref())).collect()) }),
            other => json!({ "unknown": format!("{other:?}") }),
        }
    }
}

/// Answers that are an item, or none.
macro_rules! answers {
    ($($output:ident: $item:ident;)+) => {
        $(impl Shown for $output {
            fn shown(self) -> Value {
                optional(self.$item)
            }
        })+
    };
}

answers! {
    PutItemOutput: attributes;
    UpdateItemOutput: attributes;
    DeleteItemOutput: attributes;
    GetItemOutput: item;
}

impl Shown for QueryOutput {
    fn shown(self) -> Value {
        json!({
            "items": optional(self.items),
            "count": self.count,
            "scanned": self.scanned_count,
            "last": optional(self.last_evaluated_key),
        })
    }
}

impl Shown for ScanOutput {
    /// The items in an order of our own. The last key is a matter of the server's order, so only its presence counts.
    fn shown(self) -> Value {
        json!({
            "items": self.items.map_or(Value::Null, |items| unordered(items.shown())),
            "count": self.count,
            "scanned": self.scanned_count,
            "more": self.last_evaluated_key.is_some(),
        })
    }
}

impl Shown for BatchGetItemOutput {
    fn shown(self) -> Value {
        let responses = self.responses.map(|tables| {
            let table = |(name, items): (String, Vec<Item>)| (name, unordered(items.shown()));
            tables.into_iter().map(table).collect::<Value>()
        });
        json!({ "responses": responses, "unprocessed": optional(self.unprocessed_keys) })
    }
}

impl Shown for HashMap<String, KeysAndAttributes> {
    fn shown(self) -> Value {
        let shown = |request: KeysAndAttributes| {
            json!({
                "keys": unordered(request.keys.shown()),
                "projection": request.projection_expression,
                "names": request.expression_attribute_names,
                "consistent": request.consistent_read,
            })
        };
        self.into_iter().map(|(name, request)| (name, shown(request))).collect()
    }
}

impl Shown for BatchWriteItemOutput {
    fn shown(self) -> Value {
        json!({ "unprocessed": optional(self.unprocessed_items) })
    }
}

impl Shown for HashMap<String, Vec<WriteRequest>> {
    fn shown(self) -> Value {
        let shown = |request: WriteRequest| match (request.put_request, request.delete_request) {
            (Some(put), None) => json!({ "put": put.item.shown() }),
            (None, Some(delete)) => json!({ "delete": delete.key.shown() }),
            other => json!({ "unknown": format!("{other:?}") }),
        };
        let table = |(name, requests): (String, Vec<_>)| (name, unordered(requests.into_iter().map(shown).collect()));
        self.into_iter().map(table).collect()
    }
}

impl Shown for TransactGetItemsOutput {
    fn shown(self) -> Value {
        let items = self.responses.unwrap_or_default().into_iter();
        items.map(|response| optional(response.item)).collect()
    }
}

impl Shown for TransactWriteItemsOutput {
    fn shown(self) -> Value {
        Value::Null
    }
}

/// The elements of an array in an order of our own.
pub fn unordered(mut array: Value) -> Value {
    if let Value::Array(elements) = &mut array {
        elements.sort_by_key(Value::to_string);
    }
    array
}

/// The names of an error's variants, and of the attribute or path that it blames.
fn name(error: &tenantseal::Error) -> String {
    let debug = format!("{error:?}");
    let mut name: Vec<String> = Vec::new();
    // Quoted texts are every second part; names of variants stand outside of them.
    for (position, part) in debug.split('"').enumerate() {
        if position % 2 == 0 {
            let words = part.split(|c: char| !c.is_ascii_alphanumeric());
            name.extend(words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase())).map(str::to_owned));
        }
    }
    let blamed = ["attribute: \"", "path: \"", "one: \"", "Undeclared(\"", "Reserved(\""].iter().find_map(|field| {
        let (_, rest) = debug.split_once(field)?;
        rest.split_once('"').map(|(blamed, _)| blamed.to_owned())
    });
    name.retain(|word| word != "Refused");
    name.extend(blamed.filter(|blamed| !blamed.is_empty()));
    name.join(" ")
}

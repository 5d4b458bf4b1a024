//! Every field of every type through which the client handles items. A new SDK version that adds one fails here until someone has decided
//! whether it carries an item, a key or an expression.

use std::fmt::Debug;

use aws_sdk_dynamodb::operation::{
    batch_get_item::{BatchGetItemInput, BatchGetItemOutput},
    batch_write_item::{BatchWriteItemInput, BatchWriteItemOutput},
    delete_item::{DeleteItemInput, DeleteItemOutput},
    get_item::{GetItemInput, GetItemOutput},
    put_item::{PutItemInput, PutItemOutput},
    query::{QueryInput, QueryOutput},
    scan::{ScanInput, ScanOutput},
    search_vectors::{SearchVectorsInput, SearchVectorsOutput},
    transact_get_items::{TransactGetItemsInput, TransactGetItemsOutput},
    transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput},
    update_item::{UpdateItemInput, UpdateItemOutput},
};
use aws_sdk_dynamodb::types::error::{ConditionalCheckFailedException, TransactionCanceledException};
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, DeleteRequest, Get, ItemResponse, KeysAndAttributes, Put, PutRequest,
    SearchResultItem, TransactGetItem, TransactWriteItem, Update, WriteRequest,
};

/// The names of the fields, as the derived `Debug` prints them at the outermost level.
fn fields(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let (_, inside) = text.split_once('{').expect("a struct");
    let mut depth = 0;
    let mut names = Vec::new();
    let mut word = String::new();
    for c in inside.chars() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            ':' if depth == 0 => names.push(std::mem::take(&mut word)),
            ',' if depth == 0 => word.clear(),
            c if depth == 0 && (c.is_alphanumeric() || c == '_') => word.push(c),
            _ => {}
        }
    }
    names.retain(|name| !name.starts_with('_') && name != "meta");
    names.join(" ")
}

macro_rules! holds {
    ($($made:expr => $fields:literal;)*) => {
        $(assert_eq!(fields(&$made), $fields, "{}: decide what the client does with it", stringify!($made));)*
    };
}

#[test]
fn no_input_has_a_field_that_nobody_decided_about() {
    holds! {
        PutItemInput::builder().build().unwrap() => "table_name item expected return_values return_consumed_capacity return_item_collection_metrics conditional_operator condition_expression expression_attribute_names expression_attribute_values return_values_on_condition_check_failure";
        GetItemInput::builder().build().unwrap() => "table_name key attributes_to_get consistent_read return_consumed_capacity projection_expression expression_attribute_names";
        UpdateItemInput::builder().build().unwrap() => "table_name key attribute_updates expected conditional_operator return_values return_consumed_capacity return_item_collection_metrics update_expression condition_expression expression_attribute_names expression_attribute_values return_values_on_condition_check_failure";
        DeleteItemInput::builder().build().unwrap() => "table_name key expected conditional_operator return_values return_consumed_capacity return_item_collection_metrics condition_expression expression_attribute_names expression_attribute_values return_values_on_condition_check_failure";
        QueryInput::builder().build().unwrap() => "table_name index_name select attributes_to_get limit consistent_read key_conditions query_filter conditional_operator scan_index_forward exclusive_start_key return_consumed_capacity projection_expression filter_expression key_condition_expression expression_attribute_names expression_attribute_values";
        ScanInput::builder().build().unwrap() => "table_name index_name attributes_to_get limit select scan_filter conditional_operator exclusive_start_key return_consumed_capacity total_segments segment projection_expression filter_expression expression_attribute_names expression_attribute_values consistent_read";
        SearchVectorsInput::builder().build().unwrap() => "table_name index_name return_consumed_capacity expression_attribute_names expression_attribute_values projection_expression search_vector search_condition_expression top_k";
        BatchGetItemInput::builder().build().unwrap() => "request_items return_consumed_capacity";
        BatchWriteItemInput::builder().build().unwrap() => "request_items return_consumed_capacity return_item_collection_metrics";
        TransactGetItemsInput::builder().build().unwrap() => "transact_items return_consumed_capacity";
        TransactWriteItemsInput::builder().build().unwrap() => "transact_items return_consumed_capacity return_item_collection_metrics client_request_token";
    }
}

#[test]
fn no_part_of_an_input_has_a_field_that_nobody_decided_about() {
    let item = || Some(std::collections::HashMap::new());
    holds! {
        KeysAndAttributes::builder().set_keys(Some(vec![])).build().unwrap() => "keys attributes_to_get consistent_read projection_expression expression_attribute_names";
        WriteRequest::builder().build() => "put_request delete_request";
        PutRequest::builder().set_item(item()).build().unwrap() => "item";
        DeleteRequest::builder().set_key(item()).build().unwrap() => "key";
        TransactGetItem::builder().build() => "get";
        Get::builder().set_key(item()).table_name("t").build().unwrap() => "key table_name projection_expression expression_attribute_names";
        TransactWriteItem::builder().build() => "condition_check put delete update";
        Put::builder().set_item(item()).table_name("t").build().unwrap() => "item table_name condition_expression expression_attribute_names expression_attribute_values return_values_on_condition_check_failure";
        Update::builder().set_key(item()).table_name("t").update_expression("x").build().unwrap() => "key update_expression table_name condition_expression expression_attribute_names expression_attribute_values return_values_on_condition_check_failure";
        Delete::builder().set_key(item()).table_name("t").build().unwrap() => "key table_name condition_expression expression_attribute_names expression_attribute_values return_values_on_condition_check_failure";
        ConditionCheck::builder().set_key(item()).table_name("t").condition_expression("x").build().unwrap() => "key table_name condition_expression expression_attribute_names expression_attribute_values return_values_on_condition_check_failure";
    }
}

#[test]
fn no_answer_has_a_field_that_nobody_decided_about() {
    holds! {
        PutItemOutput::builder().build() => "attributes consumed_capacity item_collection_metrics";
        GetItemOutput::builder().build() => "item consumed_capacity";
        UpdateItemOutput::builder().build() => "attributes consumed_capacity item_collection_metrics";
        DeleteItemOutput::builder().build() => "attributes consumed_capacity item_collection_metrics";
        QueryOutput::builder().build() => "items count scanned_count last_evaluated_key consumed_capacity";
        ScanOutput::builder().build() => "items count scanned_count last_evaluated_key consumed_capacity";
        SearchVectorsOutput::builder().build() => "consumed_capacity search_results";
        SearchResultItem::builder().score(0.5).build() => "item score";
        BatchGetItemOutput::builder().build() => "responses unprocessed_keys consumed_capacity";
        BatchWriteItemOutput::builder().build() => "unprocessed_items item_collection_metrics consumed_capacity";
        TransactGetItemsOutput::builder().build() => "consumed_capacity responses";
        ItemResponse::builder().build() => "item";
        TransactWriteItemsOutput::builder().build() => "consumed_capacity item_collection_metrics";
        ConditionalCheckFailedException::builder().build() => "message item";
        TransactionCanceledException::builder().build() => "message cancellation_reasons";
        CancellationReason::builder().build() => "item code message";
    }
}

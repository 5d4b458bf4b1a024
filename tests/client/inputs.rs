//! A new version of the SDK must not bring a field that goes out unread.

use aws_sdk_dynamodb::operation::{
    delete_item::DeleteItemInput, get_item::GetItemInput, put_item::PutItemInput, query::QueryInput, scan::ScanInput,
    update_item::UpdateItemInput,
};

/// The fields of an input without values, from its `Debug`.
fn fields(debug: &str) -> Vec<String> {
    let fields = debug.split_once('{').unwrap().1.trim_end_matches([' ', '}']);
    fields.split(',').map(|field| field.split(':').next().unwrap().trim().to_owned()).collect()
}

/// What this release reads, rewrites or knows to be harmless. Look at a field before you add it here.
#[test]
fn each_field_of_each_input_that_touches_items_is_known() {
    let writes = [
        "return_values",
        "return_consumed_capacity",
        "return_item_collection_metrics",
        "conditional_operator",
        "condition_expression",
        "expression_attribute_names",
        "expression_attribute_values",
        "return_values_on_condition_check_failure",
        "table_name",
        "expected",
    ];
    let reads = [
        "table_name",
        "attributes_to_get",
        "consistent_read",
        "return_consumed_capacity",
        "projection_expression",
        "expression_attribute_names",
    ];
    let pages = [
        "index_name",
        "select",
        "limit",
        "conditional_operator",
        "exclusive_start_key",
        "filter_expression",
        "expression_attribute_values",
    ];
    let known: [(String, Vec<&str>); 6] = [
        (format!("{:?}", PutItemInput::builder().build().unwrap()), [&writes[..], &["item"]].concat()),
        (format!("{:?}", DeleteItemInput::builder().build().unwrap()), [&writes[..], &["key"]].concat()),
        (
            format!("{:?}", UpdateItemInput::builder().build().unwrap()),
            [&writes[..], &["key", "attribute_updates", "update_expression"]].concat(),
        ),
        (format!("{:?}", GetItemInput::builder().build().unwrap()), [&reads[..], &["key"]].concat()),
        (
            format!("{:?}", QueryInput::builder().build().unwrap()),
            [&reads[..], &pages, &["key_conditions", "query_filter", "scan_index_forward", "key_condition_expression"]]
                .concat(),
        ),
        (
            format!("{:?}", ScanInput::builder().build().unwrap()),
            [&reads[..], &pages, &["scan_filter", "segment", "total_segments"]].concat(),
        ),
    ];
    for (debug, mut known) in known {
        let mut fields = fields(&debug);
        fields.sort();
        known.sort();
        assert_eq!(fields, known, "{debug}");
    }
}

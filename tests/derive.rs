//! `#[derive(Record)]`: what it declares is what serde writes, and what it cannot check does not compile.

// Most structs here exist only for their schema.
#![allow(dead_code)]

mod forms;
mod hygiene;
mod lookups;
#[path = "common/must_not_compile.rs"]
mod must_not_compile;
mod names;
mod schemas;
mod shapes;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tenantseal::{
    Record,
    schema::{RecordField, RecordSchema},
};

use self::must_not_compile::must_not_compile;

#[test]
fn what_the_derive_cannot_check_does_not_compile() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    must_not_compile(project, "project", "tests/ui", &["serde", "tenantseal"]);
}

/// The stored names that a schema declares, flattened records included.
fn declared(schema: &RecordSchema) -> Vec<&'static str> {
    let mut names = Vec::new();
    for field in schema.fields() {
        match field {
            RecordField::PartitionKey { name, .. }
            | RecordField::SortKey { name }
            | RecordField::Plain { name }
            | RecordField::Encrypted { name } => names.push(*name),
            RecordField::Flatten(record) => names.extend(declared(record)),
            other => panic!("a field of a new kind: {other:?}"),
        }
    }
    names
}

/// Whatever serde writes is declared, and nothing else.
#[track_caller]
fn writes_what_it_declares<R: Record + Serialize>(record: &R) {
    let written: HashMap<String, aws_sdk_dynamodb::types::AttributeValue> =
        serde_dynamo::to_item(record).expect("the record is a map of attributes");
    let written: BTreeSet<&str> = written.keys().map(String::as_str).collect();
    let declared = declared(&R::SCHEMA);
    assert_eq!(declared.iter().copied().collect::<BTreeSet<_>>(), written);
    assert_eq!(declared.len(), written.len(), "a name is declared twice: {declared:?}");
}

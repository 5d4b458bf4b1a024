//! What a page token is bound to: everything of a request that decides which items there are, and in which order.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::format::{Identity, PrimaryKeyPart, put_lp};

use crate::error::Error;
use crate::item::{SealError, encode_value};
use crate::schema::TableSchema;
use crate::tenant_seal::Tenant;

/// The key attribute of a token's identity and the name under which its content is sealed. No table has such a name.
pub(super) const NAME: &str = "_seal.page";

/// What of a request decides which items there are, and in which order. A token is good for a request with the same.
#[derive(Default)]
struct Shape<'a> {
    kind: u8,
    texts: [Option<&'a String>; 4],
    names: Option<&'a HashMap<String, String>>,
    values: Option<&'a HashMap<String, AttributeValue>>,
}

impl Shape<'_> {
    fn identity(self, tenant: &Tenant, schema: &TableSchema) -> Result<Identity, Error> {
        let mut bytes = vec![self.kind];
        for text in self.texts {
            bytes.push(u8::from(text.is_some()));
            put_lp(&mut bytes, text.map_or("", String::as_str).as_bytes());
        }
        for (name, stands_for) in self.names.into_iter().flatten().collect::<BTreeMap<_, _>>() {
            bytes.push(b'#');
            put_lp(&mut bytes, name.as_bytes());
            put_lp(&mut bytes, stands_for.as_bytes());
        }
        let values: BTreeMap<_, _> = self.values.into_iter().flatten().collect();
        for (name, value) in values {
            let mut encoded = Vec::new();
            encode_value(value, &mut encoded).map_err(|source| SealError::Value { attribute: name.clone(), source })?;
            bytes.push(b':');
            put_lp(&mut bytes, name.as_bytes());
            put_lp(&mut bytes, &encoded);
        }
        let identity = Identity::new(tenant.id(), schema.name(), (NAME, PrimaryKeyPart::B(&bytes)), None);
        Ok(identity.expect("the bytes begin with the kind of request"))
    }
}

/// The request's part of a token's identity.
pub(super) fn of_query(request: &QueryFluentBuilder, tenant: &Tenant, schema: &TableSchema) -> Result<Identity, Error> {
    let input = request.as_input();
    let forward = input.get_scan_index_forward().unwrap_or(true);
    let shape = Shape {
        kind: if forward { b'q' } else { b'Q' },
        texts: [
            input.get_table_name().as_ref(),
            input.get_index_name().as_ref(),
            input.get_key_condition_expression().as_ref(),
            input.get_filter_expression().as_ref(),
        ],
        names: input.get_expression_attribute_names().as_ref(),
        values: input.get_expression_attribute_values().as_ref(),
    };
    shape.identity(tenant, schema)
}

/// The request's part of a token's identity. Segments of a parallel scan have tokens of their own.
pub(super) fn of_scan(request: &ScanFluentBuilder, tenant: &Tenant, schema: &TableSchema) -> Result<Identity, Error> {
    let input = request.as_input();
    let segment = input.get_segment().zip(*input.get_total_segments());
    let segment = segment.map(|(segment, of)| format!("{segment} of {of}"));
    let shape = Shape {
        kind: b's',
        texts: [
            input.get_table_name().as_ref(),
            input.get_index_name().as_ref(),
            segment.as_ref(),
            input.get_filter_expression().as_ref(),
        ],
        names: input.get_expression_attribute_names().as_ref(),
        values: input.get_expression_attribute_values().as_ref(),
    };
    shape.identity(tenant, schema)
}

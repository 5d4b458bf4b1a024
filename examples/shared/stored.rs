//! Compares two tables with a plain client, after the same program ran on a plain client and on a tenant's.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::Item;
use tenantseal::schema::{Protection, TableSchema};

/// All stored items of a table, by primary key.
pub(crate) type Stored = BTreeMap<Vec<String>, Item>;

/// Reads the whole table. `plain` is a plain client, and `schemas` is what the table's records declare.
pub(crate) async fn stored(plain: &Client, schemas: &[TableSchema]) -> Result<Stored, Box<dyn Error>> {
    let schema = schemas.first().ok_or("a table has a schema")?;
    let mut items = plain.scan().table_name(schema.name()).into_paginator().items().send();
    let mut stored = Stored::new();
    while let Some(item) = items.try_next().await? {
        let key = schema.key_names().map(|name| item.get(name)?.as_s().ok().cloned()).collect::<Option<_>>();
        stored.insert(key.ok_or("a stored item has no key of strings")?, item);
    }
    Ok(stored)
}

/// The texts of the attributes that the schema encrypts, from an unsealed table.
pub(crate) fn secrets(schemas: &[TableSchema], plain: &Stored) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for (name, value) in plain.values().flatten() {
        if is_encrypted(schemas, name) {
            texts(value, &mut secrets);
        }
    }
    // Anything shorter may occur in ciphertext by chance.
    secrets.retain(|secret| secret.len() >= 6);
    secrets
}

/// Checks that `sealed` has the items of `plain`, with every sensitive attribute sealed and every other unchanged.
/// Returns the number of sealed attributes.
pub(crate) fn compare(schemas: &[TableSchema], plain: &Stored, sealed: &Stored) -> Result<usize, String> {
    if !plain.keys().eq(sealed.keys()) {
        return Err("the two runs stored items under different keys".to_owned());
    }
    let secrets = secrets(schemas, plain);
    let mut count = 0;
    for ((key, before), after) in plain.iter().zip(sealed.values()) {
        for name in before.keys().chain(after.keys().filter(|name| !name.starts_with("_seal"))) {
            let (before, after) = (before.get(name), after.get(name));
            match (is_encrypted(schemas, name), before, after) {
                (true, Some(_), Some(AttributeValue::B(_))) => {}
                (true, ..) => return Err(format!("{key:?}: `{name}` is not stored sealed")),
                _ if before == after => {}
                _ => return Err(format!("{key:?}: the plain attribute `{name}` is stored differently")),
            }
        }
        for (name, value) in after {
            if let Some(secret) = secrets.iter().find(|secret| shows(value, secret)) {
                return Err(format!("{key:?}: `{name}` shows {secret:?}"));
            }
        }
        count += after.keys().filter(|name| is_encrypted(schemas, name)).count();
    }
    if count == 0 { Err("nothing was sealed".to_owned()) } else { Ok(count) }
}

/// A stored value as examples print it.
pub(crate) fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => format!("{text:?}"),
        AttributeValue::N(number) => number.clone(),
        AttributeValue::B(bytes) => {
            let beginning: String = bytes.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("{beginning}… {} bytes", bytes.as_ref().len())
        }
        other => format!("{other:?}"),
    }
}

fn is_encrypted(schemas: &[TableSchema], name: &str) -> bool {
    schemas.iter().any(|schema| schema.protection(name).is_some_and(Protection::is_encrypted))
}

fn shows(value: &AttributeValue, secret: &str) -> bool {
    if let AttributeValue::B(bytes) = value {
        return bytes.as_ref().windows(secret.len()).any(|window| window == secret.as_bytes());
    }
    let mut found = BTreeSet::new();
    texts(value, &mut found);
    found.iter().any(|text| text.contains(secret))
}

/// All texts and numbers in a value, however deep.
fn texts(value: &AttributeValue, found: &mut BTreeSet<String>) {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => drop(found.insert(text.clone())),
        AttributeValue::Ss(all) | AttributeValue::Ns(all) => found.extend(all.iter().cloned()),
        AttributeValue::L(list) => list.iter().for_each(|value| texts(value, found)),
        AttributeValue::M(map) => map.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

//! The tables of a configuration.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use tenantseal_core::envelope::KeyRecordPlacement;
use tenantseal_core::keys::DeclaredLookup;

use crate::client::{Tables, table_name};
use crate::error::ConfigError;
use crate::schema::{InvalidSchema, TableSchema};

/// The schemas by physical table name, or ARN.
pub(super) fn collect(
    schemas: Vec<Result<TableSchema, InvalidSchema>>,
    physical: Vec<(String, String)>,
    compact: Vec<String>,
    own_bytes: Vec<(String, String)>,
) -> Result<Tables, ConfigError> {
    let mut logical: BTreeMap<String, TableSchema> = BTreeMap::new();
    for schema in schemas {
        let schema = schema?;
        match logical.get_mut(schema.name()) {
            Some(other) => other.merge(schema)?,
            None => {
                logical.insert(schema.name().to_owned(), schema);
            }
        }
    }
    for name in compact {
        let table = logical.get_mut(&name).ok_or(ConfigError::CompactTable(name))?;
        table.set_record_place(KeyRecordPlacement::KeyTable);
    }
    for (name, attribute) in own_bytes {
        let encrypts = |table: &&mut TableSchema| table.may_encrypt(&attribute);
        match logical.get_mut(&name).filter(encrypts) {
            Some(table) => table.set_own_bytes(attribute),
            None => return Err(ConfigError::OwnBytes { table: name, attribute }),
        }
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (logical_name, physical_name) in physical {
        if !logical.contains_key(&logical_name) || names.insert(logical_name.clone(), physical_name).is_some() {
            return Err(ConfigError::TableName(logical_name));
        }
    }
    let mut tables = Tables::new();
    for (name, schema) in logical {
        let physical = names.remove(&name).unwrap_or(name);
        if physical.starts_with("arn:") && table_name(&physical) == physical {
            return Err(ConfigError::TableArn(physical));
        }
        match tables.entry(physical) {
            Entry::Vacant(free) => free.insert(Arc::new(schema)),
            Entry::Occupied(taken) => return Err(ConfigError::TableName(taken.key().clone())),
        };
    }
    Ok(tables)
}

/// The lookups of all tables, whose tokens are made under tenants' lookup keys.
pub(super) fn lookups(tables: &Tables) -> Result<Vec<DeclaredLookup>, ConfigError> {
    let mut declared = Vec::new();
    for table in tables.values() {
        for lookup in table.lookups() {
            let (table, name) = (table.name().to_owned(), lookup.name().to_owned());
            if lookup.is_unique() {
                return Err(ConfigError::UniqueLookup { table, lookup: name });
            }
            declared.push(DeclaredLookup {
                table,
                name,
                number: lookup.key(),
                definition: lookup.definition().clone(),
            });
        }
    }
    Ok(declared)
}

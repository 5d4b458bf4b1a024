//! The tables of a configuration: the setters, and what follows from them.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use tenantseal_core::envelope::KeyRecordPlacement;
use tenantseal_core::keys::DeclaredLookup;

use super::TenantSealBuilder;
use crate::client::{Tables, table_name};
use crate::error::ConfigError;
use crate::schema::{InvalidSchema, Record, TableSchema};

impl TenantSealBuilder {
    /// Registers a record type. Several types may share one table.
    ///
    /// ```
    /// # use tenantseal::Record;
    /// # #[derive(Record)]
    /// # #[seal(table = "crm")]
    /// # struct Contact { #[seal(partition_key, tenant)] tenant_id: String, #[seal(encrypt)] email: String }
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.record::<Contact>();
    /// ```
    pub fn record<T: Record>(mut self) -> Self {
        self.schemas.push(TableSchema::for_record::<T>());
        self
    }

    /// Registers a table without a struct.
    ///
    /// ```
    /// use tenantseal::schema::TableSchema;
    ///
    /// let crm = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").encrypt("email").build()?;
    /// let builder = tenantseal::TenantSeal::builder().table(crm);
    /// # Ok::<_, tenantseal::schema::InvalidSchema>(())
    /// ```
    pub fn table(mut self, schema: TableSchema) -> Self {
        self.schemas.push(Ok(schema));
        self
    }

    /// Stores the logical table `logical` in the physical table `physical`, for a prefix per stage or a table restored under
    /// a new name.
    ///
    /// Items are bound to the logical name, and callers of [`Tenant`](crate::Tenant) give the logical name. Requests of the
    /// SDK client give the physical name. Where `physical` is an ARN, it means that table of that account and Region: requests
    /// give the ARN, and nothing else.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.table_name("crm", "prod-crm");
    /// ```
    pub fn table_name(mut self, logical: impl Into<String>, physical: impl Into<String>) -> Self {
        self.physical.push((logical.into(), physical.into()));
        self
    }

    /// Leaves key records out of the items of the logical table `table`. The items refer to the key table instead, and are
    /// about 250 bytes smaller. **Who loses the key table loses these items.**
    ///
    /// The setting decides how new items are stored. Items stored the other way still open, so you can switch it on and off.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.compact("crm");
    /// ```
    pub fn compact(mut self, table: impl Into<String>) -> Self {
        self.compact.push(table.into());
        self
    }

    /// Declares that the encrypted `attribute` of the logical table `table` may hold any bytes, such as file contents, hashes
    /// or your own tokens.
    ///
    /// Without it, a binary value of at least 30 bytes that begins with `0x11` or `0x13`, as sealed values do, is refused as
    /// [sealed already](crate::error::SealError::AlreadySealed). That hits 1 random value in 128. Values of other types are
    /// never refused.
    ///
    /// ```
    /// # let builder = tenantseal::TenantSeal::builder();
    /// let builder = builder.own_bytes("crm", "avatar");
    /// ```
    pub fn own_bytes(mut self, table: impl Into<String>, attribute: impl Into<String>) -> Self {
        self.own_bytes.push((table.into(), attribute.into()));
        self
    }
}

/// The schemas by physical table name, or ARN.
pub(super) fn collect(
    schemas: Vec<Result<TableSchema, InvalidSchema>>,
    physical: Vec<(String, String)>,
    compact: Vec<String>,
    own_bytes: Vec<(String, String)>,
) -> Result<Tables, ConfigError> {
    let logical = merge(schemas, compact, own_bytes)?;
    name_tables(logical, physical)
}

/// The schemas by logical table name.
pub(super) fn merge(
    schemas: Vec<Result<TableSchema, InvalidSchema>>,
    compact: Vec<String>,
    own_bytes: Vec<(String, String)>,
) -> Result<BTreeMap<String, TableSchema>, ConfigError> {
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
    Ok(logical)
}

/// The same by physical table name, or ARN.
fn name_tables(logical: BTreeMap<String, TableSchema>, physical: Vec<(String, String)>) -> Result<Tables, ConfigError> {
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
pub(super) fn lookups(tables: &Tables) -> Vec<DeclaredLookup> {
    let all = tables.values().flat_map(|table| table.lookups().iter().map(|lookup| (table.name(), lookup)));
    let declared = all.map(|(table, lookup)| DeclaredLookup {
        table: table.to_owned(),
        name: lookup.name().to_owned(),
        number: lookup.key(),
        definition: lookup.definition().clone(),
    });
    declared.collect()
}

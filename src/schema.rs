//! What each attribute of a record is, and how its tenant shows in the key.
//!
//! `#[derive(Record)]` writes a [`RecordSchema`] at compile time: data, not code. The client never knows a user's types.

mod table;

pub use table::{InvalidSchema, InvalidTenantTemplate, Protection, TableSchema, TableSchemaBuilder, TenantTemplate};

/// A type whose sensitive attributes are marked: implemented by `#[derive(Record)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Record`",
    label = "its sensitive attributes are not declared",
    note = "add `#[derive(tenantseal::Record)]` to the type"
)]
pub trait Record {
    /// What each of its attributes is.
    const SCHEMA: RecordSchema;
}

/// The attributes of one record type, as its stored item names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSchema {
    table: Option<&'static str>,
    fields: &'static [RecordField],
}

impl RecordSchema {
    /// A schema of these fields; `table` is absent for records that are only flattened into others.
    ///
    /// # Panics
    ///
    /// When two fields share a stored name, there are two partition or two sort keys, or a sort key without a partition key.
    /// In a `const`, where the derive calls it, that is a compile error.
    pub const fn new(table: Option<&'static str>, fields: &'static [RecordField]) -> Self {
        Self { table, fields }
    }

    /// The logical name of the table, when the record has one of its own.
    pub const fn table(&self) -> Option<&'static str> {
        self.table
    }

    /// The fields in the order of their declaration.
    pub const fn fields(&self) -> &'static [RecordField] {
        self.fields
    }
}

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordField {
    /// The partition key. Its value shows the tenant: `tenant` is a template such as `{tenant}` or `TENANT#{tenant}#`.
    PartitionKey {
        /// The stored name.
        name: &'static str,
        /// How the tenant's id shows in the value.
        tenant: &'static str,
    },
    /// The sort key.
    SortKey {
        /// The stored name.
        name: &'static str,
    },
    /// Stored as it is.
    Plain {
        /// The stored name.
        name: &'static str,
    },
    /// Encrypted before it leaves the process.
    Encrypted {
        /// The stored name.
        name: &'static str,
    },
    /// The fields of another record, flattened into this one.
    Flatten(&'static RecordSchema),
}

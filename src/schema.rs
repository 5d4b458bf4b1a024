//! What each attribute of a record is, and how its tenant shows in the key.
//!
//! `#[derive(Record)]` writes a [`RecordSchema`] at compile time. A schema is data, not code, so the client never knows
//! a user's types.

mod forms;
mod invalid;
mod lock;
mod lookup;
mod marked;
mod marks;
mod protection;
mod rules;
mod strings;
mod table;
mod variant;
mod watched;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

pub(crate) use forms::read;
#[doc(hidden)]
pub use forms::{
    De, FieldForm, Forms, NotRead, NotReadBack, Read, Reads, ReadsBack, Ser, StoredForm, Unwritten, Write, Writes,
    through,
};
pub use invalid::InvalidSchema;
pub use lock::{Difference, Drift, DriftClass, InvalidLock, Lock, LockFileError};
#[doc(hidden)]
pub use lookup::{Few, Many, refuse_few};
pub use lookup::{
    FewValued, Form, Lookup, LookupBuilder, LookupFault, LookupIndex, LookupKind, LookupPart, LookupState, TokenState,
};
#[doc(hidden)]
pub use marked::{MarkedRecord, inventory, path_of};
#[doc(hidden)]
pub use marks::{Holds, Marks, NoMarks, Within, has_marks, heed};
pub use protection::{Protection, Role, Secrecy};
use rules::{is_same, refuse, starts_with};
#[doc(hidden)]
pub use strings::{MaybeAString, NotAString, Str, refuse_not_a_string};
pub use table::{TableSchema, TableSchemaBuilder};
pub use tenantseal_core::tenant_template::{InvalidTenantTemplate, TenantTemplate};
pub(crate) use variant::Variant;
pub(crate) use watched::{Fault, FaultKind};
#[doc(hidden)]
pub use watched::{Parts, Watch, Watched};

/// A DynamoDB item: attribute names and values.
pub type Item = HashMap<String, AttributeValue>;

/// A type whose sensitive attributes are marked. Implement it by `#[derive(Record)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Record`",
    label = "its sensitive attributes are not declared",
    note = "add `#[derive(tenantseal::Record)]` to the type"
)]
pub trait Record {
    /// The protection of each of its attributes.
    const SCHEMA: RecordSchema;

    /// Evaluates when no field hides marks that would be ignored: see [`heed`]. Written by the derive.
    #[doc(hidden)]
    const HEEDED: () = ();

    /// How its fields are stored. Written by the derive.
    #[doc(hidden)]
    const FORMS: Forms = Forms::UNKNOWN;
}

/// The attributes of one record type, as its stored item names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSchema {
    table: Option<&'static str>,
    discriminator: Option<(&'static str, &'static str)>,
    fields: &'static [RecordField],
    lookups: &'static [LookupBuilder<'static>],
}

impl RecordSchema {
    /// A schema of these fields; `table` is absent for records that are only flattened into others.
    ///
    /// # Panics
    ///
    /// When, flattened records included,
    /// - two fields share a stored name: serde would silently drop one of the two,
    /// - there are two partition keys, sort keys or versions, or a sort key without a partition key,
    /// - there is a table but no partition key: nothing could be checked against the tenant,
    /// - a stored name is empty or begins with `_seal`, or a key's name is longer than 255 bytes,
    /// - a tenant template has not exactly one `{tenant}`, or what follows could be a part of a tenant's id.
    ///
    /// In a `const`, where the derive calls it, that is a compile error.
    #[track_caller]
    pub const fn new(table: Option<&'static str>, fields: &'static [RecordField]) -> Self {
        let schema = Self { table, discriminator: None, fields, lookups: &[] };
        schema.check_fields(&schema);
        schema.check_keys();
        schema
    }

    /// The same schema, with a discriminator, for a record whose table holds records that disagree with it on an
    /// attribute. Its items are those whose `attribute` is `value`. Where `attribute` is the sort key, it need only
    /// begin with `value`.
    ///
    /// A record without a field of that name gets the attribute when the repository stores it.
    ///
    /// # Panics
    ///
    /// When the attribute is the partition key or encrypted, its name is empty or reserved, the value is empty, or
    /// there is no table.
    #[track_caller]
    pub const fn with_discriminator(self, attribute: &'static str, value: &'static str) -> Self {
        if attribute.is_empty() || value.is_empty() {
            panic!("a discriminator has a name and a value");
        }
        if starts_with(attribute.as_bytes(), b"_seal") {
            refuse("the discriminator `", attribute, "` begins with `_seal`, which is reserved for tenantseal");
        }
        if self.table.is_none() {
            refuse("the discriminator `", attribute, "` needs a table: it tells its records apart");
        }
        if let Some(RecordField::PartitionKey { .. } | RecordField::Encrypted { .. } | RecordField::Version { .. }) =
            self.field(attribute)
        {
            refuse("the discriminator `", attribute, "` must be the sort key or stored as it is, as a string");
        }
        Self { discriminator: Some((attribute, value)), ..self }
    }

    /// The same schema, with lookups of its own. Those of flattened records come with them.
    ///
    /// # Panics
    ///
    /// When, flattened records included,
    /// - a lookup is not declared as [`LookupBuilder`] says,
    /// - a part of one is not encrypted,
    /// - two lookups have the same name or the same index.
    ///
    /// In a `const`, where the derive calls it, that is a compile error.
    #[track_caller]
    pub const fn with_lookups(self, lookups: &'static [LookupBuilder<'static>]) -> Self {
        let schema = Self { lookups, ..self };
        schema.check_lookups(&schema);
        schema
    }

    /// The lookups of its own, without those of flattened records.
    pub const fn lookups(&self) -> &'static [LookupBuilder<'static>] {
        self.lookups
    }

    /// The attribute that tells this record's items from others in the table, and its value. See
    /// [`with_discriminator`](Self::with_discriminator).
    pub const fn discriminator(&self) -> Option<(&'static str, &'static str)> {
        self.discriminator
    }

    /// The stored name of the optimistic version, when the record has one.
    pub fn version(&self) -> Option<&'static str> {
        self.fields.iter().find_map(|field| match field {
            RecordField::Version { name } => Some(*name),
            RecordField::Flatten(record) => record.version(),
            _ => None,
        })
    }

    /// The field with this stored name, also in a flattened record.
    pub const fn field(&self, name: &str) -> Option<RecordField> {
        let mut i = 0;
        while i < self.fields.len() {
            match self.fields[i] {
                RecordField::Flatten(record) => {
                    if let Some(field) = record.field(name) {
                        return Some(field);
                    }
                }
                field => {
                    if is_same(field.name().as_bytes(), name.as_bytes()) {
                        return Some(field);
                    }
                }
            }
            i += 1;
        }
        None
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
    /// A number, stored as it is, that counts the writes of the record. The repository checks and increments it.
    Version {
        /// The stored name.
        name: &'static str,
    },
    /// The fields of another record, flattened into this one.
    Flatten(&'static RecordSchema),
}

impl RecordField {
    /// The stored name; empty for a flattened record, which has many.
    const fn name(&self) -> &'static str {
        match *self {
            Self::PartitionKey { name, .. }
            | Self::SortKey { name }
            | Self::Plain { name }
            | Self::Encrypted { name }
            | Self::Version { name } => name,
            Self::Flatten(_) => "",
        }
    }
}

/// The type of fields that `#[seal(version)]` may mark. Each write counts, and a smaller type would overflow.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a version",
    label = "a version is a `u64`, which never runs over"
)]
#[expect(private_bounds, reason = "sealed: DynamoDB counts in whole numbers, and a smaller type would run over")]
pub trait VersionNumber: SealedVersion {}

/// Prevents other crates from implementing [`VersionNumber`].
trait SealedVersion {}

impl SealedVersion for u64 {}
impl VersionNumber for u64 {}

/// Compiles when the field's type may be a version. The derive calls it.
#[doc(hidden)]
pub fn is_version<V: VersionNumber>(_: &V) {}

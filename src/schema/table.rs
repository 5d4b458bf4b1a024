//! A table's schema at run time, which the client follows.

use std::collections::{BTreeMap, BTreeSet};

use tenantseal_core::envelope::KeyRecordPlacement;

use super::{InvalidSchema, Lookup, Protection, Record, RecordField, RecordSchema, TenantTemplate};

mod builder;
mod merge;

pub use builder::TableSchemaBuilder;

/// The protection of each attribute of a table's items. It is made from records, or by hand for code without structs.
///
/// The schema alone decides what is encrypted and what is opened, never a stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    name: String,
    partition_key: String,
    sort_key: Option<String>,
    tenant: TenantTemplate,
    /// The attributes of all records; [`Secrecy::Varies`](super::Secrecy::Varies) where the records disagree.
    attributes: Attributes,
    /// The attribute that tells record types apart.
    discriminator: Option<String>,
    /// What records declare, by their value of the discriminator. `None` stands for records without one.
    records: BTreeMap<Option<String>, Declared>,
    /// The lookups of all records, by name.
    lookups: Vec<Lookup>,
    /// The names of those lookups that some record types lack although they declare a part of it.
    varying: BTreeSet<String>,
    record_place: KeyRecordPlacement,
    /// Attributes whose plaintext may be any bytes, so that their beginning tells nothing.
    own_bytes: BTreeSet<String>,
    /// Attributes that may be plaintext while a tenant has a leave.
    adopted: BTreeSet<String>,
}

/// Attributes and their protection.
pub(super) type Attributes = BTreeMap<String, Protection>;

/// What the records with one value of the discriminator declare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) attributes: Attributes,
    /// The names of their lookups.
    pub(super) lookups: BTreeSet<String>,
}

impl Declared {
    /// Whether their items have tokens of the lookup.
    pub(super) fn has(&self, lookup: &Lookup) -> bool {
        self.lookups.contains(lookup.name())
    }
}

impl TableSchema {
    /// The schema of one record type.
    ///
    /// # Errors
    ///
    /// [`InvalidSchema`] when the record has no table or no partition key of its own, or its names collide.
    pub fn for_record<T: Record>() -> Result<Self, InvalidSchema> {
        // Where a type with parameters is derived, nothing is evaluated yet. It is evaluated here.
        let () = T::HEEDED;
        Self::from_record(&T::SCHEMA)
    }

    pub(crate) fn from_record(record: &RecordSchema) -> Result<Self, InvalidSchema> {
        fn add(mut builder: TableSchemaBuilder, record: &RecordSchema) -> TableSchemaBuilder {
            for lookup in record.lookups() {
                builder = builder.lookup(*lookup);
            }
            for field in record.fields() {
                builder = match *field {
                    RecordField::PartitionKey { name, tenant } => builder.partition_key(name, tenant),
                    RecordField::SortKey { name } => builder.sort_key(name),
                    RecordField::Plain { name } | RecordField::Version { name } => builder.plain(name),
                    RecordField::Encrypted { name } => builder.encrypt(name),
                    RecordField::Flatten(inner) => add(builder, inner),
                };
            }
            builder
        }
        let table = record.table().ok_or(InvalidSchema::NoTable)?;
        let mut builder = add(Self::builder(table), record);
        if let Some((attribute, value)) = record.discriminator() {
            if record.field(attribute).is_none() {
                builder = builder.plain(attribute);
            }
            builder = builder.discriminator(attribute, value);
        }
        builder.build()
    }

    /// Starts a schema by hand. `name` is the table's logical name.
    pub fn builder(name: impl Into<String>) -> TableSchemaBuilder {
        TableSchemaBuilder::new(name.into())
    }

    /// The logical name of the table, which is part of every item's identity.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the partition key.
    pub fn partition_key(&self) -> &str {
        &self.partition_key
    }

    /// The name of the sort key, when the table has one.
    pub fn sort_key(&self) -> Option<&str> {
        self.sort_key.as_deref()
    }

    /// The key attributes: the partition key, then the sort key.
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.partition_key()).chain(self.sort_key())
    }

    /// How the tenant's id appears in the partition key.
    pub fn tenant(&self) -> &TenantTemplate {
        &self.tenant
    }

    /// The protection that this attribute has in every item, or `None` when the schema does not declare it.
    /// [`Secrecy::Varies`](super::Secrecy::Varies) when it depends on the item's discriminator.
    pub fn protection(&self, attribute: &str) -> Option<Protection> {
        self.attributes.get(attribute).copied()
    }

    /// Whether the attribute of this name is encrypted, in all items or in some.
    pub(crate) fn may_encrypt(&self, attribute: &str) -> bool {
        self.protection(attribute).is_some_and(Protection::may_encrypt)
    }

    /// Whether the attribute may be plaintext while a tenant has a leave.
    pub(crate) fn adopts(&self, attribute: &str) -> bool {
        self.adopted.contains(attribute)
    }

    /// The attributes that may be plaintext while a tenant has a leave.
    pub(crate) fn adopted(&self) -> &BTreeSet<String> {
        &self.adopted
    }

    pub(crate) fn adopt(&mut self, attribute: String) {
        self.adopted.insert(attribute);
    }

    pub(crate) fn record_place(&self) -> KeyRecordPlacement {
        self.record_place
    }

    pub(crate) fn set_record_place(&mut self, place: KeyRecordPlacement) {
        self.record_place = place;
    }

    /// Whether the plaintext of an attribute may be any bytes, even bytes that begin like sealed ones.
    pub(crate) fn has_own_bytes(&self, attribute: &str) -> bool {
        self.own_bytes.contains(attribute)
    }

    pub(crate) fn set_own_bytes(&mut self, attribute: String) {
        self.own_bytes.insert(attribute);
    }

    /// The attributes of which that was said.
    pub(super) fn own_bytes(&self) -> impl Iterator<Item = &str> {
        self.own_bytes.iter().map(String::as_str)
    }

    /// What records declare, by their value of the discriminator.
    pub(super) fn records(&self) -> impl Iterator<Item = (Option<&str>, &Declared)> {
        self.records.iter().map(|(value, declared)| (value.as_deref(), declared))
    }

    /// The discriminator's values of the record types that have a lookup; empty for the only type of a table.
    pub(crate) fn types_with(&self, lookup: &Lookup) -> Vec<String> {
        let with = self.records().filter(|(_, declared)| declared.has(lookup));
        with.map(|(value, _)| value.unwrap_or_default().to_owned()).collect()
    }

    /// Each attribute and its protection, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Protection)> {
        self.attributes.iter().map(|(name, protection)| (name.as_str(), *protection))
    }

    /// The lookups of all its records, by name.
    pub fn lookups(&self) -> &[Lookup] {
        &self.lookups
    }

    /// The lookup of this name.
    pub fn lookup(&self, name: &str) -> Option<&Lookup> {
        self.lookups.iter().find(|lookup| lookup.name() == name)
    }

    /// Whether some record types lack the lookup although they declare a part of it.
    pub(super) fn lookup_varies(&self, lookup: &Lookup) -> bool {
        self.varying.contains(lookup.name())
    }

    /// The attribute that tells the table's record types apart, when there is one.
    pub fn discriminator(&self) -> Option<&str> {
        self.discriminator.as_deref()
    }

    /// Whether the sort key is the discriminator. A record's sort keys then begin with its value.
    pub(crate) fn is_told_apart_by_sort_key(&self) -> bool {
        self.discriminator.is_some() && self.discriminator == self.sort_key
    }

    /// What the records with this value of the discriminator declare.
    pub(super) fn records_of(&self, value: Option<&str>) -> Option<&Declared> {
        match value {
            None => self.records.get(&None),
            Some(value) if self.is_told_apart_by_sort_key() => {
                let begins = |known: &Option<String>| known.as_deref().is_some_and(|known| value.starts_with(known));
                let found = self.records.iter().find(|(known, _)| begins(known)).map(|(_, declared)| declared);
                found.or_else(|| self.records.get(&None))
            }
            Some(value) => self.records.get(&Some(value.to_owned())),
        }
    }

    /// An attribute that the record encrypts and this schema does not, because nobody has registered the record.
    pub(crate) fn leaves_plain(&self, record: &RecordSchema) -> Option<&'static str> {
        let own = self.records_of(record.discriminator().map(|(_, value)| value));
        self.leaves_plain_of(record.fields(), own)
    }

    fn leaves_plain_of(&self, fields: &[RecordField], own: Option<&Declared>) -> Option<&'static str> {
        fields.iter().find_map(|field| match *field {
            RecordField::Flatten(inner) => self.leaves_plain_of(inner.fields(), own),
            RecordField::Encrypted { name } => {
                let protection = match self.protection(name) {
                    Some(protection) if protection.varies() => own.and_then(|own| own.attributes.get(name).copied()),
                    protection => protection,
                };
                (!protection.is_some_and(Protection::is_encrypted)).then_some(name)
            }
            _ => None,
        })
    }

    /// A lookup that the record declares and its items in this table lack, because nobody has registered the record.
    pub(crate) fn lacks_lookup(&self, record: &RecordSchema) -> Option<String> {
        let own = self.records_of(record.discriminator().map(|(_, value)| value));
        self.lacks_lookup_of(record, own)
    }

    fn lacks_lookup_of(&self, record: &RecordSchema, own: Option<&Declared>) -> Option<String> {
        let is_there = |lookup: &Lookup| !self.lookup_varies(lookup) || own.is_some_and(|own| own.has(lookup));
        let missing = record
            .lookups()
            .iter()
            .find(|declared| !self.lookups.iter().any(|lookup| declared.is(lookup) && is_there(lookup)));
        let flattened = || {
            record.fields().iter().find_map(|field| match field {
                RecordField::Flatten(inner) => self.lacks_lookup_of(inner, own),
                _ => None,
            })
        };
        missing.map(|declared| declared.name()).or_else(flattened)
    }
}

//! A table's schema at run time: what the client goes by.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use super::{Record, RecordField, RecordSchema};
use crate::format::RESERVED_PREFIX;
use crate::tenant::{TenantId, is_tenant_byte};

/// What each attribute of a table's items is. Made from records, or by hand for code that has no structs.
///
/// The schema alone, never a stored value, decides what is encrypted and what is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    name: String,
    partition_key: String,
    sort_key: Option<String>,
    tenant: TenantTemplate,
    /// Of all records; [`Protection::Varies`] where they disagree.
    attributes: Attributes,
    /// The same, as it is asked for.
    lookup: Lookup,
    /// The attribute that tells record types apart.
    discriminator: Option<String>,
    /// What the records of each value of the discriminator declare; with no value, those that have none.
    records: BTreeMap<Option<String>, Attributes>,
    record_place: RecordPlace,
}

/// Where the key record lies of what is sealed for a table. Decided where the table is deployed, not by its records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecordPlace {
    /// In the item, which opens by itself.
    #[default]
    Item,
    /// More demanding: in the key table, to which the item refers: a compact table.
    KeyTable,
}

/// Attributes and what they are.
pub(super) type Attributes = BTreeMap<String, Protection>;

/// Attributes in the order of their lengths, then their names. Every attribute of every item is looked up: so most steps compare two
/// numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Lookup(Box<[(Box<str>, Protection)]>);

impl Lookup {
    fn new(attributes: &Attributes) -> Self {
        let copied = |(name, protection): (&String, &Protection)| (name.as_str().into(), *protection);
        let mut all: Box<[(Box<str>, Protection)]> = attributes.iter().map(copied).collect();
        all.sort_unstable_by(|(one, _), (other, _)| Self::order(one, other));
        Self(all)
    }

    fn get(&self, name: &str) -> Option<Protection> {
        let at = self.0.binary_search_by(|(known, _)| Self::order(known, name)).ok()?;
        Some(self.0[at].1)
    }

    fn order(one: &str, other: &str) -> Ordering {
        one.len().cmp(&other.len()).then_with(|| one.cmp(other))
    }
}

/// What happens to an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protection {
    /// A key attribute: stored as it is, and part of the item's identity.
    Key,
    /// Stored as it is.
    Plain,
    /// Encrypted before it leaves the process.
    Encrypted,
    /// The table's records disagree: an item's discriminator says what it is.
    Varies,
}

impl TableSchema {
    /// The schema of one record type.
    ///
    /// # Errors
    ///
    /// [`InvalidSchema`] when the record has no table or no partition key of its own, or its names collide.
    pub fn of<T: Record>() -> Result<Self, InvalidSchema> {
        // Of a type with parameters nothing was evaluated where it was derived.
        let () = T::HEEDED;
        Self::from_record(&T::SCHEMA)
    }

    pub(crate) fn from_record(record: &RecordSchema) -> Result<Self, InvalidSchema> {
        fn add(mut builder: TableSchemaBuilder, fields: &[RecordField]) -> TableSchemaBuilder {
            for field in fields {
                builder = match *field {
                    RecordField::PartitionKey { name, tenant } => builder.partition_key(name, tenant),
                    RecordField::SortKey { name } => builder.sort_key(name),
                    RecordField::Plain { name } | RecordField::Version { name } => builder.plain(name),
                    RecordField::Encrypted { name } => builder.encrypt(name),
                    RecordField::Flatten(inner) => add(builder, inner.fields()),
                };
            }
            builder
        }
        let table = record.table().ok_or(InvalidSchema::NoTable)?;
        let mut builder = add(Self::builder(table), record.fields());
        if let Some((attribute, value)) = record.discriminator() {
            if record.field(attribute).is_none() {
                builder = builder.plain(attribute);
            }
            builder = builder.discriminator(attribute, value);
        }
        builder.build()
    }

    /// Starts a schema by hand; `name` is the table's logical name.
    pub fn builder(name: impl Into<String>) -> TableSchemaBuilder {
        TableSchemaBuilder {
            name: name.into(),
            partition_keys: Vec::new(),
            sort_keys: Vec::new(),
            attributes: Vec::new(),
            discriminators: Vec::new(),
        }
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

    /// How a tenant shows in the partition key.
    pub fn tenant(&self) -> &TenantTemplate {
        &self.tenant
    }

    /// What the attribute of this name is in every item, when the schema names it; [`Protection::Varies`] when that depends on the
    /// item's discriminator.
    pub fn protection(&self, attribute: &str) -> Option<Protection> {
        self.lookup.get(attribute)
    }

    pub(crate) fn record_place(&self) -> RecordPlace {
        self.record_place
    }

    pub(crate) fn set_record_place(&mut self, place: RecordPlace) {
        self.record_place = place;
    }

    /// Each attribute and what it is, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Protection)> {
        self.attributes.iter().map(|(name, protection)| (name.as_str(), *protection))
    }

    /// The attribute that tells the table's record types apart, when there is one.
    pub fn discriminator(&self) -> Option<&str> {
        self.discriminator.as_deref()
    }

    /// Whether the sort key is the discriminator: then a record's keys begin with its value.
    pub(crate) fn is_told_apart_by_sort_key(&self) -> bool {
        self.discriminator.is_some() && self.discriminator == self.sort_key
    }

    /// What the records with this value of the discriminator declare.
    pub(super) fn records_of(&self, value: Option<&str>) -> Option<&Attributes> {
        match value {
            None => self.records.get(&None),
            Some(value) if self.is_told_apart_by_sort_key() => {
                let begins = |known: &Option<String>| known.as_deref().is_some_and(|known| value.starts_with(known));
                let found = self.records.iter().find(|(known, _)| begins(known)).map(|(_, attributes)| attributes);
                found.or_else(|| self.records.get(&None))
            }
            Some(value) => self.records.get(&Some(value.to_owned())),
        }
    }

    /// An attribute that the record encrypts, and this schema does not: nobody has registered the record.
    pub(crate) fn leaves_plain(&self, record: &RecordSchema) -> Option<&'static str> {
        let own = self.records_of(record.discriminator().map(|(_, value)| value));
        self.leaves_plain_of(record.fields(), own)
    }

    fn leaves_plain_of(&self, fields: &[RecordField], own: Option<&Attributes>) -> Option<&'static str> {
        fields.iter().find_map(|field| match *field {
            RecordField::Flatten(inner) => self.leaves_plain_of(inner.fields(), own),
            RecordField::Encrypted { name } => {
                let protection = match self.protection(name) {
                    Some(Protection::Varies) => own.and_then(|own| own.get(name).copied()),
                    protection => protection,
                };
                (protection != Some(Protection::Encrypted)).then_some(name)
            }
            _ => None,
        })
    }

    /// Adds what another record type in the same table declares.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), InvalidSchema> {
        let Self {
            name: table,
            partition_key,
            sort_key,
            tenant,
            discriminator,
            records,
            attributes: _,
            lookup: _,
            record_place: _,
        } = other;
        if (&partition_key, &sort_key, &tenant) != (&self.partition_key, &self.sort_key, &self.tenant) {
            return Err(InvalidSchema::KeysDisagree { table });
        }
        match (&self.discriminator, discriminator) {
            (Some(ours), Some(theirs)) if *ours != theirs => {
                return Err(InvalidSchema::DiscriminatorsDisagree { table });
            }
            (None, theirs) => self.discriminator = theirs,
            (Some(_), _) => {}
        }
        for (value, attributes) in records {
            let ours = self.records.entry(value).or_default();
            for (attribute, protection) in attributes {
                if *ours.entry(attribute.clone()).or_insert(protection) != protection {
                    return Err(InvalidSchema::AttributeDisagrees { table, attribute });
                }
            }
        }
        self.settle()
    }

    /// Finds out what all records together say.
    fn settle(&mut self) -> Result<(), InvalidSchema> {
        self.attributes = self.merged()?;
        self.lookup = Lookup::new(&self.attributes);
        Ok(())
    }

    /// What all records together say, when their discriminator tells those apart that disagree.
    fn merged(&self) -> Result<Attributes, InvalidSchema> {
        let Self { name: table, discriminator, records, .. } = self;
        let mut merged = Attributes::new();
        for (attribute, protection) in records.values().flatten() {
            let known = merged.entry(attribute.clone()).or_insert(*protection);
            if known != protection {
                *known = Protection::Varies;
            }
        }
        let without = records.get(&None);
        let varies = |attribute: &&String| merged.get(*attribute) == Some(&Protection::Varies);
        if let Some(attribute) = without.and_then(|attributes| attributes.keys().find(varies)) {
            return Err(InvalidSchema::AttributeDisagrees { table: table.clone(), attribute: attribute.clone() });
        }
        let Some(discriminator) = discriminator else { return Ok(merged) };
        let is_key = self.sort_key.as_ref() == Some(discriminator);
        let allowed = if is_key { Protection::Key } else { Protection::Plain };
        if merged.get(discriminator) != Some(&allowed) {
            return Err(InvalidSchema::Discriminator { table: table.clone(), attribute: discriminator.clone() });
        }
        if !is_key && without.is_some_and(|attributes| attributes.contains_key(discriminator)) {
            return Err(InvalidSchema::NoValue { table: table.clone(), attribute: discriminator.clone() });
        }
        let values: Vec<&str> = records.keys().flatten().map(String::as_str).collect();
        let begins = |value: &&str| values.iter().any(|other| other != value && other.starts_with(*value));
        match values.iter().find(|value| is_key && begins(value)) {
            Some(value) => Err(InvalidSchema::Ambiguous { table: table.clone(), value: (*value).to_owned() }),
            None => Ok(merged),
        }
    }
}

/// Collects a [`TableSchema`]; nothing is checked before [`Self::build`].
#[must_use = "nothing is checked before `build`"]
#[derive(Debug, Clone)]
pub struct TableSchemaBuilder {
    name: String,
    partition_keys: Vec<(String, String)>,
    sort_keys: Vec<String>,
    attributes: Vec<(String, Protection)>,
    discriminators: Vec<(String, String)>,
}

impl TableSchemaBuilder {
    /// The partition key, and how a tenant shows in its value: `{tenant}`, or a prefix such as `TENANT#{tenant}#`.
    pub fn partition_key(mut self, name: impl Into<String>, tenant: impl Into<String>) -> Self {
        self.partition_keys.push((name.into(), tenant.into()));
        self
    }

    /// The sort key.
    pub fn sort_key(mut self, name: impl Into<String>) -> Self {
        self.sort_keys.push(name.into());
        self
    }

    /// An attribute that is stored as it is.
    pub fn plain(mut self, name: impl Into<String>) -> Self {
        self.attributes.push((name.into(), Protection::Plain));
        self
    }

    /// An attribute that is encrypted.
    pub fn encrypt(mut self, name: impl Into<String>) -> Self {
        self.attributes.push((name.into(), Protection::Encrypted));
        self
    }

    /// These are the attributes of items whose `attribute` is `value`; or begins with `value`, where `attribute` is the sort key.
    ///
    /// Register a schema per value: then they may disagree on attributes. The attribute is a plain one, and a string.
    pub fn discriminator(mut self, attribute: impl Into<String>, value: impl Into<String>) -> Self {
        self.discriminators.push((attribute.into(), value.into()));
        self
    }

    /// The schema, when it holds together.
    ///
    /// # Errors
    ///
    /// [`InvalidSchema`] names the rule that it breaks.
    pub fn build(self) -> Result<TableSchema, InvalidSchema> {
        let Self { name, mut partition_keys, mut sort_keys, attributes, mut discriminators } = self;
        if name.is_empty() {
            return Err(InvalidSchema::NoTable);
        }
        if partition_keys.len() != 1 || sort_keys.len() > 1 {
            return Err(InvalidSchema::Keys { table: name });
        }
        let (partition_key, template) = partition_keys.remove(0);
        let sort_key = sort_keys.pop();
        let tenant =
            TenantTemplate::parse(&template).map_err(|rule| InvalidSchema::Tenant { table: name.clone(), rule })?;
        let keys = std::iter::once(&partition_key).chain(&sort_key).map(|key| (key.clone(), Protection::Key));
        let mut all = BTreeMap::new();
        for (attribute, protection) in keys.chain(attributes) {
            if attribute.is_empty() || attribute.starts_with(RESERVED_PREFIX) {
                return Err(InvalidSchema::Reserved { table: name, attribute });
            }
            if all.insert(attribute.clone(), protection).is_some() {
                return Err(InvalidSchema::Repeated { table: name, attribute });
            }
        }
        let (discriminator, value) = discriminators.pop().unzip();
        if let Some(attribute) = discriminator.clone()
            && (!discriminators.is_empty() || value.as_ref().is_some_and(String::is_empty))
        {
            return Err(InvalidSchema::Discriminator { table: name, attribute });
        }
        let records = BTreeMap::from([(value, all)]);
        let mut schema = TableSchema {
            name,
            partition_key,
            sort_key,
            tenant,
            attributes: Attributes::new(),
            lookup: Lookup::default(),
            discriminator,
            records,
            record_place: RecordPlace::default(),
        };
        schema.settle()?;
        Ok(schema)
    }
}

/// How a tenant shows in a partition key: the whole value (`{tenant}`) or its beginning (`TENANT#{tenant}#`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantTemplate {
    prefix: String,
    suffix: String,
}

impl TenantTemplate {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// [`InvalidTenantTemplate`] names the rule that `template` breaks.
    pub fn parse(template: &str) -> Result<Self, InvalidTenantTemplate> {
        let (prefix, suffix) = template.split_once("{tenant}").ok_or(InvalidTenantTemplate::Placeholder)?;
        if suffix.contains("{tenant}") {
            return Err(InvalidTenantTemplate::Placeholder);
        }
        if prefix.contains(['{', '}']) || suffix.contains(['{', '}']) {
            return Err(InvalidTenantTemplate::Placeholder);
        }
        if suffix.bytes().next().is_some_and(is_tenant_byte) {
            return Err(InvalidTenantTemplate::Ambiguous);
        }
        Ok(Self { prefix: prefix.to_owned(), suffix: suffix.to_owned() })
    }

    /// The tenant's key value, or what all of its key values begin with when [`Self::is_prefix`].
    pub fn render(&self, tenant: &TenantId) -> String {
        format!("{}{tenant}{}", self.prefix, self.suffix)
    }

    /// Whether more may follow the rendered text. Without text after `{tenant}` nothing may: tenant `12` would own what is `123`'s.
    pub fn is_prefix(&self) -> bool {
        !self.suffix.is_empty()
    }

    /// Whether a key value is the tenant's.
    pub fn owns(&self, tenant: &TenantId, value: &str) -> bool {
        let rest = value
            .strip_prefix(self.prefix.as_str())
            .and_then(|rest| rest.strip_prefix(tenant.as_str()))
            .and_then(|rest| rest.strip_prefix(self.suffix.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || self.is_prefix())
    }
}

impl fmt::Display for TenantTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{tenant}}{}", self.prefix, self.suffix)
    }
}

/// Why a text does not say how a tenant shows in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTenantTemplate {
    /// `{tenant}` does not appear exactly once.
    #[error("it must have `{{tenant}}` exactly once, for example `{{tenant}}` or `TENANT#{{tenant}}#`")]
    Placeholder,
    /// The text after `{tenant}` could be part of a longer tenant id.
    #[error(
        "the character after `{{tenant}}` must not be one of [A-Za-z0-9_-], or tenant `12` would own the items of `123`"
    )]
    Ambiguous,
}

/// Why a schema does not hold together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSchema {
    /// There is no table to store the record in.
    #[error("the record has no table: add `#[seal(table = \"…\")]`")]
    NoTable,
    /// There is not exactly one partition key, or more than one sort key.
    #[error("table `{table}`: a schema has exactly one partition key and at most one sort key")]
    Keys {
        /// The logical table.
        table: String,
    },
    /// The tenant template is malformed.
    #[error("table `{table}`: the tenant template is malformed: {rule}")]
    Tenant {
        /// The logical table.
        table: String,
        /// The rule that it breaks.
        rule: InvalidTenantTemplate,
    },
    /// A name is empty or begins with `_seal`.
    #[error("table `{table}`: attribute name `{attribute}` is empty or reserved (`_seal…`): choose another")]
    Reserved {
        /// The logical table.
        table: String,
        /// The name.
        attribute: String,
    },
    /// A name is declared twice in one record.
    #[error("table `{table}`: attribute `{attribute}` is declared twice")]
    Repeated {
        /// The logical table.
        table: String,
        /// The name.
        attribute: String,
    },
    /// Two records in one table disagree on its keys.
    #[error("table `{table}`: two records disagree on its key attributes or on how the tenant shows in them")]
    KeysDisagree {
        /// The logical table.
        table: String,
    },
    /// Two records in one table disagree on an attribute, and nothing tells their items apart.
    #[error(
        "table `{table}`: one record encrypts attribute `{attribute}` and another does not: give each a value of one discriminator"
    )]
    AttributeDisagrees {
        /// The logical table.
        table: String,
        /// The name.
        attribute: String,
    },
    /// Records in one table are told apart by different attributes.
    #[error("table `{table}`: its records are told apart by different attributes: a table has one discriminator")]
    DiscriminatorsDisagree {
        /// The logical table.
        table: String,
    },
    /// The discriminator is not a plain attribute or the sort key, has an empty value, or is given twice.
    #[error(
        "table `{table}`: discriminator `{attribute}` must be declared plain by its records, or be the sort key, with one value that is not empty"
    )]
    Discriminator {
        /// The logical table.
        table: String,
        /// The name.
        attribute: String,
    },
    /// A record declares the discriminator and has no value of it.
    #[error("table `{table}`: a record declares the discriminator `{attribute}` and says no value of it")]
    NoValue {
        /// The logical table.
        table: String,
        /// The name.
        attribute: String,
    },
    /// Sort keys that begin with one value may begin with another.
    #[error(
        "table `{table}`: sort keys are told apart by what they begin with, and another value begins with `{value}`"
    )]
    Ambiguous {
        /// The logical table.
        table: String,
        /// The value.
        value: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    proptest! {
        #[test]
        fn no_key_value_belongs_to_two_tenants(
            a in "[A-Za-z0-9_-]{1,3}",
            b in "[A-Za-z0-9_-]{1,3}",
            template in "[T#]{0,2}\\{tenant\\}[T#]{0,2}",
            rest in "[A-Za-z0-9_#-]{0,3}",
        ) {
            prop_assume!(a != b);
            let Ok(template) = TenantTemplate::parse(&template) else { return Ok(()) };
            let value = template.render(&tenant(&a)) + if template.is_prefix() { &rest } else { "" };
            prop_assert!(template.owns(&tenant(&a), &value));
            prop_assert!(!template.owns(&tenant(&b), &value));
        }
    }

    #[test]
    fn an_exact_template_owns_nothing_longer() {
        let template = TenantTemplate::parse("{tenant}").unwrap();
        assert!(template.owns(&tenant("12"), "12"));
        assert!(!template.owns(&tenant("12"), "123"));
        assert!(!template.owns(&tenant("12"), "12#x"));
    }

    #[test]
    fn a_schema_that_does_not_hold_together_is_refused() {
        let keyed = || TableSchema::builder("crm").partition_key("pk", "{tenant}");
        assert!(matches!(TableSchema::builder("crm").build(), Err(InvalidSchema::Keys { .. })));
        assert!(matches!(keyed().partition_key("b", "{tenant}").build(), Err(InvalidSchema::Keys { .. })));
        assert!(matches!(keyed().plain("x").encrypt("x").build(), Err(InvalidSchema::Repeated { .. })));
        assert!(matches!(keyed().encrypt("pk").build(), Err(InvalidSchema::Repeated { .. })));
        assert!(matches!(keyed().encrypt("_seal_x").build(), Err(InvalidSchema::Reserved { .. })));
        let ambiguous = TableSchema::builder("crm").partition_key("pk", "{tenant}x").build();
        assert!(matches!(ambiguous, Err(InvalidSchema::Tenant { .. })));
    }

    #[test]
    fn records_of_one_table_merge_unless_they_disagree() {
        let schema = |email: fn(TableSchemaBuilder, &'static str) -> TableSchemaBuilder| {
            email(TableSchema::builder("crm").partition_key("pk", "{tenant}"), "email").build().unwrap()
        };
        let mut merged = schema(|b, name| b.encrypt(name));
        let other = TableSchema::builder("crm").partition_key("pk", "{tenant}").plain("company").build().unwrap();
        assert_eq!(merged.merge(other), Ok(()));
        assert_eq!(merged.protection("company"), Some(Protection::Plain));
        assert!(matches!(merged.merge(schema(|b, name| b.plain(name))), Err(InvalidSchema::AttributeDisagrees { .. })));
    }

    fn of_kind(kind: Option<(&str, &str)>, note: Protection) -> TableSchema {
        let mut builder = TableSchema::builder("crm").partition_key("pk", "{tenant}").sort_key("sk");
        builder = if note == Protection::Plain { builder.plain("note") } else { builder.encrypt("note") };
        if let Some((attribute, value)) = kind {
            builder = if attribute == "kind" { builder.plain("kind") } else { builder };
            builder = builder.discriminator(attribute, value);
        }
        builder.build().unwrap()
    }

    #[track_caller]
    fn merged<const N: usize>(schemas: [TableSchema; N]) -> Result<TableSchema, InvalidSchema> {
        let mut schemas = schemas.into_iter();
        let mut merged = schemas.next().unwrap();
        schemas.try_for_each(|schema| merged.merge(schema)).map(|()| merged)
    }

    #[test]
    fn records_that_disagree_are_told_apart_by_distinct_values() {
        use Protection::{Encrypted, Plain};
        for attribute in ["kind", "sk"] {
            let schema =
                merged([of_kind(Some((attribute, "A#")), Encrypted), of_kind(Some((attribute, "B#")), Plain)]).unwrap();
            assert_eq!(schema.protection("note"), Some(Protection::Varies));
            let note = |value: &str| schema.records_of(Some(value)).and_then(|own| own.get("note")).copied();
            assert_eq!((note("A#"), note("B#"), note("C#")), (Some(Encrypted), Some(Plain), None));
        }
    }

    #[test]
    fn records_that_nothing_tells_apart_may_not_disagree() {
        use InvalidSchema as E;
        use Protection::{Encrypted, Plain};
        let kind = |value| Some(("kind", value));
        let without = |note| TableSchema::builder("crm").partition_key("pk", "{tenant}").sort_key("sk").plain(note);
        for (schemas, fault) in [
            ([of_kind(kind("a"), Encrypted), of_kind(kind("a"), Plain)], "`note`"),
            ([of_kind(kind("a"), Encrypted), of_kind(None, Plain)], "`note`"),
            ([of_kind(kind("a"), Encrypted), of_kind(Some(("sk", "B#")), Plain)], "different attributes"),
            ([of_kind(Some(("sk", "A")), Encrypted), of_kind(Some(("sk", "AB")), Plain)], "begins with `A`"),
            ([of_kind(kind("a"), Encrypted), without("kind").build().unwrap()], "says no value"),
        ] {
            let error = merged(schemas).unwrap_err().to_string();
            assert!(error.contains(fault), "{error}");
        }
        let undeclared = without("x").discriminator("kind", "a").build();
        assert!(matches!(undeclared, Err(E::Discriminator { .. })));
        let encrypted = without("x").encrypt("kind").discriminator("kind", "a").build();
        assert!(matches!(encrypted, Err(E::Discriminator { .. })));
    }
}

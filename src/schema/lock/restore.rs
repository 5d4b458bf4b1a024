//! The schemas that a lock was made of, for programs that know no structs.

use tenantseal_core::envelope::KeyRecordPlacement;

use super::Lock;
use super::model::{Index, Kind, LockedLookup, State, Table, Word};
use crate::schema::lookup::stored_name;
use crate::schema::{Form, InvalidSchema, Lookup, LookupBuilder, TableSchema};

impl Lock {
    /// The schemas of its tables, without the lookups that [`Lock::left_out`] lists.
    ///
    /// # Errors
    ///
    /// [`InvalidSchema`] when the file was edited so that a table does not hold together.
    pub fn schemas(&self) -> Result<Vec<TableSchema>, InvalidSchema> {
        self.tables.iter().map(|(name, table)| table.schema(name)).collect()
    }

    /// The same for a program that only reads: no lookup is unique, which writes need a claims table for.
    #[must_use]
    pub fn for_reading(mut self) -> Self {
        for table in self.tables.values_mut() {
            table.lookups.values_mut().for_each(|lookup| lookup.unique = false);
        }
        self
    }

    /// The lookups of a table that [`Lock::schemas`] leaves out, because their forms are not in this program: forms of
    /// the application's own, and `text` without the feature `unicode`.
    pub fn left_out(&self, table: &str) -> Vec<&str> {
        let lookups = self.tables.get(table).into_iter().flat_map(|table| table.lookups.iter());
        lookups.filter(|(_, lookup)| lookup.forms().is_none()).map(|(name, _)| name.as_str()).collect()
    }
}

impl Table {
    fn schema(&self, name: &str) -> Result<TableSchema, InvalidSchema> {
        let mut merged: Option<TableSchema> = None;
        for value in self.records.keys() {
            let record = self.record(name, value)?;
            match &mut merged {
                Some(merged) => merged.merge(record)?,
                None => merged = Some(record),
            }
        }
        let mut schema = merged.ok_or(InvalidSchema::NoTable)?;
        if self.compact {
            schema.set_record_place(KeyRecordPlacement::KeyTable);
        }
        self.own_bytes.iter().for_each(|attribute| schema.set_own_bytes(attribute.clone()));
        Ok(schema)
    }

    /// The schema of the records with one value of the discriminator.
    fn record(&self, name: &str, value: &str) -> Result<TableSchema, InvalidSchema> {
        let mut builder = TableSchema::builder(name).partition_key(&self.partition_key, &self.tenant);
        if let Some(sort_key) = &self.sort_key {
            builder = builder.sort_key(sort_key);
        }
        let attributes = self.records.get(value).into_iter().flat_map(|record| record.iter());
        for (attribute, word) in attributes {
            builder = match word {
                Word::Plain => builder.plain(attribute),
                Word::Encrypt => builder.encrypt(attribute),
                Word::Tokens => builder,
            };
        }
        let own = |name: &str| self.records.get(value).is_some_and(|record| record.contains_key(&stored_name(name)));
        for (lookup, locked) in self.lookups.iter().filter(|(lookup, _)| own(lookup)) {
            if let Some(forms) = locked.forms() {
                builder = builder.lookup(locked.builder(lookup, &forms));
            }
        }
        if let Some(discriminator) = self.discriminator.as_ref().filter(|_| !value.is_empty()) {
            builder = builder.discriminator(discriminator, value);
        }
        builder.build()
    }
}

impl LockedLookup {
    /// The attributes and forms of its parts, if this program has all forms.
    fn forms(&self) -> Option<Vec<(&str, Form)>> {
        self.parts.iter().map(|part| Some((part.attribute.as_str(), Form::by_name(&part.form)?))).collect()
    }

    fn builder<'a>(&'a self, name: &'a str, parts: &[(&'a str, Form)]) -> LookupBuilder<'a> {
        let mut builder = LookupBuilder::of_parts(parts).named(name).key(self.key);
        if self.bits != Lookup::EXACT_BITS {
            builder = builder.bits(self.bits);
        }
        builder = match self.kind {
            Kind::Equality => builder,
            Kind::Prefix(characters) => builder.prefix(characters),
            Kind::Each => builder.each(),
        };
        builder = match &self.index {
            None => builder,
            Some(Index::Token(name)) => builder.index(name),
            Some(Index::Tenant(name)) => builder.tenant_index(name),
        };
        if self.unique {
            builder = builder.unique();
        }
        match self.state {
            State::Building => builder.building(),
            State::Ready => builder,
            State::Retired => builder.retired(),
        }
    }
}

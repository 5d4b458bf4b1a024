//! The rules for the lookups of a record, checked at compile time: hence the loops.

use super::LookupBuilder;
use crate::schema::rules::{is_same, refuse, refuse_with};
use crate::schema::{RecordField, RecordSchema};

impl RecordSchema {
    /// Checks each lookup, and against those of all records that are flattened into `whole`.
    #[track_caller]
    pub(in crate::schema) const fn check_lookups(&self, whole: &Self) {
        let lookups = self.lookups();
        let mut i = 0;
        while i < lookups.len() {
            let lookup = &lookups[i];
            if let Some(fault) = lookup.fault() {
                refuse_with(&["lookup `", lookup.label(), "`: ", fault.advice()]);
            }
            let mut part = 0;
            while let Some(attribute) = lookup.attribute(part) {
                match whole.field(attribute) {
                    Some(RecordField::Encrypted { .. }) => {}
                    _ => {
                        refuse("a lookup has the part `", attribute, "`, which is no encrypted attribute of the record")
                    }
                }
                part += 1;
            }
            if whole.count_lookups(lookup) > 1 {
                refuse("two lookups are called `", lookup.label(), "`: give one of them a `name`");
            }
            if let Some(index) = lookup.own_index()
                && whole.count_indexes(index) > 1
            {
                refuse("two lookups have the index `", index, "`: each needs an index of its own");
            }
            i += 1;
        }
        let mut i = 0;
        while i < self.fields().len() {
            if let RecordField::Flatten(record) = self.fields()[i] {
                record.check_lookups(whole);
            }
            i += 1;
        }
    }

    /// The number of lookups that are called like this one.
    const fn count_lookups(&self, wanted: &LookupBuilder<'_>) -> usize {
        let (mut i, mut count) = (0, 0);
        while i < self.lookups().len() {
            count += self.lookups()[i].is_called_like(wanted) as usize;
            i += 1;
        }
        let mut i = 0;
        while i < self.fields().len() {
            if let RecordField::Flatten(record) = self.fields()[i] {
                count += record.count_lookups(wanted);
            }
            i += 1;
        }
        count
    }

    /// The number of lookups with this index.
    const fn count_indexes(&self, wanted: &str) -> usize {
        let (mut i, mut count) = (0, 0);
        while i < self.lookups().len() {
            if let Some(index) = self.lookups()[i].own_index() {
                count += is_same(index.as_bytes(), wanted.as_bytes()) as usize;
            }
            i += 1;
        }
        let mut i = 0;
        while i < self.fields().len() {
            if let RecordField::Flatten(record) = self.fields()[i] {
                count += record.count_indexes(wanted);
            }
            i += 1;
        }
        count
    }
}

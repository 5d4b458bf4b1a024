//! Merges several record types of one table, and checks what tells them apart.

use std::collections::BTreeSet;

use super::{Attributes, Declared, TableSchema};
use crate::schema::{InvalidSchema, Lookup, Protection};

impl TableSchema {
    /// Adds the declarations of another record type in the same table.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), InvalidSchema> {
        let Self {
            name: table,
            partition_key,
            sort_key,
            tenant,
            discriminator,
            records,
            lookups,
            attributes: _,
            varying: _,
            record_place: _,
            own_bytes: _,
            adopted: _,
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
        for (value, declared) in records {
            let ours = self.records.entry(value).or_default();
            ours.lookups.extend(declared.lookups);
            for (attribute, protection) in declared.attributes {
                if *ours.attributes.entry(attribute.clone()).or_insert(protection) != protection {
                    return Err(InvalidSchema::AttributeDisagrees { table, attribute });
                }
            }
        }
        for lookup in lookups {
            match self.lookups.binary_search_by(|ours| ours.name().cmp(lookup.name())) {
                Ok(at) if self.lookups[at] == lookup => {}
                Ok(_) => return Err(InvalidSchema::LookupsDisagree { table, lookup: lookup.name().to_owned() }),
                Err(at) => self.lookups.insert(at, lookup),
            }
        }
        self.settle()
    }

    /// Merges the declarations of all records.
    pub(super) fn settle(&mut self) -> Result<(), InvalidSchema> {
        self.attributes = self.merge_types()?;
        let mut indexes = BTreeSet::new();
        for index in self.lookups.iter().filter_map(Lookup::own_index) {
            if !indexes.insert(index) {
                return Err(InvalidSchema::LookupIndex { table: self.name.clone(), index: index.to_owned() });
            }
        }
        let varies = |lookup: &&Lookup| self.records.values().any(|record| record.lacks(lookup));
        self.varying = self.lookups.iter().filter(varies).map(|lookup| lookup.name().to_owned()).collect();
        Ok(())
    }

    /// The declarations of all records together. Their discriminator must tell apart the records that disagree.
    fn merge_types(&self) -> Result<Attributes, InvalidSchema> {
        let Self { name: table, discriminator, records, .. } = self;
        let mut merged = Attributes::new();
        for (attribute, protection) in records.values().flat_map(|record| &record.attributes) {
            let known = merged.entry(attribute.clone()).or_insert(*protection);
            if known != protection {
                *known = Protection::VARIES;
            }
        }
        let without = records.get(&None);
        let varies = |attribute: &&String| merged.get(*attribute).is_some_and(|merged| merged.varies());
        if let Some(attribute) = without.and_then(|record| record.attributes.keys().find(varies)) {
            return Err(InvalidSchema::AttributeDisagrees { table: table.clone(), attribute: attribute.clone() });
        }
        let Some(discriminator) = discriminator else { return Ok(merged) };
        let is_key = self.sort_key.as_ref() == Some(discriminator);
        let allowed = if is_key { Protection::KEY } else { Protection::PLAIN };
        if merged.get(discriminator) != Some(&allowed) {
            return Err(InvalidSchema::Discriminator { table: table.clone(), attribute: discriminator.clone() });
        }
        if !is_key && without.is_some_and(|record| record.attributes.contains_key(discriminator)) {
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

impl Declared {
    /// Whether items of these records have a part of the lookup, and no token.
    fn lacks(&self, lookup: &Lookup) -> bool {
        let declares = |attribute| self.attributes.contains_key(attribute);
        !self.has(lookup) && lookup.parts().iter().any(|part| declares(part.attribute()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TableSchemaBuilder;

    #[test]
    fn records_of_one_table_merge_unless_they_disagree() {
        let schema = |email: fn(TableSchemaBuilder, &'static str) -> TableSchemaBuilder| {
            email(TableSchema::builder("crm").partition_key("pk", "{tenant}"), "email").build().unwrap()
        };
        let mut merged = schema(|b, name| b.encrypt(name));
        let other = TableSchema::builder("crm").partition_key("pk", "{tenant}").plain("company").build().unwrap();
        assert_eq!(merged.merge(other), Ok(()));
        assert_eq!(merged.protection("company"), Some(Protection::PLAIN));
        assert!(matches!(merged.merge(schema(|b, name| b.plain(name))), Err(InvalidSchema::AttributeDisagrees { .. })));
    }

    fn of_kind(kind: Option<(&str, &str)>, note: Protection) -> TableSchema {
        let mut builder = TableSchema::builder("crm").partition_key("pk", "{tenant}").sort_key("sk");
        builder = if note == Protection::PLAIN { builder.plain("note") } else { builder.encrypt("note") };
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
        const ENCRYPTED: Protection = Protection::ENCRYPTED;
        const PLAIN: Protection = Protection::PLAIN;
        for attribute in ["kind", "sk"] {
            let schema =
                merged([of_kind(Some((attribute, "A#")), ENCRYPTED), of_kind(Some((attribute, "B#")), PLAIN)]).unwrap();
            assert_eq!(schema.protection("note"), Some(Protection::VARIES));
            let note = |value: &str| schema.records_of(Some(value)).and_then(|own| own.attributes.get("note")).copied();
            assert_eq!((note("A#"), note("B#"), note("C#")), (Some(ENCRYPTED), Some(PLAIN), None));
        }
    }

    #[test]
    fn records_that_nothing_tells_apart_may_not_disagree() {
        use InvalidSchema as E;
        const ENCRYPTED: Protection = Protection::ENCRYPTED;
        const PLAIN: Protection = Protection::PLAIN;
        let kind = |value| Some(("kind", value));
        let without = |note| TableSchema::builder("crm").partition_key("pk", "{tenant}").sort_key("sk").plain(note);
        for (schemas, fault) in [
            ([of_kind(kind("a"), ENCRYPTED), of_kind(kind("a"), PLAIN)], "`note`"),
            ([of_kind(kind("a"), ENCRYPTED), of_kind(None, PLAIN)], "`note`"),
            ([of_kind(kind("a"), ENCRYPTED), of_kind(Some(("sk", "B#")), PLAIN)], "different discriminators"),
            ([of_kind(Some(("sk", "A")), ENCRYPTED), of_kind(Some(("sk", "AB")), PLAIN)], "begins with `A`"),
            ([of_kind(kind("a"), ENCRYPTED), without("kind").build().unwrap()], "but no value for it"),
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

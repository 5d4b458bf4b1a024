//! A table's schema by hand: collected first, checked once.

use std::collections::{BTreeMap, BTreeSet};

use tenantseal_core::envelope::KeyRecordPlacement;
use tenantseal_core::format::RESERVED_PREFIX;
use tenantseal_core::tenant_template::TenantTemplate;

use super::{Attributes, Declared, Protection, TableSchema};
use crate::schema::{InvalidSchema, Lookup, LookupBuilder, LookupFault};

/// Collects a [`TableSchema`]. Nothing is checked before [`Self::build`].
#[must_use = "nothing is checked before `build`"]
#[derive(Debug, Clone)]
pub struct TableSchemaBuilder {
    name: String,
    partition_keys: Vec<(String, String)>,
    sort_keys: Vec<String>,
    attributes: Vec<(String, Protection)>,
    discriminators: Vec<(String, String)>,
    /// The name of each, and what it is or what is wrong with it.
    lookups: Vec<(String, Result<Lookup, LookupFault>)>,
}

impl TableSchemaBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            partition_keys: Vec::new(),
            sort_keys: Vec::new(),
            attributes: Vec::new(),
            discriminators: Vec::new(),
            lookups: Vec::new(),
        }
    }

    /// The partition key, and how the tenant's id appears in its value: `{tenant}`, or a prefix such as
    /// `TENANT#{tenant}#`.
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
        self.attributes.push((name.into(), Protection::PLAIN));
        self
    }

    /// An attribute that is encrypted.
    pub fn encrypt(mut self, name: impl Into<String>) -> Self {
        self.attributes.push((name.into(), Protection::ENCRYPTED));
        self
    }

    /// A lookup of encrypted attributes.
    ///
    /// ```
    /// use tenantseal::schema::{Form, Lookup, TableSchema};
    ///
    /// let crm = TableSchema::builder("crm")
    ///     .partition_key("tenant_id", "{tenant}")
    ///     .encrypt("last_name")
    ///     .encrypt("born")
    ///     .lookup(Lookup::on("last_name", Form::ALPHANUMERIC).prefix(3).bits(8).index("by-name-start"))
    ///     .lookup(Lookup::all_of([("last_name", Form::ALPHANUMERIC), ("born", Form::EXACT)]).named("person"))
    ///     .build()?;
    /// # Ok::<_, tenantseal::schema::InvalidSchema>(())
    /// ```
    pub fn lookup(mut self, lookup: LookupBuilder<'_>) -> Self {
        self.lookups.push((lookup.name(), lookup.build()));
        self
    }

    /// Limits the schema to items whose `attribute` is `value`. Where `attribute` is the sort key, it need only begin
    /// with `value`.
    ///
    /// Register one schema per value; they may then disagree on attributes. The discriminator is a plain attribute and
    /// a string.
    pub fn discriminator(mut self, attribute: impl Into<String>, value: impl Into<String>) -> Self {
        self.discriminators.push((attribute.into(), value.into()));
        self
    }

    /// The schema, when it is consistent.
    ///
    /// # Errors
    ///
    /// [`InvalidSchema`] names the rule that the schema breaks.
    pub fn build(self) -> Result<TableSchema, InvalidSchema> {
        let Self { name, mut partition_keys, mut sort_keys, attributes, mut discriminators, lookups } = self;
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
        let keys = std::iter::once(&partition_key).chain(&sort_key).map(|key| (key.clone(), Protection::KEY));
        let mut all = BTreeMap::new();
        for (attribute, protection) in keys.chain(attributes) {
            if attribute.is_empty() || attribute.starts_with(RESERVED_PREFIX) {
                return Err(InvalidSchema::Reserved { table: name, attribute });
            }
            if all.insert(attribute.clone(), protection).is_some() {
                return Err(InvalidSchema::Repeated { table: name, attribute });
            }
        }
        let lookups = check_lookups(&name, lookups, &all)?;
        let (discriminator, value) = discriminators.pop().unzip();
        if let Some(attribute) = discriminator.clone()
            && (!discriminators.is_empty() || value.as_ref().is_some_and(String::is_empty))
        {
            return Err(InvalidSchema::Discriminator { table: name, attribute });
        }
        let declared = lookups.iter().map(|lookup| lookup.name().to_owned()).collect();
        let records = BTreeMap::from([(value, Declared { attributes: all, lookups: declared })]);
        let mut schema = TableSchema {
            name,
            partition_key,
            sort_key,
            tenant,
            attributes: Attributes::new(),
            discriminator,
            records,
            lookups,
            varying: BTreeSet::new(),
            record_place: KeyRecordPlacement::default(),
            own_bytes: BTreeSet::new(),
            adopted: BTreeSet::new(),
        };
        schema.settle()?;
        Ok(schema)
    }
}

/// The lookups of one record, by name.
fn check_lookups(
    table: &str,
    declared: Vec<(String, Result<Lookup, LookupFault>)>,
    attributes: &Attributes,
) -> Result<Vec<Lookup>, InvalidSchema> {
    let mut lookups = BTreeMap::new();
    for (lookup, declared) in declared {
        let table = || table.to_owned();
        let declared =
            declared.map_err(|fault| InvalidSchema::Lookup { table: table(), lookup: lookup.clone(), fault })?;
        let encrypted = |attribute| attributes.get(attribute) == Some(&Protection::ENCRYPTED);
        if let Some(part) = declared.parts().iter().find(|part| !encrypted(part.attribute())) {
            let attribute = part.attribute().to_owned();
            return Err(InvalidSchema::LookupPart { table: table(), lookup, attribute });
        }
        if lookups.insert(lookup.clone(), declared).is_some() {
            return Err(InvalidSchema::LookupsDisagree { table: table(), lookup });
        }
    }
    Ok(lookups.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

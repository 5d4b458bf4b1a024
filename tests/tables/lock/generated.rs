//! Schemas by chance, and every single change of one with the class that it falls into.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use tenantseal::schema::{DriftClass, Form, Lookup, LookupBuilder, LookupState, TableSchema};
use tenantseal::{TenantSeal, TenantSealBuilder};

/// A lookup of one attribute.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    form: Form,
    bits: Option<u8>,
    key: u16,
    index: Option<String>,
    unique: bool,
    state: LookupState,
}

#[derive(Debug, Clone)]
pub(super) struct Attribute {
    encrypted: bool,
    own_bytes: bool,
    lookup: Option<Looked>,
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    partition_key: String,
    template: String,
    sort_key: Option<String>,
    discriminator: Option<String>,
    compact: bool,
    /// The first is without a discriminator where the table has none.
    records: Vec<BTreeMap<String, Attribute>>,
}

/// Tables by name.
pub(super) type Tables = BTreeMap<String, Table>;

pub(super) fn tables() -> impl Strategy<Value = Tables> {
    proptest::collection::btree_map("[a-c]x", table(), 1..3)
}

fn table() -> impl Strategy<Value = Table> {
    let template = prop::sample::select(vec!["{tenant}", "TENANT#{tenant}#"]);
    let records = proptest::collection::vec(proptest::collection::btree_map("[a-f]", attribute(), 0..5), 1..4);
    (template, any::<bool>(), any::<bool>(), any::<bool>(), records).prop_map(
        |(template, sorted, told_apart, compact, mut records)| {
            records.truncate(if told_apart { 3 } else { 1 });
            // Attributes of one name and different meanings are not in one table.
            let own = |(at, record): (usize, BTreeMap<String, Attribute>)| {
                record.into_iter().map(|(name, attribute)| (format!("{name}{at}"), attribute)).collect()
            };
            Table {
                partition_key: "tenant_id".to_owned(),
                template: template.to_owned(),
                sort_key: sorted.then(|| "id".to_owned()),
                discriminator: told_apart.then(|| "kind".to_owned()),
                compact,
                records: records.into_iter().enumerate().map(own).collect(),
            }
        },
    )
}

fn attribute() -> impl Strategy<Value = Attribute> {
    (any::<bool>(), any::<bool>(), proptest::option::of(looked())).prop_map(|(encrypted, own_bytes, lookup)| {
        Attribute { encrypted, own_bytes: encrypted && own_bytes, lookup: lookup.filter(|_| encrypted) }
    })
}

fn looked() -> impl Strategy<Value = Looked> {
    let form = prop::sample::select(vec![Form::EXACT, Form::EMAIL, Form::DIGITS, Form::ALPHANUMERIC]);
    let state = prop::sample::select(vec![LookupState::Building, LookupState::Ready, LookupState::Retired]);
    let bits = proptest::option::of(3..=40_u8);
    (form, bits, 1..3_u16, any::<bool>(), any::<bool>(), state).prop_map(|(form, bits, key, unique, index, state)| {
        // Without an index of its own name, two lookups would share one.
        let index = index.then(String::new);
        Looked { form, bits, key, index, unique: unique && bits.is_none(), state }
    })
}

impl Looked {
    fn declare<'a>(&'a self, name: &'a str, index: Option<&'a str>) -> LookupBuilder<'a> {
        let mut builder = Lookup::on(name, self.form).key(self.key);
        if let Some(bits) = self.bits {
            builder = builder.bits(bits);
        }
        if let Some(index) = index {
            builder = builder.index(index);
        }
        if self.unique {
            builder = builder.unique();
        }
        match self.state {
            LookupState::Building => builder.building(),
            LookupState::Retired => builder.retired(),
            _ => builder,
        }
    }
}

/// The configuration of an application with these tables.
pub(super) fn configured(tables: &Tables) -> TenantSealBuilder {
    let mut builder = TenantSeal::builder();
    for (name, table) in tables {
        for (at, record) in table.records.iter().enumerate() {
            builder = builder.table(table.schema(name, at, record));
            for (attribute, _) in record.iter().filter(|(_, attribute)| attribute.own_bytes) {
                builder = builder.own_bytes(name, attribute);
            }
        }
        if table.compact {
            builder = builder.compact(name);
        }
    }
    builder
}

impl Table {
    fn schema(&self, name: &str, at: usize, record: &BTreeMap<String, Attribute>) -> TableSchema {
        let mut schema = TableSchema::builder(name).partition_key(&self.partition_key, &self.template);
        if let Some(sort_key) = &self.sort_key {
            schema = schema.sort_key(sort_key);
        }
        if let Some(discriminator) = &self.discriminator {
            schema = schema.plain(discriminator).discriminator(discriminator, format!("k{at}"));
        }
        for (name, attribute) in record {
            schema = if attribute.encrypted { schema.encrypt(name) } else { schema.plain(name) };
            if let Some(lookup) = &attribute.lookup {
                let index = lookup.index.as_ref().map(|suffix| format!("by-{name}{suffix}"));
                schema = schema.lookup(lookup.declare(name, index.as_deref()));
            }
        }
        schema.build().unwrap()
    }
}

/// A single change, made where `at` points; `None` where there is nothing of the kind.
type Change = fn(&mut Tables, &Index) -> Option<DriftClass>;

fn any_table<'t>(tables: &'t mut Tables, at: &Index) -> &'t mut Table {
    let names: Vec<_> = tables.keys().cloned().collect();
    tables.get_mut(at.get(&names)).unwrap()
}

fn any_attribute<'t>(
    tables: &'t mut Tables,
    at: &Index,
    is: fn(&Attribute) -> bool,
) -> Option<(&'t mut Table, usize, String)> {
    let table = any_table(tables, at);
    let all = table.records.iter().enumerate();
    let all = all.flat_map(|(record, own)| own.iter().map(move |(name, attribute)| (record, name, attribute)));
    let all: Vec<_> = all.filter(|(_, _, found)| is(found)).map(|(record, name, _)| (record, name.clone())).collect();
    let (record, name) = (!all.is_empty()).then(|| at.get(&all).clone())?;
    Some((table, record, name))
}

fn with_attribute(
    tables: &mut Tables,
    at: &Index,
    is: fn(&Attribute) -> bool,
    change: impl FnOnce(&mut Attribute) -> DriftClass,
) -> Option<DriftClass> {
    let (table, record, name) = any_attribute(tables, at, is)?;
    Some(change(table.records[record].get_mut(&name).unwrap()))
}

fn with_lookup(
    tables: &mut Tables,
    at: &Index,
    change: impl FnOnce(&mut Looked) -> Option<DriftClass>,
) -> Option<DriftClass> {
    let (table, record, name) = any_attribute(tables, at, |attribute| attribute.lookup.is_some())?;
    change(table.records[record].get_mut(&name)?.lookup.as_mut()?)
}

fn new_attribute(encrypted: bool, lookup: Option<LookupState>) -> Attribute {
    Attribute { encrypted, own_bytes: false, lookup: lookup.map(new_lookup) }
}

fn new_lookup(state: LookupState) -> Looked {
    Looked { form: Form::EMAIL, bits: None, key: 1, index: None, unique: false, state }
}

use DriftClass::{Addition, NeedsMigration, Weaker};

/// Every kind of change with a name.
pub(super) const CHANGES: &[(&str, Change)] = &[
    ("a new plain attribute", |tables, at| {
        any_table(tables, at).records[0].insert("new".to_owned(), new_attribute(false, None));
        Some(Addition)
    }),
    ("a new encrypted attribute with a lookup", |tables, at| {
        let new = new_attribute(true, Some(LookupState::Ready));
        any_table(tables, at).records[0].insert("new".to_owned(), new);
        Some(Addition)
    }),
    ("an attribute is gone", |tables, at| {
        let (table, record, name) = any_attribute(tables, at, |_| true)?;
        table.records[record].remove(&name);
        Some(Weaker)
    }),
    ("a mark is lost", |tables, at| {
        with_attribute(
            tables,
            at,
            |is| is.encrypted,
            |attribute| {
                *attribute = new_attribute(false, None);
                Weaker
            },
        )
    }),
    ("a mark is added", |tables, at| {
        with_attribute(
            tables,
            at,
            |is| !is.encrypted,
            |attribute| {
                *attribute = new_attribute(true, None);
                NeedsMigration
            },
        )
    }),
    ("an attribute may hold any bytes", |tables, at| {
        with_attribute(
            tables,
            at,
            |is| is.encrypted && !is.own_bytes,
            |attribute| {
                attribute.own_bytes = true;
                Weaker
            },
        )
    }),
    ("an attribute may hold any bytes no more", |tables, at| {
        with_attribute(
            tables,
            at,
            |is| is.own_bytes,
            |attribute| {
                attribute.own_bytes = false;
                Addition
            },
        )
    }),
    ("compact", |tables, at| {
        let table = any_table(tables, at);
        table.compact = !table.compact;
        Some(if table.compact { Weaker } else { Addition })
    }),
    ("a new table", |tables, at| {
        let new = any_table(tables, at).clone();
        tables.insert("new".to_owned(), new);
        Some(Addition)
    }),
    ("a table is gone", |tables, at| {
        let names: Vec<_> = tables.keys().cloned().collect();
        tables.remove(at.get(&names));
        (!tables.is_empty()).then_some(Weaker)
    }),
    ("a table has another name", |tables, at| {
        let names: Vec<_> = tables.keys().cloned().collect();
        let table = tables.remove(at.get(&names))?;
        tables.insert("new".to_owned(), table);
        Some(Weaker)
    }),
    ("a new record type", |tables, at| {
        let table = any_table(tables, at);
        table.discriminator.as_ref()?;
        let lookup = new_attribute(true, Some(LookupState::Ready));
        table.records.push([("new".to_owned(), lookup)].into());
        Some(Addition)
    }),
    ("a record type is gone", |tables, at| {
        let table = any_table(tables, at);
        (table.records.len() > 1).then(|| table.records.pop())?;
        Some(Weaker)
    }),
    ("another partition key", |tables, at| {
        any_table(tables, at).partition_key = "owner".to_owned();
        Some(Weaker)
    }),
    ("another tenant template", |tables, at| {
        any_table(tables, at).template = "T#{tenant}".to_owned();
        Some(Weaker)
    }),
    ("another sort key", |tables, at| {
        let table = any_table(tables, at);
        table.sort_key = if table.sort_key.is_some() { None } else { Some("id".to_owned()) };
        Some(Weaker)
    }),
    ("another discriminator", |tables, at| {
        any_table(tables, at).discriminator.as_mut()?.push('2');
        Some(Weaker)
    }),
    ("a new lookup that is ready", |tables, at| {
        with_attribute(
            tables,
            at,
            |is| is.encrypted && is.lookup.is_none(),
            |attribute| {
                attribute.lookup = Some(new_lookup(LookupState::Ready));
                NeedsMigration
            },
        )
    }),
    ("a new lookup that is built", |tables, at| {
        with_attribute(
            tables,
            at,
            |is| is.encrypted && is.lookup.is_none(),
            |attribute| {
                attribute.lookup = Some(new_lookup(LookupState::Building));
                Addition
            },
        )
    }),
    ("a lookup is gone", |tables, at| {
        with_attribute(
            tables,
            at,
            |is| is.lookup.is_some(),
            |attribute| {
                attribute.lookup = None;
                Weaker
            },
        )
    }),
    ("other bits", |tables, at| {
        with_lookup(tables, at, |lookup| {
            lookup.bits = if lookup.bits.is_none() { Some(7) } else { None };
            lookup.unique = false;
            Some(Weaker)
        })
    }),
    ("another form", |tables, at| {
        with_lookup(tables, at, |lookup| {
            lookup.form = Form::new("own", |text| Some(text.to_owned()));
            Some(Weaker)
        })
    }),
    ("another lookup key", |tables, at| {
        with_lookup(tables, at, |lookup| {
            lookup.key += 1;
            Some(Weaker)
        })
    }),
    ("another index", |tables, at| {
        with_lookup(tables, at, |lookup| {
            lookup.index = if lookup.index.is_some() { None } else { Some("-new".to_owned()) };
            Some(Addition)
        })
    }),
    ("unique", |tables, at| {
        with_lookup(tables, at, |lookup| {
            lookup.bits.is_none().then_some(())?;
            lookup.unique = !lookup.unique;
            Some(match (lookup.unique, lookup.state) {
                (false, _) => Weaker,
                (true, LookupState::Ready) => NeedsMigration,
                (true, _) => Addition,
            })
        })
    }),
    ("the next state", |tables, at| {
        with_lookup(tables, at, |lookup| {
            let (state, class) = match lookup.state {
                LookupState::Building => (LookupState::Ready, NeedsMigration),
                LookupState::Ready => (LookupState::Retired, Weaker),
                _ => (LookupState::Building, Addition),
            };
            lookup.state = state;
            Some(class)
        })
    }),
    ("the state before", |tables, at| {
        with_lookup(tables, at, |lookup| {
            let (state, class) = match lookup.state {
                // Its claims go with its tokens.
                LookupState::Building if lookup.unique => (LookupState::Retired, Weaker),
                LookupState::Building => (LookupState::Retired, Addition),
                LookupState::Ready => (LookupState::Building, Addition),
                _ => (LookupState::Ready, NeedsMigration),
            };
            lookup.state = state;
            Some(class)
        })
    }),
];

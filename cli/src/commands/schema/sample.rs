//! What the attributes of a table's items are stored as, of the first items of a scan.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use tenantseal::Item;
use tenantseal::inspect::{HEADER, StoredForm};
use tenantseal::schema::{Secrecy, TableSchema};

use crate::errors::{Failure, Result};
use crate::locked::Locked;
use crate::output::{DIM, Progress, count, table};
use crate::visible::Visible;

/// The names of undeclared attributes that are kept: whoever writes the table chooses them.
const MAX_UNDECLARED: usize = 1_000;
/// Those that people are shown.
const SHOWN: usize = 20;

/// Sampled items.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sample {
    items: u64,
    /// Items whose discriminator has a value that no record declares.
    of_no_type: u64,
    pub(super) attributes: BTreeMap<String, Seen>,
    pub(super) undeclared: BTreeMap<String, Undeclared>,
    /// Occurrences of further undeclared attributes.
    undeclared_left_off: u64,
}

/// What the lock file says of an attribute in one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Declared {
    Plain,
    Encrypt,
}

/// One declared attribute.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    /// What the lock file says of all items: `plain`, `encrypt`, or `varies`.
    declared: &'static str,
    /// Sealed, where it shall be.
    pub(super) sealed: u64,
    /// Where it shall be plain, values that look sealed. By chance, 1 random binary value in 128 does.
    pub(super) looks_sealed: u64,
    /// Whether one of these has a key record.
    #[serde(skip)]
    is_certain: bool,
    /// Plain values by what the lock file says, and by type.
    plain: BTreeMap<Declared, BTreeMap<&'static str, u64>>,
}

/// One attribute that nothing declares.
#[derive(Debug, Default, Serialize)]
pub(super) struct Undeclared {
    items: u64,
    pub(super) sealed: u64,
}

impl Seen {
    pub(super) fn plain_where(&self, declared: Declared) -> u64 {
        self.plain.get(&declared).map_or(0, |types| types.values().sum())
    }

    /// Whether plain values are sealed by more than chance.
    pub(super) fn shows_sealed(&self) -> bool {
        let plain = self.plain.get(&Declared::Plain).and_then(|types| types.get("B")).copied().unwrap_or_default();
        self.is_certain || self.looks_sealed > plain
    }

    fn add(&mut self, declared: Declared, value: &AttributeValue, form: StoredForm) {
        match (declared, form) {
            (_, StoredForm::Plain) => {
                *self.plain.entry(declared).or_default().entry(type_of(value)).or_default() += 1;
            }
            (Declared::Encrypt, _) => self.sealed += 1,
            (Declared::Plain, form) => {
                self.looks_sealed += 1;
                // Nothing else parses as a key record by chance.
                self.is_certain |= form == StoredForm::OwnRecord;
            }
        }
    }
}

impl Sample {
    /// What the sample says nothing of.
    pub(super) fn unchecked(&self) -> Vec<String> {
        let mut unchecked = Vec::new();
        if self.items == 0 {
            unchecked.push("how attributes are stored: no item was read".to_owned());
        }
        if self.of_no_type > 0 {
            let items = count(self.of_no_type as f64);
            unchecked.push(format!("{items} of the items: the lock file has no record of their type"));
        }
        unchecked
    }

    /// Reads up to `limit` items.
    pub(super) async fn take(
        client: &aws_sdk_dynamodb::Client,
        locked: &Locked,
        limit: u32,
        progress: &Progress,
    ) -> Result<Self> {
        let mut sample = Self::of(&locked.schema);
        let tokens = token_attributes(locked);
        let (mut left, mut start) = (limit, None);
        while left > 0 {
            let page_size = i32::try_from(left).unwrap_or(i32::MAX);
            let scan = client.scan().table_name(&locked.physical).limit(page_size).set_exclusive_start_key(start);
            let page = scan.send().await.map_err(|error| Failure::aws("Scan", &error))?;
            for item in page.items.unwrap_or_default().iter().take(left as usize) {
                sample.add(&locked.schema, &tokens, item);
                left -= 1;
            }
            progress.step(format!("{} items of {}", count(sample.items as f64), locked.physical));
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(sample)
    }

    /// With every attribute that is declared, and none seen.
    fn of(schema: &TableSchema) -> Self {
        let declared = schema.attributes().filter(|(_, protection)| !protection.is_key());
        let declared = declared.map(|(name, protection)| {
            let declared = match protection.secrecy {
                Secrecy::Plain => "plain",
                Secrecy::Encrypted => "encrypt",
                _ => "varies",
            };
            let seen = Seen { declared, sealed: 0, looks_sealed: 0, is_certain: false, plain: BTreeMap::new() };
            (name.to_owned(), seen)
        });
        Self { attributes: declared.collect(), ..Self::default() }
    }

    fn add(&mut self, schema: &TableSchema, tokens: &BTreeSet<String>, item: &Item) {
        self.items += 1;
        let mut is_of_a_type = true;
        let has_header = matches!(item.get(HEADER), Some(AttributeValue::B(_)));
        for (name, value) in item.iter().filter(|(name, _)| *name != HEADER && !tokens.contains(*name)) {
            let form = form(value, has_header);
            let declared = match schema.protection_in(item, name).map(|protection| protection.secrecy) {
                Some(Secrecy::Encrypted) => Declared::Encrypt,
                Some(Secrecy::Plain) => Declared::Plain,
                Some(_) => {
                    is_of_a_type = false;
                    continue;
                }
                None => {
                    self.add_undeclared(name, form.is_sealed());
                    continue;
                }
            };
            if let Some(seen) = self.attributes.get_mut(name) {
                seen.add(declared, value, form);
            }
        }
        self.of_no_type += u64::from(!is_of_a_type);
    }

    fn add_undeclared(&mut self, name: &str, is_sealed: bool) {
        if !self.undeclared.contains_key(name) && self.undeclared.len() >= MAX_UNDECLARED {
            self.undeclared_left_off += 1;
            return;
        }
        let seen = self.undeclared.entry(name.to_owned()).or_default();
        seen.items += 1;
        seen.sealed += u64::from(is_sealed);
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        if self.items == 0 {
            return format!("{DIM}no items were read{DIM:#}\n");
        }
        let mut rows = vec![["attribute", "lock file", "sealed", "plain", "plain as"].map(str::to_owned).to_vec()];
        rows.extend(self.attributes.iter().map(|(name, seen)| {
            let mut types = BTreeMap::<_, u64>::new();
            seen.plain.values().flatten().for_each(|(kind, number)| *types.entry(*kind).or_default() += number);
            let as_types: Vec<_> =
                types.iter().map(|(kind, number)| format!("{} {kind}", count(*number as f64))).collect();
            let plain: u64 = types.values().sum();
            let figure = |number: u64| count(number as f64);
            let (sealed, plain) = (figure(seen.sealed + seen.looks_sealed), figure(plain));
            vec![name.clone(), seen.declared.to_owned(), sealed, plain, as_types.join(", ")]
        }));
        let mut text = table(&rows);
        text += &format!("{} items sampled\n", count(self.items as f64));
        if self.of_no_type > 0 {
            text += &format!("{} of no declared record type\n", count(self.of_no_type as f64));
        }
        if !self.undeclared.is_empty() {
            let shown: Vec<_> = self.undeclared.keys().take(SHOWN).map(|name| Visible(name).to_string()).collect();
            let more = self.undeclared.len() - shown.len();
            let more = if more > 0 { format!(" and {} more", count(more as f64)) } else { String::new() };
            text += &format!("stored and undeclared: {}{more}\n", shown.join(", "));
        }
        text
    }
}

/// The attributes that hold tokens, also those of lookups that are left out.
fn token_attributes(locked: &Locked) -> BTreeSet<String> {
    let known = locked.schema.lookups().iter().map(|lookup| lookup.stored().to_owned());
    known.chain(locked.left_out.iter().map(|lookup| format!("{HEADER}_by_{lookup}"))).collect()
}

/// What the value is, by its bytes.
fn form(value: &AttributeValue, has_header: bool) -> StoredForm {
    StoredForm::of(value.as_b().ok().map(AsRef::as_ref), has_header)
}

fn type_of(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::S(_) => "S",
        AttributeValue::N(_) => "N",
        AttributeValue::B(_) => "B",
        AttributeValue::Bool(_) => "BOOL",
        AttributeValue::Null(_) => "NULL",
        AttributeValue::M(_) => "M",
        AttributeValue::L(_) => "L",
        AttributeValue::Ss(_) => "SS",
        AttributeValue::Ns(_) => "NS",
        AttributeValue::Bs(_) => "BS",
        _ => "unknown",
    }
}

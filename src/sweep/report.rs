//! What a sweep has done, and where it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use tenantseal_core::tenant::TenantId;

use super::key::Key;
use super::position::Position;
use super::reason::SkipReason;
use crate::error::Error;
use crate::item::Item;
use crate::schema::{LookupState, TableSchema};

/// The most items that are listed for one reason.
const LISTED: usize = 100;

/// What a sweep has done so far, and where each of its segments goes on.
///
/// It serializes, with primary keys in DynamoDB JSON: keep it where your data may lie.
/// [`Reindex::resume`](super::Reindex::resume) goes on from it, and its counts are then of the whole pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReindexReport {
    pub(super) table: String,
    /// What the table's lookups were when the pass began.
    pub(super) lookups: Vec<SweptLookup>,
    pub(super) dry_run: bool,
    /// Those that the sweep is confined to.
    pub(super) tenants: Option<BTreeSet<TenantId>>,
    pub(super) tally: Tally,
    pub(super) segments: Vec<Position>,
}

/// A lookup of the table, as far as a sweep depends on it. A name keeps its definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SweptLookup {
    name: String,
    key: u16,
    retired: bool,
    unique: bool,
    /// The record types that have it, by their discriminators.
    records: Vec<String>,
}

/// What became of items.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tally {
    pub(super) items: u64,
    pub(super) right: u64,
    pub(super) rewritten: u64,
    pub(super) deleted: u64,
    pub(super) other_tenants: u64,
    #[serde(default)]
    pub(super) of_no_tenant: u64,
    skipped: BTreeMap<SkipReason, Listed>,
    suspicious: Listed,
    pub(super) claimed: u64,
    duplicates: Listed<Duplicate>,
    #[serde(default, skip_serializing_if = "Counts::is_empty")]
    pub(super) counts: Counts,
}

/// What is counted of items: what of, which, and how many.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Counts(BTreeMap<String, BTreeMap<String, u64>>);

/// Items, of which the first 100 are listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed<T = ListedItem> {
    items: u64,
    listed: Vec<T>,
}

/// Two items of one tenant that have one value of a unique lookup. The other one has the claim, so writers cannot take
/// the value; reads find both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicate {
    pub(super) lookup: String,
    pub(super) key: Key,
    pub(super) other: Key,
}

/// An item in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedItem {
    key: Key,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What came of an item's claims.
#[derive(Default)]
pub(super) struct Claims {
    /// How many it got, or would get.
    pub(super) made: u64,
    /// The values that other items have too.
    pub(super) duplicates: Vec<Duplicate>,
}

impl ReindexReport {
    pub(super) fn new(
        schema: &TableSchema,
        segments: usize,
        dry_run: bool,
        tenants: Option<BTreeSet<TenantId>>,
    ) -> Self {
        Self {
            table: schema.name().to_owned(),
            lookups: SweptLookup::of(schema),
            dry_run,
            tenants,
            tally: Tally::default(),
            segments: vec![Position::Start; segments],
        }
    }

    /// The table's logical name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Whether it was a dry run, which writes nothing: items that it would rewrite count as rewritten.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// How many items were read, those of other tenants included.
    pub fn items(&self) -> u64 {
        self.tally.items
    }

    /// How many items had the right tokens.
    pub fn right(&self) -> u64 {
        self.tally.right
    }

    /// How many items got the right tokens, or lost those of a retired lookup.
    pub fn rewritten(&self) -> u64 {
        self.tally.rewritten
    }

    /// How many items were deleted by others while the sweep had them in hand.
    pub fn deleted(&self) -> u64 {
        self.tally.deleted
    }

    /// How many items are of tenants that the sweep was told to leave alone.
    pub fn other_tenants(&self) -> u64 {
        self.tally.other_tenants
    }

    /// How many items show no tenant in their partition key, are not sealed and have nothing that a lookup is made of:
    /// an application's own, such as settings that all tenants share. No lookup concerns them.
    pub fn of_no_tenant(&self) -> u64 {
        self.tally.of_no_tenant
    }

    /// The items that were left as they are, by reason.
    pub fn skipped(&self) -> impl Iterator<Item = (SkipReason, &Listed)> {
        self.tally.skipped()
    }

    /// Items that had a token which no writer of this library makes: another tenant's, or not a token at all. Someone
    /// else has written them. They count as rewritten too: they have the right tokens now, unless it was a dry run.
    pub fn suspicious(&self) -> &Listed {
        &self.tally.suspicious
    }

    /// How many claims of unique values were made, or in a dry run would be.
    pub fn claimed(&self) -> u64 {
        self.tally.claimed
    }

    /// Items with a value of a unique lookup that another item of the tenant has too. Both are stored as they were, with
    /// their tokens. Decide which one keeps the value, change the other, and sweep again.
    ///
    /// They count as right or rewritten too. An item counts once per lookup.
    pub fn duplicates(&self) -> &Listed<Duplicate> {
        &self.tally.duplicates
    }

    /// How many segments are read to their end, and how many there are.
    pub fn segments(&self) -> (usize, usize) {
        let done = self.segments.iter().filter(|position| **position == Position::Done).count();
        (done, self.segments.len())
    }

    /// Whether the whole table was read.
    pub fn is_complete(&self) -> bool {
        let (done, all) = self.segments();
        done == all
    }

    /// Whether the whole table was read, every item of a tenant had the right tokens and the claims of its unique
    /// values, and none was left out. Until a pass says so, a lookup must not be asked. It never does while there are duplicates.
    ///
    /// In a sweep of [some tenants](super::Reindex::tenants) it says so of these tenants alone, also where none of them
    /// has an item: see [`other_tenants`](Self::other_tenants).
    pub fn changed_nothing(&self) -> bool {
        let Tally { rewritten, claimed, skipped, duplicates, .. } = &self.tally;
        self.is_complete() && *rewritten == 0 && *claimed == 0 && skipped.is_empty() && duplicates.items == 0
    }
}

impl Tally {
    pub(super) fn skipped(&self) -> impl Iterator<Item = (SkipReason, &Listed)> {
        self.skipped.iter().map(|(reason, listed)| (*reason, listed))
    }

    pub(super) fn duplicates(&self) -> &Listed<Duplicate> {
        &self.duplicates
    }

    /// How many items are listed: left as they are, or with a value that another item has too.
    pub(super) fn listed(&self) -> u64 {
        self.skipped.values().map(Listed::items).sum::<u64>() + self.duplicates.items
    }

    /// Keeps so many of the listed items at most, and as many as have so many bytes together. All are counted.
    pub(super) fn trim(&mut self, mut items: usize, mut bytes: usize) {
        let (items, bytes) = (&mut items, &mut bytes);
        self.skipped.values_mut().for_each(|listed| listed.trim(items, bytes));
        self.duplicates.trim(items, bytes);
        self.suspicious.trim(items, bytes);
    }

    pub(super) fn skip(&mut self, reason: SkipReason, key: Key, error: Option<&Error>) {
        let error = error.map(|error| error.cause().to_string());
        self.skipped.entry(reason).or_default().add(ListedItem { key, error });
    }

    pub(super) fn suspect(&mut self, key: Key) {
        self.suspicious.add(ListedItem { key, error: None });
    }

    pub(super) fn claim(&mut self, Claims { made, duplicates }: Claims) {
        self.claimed += made;
        duplicates.into_iter().for_each(|duplicate| self.duplicates.add(duplicate));
    }

    /// Adds what became of other items.
    pub(super) fn add(&mut self, other: Self) {
        let Self {
            items,
            right,
            rewritten,
            deleted,
            other_tenants,
            of_no_tenant,
            skipped,
            suspicious,
            claimed,
            duplicates,
            counts,
        } = other;
        self.items += items;
        self.right += right;
        self.rewritten += rewritten;
        self.deleted += deleted;
        self.other_tenants += other_tenants;
        self.of_no_tenant += of_no_tenant;
        for (reason, listed) in skipped {
            self.skipped.entry(reason).or_default().append(listed);
        }
        self.suspicious.append(suspicious);
        self.claimed += claimed;
        self.duplicates.append(duplicates);
        self.counts.append(counts);
    }
}

/// The most counts of one thing: what stored bytes say is bounded by nothing else.
const COUNTED: usize = 100;

impl Counts {
    pub(super) fn add(&mut self, of: &str, which: &str) {
        self.add_many(of, which, 1);
    }

    fn add_many(&mut self, of: &str, which: &str, items: u64) {
        let counted = self.0.entry(of.to_owned()).or_default();
        let is_full = counted.len() >= COUNTED && !counted.contains_key(which);
        *counted.entry(if is_full { "others" } else { which }.to_owned()).or_default() += items;
    }

    pub(super) fn append(&mut self, other: Self) {
        for (of, counted) in other.0 {
            counted.into_iter().for_each(|(which, items)| self.add_many(&of, &which, items));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is counted, which, and how many items.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.0
            .iter()
            .flat_map(|(of, counted)| counted.iter().map(move |(which, items)| (of.as_str(), which.as_str(), *items)))
    }
}

impl SweptLookup {
    pub(super) fn of(schema: &TableSchema) -> Vec<Self> {
        let lookups = schema.lookups().iter();
        let swept = lookups.map(|lookup| Self {
            name: lookup.name().to_owned(),
            key: lookup.key(),
            retired: lookup.state() == LookupState::Retired,
            unique: lookup.is_unique(),
            records: schema.types_with(lookup),
        });
        swept.collect()
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: 0, listed: Vec::new() }
    }
}

impl<T> Listed<T> {
    /// How many items there are.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// The first 100 of them.
    pub fn listed(&self) -> &[T] {
        &self.listed
    }

    fn add(&mut self, item: T) {
        self.append(Self { items: 1, listed: vec![item] });
    }

    fn append(&mut self, other: Self) {
        self.items += other.items;
        let room = LISTED.saturating_sub(self.listed.len());
        self.listed.extend(other.listed.into_iter().take(room));
    }
}

impl<T: Serialize> Listed<T> {
    fn trim(&mut self, items: &mut usize, bytes: &mut usize) {
        self.listed.retain(|item| {
            let len = serde_json::to_vec(item).map_or(usize::MAX, |json| json.len());
            let keeps = *items > 0 && len <= *bytes;
            if keeps {
                (*items, *bytes) = (*items - 1, *bytes - len);
            }
            keeps
        });
    }
}

impl ListedItem {
    /// Its primary key. If the item has none, as much of it as is there.
    pub fn key(&self) -> &Item {
        &self.key.0
    }

    /// What was wrong, without item data.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

impl Duplicate {
    /// The unique lookup.
    pub fn lookup(&self) -> &str {
        &self.lookup
    }

    /// The primary key of the item without the claim.
    pub fn key(&self) -> &Item {
        &self.key.0
    }

    /// The primary key of the item that has the claim.
    pub fn other(&self) -> &Item {
        &self.other.0
    }
}

/// One paragraph, without keys.
impl fmt::Display for ReindexReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            items,
            right,
            rewritten,
            deleted,
            other_tenants,
            of_no_tenant,
            skipped,
            suspicious,
            claimed,
            duplicates,
            counts: _,
        } = &self.tally;
        let would = if self.dry_run { "would be " } else { "" };
        write!(f, "{}: {items} items read, {right} right, {rewritten} {would}rewritten", self.table)?;
        if *claimed > 0 {
            write!(f, ", {claimed} values {would}claimed")?;
        }
        if *deleted > 0 {
            write!(f, ", {deleted} deleted meanwhile")?;
        }
        if *other_tenants > 0 {
            write!(f, ", {other_tenants} of other tenants")?;
        }
        if *of_no_tenant > 0 {
            write!(f, ", {of_no_tenant} of no tenant")?;
        }
        for (reason, listed) in skipped {
            write!(f, "; {} skipped that {reason}", listed.items)?;
        }
        if suspicious.items > 0 {
            write!(f, "; {} had tokens that this library does not write", suspicious.items)?;
        }
        if duplicates.items > 0 {
            write!(f, "; {} unique values that another item has too", duplicates.items)?;
        }
        let (done, all) = self.segments();
        let is_swept = skipped.is_empty() && duplicates.items == 0;
        f.write_str(match (self.is_complete(), self.changed_nothing(), is_swept) {
            (false, ..) => return write!(f, ". Not finished: {done} of {all} segments are done"),
            (true, true, _) => match &self.tenants {
                None => ". This pass changed nothing: all tokens are right",
                Some(_) if *items == other_tenants + of_no_tenant => {
                    ". No item is of the tenants that were named: check their ids"
                }
                Some(_) => ". This pass changed nothing: all tokens of the tenants that were named are right",
            },
            (true, false, true) => ". Sweep again, until a pass changes nothing",
            (true, false, false) => ". See to the items that are listed, and sweep again until a pass changes nothing",
        })
    }
}

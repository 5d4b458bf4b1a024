//! Compares two locks, table by table, and classes what differs.
//!
//! One rule stands behind the classes: overwriting never takes a line away. A line is what the code remembers of
//! stored items, and only a person can know that there are none any more.

use std::collections::BTreeSet;

use super::drift::{Difference, DriftClass};
use super::findings::{Change, Findings, in_records, of_records};
use super::lookups;
use super::model::{Named, Table, Word};

pub(super) fn tables(was: &Named<Table>, is: &Named<Table>) -> Vec<Difference> {
    let mut all = Vec::new();
    for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let mut findings = Findings::of(name);
        match (was.get(name), is.get(name)) {
            (Some(_), None) => all.push(Difference {
                table: name.clone(),
                place: String::new(),
                was: Some("a table".to_owned()),
                is: None,
                class: DriftClass::Weaker,
                means: "nothing opens its items any more: register its records, or the table under its former name",
                by_hand: Some(format!("delete `\"{name}\": {{…}}` of `tables`")),
            }),
            (None, Some(_)) => {
                findings.add(DriftClass::Addition, String::new(), Change::new_one("a table"), "a new table");
            }
            (Some(was), Some(is)) => table(&mut findings, was, is),
            (None, None) => {}
        }
        all.extend(findings.into_differences());
    }
    all
}

fn table(findings: &mut Findings<'_>, was: &Table, is: &Table) {
    keys(findings, was, is);
    for value in was.records.keys().chain(is.records.keys()).collect::<BTreeSet<_>>() {
        match (was.records.get(value), is.records.get(value)) {
            (Some(own), Some(now)) => record(findings, was, is, (value, own, now)),
            (Some(own), None) => findings.add(
                DriftClass::Weaker,
                records(value),
                Change::gone(attributes(own.len()), format!("delete `\"{value}\": {{…}}` in `records`")),
                "stored items of these records do not open as they were sealed: register the record type again",
            ),
            (None, Some(now)) => findings.add(
                DriftClass::Addition,
                records(value),
                Change::new_one(attributes(now.len())),
                "a new record type",
            ),
            (None, None) => {}
        }
    }
    lookups::compare(findings, was, is);
    bytes(findings, was, is);
}

/// What is in every item's identity, and what selects its record type.
fn keys(findings: &mut Findings<'_>, was: &Table, is: &Table) {
    const IDENTITY: &str = "stored values are bound to it and do not open otherwise: declare the former one";
    let quoted = |name: &Option<String>| name.as_ref().map_or("null".to_owned(), |name| format!("{name:?}"));
    let partition = (Some(was.partition_key.clone()), Some(is.partition_key.clone()));
    let tenant = (Some(was.tenant.clone()), Some(is.tenant.clone()));
    for (place, field, (was, is)) in [
        ("partition key", "partition_key", partition),
        ("sort key", "sort_key", (was.sort_key.clone(), is.sort_key.clone())),
        ("tenant template", "tenant", tenant),
    ] {
        if was != is {
            let by_hand = format!("write `\"{field}\": {}`", quoted(&is));
            findings.add(DriftClass::Weaker, place.to_owned(), Change { was, is, by_hand }, IDENTITY);
        }
    }
    let (was, is) = (was.discriminator.clone(), is.discriminator.clone());
    if was != is {
        let (class, means) = match was {
            None => (
                DriftClass::NeedsMigration,
                "stored items have no value of it, and count as records without one: put the others again",
            ),
            Some(_) => (
                DriftClass::Weaker,
                "it says of stored items which attributes are encrypted: declare the former one in all records",
            ),
        };
        let by_hand = format!("write `\"discriminator\": {}`", quoted(&is));
        findings.add(class, "discriminator".to_owned(), Change { was, is, by_hand }, means);
    }
}

/// The attributes of the records with one value of the discriminator.
fn record(
    findings: &mut Findings<'_>,
    before: &Table,
    after: &Table,
    (value, was, is): (&str, &Named<Word>, &Named<Word>),
) {
    for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let (was, is) = (was.get(name), is.get(name));
        if was == is || [was, is].contains(&Some(&Word::Tokens)) {
            continue;
        }
        let (class, means) = match (was, is) {
            (None, _) => (DriftClass::Addition, "a new attribute"),
            (Some(Word::Plain), Some(_)) => (
                DriftClass::NeedsMigration,
                "stored items have it in plaintext and do not open: seal them before this is deployed",
            ),
            (Some(Word::Plain), None) => (
                DriftClass::Weaker,
                "stored items may still have it in plaintext, and only this line tells: remove it from them first",
            ),
            (Some(_), Some(_)) => (
                DriftClass::Weaker,
                "new values are stored in plaintext, and stored ones are returned as ciphertext: mark it `encrypt`",
            ),
            (Some(_), None) => (
                DriftClass::Weaker,
                "stored values are returned as ciphertext: keep it declared under this name, marked `encrypt`",
            ),
        };
        let place = format!("attribute `{name}`{}", of_records(value));
        let line = was.map(|was| format!("delete `\"{name}\": \"{}\"`{}", word(*was), in_records(value)));
        let text = |word: Option<&Word>| word.map(|known| self::word(*known).to_owned());
        let change = Change { was: text(was), is: text(is), by_hand: line.unwrap_or_default() };
        findings.add(class, place, change, means);
    }
    lookups::compare_record(findings, before, after, (value, was, is));
}

/// How values are stored, which the schema of attributes does not say.
fn bytes(findings: &mut Findings<'_>, was: &Table, is: &Table) {
    if was.compact != is.compact {
        let (class, means) = if is.compact {
            (DriftClass::Weaker, "new items are lost with the key table: back it up first, or remove `compact`")
        } else {
            (DriftClass::Addition, "compact items still open")
        };
        let change = Change::new(was.compact, is.compact, "write `\"compact\": true`".to_owned());
        findings.add(class, "compact".to_owned(), change, means);
    }
    for name in was.own_bytes.symmetric_difference(&is.own_bytes) {
        let was_encrypted = was.records.values().any(|record| record.contains_key(name));
        let place = format!("own bytes of `{name}`");
        if !is.own_bytes.contains(name) {
            let change = Change::gone("own bytes", String::new());
            findings.add(DriftClass::Addition, place, change, "stored values still open");
        } else if was_encrypted {
            let change = Change { by_hand: format!("add `\"{name}\"` to `own_bytes`"), ..Change::new_one("own bytes") };
            findings.add(
                DriftClass::Weaker,
                place,
                change,
                "values that are sealed already are sealed again instead of refused: remove `own_bytes`",
            );
        } else {
            findings.add(DriftClass::Addition, place, Change::new_one("own bytes"), "a new attribute");
        }
    }
}

fn word(word: Word) -> &'static str {
    match word {
        Word::Plain => "plain",
        Word::Encrypt => "encrypt",
        Word::Tokens => "tokens",
    }
}

fn attributes(count: usize) -> String {
    if count == 1 { "1 attribute".to_owned() } else { format!("{count} attributes") }
}

fn records(value: &str) -> String {
    if value.is_empty() { "records without a discriminator".to_owned() } else { format!("records `{value}`") }
}

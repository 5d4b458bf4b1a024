//! Compares the lookups of two locks.

use std::collections::BTreeSet;

use super::drift::DriftClass;
use super::findings::{Change, Findings, in_records, of_records};
use super::model::{Index, Kind, LockedLookup, Named, State, Table, Word};
use crate::schema::lookup::stored_name;

const NO_TOKENS: &str =
    "stored items have no token of it and are not found: deploy it as `building`, then make their tokens";

/// The lookups of a table.
pub(super) fn compare(findings: &mut Findings<'_>, was: &Table, is: &Table) {
    for name in was.lookups.keys().chain(is.lookups.keys()).collect::<BTreeSet<_>>() {
        match (was.lookups.get(name), is.lookups.get(name)) {
            (Some(former), Some(now)) => lookup(findings, name, former, now),
            (Some(former), None) => findings.add(
                DriftClass::Weaker,
                place(name),
                Change::gone(definition(former), delete(name)),
                "its tokens stay in stored items, and nothing takes them away: deploy it as `retired` first",
            ),
            (None, Some(now)) => added(findings, (name, now), was, is),
            (None, None) => {}
        }
    }
}

fn added(findings: &mut Findings<'_>, (name, now): (&str, &LockedLookup), was: &Table, is: &Table) {
    let stored = stored_name(name);
    let has_items = |(value, record): (&String, &Named<Word>)| {
        record.contains_key(&stored) && had_parts(was.records.get(value), now)
    };
    let (class, means) = if now.state == State::Ready && is.records.iter().any(has_items) {
        (DriftClass::NeedsMigration, NO_TOKENS)
    } else {
        (DriftClass::Addition, "a new lookup")
    };
    findings.add(class, place(name), Change::new_one(definition(now)), means);
}

/// Whether items of these records may have had all parts of a lookup, and no token.
fn had_parts(record: Option<&Named<Word>>, lookup: &LockedLookup) -> bool {
    record.is_some_and(|record| lookup.parts.iter().all(|part| record.contains_key(&part.attribute)))
}

/// What one lookup is.
fn lookup(findings: &mut Findings<'_>, name: &str, was: &LockedLookup, is: &LockedLookup) {
    let made_of = |lookup: &LockedLookup| (lookup.bits, lookup.kind, lookup.parts.clone(), lookup.key);
    if made_of(was) != made_of(is) {
        let change = Change::new(definition(was), definition(is), delete(name));
        findings.add(
            DriftClass::Weaker,
            place(name),
            change,
            "stored tokens are of the former definition and find nothing: declare a second lookup under another name",
        );
    }
    if was.unique != is.unique {
        let (class, means) = match (is.unique, is.state) {
            (false, _) => (DriftClass::Weaker, "two items may then have one value: declare it `unique`"),
            (true, State::Ready) => {
                (DriftClass::NeedsMigration, "stored items have no claims: deploy it as `building`, then claim them")
            }
            (true, _) => (DriftClass::Addition, "claims are made while nobody asks"),
        };
        let change = Change::new(was.unique, is.unique, format!("delete `\"unique\": true` in lookup `{name}`"));
        findings.add(class, format!("unique of lookup `{name}`"), change, means);
    }
    if was.state != is.state {
        let (class, means) = match (was.state, is.state) {
            (State::Ready, State::Retired) => (
                DriftClass::Weaker,
                "older processes ask while newer ones remove tokens, and find less: deploy it as `building` first",
            ),
            (_, State::Ready) => (DriftClass::NeedsMigration, NO_TOKENS),
            (_, State::Retired) if was.unique => (
                DriftClass::Weaker,
                "two items may then have one value: keep it `building` while values must be unique",
            ),
            _ => (DriftClass::Addition, "questions are refused"),
        };
        let by_hand = format!("write `\"state\": \"{}\"` in lookup `{name}`", state(is.state));
        let change = Change::new(state(was.state), state(is.state), by_hand);
        findings.add(class, format!("state of lookup `{name}`"), change, means);
    }
    if was.index != is.index {
        let text = |index: &Option<Index>| index.as_ref().map(self::index);
        let change = Change { was: text(&was.index), is: text(&is.index), by_hand: String::new() };
        let means = "stored tokens stay right; `check_tables` says whether the index is there";
        findings.add(DriftClass::Addition, format!("index of lookup `{name}`"), change, means);
    }
}

/// Which records have tokens of lookups that are in both locks. What is new or gone as a whole is told once, of the
/// lookup.
pub(super) fn compare_record(
    findings: &mut Findings<'_>,
    before: &Table,
    after: &Table,
    (value, was, is): (&str, &Named<Word>, &Named<Word>),
) {
    for stored in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let (had, has) = (was.get(stored) == Some(&Word::Tokens), is.get(stored) == Some(&Word::Tokens));
        let find = |table: &'_ Table| table.lookups.keys().find(|name| stored_name(name) == **stored).cloned();
        let now = find(after).and_then(|name| after.lookups.get(&name));
        let place = format!("tokens in `{stored}`{}", of_records(value));
        let by_hand = format!("delete `\"{stored}\": \"tokens\"`{}", in_records(value));
        match (had, has) {
            (true, false) if find(before).is_none() => {
                let change = Change::gone("tokens", String::new());
                findings.add(DriftClass::Addition, place, change, "no lookup has them");
            }
            (true, false) if now.is_some() => findings.add(
                DriftClass::Weaker,
                place,
                Change::gone("tokens", by_hand),
                "items of these records are not found any more: declare the lookup there too",
            ),
            (false, true) if find(before).is_some() => {
                let is_late = now.is_some_and(|now| now.state == State::Ready && had_parts(Some(was), now));
                let (class, means) = if is_late {
                    (DriftClass::NeedsMigration, NO_TOKENS)
                } else {
                    (DriftClass::Addition, "no stored item lacks a token")
                };
                findings.add(class, place, Change::new_one("tokens"), means);
            }
            _ => {}
        }
    }
}

fn place(name: &str) -> String {
    format!("lookup `{name}`")
}

fn delete(name: &str) -> String {
    format!("delete `\"{name}\": {{…}}` in `lookups`, and every line `\"{}\": \"tokens\"`", stored_name(name))
}

fn definition(lookup: &LockedLookup) -> String {
    let parts: Vec<_> = lookup.parts.iter().map(|part| format!("{} as {}", part.attribute, part.form)).collect();
    let kind = match lookup.kind {
        Kind::Equality => String::new(),
        Kind::Prefix(characters) => format!(", prefix {characters}"),
        Kind::Each => ", each".to_owned(),
    };
    format!("{}, {} bits{kind}, key {}", parts.join(" and "), lookup.bits, lookup.key)
}

fn state(state: State) -> &'static str {
    match state {
        State::Building => "building",
        State::Ready => "ready",
        State::Retired => "retired",
    }
}

fn index(index: &Index) -> String {
    match index {
        Index::Token(name) => format!("`{name}`"),
        Index::Tenant(name) => format!("`{name}` by tenant"),
    }
}

//! Collects what differs between two locks of one table.

use super::drift::{Difference, DriftClass};

/// Collects the differences of one table.
pub(super) struct Findings<'a> {
    table: &'a str,
    found: Vec<Difference>,
}

impl<'a> Findings<'a> {
    pub(super) fn of(table: &'a str) -> Self {
        Self { table, found: Vec::new() }
    }

    pub(super) fn into_differences(self) -> Vec<Difference> {
        self.found
    }

    pub(super) fn add(&mut self, class: DriftClass, place: String, change: Change, means: &'static str) {
        let Change { was, is, by_hand } = change;
        let table = self.table.to_owned();
        let by_hand = Some(by_hand).filter(|_| class == DriftClass::Weaker);
        let by_hand = by_hand.map(|by_hand| format!("{by_hand} of table `{table}`"));
        self.found.push(Difference { table, place, was, is, class, means, by_hand });
    }
}

/// From what to what, and what to do by hand when that is weaker.
pub(super) struct Change {
    pub(super) was: Option<String>,
    pub(super) is: Option<String>,
    pub(super) by_hand: String,
}

impl Change {
    pub(super) fn new(was: impl ToString, is: impl ToString, by_hand: String) -> Self {
        Self { was: Some(was.to_string()), is: Some(is.to_string()), by_hand }
    }

    pub(super) fn gone(was: impl ToString, by_hand: String) -> Self {
        Self { was: Some(was.to_string()), is: None, by_hand }
    }

    pub(super) fn new_one(is: impl ToString) -> Self {
        Self { was: None, is: Some(is.to_string()), by_hand: String::new() }
    }
}

pub(super) fn of_records(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(" of records `{value}`") }
}

pub(super) fn in_records(value: &str) -> String {
    format!(" in `records`, `\"{value}\"`")
}

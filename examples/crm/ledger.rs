//! The calls that each part of the example made, as the stack counted them.

use std::collections::BTreeMap;

use tenantseal_local::{Calls, Service};

use crate::Outcome;
use crate::contact::DataSet;
use crate::terminal::Terminal;
use crate::text::{grouped, left, right};

/// The part that seals.
pub(crate) const WRITING: &str = "writing every contact";
/// The part that opens.
pub(crate) const READING: &str = "reading every contact";

type Counts = BTreeMap<(Service, String), u64>;

/// The calls of each part of the example.
pub(crate) struct Ledger<'s> {
    calls: &'s Calls,
    before: Counts,
    parts: Vec<(&'static str, Counts)>,
}

impl<'s> Ledger<'s> {
    const COLUMNS: [&'static str; 4] = ["AssumeRole", "GenerateDataKey", "Decrypt", "other KMS"];
    const PART: usize = 29;

    /// Starts counting.
    pub(crate) fn open(calls: &'s Calls) -> Self {
        Self { calls, before: calls.counts(), parts: Vec::new() }
    }

    /// Ends a part, which gets the counts since the previous one.
    pub(crate) fn close(&mut self, part: &'static str) {
        let now = self.calls.counts();
        let since = |(call, count): (&(Service, String), &u64)| {
            (call.clone(), count - self.before.get(call).copied().unwrap_or_default())
        };
        self.parts.push((part, now.iter().map(since).collect()));
        self.before = now;
    }

    /// Prints the parts, and checks the cache: each tenant's data key is requested once, not once per contact.
    pub(crate) fn print(&self, terminal: Terminal, data: &DataSet) -> Outcome<()> {
        terminal.heading("What all of that took: the calls to STS and KMS, as the stack counted them");
        let heading = Self::COLUMNS.map(|name| right(name, Self::width(name))).concat();
        terminal.columns(&format!("  {}{heading}", left("", Self::PART)));
        terminal.rule();
        let tenants = data.by_tenant().len() as u64;
        let mut total = [0; 4];
        for (part, counts) in &self.parts {
            let numbers = by_column(counts);
            let promised = match *part {
                WRITING => [tenants, tenants, 0, 0],
                READING => [tenants, 0, tenants, 0],
                _ => numbers,
            };
            if numbers != promised {
                return Err(format!("{part} took {numbers:?} calls instead of {promised:?}").into());
            }
            total = std::array::from_fn(|column| total[column] + numbers[column]);
            terminal.line(&Self::row(part, numbers));
        }
        terminal.rule();
        terminal.line(&Self::row("together", total));
        let operations = 2 * data.contacts().len();
        terminal.remark(&format!(
            "Writing and reading were {} item operations and {} requests to KMS; with a request for each item it would have been {}.",
            grouped(operations),
            grouped(2 * tenants),
            grouped(operations),
        ));
        Ok(())
    }

    fn row(part: &str, numbers: [u64; 4]) -> String {
        let cell = |(name, number): (&str, u64)| {
            let number = if number == 0 { "–".to_owned() } else { grouped(number) };
            right(&number, Self::width(name))
        };
        let cells: String = Self::COLUMNS.into_iter().zip(numbers).map(cell).collect();
        format!("  {}{cells}", left(part, Self::PART))
    }

    /// A column is as wide as its heading, and a gap.
    fn width(column: &str) -> usize {
        column.len() + 2
    }
}

/// The counts in the order of [`Ledger::COLUMNS`].
fn by_column(counts: &Counts) -> [u64; 4] {
    let mut columns = [0; 4];
    for ((_, operation), count) in counts {
        let column = Ledger::COLUMNS.iter().position(|name| name == operation);
        columns[column.unwrap_or(Ledger::COLUMNS.len() - 1)] += count;
    }
    columns
}

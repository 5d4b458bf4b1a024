//! One item twice: as DynamoDB stores it, and as the application sees it.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::Item;
use tenantseal::{Record, schema::RecordField};

use crate::Outcome;
use crate::cloud::Cloud;
use crate::contact::{Contact, DataSet};
use crate::terminal::{Style, Terminal};
use crate::text::{fit, grouped, left, right};

/// The tenant and the contact to show.
const SHOWN: (&str, &str) = ("acme", "c-0007");

const NAME: usize = 15;
const KIND: usize = 3;
const BYTES: usize = 6;
const STORED: usize = 20;
const SEEN: usize = 30;

/// Prints one stored item beside the contact that was written.
pub(crate) async fn show(terminal: Terminal, cloud: &Cloud, data: &DataSet) -> Outcome<()> {
    let (tenant, contact) = SHOWN;
    let stored = cloud.stored(tenant, contact).await?;
    let seen: Item = serde_dynamo::to_item(data.get(tenant, contact)?)?;

    terminal.heading("One item, as DynamoDB sees it, and as the application sees it");
    let heading = [left("", NAME), left("", KIND), right("bytes", BYTES), left("  DynamoDB", STORED + 2)].concat();
    terminal.columns(&format!("  {heading}  application"));
    terminal.rule();
    for name in attributes() {
        let Some(value) = stored.get(name) else { continue };
        let lines = seen.get(name).map_or_else(|| vec!["(which data key, wrapped)".to_owned()], lines);
        for (at, line) in lines.iter().enumerate() {
            let left_hand = if at == 0 { left_hand(terminal, name, value) } else { " ".repeat(left_hand_width()) };
            let line = fit(line, SEEN);
            let line = if seen.contains_key(name) { line } else { terminal.paint(Style::Dim, &line) };
            terminal.line(&format!("  {left_hand}  {line}"));
        }
    }
    Ok(())
}

/// The attributes of a stored contact: those of the record in the order of its declaration, then the library's own.
fn attributes() -> impl Iterator<Item = &'static str> {
    let declared = Contact::SCHEMA.fields().iter().filter_map(|field| match field {
        RecordField::PartitionKey { name, .. }
        | RecordField::SortKey { name }
        | RecordField::Plain { name }
        | RecordField::Encrypted { name } => Some(*name),
        _ => None,
    });
    declared.chain(["_seal"])
}

const fn left_hand_width() -> usize {
    NAME + KIND + BYTES + 2 + STORED
}

/// An attribute's name, type and length, and its first bytes.
fn left_hand(terminal: Terminal, name: &str, value: &AttributeValue) -> String {
    let (kind, bytes) = kind_and_bytes(value);
    let stored = left(&fit(&inline(value), STORED), STORED);
    let stored = if value.is_b() { terminal.paint(Style::Dim, &stored) } else { stored };
    format!("{}{}{}  {stored}", left(name, NAME), left(kind, KIND), right(&grouped(bytes), BYTES))
}

/// DynamoDB's name of the type, and the length of the value alone.
fn kind_and_bytes(value: &AttributeValue) -> (&'static str, usize) {
    match value {
        AttributeValue::S(text) => ("S", text.len()),
        AttributeValue::N(number) => ("N", number.len()),
        AttributeValue::B(bytes) => ("B", bytes.as_ref().len()),
        AttributeValue::Ss(texts) => ("SS", texts.iter().map(String::len).sum()),
        // Contacts have no other plain type.
        _ => ("?", 0),
    }
}

/// The value, readable, one line per map entry.
fn lines(value: &AttributeValue) -> Vec<String> {
    let AttributeValue::M(entries) = value else { return vec![inline(value)] };
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries.into_iter().map(|(name, value)| format!("{name}: {}", inline(value))).collect()
}

/// The value, readable, on one line.
fn inline(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => text.clone(),
        AttributeValue::N(number) => number.clone(),
        AttributeValue::B(bytes) => hex(bytes.as_ref()),
        AttributeValue::Ss(texts) => texts.join(", "),
        AttributeValue::L(values) => values.iter().map(inline).collect::<Vec<_>>().join(", "),
        other => format!("{other:?}"),
    }
}

/// The first and the last bytes.
fn hex(bytes: &[u8]) -> String {
    let pairs = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    match bytes {
        [start @ .., b6, b7] if start.len() > 5 => format!("{} … {}", pairs(&start[..4]), pairs(&[*b6, *b7])),
        short => pairs(short),
    }
}

//! `inspect`: what an item reveals. Uses no key and does not call KMS.

use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use serde_dynamo::{AttributeValue, Item};
use serde_json::{Value, json};
use tenantseal::error::FormatError;
use tenantseal::inspect::{HEADER, SealedAttribute, StoredHeader, StoredKeyRecord, record_entry};
use tenantseal::keys::DataKeyId;

use crate::aws;
use crate::errors::{Exit, Failure, Result};
use crate::output::{BAD, BOLD, DIM, Output, date, lines, table};
use crate::settings::Settings;
use crate::visible::Visible;

/// Longer than a page of DynamoDB; the rest of a larger input is not read.
const MAX_INPUT: u64 = 16 * 1024 * 1024;

const UNKNOWN: &str = "None of this is authenticated: anyone who can write the table can write all of it. Only the schema and the key \
tell which attributes should be sealed, whether they open, and what they contain.";

/// Show what an item reveals without any key.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A file with DynamoDB JSON: an item, or the output of GetItem, Query or Scan; `-` is stdin
    #[arg(default_value = "-", conflicts_with = "table")]
    file: PathBuf,
    /// Fetch the item from this table instead
    #[arg(long, requires = "key")]
    table: Option<String>,
    /// Its primary key in DynamoDB JSON: '{"tenant_id":{"S":"acme"},"contact_id":{"S":"c-17"}}'
    #[arg(long, requires = "table", value_name = "JSON")]
    key: Option<String>,
}

impl Inspect {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let items = match (&self.table, &self.key) {
            (Some(table), Some(key)) => vec![fetch(settings, table, key).await?],
            _ => items(&self.read()?)?,
        };
        let mut exit = Exit::Done;
        for item in &items {
            let seen = Inspection::of(item);
            if seen.faults > 0 {
                exit = Exit::Findings;
            }
            output.answer(&seen.text, &seen.data)?;
        }
        output.say(format_args!("{DIM}{UNKNOWN}{DIM:#}"));
        Ok(exit)
    }

    fn read(&self) -> Result<Vec<u8>> {
        let shown = self.file.display();
        let unreadable = |error: std::io::Error| Failure::usage(format!("{shown}: {error}"));
        let mut input = Vec::new();
        let length = if self.file.as_os_str() == "-" {
            std::io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut input)
        } else {
            std::fs::File::open(&self.file).map_err(unreadable)?.take(MAX_INPUT + 1).read_to_end(&mut input)
        };
        match length.map_err(unreadable)? {
            0 => Err(Failure::usage("the input is empty").help("give an item as DynamoDB JSON, or --table and --key")),
            length if length as u64 > MAX_INPUT => Err(Failure::usage("the input has more than 16 MiB")),
            _ => Ok(input),
        }
    }
}

async fn fetch(settings: &Settings, table: &str, key: &str) -> Result<Item> {
    let key: Item = serde_json::from_str(key).map_err(|error| {
        Failure::usage(format!("--key is not DynamoDB JSON: {error}")).help("for example '{\"id\":{\"S\":\"c-17\"}}'")
    })?;
    let config = aws::operator(settings).await;
    aws::region(&config)?;
    let client = aws_sdk_dynamodb::Client::new(&config);
    let answer = client.get_item().table_name(table).set_key(Some(key.into())).consistent_read(true).send().await;
    let item = answer.map_err(|error| Failure::aws("GetItem", &error))?.item;
    let item = item.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("there is no such item in `{table}`")).help("check --key")
    })?;
    Ok(item.into())
}

/// The items in an output of DynamoDB, in an export (an object `Item` in each line), or a single item.
fn items(input: &[u8]) -> Result<Vec<Item>> {
    let malformed = |error: serde_json::Error| {
        Failure::usage(format!("the input is not DynamoDB JSON: {error}"))
            .help("an item looks like {\"id\":{\"S\":\"c-17\"},\"_seal\":{\"B\":\"AQ…\"}}")
    };
    let mut items = Vec::new();
    for document in serde_json::Deserializer::from_slice(input).into_iter::<Value>() {
        let mut document = document.map_err(malformed)?;
        let many = document.get_mut("Items").filter(|items| items.is_array()).map(Value::take);
        // An attribute may be named `Item` as well. Then its value has exactly one type, as in {"Item":{"S":"…"}}.
        let one =
            document.get_mut("Item").filter(|item| serde_json::from_value::<AttributeValue>((*item).clone()).is_err());
        match (many, one) {
            (Some(Value::Array(many)), _) => {
                for item in many {
                    items.push(serde_json::from_value(item).map_err(malformed)?);
                }
            }
            (_, Some(item)) => items.push(serde_json::from_value(item.take()).map_err(malformed)?),
            _ => items.push(serde_json::from_value(document).map_err(malformed)?),
        }
    }
    Ok(items)
}

/// What an item reveals, for people and for machines.
struct Inspection {
    text: String,
    data: Value,
    /// Parts that look sealed and are malformed.
    faults: usize,
}

impl Inspection {
    fn of(item: &Item) -> Self {
        let header = match item.get(HEADER) {
            None => None,
            Some(AttributeValue::B(stored)) => Some(StoredHeader::parse(stored).map_err(|fault| fault.to_string())),
            Some(_) => Some(Err("the header is not of type B".to_owned())),
        };
        let mut faults = usize::from(matches!(header, Some(Err(_))));
        let mut overhead = match (&header, item.get(HEADER)) {
            (Some(Ok(_)), Some(AttributeValue::B(stored))) => HEADER.len() + stored.len(),
            _ => 0,
        };
        let mut names: Vec<_> = item.inner().keys().filter(|name| *name != HEADER).collect();
        names.sort();
        let mut rows =
            vec![["attribute", "stored as", "data key", "value bytes", "overhead bytes"].map(str::to_owned).to_vec()];
        let mut attributes = Vec::new();
        let mut records = String::new();
        for name in &names {
            let shown = Visible(name);
            let sealed = match item.get(*name) {
                Some(AttributeValue::B(stored)) => match SealedAttribute::parse(stored) {
                    // Any binary may begin with the byte of a sealed form. If it does not parse it counts as plain,
                    // unless other signs say otherwise.
                    Err(fault) if !SealedAttribute::is_damaged(stored) => {
                        let perhaps = match (stored.first(), fault) {
                            (Some(0x11..=0x13), _) => ", or sealed and cut short",
                            (_, FormatError::UnknownForm(_)) => ", or sealed by a newer release",
                            _ => "",
                        };
                        rows.push(vec![name.to_string(), format!("plain B{perhaps}")]);
                        attributes.push(json!({ "name": name, "form": "plain", "type": "B" }));
                        continue;
                    }
                    parsed => parsed,
                },
                Some(plain) => {
                    let kind = kind(plain);
                    rows.push(vec![name.to_string(), format!("plain {kind}")]);
                    attributes.push(json!({ "name": name, "form": "plain", "type": kind }));
                    continue;
                }
                None => continue,
            };
            match sealed {
                Err(fault) => {
                    faults += 1;
                    rows.push(vec![name.to_string(), format!("B, sealed and damaged: {fault}")]);
                    attributes
                        .push(json!({ "name": name, "form": "malformed", "type": "B", "fault": fault.to_string() }));
                }
                Ok(sealed) => {
                    overhead += sealed.overhead();
                    let form = format!("{:#04x}", sealed.form());
                    let own = match (sealed.key_record(), sealed.reference()) {
                        (Some(record), _) => Some(StoredHeader::Record(record.clone())),
                        (None, reference) => reference.map(StoredHeader::Reference),
                    };
                    let opens_with = own.as_ref().or(header.as_ref().and_then(|header| header.as_ref().ok()));
                    let key_id = opens_with.map(|key| key.key_id().to_string());
                    let origin = if own.is_some() { "its own key" } else { "the header's key" };
                    if let Some(own) = &own {
                        records.push_str(&format!("{BOLD}{shown}{BOLD:#}, written by UpdateItem\n{}", describe(own)));
                    }
                    // 8 digits distinguish an item's data keys for people.
                    let short =
                        key_id.as_ref().map_or_else(|| "none: no header".to_owned(), |id| format!("{}…", &id[..8]));
                    let row = [
                        name.to_string(),
                        format!("{form}, {origin}"),
                        short,
                        sealed.value_len().to_string(),
                        sealed.overhead().to_string(),
                    ];
                    rows.push(row.to_vec());
                    attributes.push(json!({
                        "name": name, "form": form, "data_key": key_id, "value_bytes": sealed.value_len(),
                        "overhead_bytes": sealed.overhead(), "key_record": sealed.key_record().map(record_data),
                        "key_table_entry": sealed.reference().map(record_entry),
                    }));
                }
            }
        }
        let title = match &header {
            None => format!("{BOLD}{HEADER}{BOLD:#}: none (no PutItem by tenantseal, or a projection without it)\n"),
            Some(Err(fault)) => format!("{BOLD}{HEADER}{BOLD:#}: {BAD}malformed{BAD:#}: {fault}\n"),
            Some(Ok(key)) => format!("{BOLD}{HEADER}{BOLD:#}, written by PutItem\n{}", describe(key)),
        };
        let text = format!("{title}{records}\n{}overhead of sealing: {}\n", table(&rows), bytes(overhead));
        let data = json!({
            "header": header.map(|header| header.map_or_else(|fault| json!({ "fault": fault }), |key| header_data(&key))),
            "attributes": attributes, "overhead_bytes": overhead, "faults": faults, "authenticated": false,
        });
        Self { text, data, faults }
    }
}

fn describe(key: &StoredHeader) -> String {
    let record = match key {
        StoredHeader::Record(record) => record,
        StoredHeader::Reference(key_id) => return refer(*key_id),
    };
    let context: Vec<_> = record.context().iter().map(|(n, v)| format!("{n}={v}")).collect();
    let values = [
        ("data key", record.key_id().to_string()),
        ("made", date(record.created())),
        ("key (KEK)", record.kek().to_string()),
        ("context", context.join(" ")),
        ("wrapped key", bytes(record.wrapped_key().as_bytes().len())),
        ("key record", bytes(record.stored_len())),
    ];
    lines(12, values)
}

/// A compact item names only the place of its key record.
fn refer(key_id: DataKeyId) -> String {
    let values = [
        ("data key", key_id.to_string()),
        ("key record", format!("in the key table: {}, under the tenant's id", record_entry(key_id))),
    ];
    lines(12, values)
}

fn header_data(header: &StoredHeader) -> Value {
    match header {
        StoredHeader::Record(record) => record_data(record),
        StoredHeader::Reference(key_id) => {
            json!({ "data_key": key_id.to_string(), "key_table_entry": record_entry(*key_id) })
        }
    }
}

fn record_data(record: &StoredKeyRecord) -> Value {
    let context: serde_json::Map<_, _> = record.context().iter().map(|(n, v)| (n.clone(), v.clone().into())).collect();
    json!({
        "data_key": record.key_id().to_string(), "created": date(record.created()), "kek": record.kek().to_string(),
        "context": context, "wrapped_key_bytes": record.wrapped_key().as_bytes().len(), "record_bytes": record.stored_len(),
    })
}

fn kind(value: &AttributeValue) -> &'static str {
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
    }
}

fn bytes(count: usize) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hostile_input_is_told_and_obeyed_by_nobody(header in ".*", stored in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut item = Item::default();
            item.insert(HEADER.to_owned(), AttributeValue::B(stored.clone()));
            item.insert(format!("a{header}"), AttributeValue::B([&[0x12, 0, 200], &stored[..]].concat()));
            let seen = Inspection::of(&item);
            prop_assert!(seen.faults <= 2);
            let own = [BAD.to_string(), BOLD.to_string(), "\u{1b}[0m".to_owned()];
            let left = own.iter().fold(seen.text, |text, style| text.replace(style, ""));
            prop_assert!(!left.chars().any(|c| c.is_control() && c != '\n'), "{left:?}");
        }

        #[test]
        fn input_that_is_not_an_item_is_an_error(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = items(&input);
        }
    }

    #[test]
    fn a_compact_item_says_where_its_key_records_lie() {
        let item = [
            (HEADER, [&[2][..], &[0xab; 16]].concat()),
            ("email", [&[0x11][..], &[1; 12], &[2; 21]].concat()),
            ("phone", [&[0x13][..], &[0xcd; 16], &[1; 12], &[2; 21]].concat()),
        ];
        let item: std::collections::HashMap<_, _> =
            item.into_iter().map(|(name, stored)| (name.to_owned(), AttributeValue::B(stored))).collect();
        let seen = Inspection::of(&item.into());
        let [of_header, own] = ["ab", "cd"].map(|byte| byte.repeat(16));
        assert_eq!(seen.faults, 0);
        assert_eq!(
            seen.data["header"],
            json!({ "data_key": of_header, "key_table_entry": format!("key#{of_header}") })
        );
        let [email, phone] = [&seen.data["attributes"][0], &seen.data["attributes"][1]];
        assert_eq!((&email["form"], &email["data_key"]), (&json!("0x11"), &json!(of_header)));
        assert_eq!(email["key_table_entry"], Value::Null);
        assert_eq!((&phone["form"], &phone["data_key"]), (&json!("0x13"), &json!(own)));
        assert_eq!(phone["key_table_entry"], format!("key#{own}"));
        assert_eq!(seen.data["overhead_bytes"], HEADER.len() + 17 + 29 + 45);
        for line in [format!("in the key table: key#{of_header}"), format!("in the key table: key#{own}")] {
            assert!(seen.text.contains(&line), "{}", seen.text);
        }
    }

    #[test]
    fn a_plain_binary_is_not_called_malformed_whatever_it_begins_with() {
        for first in 0..=u8::MAX {
            for length in [1, 16, 400] {
                let stored: Vec<u8> =
                    std::iter::once(first).chain((1..length).map(|at| (at * 37 % 251) as u8)).collect();
                let parses = length == 400 && matches!(first, 0x11 | 0x13);
                let item: std::collections::HashMap<_, _> = [("photo".to_owned(), AttributeValue::B(stored))].into();
                let seen = Inspection::of(&item.into());
                assert_eq!(seen.faults, 0, "{first:#04x}");
                let form = if parses { format!("{first:#04x}") } else { "plain".to_owned() };
                assert_eq!(seen.data["attributes"][0]["form"], form, "{first:#04x} of {length} bytes");
            }
        }
    }

    #[test]
    fn what_begins_with_a_key_record_and_does_not_parse_is_called_malformed() {
        let stored = [&[0x12, 0, 200, 0x01][..], &[7; 300]].concat();
        let item: std::collections::HashMap<_, _> = [("email".to_owned(), AttributeValue::B(stored))].into();
        let seen = Inspection::of(&item.into());
        assert_eq!((seen.faults, &seen.data["attributes"][0]["form"]), (1, &json!("malformed")));
    }

    #[test]
    fn an_answer_a_page_an_export_and_an_item_are_understood() {
        let item = r#"{"id":{"S":"1"}}"#;
        for (input, count) in [
            (item.to_owned(), 1),
            (format!(r#"{{"Item":{item}}}"#), 1),
            (format!(r#"{{"Items":[{item},{item}],"Count":2}}"#), 2),
            (format!("{{\"Item\":{item}}}\n{{\"Item\":{item}}}\n"), 2),
            (r#"{"Item":{"S":"an attribute of that name"}}"#.to_owned(), 1),
        ] {
            assert_eq!(items(input.as_bytes()).unwrap().len(), count, "{input}");
        }
        for input in ["[]", "1", "{\"id\":\"1\"}", "{\"id\":{\"X\":\"1\"}}", "{"] {
            assert_eq!(items(input.as_bytes()).unwrap_err().exit(), Exit::Usage, "{input}");
        }
    }
}

//! Records in JSON. Whatever holds no item passes unread.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::RecordFault;
use super::stored::{ChangeKind, Record, StoredChange, is_expiry};
use crate::item::Item;

/// A line of JSON: a record of a stream, an event of a Lambda function, a line of a full or an incremental export, or an
/// item.
///
/// It is for programs that pass records on: [`write`](Self::write) gives the line its shape back, with the images
/// opened. Others take [`StoredChange::from_json`].
///
/// ```
/// # async fn example(seal: tenantseal::TenantSeal, line: String) -> Result<(), Box<dyn std::error::Error>> {
/// use tenantseal::changes::JsonLine;
///
/// let line = JsonLine::parse(line.as_bytes())?;
/// let changes = seal.open_changes("crm", line.changes()).await?;
/// let opened: Vec<_> = changes.iter().map(|change| change.as_ref().ok()).collect();
/// let mut text = Vec::new();
/// line.write(&opened, &mut text);
/// # Ok(()) }
/// ```
pub struct JsonLine<'j> {
    /// The event around the records, if it is one.
    pub(super) event: Option<Fields<'j>>,
    pub(super) records: Vec<Result<JsonRecord<'j>, RecordFault>>,
    pub(super) without_old: bool,
}

/// One record.
pub(super) struct JsonRecord<'j> {
    pub(super) fields: Fields<'j>,
    pub(super) shape: Shape<'j>,
}

/// Which fields hold what.
pub(super) enum Shape<'j> {
    /// The record is the item.
    Bare,
    /// Of a full export.
    Item,
    /// Of an incremental export.
    Images,
    /// Of a stream, with the fields of `dynamodb`.
    Stream(Fields<'j>),
}

/// An object's members in their order.
pub(super) struct Fields<'j>(pub(super) Vec<(String, &'j RawValue)>);

impl<'j> Fields<'j> {
    pub(super) fn get(&self, name: &str) -> Option<&'j RawValue> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| *value)
    }

    /// A part that is an item; `null` and an item without attributes are none.
    fn item(&self, name: &'static str) -> Result<Option<Item>, RecordFault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let item: Option<serde_dynamo::Item> =
            serde_json::from_str(value.get()).map_err(|_| RecordFault::Field(name))?;
        Ok(item.map(Item::from).filter(|item| !item.is_empty()))
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// Whether this name is that of an attribute, and not of a part of a record.
    fn has_attribute(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| serde_json::from_str::<serde_dynamo::AttributeValue>(value.get()).is_ok())
    }
}

impl<'j> JsonLine<'j> {
    /// Reads the shape of a line.
    ///
    /// # Errors
    ///
    /// [`RecordFault`], when it is not an object. A record of another shape is told when it is opened.
    pub fn parse(line: &'j [u8]) -> Result<Self, RecordFault> {
        let fields: Fields<'j> = serde_json::from_slice(line).map_err(|_| RecordFault::NotJson)?;
        let Some(records) = fields.get("Records").filter(|_| !fields.has_attribute("Records")) else {
            return Ok(Self { event: None, records: vec![JsonRecord::of(fields)], without_old: false });
        };
        let records: Vec<&'j RawValue> =
            serde_json::from_str(records.get()).map_err(|_| RecordFault::Field("Records"))?;
        let record = |record: &'j RawValue| {
            JsonRecord::of(serde_json::from_str(record.get()).map_err(|_| RecordFault::NotJson)?)
        };
        Ok(Self { event: Some(fields), records: records.into_iter().map(record).collect(), without_old: false })
    }

    /// Leaves out what items were before their changes: it is neither opened nor written.
    #[must_use]
    pub fn without_old_images(mut self) -> Self {
        self.without_old = true;
        self
    }

    /// Whether it is the event of a Lambda function, which has any number of records.
    pub fn is_event(&self) -> bool {
        self.event.is_some()
    }

    /// How many changes the line has.
    pub fn record_count(&self) -> usize {
        self.records.len()
    }

    /// The changes of the line: one, or those of an event.
    pub fn changes(&self) -> impl Iterator<Item = StoredChange> {
        self.records.iter().map(|record| match record {
            Ok(record) => record.stored(self.without_old),
            Err(fault) => StoredChange::faulty(*fault),
        })
    }
}

impl StoredChange {
    /// Reads one record in JSON: of a stream, as a Lambda function gets it or a Kinesis stream has it, a line of a full
    /// or an incremental export, or an item in DynamoDB JSON.
    ///
    /// A Kinesis stream has been seen to write binaries in Base64 twice. A record with a sealed attribute tells, because
    /// nothing sealed begins like Base64.
    pub fn from_json(json: &[u8]) -> Self {
        match JsonLine::parse(json) {
            Err(fault) => Self::faulty(fault),
            Ok(line) if line.event.is_some() => Self::faulty(RecordFault::Shape),
            Ok(line) => line.changes().next().unwrap_or_else(|| Self::faulty(RecordFault::Shape)),
        }
    }
}

impl<'j> JsonRecord<'j> {
    fn of(fields: Fields<'j>) -> Result<Self, RecordFault> {
        let has = |name| fields.get(name).is_some() && !fields.has_attribute(name);
        let shape = if has("dynamodb") {
            let inner = fields.get("dynamodb").map_or("", RawValue::get);
            Shape::Stream(serde_json::from_str(inner).map_err(|_| RecordFault::Field("dynamodb"))?)
        } else if has("Keys") || has("NewImage") || has("OldImage") {
            Shape::Images
        } else if fields.0.len() == 1 && has("Item") {
            Shape::Item
        } else {
            Shape::Bare
        };
        Ok(Self { fields, shape })
    }

    fn stored(&self, without_old: bool) -> StoredChange {
        let record = self.record(without_old);
        let sequence_number = match &self.shape {
            Shape::Stream(change) => change.text("SequenceNumber"),
            _ => None,
        };
        StoredChange { record, sequence_number }
    }

    fn record(&self, without_old: bool) -> Result<Record, RecordFault> {
        let images = |fields: &Fields<'_>| {
            let old = if without_old { None } else { fields.item("OldImage")? };
            Ok::<_, RecordFault>((fields.item("Keys")?, fields.item("NewImage")?, old))
        };
        match &self.shape {
            Shape::Bare => {
                let attribute = |(name, value): &(String, &RawValue)| {
                    let value: serde_dynamo::AttributeValue = serde_json::from_str(value.get()).ok()?;
                    Some((name.clone(), value.into()))
                };
                let item: Option<Item> = self.fields.0.iter().map(attribute).collect();
                Ok(Record::of_item(item.ok_or(RecordFault::Shape)?))
            }
            Shape::Item => Ok(Record::of_item(self.fields.item("Item")?.ok_or(RecordFault::NoKeys)?)),
            Shape::Images => {
                let (keys, new, old) = images(&self.fields)?;
                let had_one = self.fields.get("OldImage").is_some_and(|image| image.get() != "null");
                let kind = ChangeKind::of_images(new.is_some(), had_one);
                Ok(Record { kind, keys, new, old, expired: false })
            }
            Shape::Stream(change) => {
                let (keys, new, old) = images(change)?;
                let name = self.fields.text("eventName").ok_or(RecordFault::Field("eventName"))?;
                let kind = ChangeKind::parse(&name).ok_or(RecordFault::EventName)?;
                Ok(Record { kind, keys, new, old, expired: self.is_expiry() })
            }
        }
    }

    fn is_expiry(&self) -> bool {
        let by = self.fields.get("userIdentity").and_then(|by| serde_json::from_str::<Fields<'_>>(by.get()).ok());
        by.is_some_and(|by| {
            // The API and its JSON do not agree on the first letter.
            let text = |names: [&str; 2]| names.iter().find_map(|name| by.text(name)).unwrap_or_default();
            is_expiry(&text(["type", "Type"]), &text(["principalId", "PrincipalId"]))
        })
    }
}

impl Record {
    /// An item, of which nothing else is known.
    fn of_item(item: Item) -> Self {
        Self { kind: ChangeKind::Insert, keys: None, new: Some(item), old: None, expired: false }
    }
}

impl<'de: 'j, 'j> Deserialize<'de> for Fields<'j> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::<(String, &RawValue)>::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                let mut names: Vec<_> = members.iter().map(|(name, _)| name).collect();
                names.sort_unstable();
                if names.windows(2).any(|pair| pair[0] == pair[1]) {
                    return Err(serde::de::Error::custom("a name occurs twice"));
                }
                Ok(Fields(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl fmt::Debug for JsonLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLine").field("records", &self.records.len()).finish_non_exhaustive()
    }
}

//! Gives a line its shape back, with the images opened.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::change::{Change, Image};
use super::json::{Fields, JsonLine, JsonRecord, Shape};
use crate::item::Item;

impl JsonLine<'_> {
    /// Appends the line with the images of these changes, which are those of [`changes`](Self::changes) in their order.
    /// It ends without a line break.
    ///
    /// An event is written without the records that are `None`, or have an image that was refused. Of any other line with
    /// such a record nothing is written. Returns whether something was.
    pub fn write(&self, opened: &[Option<&Change>], out: &mut Vec<u8>) -> bool {
        let records = self.records.iter().zip(opened);
        let mut whole = records.filter_map(|(record, change)| {
            let change = change.filter(|change| !change.is_refused())?;
            Some((record.as_ref().ok()?, change))
        });
        match &self.event {
            None => match whole.next() {
                Some((record, change)) => record.write(change, self.without_old, out),
                None => return false,
            },
            Some(event) => {
                let records = |out: &mut Vec<u8>| {
                    out.push(b'[');
                    for (at, (record, change)) in whole.by_ref().enumerate() {
                        if at > 0 {
                            out.push(b',');
                        }
                        record.write(change, self.without_old, out);
                    }
                    out.push(b']');
                };
                let mut records = Some(records);
                event.write(out, |name, out| match (name, records.take_if(|_| name == "Records")) {
                    (_, Some(mut records)) => {
                        records(out);
                        Member::Written
                    }
                    _ => Member::AsItIs,
                });
            }
        }
        true
    }
}

/// What becomes of a member.
enum Member {
    AsItIs,
    Written,
    Dropped,
}

impl Fields<'_> {
    /// Writes the members, of which `instead` writes some.
    fn write(&self, out: &mut Vec<u8>, mut instead: impl FnMut(&str, &mut Vec<u8>) -> Member) {
        out.push(b'{');
        let first = out.len();
        for (name, value) in &self.0 {
            let before = out.len();
            if before > first {
                out.push(b',');
            }
            text(name, out);
            out.push(b':');
            match instead(name, out) {
                Member::Written => {}
                Member::AsItIs => out.extend_from_slice(RawValue::get(value).as_bytes()),
                Member::Dropped => out.truncate(before),
            }
        }
        out.push(b'}');
    }
}

impl JsonRecord<'_> {
    fn write(&self, change: &Change, without_old: bool, out: &mut Vec<u8>) {
        let image = |image: &Image, out: &mut Vec<u8>| match image {
            Image::Opened(opened) => {
                item(opened, out);
                Member::Written
            }
            _ => Member::AsItIs,
        };
        let images = |name: &str, out: &mut Vec<u8>| match name {
            "NewImage" => image(&change.new, out),
            "OldImage" if without_old => Member::Dropped,
            "OldImage" => image(&change.old, out),
            // Those of a Kinesis stream may be in Base64 twice.
            "Keys" => {
                item(&change.keys, out);
                Member::Written
            }
            _ => Member::AsItIs,
        };
        match &self.shape {
            Shape::Bare => {
                image(&change.new, out);
            }
            Shape::Item => self.fields.write(out, |name, out| match name {
                "Item" => image(&change.new, out),
                _ => Member::AsItIs,
            }),
            Shape::Images => self.fields.write(out, images),
            Shape::Stream(inner) => self.fields.write(out, |name, out| match name {
                "dynamodb" => {
                    inner.write(out, images);
                    Member::Written
                }
                _ => Member::AsItIs,
            }),
        }
    }
}

/// An item in DynamoDB JSON, its attributes by name.
fn item(item: &Item, out: &mut Vec<u8>) {
    let mut attributes: Vec<_> = item.iter().collect();
    attributes.sort_unstable_by_key(|(name, _)| name.as_str());
    list((b'{', b'}'), attributes, out, |(name, attribute), out| {
        text(name, out);
        out.push(b':');
        value(attribute, out);
    });
}

fn value(value: &AttributeValue, out: &mut Vec<u8>) {
    let array = (b'[', b']');
    let texts = |set: &[String], out: &mut Vec<u8>| list(array, set, out, |member, out| text(member, out));
    match value {
        AttributeValue::S(string) => typed("S", out, |out| text(string, out)),
        AttributeValue::N(number) => typed("N", out, |out| text(number, out)),
        AttributeValue::B(bytes) => typed("B", out, |out| base64(bytes.as_ref(), out)),
        AttributeValue::Bool(value) => typed("BOOL", out, |out| out.extend_from_slice(value.to_string().as_bytes())),
        AttributeValue::Null(value) => typed("NULL", out, |out| out.extend_from_slice(value.to_string().as_bytes())),
        AttributeValue::Ss(set) => typed("SS", out, |out| texts(set, out)),
        AttributeValue::Ns(set) => typed("NS", out, |out| texts(set, out)),
        AttributeValue::Bs(set) => {
            typed("BS", out, |out| list(array, set, out, |member, out| base64(member.as_ref(), out)));
        }
        AttributeValue::L(values) => {
            typed("L", out, |out| list(array, values, out, self::value));
        }
        AttributeValue::M(map) => typed("M", out, |out| item(map, out)),
        // A type that a newer SDK has: no schema of this release opens one.
        _ => typed("NULL", out, |out| out.extend_from_slice(b"true")),
    }
}

fn typed(kind: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\":");
    write(out);
    out.push(b'}');
}

fn list<T>(
    (open, close): (u8, u8),
    members: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(open);
    for (at, member) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(member, out);
    }
    out.push(close);
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    text(&STANDARD.encode(bytes), out);
}

fn text(text: &str, out: &mut Vec<u8>) {
    // A string always serializes, and a vector takes all.
    let _ = serde_json::to_writer(out, text);
}

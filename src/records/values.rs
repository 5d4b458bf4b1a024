//! Values of updates and conditions, in the form in which the record stores them.
//!
//! They are untyped: an attribute has a name and no type. So the library reads each value as its field's type, and writes it as the
//! record does. It refuses values that the field cannot hold: once stored they could not be read, and no condition would match them.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde_dynamo::AttributeValue as Value;

use super::convert::fault_error;
use crate::error::{Error, Refusal};
use crate::schema::{Fault, FieldForm, Record, RecordField, StoredForm, Watch};

/// A value as the caller gave it.
#[derive(Clone)]
pub(super) enum Given {
    /// One of the caller's.
    Value(Value),
    /// One of the caller's that does not serialize, which is said when the request is made.
    Fault(Fault),
    /// One of the repository's own.
    Stored(AttributeValue),
}

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It is stored.
    Assign,
    /// A number is added, or elements of a set.
    Add,
    /// The attribute is, or is not, the same.
    Equal,
    /// The attribute is less or greater.
    Order,
    /// The attribute begins with it.
    Prefix,
    /// It is a part of the attribute.
    Element,
}

impl Given {
    /// The value for a condition, which is told its record later.
    pub(super) fn to_test(value: impl Serialize) -> Self {
        let watch = Watch::default();
        match value.serialize(watch.value()) {
            Ok(value) => Self::Value(value),
            Err(_) => Self::Fault(watch.fault()),
        }
    }

    /// The value for an attribute of a record.
    pub(super) fn to_store<T: Record>(attribute: &str, value: impl Serialize) -> Self {
        match Watch::for_record::<T>().attribute(attribute, &value) {
            Ok(value) => Self::Value(value),
            Err(fault) => Self::Fault(fault),
        }
    }

    /// The value without a field's form; none when it does not serialize.
    pub(super) fn into_plain(self) -> Option<AttributeValue> {
        match self {
            Self::Value(value) => Some(value.into()),
            Self::Stored(value) => Some(value),
            Self::Fault(_) => None,
        }
    }

    /// The value as it is sent.
    pub(super) fn to_attribute_value<T: Record>(&self, attribute: &str, purpose: Use) -> Result<AttributeValue, Error> {
        let value = match self {
            Self::Value(value) => value,
            Self::Fault(fault) => {
                let attribute = Some(attribute.to_owned());
                return Err(fault_error::<T>(Fault { attribute, ..fault.clone() }));
            }
            Self::Stored(value) => return Ok(value.clone()),
        };
        let is_encrypted = matches!(T::SCHEMA.field(attribute), Some(RecordField::Encrypted { .. }));
        let form = T::FORMS.field(attribute);
        let sent = match form {
            // A lookup may answer. Of what none answers, the expression's check says more.
            Some(form) if is_encrypted && purpose != Use::Assign => {
                purpose.convert(form, value).unwrap_or_else(|| value.clone())
            }
            Some(form) => purpose.convert(form, value).ok_or_else(|| Refusal::Value {
                record: std::any::type_name::<T>(),
                attribute: attribute.to_owned(),
                expected: form.ty,
            })?,
            // What only the schema names is taken as it is.
            None => value.clone(),
        };
        Ok(sent.into())
    }
}

impl Use {
    /// The value in the field's form; none when the field does not hold it.
    fn convert(self, field: &FieldForm, value: &Value) -> Option<Value> {
        let form = match self {
            Self::Add => return to_addend(field, value),
            Self::Element => match to_element(field, value) {
                Some(element) => return Some(element),
                None => field.store(value),
            },
            Self::Assign | Self::Equal | Self::Order | Self::Prefix => field.store(value),
        };
        match form {
            StoredForm::Unknown => Some(value.clone()),
            // A part of a text is in its stored form already.
            StoredForm::As(stored) if matches!(self, Self::Prefix | Self::Element) && is_alike(&stored, value) => {
                Some(value.clone())
            }
            StoredForm::As(stored) => Some(stored),
            // Numbers are compared with any number, -1 and 1.5 too, and texts with what only begins like one of the field's.
            StoredForm::Refused => {
                let is_comparable = match value {
                    Value::N(_) => matches!(self, Self::Equal | Self::Order) && field.is_number() == Some(true),
                    Value::S(_) | Value::B(_) => !matches!(self, Self::Assign | Self::Equal) && !is_other(field, value),
                    _ => false,
                };
                is_comparable.then(|| value.clone())
            }
        }
    }
}

/// What DynamoDB adds to a number or a set; none when the field is stored as neither, or does not hold it.
fn to_addend(field: &FieldForm, value: &Value) -> Option<Value> {
    let magnitude = match value {
        // What is taken away from an unsigned number is negative.
        Value::N(number) => Value::N(number.trim_start_matches('-').to_owned()),
        value => value.clone(),
    };
    match (field.store(&magnitude), value) {
        (StoredForm::Unknown, _) | (StoredForm::As(Value::N(_)), Value::N(_)) => Some(value.clone()),
        (StoredForm::As(set @ (Value::Ss(_) | Value::Ns(_) | Value::Bs(_))), _) => Some(set),
        _ => None,
    }
}

/// The value as an element of a set or list, when the field is one.
fn to_element(field: &FieldForm, value: &Value) -> Option<Value> {
    let StoredForm::As(stored) = field.store(&Value::L(vec![value.clone()])) else { return None };
    match stored {
        Value::L(list) => <[Value; 1]>::try_from(list).ok().map(|[element]| element),
        Value::Ss(set) => <[String; 1]>::try_from(set).ok().map(|[element]| Value::S(element)),
        Value::Ns(set) => <[String; 1]>::try_from(set).ok().map(|[element]| Value::N(element)),
        Value::Bs(set) => <[Vec<u8>; 1]>::try_from(set).ok().map(|[element]| Value::B(element)),
        _ => None,
    }
}

/// Whether the field is known to be stored as another type than this value's.
fn is_other(field: &FieldForm, value: &Value) -> bool {
    let number = |number: &str| Value::N(number.to_owned());
    let (text, list) = (Value::S(String::new()), Value::L(Vec::new()));
    let (bytes, map) = (Value::B(Vec::new()), Value::M([].into()));
    let probes = [number("0"), number("1"), Value::Bool(true), text, bytes, list, map];
    let stored = probes.iter().filter_map(|probe| match field.store(probe) {
        StoredForm::As(stored) => Some(stored),
        StoredForm::Refused | StoredForm::Unknown => None,
    });
    let mut stored = stored.peekable();
    stored.peek().is_some() && stored.all(|stored| !is_alike(&stored, value))
}

/// Whether two values are of one type.
fn is_alike(one: &Value, other: &Value) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

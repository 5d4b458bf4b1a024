//! How single fields of a record are stored. Values of updates and conditions are stored in the same way as those of
//! the whole record.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::Error as Missing;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::{Serialize, forward_to_deserialize_any};
use serde_dynamo::AttributeValue as Value;

use super::watched::{Watch, Watched};
use super::{Record, RecordField};

/// Reads a value.
#[doc(hidden)]
pub type De = serde_dynamo::Deserializer;
/// Writes a value.
#[doc(hidden)]
pub type Ser<'w> = Watched<'w, serde_dynamo::Serializer>;
/// How to read a field's type.
#[doc(hidden)]
pub type Read<F> = fn(De) -> Result<F, serde_dynamo::Error>;
/// How to write it.
#[doc(hidden)]
pub type Write<F> = fn(&F, Ser<'_>) -> Result<Value, serde_dynamo::Error>;

/// The stored form of a record and of its fields, as far as it is known. Written by the derive.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Forms {
    /// The record's own fields.
    pub fields: &'static [FieldForm],
    /// The fields of flattened records, and whether such a record may be absent as a whole.
    pub flattened: &'static [(bool, &'static Forms)],
    /// Says why an item could not be read. `None` when the type cannot be read at all.
    pub unreadable: fn(&Value) -> Option<String>,
}

/// The stored form of one field.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct FieldForm {
    /// The stored name.
    pub name: &'static str,
    /// Other names under which it may be stored.
    pub aliases: &'static [&'static str],
    /// The field's type, as written in the code.
    pub ty: &'static str,
    /// Whether the field is marked plain, so that marks below it are ignored on purpose.
    pub is_public: bool,
    /// Takes a value of the field's type, and returns it as the record stores it.
    pub given: fn(&Value) -> StoredForm,
    /// Takes a stored value, and returns it as it is stored again.
    pub stored: fn(&Value) -> StoredForm,
    /// Whether the record can be read without the attribute.
    pub is_optional: fn() -> Option<bool>,
}

/// The stored form of a value in a field.
#[doc(hidden)]
#[derive(Clone, PartialEq)]
pub enum StoredForm {
    /// The field stores it like this.
    As(Value),
    /// The field cannot hold this value.
    Refused,
    /// Nothing is known of the field.
    Unknown,
}

impl fmt::Debug for StoredForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::As(_) => "As(..)",
            Self::Refused => "Refused",
            Self::Unknown => "Unknown",
        })
    }
}

impl Forms {
    /// For a record of which nothing is known.
    pub const UNKNOWN: Self = Self { fields: &[], flattened: &[], unreadable: |_| None };

    /// The form of the field with this stored name, also in a flattened record.
    pub(crate) fn field(&self, name: &str) -> Option<&'static FieldForm> {
        let own = self.fields.iter().find(|field| field.name == name);
        own.or_else(|| self.flattened.iter().find_map(|(_, forms)| forms.field(name)))
    }

    /// An attribute, among those that are `removed`, without which the record cannot be read.
    pub(crate) fn required_of<'n>(&self, removed: &[&'n str]) -> Option<&'n str> {
        let own =
            removed.iter().find(|name| self.fields.iter().any(|field| field.name == **name && field.is_required()));
        own.copied().or_else(|| {
            self.flattened.iter().find_map(|(may_be_absent, forms)| {
                let whole = || forms.fields.iter().all(|field| !field.is_required() || removed.contains(&field.name));
                if *may_be_absent && whole() { None } else { forms.required_of(removed) }
            })
        })
    }
}

impl Forms {
    /// An attribute without which the record cannot be read, and which is not there.
    pub(crate) fn lacking(&self, is_there: &impl Fn(&str) -> bool) -> Option<&'static str> {
        let own = self.fields.iter().find(|field| field.is_required() && !is_there(field.name));
        own.map(|field| field.name).or_else(|| {
            self.flattened.iter().find_map(|(may_be_absent, forms)| {
                if *may_be_absent && !forms.any(is_there) { None } else { forms.lacking(is_there) }
            })
        })
    }

    fn any(&self, is_there: &impl Fn(&str) -> bool) -> bool {
        self.fields.iter().any(|field| is_there(field.name))
            || self.flattened.iter().any(|(_, forms)| forms.any(is_there))
    }
}

/// The attributes of an item.
type Attributes = HashMap<String, Value>;

impl Forms {
    /// Why serde would read an optional flattened record as `None`, although some of its attributes exist. It does so
    /// whenever the record does not fit.
    pub(crate) fn read_as_none(&self, item: &Attributes) -> Option<String> {
        self.flattened.iter().find_map(|(may_be_absent, forms)| {
            let there = if *may_be_absent { Some(forms.any_in(item)?) } else { None };
            let lost = there.and_then(|there| Some((there, forms.unfit(item)?)));
            lost.map(|(there, what)| {
                format!("serde would read the flattened record of attribute `{there}` as `None`: {what}")
            })
            .or_else(|| forms.read_as_none(item))
        })
    }

    /// The name of an attribute that exists.
    fn any_in(&self, item: &Attributes) -> Option<&'static str> {
        let own = self.fields.iter().find(|field| field.in_item(item).is_some()).map(|field| field.name);
        own.or_else(|| self.flattened.iter().find_map(|(_, forms)| forms.any_in(item)))
    }

    /// The reason why the record cannot be read.
    fn unfit(&self, item: &Attributes) -> Option<String> {
        let own = self.fields.iter().find_map(|field| match field.in_item(item) {
            Some(value) => ((field.stored)(value) == StoredForm::Refused)
                .then(|| format!("attribute `{}` does not deserialize as `{}`", field.name, field.ty)),
            None => field.is_required().then(|| format!("attribute `{}` is missing", field.name)),
        });
        own.or_else(|| {
            let mut nested = self.flattened.iter();
            nested.find_map(|(may_be_absent, forms)| if *may_be_absent { None } else { forms.unfit(item) })
        })
    }
}

impl FieldForm {
    /// Whether the record is known not to be readable without the attribute.
    fn is_required(&self) -> bool {
        (self.is_optional)() == Some(false)
    }

    /// The field's value in an item.
    fn in_item<'i>(&self, item: &'i Attributes) -> Option<&'i Value> {
        std::iter::once(&self.name).chain(self.aliases).find_map(|name| item.get(*name))
    }

    /// The value as the record stores it. The caller gives it as the field's type or in its stored form.
    pub(crate) fn store(&self, value: &Value) -> StoredForm {
        let form = match (self.given)(value) {
            StoredForm::As(value) => StoredForm::As(value),
            StoredForm::Refused | StoredForm::Unknown => (self.stored)(value),
        };
        match &form {
            StoredForm::As(stored) if (self.stored)(stored) == StoredForm::Refused => StoredForm::Refused,
            _ => form,
        }
    }

    /// Whether the field is stored as a number; `None` when that is unknown.
    pub(crate) fn is_number(&self) -> Option<bool> {
        let is = |number: &str| match (self.stored)(&Value::N(number.to_owned())) {
            StoredForm::As(value) => Some(matches!(value, Value::N(_))),
            StoredForm::Refused => Some(false),
            StoredForm::Unknown => None,
        };
        // Tries both, for types that refuse 0.
        Some(is("0")? || is("1")?)
    }
}

/// A value that is read in one way and written in another.
#[doc(hidden)]
pub fn through<F>(value: &Value, read: Option<Read<F>>, write: Option<Write<F>>) -> StoredForm {
    let Some(read) = read else { return StoredForm::Unknown };
    let Ok(field) = read(De::from_attribute_value(value.clone())) else { return StoredForm::Refused };
    let Some(write) = write else { return StoredForm::As(value.clone()) };
    match write(&field, Watch::default().value()) {
        Ok(value) => StoredForm::As(value),
        Err(_) => StoredForm::Refused,
    }
}

/// How to read a type: `Reads::<F>::READ`. For types that cannot be read, it is the constant of [`NotRead`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Reads<F>(PhantomData<F>);

impl<F: Deserialize<'static>> Reads<F> {
    /// How to read it.
    pub const READ: Option<Read<F>> = Some(|value| F::deserialize(value));
    /// Whether it can be read where the attribute is absent.
    pub const IS_OPTIONAL: fn() -> Option<bool> = || Some(F::deserialize(Absent).is_ok());
}

/// The constants of types that cannot be read.
#[doc(hidden)]
pub trait NotRead<F> {
    /// It cannot be read.
    const READ: Option<Read<F>> = None;
    /// Unknown.
    const IS_OPTIONAL: fn() -> Option<bool> = || None;
}

impl<F> NotRead<F> for Reads<F> {}

/// How to write a type: `Writes::<F>::WRITE`. For types that cannot be written, it is the constant of [`Unwritten`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Writes<F>(PhantomData<F>);

impl<F: Serialize> Writes<F> {
    /// How to write it.
    pub const WRITE: Option<Write<F>> = Some(|value, serializer| value.serialize(serializer));
}

/// The constants of types that cannot be written.
#[doc(hidden)]
pub trait Unwritten<F> {
    /// It cannot be written.
    const WRITE: Option<Write<F>> = None;
}

impl<F> Unwritten<F> for Writes<F> {}

/// Whether an item can be read as a record: `ReadsBack::<T>::UNREADABLE`. For records that are only written or only
/// read, it is the constant of [`NotReadBack`].
#[doc(hidden)]
#[derive(Debug)]
pub struct ReadsBack<T>(PhantomData<T>);

impl<T: Record + Serialize + Deserialize<'static>> ReadsBack<T> {
    /// Why the item cannot be read.
    pub const UNREADABLE: fn(&Value) -> Option<String> = |item| match read::<T>(item.clone()) {
        Ok(record) => find_lost(&record, item),
        Err(what) => Some(what),
    };
}

/// The constants of records that cannot be read back.
#[doc(hidden)]
pub trait NotReadBack {
    /// Unknown.
    const UNREADABLE: fn(&Value) -> Option<String> = |_| None;
}

impl<T> NotReadBack for ReadsBack<T> {}

/// Reads a record, or says what does not fit.
pub(crate) fn read<T: Record + Deserialize<'static>>(item: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(De::from_attribute_value(item)).map_err(|error| {
        // The deserializer's message may quote a value, and the path below the attribute may contain one. So the error
        // names the attribute alone.
        match error.path().iter().next() {
            Some(serde_path_to_error::Segment::Map { key }) => {
                let ty = T::FORMS.field(key).map(|field| format!(", `{}`", field.ty)).unwrap_or_default();
                format!("attribute `{key}` is not what the record expects{ty}")
            }
            _ => match missing::<T>(&error.inner().to_string()) {
                Some(attribute) => format!("attribute `{attribute}` is missing"),
                None => "the item does not fit the record: an attribute is missing or unexpected".to_owned(),
            },
        }
    })
}

/// The declared attribute that serde's message says is missing. Only names that the type declares are repeated.
fn missing<T: Record>(message: &str) -> Option<&str> {
    let name = message.strip_prefix("missing field `")?.split('`').next()?;
    T::SCHEMA.field(name).map(|_| name)
}

/// serde reads an optional flattened record that does not fit as `None`. This names what of the item would be lost.
fn find_lost<T: Record + Serialize>(record: &T, item: &Value) -> Option<String> {
    let flattened = T::SCHEMA.fields().iter().filter_map(|field| match field {
        RecordField::Flatten(inner) => Some(*inner),
        _ => None,
    });
    let flattened: Vec<_> = flattened.collect();
    let Value::M(item) = item else { return None };
    if flattened.is_empty() {
        return None;
    }
    let Ok(Value::M(again)) = record.serialize(Watch::default().value()) else { return None };
    flattened.into_iter().find_map(|inner| {
        let name = item.keys().find(|name| inner.field(name).is_some())?;
        let is_there = again.keys().any(|name| inner.field(name).is_some());
        (!is_there).then(|| format!("serde would read the flattened record of attribute `{name}` as `None`"))
    })
}

/// Deserializes an absent value, as serde does: only an `Option` accepts it.
struct Absent;

impl<'de> Deserializer<'de> for Absent {
    type Error = Missing;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Missing> {
        Err(Missing::custom("missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Missing> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

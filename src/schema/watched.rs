//! Wraps serde_dynamo's serializer to watch the values that pass. Refuses those that must not be stored or could not be
//! read back.
//!
//! It is the safety net under the derive, which sees types only as written. A marked type below a field that is stored
//! as it is shows here, whatever lies between.

mod parts;

use std::any::type_name;
use std::cell::RefCell;
use std::fmt;

use serde::ser::{Serialize, Serializer};
use serde_dynamo::AttributeValue as Value;

use super::marked::Registry;
use super::{Record, RecordField};
pub use parts::Parts;

/// The faults that one serialization is watched for, and the first that was found.
#[doc(hidden)]
#[derive(Debug)]
pub struct Watch {
    field: fn(&str) -> At,
    fault: RefCell<Option<Fault>>,
}

/// Why something was not serialized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The attribute, when the fault is in one of a record.
    pub(crate) attribute: Option<String>,
    /// The value's type, as the serializer received it.
    pub(crate) ty: &'static str,
    pub(crate) kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// This type has encrypted fields, in a place where their marks would be ignored.
    Marked(&'static str),
    Key,
    BufferedKey,
    Wide,
    Range,
    NothingInSome,
    /// The type's own serialization failed.
    Other,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Marked(ty) => {
                return write!(f, "`{ty}` has encrypted fields, which would be stored in plaintext here");
            }
            Self::Key => "a map's key must be a string, integer, boolean or enum variant",
            Self::BufferedKey => {
                "a map's key is a number or boolean, which serde cannot read back through `flatten`: make it a string"
            }
            Self::Wide => "an integer of 128 bits cannot be read back: store it as a string",
            Self::Range => "DynamoDB cannot store this number: it is not finite, or outside 1E-130 to 9.99E+125",
            Self::NothingInSome => "a `Some` that is stored as NULL would be read back as `None`",
            Self::Other => "it does not serialize",
        })
    }
}

/// The serializer's position in a record.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct At {
    /// At the record itself.
    is_root: bool,
    /// In a map's key.
    is_key: bool,
    /// Directly in a `Some`.
    is_in_some: bool,
    /// Below a field that is stored as it is.
    is_open: bool,
    /// In a flattened record, which serde buffers to read it.
    is_buffered: bool,
}

impl Watch {
    /// A watch for a record of this type.
    pub(crate) fn for_record<T: Record>() -> Self {
        let field = |name: &str| {
            let is_plain = !matches!(T::SCHEMA.field(name), Some(field) if !matches!(field, RecordField::Plain { .. }));
            let is_public = || T::FORMS.field(name).is_some_and(|form| form.is_public);
            let is_own = T::SCHEMA.fields().iter().any(|field| field.name() == name);
            let is_buffered = !is_own && T::SCHEMA.field(name).is_some();
            At { is_open: is_plain && !is_public(), is_buffered, ..At::default() }
        };
        Self { field, fault: RefCell::new(None) }
    }

    /// A serializer for the record.
    pub(crate) fn record(&self) -> Watched<'_, serde_dynamo::Serializer> {
        self.at(At { is_root: true, ..At::default() })
    }

    /// Serializes a value of one of its attributes.
    pub(crate) fn attribute<V: Serialize>(&self, name: &str, value: &V) -> Result<Value, Fault> {
        let at = (self.field)(name);
        let below = Below { value, watch: self, at };
        let written = self.check::<V, serde_dynamo::Error>(at).and_then(|()| below.serialize(serde_dynamo::Serializer));
        written.map_err(|_| {
            self.record_fault(FaultKind::Other, type_name::<V>());
            self.name_fault::<V>(name);
            self.fault()
        })
    }

    /// A serializer for a value outside any record.
    pub(crate) fn value(&self) -> Watched<'_, serde_dynamo::Serializer> {
        self.at(At::default())
    }

    fn at(&self, at: At) -> Watched<'_, serde_dynamo::Serializer> {
        Watched { inner: serde_dynamo::Serializer, watch: self, at }
    }

    /// Why the serialization failed.
    pub(crate) fn fault(&self) -> Fault {
        let fault = self.fault.borrow().clone();
        fault.unwrap_or(Fault { attribute: None, ty: "", kind: FaultKind::Other })
    }

    /// Remembers the first fault, because it is the cause.
    fn record_fault(&self, kind: FaultKind, ty: &'static str) {
        self.fault.borrow_mut().get_or_insert(Fault { attribute: None, ty, kind });
    }

    fn name_fault<V: ?Sized>(&self, attribute: &str) {
        let mut fault = self.fault.borrow_mut();
        let fault = fault.get_or_insert(Fault { attribute: None, ty: "", kind: FaultKind::Other });
        fault.attribute.get_or_insert_with(|| attribute.to_owned());
        fault.ty = type_name::<V>();
    }

    fn refuse<E: serde::ser::Error>(&self, kind: FaultKind) -> E {
        self.record_fault(kind, "");
        E::custom(kind)
    }

    /// Refuses a type with marks where they would be ignored.
    fn check<V: ?Sized, E: serde::ser::Error>(&self, at: At) -> Result<(), E> {
        match at.is_open.then(|| Registry::get().find_by_type(type_name::<V>())).flatten() {
            Some(marked) => Err(self.refuse(FaultKind::Marked(marked))),
            None => Ok(()),
        }
    }
}

impl Default for Watch {
    /// A watch for a value outside any record.
    fn default() -> Self {
        Self { field: |_| At::default(), fault: RefCell::new(None) }
    }
}

/// The serializer.
#[doc(hidden)]
#[derive(Debug)]
pub struct Watched<'w, S> {
    inner: S,
    watch: &'w Watch,
    at: At,
}

/// A nested value, which is serialized under watch.
struct Below<'v, 'w, V: ?Sized> {
    value: &'v V,
    watch: &'w Watch,
    at: At,
}

impl<V: Serialize + ?Sized> Serialize for Below<'_, '_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Watched { inner: serializer, watch: self.watch, at: self.at })
    }
}

impl<'w, S: Serializer> Watched<'w, S> {
    fn below<'v, V: ?Sized>(&self, value: &'v V) -> Result<Below<'v, 'w, V>, S::Error> {
        self.watch.check::<V, S::Error>(self.at)?;
        Ok(Below { value, watch: self.watch, at: self.at })
    }

    /// The parts of a compound value. A map key cannot be one.
    fn parts<C>(
        self,
        name: &'static str,
        open: impl FnOnce(S) -> Result<C, S::Error>,
    ) -> Result<Parts<'w, C>, S::Error> {
        if self.at.is_key {
            return Err(self.watch.refuse(FaultKind::Key));
        }
        let at = At { is_in_some: false, ..self.at };
        Ok(Parts::new(open(self.inner)?, self.watch, at, name))
    }

    /// A number or boolean.
    fn scalar(self) -> Result<S, S::Error> {
        if self.at.is_key && self.at.is_buffered {
            return Err(self.watch.refuse(FaultKind::BufferedKey));
        }
        Ok(self.inner)
    }

    fn nothing(self) -> Result<S, S::Error> {
        if self.at.is_in_some {
            return Err(self.watch.refuse(FaultKind::NothingInSome));
        }
        Ok(self.inner)
    }

    /// 128-bit integers are only supported as keys.
    fn wide(self) -> Result<S, S::Error> {
        if self.at.is_key { self.scalar() } else { Err(self.watch.refuse(FaultKind::Wide)) }
    }

    /// DynamoDB's numbers end at 9.99…E+125 and begin at 1E-130.
    fn float(self, value: f64) -> Result<S, S::Error> {
        if value == 0.0 || (1e-130..1e126).contains(&value.abs()) {
            return Ok(self.inner);
        }
        Err(self.watch.refuse(FaultKind::Range))
    }
}

macro_rules! scalars {
    ($($method:ident $ty:ty, $check:ident;)*) => {
        $(fn $method(self, value: $ty) -> Result<S::Ok, S::Error> {
            self.$check()?.$method(value)
        })*
    };
}

impl<'w, S: Serializer> Serializer for Watched<'w, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'w, S::SerializeSeq>;
    type SerializeTuple = Parts<'w, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'w, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'w, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'w, S::SerializeMap>;
    type SerializeStruct = Parts<'w, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'w, S::SerializeStructVariant>;

    scalars! {
        serialize_bool bool, scalar;
        serialize_i8 i8, scalar;
        serialize_i16 i16, scalar;
        serialize_i32 i32, scalar;
        serialize_i64 i64, scalar;
        serialize_u8 u8, scalar;
        serialize_u16 u16, scalar;
        serialize_u32 u32, scalar;
        serialize_u64 u64, scalar;
        serialize_i128 i128, wide;
        serialize_u128 u128, wide;
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.float(value.into())?.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.float(value)?.serialize_f64(value)
    }

    fn serialize_char(self, value: char) -> Result<S::Ok, S::Error> {
        self.inner.serialize_char(value)
    }

    fn serialize_str(self, value: &str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_str(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<S::Ok, S::Error> {
        if self.at.is_key {
            return Err(self.watch.refuse(FaultKind::Key));
        }
        self.inner.serialize_bytes(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.nothing()?.serialize_none()
    }

    fn serialize_some<V: Serialize + ?Sized>(self, value: &V) -> Result<S::Ok, S::Error> {
        let mut below = self.below(value)?;
        below.at.is_in_some = true;
        self.inner.serialize_some(&below)
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.nothing()?.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.nothing()?.serialize_unit_struct(name)
    }

    fn serialize_unit_variant(self, name: &'static str, at: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, at, variant)
    }

    fn serialize_newtype_struct<V: Serialize + ?Sized>(self, name: &'static str, value: &V) -> Result<S::Ok, S::Error> {
        let below = self.below(value)?;
        self.inner.serialize_newtype_struct(name, &below)
    }

    fn serialize_newtype_variant<V: Serialize + ?Sized>(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
        value: &V,
    ) -> Result<S::Ok, S::Error> {
        if self.at.is_key {
            return Err(self.watch.refuse(FaultKind::Key));
        }
        let mut below = self.below(value)?;
        below.at.is_in_some = false;
        self.inner.serialize_newtype_variant(name, at, variant, &below)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.parts("", |inner| inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.parts("", |inner| inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.parts("", |inner| inner.serialize_tuple_struct(name, len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.parts("", |inner| inner.serialize_tuple_variant(name, at, variant, len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.parts("", |inner| inner.serialize_map(len))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.parts(name, |inner| inner.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.parts("", |inner| inner.serialize_struct_variant(name, at, variant, len))
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

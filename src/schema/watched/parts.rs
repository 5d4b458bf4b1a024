//! The parts of a compound value, each serialized under watch.

use std::any::type_name;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde_dynamo::AttributeValue as Value;

use super::{At, Below, FaultKind, Watch};
use crate::schema::marked::Registry;

/// The parts of a compound value.
#[doc(hidden)]
#[derive(Debug)]
pub struct Parts<'w, C> {
    inner: C,
    watch: &'w Watch,
    at: At,
    /// The name that serde gives the struct.
    name: &'static str,
    /// The fields written so far, when serde writes a struct as a map because one of its fields is flattened.
    names: Vec<String>,
    /// The latest key of the record itself.
    key: String,
}

impl<'w, C> Parts<'w, C> {
    pub(super) fn new(inner: C, watch: &'w Watch, at: At, name: &'static str) -> Self {
        Self { inner, watch, at, name, names: Vec::new(), key: String::new() }
    }

    fn below<'v, V: ?Sized, E: serde::ser::Error>(&self, value: &'v V) -> Result<Below<'v, 'w, V>, E> {
        self.watch.check::<V, E>(self.at)?;
        Ok(Below { value, watch: self.watch, at: self.at })
    }

    /// Writes a named value: an attribute of the record, or what may be a field of a marked type.
    fn serialize_named<'v, V: ?Sized, E: serde::ser::Error>(
        &mut self,
        name: &str,
        value: &'v V,
        write: impl FnOnce(&mut C, &Below<'v, 'w, V>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.at.is_root {
            let (at, watch) = ((self.watch.field)(name), self.watch);
            let written = watch.check::<V, E>(at).and_then(|()| write(&mut self.inner, &Below { value, watch, at }));
            return written.inspect_err(|_| watch.name_fault::<V>(name));
        }
        if self.at.is_open
            && !self.name.is_empty()
            && let Some(marked) = Registry::get().find_by_field(self.name, name)
        {
            return Err(self.watch.refuse(FaultKind::Marked(marked)));
        }
        let below = self.below(value)?;
        write(&mut self.inner, &below)
    }

    /// Remembers the field of a struct that is written as a map. A map's own keys never arrive as a plain `str`.
    fn note_name<K: Serialize + ?Sized>(&mut self, key: &K) {
        let is_root = self.at.is_root;
        if (is_root || self.at.is_open && type_name::<K>() == type_name::<str>())
            && let Ok(Value::S(name)) = key.serialize(serde_dynamo::Serializer)
        {
            if is_root { self.key = name } else { self.names.push(name) }
        }
    }

    fn key<'v, K: ?Sized>(&self, key: &'v K) -> Below<'v, 'w, K> {
        let at = At { is_key: true, is_buffered: self.at.is_buffered, ..At::default() };
        Below { value: key, watch: self.watch, at }
    }
}

macro_rules! parts {
    ($($part:ident $method:ident;)*) => {
        $(impl<C: $part> $part for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<V: Serialize + ?Sized>(&mut self, value: &V) -> Result<(), C::Error> {
                let below = self.below(value)?;
                self.inner.$method(&below)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

parts! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! fields {
    ($($part:ident)*) => {
        $(impl<C: $part> $part for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<V: Serialize + ?Sized>(&mut self, name: &'static str, value: &V) -> Result<(), C::Error> {
                self.serialize_named(name, value, |inner, below| inner.serialize_field(name, below))
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(name)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }

impl<C: SerializeMap> SerializeMap for Parts<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<K: Serialize + ?Sized>(&mut self, key: &K) -> Result<(), C::Error> {
        self.note_name(key);
        let below = self.key(key);
        self.inner.serialize_key(&below)
    }

    fn serialize_value<V: Serialize + ?Sized>(&mut self, value: &V) -> Result<(), C::Error> {
        let key = std::mem::take(&mut self.key);
        self.serialize_named(&key, value, |inner, below| inner.serialize_value(below))
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        if !self.names.is_empty()
            && let Some(marked) = Registry::get().find_by_fields(&self.names)
        {
            return Err(self.watch.refuse(FaultKind::Marked(marked)));
        }
        self.inner.end()
    }
}

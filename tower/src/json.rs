//! JSON that says one thing: no name twice, and no deeper than a bound.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The levels of objects and lists, the outermost included.
const MAX_DEPTH: u8 = 16;

/// Reads one object. None for anything else, for a name that stands twice in one object, and for more than 16 levels.
///
/// Parsers differ in which of two equal names they take, so what another has checked could be read otherwise here.
pub(crate) fn parse_object(text: &[u8]) -> Option<Map<String, Value>> {
    Unambiguous { levels: MAX_DEPTH }.deserialize(&mut serde_json::Deserializer::from_slice(text)).ok()?;
    // A second pass: a visitor that makes values would see numbers as objects where `arbitrary_precision` is on.
    serde_json::from_slice(text).ok()
}

/// Reads a value and keeps nothing of it.
struct Unambiguous {
    levels: u8,
}

impl Unambiguous {
    fn below<E: serde::de::Error>(&self) -> Result<u8, E> {
        self.levels.checked_sub(1).ok_or_else(|| E::custom("too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let levels = self.below()?;
        while list.next_element_seed(Self { levels })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let levels = self.below()?;
        let mut names = HashSet::new();
        while let Some(name) = object.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name twice"));
            }
            object.next_value_seed(Self { levels })?;
        }
        Ok(())
    }
}

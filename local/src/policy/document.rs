//! The JSON of a policy, parsed strictly: no unknown element, and no element twice.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IntoDeserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::MalformedPolicy;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Document {
    version: Option<Version>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    #[serde(rename = "Statement", deserialize_with = "one_or_many")]
    pub(super) statements: Vec<RawStatement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Version {
    #[serde(rename = "2008-10-17")]
    V2008,
    #[serde(rename = "2012-10-17")]
    V2012,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RawStatement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principal: Option<RawPrincipal>,
    #[serde(default, deserialize_with = "some_one_or_many")]
    pub(super) action: Option<Vec<String>>,
    #[serde(default, deserialize_with = "some_one_or_many")]
    pub(super) not_action: Option<Vec<String>>,
    #[serde(default, deserialize_with = "some_one_or_many")]
    pub(super) resource: Option<Vec<String>>,
    #[serde(default, deserialize_with = "some_one_or_many")]
    pub(super) not_resource: Option<Vec<String>>,
    #[serde(default)]
    pub(super) condition: Unique<Unique<Scalars>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Effect {
    Allow,
    Deny,
}

impl Effect {
    pub(super) fn denies(self) -> bool {
        self == Self::Deny
    }
}

#[derive(Debug)]
pub(super) enum RawPrincipal {
    Text(String),
    Kinds(Vec<(String, Vec<String>)>),
}

/// The values of a condition key, as text.
#[derive(Debug)]
pub(super) struct Scalars(pub(super) Vec<String>);

/// A JSON object as pairs. A name that occurs twice is an error, where a map would silently drop one of the two.
#[derive(Debug)]
pub(super) struct Unique<T>(pub(super) Vec<(String, T)>);

impl Document {
    pub(super) fn parse(json: &str) -> Result<Self, MalformedPolicy> {
        serde_json::from_str(json).map_err(|error| MalformedPolicy::new(error.to_string()))
    }

    /// Variables were introduced by version 2012-10-17. A policy without a version has an older one.
    pub(super) fn has_variables(&self) -> bool {
        self.version == Some(Version::V2012)
    }
}

impl<T> Default for Unique<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
            type Value = Unique<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Vec<(String, T)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    if pairs.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
                    }
                    pairs.push((name, value));
                }
                Ok(Unique(pairs))
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Scalars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Policies may write `true` and `5` for `"true"` and `"5"`.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Scalar {
            Text(String),
            Bool(bool),
            Number(serde_json::Number),
        }
        let values: Vec<Scalar> = one_or_many(deserializer)?;
        let text = |scalar| match scalar {
            Scalar::Text(text) => text,
            Scalar::Bool(value) => value.to_string(),
            Scalar::Number(value) => value.to_string(),
        };
        Ok(Self(values.into_iter().map(text).collect()))
    }
}

impl<'de> Deserialize<'de> for RawPrincipal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrKinds;
        impl<'de> Visitor<'de> for TextOrKinds {
            type Value = RawPrincipal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"*\" or an object of principals")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(RawPrincipal::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let Unique(kinds) = Unique::<Scalars>::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawPrincipal::Kinds(kinds.into_iter().map(|(kind, Scalars(values))| (kind, values)).collect()))
            }
        }
        deserializer.deserialize_any(TextOrKinds)
    }
}

/// IAM allows any list of one to be written without brackets.
fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct OneOrMany<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value or a list of values")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut values = Vec::new();
            while let Some(value) = seq.next_element()? {
                values.push(value);
            }
            Ok(values)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Ok(vec![T::deserialize(MapAccessDeserializer::new(map))?])
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
            Ok(vec![T::deserialize(value.into_deserializer())?])
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
            Ok(vec![T::deserialize(value.into_deserializer())?])
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
            Ok(vec![T::deserialize(value.into_deserializer())?])
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
            Ok(vec![T::deserialize(value.into_deserializer())?])
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
            Ok(vec![T::deserialize(value.into_deserializer())?])
        }
    }
    deserializer.deserialize_any(OneOrMany(PhantomData))
}

fn some_one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    one_or_many(deserializer).map(Some)
}

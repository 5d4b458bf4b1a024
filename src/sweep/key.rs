//! Primary keys in reports: in DynamoDB JSON where they are serialized, and in no `Debug`, because keys are data.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::item::Item;

/// A primary key.
#[derive(Clone, PartialEq)]
pub(super) struct Key(pub(super) Item);

impl Key {
    /// The attributes of these names, as far as the item has them.
    pub(super) fn of<'n>(names: impl Iterator<Item = &'n str>, item: &Item) -> Self {
        let named = names.filter_map(|name| item.get_key_value(name));
        Self(named.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attribute = |(name, value): (&String, &AttributeValue)| (name.clone(), value.clone().into());
        let attributes: BTreeMap<String, serde_dynamo::AttributeValue> = self.0.iter().map(attribute).collect();
        attributes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let attributes = BTreeMap::<String, serde_dynamo::AttributeValue>::deserialize(deserializer)?;
        Ok(Self(attributes.into_iter().map(|(name, value)| (name, value.into())).collect()))
    }
}

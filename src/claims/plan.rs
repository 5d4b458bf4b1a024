//! What a transaction does to claims, from what it does to items. Pure.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::tenant::TenantId;

use super::entry::Spot;
use crate::error::{Error, ItemRef};
use crate::item::Item;
use crate::schema::{TableSchema, Variant};

/// What is known of the stored item before an action of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stored {
    /// The action touches no unique lookup.
    Untouched,
    /// Nothing is known: a caller who repeats the transaction by its token must send the same bytes. Former claims then
    /// stay, and whoever wants the value finds them stale.
    Unknown,
    /// The tokens of its unique lookups, as they were read.
    Tokens(Item),
    /// The item as it was read, which the write returns; `None` where there was none.
    Whole(Option<Item>),
}

impl Stored {
    /// Whether it was read, so that it can have changed since.
    pub(super) fn is_read(&self) -> bool {
        matches!(self, Self::Tokens(_) | Self::Whole(_))
    }

    /// The attribute as it was read.
    pub(crate) fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        match self {
            Self::Tokens(item) | Self::Whole(Some(item)) => item.get(name),
            Self::Untouched | Self::Unknown | Self::Whole(None) => None,
        }
    }

    /// What must still be as it was read: attributes with their values, or without one those that must not be there.
    pub(crate) fn unchanged(&self, schema: &TableSchema, touched: &[Touch]) -> Vec<(String, Option<AttributeValue>)> {
        let as_read = |name: &str| (name.to_owned(), self.attribute(name).cloned());
        match self {
            Self::Untouched | Self::Unknown => Vec::new(),
            Self::Tokens(_) => touched.iter().map(|touch| as_read(touch.spot.lookup().stored())).collect(),
            Self::Whole(None) => vec![(schema.partition_key().to_owned(), None)],
            Self::Whole(Some(item)) => {
                let stored = schema.lookups().iter().map(|lookup| lookup.stored());
                // Of another type's attributes there may be more than an expression can name.
                let own = Variant::from_item(schema, item).attributes();
                let declared = own.chain(stored).chain(item.keys().map(String::as_str));
                let names: BTreeSet<_> = declared.filter(|name| !schema.key_names().any(|key| key == *name)).collect();
                names.into_iter().map(as_read).collect()
            }
        }
    }
}

/// What becomes of an item's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Becomes {
    /// This one. `is_claimed` unless there is nothing to look up in the value.
    Token { stored: String, is_claimed: bool },
    /// None is there any more.
    Nothing,
    /// The one that was read stays.
    Kept,
}

/// What an action does to one unique lookup of its item.
#[derive(Debug, Clone)]
pub(crate) struct Touch {
    pub(crate) spot: Spot,
    /// The item's primary key.
    pub(crate) key: Item,
    /// The token that was read.
    pub(crate) was: Option<AttributeValue>,
    pub(crate) becomes: Becomes,
}

/// A write of one claim, on the condition that no item has it, or one of `from`.
#[derive(Debug, Clone)]
pub(crate) struct ClaimWrite {
    pub(crate) spot: Spot,
    pub(crate) entry: String,
    /// The token that is claimed.
    pub(crate) token: String,
    /// The item that has it then; `None` deletes the claim.
    pub(crate) to: Option<Item>,
    pub(crate) from: Vec<Item>,
}

/// The writes of claims that go with these changes, one for each entry. `left` are the former claims that other items
/// have, and that stay.
pub(crate) fn plan(tenant: &TenantId, touched: &[Touch], left: &BTreeSet<String>) -> Result<Vec<ClaimWrite>, Error> {
    let mut writes: BTreeMap<String, ClaimWrite> = BTreeMap::new();
    let mut at = |touch: &Touch, token: &str, takes: bool| {
        let Some(entry) = touch.spot.entry(tenant, token).filter(|entry| takes || !left.contains(entry)) else {
            return Ok(());
        };
        let write = writes.entry(entry.clone()).or_insert_with(|| ClaimWrite {
            spot: touch.spot.clone(),
            entry,
            token: token.to_owned(),
            to: None,
            from: Vec::new(),
        });
        if !write.from.contains(&touch.key) {
            write.from.push(touch.key.clone());
        }
        match &write.to {
            Some(other) if takes && *other != touch.key => {
                Err(Error::not_unique(touch.spot.lookup(), ItemRef::new(&touch.spot.schema, other)))
            }
            _ => {
                if takes {
                    write.to = Some(touch.key.clone());
                }
                Ok(())
            }
        }
    };
    for touch in touched {
        let was = touch.was.as_ref().and_then(|was| was.as_s().ok());
        let stays = match &touch.becomes {
            Becomes::Token { stored, is_claimed } => {
                if *is_claimed {
                    at(touch, stored, true)?;
                }
                was == Some(stored)
            }
            Becomes::Nothing => false,
            Becomes::Kept => true,
        };
        if let Some(was) = was.filter(|_| !stays) {
            at(touch, was, false)?;
        }
    }
    Ok(writes.into_values().collect())
}

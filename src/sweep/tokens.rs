//! The tokens that a stored item should have, beside those that it has.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::format::{HEADER, Identity};
use tenantseal_core::tenant::TenantId;

use super::rewrite::Rewrite;
use crate::item::{Item, SealError, Tokens, is_same_token};
use crate::schema::{Lookup, LookupKind, LookupPart, LookupState, TableSchema, Variant};

/// What a sweep reads of an item: its keys, the header, and what lookups are made of.
pub(super) fn attributes(schema: &TableSchema) -> BTreeSet<&str> {
    let lookups = schema.lookups().iter();
    let parts = lookups.flat_map(|lookup| lookup.parts().iter().map(LookupPart::attribute).chain([lookup.stored()]));
    schema.key_names().chain(schema.discriminator()).chain([HEADER]).chain(parts).collect()
}

/// The part of a stored item that is opened: what the tokens of its lookups in service are made of.
pub(super) fn to_open(schema: &TableSchema, item: &Item) -> Item {
    let served = schema.lookups().iter().filter(|lookup| lookup.state() != LookupState::Retired);
    let parts = served.flat_map(|lookup| lookup.parts().iter().map(LookupPart::attribute));
    let mut names: BTreeSet<_> = schema.key_names().chain(schema.discriminator()).chain([HEADER]).collect();
    names.extend(parts);
    let named = item.iter().filter(|(name, _)| names.contains(name.as_str()));
    named.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether an item has nothing that a lookup is made of, no token, and no header: it is none of the sealed items.
pub(super) fn concerns_none(schema: &TableSchema, item: &Item) -> bool {
    let mut names = item.keys().map(String::as_str);
    names.all(|name| schema.key_names().chain(schema.discriminator()).any(|own| own == name))
}

/// What an item's discriminator says of its lookups.
pub(super) enum Declared<'s> {
    /// Those that its record type has, and those that it has not.
    Known(Vec<(&'s Lookup, bool)>),
    /// It is of no known record type, and has something that a lookup concerns.
    Unknown,
}

impl<'s> Declared<'s> {
    pub(super) fn of(schema: &'s TableSchema, item: &Item) -> Self {
        let variant = Variant::to_seal(schema, item).unwrap_or_else(|| Variant::unknown(schema));
        let mut known = Vec::new();
        for lookup in schema.lookups() {
            let concerns = || {
                let mut names = lookup.parts().iter().map(LookupPart::attribute).chain([lookup.stored()]);
                names.any(|name| item.contains_key(name))
            };
            match variant.declares(lookup) {
                _ if lookup.state() == LookupState::Retired => known.push((lookup, false)),
                Some(declared) => known.push((lookup, declared)),
                None if concerns() => return Self::Unknown,
                None => {}
            }
        }
        Self::Known(known)
    }

    /// The numbers of the lookup keys that the item's tokens need.
    pub(super) fn needed_keys(&self, item: &Item) -> BTreeSet<u16> {
        let Self::Known(known) = self else { return BTreeSet::new() };
        let wanted = known.iter().filter(|(lookup, declared)| *declared && values(lookup, item).is_some());
        wanted.map(|(lookup, _)| lookup.key()).collect()
    }
}

/// The values of a lookup's parts in an opened item, if it has a token there.
fn values<'i>(lookup: &Lookup, opened: &'i Item) -> Option<Vec<&'i AttributeValue>> {
    if lookup.state() == LookupState::Retired {
        return None;
    }
    lookup.parts().iter().map(|part| opened.get(part.attribute())).collect()
}

/// The token of a unique lookup in an item.
pub(super) struct UniqueToken<'s> {
    pub(super) lookup: &'s Lookup,
    /// The one that is stored, where it is not right.
    pub(super) former: Option<String>,
    /// The right one, where there is something to look up in the value.
    pub(super) right: Option<String>,
}

/// An item as it was read, and opened as far as its lookups need.
pub(super) struct Source<'a> {
    pub(super) schema: &'a TableSchema,
    pub(super) identity: &'a Identity,
    pub(super) stored: &'a Item,
    pub(super) opened: &'a Item,
}

impl Source<'_> {
    /// The rewrite that makes all tokens right, and the tokens of unique lookups. It relies on the parts of those that
    /// it changes, and on what says of which record type the item is.
    pub(super) fn rewrite<'s>(
        &self,
        declared: &[(&'s Lookup, bool)],
        tokens: Tokens<'_>,
    ) -> Result<(Rewrite, Vec<UniqueToken<'s>>), SealError> {
        let Self { schema, identity, stored, opened } = self;
        let (mut rewrite, mut unique) = (Rewrite::new(schema, stored), Vec::new());
        for (lookup, declared) in declared {
            let values = values(lookup, opened).filter(|_| *declared);
            let token = match &values {
                Some(values) => Some(tokens.stored(schema, lookup, identity, values)?),
                None => None,
            };
            let is_right = is_same_token(stored.get(lookup.stored()), token.as_ref());
            if lookup.is_unique() {
                let is_claimed = values.map(|values| lookup.asked(&values)).transpose()?.flatten().is_some();
                let text = |token: Option<&AttributeValue>| token.and_then(|token| token.as_s().ok()).cloned();
                unique.push(UniqueToken {
                    lookup,
                    former: text(stored.get(lookup.stored())).filter(|_| !is_right),
                    right: text(token.as_ref()).filter(|_| is_claimed),
                });
            }
            if is_right {
                continue;
            }
            rewrite.change(lookup.stored(), token);
            if lookup.state() != LookupState::Retired {
                lookup.parts().iter().for_each(|part| rewrite.rely_on_sealed(stored, part.attribute()));
            }
        }
        if let Some(discriminator) = schema.discriminator().filter(|name| !schema.key_names().any(|key| key == *name)) {
            rewrite.rely_on(stored, discriminator);
        }
        Ok((rewrite, unique))
    }
}

/// Whether an item has a token that no writer of this library makes: of another tenant, or of another type.
pub(super) fn is_suspicious(schema: &TableSchema, tenant: &TenantId, stored: &Item) -> bool {
    let tenant = schema.tenant().render(tenant);
    let is_own = |token: &String| token.strip_prefix(tenant.as_str()).is_some_and(|rest| rest.starts_with('.'));
    schema.lookups().iter().any(|lookup| match (stored.get(lookup.stored()), lookup.kind()) {
        (None, _) => false,
        (Some(AttributeValue::Ss(tokens)), LookupKind::Each) => !tokens.iter().all(is_own),
        (Some(AttributeValue::S(token)), kind) if kind != LookupKind::Each => !is_own(token),
        (Some(_), _) => true,
    })
}

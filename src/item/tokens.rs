//! The tokens of an item's lookups, which are stored beside the encrypted attributes.

use aws_sdk_dynamodb::types::AttributeValue;
use smallvec::SmallVec;
use tenantseal_core::crypto::MacKey;
use tenantseal_core::format::Identity;
use tenantseal_core::keys::LookupKeys;
use tenantseal_core::tenant::TenantId;

use super::formed::{Asked, Formed, FormedParts};
use super::{Item, SealError};
use crate::schema::{Lookup, LookupKind, LookupState, TableSchema, Variant};

/// Tokens to store with an item: names and values of attributes.
pub(crate) type StoredTokens = SmallVec<[(String, AttributeValue); 1]>;
/// Numbers of lookup keys.
pub(crate) type KeyNumbers = SmallVec<[u16; 4]>;
/// The values of a lookup's parts.
type Values<'i> = SmallVec<[&'i AttributeValue; 4]>;

/// Makes the tokens of one tenant.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'a> {
    keys: Option<&'a LookupKeys>,
    tenant: &'a TenantId,
}

impl<'a> Tokens<'a> {
    /// With the tenant's lookup keys; `None` when no table of the request has lookups.
    pub(crate) fn new(keys: Option<&'a LookupKeys>, tenant: &'a TenantId) -> Self {
        Self { keys, tenant }
    }

    /// The tokens to store with an item to be sealed.
    ///
    /// An attribute of tokens is there exactly when all parts of its lookup are.
    pub(crate) fn of_item(
        self,
        schema: &TableSchema,
        identity: &Identity,
        item: &Item,
    ) -> Result<StoredTokens, SealError> {
        let mut tokens = StoredTokens::new();
        for (lookup, values) in of_item(schema, item) {
            tokens.push((lookup.stored().to_owned(), self.stored(schema, lookup, identity, &values)?));
        }
        Ok(tokens)
    }

    /// The stored token of these values of a lookup's parts, in the item with this identity.
    pub(crate) fn stored(
        self,
        schema: &TableSchema,
        lookup: &Lookup,
        identity: &Identity,
        values: &[&AttributeValue],
    ) -> Result<AttributeValue, SealError> {
        let key = self.mac_key(schema, lookup)?;
        let tenant = schema.tenant().pieces(self.tenant);
        let token = |parts: &FormedParts| key.token(&tenant, &parts.parts());
        Ok(match lookup.formed(values)? {
            Formed::Parts(parts) => AttributeValue::S(token(&parts)),
            Formed::Members(members) => {
                let mut tokens: Vec<_> = members.iter().map(token).collect();
                // With few bits, members share tokens.
                tokens.sort_unstable();
                tokens.dedup();
                AttributeValue::Ss(tokens)
            }
            Formed::Nothing => {
                let filler = key.filler(&tenant, identity);
                if lookup.kind() == LookupKind::Each {
                    AttributeValue::Ss(vec![filler])
                } else {
                    AttributeValue::S(filler)
                }
            }
        })
    }

    /// The token to ask for.
    pub(crate) fn asked(self, schema: &TableSchema, lookup: &Lookup, asked: &Asked) -> Result<String, SealError> {
        Ok(self.mac_key(schema, lookup)?.token(&schema.tenant().pieces(self.tenant), &asked.token().parts()))
    }

    fn mac_key(self, schema: &TableSchema, lookup: &Lookup) -> Result<&'a MacKey, SealError> {
        let key = self.keys.and_then(|keys| keys.mac_key(schema.name(), lookup.name()));
        key.ok_or_else(|| SealError::NoLookupKey { lookup: lookup.name().to_owned() })
    }
}

/// The numbers of the lookup keys that the tokens of an item need. Refuses an item of which a lookup cannot take a value.
pub(crate) fn needed_lookup_keys(schema: &TableSchema, item: &Item) -> Result<KeyNumbers, SealError> {
    of_item(schema, item).map(|(lookup, values)| lookup.formed(&values).map(|_| lookup.key())).collect()
}

/// The unique lookups of which an item to be sealed has a value, by their places, and whether there is something to look
/// up in it.
pub(crate) fn unique_of_item(schema: &TableSchema, item: &Item) -> Result<Vec<(usize, bool)>, SealError> {
    let place = |lookup: &Lookup| schema.lookups().iter().position(|other| other.name() == lookup.name());
    let mut unique = Vec::new();
    if schema.lookups().iter().any(Lookup::is_unique) {
        for (lookup, values) in of_item(schema, item).into_iter().filter(|(lookup, _)| lookup.is_unique()) {
            let is_claimed = lookup.formed(&values)? != Formed::Nothing;
            unique.extend(place(lookup).map(|at| (at, is_claimed)));
        }
    }
    Ok(unique)
}

/// The lookups whose tokens an item to be sealed stores, each with the values of its parts.
fn of_item<'s, 'i>(schema: &'s TableSchema, item: &'i Item) -> impl Iterator<Item = (&'s Lookup, Values<'i>)> {
    let variant = if schema.lookups().is_empty() { None } else { Variant::to_seal(schema, item) };
    let written = variant.into_iter().flat_map(|variant| variant.lookups());
    written.filter(|lookup| lookup.state() != LookupState::Retired).filter_map(|lookup| {
        let values = lookup.parts().iter().map(|part| item.get(part.attribute())).collect::<Option<Values<'_>>>()?;
        Some((lookup, values))
    })
}

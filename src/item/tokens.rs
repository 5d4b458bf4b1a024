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

    /// The tokens to store with a prepared item, which has this identity.
    pub(crate) fn of_prepared(
        self,
        schema: &TableSchema,
        identity: &Identity,
        Prepared(prepared): &Prepared,
    ) -> Result<StoredTokens, SealError> {
        let mut tokens = StoredTokens::new();
        for (at, formed) in prepared {
            let lookup = &schema.lookups()[*at];
            tokens.push((lookup.stored().to_owned(), self.of_formed(schema, lookup, identity, formed)?));
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
        self.of_formed(schema, lookup, identity, &lookup.formed(values)?)
    }

    fn of_formed(
        self,
        schema: &TableSchema,
        lookup: &Lookup,
        identity: &Identity,
        formed: &Formed,
    ) -> Result<AttributeValue, SealError> {
        let key = self.mac_key(schema, lookup)?;
        let tenant = schema.tenant().pieces(self.tenant);
        let token = |parts: &FormedParts| key.token(&tenant, &parts.parts());
        Ok(match formed {
            Formed::Parts(parts) => AttributeValue::S(token(parts)),
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

/// Whether two tokens are the same. The members of a set have no order.
pub(crate) fn is_same_token(stored: Option<&AttributeValue>, token: Option<&AttributeValue>) -> bool {
    match (stored, token) {
        (Some(AttributeValue::Ss(stored)), Some(AttributeValue::Ss(token))) => {
            stored.len() == token.len() && stored.iter().all(|member| token.contains(member))
        }
        (stored, token) => stored == token,
    }
}

/// What the tokens of an item to be sealed are made of. An attribute of tokens is there exactly when all parts of its
/// lookup are. Lookups are named by their places in the schema.
pub(crate) struct Prepared(SmallVec<[(usize, Formed); 1]>);

impl Prepared {
    /// Refuses an item of which a lookup cannot take a value.
    pub(crate) fn new(schema: &TableSchema, item: &Item) -> Result<Self, SealError> {
        let mut prepared = SmallVec::new();
        if schema.lookups().is_empty() {
            return Ok(Self(prepared));
        }
        let Some(variant) = Variant::to_seal(schema, item) else { return Ok(Self(prepared)) };
        let is_written =
            |lookup: &Lookup| lookup.state() != LookupState::Retired && variant.declares(lookup) == Some(true);
        for (at, lookup) in schema.lookups().iter().enumerate().filter(|(_, lookup)| is_written(lookup)) {
            let values = lookup.parts().iter().map(|part| item.get(part.attribute()));
            if let Some(values) = values.collect::<Option<SmallVec<[_; 4]>>>() {
                prepared.push((at, lookup.formed(&values)?));
            }
        }
        Ok(Self(prepared))
    }

    /// The numbers of the lookup keys that the tokens need.
    pub(crate) fn keys(&self, schema: &TableSchema) -> KeyNumbers {
        self.0.iter().map(|(at, _)| schema.lookups()[*at].key()).collect()
    }

    /// The unique lookups of which the item has a value, by their places, and whether there is something to look up in it.
    pub(crate) fn unique(&self, schema: &TableSchema) -> Vec<(usize, bool)> {
        let unique = self.0.iter().filter(|(at, _)| schema.lookups()[*at].is_unique());
        unique.map(|(at, formed)| (*at, *formed != Formed::Nothing)).collect()
    }
}

//! Counts what the tokens of opened items are, for operators. A lookup does not find items whose tokens are stale or of
//! another lookup key, and an honest old writer leaves the same trace as a hostile one, so this is no error.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::format::Identity;
use tenantseal_core::keys::LookupKeys;
use tenantseal_core::telemetry::{self, TokensSeen};

use super::Binding;
use crate::item::{Item, Tokens, is_same_token};
use crate::schema::{Lookup, LookupState, TableSchema, Variant};

/// The tokens of an answer's items, as far as lookup keys are cached: nothing is fetched for a metric.
pub(super) struct SeenTokens<'a> {
    binding: &'a Binding,
    is_index: bool,
    /// The table whose items were looked at last. Most answers are of one table.
    table: Option<(&'a str, Option<Warm>)>,
    /// Whether tokens of one item were made anew. While a sink is told every use of a data key, none is.
    is_compared: bool,
    seen: TokensSeen,
}

struct Warm {
    keys: LookupKeys,
    /// The tenant, as its tokens begin.
    tenant: String,
}

/// Tokens to compare with those that the opened item should have.
pub(super) type ToCompare<'a> = Vec<(&'a Lookup, AttributeValue)>;

impl<'a> SeenTokens<'a> {
    pub(super) fn new(binding: &'a Binding, index: Option<&str>) -> Self {
        let is_compared = binding.audit.is_on();
        Self { binding, is_index: index.is_some(), table: None, is_compared, seen: TokensSeen::default() }
    }

    /// Looks at the marks of a stored item's tokens. Returns those of the first item, to be compared once it is opened.
    pub(super) fn look_at(&mut self, table: &'a TableSchema, item: &Item, is_whole: bool) -> ToCompare<'a> {
        let mut to_compare = Vec::new();
        if table.lookups().is_empty() || !is_whole {
            return to_compare;
        }
        if self.table.as_ref().is_none_or(|(name, _)| *name != table.name()) {
            self.table = Some((table.name(), self.warm(table)));
        }
        let Some((_, Some(Warm { keys, tenant }))) = &self.table else { return to_compare };
        let variant = Variant::from_item(table, item);
        let served = variant.lookups().filter(|lookup| lookup.state() != LookupState::Retired);
        for lookup in served {
            let Some(key) = keys.mac_key(table.name(), lookup.name()) else { continue };
            let has_parts = lookup.parts().iter().all(|part| item.contains_key(part.attribute()));
            let is_marked = |stored: &AttributeValue| match stored {
                AttributeValue::S(token) => key.has_mark(tenant, token),
                AttributeValue::Ss(tokens) => tokens.iter().all(|token| key.has_mark(tenant, token)),
                _ => false,
            };
            match item.get(lookup.stored()) {
                Some(stored) if !is_marked(stored) => self.seen.other += 1,
                Some(stored) if has_parts => {
                    self.seen.current += 1;
                    if !self.is_compared {
                        to_compare.push((lookup, stored.clone()));
                    }
                }
                // An index may lack either.
                Some(_) if !self.is_index => self.seen.stale += 1,
                None if has_parts && !self.is_index => self.seen.absent += 1,
                _ => {}
            }
        }
        to_compare
    }

    /// Compares tokens of a stored item with those of the opened one.
    pub(super) fn compare(&mut self, table: &TableSchema, identity: &Identity, stored: ToCompare<'_>, opened: &Item) {
        let Some((_, Some(Warm { keys, .. }))) = &self.table else { return };
        self.is_compared |= !stored.is_empty();
        for (lookup, stored) in stored {
            let values = lookup.parts().iter().map(|part| opened.get(part.attribute())).collect::<Option<Vec<_>>>();
            let tokens = Tokens::new(Some(keys), &self.binding.tenant);
            let token = values.and_then(|values| tokens.stored(table, lookup, identity, &values).ok());
            if !is_same_token(Some(&stored), token.as_ref()) {
                self.seen.current -= 1;
                self.seen.stale += 1;
            }
        }
    }

    pub(super) fn record(self) {
        telemetry::record_tokens_seen(self.seen);
    }

    fn warm(&self, table: &TableSchema) -> Option<Warm> {
        let mut numbers: Vec<_> = table.lookups().iter().map(Lookup::key).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let keys = self.binding.keys.peek_lookup_keys(&numbers)?;
        Some(Warm { keys, tenant: table.tenant().render(&self.binding.tenant) })
    }
}
